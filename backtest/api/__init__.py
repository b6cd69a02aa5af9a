"""The Python face: what a script or notebook calls; everything here is typed and stays stable.

``replay`` runs a crash and returns the ``Run``; ``open_run`` opens one that is on disk; ``watch`` follows positions
of mine over draws and returns a ``Watched``; ``compare`` runs alternatives on the same draws, ``fund`` sizes of a
fund. All are also names of ``backtest`` itself.
"""

__all__ = ["compare", "fund", "replay", "run", "sweep", "watch"]
