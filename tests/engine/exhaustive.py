"""Replay every tiny world with both engines: ``python -m tests.engine.exhaustive [PART ...] [--cut 1/4]``.

Prints how many worlds agreed and which ties they met. ``tests/engine/tiny.py`` says what a part holds. A failure names
the number of its world; ``--only NUMBER`` replays it alone.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable

from tests.engine import holds
from tests.engine.test_records import check_all
from tests.engine.ties import ties
from tests.engine.tiny import PARTS, World
from tests.reference.adapter import shape


def agreed(worlds: Iterable[tuple[int, World]]) -> Counter[str]:
    """Replay worlds with both engines, compare all records and ask for what holds in every run.

    Returns
    -------
    Counter
        How many worlds met each tie, and under ``worlds`` how many there were.

    Raises
    ------
    AssertionError
        If the engines differ or a property does not hold; it names the world's number and shows the world.
    """
    met: Counter[str] = Counter()
    for number, world in worlds:
        try:
            outcome = check_all(world)
            result = shape(outcome, world)
            holds.check(world, outcome, result)
        except Exception as error:
            raise AssertionError(f"world {number}: {json.dumps(world)}") from error
        met.update(["worlds", *ties(world, outcome)])
    return met


def main() -> None:
    """Replay the parts named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.engine.exhaustive", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"parts to replay, of {', '.join(PARTS)}; all without a name")
    parser.add_argument("--cut", default="1/1", metavar="K/N", help="the piece K of N pieces")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one world of a part")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    piece, pieces = map(int, asked.cut.split("/"))
    for name in asked.parts or PARTS:
        part = PARTS[name]
        worlds = part.worlds(piece - 1, pieces) if asked.only is None else [(asked.only, part.world(asked.only))]
        met = agreed(worlds)
        print(f"{name}: {met.pop('worlds'):,} of {len(part):,} worlds agree")
        for tie, count in sorted(met.items()):
            print(f"  {count:>7,}  {tie}", flush=True)


if __name__ == "__main__":
    main()
