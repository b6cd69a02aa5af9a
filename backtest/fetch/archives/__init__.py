"""Public archive files of venues: days of a series from a folder or a web address.

``publishers`` lists the archives and gives days; ``files`` finds a file, ``download`` fetches it, ``packed`` unpacks
it and ``csv`` reads its rows, all bounded. ``binance``, ``bitmex`` and ``hyperliquid_contexts`` know the names and
columns of their publisher; ``trades_to_bars`` folds trades into bars.
"""

__all__ = [
    "binance",
    "bitmex",
    "csv",
    "download",
    "files",
    "hyperliquid_contexts",
    "packed",
    "publishers",
    "trades_to_bars",
]
