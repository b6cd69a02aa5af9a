"""The mechanics of a venue: pure rules in exact integers, without state, files or clocks; README.md states them all.

``exact`` multiplies and rounds, ``contract`` values lots, ``margin`` and ``margin_stepped`` find breaches, ``path``
walks bars, ``impact`` and ``feedback`` move prices, ``liquidation`` orders and fills, ``fund`` and ``drawdown`` take
over, ``adl`` ranks, allocates and matches, ``socialised_loss`` and ``cross_margin`` divide, ``lights`` shows the queue.
``rule`` is what every rule declares, ``rules`` all of them by scenario field and the rules of one run.
"""

__all__ = [
    "adl", "contract", "cross_margin", "drawdown", "exact", "feedback", "fund", "impact", "lights", "liquidation",
    "margin", "margin_stepped", "numeric", "path", "rule", "rules", "socialised_loss", "vault",
]  # fmt: skip
