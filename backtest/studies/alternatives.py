"""Alternatives of a comparison: named sets of scenario fields, from policies, venues or settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backtest.errors import UnknownNameError, UsageError
from backtest.mechanics.adl.allocation import ALLOCATIONS, is_of_user
from backtest.mechanics.adl.rankings import RANKINGS
from backtest.scenario.reading import check_values, parse_set
from backtest.scenario.values import merge
from backtest.venue.reading import get_venue

UNCHANGED = "unchanged"
MOST = 24  # alternatives of a comparison


@dataclass(frozen=True, slots=True)
class Alternative:
    """A name, and the scenario fields in which it differs from the others."""

    name: str
    fields: Mapping[str, Any]


def policies(names: Iterable[str]) -> tuple[Alternative, ...]:
    """Return an alternative for each ADL policy: an allocation, or a ranking whose queue is closed from its front,
    or a policy of the user.

    ``queue`` is the venue's own ranking. A name of both kinds is the allocation.

    Raises
    ------
    UnknownNameError
        For a name that is neither.

    Examples
    --------
    >>> [each.fields for each in policies(["queue", "bitmex"])]
    [{'adl_allocation': 'queue'}, {'adl_allocation': 'queue', 'ranking': 'bitmex'}]
    """
    found = []
    for name in names:
        if name in ALLOCATIONS or is_of_user(name):
            found.append(Alternative(name, {"adl_allocation": name}))
        elif name in RANKINGS:
            found.append(Alternative(name, {"adl_allocation": "queue", "ranking": name}))
        else:
            raise UnknownNameError("policy", name, dict.fromkeys([*ALLOCATIONS, *RANKINGS]))
    return distinct(found)


def venues(names: Sequence[str], given: Mapping[str, Any]) -> tuple[Alternative, ...]:
    """Return an alternative for each venue: its rules and pools on the book of the first, unless ``book_of`` is given.

    Raises
    ------
    UnknownNameError
        For an unknown venue.
    """
    found, book_of = [], given.get("book_of")
    for name in names:
        venue = get_venue(name).id
        book_of = book_of or venue
        own = {"venue": venue} if venue == book_of else {"venue": venue, "book_of": book_of}
        found.append(Alternative(venue, own))
    return distinct(found)


def settings(texts: Iterable[str]) -> tuple[Alternative, ...]:
    """Return the unchanged scenario, then an alternative for each text ``FIELD=VALUE[;FIELD=VALUE]``.

    Examples
    --------
    >>> [(each.name, each.fields) for each in settings(["ranking=bitmex;losers=last"])]
    [('unchanged', {}), ('ranking=bitmex;losers=last', {'ranking': 'bitmex', 'losers': 'last'})]
    """
    found = [Alternative(UNCHANGED, {})]
    found += [Alternative(text.strip(), merge(*map(parse_set, text.split(";")))) for text in texts]
    return distinct(found)


def named(alternatives: Mapping[str, Mapping[str, Any]]) -> tuple[Alternative, ...]:
    """Return alternatives given as fields by name, in that order; the first is the base."""
    return distinct([Alternative(name, check_values(fields, name)) for name, fields in alternatives.items()])


def distinct(alternatives: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Return alternatives that can be compared.

    Raises
    ------
    UsageError
        For fewer than two, more than ``MOST``, or one that comes twice.
    """
    names = [each.name for each in alternatives]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"alternative {twice} comes twice; name each once")
    if not 2 <= len(names) <= MOST:
        raise UsageError(f"{len(names)} alternative{'s' * (len(names) != 1)}; a comparison takes 2 to {MOST}")
    return tuple(alternatives)
