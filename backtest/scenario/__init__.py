"""Scenario fields: every choice a run depends on, declared once.

``fields`` has one line a field; ``param`` says what such a line may state; ``reading`` checks values given in TOML,
with ``--set`` or in Python; ``values`` lays them over each other and builds the ``Scenario``; ``writing`` writes it
as TOML; ``watched`` are positions of mine that a run follows, ``position_text`` reads one as a trader writes it;
``vault_sets`` the coins that share a vault; ``amounts`` reads numbers as people write them.
"""

__all__ = [
    "amounts",
    "fields",
    "param",
    "position_text",
    "reading",
    "renamed",
    "values",
    "vault_sets",
    "watched",
    "writing",
]
