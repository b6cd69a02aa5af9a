"""Venues: dated rules, margin tables, contracts and funding of each, with source and confidence mark.

``reading`` reads ``data/venues/NAME.toml`` into a ``profile``; ``listings``, ``margin_table`` and ``funding_rule``
are its parts; ``instrument`` gives the integer units of a contract, ``settlement`` the unit of account of a run in
coins. ``overview`` writes the rule table of all venues for ``data/venues/README.md``.
"""

__all__ = [
    "funding_rule",
    "instrument",
    "listings",
    "margin_table",
    "overview",
    "profile",
    "reading",
    "settlement",
    "statement",
]
