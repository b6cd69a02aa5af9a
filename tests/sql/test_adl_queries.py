"""The queue, who was closed, and what it cost them."""

from __future__ import annotations

import pytest

from tests.sql.conftest import Make, Tables, at, rows

BTC, ETH = "BTC/USD:USD", "ETH/USD:USD"

STEPS = f"""
    step symbol mark_px
    1    {BTC}  120
    2    {BTC}  100
    3    {BTC}  60
    4    {BTC}  70
    1    {ETH}  10
    4    {ETH}  12
"""
WAVES = f"""
    wave_id step ts symbol source  bankrupt_side lots_closed notional_usd mark_px
    1       1    20 {ETH}  account short         3           30           10
    2       2    40 {BTC}  vault   long          9           900          100
"""
QUEUE = f"""
    wave_id ts rank account_id position_id symbol side  cohort leverage lots notional_usd closed_lots status  score
    1       20 1    7          90          {ETH}  long  20x    20       3    30           3           closed  9.5
    2       40 1    101        1           {BTC}  short 5x     5        4    400          4           closed  3
    2       40 2    102        2           {BTC}  short 5x     5        4    400          0           skipped 2
    2       40 3    103        3           {BTC}  short 5x     5        4    400          4           closed  1
    2       40 4    104        4           {BTC}  short 5x     2        4    400          1           partial 0.5
"""
SLICES = f"""
    fill_id wave_id step ts account_id position_id symbol side  cohort lots notional_usd amount_usd immediate_usd
    1       1       1    20 7          90          {ETH}  long  20x    3    30           27         -3
    2       2       2    40 101        1           {BTC}  short 5x     3    300          309        -9
    3       2       2    40 101        1           {BTC}  short 5x     1    100          99         1
    4       2       2    40 103        3           {BTC}  short 5x     4    400          408        -8
    5       2       2    40 104        4           {BTC}  short 5x     1    100          102        -2
"""


@pytest.fixture
def wave(tables: Make) -> Tables:
    """Two waves; in the second shorts of four lots are closed at 102 while the mark is 100; it ends at 70."""
    behind = "rank\n" + "\n".join(str(rank) for rank in range(5, 20))
    behind_it = rows(behind, wave_id=2, symbol=BTC, side="short", lots=4, status="not_reached")
    return tables(
        steps=rows(STEPS),
        adl_events=rows(WAVES, close_rule="bankruptcy"),
        adl_queue=[*rows(QUEUE), *behind_it],
        adl_fills=rows(SLICES, realized_usd=-6, mark_px=10),
        positions=[{"position_id": 90, "entry_px": 11.0}],
    )


def test_adl_waves(wave: Tables) -> None:
    assert wave.ask("adl_waves", "wave_id ts symbol source notional_usd close_rule", symbol="BTC") == [
        (2, at(40), BTC, "vault", 900, "bankruptcy"),
    ]
    assert wave.ask("adl_waves", "wave_id") == [(1,), (2,)]


def test_adl_selection_order_of_the_largest_wave(wave: Tables) -> None:
    columns = "rank account_id closed_lots closed_frac status close_px mark_px forgone_usd"
    order = wave.ask("adl_selection_order", columns, limit=2)
    # Closed four lots for 408: at the last mark of 70 they would have cost 280.
    assert order[:3] == [
        (1, 101, 4, 1.0, "closed", 102.0, 100.0, 128),
        (2, 102, 0, 0.0, "skipped", None, 100.0, None),
        (4, 104, 1, 0.25, "partial", 102.0, 100.0, 32),
    ]
    # the marginal one is followed by ten of the fifteen not reached
    assert [row[0] for row in order] == [1, 2, 4, *range(5, 15)]
    assert len(wave.ask("adl_selection_order", "rank")) == 19


def test_adl_selection_order_of_a_given_wave(wave: Tables) -> None:
    columns = "wave_id rank symbol side cohort lots notional_usd score leverage forgone_usd"
    assert wave.ask("adl_selection_order", columns, wave_id=1) == [(1, 1, ETH, "long", "20x", 3, 30, 9.5, 20.0, 9)]
    assert wave.ask("adl_selection_order", columns, wave_id=9) == []


def test_adl_haircut_by_rank(wave: Tables) -> None:
    assert wave.ask("adl_haircut_by_rank", "rank haircut_frac notional_usd status")[:5] == [
        (1, 1.0, 400, "closed"),
        (2, 0.0, 400, "skipped"),
        (3, 1.0, 400, "closed"),
        (4, 0.25, 400, "partial"),
        (5, 0.0, 0, "not_reached"),
    ]
    assert wave.ask("adl_haircut_by_rank", "rank haircut_frac", wave_id=1) == [(1, 1.0)]


