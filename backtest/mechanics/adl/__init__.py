"""Auto-deleveraging: who stands in a wave (``rankings``, ``queue``), who pays (``allocation``, ``policies``,
``matching``).

``close_price`` holds the price of a close and what becomes of lots that nobody takes. A new ranking is one object in
``rankings``, a new way to allocate one in ``allocation``.
"""

__all__ = ["allocation", "candidates", "close_price", "matching", "policies", "queue", "rankings"]
