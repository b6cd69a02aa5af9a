"""Worlds drawn at random, kept as data: drawing them takes as long as both engines need to replay them.

``python -m tests.engine.drawn_worlds`` draws some 480 anew, after a change of the strategies, and writes to
``drawn_worlds.json.gz`` those that ``chosen`` keeps. ``CRASHBOOK_WORLDS=2000`` makes the tests draw as many fresh ones
instead, after a change of the engine.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.engine.chosen import chosen, ways_of
from tests.engine.crowds import vaulted
from tests.engine.profiles import VENUES, drawn
from tests.reference.feedback_worlds import feedback_worlds
from tests.reference.venue_worlds import venue_worlds
from tests.reference.worlds_strategy import account_worlds, worlds

World = dict[str, Any]
FILE = Path(__file__).with_suffix(".json.gz")


@st.composite
def leaving(draw: st.DrawFn, world: World) -> World:
    """Let some longs and shorts of a world want to leave."""
    out = []
    for symbol in world["symbols"]:
        sides = [[row for row in world["accounts"] if (row["symbol"], row["side"]) == (symbol, s)] for s in (1, -1)]
        if all(sides):
            for _ in range(draw(st.integers(0, 4))):
                long, short = (draw(st.sampled_from(rows)) for rows in sides)
                lots = draw(st.integers(1, max(long["lots"], short["lots"])))
                out.append([draw(st.integers(1, 4 * len(world["bars"]))), symbol, long["id"], short["id"], lots])
    if "feedback" in world:
        world["feedback"]["baseline"]["exits"] = []
    return world | {"exits": sorted(out, key=lambda row: row[0])}


KINDS: dict[str, tuple[int, *tuple[st.SearchStrategy[World], ...]]] = {  # how many are drawn to choose from, and how
    "isolated": (51, worlds()),
    "venue-rules": (69, venue_worlds()),
    "accounts": (86, account_worlds()),
    "feedback": (34, feedback_worlds(crossed=False)),
    "feedback-accounts": (34, feedback_worlds(crossed=True)),
    "vaults": (34, st.integers(0, 2**32).map(vaulted).filter(lambda world: len(world["symbols"]) > 1)),
    "profiles": (7 * len(VENUES), *map(drawn, VENUES)),  # as many of each
    "isolated-leaving": (60, worlds().flatmap(leaving)),
    "accounts-leaving": (30, account_worlds().flatmap(leaving)),
    "feedback-leaving": (12, feedback_worlds(crossed=True).flatmap(leaving)),
}
FRESH = int(os.environ.get("CRASHBOOK_WORLDS", "0"))
USUAL = 380


def draw(kind: str, size: int, number: int = 1) -> list[World]:
    """Return new worlds of a kind, the same for the same number."""
    out: list[World] = []
    _, *strategies = KINDS[kind]
    for strategy in strategies:

        @seed(number)
        @settings(
            max_examples=-(-size // len(strategies)),
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def take(world: World) -> None:
            out.append(world)

        take()
    return out


@functools.cache
def _kept() -> dict[str, list[World]]:
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        kept: dict[str, list[World]] = json.load(file)
    return kept


def worlds_of(kind: str) -> list[World]:
    """Return the kept worlds of a kind, or fresh ones where ``CRASHBOOK_WORLDS`` asks for them."""
    if FRESH:
        return draw(kind, max(1, FRESH * KINDS[kind][0] // USUAL))
    return _kept()[kind]


def worlds_under(venue: str) -> list[World]:
    """Return the worlds under the rules of a venue."""
    return [world for world in worlds_of("profiles") if world["venue"] == venue]


def main() -> None:
    """Draw all kinds, choose and write: equal strategies and engines give equal bytes."""
    drawn_now = {(kind, k): world for kind, (count, *_) in KINDS.items() for k, world in enumerate(draw(kind, count))}
    kept: dict[str, list[World]] = {kind: [] for kind in KINDS}
    for key in chosen({key: ways_of(world) for key, world in drawn_now.items()}):
        kept[key[0]].append(drawn_now[key])
    text = json.dumps(kept, separators=(",", ":"))
    if json.loads(text) != kept:
        msg = "a strategy draws what JSON does not give back"
        raise TypeError(msg)
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
