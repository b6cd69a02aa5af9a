"""A rule is declared once: without its sentence or its source it does not come into being."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest

from backtest.errors import ConfigError
from backtest.mechanics.liquidation.rules import LIQUIDATION_RULES
from backtest.mechanics.rule import Rule, check_figures, declared
from backtest.scenario.fields import BY_NAME, RULES

ADDED = """
from dataclasses import replace
from backtest.mechanics.liquidation import whole
whole.FULL_POSITION = replace(whole.FULL_POSITION, {part}="")
import backtest.run.describe
"""


@pytest.mark.parametrize("part", ["sentence", "source"])
def test_a_rule_without_sentence_or_source_fails_at_import_with_one_line(part: str) -> None:
    with pytest.raises(ConfigError, match=f"^liquidation_rule 'twice' has no {part}: a rule is declared with its"):
        declared("liquidation_rule", {"twice": Rule(**{"sentence": "Twice.", "source": "a page", part: " "})})
    found = subprocess.run([sys.executable, "-c", ADDED.format(part=part)], capture_output=True, text=True, check=False)
    last = found.stderr.splitlines()[-1]
    assert last.startswith(f"backtest.errors.ConfigError: liquidation_rule 'full_position' has no {part}: a rule")


@pytest.mark.parametrize("part", ["sentence", "source"])
def test_a_rule_that_leaves_out_sentence_or_source_is_refused_in_the_same_line(part: str) -> None:
    given = {"sentence": "Twice.", "source": "a page"}
    del given[part]
    with pytest.raises(ConfigError, match=f"^liquidation_rule 'twice' has no {part}: a rule is declared with its"):
        declared("liquidation_rule", {"twice": Rule(**given)})
    rule = next(iter(LIQUIDATION_RULES.values()))
    kept = {field.name: getattr(rule, field.name) for field in fields(rule) if field.name != part}
    with pytest.raises(ConfigError, match=f"^liquidation_rule 'twice' has no {part}: a rule is declared with its"):
        declared("liquidation_rule", {"twice": type(rule)(**kept)})


def test_a_sentence_with_an_unknown_figure_fails_at_import() -> None:
    rule = Rule(sentence="Orders {half:.0%} of a position.", source="a page")
    with pytest.raises(ConfigError, match="liquidation_rule 'half': its sentence names the figure 'half', which no"):
        check_figures({"liquidation_rule": {"half": rule}}, ["first_share_frac"])


def test_choices_follow_from_the_rules() -> None:
    assert BY_NAME["liquidation_rule"].choices is LIQUIDATION_RULES
    assert all(rule.sentence.endswith(".") for rules in RULES.values() for rule in rules.values())
