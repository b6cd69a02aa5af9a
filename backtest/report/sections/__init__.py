"""One file per question of the report, each ending in its ``SECTION``: question, answer, figures and tables.

``section`` says what a section is, ``registry`` lists them in their order, ``metrics`` and ``comparisons`` hold what
several of them write.
"""

__all__ = [
    "actual_accounts", "book_map", "cascade", "checks", "comparisons", "cross", "liquidated", "metrics", "mine",
    "numbers", "paid", "price", "queue", "registry", "scored", "section", "source", "sure", "title", "totals",
    "unknown",
]  # fmt: skip
