"""The engine: one replay of a world, step by step, exactly.

``world`` is everything a run is a function of; ``run`` jumps from step to step, ``step`` runs the nine acts of one
(``acts``), ``replay`` is the run in progress that every act works on; ``branches`` runs it on under several rules of
ADL. ``ledger`` alone writes cash, lots and entry values of all ``owners``; ``prices`` and ``liquidity`` are the
market of a step; ``detect`` finds who breaches next. ``records`` declares the ``columns`` that are written down.
``figures`` are those of positions in floats for filters, ``potential`` measures the lots just ahead of the price,
``exact_range`` refuses worlds too large for integers.
"""

__all__ = [
    "acts",
    "branches",
    "columns",
    "detect",
    "exact_range",
    "figures",
    "ledger",
    "liquidity",
    "owners",
    "potential",
    "prices",
    "records",
    "replay",
    "run",
    "step",
    "world",
]
