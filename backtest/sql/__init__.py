"""Questions to a run: SQL files with their headers, and statements of users behind a lock.

``header`` and ``params`` read a file, ``files`` finds it by name, ``run`` answers it on a connection, ``lock`` runs the
SQL of a user. The files are in the folder ``queries``.
"""

__all__ = ["answers", "budget", "files", "header", "lock", "params", "run", "tables"]
