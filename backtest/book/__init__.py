"""Position books: who holds what before the first mark, in exact integers.

``book`` is the book itself; ``synthesis`` draws one from a seed with ``holders`` (which accounts hold which coins),
``cross_draw`` (accounts of several coins), ``sides``, ``coin``, ``leverage`` and ``distributions``; ``importer`` reads
one from a file with ``amounts``, ``actual`` makes the true book of a venue, ``mine`` positions of mine; ``accounts``
are cross accounts, ``watch`` the rows of positions of mine, ``shape`` measures a book before any price moves.
"""

__all__ = [
    "accounts", "actual", "amounts", "book", "coin", "cross_draw", "distributions", "holders", "importer", "leverage",
    "mine", "shape", "sides", "synthesis", "watch",
]  # fmt: skip
