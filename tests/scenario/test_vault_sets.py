"""Vaults by coin set as a user gives them: the short spelling, tables, what is refused, and what reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtest.errors import ConfigError
from backtest.scenario.reading import check_values, parse_set, read_scenario
from backtest.scenario.vault_sets import VaultSet

MAJORS, REST = VaultSet(coins=("BTC", "ETH"), capital_usd=15e6), VaultSet(coins="*", capital_usd=5e6)


@pytest.mark.parametrize(
    "given",
    [
        "vaults=BTC+ETH:15e6,*:5e6",
        "vaults= btc+eth:15_000_000 , *:5e6",
        'vaults=[{coins=["BTC", "ETH"], capital_usd=15e6}, {coins="*", capital_usd=5e6}]',
    ],
)
def test_sets_are_given_short_or_as_tables(given: str) -> None:
    assert parse_set(given) == {"vaults": (MAJORS, REST)}


def test_a_scenario_file_has_a_table_for_each_set(tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    file.write_text(
        '[[vaults]]\ncoins = ["BTC", "ETH"]\ncapital_usd = 15e6\n[[vaults]]\ncoins = "*"\ncapital_usd = 5e6\n'
    )
    assert read_scenario(file) == {"vaults": (MAJORS, REST)}


def test_python_gives_tables_too() -> None:
    tables = [{"coins": ["BTC", "ETH"], "capital_usd": 15e6}, {"coins": "*", "capital_usd": 5e6}]
    assert check_values({"vaults": tables}, "replay") == {"vaults": (MAJORS, REST)}


def test_a_capital_may_be_left_out_and_a_coin_may_be_a_builders() -> None:
    assert parse_set("vaults=xyz:SILVER,*") == {"vaults": (VaultSet(coins=("XYZ-SILVER",)), VaultSet(coins="*"))}
    assert parse_set("vaults=[]") == {"vaults": ()}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("vaults=BTC+BTC:1e6", "--set: vaults names BTC twice; a coin stands in one set"),
        ("vaults=BTC,SOL+btc", "--set: vaults names BTC twice; a coin stands in one set"),
        ("vaults=*,*:1e6", "--set: vaults names * twice; a coin stands in one set"),
        ("vaults=[{coins=[]}]", '--set [[vaults]] 1: coins = []; write ["BTC", "ETH"] or "*" for all others'),
        ('vaults=[{coins="BTC"}]', '--set [[vaults]] 1: coins = \'BTC\'; write ["BTC", "ETH"] or "*" for all others'),
        ("vaults=BTC+:1e6", '--set [[vaults]] 1: coins = [\'BTC\', \'\']; write ["BTC", "ETH"] or "*" for all others'),
        ("vaults=BTC:15m", "--set: vaults = 'BTC:15m'; write BTC+ETH:15e6,*:15e6 or tables of coins and capital_usd"),
        ("vaults=BTC:-1", "--set [[vaults]] 1: capital_usd = -1.0; allowed: 0 to 999,000,000,000 usd"),
        ("vaults=7", "--set: key 'vaults' is 7; it must be a list"),
    ],
)
def test_what_is_no_set_is_refused_in_a_line(given: str, message: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_set(given)
    assert str(refused.value) == message
