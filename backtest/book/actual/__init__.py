"""The true book of a venue: a snapshot of every position, rolled forward by fills to the start of a replay.

``archive_rows`` reads rows of the archive; ``roll`` applies fills in order, exactly in lots; ``collateral`` turns
account values and liquidation prices into the collateral of accounts; ``liquidation_price`` is the venue's own price
worked out again; ``funding_paid`` is what settlements took; ``true_book`` puts them together and ``write`` keeps the
result as a file that a replay takes. ``next_snapshot`` holds a roll against the snapshot after it. ``measured_priors``
tells the drawn book what the true one is like.
"""

__all__ = [
    "archive_rows",
    "collateral",
    "funding_paid",
    "liquidation_price",
    "measured_priors",
    "next_snapshot",
    "roll",
    "true_book",
    "write",
]
