"""Words of the page that need an explanation: once a section each has one, open to pointer, keyboard and touch."""

from __future__ import annotations

import re

from markupsafe import Markup

from backtest.report.markup import fill, join

TERMS = {
    "wave": "One symbol, one side, one step: all lots that auto-deleveraging closes at that moment.",
    "step": "One price of the path: every position is judged at it before the next price comes.",
    "ADL score": "What the queue is ordered by, the highest first. Each venue has its own rule, mostly profit times "
    "leverage; the queue's table says the run's.",
    "tape": "The prices as they were recorded, which a run's own orders do not move.",
    "lights": "Five as venues show them: how near to the front of the queue a position stands. "
    "Five is the first fifth.",
    "cohort": "The positions of one range of leverage at the start.",
    "uncovered": "A loss without a payer: no collateral, fund, vault or winner was left for it.",
    "grade": "How far to trust a published figure. A: the venue, the chain or other primary data; B: two independent "
    "outlets agree; C: one outlet, or figures that conflict.",
    "V/S/D/U": "How a figure is known. V: read at the primary source; S: a secondary source; D: derived; U: not "
    "verified.",
    "potential": "What a further move of 10 bps would liquidate, over what the order book takes for that move. Above 1 "
    "the move carries itself on.",
}
_FORMS = {"waves": "wave", "steps": "step", "cohorts": "cohort"}
_WORDS = re.compile(rf"(?<![\w/])({'|'.join([*_FORMS, *TERMS])})(?![\w/])", re.IGNORECASE)
_TAGS = re.compile(r"(<[^>]*>)")
_NAME = re.compile(r"</?([a-z0-9]+)")
_ALONE = {"a", "svg", "summary", "td", "pre", "code", "button", "small", "dl"}  # no explanation inside of these


def explained(markup: Markup, seen: set[str]) -> Markup:
    """Return markup whose first use of each term that is not in ``seen`` has its explanation, and add it to ``seen``.

    Examples
    --------
    >>> str(explained(Markup("<p>no word of it</p>"), set()))
    '<p>no word of it</p>'
    >>> str(explained(Markup("two waves"), set()))[:44]
    'two <span class="term" tabindex="0" data-tip'
    """
    parts, alone = _TAGS.split(markup), 0
    for i, part in enumerate(parts):
        if i % 2:
            name = _NAME.match(part)
            if name and name[1] in _ALONE:
                alone += -1 if part.startswith("</") else 1
        elif not alone and part:
            parts[i] = _WORDS.sub(lambda found: _term(found[0], seen), part)
    return Markup("".join(parts))


def _term(word: str, seen: set[str]) -> str:
    """Return a word with its explanation, if it has not been explained."""
    small = word.lower()
    term = next(each for each in TERMS if each.lower() == _FORMS.get(small, small))
    if term in seen:
        return word
    seen.add(term)
    made = '<span class="term" tabindex="0" data-tip="{tip}" aria-describedby="{id}">{word}</span>'
    return fill(made, tip=TERMS[term], id=_id(term), word=Markup(word))


def _id(term: str) -> str:
    """Return the anchor of a term.

    Examples
    --------
    >>> _id("V/S/D/U")
    'term-vsdu'
    """
    return f"term-{term.replace('/', '').lower()}"


def all_terms() -> Markup:
    """Return all terms as a list."""
    made = (fill('<dt>{term}</dt><dd id="{id}">{words}</dd>', term=k, id=_id(k), words=v) for k, v in TERMS.items())
    return fill('<dl class="glossary">{made}</dl>', made=join(made))
