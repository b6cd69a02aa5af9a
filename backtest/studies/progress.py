"""Progress of a study: runs done, runs in all."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
