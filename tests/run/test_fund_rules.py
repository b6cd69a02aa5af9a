"""From scenario and profile to funds: how a start is divided, what a venue's profile sets, what is refused."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest

import backtest
from backtest.errors import ConfigError, UnknownNameError
from backtest.mechanics.rules import Rules
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from tests.support.plain import LONG_STEPS

EVENT = "2025-10-10"
COINS = ("BTC", "SOL", "XRP")
INTEREST = {"BTC": 6e8, "SOL": 3e8, "XRP": 1e8}
FALL = {edge: dt.datetime.fromisoformat(f"{EVENT}T21:{minute}") for edge, minute in (("start", "05"), ("end", 30))}
SMALL: dict[str, Any] = {"coins": COINS, "positions": 300, "open_interest_usd": INTEREST, **FALL, **LONG_STEPS}
USD = 10**6


def rules(venue: str = "bybit", **given: Any) -> Rules:
    return prepare(resolve(EVENT, {"venue": venue, **SMALL, **given})).world.rules


def starts(of: Rules) -> list[int]:
    return [round(pool.start / USD) for pool in of.pools]


def test_one_fund_has_no_pools() -> None:
    one = rules(fund_pools="shared", fund_start_usd=1e7)
    assert (one.pools, one.fund_of, one.fund_start) == ((), (), 10**7 * USD)


def test_a_common_start_and_the_limit_are_divided_by_open_interest() -> None:
    three = rules("binanceusdm", fund_pools="isolated", fund_start_usd=1e7)
    assert three.fund_of == (0, 1, 2)
    assert sum(pool.start for pool in three.pools) == 10**7 * USD
    assert starts(three) == pytest.approx([6e6, 3e6, 1e6], rel=1e-3)
    assert [pool.limit for pool in three.pools] == [pool.start for pool in three.pools]  # 100 % of the fund


def test_a_fund_of_nothing_holds_nothing() -> None:
    empty, free = rules("binanceusdm", fund_start_usd=0.0), rules("binanceusdm", fund_inventory_limit_usd=999e9)
    assert (empty.inventory_limit, free.inventory_limit) == (0, None)
    three = rules("binanceusdm", fund_pools="isolated", fund_start_usd=0.0)
    assert [pool.limit for pool in three.pools] == [0, 0, 0]
    run = backtest.replay(EVENT, venue="binanceusdm", fund_start_usd=0.0, **SMALL)
    assert run.fund.filter(cause="takeover").is_empty()
    assert run.summary()["adl_usd"] > 0


def test_a_start_per_coin_goes_to_the_coin_s_fund() -> None:
    given = {"BTC": 5e6, "SOL": 2e6, "XRP": 1e6}
    assert starts(rules(fund_pools="isolated", fund_start_usd=given)) == [5e6, 2e6, 1e6]
    pairs = rules(fund_pools="SOL+XRP", fund_start_usd=given)
    assert (starts(pairs), pairs.fund_of) == ([5e6, 3e6], (0, 1, 1))
    assert rules(fund_pools="shared", fund_start_usd=given).fund_start == 8 * 10**6 * USD
    some = rules(fund_pools="isolated", fund_start_usd={"BTC": 5e6, "default": 0.0})
    assert starts(some) == [5e6, 0, 0]


def test_profiles_set_the_published_rules() -> None:
    bybit, okx, bitmex = (rules(name) for name in ("bybit", "okx", "bitmex"))
    assert bybit.drawdown is not None
    assert (bybit.drawdown.kind, bybit.drawdown.trigger, bybit.drawdown.stop) == (
        "pnl_ratio", (Fraction("0.3"),) * 3, (Fraction("0.25"),) * 3
    )  # fmt: skip
    assert (bybit.drawdown.window_s, bybit.drawdown.above, bybit.inventory_adl) == (
        28_800,
        10_000 * USD,
        "to_trigger",
    )
    assert okx.drawdown is not None
    assert (okx.drawdown.kind, okx.drawdown.trigger, okx.fund_of) == (
        "pool_drawdown",
        (Fraction("0.3"),) * 3,
        (0, 1, 2),
    )
    assert (bitmex.drawdown, bitmex.fund_of) == (None, (0, 1, 2))
    assert rules("binanceusdm").drawdown is None


def test_the_help_page_s_trigger_can_be_set_by_coin() -> None:
    drop = rules(drawdown_trigger_frac={"BTC": 1.0}, drawdown_stop_frac={"BTC": 0.95}).drawdown
    assert drop is not None
    assert drop.trigger == (Fraction(1), Fraction("0.3"), Fraction("0.3"))
    assert drop.stop == (Fraction("0.95"), Fraction("0.25"), Fraction("0.25"))


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"fund_start_usd": {"BTC": 1e6}}, ConfigError, "fund_start_usd has no value for SOL"),
        ({"fund_pools": "BTC+BCT"}, UnknownNameError, "BCT.*did you mean BTC"),
        ({"fund_pools": "BTC+SOL,BTC"}, ConfigError, "names BTC twice"),
        (
            {"drawdown_stop_frac": 0.5},
            ConfigError,
            "drawdown_stop_frac of BTC is 0.5, above drawdown_trigger_frac of 0.3",
        ),
        ({"drawdown_trigger": "none"}, ConfigError, "inventory_adl = 'to_trigger' but drawdown_trigger = 'none'"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        rules(**given)


def test_a_run_with_several_funds_tells_them_apart() -> None:
    fields = {"fund_start_usd": {"BTC": 2e5, "SOL": 1e3, "XRP": 1e3}, "fund_pools": "SOL+XRP"}
    run = backtest.replay(EVENT, venue="bybit", **SMALL, **fields)
    assert all(audit.passed for audit in run.audits())
    opening = run.sql("select serves, cash_usd from fund where cause = 'opening' order by cash_usd").rows()
    assert [(serves.count("+"), float(cash)) for serves, cash in opening] == [(1, 2e3), (0, 2e5)]
    legs = "select serves, sum(amount_usd) as usd from {} where {} group by serves order by serves"
    assert run.sql(legs.format("fund", "true")).rows() == run.sql(legs.format("ledger", "owner = 'fund'")).rows()
    balance = run.query("fund_balance")
    last = dict(balance.sort("step").select("serves", "cash_usd").rows())
    assert last == dict(run.sql("select serves, sum(amount_usd) from fund group by serves").rows())
    summary = run.summary()
    assert float(summary["fund_start_usd"]) == 2.02e5
    assert sum(last.values()) == run.sql("select arg_max(fund_usd, step) as usd from steps")["usd"].item()
    events = run.query("fund_timeline")
    assert {"adl_on", "refused"} & set(events["event"])
    on = run.sql("select count(*) as n from steps where adl_on")["n"].item()
    assert on > 0
    assert any("2 insurance funds" in said for said in run.meta.assumptions)
    assert any("switches deleveraging on" in said for said in run.meta.assumptions)
