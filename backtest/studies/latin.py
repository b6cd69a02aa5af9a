"""Latin hypercube samples, one column at a time: each of N equal strata of a range is met once.

A column depends on its name, the seed and N alone. So draw k of a field is the same at every venue and under every
rule, whatever else is drawn beside it: alternatives are compared draw by draw.
"""

from __future__ import annotations

import hashlib

import numpy as np

from backtest.mechanics.exact import Floats

EDGE = 1e-9  # no column reaches 0 or 1, where a normal distribution has no value


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the generator of a column: its stream follows from the seed and the name."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))


def column(size: int, rng: np.random.Generator) -> Floats:
    """Return a column of a Latin hypercube: a number in each of ``size`` equal parts of 0 to 1, in random order.

    Examples
    --------
    >>> drawn = column(4, np.random.default_rng(1))
    >>> sorted((4 * drawn).astype(int).tolist())
    [0, 1, 2, 3]
    """
    return np.clip((rng.permutation(size) + rng.random(size)) / size, EDGE, 1 - EDGE)
