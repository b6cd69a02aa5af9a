"""Workers that are forked, for tests of what they compute."""

from tests.support.forked import forked, server

__all__ = ["forked", "server"]
