"""The result tables as data: every table, column, unit and meaning is declared once, here.

One module per family of tables holds the declarations; ``tables`` has them all by name, with the views. ``renamed``
knows the former names that a user may still write, ``coins`` the spellings of a coin.
"""

__all__ = [
    "actual", "adl", "book", "coins", "fund", "inputs", "ledger", "liquidation", "path", "renamed", "table", "tables",
]  # fmt: skip
