"""Digests of the values of every result table, recorded once and compared after a rebuild."""
