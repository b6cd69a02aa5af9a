"""Headline numbers straight from the engine equal those that SQL gives for the run folder of the same scenario."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from backtest.engine.run import Outcome
from backtest.run.execute import execute
from backtest.run.finished import Finished
from backtest.run.headlines import headlines
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import resolve
from backtest.run.simulated import simulated
from backtest.scenario.reading import check_values
from backtest.schema.coins import is_rest
from tests.support.plain import LONG_STEPS, PLAIN

WINDOW = {edge: dt.datetime.fromisoformat(f"2025-10-10T21:{minute}") for edge, minute in (("start", "05"), ("end", 30))}
SCENARIOS: dict[str, dict[str, Any]] = {
    "vault": {},
    "two vaults": {"vaults": ({"coins": ["BTC", "SOL"], "capital_usd": 3e6}, {"coins": "*", "capital_usd": 1e6})},
    "one fund a coin, no cross accounts, fast marks": {
        "venue": "okx",
        "book_of": "hyperliquid",
        "cross_frac": 0.0,
        "mark_half_life_s": 0.0,
    },
    "a fund that holds": {"venue": "binanceusdm", "book_of": "hyperliquid"},
    "the rest of the venue": {"rest_of_venue": "basket", "coins": ("BTC", "SOL", "DOGE")},
    "feedback": {"path": "feedback", "coins": ("BTC", "SOL")},
}


def prepared(changes: dict[str, Any]) -> Prepared:
    """Return a small replay of 10 October 2025."""
    small = {"positions": 400, "coins": ("BTC", "SOL", "DOGE"), **WINDOW, **LONG_STEPS}
    return prepare(resolve("2025-10-10", check_values({**small, **changes}, "test")))


def finished(of: Prepared, outcome: Outcome) -> Finished:
    """Return a run that has ended."""
    return Finished(of.run_id, of.market, of.book, outcome, of.first_bar, {})


@pytest.mark.parametrize("name", SCENARIOS)
def test_headlines_equal_those_of_the_run_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    made = prepared(SCENARIOS[name])
    found = headlines(finished(made, simulated(made, ahead=False)))
    run = execute(made)
    s = run.summary()
    start = s["start_ts"]
    for column in ("liquidated_usd", "adl_usd", "adl_positions", "pool_low_usd", "vault_low_usd", "uncovered_usd"):
        assert getattr(found, column) == pytest.approx(float(s[column]), abs=1e-6), column
    assert found.pool_capital_usd == pytest.approx(float(s["pool_start_usd"]))
    assert found.vault_capital_usd == pytest.approx(float(s["vault_start_usd"]))
    assert found.vault_died == (float(s["vault_least_usd"]) < 0)
    assert sum(each.capital_usd for each in found.vaults) == pytest.approx(float(s["vault_start_usd"]))
    assert min([each.low_usd for each in found.vaults], default=0) == pytest.approx(float(s["vault_least_usd"]))
    assert not found.vaults or sum(each.adl_usd for each in found.vaults) == pytest.approx(
        found.adl_usd + sum(each.adl_usd for each in found.coins if is_rest(each.symbol))
    )
    for ours, column in ((found.first_liquidation_s, "first_liquidation_ts"), (found.first_adl_s, "first_adl_ts")):
        assert ours == (None if s[column] is None else pytest.approx((s[column] - start).total_seconds()))
    by_coin = {row["symbol"]: row for row in run.query("adl_impact_by_symbol").to_dicts()}
    for coin in found.coins:
        assert coin.liquidated_usd == pytest.approx(float(by_coin[coin.symbol]["liquidated_usd"]), abs=1e-6)
        assert coin.adl_usd == pytest.approx(float(by_coin[coin.symbol]["adl_usd"]), abs=1e-6)
    minutes = run.sql(
        "select datediff('minute', (select min(bar_ts) from steps), bar_ts) as minute, sum(adl_usd)::double as usd "
        "from steps where is_covered(symbol) group by 1 having usd > 0 order by 1"
    ).rows()
    assert [(row.minute, row.adl_usd) for row in found.adl_minutes] == [
        (minute, pytest.approx(usd, abs=1e-6)) for minute, usd in minutes
    ]


def test_a_crash_without_adl_has_no_first_one() -> None:
    made = prepared({"venue": "binanceusdm", "book_of": "hyperliquid", "fund_start_usd": 50e9, **PLAIN})
    found = headlines(finished(made, simulated(made)))
    assert (found.adl_usd, found.first_adl_s, found.adl_minutes, found.vault_died) == (0, None, (), False)