def test_adl_concentration(wave: Tables) -> None:
    # Closed: 30, 100, 400, 400. Gini = (-3 x 30 - 100 + 400 + 3 x 400) / (4 x 930) = 1410 / 3720
    assert wave.ask("adl_concentration", "point_no accounts_frac adl_frac") == [
        (0, 0.0, 0.0),
        (1, 0.25, 30 / 930),
        (2, 0.5, 130 / 930),
        (3, 0.75, 530 / 930),
        (4, 1.0, 1.0),
    ]
    assert set(wave.ask("adl_concentration", "gini_frac top10_share_frac")) == {(1410 / 3720, 1.0)}


def test_the_lorenz_curve_is_thinned_out(tables: Make) -> None:
    # 420 accounts: ten with 3 USD, the rest with 1 USD; every third place is a point.
    run = tables(adl_fills=[{"account_id": k, "notional_usd": 3 if k > 410 else 1} for k in range(1, 421)])
    points = run.ask("adl_concentration", "point_no accounts_frac top10_share_frac")
    assert len(points) == 141
    assert points[1] == (1, 3 / 420, 30 / 440)
    assert points[-1][:2] == (140, 1.0)


def test_adl_by_cohort(wave: Tables) -> None:
    # 800 at 5x and 100 at 2x
    assert wave.ask("adl_by_cohort", "cohort side accounts closed_usd share_frac mean_leverage") == [
        ("5x", "short", 3, 900, 900 / 930, 4200 / 900),
        ("20x", "long", 1, 30, 30 / 930, 20.0),
    ]


def test_adl_causes(tables: Make) -> None:
    # The fund takes 5 and 4 lots at marks of 100 and 60, then sells 6 of 9 at 70: 500, 540 and 210 USD are held.
    run = tables(
        steps=rows(f"step symbol mark_px\n1 {BTC} 100\n2 {BTC} 60\n3 {BTC} 70"),
        fund=rows(f"step pool symbol lots\n1 fund {BTC} 5\n2 fund {BTC} 4\n2 vault {BTC} 9\n3 fund {BTC} -6"),
        liquidations=rows(
            f"step symbol lots notional_usd refused\n1 {BTC} 5 500 yes\n2 {BTC} 4 240 yes\n2 {BTC} 1 60 no"
        ),
    )
    assert run.ask("adl_causes", "refused refused_usd fund_inventory_max_usd") == [(2, 740, 540)]


def test_adl_is_set_off_by_accounts_or_by_the_inventory_of_a_vault(tables: Make) -> None:
    # a and b held longs; the vault took over and held none
    held = rows(f"account symbol side\na {BTC} long\nv {BTC} short\nw {BTC} short")
    fills = rows(f"wave_id symbol bankrupt notional_usd\n1 {BTC} 7 100\n1 {BTC} 8 50\n2 {BTC} vault 350")
    actual = rows(f"""
        symbol account liquidated_account side  notional_usd
        {BTC}  w       a                  short 60
        {BTC}  w       v                  short 30
        {BTC}  w       v                  short 10
    """)
    columns = "bankrupt waves replayed_usd replayed_frac actual_usd actual_frac"
    run = tables(adl_fills=fills, actual_positions=held, actual_adl=actual)
    assert run.ask("adl_bankrupts", columns) == [("vault", 1, 350, 0.7, 40, 0.4), ("account", 1, 150, 0.3, 60, 0.6)]
    drawn = tables(adl_fills=fills, actual_adl=actual)
    assert drawn.ask("adl_bankrupts", "bankrupt actual_usd") == [("vault", 0), ("account", 0), ("not known", 100)]
    assert tables(adl_fills=fills).ask("adl_bankrupts", "actual_usd actual_frac") == [(None, None)] * 2


def test_adl_first_closed(wave: Tables) -> None:
    # Three lots sold for 27 would be worth 36 at the end.
    columns = "ts symbol side account_id notional_usd closed_usd close_px mark_px entry_px"
    assert wave.ask("adl_first_closed", columns) == [(at(20), ETH, "long", 7, 30, 30, 9.0, 10.0, 11.0)]
    columns = "realized_usd immediate_usd forgone_usd leverage"
    assert wave.ask("adl_first_closed", columns) == [(-6, -3, 9, 20.0)]


