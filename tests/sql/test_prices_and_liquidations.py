"""Price and liquidation queries on rows small enough to add up by hand."""

from __future__ import annotations

from typing import Any

from tests.sql.conftest import Make, Rows, at, rows

BTC, ETH = "BTC/USD:USD", "ETH/USD:USD"


def walk(symbol: str, *prices: float, **more: Any) -> Rows:
    """Return steps of one symbol, two of 30 s to a bar of one minute; mark and trade are the same."""
    return [
        {
            "step": k,
            "ts": 30 * (k - 1),
            "bar_ts": 60 * ((k - 1) // 2),
            "symbol": symbol,
            "trade_px": px,
            "mark_px": px,
            "trade_low_px": px,
            "trade_high_px": px,
            "tape_mark_px": px + 1,
            **more,
        }
        for k, px in enumerate(prices, 1)
    ]


def test_price_moves(tables: Make) -> None:
    bar = {"symbol": BTC, "trade_low_px": 60.0, "trade_high_px": 130.0, "bar_ts": 0}
    run = tables(
        steps=[
            {**bar, "step": 1, "ts": 0, "trade_px": 100.0, "mark_px": 100.0},
            {**bar, "step": 2, "ts": 20, "trade_px": 60.0, "mark_px": 75.0},
            {**bar, "step": 3, "ts": 40, "trade_px": 130.0, "mark_px": 110.0},
            {**bar, "step": 4, "ts": 60, "trade_px": 90.0, "mark_px": 75.0},
            *walk(ETH, 10.0, 11.0),
        ]
    )
    assert run.ask("price_moves", "symbol first_px low_px low_ts high_px last_px move_to_low_frac") == [
        (BTC, 100.0, 60.0, at(20), 130.0, 90.0, 0.6 - 1),
        (ETH, 10.0, 10.0, at(0), 11.0, 11.0, 0.0),
    ]
    # The mark's low of 75 is reached at 20 s and again at 60 s: the first time counts.
    marks = "mark_low_px mark_low_ts mark_move_to_low_frac mark_high_px"
    assert run.ask("price_moves", marks)[0] == (75.0, at(20), -0.25, 110.0)


def test_price_path_of_one_symbol_or_all(tables: Make) -> None:
    run = tables(steps=[*walk(ETH, 10.0), *walk(BTC, 100.0, 90.0, jump=True)])
    columns = "ts trade_px mark_px jump bridged trade_low_px trade_high_px step symbol tape_mark_px"
    btc = [
        (at(0), 100.0, 100.0, True, False, 100.0, 100.0, 1, BTC, 101.0),
        (at(30), 90.0, 90.0, True, False, 90.0, 90.0, 2, BTC, 91.0),
    ]
    assert run.ask("price_path", columns, symbol="BTC") == run.ask("price_path", columns, symbol=BTC) == btc
    assert run.ask("price_path", "symbol") == [(BTC,), (BTC,), (ETH,)]
    assert run.ask("price_path", "symbol", symbol="BT") == []


def test_potential_shows_minutes_with_something_ahead(tables: Make) -> None:
    run = tables(
        potential=rows(
            """
            bar_ts ahead_lots ahead_usd absorbed_usd potential
            0      0          0         50           0
            60     3          300       50           6
            120    1          10        50           0.2
            180    2          20        -            -
            """,
            symbol=BTC,
        )
    )
    name = "potential_by_minute"
    assert run.ask(name, "minute_ts potential") == [(at(60), 6.0), (at(120), 0.2), (at(180), None)]
    assert run.ask(name, "ahead_usd", least=1.0, symbol="BTC") == [(300,), (20,)]
    assert run.ask(name, "ahead_usd", symbol="ETH") == []


def liquidation(number: int, **more: Any) -> dict[str, Any]:
    """Return a liquidation of 10 long lots at a mark of 100, all taken by the book."""
    row = {
        "liquidation_id": number,
        "position_id": number,
        "account_id": number,
        "step": 1,
        "symbol": BTC,
        "side": "long",
        "cohort": "10x",
        "lots": 10,
        "mark_px": 100.0,
        "notional_usd": 1000,
        "book_lots": 10,
        "cascade_id": 1,
    }
    return {**row, **more}


def test_liquidations_per_minute(tables: Make) -> None:
    run = tables(
        steps=[*walk(BTC, 100, 95, 90, 85, 80, 75), *walk(ETH, *[10] * 6)],
        liquidations=[
            liquidation(1, step=2, ts=30),
            # crossing at the very end of the bar: still the bar of its step
            liquidation(2, step=2, ts=60, side="short", notional_usd=500),
            # 4 of 10 lots are kept: 6 x 80 leave the account
            liquidation(3, step=5, ts=125, notional_usd=800, closed_usd=480, book_lots=6, remaining_lots=4),
            liquidation(4, step=5, ts=126, symbol=ETH, notional_usd=100),
        ],
    )
    columns = "minute_ts long_usd short_usd cumulative_usd liquidations"
    assert run.ask("liquidations_per_minute", columns) == [(at(0), 1000, 500, 1500, 2), (at(120), 580, 0, 2080, 2)]
    assert run.ask("liquidations_per_minute", columns, symbol="ETH") == [(at(120), 100, 0, 100, 1)]


def test_liquidations_by_cohort(tables: Make) -> None:
    def position(cohort: str, side: str, lots: int, leverage: float) -> dict[str, Any]:
        return {"symbol": BTC, "cohort": cohort, "side": side, "lots": lots, "leverage": leverage}

    run = tables(
        steps=walk(BTC, 50.0, 40.0),
        positions=[
            position("20x", "long", 4, 20.0),
            position("2x", "long", 10, 2.0),
            position("2x", "long", 6, 2.0),
            position("2x", "short", 20, 2.0),
        ],
        liquidations=[
            liquidation(1, cohort="2x", lots=6, closed_usd=80, book_lots=2, remaining_lots=4),
            liquidation(2, cohort="2x", lots=4, notional_usd=160, book_lots=0, takeover_lots=3, adl_lots=1),
            liquidation(3, cohort="20x", lots=4, notional_usd=160, book_lots=4),
        ],
    )
    columns = "symbol cohort side positions opening_notional_usd liquidations liquidated_usd liquidated_share_frac"
    # 2x longs: 16 lots x 50; 2 + 4 lots left at 40 each: 240; 6 of 16 lots
    assert run.ask("liquidations_by_cohort", columns) == [
        (BTC, "2x", "long", 2, 800, 2, 240, 0.375),
        (BTC, "2x", "short", 1, 1000, 0, 0, 0.0),
        (BTC, "20x", "long", 1, 200, 1, 160, 1.0),
    ]


def test_liquidation_price_map(tables: Make) -> None:
    def position(side: str, px: float | None, lots: int) -> dict[str, Any]:
        return {"symbol": BTC, "side": side, "lots": lots, "liquidation_px": px}

    run = tables(
        steps=walk(BTC, 100.0, 85.0, 110.0),
        positions=[
            position("long", 60.0, 1),
            position("long", 61.0, 2),
            position("long", 80.0, 4),
            position("long", 20.0, 8),
            position("short", 140.0, 16),
            position("short", None, 32),
            position("short", 600.0, 64),
        ],
    )
    # The book's prices reach from 20 to 600; at most half of the first mark away: 50 to 150, four bins of 25.
    columns = "bin_low_px bin_high_px side notional_usd reached"
    assert run.ask("liquidation_price_map", columns, symbol="BTC", bins=4) == [
        (50.0, 75.0, "long", 300, False),
        (50.0, 75.0, "short", 0, False),
        (75.0, 100.0, "long", 400, True),
        (75.0, 100.0, "short", 0, True),
        (100.0, 125.0, "long", 0, True),
        (100.0, 125.0, "short", 0, True),
        (125.0, 150.0, "long", 0, False),
        (125.0, 150.0, "short", 1600, False),
    ]
    assert set(run.ask("liquidation_price_map", "side outside_usd", bins=4)) == {("long", 800), ("short", 9600)}


def test_the_map_of_one_range_of_leverage_has_the_bins_of_all(tables: Make) -> None:
    book = [("0-3x", 60.0, 1), ("7x+", 80.0, 2), ("7x+", 140.0, 4)]
    run = tables(
        steps=walk(BTC, 100.0),
        positions=[
            {"symbol": BTC, "side": "long", "cohort": cohort, "lots": lots, "liquidation_px": px}
            for cohort, px, lots in book
        ],
    )
    found = run.ask("liquidation_price_map", "bin_low_px side notional_usd", bins=2, cohort="7x+")
    assert [row for row in found if row[1] == "long"] == [(60.0, "long", 200), (100.0, "long", 400)]


def test_map_after_waves(tables: Make) -> None:
    """At a mark of 100: of five longs at 99 one is gone; what ADL closes later, and who is past the mark, is not."""
    names = ("position_id", "side", "liquidation_px", "lots")
    book = [(1, "long", 99, 5), (2, "long", 92, 3), (3, "long", 80, 9), (4, "long", 105, 9), (5, "short", 101, 2),
            (6, "short", 109, 7)]  # fmt: skip
    run = tables(
        steps=walk(BTC, 110.0, 100.0, 90.0),
        positions=[{"symbol": BTC, **dict(zip(names, row, strict=True))} for row in book],
        liquidations=rows("step position_id lots remaining_lots\n2 1 5 4", symbol=BTC),
        adl_events=rows("wave_id step ts mark_px notional_usd\n1 2 30 100 50", symbol=BTC),
        adl_fills=rows("step position_id lots\n3 5 1", symbol=BTC),
    )
    columns = "wave_id ts mark_px notional_usd long_near_usd long_far_usd short_near_usd short_far_usd"
    assert run.ask("map_after_waves", columns) == [(1, at(30), 100.0, 50, 400, 700, 200, 900)]


def test_from_the_map_to_what_was_liquidated(tables: Make) -> None:
    """The mark falls from 100 to 85: of four longs at 90 one is kept; one at 80 goes with its account, one has none."""
    longs = rows("position_id lots liquidation_px\n1 4 90\n2 7 80\n3 2 -\n4 5 70", symbol=BTC, side="long")
    run = tables(
        steps=walk(BTC, 100.0, 85.0),
        positions=[*longs, {"symbol": BTC, "side": "short", "position_id": 5, "lots": 18, "liquidation_px": 100.0}],
        liquidations=rows(
            "position_id lots remaining_lots closed_usd\n1 4 2 180\n1 2 1 85\n2 7 0 595\n3 2 0 180", symbol=BTC
        ),
    )
    columns = "side map_usd kept_usd beyond_usd left_usd liquidated_usd"
    assert run.ask("map_against_liquidations", columns) == [
        ("long", 400, 100, 900, 1200, 1040),
        ("short", 1800, 1800, 0, 0, 0),
    ]


def test_the_edge_of_the_map_holds_the_last_position(tables: Make) -> None:
    run = tables(
        steps=walk(BTC, 100.0),
        positions=[{"symbol": BTC, "side": "long", "lots": 1, "liquidation_px": px} for px in (90.0, 120.0)],
    )
    assert run.ask("liquidation_price_map", "bin_high_px side notional_usd", bins=2) == [
        (105.0, "long", 100),
        (105.0, "short", 0),
        (120.0, "long", 100),
        (120.0, "short", 0),
    ]


def test_largest_liquidations(tables: Make) -> None:
    run = tables(
        liquidations=[
            liquidation(1, notional_usd=900),
            # 5 of 20 lots are kept; the book took 3 of the 15 that left
            liquidation(
                2, lots=20, closed_usd=1500, book_lots=3, takeover_lots=12, remaining_lots=5, bankruptcy_px=97.0
            ),
            liquidation(3, notional_usd=900, book_lots=0, adl_lots=10, ts=7),
        ]
    )
    columns = "rank account_id notional_usd bankruptcy_px book_lots takeover_lots adl_lots lots book_share_frac ts"
    assert run.ask("largest_liquidations", columns, limit=2) == [
        (1, 2, 1500, 97.0, 3, 12, 0, 20, 0.2, at(0)),
        (2, 1, 900, 0.0, 10, 0, 0, 10, 1.0, at(0)),
    ]
    assert run.ask("largest_liquidations", "account_id") == [(2,), (1,), (3,)]


def test_cascades(tables: Make) -> None:
    run = tables(
        steps=[*walk(BTC, 100, 98, 95, 97, 97, 97), *walk(ETH, 10, 10, 10, 5, 10, 20)],
        liquidations=[
            liquidation(1, step=2, ts=25),
            liquidation(2, step=3, ts=40),
            liquidation(3, step=3, ts=55),
            liquidation(4, step=6, ts=150, cascade_id=2, symbol=ETH, notional_usd=70),
            liquidation(5, step=6, ts=141, cascade_id=2),
        ],
    )
    columns = "cascade_id start_ts end_ts duration_s steps liquidations liquidated_usd largest_step_usd symbols"
    assert run.ask("cascades", columns) == [
        (1, at(25), at(55), 30.0, 2, 3, 3000, 2000, BTC),
        (2, at(141), at(150), 9.0, 1, 2, 1070, 1070, f"{BTC}, {ETH}"),
    ]
    assert run.ask("cascades", "mark_move_symbol mark_move_frac") == [(BTC, 0.95 - 1), (ETH, 1.0)]


def test_liquidity_pressure(tables: Make) -> None:
    left = {1: 30, 2: 5, 3: 0}
    run = tables(
        steps=[{**row, "liquidity_left_lots": left[row["step"]]} for row in walk(BTC, 100, 80, 50)],
        liquidations=[
            # waits with 4 lots and comes again in the same bar: ordered once, 10 lots
            liquidation(1, step=1, book_lots=6, book_usd=540, remaining_lots=4),
            liquidation(2, position_id=1, step=2, lots=4, notional_usd=320, book_lots=1, book_usd=60, takeover_lots=3),
            # the next bar has no liquidity
            liquidation(3, step=3, notional_usd=500, book_lots=0, adl_lots=10),
        ],
    )
    # first bar: the book took 600, five lots at 80 were left: 1,000 / (600 + 400)
    columns = "minute_ts symbol ordered_usd book_usd pressure_ratio book_share_frac"
    assert run.ask("liquidity_pressure", columns) == [
        (at(0), BTC, 1000, 600, 1.0, 0.7),
        (at(60), BTC, 500, 0, None, 0.0),
    ]


def test_open_interest_path(tables: Make) -> None:
    rows = [{**row, "long_oi_usd": 10 * row["step"], "short_oi_usd": row["step"]} for row in walk(BTC, 1, 1, 1)]
    run = tables(steps=[*rows, *walk(ETH, 1)])
    assert run.ask("open_interest_path", "minute_ts symbol long_oi_usd short_oi_usd", symbol="BTC") == [
        (at(0), BTC, 20, 2),
        (at(60), BTC, 30, 3),
    ]
    assert len(run.ask("open_interest_path", "symbol")) == 3


def test_funding_flows(tables: Make) -> None:
    def event(step: int, side: str, amount: str) -> dict[str, Any]:
        return {"step": step, "symbol": BTC, "side": side, "cohort": "2x", "amount_usd": amount}

    run = tables(
        funding=[event(1, "long", "-1.000000000001"), event(9, "long", "-2"), event(1, "short", "1.000000000001")]
    )
    rows = run.ask("funding_flows", "symbol side cohort events amount_usd")
    assert [(*row[:4], str(row[4])) for row in rows] == [
        (BTC, "long", "2x", 2, "-3.000000000001"),
        (BTC, "short", "2x", 1, "1.000000000001"),
    ]
    run.add("funding", [{**event(17, "short", "3"), "notional_basis": "oracle", "clipped": True}])
    assert run.ask("funding_flows", "side events on_oracle clipped") == [("long", 2, 0, 0), ("short", 2, 1, 1)]


def test_position_funding_follows_the_lots(tables: Make) -> None:
    # A long of 10 pays 0.000123456789 a lot at step 1, loses 4 in step 5, in which it still pays for all 10, and
    # receives 0.5 a lot for its 6 at step 9; it is gone before step 13. The short of 7 has the other side until step 9.
    rates = {1: "-0.000864197523", 5: "-7", 9: "3.5", 13: "-7"}  # of a cohort of 7 lots
    run = tables(
        accounts=[{"account_id": 1, "name": "mine"}, {"account_id": 2}],
        positions=rows("account_id side lots quantity_base\n1 long 10 0.1\n2 short 7 0.07", symbol=BTC),
        funding=[
            {"step": step, "symbol": BTC, "side": "long", "lots": 7, "amount_usd": usd, "notional_basis": "oracle",
             "rate": 0.01, "fetched_rate": 0.02, "clipped": True}
            for step, usd in rates.items()
        ],
        ledger=rows(
            "account_id step cause lots\n1 0 opening 10\n1 5 adl -4\n1 12 adl -6\n2 9 adl 7",
            owner="account",
            symbol=BTC,
        ),
    )  # fmt: skip
    asked = "step lots amount_usd total_usd"
    watched = [(int(step), lots, str(usd), str(total)) for step, lots, usd, total in run.ask("position_funding", asked)]
    assert watched == [
        (1, 10, "-0.001234567890", "-0.001234567890"),
        (5, 10, "-10.000000000000", "-10.001234567890"),
        (9, 6, "3.000000000000", "-7.001234567890"),
    ]
    *_, (step, lots, size, total) = run.ask("position_funding", "step lots quantity_base total_usd", account_id=2)
    assert (step, lots, size, str(total)) == (9, -7, -0.07, "3.500864197523")
    assert run.ask("position_funding", "name rate fetched_rate clipped notional_basis")[0] == (
        "mine", 0.01, 0.02, True, "oracle",
    )  # fmt: skip


def test_data_coverage(tables: Make) -> None:
    run = tables(
        coverage=[
            {"series": "ohlcv", "symbol": ETH, "label": "proxy"},
            {"series": "funding", "symbol": BTC, "label": "missing", "note": "no rates"},
            {"series": "ohlcv", "symbol": BTC, "rows": 60, "gaps": 1, "longest_gap_s": 120},
        ]
    )
    assert run.ask("data_coverage", "series symbol label rows gaps longest_gap_s note") == [
        ("funding", BTC, "missing", 0, 0, 0, "no rates"),
        ("ohlcv", BTC, "", 60, 1, 120, ""),
        ("ohlcv", ETH, "proxy", 0, 0, 0, ""),
    ]


def test_window_metrics(tables: Make) -> None:
    run = tables(
        steps=[*walk(BTC, 100, 90, 80, 60, 20), *walk(ETH, 10, 10, 10, 5, 5)],
        liquidations=[
            liquidation(1, ts=10),
            liquidation(2, ts=70),
            liquidation(3, ts=75, side="short", notional_usd=3000),
            liquidation(4, ts=71, symbol=ETH),
            liquidation(5, ts=120),
        ],
        adl_events=[
            {"wave_id": 1, "ts": 20, "symbol": BTC, "lots_closed": 1, "notional_usd": 7},
            {"wave_id": 2, "ts": 80, "symbol": BTC, "lots_closed": 0, "notional_usd": 0},
            {"wave_id": 3, "ts": 90, "symbol": BTC, "lots_closed": 2, "notional_usd": 11},
            {"wave_id": 4, "ts": 90, "symbol": ETH, "lots_closed": 2, "notional_usd": 13},
        ],
        adl_fills=[
            {"ts": 20, "symbol": BTC, "position_id": 1},
            {"ts": 90, "symbol": BTC, "position_id": 2},
            {"ts": 90, "symbol": BTC, "position_id": 2},
            {"ts": 90, "symbol": ETH, "position_id": 3},
        ],
    )
    window = {"start": at(60), "end": at(120)}
    columns = (
        "liquidated_notional_usd liquidated_long_share_frac adl_notional_usd adl_positions adl_onset_s "
        "price_low price_move_frac"
    )
    # the second bar: BTC trades 80 and 60; the first liquidation at 70 s, the first wave that closes lots at 90 s
    assert run.ask("window_metrics", columns, symbol="BTC", **window) == [(4000, 0.25, 11, 1, 20.0, 60.0, -0.25)]
    assert run.ask("window_metrics", columns, **window) == [(5000, 0.4, 24, 2, 20.0, 5.0, -0.5)]
    assert run.ask("window_metrics", columns, symbol="XRP", **window) == [(0, None, 0, 0, None, None, None)]
    assert run.ask("window_metrics", columns, symbol="XRP+BTC", **window) == [(4000, 0.25, 11, 1, 20.0, 60.0, -0.25)]


def test_forced_sales_in_window(tables: Make) -> None:
    run = tables(
        liquidations=[
            liquidation(1, ts=10, lots=4, book_lots=4),
            liquidation(2, ts=70, lots=4, book_lots=1, takeover_lots=2, adl_lots=1),
            liquidation(3, ts=70 + 1799, lots=4, book_lots=4),
            liquidation(4, ts=70 + 1800, lots=4, book_lots=4, notional_usd=2000),
        ],
    )
    window = {"start": at(60), "end": at(3600)}
    columns = "off_book_share_frac forced_share_30min_frac"
    assert run.ask("forced_sales_in_window", columns, **window) == [(750 / 4000, 0.5)]
    assert run.ask("forced_sales_in_window", columns, symbol="XRP", **window) == [(None, None)]


def test_branching_ratio_in_window(tables: Make) -> None:
    rows = [
        liquidation(1, ts=70, on_tape=True),
        liquidation(2, ts=80, on_tape=False, closed_usd=500),
        liquidation(3, ts=5000, on_tape=False),
    ]
    window = {"start": at(60), "end": at(3600)}
    on_both = [{**row, "tape_mark_px": row["mark_px"]} for row in walk(BTC, 100, 95)]
    tape = tables(steps=on_both, liquidations=rows)
    assert tape.ask("forced_sales_in_window", "branching_ratio_x", **window) == [(None,)]
    displaced = tables(steps=[on_both[0], {**on_both[1], "tape_mark_px": 96.0}], liquidations=rows)
    assert displaced.ask("forced_sales_in_window", "branching_ratio_x", **window) == [(1 / 3,)]
    assert displaced.ask("forced_sales_in_window", "branching_ratio_x", symbol="ETH", **window) == [(None,)]
