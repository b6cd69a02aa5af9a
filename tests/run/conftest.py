"""The run whose copies the tests of foreign folders spoil."""

from __future__ import annotations

import pytest

from tests.run.foreign import Shelf, shelf


@pytest.fixture(scope="module")
def stall(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Return a run of which every test spoils its copy."""
    home = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        return shelf(home)
