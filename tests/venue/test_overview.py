"""The rule table of data/venues/README.md is that of the profiles."""

from __future__ import annotations

from backtest.assets import asset
from backtest.venue.overview import with_table
from backtest.venue.reading import venue_names


def test_the_page_shows_the_rules_of_every_profile() -> None:
    page = asset("data", "venues", "README.md").read_text("utf-8")
    assert with_table(page) == page, "run python -m backtest.venue.overview"
    assert all(f"[{name}]({name}.toml)" in page for name in venue_names())
