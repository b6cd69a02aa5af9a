"""Market data into the lake: what is wanted, which venue or archive has it, and each day checked before it is stored.

``plan`` lists the sources of each series and coin, ``run`` walks them until the days are there, ``day`` is one fetched
day. ``rest`` asks venues through ccxt, ``archives`` reads the files that venues publish, ``hyperliquid`` imports what
that venue's nodes publish. ``settings``, ``retry`` and ``threads`` say how patiently and from where.
"""

__all__ = ["archives", "day", "hyperliquid", "plan", "rest", "retry", "run", "settings", "threads"]
