"""Files of Hyperliquid's nodes: who was really liquidated and deleveraged, and the true book before a crash.

``node_fills`` imports hourly files of fills into the lake, of which ``blocks`` picks the forced closes; ``snapshot``
turns the state of the clearinghouse, read by ``clearinghouse``, into a book that a replay takes.
"""

__all__ = ["blocks", "clearinghouse", "node_fills", "snapshot"]
