"""Position books: who holds what before the first mark, in exact integers.

``book`` is the book itself; ``synthesis`` draws one from a seed with ``distributions`` and ``pairing`` (accounts of
several coins); ``importer`` reads one from a file with ``amounts``; ``accounts`` are cross accounts, ``watch``
positions of mine.
"""

__all__ = ["accounts", "amounts", "book", "distributions", "importer", "pairing", "synthesis", "watch"]
