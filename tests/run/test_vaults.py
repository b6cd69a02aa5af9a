"""Vaults by coin set in a replay: whose capital they have, what one set over all coins gives, and what is refused."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import backtest
from backtest.assets import asset
from backtest.errors import ConfigError, UnknownNameError
from backtest.run.resolve import resolve
from backtest.run.vaults import SetVault, refuse_without_capital
from backtest.scenario.reading import check_values
from backtest.scenario.values import baseline_of
from backtest.scenario.vault_sets import VaultSet
from backtest.scenario.writing import scenario_toml
from backtest.schema.tables import TABLES
from backtest.toml import read_toml
from backtest.venue.reading import parse_venue
from tests.support.plain import LONG_STEPS

FALL: dict[str, Any] = {"start": "2025-10-10T21:12", "end": "2025-10-10T21:26"}
TWO = "BTC+ETH+SOL+XRP:15e6,*:10e6"


def found(given: str, **more: Any) -> Any:
    return resolve("2025-10-10", {**check_values({"vaults": given}, "here"), **more})


def test_a_set_has_its_own_capital_and_the_coins_of_the_run() -> None:
    assert found(TWO).vaults == (
        SetVault(name="BTC+ETH+SOL+XRP", coins=("BTC", "SOL", "XRP"), capital=15e6),
        SetVault(name="*", coins=("DOGE", "LINK"), capital=10e6),
    )
    assert not [note for note in found(TWO).notes if "vault" in note]


def test_fewer_coins_have_their_share_of_each_set_and_a_set_without_coins_is_no_vault() -> None:
    alone = found(TWO, coins=("BTC",))
    share = 4.48 / (4.48 + 1.55 + 0.208)
    assert [(each.name, each.coins) for each in alone.vaults] == [("BTC+ETH+SOL+XRP", ("BTC",))]
    assert alone.vaults[0].capital == pytest.approx(15e6 * share, abs=0.01)
    told = (
        f"The vault of BTC+ETH+SOL+XRP has {15e6 * share:,.0f} USD: {share:.1%} of its 15,000,000, as of open interest"
    )
    assert [note for note in alone.notes if "vault" in note] == [f"{told} of BTC, SOL, XRP."]
    assert told[4:] in alone.sources["vaults"]
    other = found(TWO, coins=("BTC", "LINK"))
    assert [each.capital for each in other.vaults] == pytest.approx([15e6 * share, 10e6 * 140 / 272], abs=0.01)
    assert alone.vault_frac == 1.0  # the grid scales the one vault alone


def test_sets_without_a_capital_have_that_of_the_field_each() -> None:
    assert [each.capital for each in found("BTC+SOL,*:1e6").vaults] == [12e6, 1e6]
    assert [each.capital for each in found("BTC+SOL,*", vault_capital_usd=2e6).vaults] == [2e6, 2e6]
    assert found("BTC,*", coins=("BTC", "SOL"), vault_capital_usd=2e6).vaults[0].capital == 2e6
    refuse_without_capital((VaultSet(coins="*"),), 0.0, stated=True)  # a venue without a backstop states zero


def test_what_a_scenario_says_of_vaults_reads_back(tmp_path: Any) -> None:
    first = found(TWO, coins=("BTC", "LINK"))
    file = tmp_path / "again.toml"
    file.write_text(scenario_toml(first.scenario))
    again = resolve("2025-10-10", check_values(read_toml(file), "again.toml"))
    assert (again.scenario, again.vaults) == (first.scenario, first.vaults)


def test_the_baseline_of_the_feedback_path_has_the_venues_vaults() -> None:
    given = found(TWO, vault_margin="maintenance", coins=("BTC",))
    baseline = baseline_of(given.scenario, given.default_scenario)
    plain = resolve("2025-10-10", {"coins": ("BTC",)}).scenario
    names = ("vaults", "vault_margin", "vault_capital_usd")
    assert [getattr(baseline, name) for name in names] == [getattr(plain, name) for name in names]


# --- sets with all open interest that the venue has in them --------------------------------------------------------

OCTOBER = {"BTC": 2.24e9, "SOL": 775e6, "XRP": 104e6, "DOGE": 66e6, "LINK": 70e6}  # of a side, as the event has it


def of_venue(*coins: str, **known: float) -> tuple[SetVault, ...]:
    """Return the vaults of a run at a venue with 4 billion in BTC, ETH and SOL and 1 billion in all other coins."""
    rows = [{"coins": ["BTC", "ETH", "SOL"], "capital_usd": 8e6, "open_interest_usd": 4e9},
            {"coins": "*", "capital_usd": 2e6, "open_interest_usd": 1e9}]  # fmt: skip
    given = check_values({"vaults": rows, "coins": list(coins), "open_interest_usd": known or 1e9}, "here")
    return tuple(resolve("2025-10-10", given).vaults)


def test_a_set_has_the_share_of_its_capital_that_the_coins_have_in_its_open_interest() -> None:
    """8 million x (2.24 + 0.775) / 4 and 2 million x 0.07 / 1; ETH, which is not in the run, is in the 4 billion."""
    first, others = of_venue("BTC", "SOL", "LINK")
    assert (first.name, first.coins, first.capital) == ("BTC+ETH+SOL", ("BTC", "SOL"), 6_030_000)
    assert (others.name, others.coins, others.capital) == ("*", ("LINK",), 140_000)
    assert "6,030,000 USD: 75.4% of its 8,000,000, as of the 4,000,000,000 of open interest" in first.note


def test_a_set_without_a_coin_of_the_run_is_no_vault() -> None:
    assert [each.name for each in of_venue("LINK", "DOGE")] == ["*"]
    assert [each.name for each in of_venue("BTC")] == ["BTC+ETH+SOL"]


def test_a_set_whose_coins_have_no_known_open_interest_runs_whole() -> None:
    first, others = of_venue("BTC", "ETH", "DOGE", ETH=1e9)
    assert (first.capital, others.capital) == (8e6, 2e6 * 0.066)
    assert first.note == "the vault of BTC+ETH+SOL runs whole: the open interest of its coins is not known"


def test_a_set_has_at_most_its_capital() -> None:
    rows = [{"coins": "*", "capital_usd": 2e6, "open_interest_usd": 1e6}]
    (one,) = resolve("2025-10-10", check_values({"vaults": rows}, "here")).vaults
    assert one.capital == 2e6
    assert "100.0%" in one.note


def test_the_vaults_of_october_have_the_share_of_the_five_coins() -> None:
    first, others = resolve("2025-10-10", {}).vaults
    held = [sum(OCTOBER[coin] for coin in each.coins) for each in (first, others)]
    assert (first.coins, others.coins) == (("BTC", "SOL", "XRP"), ("DOGE", "LINK"))
    assert [first.capital, others.capital] == pytest.approx(
        [12e6 * held[0] / 4.44e9, 12e6 * held[1] / 2.46e9], abs=0.01
    )


def test_the_open_interest_of_a_set_is_read_from_a_file_and_written_back(tmp_path: Any) -> None:
    file = tmp_path / "sets.toml"
    file.write_text('vaults = [{ coins = ["BTC"], open_interest_usd = 4e9 }, { coins = "*", capital_usd = 1e6 }]\n')
    first = resolve("2025-10-10", check_values(read_toml(file), "sets.toml"))
    assert [each.open_interest_usd for each in first.scenario.vaults] == [4e9, None]
    file.write_text(scenario_toml(first.scenario))
    again = resolve("2025-10-10", check_values(read_toml(file), "sets.toml"))
    assert (again.scenario, again.vaults) == (first.scenario, first.vaults)
    for bad in ("0", "-1", "1e13", '"all"'):
        file.write_text(f'vaults = [{{ coins = "*", open_interest_usd = {bad} }}]\n')
        with pytest.raises(ConfigError, match="open_interest_usd"):
            check_values(read_toml(file), "sets.toml")


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ("BTC+SOL:1e6", {}, 'vaults has no set for XRP; add XRP to one, or coins = "*" for all others'),
        ("BTC+BCT:1e6,*", {}, "unknown coin in vaults 'BCT'; did you mean BTC"),
        (
            "BTC,*",
            {"venue": "bybit"},
            "vaults: the set BTC has no capital_usd; give it one, or vault_capital_usd to all",
        ),
        ("BTC:1,*:1", {"cross_allocation": "one_first"}, "the vault takes an account's positions together"),
    ],
)
def test_vaults_that_cannot_be_are_refused_in_a_line(given: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError)) as refused:
        backtest.replay("2025-10-10", vaults=given, positions=50, **more)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_venue_file_states_its_sets_in_one_line() -> None:
    table = read_toml(asset("data", "venues", "hyperliquid.toml"))
    stated = parse_venue(table, "x.toml").rules
    assert stated["vaults"] == (VaultSet(coins=("BTC", "ETH", "SOL", "XRP")), VaultSet(coins="*"))
    assert stated["vault_margin"] == "none"
    table["vault"] |= {"sets": [{"coins": ["BTC", "ETH"]}, {"coins": "*", "capital_usd": 5e6}], "margin": "maintenance"}
    rules = parse_venue(table, "x.toml").rules
    assert [each.plain() for each in rules["vaults"]] == table["vault"]["sets"]
    assert rules["vault_margin"] == "maintenance"
    for sets, message in (
        ([{"coins": ["BTC"]}, {"coins": ["BTC"]}], r"x.toml \[vault\]: vaults names BTC twice"),
        ([{"coins": []}], r"x.toml \[vault\] \[\[sets\]\] 1: coins = \[\]; write"),
        ("BTC", r"x.toml \[vault\]: key 'sets' is 'BTC'; it must be a list"),
    ):
        table["vault"]["sets"] = sets
        with pytest.raises(ConfigError, match=message):
            parse_venue(table, "x.toml")


def test_one_set_over_all_coins_is_one_vault() -> None:
    given = {"positions": 200, "vault_capital_usd": 12e6, **FALL, **LONG_STEPS}
    plain, one = (backtest.replay("2025-10-10", vaults=sets, **given) for sets in ((), "*"))
    assert plain.run_id != one.run_id
    assert one.summary()["adl_for_pools_share_frac"] > 0
    for name in TABLES:
        found, expected = (run.table(name).select(pl.exclude("^.*run_id$", "^.*sha256$")) for run in (one, plain))
        assert found.equals(expected), name


def test_the_vaults_of_a_run_are_told_apart_in_its_tables_and_audits() -> None:
    sets = "BTC+SOL+XRP:4e6,*:1e6"
    run = backtest.replay("2025-10-10", positions=400, vaults=sets, vault_margin="maintenance", **FALL, **LONG_STEPS)
    assert [audit.name for audit in run.audits() if not audit.passed] == []
    served = ["+".join(f"{coin}/USDC:USDC" for coin in coins) for coins in (("BTC", "SOL", "XRP"), ("DOGE", "LINK"))]
    flows = run.query("fund_flows")
    assert flows.filter(flows["pool"] == "vault")["serves"].unique().sort().to_list() == served
    summary = run.summary()
    assert summary["vault_start_usd"] == 5_000_000
    assert summary["vault_below_maintenance_steps"] == 0
    assert repr(run).count(" USD, lowest ") == 3  # all, and each
    refused = run.query("fund_timeline")
    assert set(zip(refused["pool"], refused["event"], refused["cause"], strict=True)) == {
        ("vault", "refused", "margin")
    }
    told = [line for line in run.meta.assumptions if "vault" in line]
    assert any("2 vaults: BTC+SOL+XRP with 4,000,000 USD, * with 1,000,000 USD." in line for line in told)
    assert any("keeps the maintenance margin of its inventory" in line for line in told)
