"""Tapes no market should print and books no venue should hold, whole replays under every profile.

A price that leaves the earth for a minute, a venue that is down, a symbol that comes late, everyone bankrupt at once:
no exception but the one line that says what is refused, nothing left over, audits passed, finite tables, a page.
Every tape and every venue runs, each venue where prices gap; ``CRASHBOOK_EVERY_TAPE=1`` runs every tape at every venue.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from backtest.errors import DataError, DataGapError, RangeError
from backtest.report.findings import Findings
from backtest.report.sections.registry import SECTIONS
from backtest.run.run import StoredRun
from backtest.run.summary import block
from backtest.venue.reading import get_venue
from tests.support.extremes import (
    COIN_MARGINED,
    EVENT,
    EVERY,
    MINUTES,
    START,
    VENUES,
    jumped,
    paired,
    replayed,
    row,
    some,
    sound,
    spiked,
    store,
    store_funding,
    uncovered,
    walking,
    without_volume,
)
from tests.support.hostile import refused

KINDS = ("hyperliquid", "binanceusdm", "dydx", "drift")  # vault, fund and queue, waiting, shared losses
SMALL = {"open_interest_usd": {"BTC": 1e5, "SOL": 1e4}}  # a spike to 1e9 makes 100 SOL worth 1e11 USD
# dYdX: a bankrupt without a counterparty waits; Deribit and Drift: no queue, losses are shared
WAITING, SHARING = ("dydx",), ("deribit", "drift")
POOR = {"fund_start_usd": 0.0, "vault_capital_usd": 0.0}
INDEBTED = {"fund_start_usd": 0.0, "fund_floor_usd": -1e6, "vault_capital_usd": 0.0}
CROSS = {"cross_frac": 0.7, "hedged_frac": 0.5}
SPIKES = {"zero": {"low": 0.0}, "1e9": {"high": 1e9}, "both": {"low": 0.0, "high": 1e9}}
IN_COINS = {"least": {"low": 0.1}, "1e9": {"high": 1e9}, "both": {"low": 0.1, "high": 1e9}}  # zero has no value there
VARIANTS: dict[str, dict[str, Any]] = {
    "feedback": {"path": "feedback", "liquidity_factor": 0.5, **POOR}, "cross": {**CROSS, **POOR}, "isolated": {},
    "indebted": {**INDEBTED, "intrabar": "adverse_first"},
}  # fmt: skip


# one bar to zero, to 1e9, and back


SPIKED = [(spike, name) for spike in (SPIKES if EVERY else ["both"]) for name in VARIANTS]


@pytest.mark.parametrize(("venue", "case"), paired(VENUES if EVERY else KINDS, SPIKED))
def test_a_price_that_leaves_the_earth_for_a_minute(venue: str, case: tuple[str, str]) -> None:
    spike, variant = case
    store(venue, spiked(walking(), 4, **SPIKES[spike]))
    run = sound(replayed(venue, **SMALL, **VARIANTS[variant]))
    assert run.summary()["liquidations"] > 0
    if spike != "1e9":
        assert run.steps["trade_px"].min() == 0
    if spike != "zero" and variant != "feedback":
        assert run.steps["mark_px"].max() == 1e9


@pytest.mark.parametrize("venue", some("bybit"))
def test_a_mark_of_its_own_that_leaves_the_earth_while_trades_stay(venue: str) -> None:
    store(venue, walking())
    store(venue, spiked(walking(), 4, **SPIKES["both"]), "mark_ohlcv")
    run = sound(replayed(venue, **SMALL, **CROSS, **POOR))
    assert (run.steps["mark_px"].min(), run.steps["mark_px"].max()) == (0, 1e9)
    assert run.steps["trade_high_px"].max() < 1e5


@pytest.mark.parametrize("venue", COIN_MARGINED)
@pytest.mark.parametrize("spike", IN_COINS if EVERY else ["both"])
def test_a_coin_that_is_worth_nothing_or_everything_for_a_minute(venue: str, spike: str) -> None:
    """A contract of 100 USD is worth 0.002 coins at first, 1,000 at the least price and 1e-7 at the highest."""
    store(venue, {"BTC": spiked(walking(), 4, **IN_COINS[spike])["BTC"]})
    alone = {"coins": ("BTC",), "positions_per_account": 1.0, "fund_start_usd": 0.0}
    run = sound(
        replayed(venue, **alone, open_interest_usd={"BTC": 1e4}), page="USD are BTC x" if spike == "both" else None
    )
    assert run.summary()["liquidations"] > 0
    if spike != "1e9":
        with pytest.raises(RangeError, match=r"^BTC/USD:BTC: lots x price .* reaches 4 times .* of coins at the first"):
            replayed(venue, **alone)


def test_a_price_below_zero_is_refused_with_its_place() -> None:
    bars = walking()
    bars["BTC"][4][2] = -1.0
    store("hyperliquid", bars)
    said = "BTC/USDC:USDC: a price below zero at 2026-01-19T04:28:00 .* allowed: prices of zero or more; correct the"
    with pytest.raises(DataError, match=said):
        replayed("hyperliquid")


@pytest.mark.parametrize("venue", COIN_MARGINED)
def test_a_printed_zero_has_no_value_in_coins(venue: str) -> None:
    bars = walking()
    bars["BTC"][4][2] = 0.0
    store(venue, {"BTC": bars["BTC"]})
    with pytest.raises(DataError, match=r"rounds to zero in steps of .* where an inverse contract has no value"):
        replayed(venue, coins=("BTC",), positions_per_account=1.0)


# gaps


def everyone(leverage: float = 20.0, mode: str = "isolated") -> list[dict[str, Any]]:
    """Return accounts of both sides with one leverage, each of both coins."""
    rows = []
    for k in range(12):
        side, other = ("long", "short") if k % 2 else ("short", "long")
        rows += [row(f"a{k}", side, 1.0, leverage, margin_mode=mode)]
        rows += [row(f"a{k}", side if k % 3 else other, 200.0, leverage, coin="SOL", margin_mode=mode)]
    return rows


def legs(name: str, mode: str, collateral_usd: float) -> list[dict[str, Any]]:
    return [row(name, side, 1.0, collateral_usd=collateral_usd, margin_mode=mode) for side in ("long", "short")]


ODD = [  # accounts that no venue should hold, among those of everyone
    *legs("flat", "isolated", 1000.0), *legs("flat-cross", "cross", 1000.0), row("b", "short", 3.0),
    row("no-wallet", "long", 1.0, collateral_usd=0.0, margin_mode="cross"),
    row("no-wallet", "long", 10.0, coin="SOL", collateral_usd=0.0, margin_mode="cross"),
    row("in-debt", "long", 1.0, collateral_usd=-5000.0, margin_mode="cross"),
    row("in-debt", "short", 10.0, coin="SOL", collateral_usd=0.0, margin_mode="cross"),
    row("isolated-in-debt", "long", 1.0, collateral_usd=-5000.0),
]  # fmt: skip
GAPS = [(mode, rules) for rules in ("poor", "indebted") for mode in ("isolated", "cross")]


@pytest.mark.parametrize(("venue", "case"), paired(VENUES, GAPS, 1))
def test_gaps_up_and_down_leave_nobody_below_zero(venue: str, case: tuple[str, str]) -> None:
    mode, rules = case
    store(venue, jumped(walking(), 3, [1.9, 0.2, 1.9, 1.0]))
    fund = POOR if rules == "poor" else INDEBTED
    odd = [] if venue in WAITING else ODD  # whoever is in debt waits there for ever
    run = sound(replayed(venue, [*everyone(mode=mode), *odd], balance_with_market=True, **fund))
    assert run.summary()["liquidations"] > 0
    assert venue in WAITING or run.accounts["final_equity_usd"].min() >= 0
    assert run.positions.filter(margin_mode="isolated")["final_lots"].sum() == 0
    assert bankrupt(run) == []


@pytest.mark.parametrize(
    ("venue", "mode"),
    paired(VENUES if EVERY else KINDS, ("isolated", "cross")),
)
def test_everyone_bankrupt_at_once_leaves_nobody_to_close(venue: str, mode: str) -> None:
    store(venue, jumped(walking(), 0, [1.0]))
    book = [{**each, "collateral_usd": -1000.0} for each in everyone(mode=mode)]
    run = sound(replayed(venue, book, balance_with_market=True, **POOR))
    assert run.summary()["adl_usd"] == 0
    if venue in WAITING:
        assert (uncovered(run), run.positions["fate"].unique().to_list()) == (0, ["open"])
        return
    assert uncovered(run) == -1000 * len(book)
    assert run.accounts.select("final_cash_usd", "final_equity_usd").unique().rows() == [(0, 0)]
    assert run.positions["final_lots"].sum() == 0
    unmatched, held = run.adl_events["lots_unmatched"].sum(), run.positions["lots"].sum()
    # where an account's first position bears all of its loss, the others have nothing to lose and go to the book
    assert unmatched == held or (mode == "cross" and unmatched == held - run.liquidations["book_lots"].sum())


@pytest.mark.parametrize("venue", [name for name in some("hyperliquid") if name not in (*WAITING, *SHARING)])
def test_winners_fewer_than_needed_leave_a_loss_that_tables_summary_and_story_report(venue: str) -> None:
    store(venue, jumped(walking(), 3, [0.4]))
    book = [*(row(f"l{k}", "long", 1.0, 20.0) for k in range(10)), row("s", "short", 2.0, 1.0)]
    run = sound(replayed(venue, book, balance_with_market=True, **POOR))
    lost, lots = uncovered(run), run.positions["lots"][0]
    assert lost < 0
    waves = run.adl_events.select(pl.col("lots_wanted", "lots_closed", "lots_unmatched").sum()).row(0)
    assert waves == (10 * lots, 2 * lots, 8 * lots)
    assert run.adl_events["unmatched_to"].unique().to_list() == ["market"]  # at the mark; the loss is uncovered
    assert f"uncovered   −{-round(lost):,} USD" in block(run)
    paid = next(section for section in SECTIONS if section.id == "paid")
    assert "of losses had no payer" in paid.answer(Findings(run))


# nothing traded, funding, symbols that come and go


@pytest.mark.parametrize("venue", some("deribit"))
def test_nothing_fills_while_the_venue_is_down(venue: str) -> None:
    minutes = 16
    store(venue, without_volume(walking(minutes), range(2, 13)))
    run = sound(replayed(venue, minutes=minutes, **CROSS))
    down = (START + dt.timedelta(minutes=2), START + dt.timedelta(minutes=13))
    judged = run.liquidations.filter(pl.col("ts").is_between(*down, closed="left"))
    assert judged.height > 0
    assert judged["book_lots"].sum() == 0
    traded = run.ledger.filter(pl.col("cause").is_in(["book", "unwind"]))
    assert not traded["ts"].is_between(*down, closed="left").any()


@pytest.mark.parametrize(
    ("venue", "rates"),
    [(name, (0.04, -0.04)) for name in some("dydx")],
)
def test_four_per_cent_at_every_settlement(venue: str, rates: tuple[float, ...]) -> None:
    minutes = 61
    store(venue, jumped(walking(minutes), 0, [1.0]))
    store_funding(venue, 1 if venue in {"binanceusdm", "bybit"} else 60, minutes, rates)
    run = sound(replayed(venue, minutes=minutes, **CROSS, **POOR))
    assert run.funding.height > 0
    assert set(run.funding.group_by("step", "symbol").agg(pl.col("amount_usd").sum())["amount_usd"]) == {Decimal(0)}


@pytest.mark.parametrize("venue", some("bitmex"))
def test_a_symbol_that_comes_late_is_refused_and_one_that_ends_early_carried_on_request(venue: str) -> None:
    bars, symbol = walking(), get_venue(venue).symbol("SOL")
    store(venue, bars, minutes={"SOL": range(3, MINUTES)})
    for gaps in (False, True):
        with pytest.raises(DataGapError, match=rf"^{symbol}: 3 bars missing .*04:24:00 to .*04:27:00; .* or narrow"):
            replayed(venue, allow_gaps=gaps)
    store(venue, bars, minutes={"SOL": range(5)})
    with pytest.raises(DataGapError, match=rf"^{symbol}: 7 bars missing .*--allow-gaps"):
        replayed(venue)
    run = sound(replayed(venue, allow_gaps=True, **CROSS))
    assert any(flag.startswith(f"{symbol}: 7 missing bars are carried flat") for flag in run.meta.notes)
    carried = run.steps.filter(symbol=symbol).filter("bridged")
    assert (carried["bar_ts"].n_unique(), carried["mark_px"].n_unique()) == (7, 1)


# books


BOOKS: dict[str, list[dict[str, Any]]] = {
    "one-account": [row("a", "long", 1.0, 10.0)],
    "one-lot": [row("a", "long", 0.01, 10.0), row("b", "short", 0.01, 10.0)],
    "two-hold-everything": [row("a", "long", 900.0, 20.0), row("b", "short", 900.0, 20.0)],
    "flat-cross-hedge-of-nothing": legs("a", "cross", 0.0),
}


@pytest.mark.parametrize(("venue", "book"), paired(some("deribit", "dydx", "drift", "okx"), BOOKS))
def test_books_of_next_to_nothing(venue: str, book: str) -> None:
    store(venue, jumped(walking(), 3, [1.9, 0.2, 1.9, 1.0]))
    rules = POOR if (VENUES.index(venue) + list(BOOKS).index(book)) % 2 else {}
    flat = book == "flat-cross-hedge-of-nothing"
    run = sound(replayed(venue, BOOKS[book], balance_with_market=True, **rules), page="" if flat else None)
    if not flat and venue not in WAITING:
        assert run.summary()["liquidations"] > 0
    assert bankrupt(run) == []


def bankrupt(run: StoredRun) -> list[tuple[Any, ...]]:
    """Return accounts that hold nothing but a debt."""
    left = run.positions.group_by("account_id").agg(pl.col("final_lots").sum())
    return run.accounts.join(left.filter(final_lots=0), on="account_id").filter(pl.col("final_cash_usd") < 0).rows()


# the exact range


def test_a_price_of_a_thousand_million_on_a_whole_venue_is_refused_with_symbol_and_factor() -> None:
    # 138,000 BTC at 1e9 are 1.38e14 USD on each side, counted twice: 552 times what a column of money holds.
    store("binanceusdm", spiked(walking(), 4, high=1e9))
    refusal = refused(1, "replay", EVENT, "--venue", "binanceusdm", "--coins", "BTC", "--positions", "200", "-q",
                      "--allow-suspect", *_sets(open_interest_usd=138_000 * 50_000, fund_start_usd=0))  # fmt: skip
    assert refusal == (
        "crashbook: BTC/USDT:USDT: lots x price with fund and vault reaches 552 times the exact range of the result "
        "tables, 1e12 USD; use a smaller open interest, fund or vault"
    )


def _sets(**changes: Any) -> list[str]:
    end = START + dt.timedelta(minutes=MINUTES)
    settings = {"start": START.isoformat(), "end": end.isoformat(), "mark_half_life_s": 0, **changes}
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.parametrize("venue", some("binanceusdm"))
def test_the_largest_book_that_is_not_refused_runs(venue: str) -> None:
    largest = 1e12 / 4 / 1e9  # BTC on each side
    for series in ("ohlcv", "mark_ohlcv"):  # a mark may leap where trades do not
        store(venue, walking())
        store(venue, spiked(walking(), 4, high=1e9), series)
        for share, refusal in ((0.98, False), (1.02, True)):
            book = [row("a", "long", largest * share, 3.0), row("b", "short", largest * share, 3.0)]
            if refusal:
                with pytest.raises(RangeError, match=r"^BTC/.*: lots x price with fund and vault reaches 1\.0"):
                    replayed(venue, book, **POOR)
            else:
                run = replayed(venue, book, **POOR)
    sound(run)
