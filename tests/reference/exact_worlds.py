"""The 400 exact worlds: 34 by name, made for one rule each, and 366 that were drawn.

The suite replays those by name and a third of the others, another third with each engine: enough for every branch of
both. ``CRASHBOOK_WORLDS=1`` replays all.
"""

from __future__ import annotations

import gzip
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "golden" / "worlds.jsonl.gz"
ALL = "CRASHBOOK_WORLDS" in os.environ


@cache
def all_cases() -> tuple[dict[str, Any], ...]:
    """Return every exact world with its name and its result."""
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        return tuple(map(json.loads, file))


def cases(third: int) -> dict[str, dict[str, Any]]:
    """Return the worlds to replay by name: with a third, 0 to 2, of those that were drawn."""
    drawn = [case["name"].startswith("random") for case in all_cases()]
    number = [sum(drawn[:k]) for k in range(len(drawn))]
    return {case["name"]: case for k, case in enumerate(all_cases()) if ALL or not drawn[k] or number[k] % 3 == third}
