"""Several runs side by side: one module per study, and ``study`` that knows them all.

``seeds`` repeats a scenario with other seeds and gives bands; ``grid`` changes one setting of it at a time by
``changes``, which gives any such study its rows. The results are stored beside the first run.

``draws`` draws what is not known and the seed together: ``parameters`` says which numbers, ``latin`` spreads them,
``one_draw`` runs one of them, ``crew`` many in processes. ``scores`` compares draws with published facts, which
``scoreboard`` tells by event, and ``calibrate`` keeps the draws that come closest.

``paired`` runs the same draws under several ``alternatives``, ``paired_draw`` one of them: ``metrics`` and ``cohorts``
are the figures, ``compared`` the rows of the answer and ``differences`` their bands. ``fund_size`` varies the size of a
``pool`` and the fall on the same draws, ``fund_rules`` floor, trigger and stop; ``fund_runs`` shares their paths,
``fund_search`` seeks the smallest size, ``fund_rows`` are the answers.

``watch`` follows positions of mine over draws and leverages: ``watch_copies`` says what stands in which run,
``watch_outcome`` what became of it, ``watch_summary`` how often and how much.
"""

__all__ = [
    "alternatives", "calibrate", "changes", "cohorts", "compared", "crew", "differences", "draws", "fund_rows",
    "fund_rules", "fund_runs", "fund_search", "fund_size", "grid", "latin", "markets", "metrics", "one_draw", "paired",
    "paired_draw",
    "parameters", "pool", "scoreboard", "scores", "seeds", "study", "sweep", "watch", "watch_copies", "watch_outcome",
    "watch_summary",
]  # fmt: skip
