"""Files of priors: the packaged one has sources, and what makes no range is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtest.catalogue.priors import parse_priors, read_priors
from backtest.errors import ConfigError
from backtest.scenario.fields import BY_NAME

DECLARED = {"id": "a", "source": "declared", "mark": "U", "seen": "nothing"}
UNIFORM = {**DECLARED, "field": "liquidity_factor", "distribution": "uniform", "low": 0.5, "high": 2.0}
MIX = {**DECLARED, "field": "leverage_mix", "distribution": "mix"}


def test_every_packaged_prior_says_where_it_comes_from() -> None:
    rows = read_priors().rows
    assert all(row.source and row.seen for row in rows)
    assert len({row.id for row in rows}) == len(rows)
    assert [row.id for row in rows if row.of_book != BY_NAME[row.field].of_book] == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**UNIFORM, "low": 3.0}, "an empty range, low = 3 is above high = 2; swap them"),
        ({**UNIFORM, "high": 2000.0}, "liquidity_factor = 2000.0; allowed: 0 to 1,000"),
        ({**UNIFORM, "distribution": "log_uniform", "low": 0.0}, "low = 0; log_uniform needs a range above 0"),
        ({**UNIFORM, "distribution": "lognormal"}, "lognormal has no low; its keys: log_sd"),
        ({**UNIFORM, "distribution": "normal"}, "allowed: uniform, log_uniform, lognormal, choice, mix"),
        ({key: value for key, value in UNIFORM.items() if key != "high"}, "uniform needs high; its keys: low, high"),
        ({key: value for key, value in UNIFORM.items() if key != "source"}, "key 'source' is missing"),
        ({**UNIFORM, "field": "liquidity"}, "unknown field 'liquidity'; did you mean liquidity_"),
        ({**UNIFORM, "field": "ranking"}, "ranking is of kind text; distributions that fit it: choice"),
        ({**UNIFORM, "field": "seed"}, "seed is no unknown of a crash; it is not drawn"),
        ({**UNIFORM, "each_coin": True}, "liquidity_factor has one value for all coins; leave each_coin out"),
        ({**UNIFORM, "field": "vaults", "factor": True}, "of vaults the capital is drawn, not a factor or a choice"),
        ({**UNIFORM, "field": "vaults", "low": -1.0}, "vault_capital_usd = -1.0; allowed: 0 to"),
        ({**UNIFORM, "lows": 1}, "unknown key 'lows'; did you mean low"),
        ({**MIX, "shares": [{"from": 0.0, "to": 3.0, "low": 0.4, "high": 0.2}, {"from": 3.0, "to": 0.0}]},
         "an empty range, low = 0.4 is above high = 0.2; swap them"),
        ({**MIX, "shares": [{"from": 0.0, "to": 3.0}, {"from": 3.0, "to": 0.0}]}, "several shares have no range"),
        ({**MIX, "shares": [{"from": 0.0, "to": 3.0, "low": 0.6, "high": 0.7},
                            {"from": 3.0, "to": 7.0, "low": 0.1, "high": 0.4}, {"from": 7.0, "to": 0.0}]},
         "the highs sum to more than 1 and leave no rest"),
        ({**MIX, "shares": [{"from": 3.0, "to": 1.0}, {"from": 0.0, "to": 0.0, "low": 0.1, "high": 0.2}]},
         "from = 3 is not below to = 1"),
        ({**MIX, "field": "cross_frac", "shares": [{"from": 0.0, "to": 3.0, "low": 0.1, "high": 0.2},
                                                   {"from": 3.0, "to": 0.0}]}, "cross_frac is no mix"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_one_line(row: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_priors({"prior": [row]}, "mine.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("mine.toml")
    assert "\n" not in str(caught.value)


def test_two_priors_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match="two priors have the id 'a'"):
        parse_priors({"prior": [UNIFORM, UNIFORM]}, "mine.toml")


def test_a_file_without_priors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("prior = []\n")
    with pytest.raises(ConfigError, match="key 'prior' is empty"):
        read_priors(tmp_path / "mine.toml")
