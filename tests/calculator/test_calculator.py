"""The calculator: published figures through the profiles, the engine's own rounding, and input it refuses."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.calculator.figures import Answer, position_figures
from backtest.calculator.position import MOST_USD, Position, PositionRequest, contract_of, row, take_position
from backtest.engine.run import simulate
from backtest.errors import CrashbookError, NotBuiltError, UnknownNameError, UsageError
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.rankings import scored
from backtest.mechanics.margin_stepped import steps_up
from backtest.venue.instrument import Instrument
from backtest.venue.reading import get_venue, venue_names
from tests.engine.small import bar, small
from tests.reference.adapter import build

DAY = dt.date(2024, 10, 24)
D = Decimal
LINEAR = [name for name in venue_names() if not get_venue(name).face("BTC")]  # tests/test_inverse.py has the others


def ask(side: str, size: Any, entry: Any, **more: Any) -> PositionRequest:
    numbers = {name: None if value is None else D(str(value)) for name, value in more.items()}
    return PositionRequest(side=side, entries=[(D(str(entry)), None)], size=D(str(size)), **numbers)


def figures(venue: str, wanted: PositionRequest, symbol: str = "BTC", on: dt.date | None = DAY) -> Answer:
    return position_figures(get_venue(venue), symbol, wanted, on)


def integers(venue: str, wanted: PositionRequest, coin: str = "BTC", on: dt.date = DAY) -> Position:
    profile = get_venue(venue)
    unit = Instrument.of(profile.symbol(coin), coin, *profile.instrument(coin))
    return take_position(profile, unit, profile.table(coin, on)[0], wanted)[0]


@pytest.mark.parametrize(
    ("day", "maintenance", "price"),
    [("2024-09-10", "250.000000", "45250.0"), ("2026-06-01", "225.000000", "45226.1")],
)
def test_maintenance_on_the_entry_value_and_on_that_at_the_mark(day: str, maintenance: str, price: str) -> None:
    # Long 1 at 50,000 with 10x at Bybit: entry x (1 - 1/10 + 0.5 %) = 45,250; on the value there 45,000 / 0.995.
    answer = figures("bybit", ask("long", 1, 50_000, leverage=10, mark=45_000), on=dt.date.fromisoformat(day))
    found = [str(answer.value(name)) for name in ("maintenance_margin_usd", "liquidation_px", "liquidation_tier")]
    assert found == [maintenance, price, "1"]
    assert float(str(answer.value("liquidation_exact_px"))) == pytest.approx(float(price), abs=0.1)
    rule = next(each.rule for each in answer.figures if each.column == "maintenance_margin_usd")
    assert rule.startswith("entry value x rate" if maintenance.startswith("250") else "notional x rate")


def test_a_risk_limit_holds_for_the_whole_position() -> None:
    # BitMEX: up to 1,000,000 USDT 0.5 %, to 2,000,000 1 %. 10 BTC at 100,000 with 12,000: at the limit 5,000 are due,
    # one step of the mark above it 10,000; with 8,000 that rise liquidates.
    answer = figures("bitmex", ask("long", 10, 100_000, margin=12_000), on=None)
    assert [str(answer.value(name)) for name in ("tier", "maintenance_margin_usd", "deduction_usd")] == [
        "1", "5000.000000", "0.000000",
    ]  # fmt: skip
    assert str(answer.value("liquidation_px")) == "99296.4"
    # equity 12,000 - 10 x (100,000 - P) below 0.05 P: P < 988,000 / 9.95
    assert str(answer.value("liquidation_exact_px")) == "99296.48241"
    assert not any("a rise to" in note for note in answer.notes)
    answer = figures("bitmex", ask("long", 10, 100_000, margin=8_000), on=None)
    assert "a rise to 100000.1 liquidates too: a higher rate then holds for the whole" in answer.notes
    above = figures("bitmex", ask("long", 10, 100_000, margin=8_000, mark="100000.1"), on=None)
    assert [str(above.value(name)) for name in ("tier", "maintenance_margin_usd", "state", "liquidation_px")] == [
        "2", "10000.010000", "liquidated", "100000.1",
    ]  # fmt: skip


@pytest.mark.golden
@pytest.mark.parametrize(
    ("margin", "mark", "state", "fillable"),
    [
        (800, 100_000, "liquidated", "99400"),
        (300, 99_400, "bankrupt", "97610.8"),  # -300: all of 1.5 x 1,192.8 below the mark
        (2000, 100_000, "open", None),
    ],
)
def test_dydx_fillable_price_is_the_limit_of_an_order(margin: int, mark: int, state: str, fillable: str | None) -> None:
    # v4-chain, x/clob/keeper/liquidations.go: long 1 at 100,000, maintenance 1.2 %, BA 1, SMMR 1.5.
    answer = figures("dydx", ask("long", 1, 100_000, margin=margin, mark=mark), on=None)
    assert answer.value("state") == state
    found = answer.value("fillable_px")
    assert found is None if fillable is None else D(str(found)) == D(fillable)


# The formulas' vectors, at marks inside the tiers they name: Binance USD-M brackets of 2024-10-24 (freqtrade snapshot
# c9ae5e1e), Hyperliquid gitbook trading/margin-tiers; the first mark that liquidates follows from step and comparison.
@pytest.mark.golden
@pytest.mark.parametrize(
    ("venue", "wanted", "exact", "mark", "bankruptcy"),
    [
        pytest.param("binanceusdm", ask("long", 1, 100_000, margin=10_000), "90402.0101", "90402.0", 90_000, id="long"),
        pytest.param(
            "binanceusdm", ask("short", 1, 100_000, margin=10_000), "109502.4876", "109502.5", 110_000, id="short"
        ),
        pytest.param(
            "binanceusdm", ask("long", 100, 100_000, margin=10**6), "90793.4343", "90793.4", 90_000, id="large-long"
        ),
        pytest.param(
            "hyperliquid",
            ask("long", 1, 100_000, wallet=10_000),
            "91139.2405",
            "91139.2",
            90_000,
            id="hyperliquid-long",
        ),
        pytest.param(
            "hyperliquid",
            ask("short", 1, 100_000, leverage=10),
            "108641.9753",
            "108642.0",
            110_000,
            id="hyperliquid-short",
        ),
    ],
)
def test_liquidation_and_bankruptcy_price(
    venue: str, wanted: PositionRequest, exact: str, mark: str, bankruptcy: int
) -> None:
    answer = figures(venue, wanted)
    # four places are published, five shown: a half of each apart at most
    assert abs(D(str(answer.value("liquidation_exact_px"))) - D(exact)) <= D("0.000055")
    assert answer.value("liquidation_px") == D(mark)
    assert answer.value("bankruptcy_px") == bankruptcy


@pytest.mark.golden
@pytest.mark.parametrize(
    ("venue", "size", "entry", "tier", "need"),
    [
        pytest.param("hyperliquid", 2000, 100_000, 2, 3_125_000, id="hyperliquid-200M-margin-tiers"),
        pytest.param("bybit", 120, 100_000, 10, 114_000, id="bybit-12M-margin-parameters"),
        pytest.param("binanceusdm", 6, 100_000, 3, 2_950, id="binance-600k-floor-inclusive"),
    ],
)
def test_maintenance_margin_of_the_published_tiers(venue: str, size: int, entry: int, tier: int, need: int) -> None:
    answer = figures(venue, ask("long", size, entry, leverage=10))
    assert (answer.value("tier"), answer.value("maintenance_margin_usd")) == (tier, need)


@pytest.mark.golden
def test_binance_score_of_the_formula_page() -> None:
    # max(0, UPnL) / max(1, WB) x MM / (WB + UPnL), dev.binance.vision forum 17801; long 1 from 59,500 to 60,000 with
    # 1,000: MM is 0.5 % of 60,000 less 50, so 500 / 1000 x 250 / 1500.
    answer = figures("binanceusdm", ask("long", 1, 59_500, margin=1000, mark=60_000))
    assert answer.value("adl_score") == float(Fraction(1, 2) * Fraction(250, 1500))


@pytest.mark.golden
@pytest.mark.parametrize(("side", "mark", "score"), [("long", 110, 0.55), ("short", 90, 0.45), ("long", 95, -5 / 1900)])
def test_bitmex_scores_of_the_ranking_page(side: str, mark: int, score: float) -> None:
    # bitmex.com/app/autoDeleveraging: entry 100, bankruptcy price 10 away.
    answer = figures("bitmex", ask(side, 100, 100, margin=1000, mark=mark))
    assert answer.value("adl_score") == pytest.approx(score, rel=1e-15)


def test_every_figure_by_hand() -> None:
    answer = figures("binanceusdm", ask("short", 2, 50_000, leverage=20, mark="51000.04"))
    values = {figure.column: figure.value for figure in answer.figures}
    assert values == {
        "side": "short",
        "mode": "isolated",
        "size_base": 2,
        "entry_px": 50_000,
        "mark_px": 51_000,
        "collateral_usd": 5_000,
        "notional_usd": 102_000,
        "tier": 2,
        "maintenance_rate_frac": D("0.005"),
        "deduction_usd": 50,
        "maintenance_margin_usd": 460,
        "unrealised_pnl_usd": -2_000,
        "equity_usd": 3_000,
        "margin_ratio_frac": D("0.153333333"),
        "effective_leverage_x": 34,
        "state": "open",
        "liquidation_px": D("52263.7"),  # (100,000 + 5,000 + 50) / (2 x 1.005) = 52263.6816
        "liquidation_exact_px": D("52263.68159"),
        "liquidation_tier": 2,
        "bankruptcy_px": 52_500,
        "adl_score": 0.0,
        "adl_close_rule": "bankruptcy",
        "adl_close_px": 52_500,
    }
    assert (answer.symbol, answer.day, answer.table.valid_from) == ("BTC/USDT:USDT", DAY, DAY)
    assert "mark rounded to a multiple of 0.1" in answer.notes
    assert "losing, so behind every winner" in next(f.rule for f in answer.figures if f.column == "adl_score")


def test_rules_cite_the_profile() -> None:
    profile = get_venue("hyperliquid")
    answer = figures("hyperliquid", ask("long", 1, 100_000, leverage=10), on=None)
    sources = {figure.column: figure.source for figure in answer.figures}
    assert answer.day == profile.as_of
    assert set(sources.values()) - {""} <= set(profile.sources)
    points = {point.name: point.source for point in profile.points}
    for column, point in (("liquidation_px", "margin"), ("adl_score", "ranking"), ("adl_close_rule", "close_price")):
        assert sources[column] == points[point]
    assert sources["maintenance_margin_usd"] == answer.table.source


@pytest.mark.parametrize("symbol", ["BTC", "BTC/USDT:USDT"])
def test_a_coin_and_its_symbol_are_the_same(symbol: str) -> None:
    assert contract_of(get_venue("binanceusdm"), symbol, dt.date(2025, 10, 10))[1] == "BTC"


def test_several_entries_give_their_mean() -> None:
    both = PositionRequest(side="long", entries=[(D(100_000), D(1)), (D(90_000), D(2))], leverage=D(10))
    answer = figures("binanceusdm", both)
    assert (answer.value("size_base"), answer.value("entry_px")) == (3, D("93333.33333"))
    assert answer.value("collateral_usd") == 28_000
    assert figures("binanceusdm", replace(both, size=D(3))).figures == answer.figures


def test_a_size_is_floored_to_lots_and_the_rest_told() -> None:
    answer = figures("binanceusdm", ask("long", "1.0007", 100_000, leverage=10))
    assert answer.value("size_base") == 1
    assert "0.0007 BTC below a lot of 0.001 left out" in answer.notes


def test_cross_is_the_whole_wallet_and_says_so() -> None:
    isolated = figures("binanceusdm", ask("long", 1, 100_000, margin=10_000))
    cross = figures("binanceusdm", ask("long", 1, 100_000, wallet=10_000))
    assert [f for f in cross.figures if f.column != "mode"][5:] == [f for f in isolated.figures if f.column != "mode"][
        5:
    ]
    assert cross.value("mode") == "cross"
    assert any("other positions and open orders are not known" in note for note in cross.notes)
    assert not any("other positions" in note for note in isolated.notes)


@pytest.mark.parametrize("day", [dt.date(2019, 12, 31), dt.date(2022, 6, 1)])
def test_a_table_of_another_time_is_said(day: dt.date) -> None:
    answer = figures("binanceusdm", ask("long", 1, 20_000, leverage=5), on=day)
    assert answer.notes[0] == get_venue("binanceusdm").table("BTC", day)[1]
    assert answer.notes[0].startswith("margin table of BTC at binanceusdm is dated 2021-03-18")


def test_more_leverage_than_a_tier_opens_with_is_said() -> None:
    # 0.7 % margin is 142.9x at entry, where the tier of 100,000 USD opens with at most 100x; it can come of a loss.
    answer = figures("binanceusdm", ask("long", 1, 100_000, margin=700))
    assert any(note.startswith("142.9x at entry is above the 100x") for note in answer.notes)


def test_no_liquidation_price_without_leverage() -> None:
    answer = figures("binanceusdm", ask("long", 1, 100_000, margin=100_000))
    for column in ("liquidation_px", "liquidation_exact_px", "liquidation_tier", "bankruptcy_px", "adl_close_px"):
        figure = next(figure for figure in answer.figures if figure.column == column)
        assert figure.value is None
        assert figure.rule.startswith("no value: ")


def test_a_short_beyond_the_marks_of_the_engine_has_none() -> None:
    answer = figures("binanceusdm", ask("short", "0.001", 1000, margin=MOST_USD))
    assert answer.value("liquidation_px") is None
    assert answer.value("liquidation_exact_px") is not None
    assert "no mark up to 450,359,962,737,049.6 breaches" in next(
        figure.rule for figure in answer.figures if figure.column == "liquidation_px"
    )


@pytest.mark.parametrize(
    ("mark", "state", "ratio"),
    [
        (90_402, "liquidated", True),
        ("90402.1", "open", True),
        (90_000, "liquidated", False),
        (89_000, "bankrupt", False),
    ],
)
def test_the_state_at_a_mark(mark: Any, state: str, ratio: bool) -> None:
    answer = figures("binanceusdm", ask("long", 1, 100_000, margin=10_000, mark=mark))
    assert answer.value("state") == state
    assert (answer.value("margin_ratio_frac") is not None) == ratio
    assert (answer.value("effective_leverage_x") is not None) == ratio
    assert (answer.value("adl_score") is not None) == (state == "open")


@pytest.mark.parametrize("venue", [name for name in venue_names() if not get_venue(name).face("BTC")])
@pytest.mark.parametrize(("side", "mark"), [("long", 105_000), ("long", 97_000), ("short", 95_000), ("short", 103_000)])
def test_score_and_close_price_are_the_rules_of_the_venue(venue: str, side: str, mark: int) -> None:
    profile, wanted = get_venue(venue), ask(side, 1, 100_000, leverage=10, mark=mark)
    answer, held = figures(venue, wanted), integers(venue, wanted)
    rule, amounts = (
        scored(str(profile.rules["ranking"])),
        (held.lots, held.entry_value, held.value, held.pnl, held.equity),
    )
    if rule is None or (profile.rules["losers"] == "excluded" and held.pnl < 0):
        assert answer.value("adl_score") is None
    else:
        lots, cost, value, pnl, equity = map(row, amounts)
        expected = rule.exact(Candidates(held.side, lots, cost, value, pnl, equity, held.tiers), 0)
        assert answer.value("adl_score") == float(expected)
    if profile.rules["ranking"] == "none":
        assert (answer.value("adl_close_rule"), answer.value("adl_close_px")) == ("none", None)
        return
    close = profile.rules["close_price"]
    assert answer.value("adl_close_rule") == close
    expected_px = {"bankruptcy": answer.value("bankruptcy_px"), "mark": mark, "previous_mark": None}
    assert answer.value("adl_close_px") == expected_px[str(close)]


@pytest.mark.parametrize("losers", ["last", "excluded"])
def test_a_loser_stands_where_the_venue_puts_it(losers: str) -> None:
    venue = get_venue("binanceusdm")
    profile = replace(venue, rules={**venue.rules, "losers": losers})
    answer = position_figures(profile, "BTC", ask("long", 1, 100_000, leverage=10, mark=97_000), DAY)
    figure = next(figure for figure in answer.figures if figure.column == "adl_score")
    assert (figure.value is None) == (losers == "excluded")
    assert "losing, so " in figure.rule


# against the engine


@pytest.mark.parametrize("venue", LINEAR)
@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize(("size", "leverage"), [("0.013", 20), (7, 10), (2500, 3)])
def test_the_engine_liquidates_at_that_mark_and_not_one_before(venue: str, side: str, size: Any, leverage: int) -> None:
    wanted = ask(side, size, "61234.5", leverage=leverage)
    held, unit = integers(venue, wanted), get_venue(venue).instrument("BTC")
    last = int(D(str(figures(venue, wanted).value("liquidation_px"))) / unit[0])
    world = small(
        [bar(px) for px in (held.mark, last + held.side, last)],
        [
            {
                "id": 1,
                "symbol": "BTC",
                "side": held.side,
                "lots": held.lots,
                "cost": held.entry_value,
                "wallet": held.collateral,
            },
            {
                "id": 2,
                "symbol": "BTC",
                "side": -held.side,
                "lots": held.lots,
                "cost": held.entry_value,
                "wallet": 10 * held.entry_value,
            },
        ],
        threshold="<=" if held.inclusive else "<",
    )
    tiers = np.stack([held.tiers.floors, held.tiers.rates_e9, held.tiers.deductions], axis=1).tolist()
    rules = {"quanta_per_tick_lot": held.instrument.q_mark, "tiers": tiers, "on_entry": held.tiers.on_entry}
    world["symbols"]["BTC"] = rules
    outcome = simulate(build(world))
    breaches = outcome.record.breaches.join()
    assert list(zip(breaches.step.tolist(), breaches.row.tolist(), strict=True)) == [(3, 0 if side == "long" else 1)]


venues, coins, sides = map(st.sampled_from, (LINEAR, ["BTC", "DOGE", "SOL"], ["long", "short"]))


@pytest.mark.property
@given(
    venues,
    coins,
    sides,
    st.decimals(100, 10**6, places=5),
    st.decimals(1, 10**5, places=6),
    st.decimals("0.000001", 10**11, places=6),
    st.none() | st.decimals(1, 10**5, places=6),
)
def test_equity_meets_maintenance_margin_within_a_step_of_the_mark(
    venue: str, coin: str, side: str, size: Decimal, entry: Decimal, margin: Decimal, mark: Decimal | None
) -> None:
    wanted = PositionRequest(side=side, entries=[(entry, None)], size=size, margin=margin, mark=mark)
    answer, held = figures(venue, wanted, coin), integers(venue, wanted, coin)
    assert answer.value("equity_usd") == D(held.equity) / 10**6
    assert (answer.value("state") != "open") == held.breached()
    at, exact, step = (
        answer.value("liquidation_px"),
        answer.value("liquidation_exact_px"),
        held.instrument.mark_quantum,
    )
    if at is None:
        assert exact is None or D(str(exact)) < 2 * step or D(str(exact)) > 10**9
        return
    there = replace(held, mark=int(D(str(at)) / step))
    before = replace(there, mark=there.mark + held.side)
    assert there.breached()
    stepped = steps_up(held.tiers)
    if stepped and there.mark == held.mark:  # in breach here; what a loss left behind does not count
        return
    assert not before.breached()
    assert there.equity - there.maintenance <= 0 <= before.equity - before.maintenance
    # where a schedule steps, a short may breach at the edge of a tier
    assert (stepped and held.side < 0) or before.equity - before.maintenance <= 2 * there.lots * held.instrument.q_mark
    # maintenance margin rounded up by a quantum moves the mark by no more than a step
    assert exact is None or abs(D(str(at)) - D(str(exact))) <= 2 * step


wild = st.decimals(allow_nan=True, allow_infinity=True) | st.decimals("0.000001", "1e13", places=6)


@pytest.mark.property
@given(venues, coins, sides, wild, wild, st.sampled_from(["margin", "wallet", "leverage"]), wild, st.none() | wild)
def test_any_input_is_answered_or_refused_in_one_line(
    venue: str, coin: str, side: str, size: Decimal, entry: Decimal, kind: str, amount: Decimal, mark: Decimal | None
) -> None:
    try:
        said = figures(venue, ask(side, size, entry, mark=mark, **{kind: amount}), coin).symbol
    except UsageError as error:
        said = str(error)
    assert coin in said or "; " in said
    assert len(said.splitlines()) == 1


# refused


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (ask("long", 0, 100_000, margin=1), "size = 0; allowed: 0.001 to 1e+15 BTC"),
        (ask("long", -1, 100_000, margin=1), "size = -1; allowed: 0.001"),
        (ask("long", "0.0009", 100_000, margin=1), "size = 0.0009; allowed: 0.001"),
        (ask("long", "nan", 100_000, margin=1), "size = NaN; allowed"),
        (ask("long", "snan", 100_000, margin=1), "size = sNaN; allowed"),
        (ask("long", "1e999999", 100_000, margin=1), "size = 1e+999999; allowed"),
        (ask("long", 1, 0, margin=1), "entry = 0; allowed: 0.1 to 1e+12 quote per base"),
        (ask("long", 1, "1e-999999", margin=1), "entry = 1e-999999; allowed: 0.1"),
        (ask("long", 1, "inf", margin=1), "entry = Infinity; allowed"),
        (ask("long", 1, 100_000, margin=0), "margin = 0; allowed: 0.000001 to 999000000000 USD"),
        (ask("long", 1, 100_000, margin=-5), "margin = -5; allowed"),
        (ask("long", 1, 100_000, wallet="1e12"), "wallet = 1e+12; allowed"),
        (ask("long", 1, 100_000, leverage=0), "leverage = 0; allowed: 0.001 to 1000 x"),
        (ask("long", 1, 100_000, leverage="100.5"), "leverage 100.5 on 100,000 USD; its tier allows at most 100;"),
        (ask("long", 9_000_000, 100_000, leverage="0.01"), "margin is 9e+13 USD; allowed"),
        (ask("long", 1, 100_000, leverage=1, mark=0), "mark = 0; allowed: 0.1 to 1e+12"),
        (ask("long", "1e10", 100_000, margin=1), "size x entry price is 1e+15 USD; allowed"),
        (ask("long", "1e6", 100_000, margin=1, mark="1e9"), "size x mark price is 1e+15 USD; allowed"),
        (ask("long", 1, 100_000), "give exactly one of margin or leverage (isolated) and wallet (cross)"),
        (ask("long", 1, 100_000, margin=1, wallet=1), "give exactly one of"),
        (
            PositionRequest(side="long", entries=[(D(1), None)], margin=D(1)),
            "no size: give size, or entry as PRICE:SIZE",
        ),
        (PositionRequest(side="long", entries=[], margin=D(1)), "several entries need a size each"),
        (
            PositionRequest(side="long", entries=[(D(1), D(1)), (D(2), None)], margin=D(1)),
            "several entries need a size each",
        ),
        (
            PositionRequest(side="long", entries=[(D(1), D(1)), (D(2), D(0))], margin=D(1)),
            "size of an entry = 0; allowed: 0.001",
        ),
        (
            PositionRequest(side="long", entries=[(D(1), D(1)), (D(2), D(1))], size=D(3), margin=D(1)),
            "entries sum to 2 BTC, size is 3; drop size or correct one",
        ),
        (ask("up", 1, 100_000, margin=1), "unknown side 'up'; Known: long, short"),
    ],
)
def test_bad_numbers_are_refused_with_what_is_allowed(wanted: PositionRequest, said: str) -> None:
    with pytest.raises(UsageError) as error:
        figures("binanceusdm", wanted)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("symbol", "kind", "said"),
    [
        ("btc", UnknownNameError, "unknown coin at bybit 'btc'; did you mean BTC?"),
        ("BTC/USDC:USDC", UnknownNameError, "unknown symbol at bybit 'BTC/USDC:USDC'; did you mean BTC/USDT:USDT"),
        ("BTC/USDT:USDT-251226", UnknownNameError, "unknown symbol at bybit"),
        ("/", UnknownNameError, "unknown symbol at bybit '/'"),
        ("", UnknownNameError, "unknown coin at bybit ''"),
        (
            "BTC/USD:BTC",
            NotBuiltError,
            "states neither the face value of an inverse contract nor a margin table in BTC",
        ),
        ("ETH/USD:ETH-251226", NotBuiltError, "ask for a linear symbol such as BTC/USDT:USDT"),
    ],
)
def test_symbols_the_profile_does_not_list(symbol: str, kind: type[CrashbookError], said: str) -> None:
    with pytest.raises(kind) as error:
        figures("bybit", ask("long", 1, 100_000, leverage=2), symbol)
    assert said in str(error.value)
