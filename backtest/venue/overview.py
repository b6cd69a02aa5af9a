"""The rule table of all venues in ``data/venues/README.md``; ``python -m backtest.venue.overview`` writes it."""

from __future__ import annotations

from collections.abc import Sequence

from backtest.assets import asset
from backtest.durable import write_file
from backtest.venue.profile import VenueProfile
from backtest.venue.reading import get_venue, venue_names

BEGIN, END = "<!-- rules: written by python -m backtest.venue.overview -->", "<!-- end of rules -->"
POINTS = {
    "liquidation": "liquidation",
    "cross": "cross margin",
    "fund": "pool",
    "drawdown trigger": "drawdown trigger",
    "ranking": "ADL ranking",
    "close_price": "close price",
    "residual": "residual",
    "fee": "fee",
    "mark price": "mark half-life",
    "open interest": "open interest counts",
}


def rule_table(venues: Sequence[VenueProfile]) -> str:
    """Return one row per venue as a Markdown table: each strategy point with its confidence mark.

    Examples
    --------
    >>> print(rule_table([get_venue("okx")]).splitlines()[2][:58])
    | [okx](okx.toml) | 2025-11-05 | tiered, `<=` S | two_tier
    """
    head = ["venue", "as of", "margin, in breach at", *POINTS.values(), "lots without a candidate"]
    lines = [head, ["---"] * len(head)]
    for venue in venues:
        points = {point.name: f"{point.value} {point.mark}" for point in venue.points}
        margin = next(point for point in venue.points if point.name == "margin")
        breach = f"{margin.value.partition(',')[0]}, `{'<=' if venue.inclusive else '<'}` {margin.mark}"
        named = [points.get(name, "none") for name in POINTS]
        lines.append(
            [f"[{venue.id}]({venue.id}.toml)", _dated(venue), breach, *named, str(venue.rules["on_exhausted"])]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _dated(venue: VenueProfile) -> str:
    closed = f", closed {venue.closed.at.date()} {venue.closed.mark}" if venue.closed else ""
    return f"{venue.as_of}{closed}"


def with_table(page: str) -> str:
    """Return the page with the rule table of all profiles between its marks."""
    before, _, rest = page.partition(BEGIN)
    table = rule_table([get_venue(name) for name in venue_names()])
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    readme = asset("data", "venues", "README.md")
    write_file(readme, with_table(readme.read_text("utf-8")).encode())
