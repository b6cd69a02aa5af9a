"""The data lake: market rows on disk, one Parquet file per series, venue, symbol and day.

``series`` is the one table of all series; ``place`` says where a day lies, ``read`` and ``write`` move its rows,
``manifest`` is the journal of what was fetched, ``digests`` shows whether rows changed. ``checks`` holds the rules of
rows, ``contract_checks`` those of a contract's terms, ``clock`` the distance rows should have; ``plausible`` doubts
values that nothing around them bears out, each a ``suspect``, and ``witnesses`` asks other series of the coin about
them. ``states`` says which days are whole, partial or disputed. ``holdings`` reads whole folders and ``inventory``
counts rows, gaps and duplicates. ``availability`` is how far back each venue's public data go, ``markets`` which venues
are asked for a coin and under which symbols. ``cloud`` reads and fills a lake at an address through a copy on this
disk, ``store`` is the driver of an address.
"""

__all__ = [
    "availability",
    "checks",
    "clock",
    "cloud",
    "contract_checks",
    "digests",
    "holdings",
    "inventory",
    "manifest",
    "markets",
    "place",
    "plausible",
    "read",
    "series",
    "states",
    "store",
    "suspect",
    "witnesses",
    "write",
]
