"""Market data into the lake: days wanted, the venue or archive that has them, each checked before it is stored.

``plan`` lists the sources of each series and coin, ``run`` walks them until the days are there; ``sources`` gives the
days of each kind of source, ``day`` is one fetched day, ``outcome`` the account of all. ``rest`` asks venues through
ccxt, ``archives`` reads the files that venues publish, ``hyperliquid`` imports fills and snapshots of that venue's
nodes, ``reservoir`` reads its public archive of all positions and fills. ``settings``, ``retry`` and ``threads`` say
how patiently and from where, ``budget`` and ``redirects`` how far a server is trusted: with so many requests, bytes and
seconds, and for itself only.
"""

__all__ = [
    "archives", "budget", "day", "hyperliquid", "outcome", "plan", "redirects", "reservoir", "rest", "retry", "run",
    "settings", "settle", "sources", "threads",
]  # fmt: skip
