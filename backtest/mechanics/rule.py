"""A rule, declared once: an object with its function, a sentence in plain English and its source."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from string import Formatter
from typing import TypeVar

from backtest.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One choice of a strategy point; the rules of a point that computes something add their function.

    Parameters
    ----------
    sentence
        What the rule does, as a run prints it among its assumptions. Figures are placeholders named after scenario
        fields: ``{first_pause_s}``, ``{block_s:g}``.
    source
        Where the rule comes from: a venue's page, a paper, or this engine, with the reason.

    Both are needed: ``declared`` refuses a rule that lacks one, in one line.
    """

    sentence: str = ""
    source: str = ""


R = TypeVar("R", bound=Rule)


def declared(field: str, rules: Mapping[str, R]) -> Mapping[str, R]:
    """Return the rules of a scenario field by name, refusing one without a sentence or a source.

    Examples
    --------
    >>> list(declared("impact", {"none": Rule(sentence="Orders fill at the trade price.", source="no model")}))
    ['none']
    >>> declared("impact", {"cubic": Rule(sentence="", source="a paper")})
    Traceback (most recent call last):
    backtest.errors.ConfigError: impact 'cubic' has no sentence: a rule is declared with its sentence and source
    """
    for name, rule in rules.items():
        for part in fields(Rule):
            if not getattr(rule, part.name).strip():
                raise ConfigError(
                    f"{field} {name!r} has no {part.name}: a rule is declared with its sentence and source"
                )
    return rules


def check_figures(fields: Mapping[str, Mapping[str, Rule]], known: Collection[str]) -> None:
    """Refuse a sentence with a figure that is not known: a run would find out at its end.

    Examples
    --------
    >>> rules = {"impact": {"cubic": Rule(sentence="Orders move their price by {cube:g}.", source="a paper")}}
    >>> check_figures(rules, ["impact_y"])
    Traceback (most recent call last):
    backtest.errors.ConfigError: impact 'cubic': its sentence names the figure 'cube', which no scenario field is
    """
    for field, rules in fields.items():
        for name, rule in rules.items():
            for _, figure, _, _ in Formatter().parse(rule.sentence):
                if figure and figure not in known:
                    raise ConfigError(
                        f"{field} {name!r}: its sentence names the figure {figure!r}, which no scenario field is"
                    )
