"""The Python face: what a script or notebook calls; everything here is typed and stays stable.

``replay`` runs a crash and returns the ``Run``; ``open_run`` opens one that is on disk; ``watch`` follows positions
of mine over draws and returns a ``Watched``; ``compare`` runs alternatives on the same draws, ``fund`` sizes of a
fund; ``events``, ``venues``, ``params`` and ``runs`` list what there is. All are also names of ``backtest`` itself.
``fields`` types the keywords of scenarios, ``questions`` the named queries of a run, ``plot`` its figures.
"""

__all__ = ["catalogue", "compare", "fields", "fund", "plot", "questions", "replay", "run", "sweep", "watch"]
