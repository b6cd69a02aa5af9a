"""The true book of a venue: a snapshot of every position, rolled forward by fills to the start of a replay.

``roll`` applies fills in order, exactly in lots; ``collateral`` turns account values and liquidation prices into the
collateral of accounts; ``liquidation_price`` is the venue's own price worked out again; ``true_book`` puts them
together and ``write`` keeps the result as a file that a replay takes. ``measured_priors`` tells the drawn book what the
true one is like.
"""

__all__ = ["collateral", "liquidation_price", "measured_priors", "roll", "true_book", "write"]