def test_forgone_pnl(wave: Tables) -> None:
    # The best mark for shorts after the close was 60: four lots at 240.
    columns = "account_id symbol side closed_usd close_px last_mark_px immediate_usd forgone_usd best_forgone_usd"
    assert wave.ask("forgone_pnl", columns) == [
        (101, BTC, "short", 400, 102.0, 70.0, -8, 128, 168),
        (103, BTC, "short", 400, 102.0, 70.0, -8, 128, 168),
        (104, BTC, "short", 100, 102.0, 70.0, -2, 32, 42),
        (7, ETH, "long", 30, 9.0, 12.0, -3, 9, 9),
    ]
    assert wave.ask("forgone_pnl", "account_id", limit=1) == [(101,)]


def test_the_mark_of_the_close_may_be_the_best_one(tables: Make) -> None:
    run = tables(
        steps=rows("step mark_px\n1 10\n2 8", symbol=BTC),
        adl_fills=rows("step lots amount_usd side\n1 3 27 long", symbol=BTC),
    )
    assert run.ask("forgone_pnl", "forgone_usd best_forgone_usd") == [(-3, 3)]


def test_prices_follow_the_size_of_a_lot(tables: Make) -> None:
    # Lots of 0.001 BTC: four lots for 0.41 USD are 102.5 per BTC; at 70 they would have cost 0.28.
    run = tables(
        steps=rows("step mark_px lot_value_usd\n1 100 0.1\n2 70 0.07", symbol=BTC),
        adl_fills=rows("step lots quantity_base amount_usd side\n1 4 0.004 0.41 short", symbol=BTC),
    )
    ((close_px, forgone_usd),) = run.ask("forgone_pnl", "close_px forgone_usd")
    assert close_px == pytest.approx(102.5)
    assert str(forgone_usd) == "0.130000"


def test_adl_impact_by_symbol(wave: Tables) -> None:
    xrp = "XRP/USD:USD"
    wave.add("steps", [{"step": 1, "symbol": xrp}])
    wave.add("liquidations", rows(f"symbol closed_usd\n{BTC} 1800\n{xrp} 5"))
    columns = "symbol liquidated_usd adl_usd adl_share_frac waves positions first_adl_ts mean_close_px"
    assert wave.ask("adl_impact_by_symbol", columns) == [
        (BTC, 1800, 900, 0.5, 1, 3, at(40), 102.0),
        (ETH, 0, 30, None, 1, 1, at(20), 9.0),
        (xrp, 5, 0, 0.0, 0, 0, None, None),
    ]


def test_winners_are_measured_against_the_mark_and_against_the_traded_price(tables: Make) -> None:
    """A short of four lots is bought back at 101 while the mark is 100 and 90 is traded: 4 and 44 worse."""
    made = tables(
        steps=rows(f"step symbol mark_px trade_px\n1 {BTC} 100 90"),
        adl_fills=rows(
            f"step symbol side lots notional_usd amount_usd immediate_usd mark_px\n1 {BTC} short 4 400 404 -4 100"
        ),
    )
    columns = "against_mark_usd against_mark_frac against_trade_usd against_trade_frac"
    assert made.ask("adl_impact_by_symbol", columns) == [(-4, -0.01, -44, -0.11)]


def test_adl_in_window(wave: Tables) -> None:
    """Four lots at 408 of each of two shorts and one at 102 of a third; accounts closed 400, 400 and 100."""
    window = {"start": at(30), "end": at(60)}
    columns = "adl_mean_px adl_pnl_usd adl_first_s adl_largest_usd adl_largest_instant_usd adl_full_share_frac"
    assert wave.ask("adl_in_window", columns, **window) == [(102.0, -24.0, 10.0, 400.0, 900.0, pytest.approx(2 / 3))]
    row = wave.frame("adl_in_window", symbol="BTC+XRP", **window).row(0, named=True)
    assert row["adl_profit_frac"] == pytest.approx(-24 / 900)
    # entry values 402 and 402 less 6 a slice, 402 and 96: profits -12 / 396, -6 / 402 and -6 / 96
    assert row["adl_return_median_frac"] == pytest.approx(-12 / 396)
    assert (row["adl_leverage_median_x"], row["adl_vault_share_frac"], row["adl_top10_share_frac"]) == (5, 0, 1)
    assert row["adl_gini_frac"] == pytest.approx((-2 * 100 + 0 * 400 + 2 * 400) / (3 * 900))
    assert wave.ask("adl_in_window", "adl_mean_px adl_gini_frac", symbol="XRP", **window) == [(None, None)]
    share = [wave.ask("adl_in_window", "adl_closes_share_frac", symbol=coin, **window) for coin in (None, "BTC", "XRP")]
    assert share == [[(0.75,)], [(1.0,)], [(None,)]]
