"""The rest of a venue in a replay: its open interest, when there is none, and that no total of the coins has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtest.errors import ConfigError, UnknownNameError
from backtest.report.page import html
from backtest.run.execute import execute, finished
from backtest.run.measured import measured, measures
from backtest.run.prepare import prepare
from backtest.run.resolve import Resolved, resolve
from backtest.run.run import StoredRun
from backtest.run.summary import block
from backtest.scenario.reading import check_values
from backtest.scenario.values import baseline_of
from backtest.scenario.writing import scenario_toml
from backtest.studies.one_draw import DrawTask, run_draw
from backtest.studies.parameters import Parameter
from backtest.toml import read_toml
from tests.support.plain import LONG_STEPS

REST = "REST/USDC:USDC"
FALL: dict[str, Any] = {"start": "2025-10-10T21:12", "end": "2025-10-10T21:26"}
BASKET = {"rest_of_venue": "basket", "coins": "BTC,SOL,DOGE"}


def found(**changes: Any) -> Resolved:
    return resolve("2025-10-10", check_values({**BASKET, **changes}, "here"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoredRun]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("rest")))
        yield execute(prepare(found(positions=300, **FALL, **LONG_STEPS)))


def test_its_open_interest_is_that_of_the_venue_less_the_coins() -> None:
    of = found()
    others = 6.9e9 - 2.24e9 - 775e6 - 66e6  # a side of 13.8 billion, less those of the coins
    assert of.scenario.open_interest_usd == {"BTC": 2.24e9, "DOGE": 66e6, "REST": others, "SOL": 775e6} | {
        coin: usd for coin, usd in of.scenario.open_interest_usd.items() if coin in {"XRP", "LINK"}
    }
    assert of.scenario.simulated_coins == ("BTC", "SOL", "DOGE", "REST")
    assert of.scenario.coins == ("BTC", "SOL", "DOGE")
    assert f"{others:,.0f} USD of open interest a side" in "".join(of.notes)
    assert of.sources["open_interest_usd"].startswith("event: derived")


def test_it_has_the_margin_table_of_any_coin_and_the_vault_of_all_others() -> None:
    of = found()
    assert of.terms[-1].table.coin == "*"
    assert [(each.coins, each.capital) for each in of.vaults][1] == (("DOGE", "REST"), 12e6)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"coins": "SOL"}, "one coin is simulated"),
        ({"venue": "bybit"}, "the open interest of the venue is not known; give it with venue_open_interest_usd"),
        ({"venue_open_interest_usd": 3e9}, "the simulated coins have all 3,000,000,000 USD"),
        ({"positions_file": "mine.csv"}, "a book of your own is the whole venue"),
        ({"impact": "depth"}, "it has none"),
    ],
    ids=str,
)
def test_without_a_rest_a_note_says_why(changes: dict[str, Any], why: str) -> None:
    of = found(**changes)
    assert of.scenario.simulated_coins == of.scenario.coins
    told = [note for note in of.notes if note.startswith("No rest of the venue is added: ")]
    assert len(told) == 1
    assert why in told[0]


def test_a_stated_open_interest_goes_first_and_reads_back(tmp_path: Path) -> None:
    of = found(open_interest_usd={"REST": 1e9}, liquidity_scale={"REST": 0.5})
    assert of.scenario.open_interest_usd["REST"] == 1e9
    assert of.scenario.liquidity_scale["REST"] == 0.5
    file = tmp_path / "again.toml"
    file.write_text(scenario_toml(of.scenario))
    again = resolve("2025-10-10", check_values(read_toml(file), "again.toml"))
    assert again.scenario == of.scenario


def test_the_baseline_of_the_feedback_path_keeps_it() -> None:
    of = found(leverage_exponent=0.0)
    assert baseline_of(of.scenario, of.default_scenario).simulated_coins == of.scenario.simulated_coins


def test_its_name_is_no_coin() -> None:
    with pytest.raises(UnknownNameError, match="unknown coin in open_interest_usd 'REST'"):
        found(rest_of_venue="none", open_interest_usd={"REST": 1e9})
    with pytest.raises(ConfigError, match="open_interest_usd of REST is 0, below one lot"):
        prepare(found(open_interest_usd={"REST": 0.0}))
    with pytest.raises(ConfigError, match="coins names REST, the rest of the venue; leave it out and set rest_of"):
        found(coins="BTC,REST")
    frame = pl.DataFrame({"account": ["a"], "symbol": ["BTC"], "side": ["long"], "quantity_base": ["1"]})
    with pytest.raises(ConfigError, match="rest_of_venue = basket, but a book of your own is the whole venue"):
        prepare(found(), frame)


def test_no_total_of_the_coins_has_it(run: StoredRun) -> None:
    s, by_coin = run.summary(), {row["symbol"]: row for row in run.query("adl_impact_by_symbol").to_dicts()}
    rest, coins = by_coin.pop(REST), by_coin.values()
    assert float(rest["liquidated_usd"]) > 0
    assert (s["rest_liquidated_usd"], s["rest_adl_usd"]) == (rest["liquidated_usd"], rest["adl_usd"])
    assert float(s["rest_open_interest_usd"]) == pytest.approx(6.9e9 - 2.24e9 - 775e6 - 66e6, rel=1e-6)
    assert float(s["open_interest_usd"]) == pytest.approx(2.24e9 + 775e6 + 66e6, rel=1e-6)
    for name in ("liquidated_usd", "adl_usd"):
        assert s[name] == sum(row[name] for row in coins), name
    assert s["worst_symbol"] != REST
    assert run.query("liquidations_per_minute")["cumulative_usd"][-1] == s["liquidated_usd"]
    assert run.query("liquidations_per_minute", symbol="REST")["cumulative_usd"][-1] == rest["liquidated_usd"]
    assert run.query("adl_by_cohort")["closed_usd"].sum() == s["adl_usd"]
    assert run.sql("select sum(liquidated_usd) from cascades").item() == s["liquidated_usd"]
    closed = run.sql("select count(distinct account_id) from adl_fills where is_covered(symbol)").item()
    assert s["adl_accounts"] == closed
    day = "2025-10-10 00:00:00", "2025-10-11 00:00:00"
    window = run.query("window_metrics", symbol=None, start=day[0], end=day[1]).row(0, named=True)
    assert window["liquidated_notional_usd"] == s["liquidated_usd"]


def test_no_published_comparison_has_it(run: StoredRun) -> None:
    quick, stored = measures(finished(prepare(found(positions=300, **FALL, **LONG_STEPS)))), measured(run)
    assert quick == pytest.approx(stored, rel=1e-9, abs=1e-6)
    names = "adl_gini", "adl_top_ten_share", "adl_share_from_vault", "off_book_share", "cascade_share_long"
    assert set(names) <= quick.keys()
    of_rest = run.query("adl_in_window", symbol="REST", start="2025-10-10 21:15", end="2025-10-10 21:27")
    of_coins = run.query("adl_in_window", symbol="BTC+SOL+DOGE", start="2025-10-10 21:15", end="2025-10-10 21:27")
    assert quick["adl_gini"] == pytest.approx(of_coins["adl_gini_frac"].item())
    assert of_rest["adl_gini_frac"].item() is not None


def test_money_and_lots_of_it_are_conserved_and_audited(run: StoredRun) -> None:
    assert [audit.name for audit in run.audits() if not audit.passed] == []
    assert run.summary()["residual_usd"] == 0
    assert sum(run.query("loss_waterfall")["amount_usd"]) == 0


def test_a_run_names_it_everywhere(run: StoredRun) -> None:
    kinds = {contract.symbol: contract.kind for contract in run.meta.contracts}
    assert kinds == {each: "bars" for each in kinds if each != REST} | {REST: "rest_of_venue"}
    text, page = block(run), html(run)
    assert "REST (modelled, no bars)" in text
    assert "rest of venue" in text
    assert "DOGE, REST (modelled, no bars)" in page
    assert "The rest of the venue, REST, is modelled and has no bars" in page
    assert "REST stands for all; only BTC, SOL, DOGE are compared" in "".join(run.meta.not_simulated)


def test_a_draw_follows_its_own_open_interest() -> None:
    from backtest.catalogue.priors import Prior

    of = found(positions=300, **FALL, **LONG_STEPS)
    prior = Prior(id="split", field="open_interest_usd", distribution="lognormal", log_sd=0.1, factor=True,
                  each_coin=True, source="declared", mark="U", seen="none")  # fmt: skip
    drawn = tuple(Parameter(prior, coin) for coin in of.scenario.coins)
    values = {f"split.{coin}": 1.5 if coin == "SOL" else 1.0 for coin in of.scenario.coins}
    task = DrawTask(resolved=of, market=prepare(of).market, positions=None, parameters=drawn, values=(values,),
                    book_size=300)  # fmt: skip
    interest = task.scenario(0).open_interest_usd
    assert interest == {"BTC": 2.24e9, "SOL": 775e6 * 1.5, "DOGE": 66e6, "REST": 6.9e9 - 2.24e9 - 775e6 - 66e6}
    left = run_draw(task, 0).headlines
    assert [coin.symbol for coin in left.coins][-1] == REST
    assert left.liquidated_usd == pytest.approx(sum(coin.liquidated_usd for coin in left.coins[:-1]))
