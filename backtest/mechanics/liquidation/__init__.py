"""Liquidation rules: how much of a position in breach is sent to the book, what the book fills, what is deferred.

``base`` holds what every rule takes and returns, one module a family the rules (``whole``, ``tiers``, ``parts``,
``blocks``), ``rules`` their registry. A new rule is a function pair, one object with its sentence and source, and a
line in the registry.
"""

__all__ = ["base", "blocks", "parts", "rules", "tiers", "whole"]
