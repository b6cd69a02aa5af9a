"""The Python face: what a script or notebook calls; everything here is typed and stays stable.

``replay`` runs a crash and returns the ``Run``; ``open_run`` opens one that is on disk; ``watch`` follows positions of
mine over draws and returns a ``Watched``. All are also names of ``backtest`` itself.
"""

__all__ = ["replay", "run", "sweep", "watch"]
