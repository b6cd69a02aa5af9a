"""Each scenario field is declared once: readers, venue files and the class follow from the declaration."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import ConfigError, RenamedError
from backtest.scenario.fields import BY_NAME, PARAMS, RULES, Scenario
from backtest.scenario.param import EVENT, REQUIRED, RULE
from backtest.scenario.reading import check_value, check_values, parse_set, read_scenario
from backtest.scenario.renamed import RENAMED_FIELDS
from backtest.scenario.values import build, merge
from backtest.scenario.writing import scenario_toml
from backtest.toml import read_toml

WATCHED = {"name": "mine", "coin": "BTC", "side": "long", "size_base": 1, "entry_px": 1e5, "leverage": 3}


def scenario(**values: Any) -> Scenario:
    filled = {param.name: next(iter(param.choices), 1.0) for param in PARAMS if param.default == RULE}
    ints = {name: 1 for name in filled if BY_NAME[name].kind == "int"}
    fixed = {"event": "x", "venue": "y", "coins": ("BTC",), "fund_pools": "shared"}
    return build(filled | ints | fixed | {"vaults": ()} | values)


def test_the_class_has_the_fields_in_their_order() -> None:
    assert [field.name for field in dataclasses.fields(Scenario)] == [param.name for param in PARAMS] == list(BY_NAME)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_a_declaration_is_whole(name: str) -> None:
    param = BY_NAME[name]
    assert len(param.doc) > 5
    assert param.kind != "text" or not param.choices or param.default in {*param.choices, RULE}
    assert (param.low is None) == (param.high is None)
    assert param.low is None or isinstance(param.default, str) or param.low <= param.default <= param.high
    assert param.venue or param.default != RULE or name == "fund_inventory_limit_usd"
    if param.absent is not REQUIRED:
        assert check_value(param, param.absent, "absent") == param.absent
    if param.only is not None:
        field, users = param.only
        assert param.absent is not REQUIRED
        assert set(users) <= set(BY_NAME[field].choices)
    if not isinstance(param.default, str) or param.default not in {RULE, EVENT, ""}:
        assert param.default is None or check_value(param, param.default, "default") == param.default


def test_keys_of_venue_files_are_not_used_twice() -> None:
    keys = [param.venue for param in PARAMS if param.venue]
    assert len(keys) == len(set(keys))


def test_every_rule_is_a_choice_with_sentence_and_source() -> None:
    assert {"liquidation_rule", "ranking", "impact", "close_price", "on_exhausted"} <= RULES.keys()
    assert all(rule.sentence and rule.source for rules in RULES.values() for rule in rules.values())


@pytest.mark.parametrize(("old", "new"), list(RENAMED_FIELDS.items()))
def test_an_old_name_says_the_new_one(old: str, new: str) -> None:
    assert new in BY_NAME
    assert old not in BY_NAME
    for read in (lambda: check_values({old: 1}, "replay()"), lambda: parse_set(f"{old}=1")):
        with pytest.raises(RenamedError, match=f"field '{old}' is now called '{new}'$"):
            read()


def test_a_written_scenario_reads_back_as_it_was(tmp_path: Path) -> None:
    values = check_values({"watch": [WATCHED], "open_interest_usd": {"BTC": 1e9}, "start": "2025-10-10T21:00"}, "here")
    made = scenario(**values)
    (tmp_path / "s.toml").write_text(scenario_toml(made), "utf-8")
    assert build(read_scenario(tmp_path / "s.toml")) == made
    assert read_toml(tmp_path / "s.toml")["watch"][0]["margin_mode"] == "isolated"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed", "--set seed: write --set field=value"),
        ("sed=1", "unknown key 'sed'; did you mean seed"),
        ("seed=x", "key 'seed' is 'x'; it must be a whole number"),
        ("hedged_frac=2", "hedged_frac = 2; allowed: 0 to 1"),
        ("open_interest_usd.BTC=-1", r"\[open_interest_usd\]: BTC = -1; allowed: 0 to 1,000,000,000,000 usd"),
        ("ranking=bitmax", "ranking = 'bitmax'; did you mean bitmex"),
        ("fund_pools=BTC+", "fund_pools = 'BTC.'; write shared, isolated or groups of coins"),
        ("coins=BTC,BTC", "names a coin twice"),
        ("start=tomorrow", "start = 'tomorrow'; write UTC as 2025-10-10T21:00:00"),
        ("leverage_mix.BTC=[[0, 3, 0.5]]", "shares sum to 1"),
        ("leverage_mix.BTC=[[0, 3]]", "write \\[\\[0, 3, 0.36\\]"),
        ('watch=[{name="a"}]', r"\[\[watch\]\] 1: key 'coin' is missing; add it as text in quotes"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_set(text)
    assert "\n" not in str(caught.value)


def test_tables_by_coin_are_merged_key_by_key() -> None:
    given = [{"open_interest_usd": 1.0}, {"open_interest_usd": {"BTC": 2.0}}]
    assert merge(*given)["open_interest_usd"] == {"BTC": 2.0, "default": 1.0}


def test_coins_are_read_in_any_spelling_and_named_once() -> None:
    assert check_values({"coins": "btc, kPEPE"}, "here") == {"coins": ("BTC", "KPEPE")}
    assert parse_set("open_interest_usd.xyz:silver=2e6") == {"open_interest_usd": {"XYZ-SILVER": 2e6}}
    assert check_value(BY_NAME["watch"], [WATCHED | {"coin": "btc"}], "here")[0].coin == "BTC"
    with pytest.raises(ConfigError, match="names a coin twice"):
        check_values({"coins": ["BTC", "btc"]}, "here")
    with pytest.raises(ConfigError, match=r"^here: liquidity_scale = .* names a coin twice; name each once"):
        check_values({"liquidity_scale": {"btc": 0.1, "BTC": 0.2, "default": 1.0}}, "here")
