"""Mutants of the code: one changed operator, constant or branch each, and the tests that must notice it."""
