"""The calculator: every figure of one position by hand, by the engine's own functions.

``position`` checks and rounds a request, ``figures`` and ``adl`` give its figures, each a ``figure`` with rule and
source; ``contracts`` are the formulas in exact fractions.
"""

__all__ = ["adl", "contracts", "figure", "figures", "position"]
