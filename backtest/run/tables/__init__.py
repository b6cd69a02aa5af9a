"""From the record of a run to the result tables of ``schema``: units restored, identities named, sums exact.

``results`` makes them all; the other modules have a family of tables each, ``shared`` what several of them need.
"""

__all__ = [
    "actual", "adl", "arrow", "book", "ledger", "liquidation", "offspring", "potential", "results", "shared", "steps",
]  # fmt: skip
