"""Worlds drawn at random, kept as data: drawing them takes as long as both engines need to replay them.

``python -m tests.engine.drawn_worlds`` draws them anew and writes ``drawn_worlds.json.gz``, after a change of the
strategies. ``CRASHBOOK_WORLDS=2000`` makes the tests draw as many fresh ones instead, after a change of the engine.
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


KINDS: dict[str, tuple[int, st.SearchStrategy[World]]] = {  # how many of 380 worlds, and how they are drawn
    "isolated": (51, worlds()),
    "venue-rules": (69, venue_worlds()),
    "accounts": (86, account_worlds()),
    "feedback": (34, feedback_worlds(crossed=False)),
    "feedback-accounts": (34, feedback_worlds(crossed=True)),
    "vaults": (34, st.integers(0, 2**32).map(vaulted).filter(lambda world: len(world["symbols"]) > 1)),
    "profiles": (69, st.sampled_from(VENUES).flatmap(drawn)),
    "isolated-leaving": (60, worlds().flatmap(leaving)),
    "accounts-leaving": (30, account_worlds().flatmap(leaving)),
    "feedback-leaving": (12, feedback_worlds(crossed=True).flatmap(leaving)),
}
FRESH = int(os.environ.get("CRASHBOOK_WORLDS", "0"))
USUAL = 380


def draw(kind: str, size: int, number: int = 1) -> list[World]:
    """Return new worlds of a kind, the same for the same number."""
    out: list[World] = []

    @seed(number)
    @settings(
        max_examples=size,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(KINDS[kind][1])
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


def main() -> None:
    """Draw all kinds and write them: equal strategies give equal bytes."""
    drawn_now = {kind: draw(kind, count) for kind, (count, _) in KINDS.items()}
    text = json.dumps(drawn_now, separators=(",", ":"))
    if json.loads(text) != drawn_now:
        msg = "a strategy draws what JSON does not give back"
        raise TypeError(msg)
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
