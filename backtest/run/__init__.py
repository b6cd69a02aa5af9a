"""One replay from its scenario to its folder, and the folder read again.

``resolve`` fills in a scenario, ``prepare`` builds market, book and world (``rest_of_venue`` sizes the coins without
bars, ``exits`` draws who leaves, ``actual_book`` takes the true book of a venue), ``execute`` runs the engine and
writes the folder; ``run`` opens one: tables, queries, SQL and audits. ``meta`` types ``run.json``, ``stored`` the
studies beside it, ``describe`` and ``assumptions`` put the run in words.
"""

__all__ = [
    "actual_book",
    "asked",
    "assumptions",
    "compare",
    "describe",
    "draw_lines",
    "drawn",
    "event_defaults",
    "execute",
    "exits",
    "finished",
    "folder",
    "headlines",
    "identity",
    "label",
    "listing",
    "margin_modes",
    "measured",
    "meta",
    "pinned",
    "prepare",
    "published",
    "reading",
    "resolve",
    "rest_of_venue",
    "rules",
    "run",
    "seal",
    "share",
    "simulated",
    "stored",
    "summary",
    "tables",
    "user_policy",
    "vaults",
    "verify",
    "whole_venue",
]
