"""Policies of auto-deleveraging as pure functions: how much is taken (severity), and of whom (allocation).

``library`` names them all with the space in which each acts: contracts, PnL dollars, equity dollars. ``shares``
allocates whole lots of a wave and serves a replay (``adl_allocation``); ``level`` solves what they have in common;
``wealth``, ``factor``, ``min_max`` and ``severity`` are the papers' policies as published, ``regret`` their measures.
"""

__all__ = ["factor", "level", "library", "min_max", "regret", "severity", "shares", "wealth"]
