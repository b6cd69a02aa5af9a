"""A venue whose truth is known, made once, and the book rolled forward from its archive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.book.actual.known import Known, known_of
from tests.fetch.reservoir import by_engine


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    with pytest.MonkeyPatch.context() as setting:
        setting.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("truth")))
        venue = by_engine.make(tmp_path_factory.mktemp("archive"))
        setting.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        yield known_of(venue)
