"""Coin-margined contracts end to end: by hand, through a replay, in the tables, and what is refused."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.calculator.figures import Answer, position_figures
from backtest.calculator.position import PositionRequest, contract_of, take_position
from backtest.engine.run import simulate
from backtest.errors import BookError, ConfigError, DataError, RangeError
from backtest.market.path import MarketPath
from backtest.market.units import refuse_no_value
from backtest.run.execute import execute
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun
from backtest.run.summary import block
from backtest.venue.instrument import Instrument
from backtest.venue.reading import get_venue
from tests.engine.small import bar, small
from tests.reference.adapter import build
from tests.sql.conftest import Tables, rows
from tests.support.plain import LONG_STEPS

D = Decimal
XBTUSD = "BTC/USD:BTC"
SMALL: dict[str, Any] = {"positions": 400, **LONG_STEPS}
COINM = {"venue": "binancecoinm", "coins": ("BTC",), **SMALL}
FALL = {edge: dt.datetime.fromisoformat(f"2020-03-12T{time}") for edge, time in (("start", "10:20"), ("end", "11:30"))}
OCTOBER_2020 = dt.date(2020, 10, 1)


def by_hand(
    side: str, size: int, entry: str, margin: str, venue: str = "bitmex", day: dt.date = OCTOBER_2020, **more: Any
) -> Answer:
    request = PositionRequest(side=side, entries=[(D(entry), D(size))], margin=D(margin), **more)
    return position_figures(get_venue(venue), XBTUSD, request, day)


# by hand


@pytest.mark.golden
@pytest.mark.parametrize(
    ("side", "liquidation", "bankruptcy"),
    [("long", "45681.8182", "45454.5455"), ("short", "55277.7778", "55555.5556")],
)
def test_liquidation_and_bankruptcy_of_an_inverse_contract(side: str, liquidation: str, bankruptcy: str) -> None:
    # n F = 100,000 USD at 50,000 with 0.2 BTC at 0.5 %: n F (s + r) / (B + s n F / E) and 1 / (1 / E + s B / n F)
    answer = by_hand(side, 100_000, "50000", "0.2", day=dt.date(2021, 9, 1))
    assert abs(D(str(answer.value("liquidation_exact_px"))) - D(liquidation)) <= D("0.0001")
    assert abs(D(str(answer.value("bankruptcy_px"))) - D(bankruptcy)) <= D("0.0001")
    assert answer.value("collateral_coin") == D("0.2")
    assert answer.value("notional_coin") == 2


@pytest.mark.golden
def test_the_fifth_tier_of_coin_m() -> None:
    # binance.com FAQ ceccfcfb: 50 BTC x (5 % - 2.5 %) + 0.56 = 1.81 BTC. 25,000 contracts at 50,000 are 50 BTC.
    answer = by_hand("long", 25_000, "50000", "20", "binancecoinm")
    assert answer.value("tier") == 5
    assert answer.value("deduction_coin") == D("1.81")
    assert answer.value("maintenance_margin_coin") == D("0.69")  # 50 x 5 % - 1.81
    below = by_hand("long", 24_999, "50000", "20", "binancecoinm")
    assert below.value("deduction_coin") == D("0.56")


@pytest.mark.golden
def test_bybits_inverse_example() -> None:
    # bybit.com: long 5,000 USD at 7,890.08 with 50x is bankrupt at 7,735.37, E L / (L + 1)
    request = PositionRequest(side="long", entries=[(D("7890.08"), D(5000))], leverage=D(50))
    answer = position_figures(get_venue("bitmex"), XBTUSD, request, OCTOBER_2020)
    assert abs(D(str(answer.value("bankruptcy_px"))) - D("7735.3725")) < D("0.001")


def test_several_entries_give_the_harmonic_mean() -> None:
    # 300 USD at 100 and 300 at 300 are 3 + 1 coins: 600 / 4.
    request = PositionRequest(side="long", entries=[(D(100), D(300)), (D(300), D(300))], margin=D(2))
    answer = position_figures(get_venue("bitmex"), XBTUSD, request, OCTOBER_2020)
    assert answer.value("entry_px") == 150
    assert answer.value("size_contracts") == 600


def test_the_contract_of_a_coin_is_that_of_the_day_and_of_a_symbol_its_own() -> None:
    bitmex = get_venue("bitmex")
    kinds = [contract_of(bitmex, "BTC", dt.date(year, 3, 12))[0].listing("BTC").kind for year in (2020, 2022)]
    assert kinds == ["inverse", "linear"]
    later, _ = contract_of(bitmex, XBTUSD, dt.date(2025, 10, 10))
    assert (later.listing("BTC").lot, later.listing("BTC").tick) == (D(100), D("0.1"))
    assert later.table("BTC", dt.date(2025, 10, 10))[0].tiers[1] == (200, 10_000_000, 66.0)
    early, _ = contract_of(bitmex, XBTUSD, dt.date(2020, 3, 12))
    assert (early.listing("BTC").lot, early.listing("BTC").tick) == (D(1), D("0.5"))
    assert [tier[0] for tier in early.table("BTC", dt.date(2020, 3, 12))[0].tiers[:3]] == [0, 200, 300]


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize(("venue", "size", "margin"), [("binancecoinm", 70, "0.01"), ("bitmex", 15_000_000, "20")])
def test_the_engine_liquidates_at_that_mark_and_not_one_before(venue: str, size: int, margin: str, side: str) -> None:
    profile, _ = contract_of(get_venue(venue), "BTC", OCTOBER_2020)
    listing = profile.listing("BTC")
    unit = Instrument.of(XBTUSD, "BTC", listing.tick, listing.lot, face=listing.face)
    request = PositionRequest(side=side, entries=[(D("61234.5"), D(size))], margin=D(margin))
    held, _ = take_position(profile, unit, profile.table("BTC", OCTOBER_2020)[0], request)
    answer = position_figures(get_venue(venue), XBTUSD, request, OCTOBER_2020)
    last = int(D(str(answer.value("liquidation_px"))) / unit.mark_quantum)
    one = {"symbol": "BTC", "lots": held.lots, "cost": held.entry_value}
    world = small(
        [bar(px) for px in (held.mark, last + held.side, last)],
        [{"id": 1, "side": held.side, "wallet": held.collateral, **one},
         {"id": 2, "side": -held.side, "wallet": 10 * held.entry_value, **one}],
        threshold="<=" if held.inclusive else "<",
    )  # fmt: skip
    tiers = np.stack([held.tiers.floors, held.tiers.rates_e9, held.tiers.deductions], axis=1).tolist()
    world["symbols"]["BTC"] = {"quanta_per_tick_lot": 1, "inverse": held.contract.numerator, "tiers": tiers}
    breaches = simulate(build(world)).record.breaches.join()
    found = list(zip(breaches.step.tolist(), breaches.row.tolist(), strict=True))
    assert found == [(3, 0 if side == "long" else 1)]


@pytest.mark.property
@given(st.integers(1000, 10**7), st.integers(1, 10**6), st.sampled_from(["1", "10", "100"]))
def test_the_loss_of_a_long_accelerates_as_the_price_falls(mark0: int, fall: int, face: str) -> None:
    # A lot's value is convex in the price: each equal fall costs a long at least as much as the one before.
    unit = Instrument.of(XBTUSD, "BTC", D("0.1"), D(1), face=D(face))
    contract = unit.contract(mark0)
    fall = min(fall, mark0 // 2 - 1)
    assert contract.value_per_lot(mark0) == int(face) * 10**6
    first = contract.value_per_lot(mark0 - fall) - contract.value_per_lot(mark0)
    second = contract.value_per_lot(mark0 - 2 * fall) - contract.value_per_lot(mark0 - fall)
    assert second >= first - 2  # each value is rounded once


# through a replay


@pytest.fixture(scope="module")
def coinm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, StoredRun]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("coinm")))
        prepared = prepare(resolve("2020-03-12", COINM))
        return prepared, execute(prepared)


def test_march_2020_on_coin_margined_contracts(coinm: tuple[Prepared, StoredRun]) -> None:
    prepared, run = coinm
    audits = run.audits()
    assert [audit.name for audit in audits if not audit.passed] == []
    px = run.meta.settlement.coin_px
    assert (run.meta.settlement.contract, run.meta.settlement.currency) == ("inverse", "BTC")
    assert prepared.market.instruments[0].symbol == XBTUSD
    said = f"USD here is BTC x {px:,.10g}"
    assert said in run.meta.assumptions[0]
    assert said in run.meta.notes[0]
    assert f"USD are BTC x {px:,.10g}, the first mark" in block(run)
    assert run.summary()["open_interest_usd"] == 10**9  # contracts are worth their face at the first mark
    assert run.summary()["liquidations"] > 150
    assert run.summary()["adl_waves"] > 0


def test_prices_of_amounts_are_face_over_coins(coinm: tuple[Prepared, StoredRun]) -> None:
    run = coinm[1]
    px = run.meta.settlement.coin_px
    held = run.table("positions")
    coins = held["entry_value_usd"].cast(pl.Float64) / px
    face = held["quantity_base"] * 100  # contracts of 100 USD
    assert np.allclose(held["entry_px"], face / coins, rtol=1e-12)
    side = np.where(held["side"] == "long", 1, -1)
    margin = held["collateral_usd"].cast(pl.Float64).to_numpy() / px
    inverse_px = coins.to_numpy() / face.to_numpy() + side * margin / face.to_numpy()  # 1 / E + s B / n F
    with np.errstate(divide="ignore"):
        expected = np.where(inverse_px > 0, 1 / inverse_px, np.nan)
    bankrupt = held["bankruptcy_px"].fill_null(np.nan).to_numpy()
    assert np.allclose(bankrupt, expected, rtol=1e-9, equal_nan=True)
    assert np.isnan(expected).any()  # a short with all its coins posted has no price at which it is bankrupt
    lost = run.table("liquidations").filter(pl.col("side") == "long")
    solvent = lost.filter(pl.col("equity_usd") > 0)
    assert (solvent["bankruptcy_px"] < solvent["mark_px"]).all()
    filled = lost.filter(pl.col("book_lots") > 0)
    assert filled.height
    steps = run.table("steps")
    low, high = steps["trade_low_px"].min(), steps["trade_high_px"].max()
    assert filled["book_px"].is_between(low, high).all()
    value = steps["lot_value_usd"].cast(pl.Float64) * steps["mark_px"]
    assert np.allclose(value, 100 * px, rtol=1e-7)
    slices = run.table("adl_fills")
    assert np.allclose(
        slices["close_px"], 100 * px * slices["lots"] / slices["amount_usd"].cast(pl.Float64), rtol=1e-12
    )
    means = run.query("adl_impact_by_symbol")["mean_close_px"][0]
    assert slices["close_px"].min() <= means <= slices["close_px"].max()
    assert means == pytest.approx(slices["lots"].sum() / (slices["lots"] / slices["close_px"]).sum())


def test_longs_pay_and_shorts_win_in_coins(coinm: tuple[Prepared, StoredRun]) -> None:
    held = coinm[1].table("positions").filter(pl.col("fate") == "open")
    profit = held["final_equity_usd"].cast(pl.Float64) - held["collateral_usd"].cast(pl.Float64)
    entered = held["entry_px"].to_numpy()
    last = coinm[1].table("steps")["mark_px"][-1]
    gains = np.where(held["side"] == "long", last > entered, last < entered)
    assert ((profit.to_numpy() > 0) == gains).all()


def test_the_same_contracts_fall_further_than_linear_ones(workspace: Any) -> None:
    # Two books of one seed, the same open interest and leverage: in coins a loss is larger and tiers are climbed.
    shares = {}
    for contract in ("inverse", "linear"):
        run = execute(prepare(resolve("2020-03-12", {"contract": contract, "fund_start_usd": 3e7, **SMALL, **FALL})))
        assert contract == "linear" or all(audit.passed for audit in run.audits())
        lost, held = run.table("liquidations"), run.table("positions").filter(pl.col("side") == "long")
        shares[contract] = (lost["lots"] - lost["remaining_lots"]).sum() / held["lots"].sum()
    assert shares["inverse"] > shares["linear"] + 0.03


def test_a_fund_in_coins_starts_with_the_published_balance_at_the_first_mark() -> None:
    resolved = resolve("2020-03-12", SMALL)
    assert (
        resolved.sources["fund_start_usd"] == "published balance at the end of 2020-03-11: 35,508 BTC at the first mark"
    )
    prepared = prepare(resolved)
    px = Fraction(int(prepared.world.walk.mark[0, 0])) * Fraction(prepared.market.instruments[0].mark_quantum)
    assert prepared.world.rules.fund_start == round(35_508 * px * 10**6)
    given = prepare(resolve("2020-03-12", {"fund_start_usd": 1e6, **SMALL}))
    assert given.world.rules.fund_start == 10**12
    assert not any("XBT" in flag for flag in given.resolved.notes)


def test_a_funds_inventory_limit_follows_its_coins() -> None:
    prepared = prepare(resolve("2020-03-12", {"contract": "linear", **SMALL}))
    assert prepared.market.instruments[0].symbol == "BTC/USDT:USDT"
    assert prepared.resolved.fund_coins is None
    assert [each.numerator for each in prepared.world.contracts] == [0]


# a fall by 99.99 per cent


def collapse(market: MarketPath, share: float) -> MarketPath:
    """Return the market with prices that fall evenly, in logarithms, to a share of the first over its bars."""
    bars = market.trade.shape[1]
    falling = np.exp(np.log(share) * np.arange(bars + 1) / bars)
    start = int(market.trade[0, 0, 0])
    open_, close = (np.maximum(np.rint(start * part), 1).astype(np.int64) for part in (falling[:-1], falling[1:]))
    trade = np.stack([open_, open_, close, close], axis=1)[None]
    mark = trade * market.instruments[0].mark_per_tick
    none = (None,) * len(market.instruments)
    return replace(market, trade=trade, mark=mark, modelled=(False,), entry_profiles=none, pre_low=mark[:, 0, 2],
                   pre_high=mark[:, 0, 1], core_bar=0)  # fmt: skip


def falling(share: float, **fields: Any) -> Prepared:
    resolved = resolve("2021-12-04", {**COINM, **fields})
    market = prepare(resolved).market
    return prepare(resolved, market=collapse(market, share))


def test_a_fall_by_9999_in_10000_leaves_nothing_over(workspace: Any) -> None:
    run = execute(falling(0.0001, open_interest_usd=2e6, fund_start_usd=1e5))
    assert all(audit.passed for audit in run.audits())
    s = run.summary()
    assert s["residual_usd"] == 0
    assert s["liquidated_short_usd"] == 0
    longs = run.table("positions").filter(pl.col("side") == "long")
    assert longs["final_lots"].sum() == 0
    assert run.table("steps")["lot_value_usd"].max() > 9_000 * run.table("steps")["lot_value_usd"].min()


def test_a_world_worth_too_much_in_coins_is_refused_with_symbol_and_factor() -> None:
    with pytest.raises(RangeError, match=r"BTC/USD:BTC: lots x price .* times the exact range of the result tables"):
        falling(0.0001, open_interest_usd=1e9)
    with pytest.raises(RangeError, match=r"BTC/USD:BTC: face x first mark is .* times 2\*\*62"):
        Instrument.of(XBTUSD, "BTC", D("1e-9"), D(1), face=D(100)).contract(10**14)


# what is refused


def test_one_coin_a_run() -> None:
    with pytest.raises(ConfigError, match=r"settle in different currencies at binancecoinm; one a run: --coins BTC"):
        resolve("2025-10-10", {"venue": "binancecoinm"})
    with pytest.raises(ConfigError, match=r"contract = inverse: okx lists none .* allowed: listed, linear"):
        resolve("2025-10-10", {"venue": "okx", "contract": "inverse"})


def test_a_price_of_zero_has_no_value_in_coins() -> None:
    unit = Instrument.of(XBTUSD, "BTC", D("0.1"), D(1), face=D(100))
    trade = np.array([[[500_000, 500_000, 0, 3]]])
    with pytest.raises(DataError, match=r"BTC/USD:BTC: a price rounds to zero in steps of 0\.1, where an inverse"):
        refuse_no_value([unit], trade)
    refuse_no_value([Instrument.of("BTC/USDT:USDT", "BTC", D("0.1"), D("0.001"))], trade)


BOOK = {"account": [1, 2], "side": ["long", "short"], "quantity_base": ["500", "500"], "entry_px": ["7000", "8000"]}


def imported(**columns: Any) -> Prepared:
    frame = pl.DataFrame({**BOOK, "symbol": [XBTUSD] * 2, **columns})
    return prepare(resolve("2020-03-12", COINM), frame)


def test_a_book_in_contracts_and_coins() -> None:
    prepared = imported(collateral_coin=["1.5", "2"])
    world, unit = prepared.world, prepared.market.instruments[0]
    px = Fraction(int(world.walk.mark[0, 0])) * Fraction(unit.mark_quantum)
    assert world.book.lots.tolist() == [500, 500]
    assert world.book.entry_value.tolist() == [round(Fraction(50_000, entry) * px * 10**6) for entry in (7000, 8000)]
    assert world.book.collateral.tolist() == [round(coins * px * 10**6) for coins in (Fraction(3, 2), 2)]
    levered = imported(leverage=["4", "5"]).world
    assert levered.book.collateral.tolist() == [
        round(Fraction(int(cost), by)) for cost, by in zip(world.book.entry_value, (4, 5), strict=True)
    ]


def test_a_book_of_base_units_does_not_pass_for_contracts() -> None:
    with pytest.raises(BookError, match=r"'BTC'; simulated: BTC/USD:BTC in contracts of 100 USD"):
        imported(symbol=["BTC", "BTC"], leverage=["4", "5"])
    linear = {**BOOK, "symbol": ["BTC"] * 2, "quantity_base": ["1", "1"], "collateral_coin": ["1", "1"]}
    with pytest.raises(BookError, match=r"collateral_coin: BTC/USDC:USDC settle in dollars; use collateral_usd"):
        prepare(resolve("2025-10-10", {"coins": ("BTC",), **SMALL}), pl.DataFrame(linear))


def test_watched_positions_count_contracts() -> None:
    mine = {"name": "me", "side": "short", "size_base": 1000.0, "entry_px": 7500.0, "leverage": 5.0}
    prepared = prepare(resolve("2020-03-12", {**COINM, "watch": _watch(coin=XBTUSD, **mine)}))
    row = prepared.world.watched[0]
    assert prepared.world.book.lots[row] == 1000
    with pytest.raises(ConfigError, match=r"sizes are contracts of 100 USD here; write coin = \"BTC/USD:BTC\""):
        prepare(resolve("2020-03-12", {**COINM, "watch": _watch(coin="BTC", **mine)}))


def _watch(**row: Any) -> Any:
    from backtest.scenario.reading import check_values

    return check_values({"watch": [row]}, "test")["watch"]


# queries


def test_queries_average_prices_harmonically_and_sign_by_worth() -> None:
    # Two lots of 100 USD closed at 50 (2 coins each at 1 USD a coin) and 100 (1 coin): 3 coins for 200 USD.
    run = Tables(
        steps=rows("step mark_px lot_value_usd\n1 50 2\n2 25 4", symbol=XBTUSD),
        adl_fills=rows(
            "step lots quantity_base amount_usd close_px side\n1 1 1 2 50 short\n1 1 1 1 100 short",
            symbol=XBTUSD,
            account_id=7,
        ),
    )
    ((close_px, forgone_usd),) = run.ask("forgone_pnl", "close_px forgone_usd")
    assert close_px == pytest.approx(200 / 3)
    assert forgone_usd == 5  # a short owns its lots' value: 8 coins at the end, 3 when closed
    assert run.con.sql("select value_sign('long', 'BTC/USDT:USDT'), value_sign('long', 'BTC/USD:BTC')").fetchall() == [
        (1, -1)
    ]
