"""Several runs side by side: one module per study, and ``study`` that knows them all.

``seeds`` repeats a scenario with other seeds and gives bands; ``grid`` changes one setting of it at a time by
``changes``, which gives any such study its rows. The results are stored beside the first run. ``paired`` runs the same
draws under several ``alternatives``: ``metrics`` and ``cohorts`` are the figures, ``compared`` the rows of the answer.
"""

__all__ = [
    "alternatives",
    "changes",
    "cohorts",
    "compared",
    "differences",
    "grid",
    "metrics",
    "paired",
    "seeds",
    "study",
]
