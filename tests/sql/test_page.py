"""``queries/README.md`` is current."""

from __future__ import annotations

from tests.sql import page


def test_the_page_of_queries_is_generated_from_files_and_a_run() -> None:
    assert page.parts()[1] == page.generated().rstrip("\n") + "\n", "run python -m tests.sql.page"
