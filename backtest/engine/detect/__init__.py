"""Detection: which positions are in breach on a segment, and from which mark on the next one can be.

``isolated`` sorts positions by the mark of their breach, ``isolated_stepped`` where maintenance jumps; ``cross``
decides by account (``accounts``, ``account_bounds``). ``breaches`` puts them together in the order of ``crossing``;
``episodes`` remembers who has sent an order since it fell into breach.
"""

__all__ = [
    "account_bounds",
    "accounts",
    "breaches",
    "cross",
    "crossing",
    "episodes",
    "isolated",
    "isolated_stepped",
    "nearest",
]
