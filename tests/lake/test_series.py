"""The table of series: its rows agree with themselves and with the page that lists them."""

from __future__ import annotations

from pathlib import Path

from backtest.lake.series import DEFAULT_SERIES, FETCHABLE, SERIES, Series, schema_of


def test_rows_agree_with_themselves() -> None:
    for name, row in SERIES.items():
        assert row.name == name
        assert row.title
        assert next(iter(row.columns)) == "ts"
        assert tuple(schema_of(name)) == ("ts", *row.values)
        assert set(row.key) <= set(row.columns)
        assert not (row.bars and row.state)
        assert not row.needed or row.fetched == "always"


def test_calls_fit_their_columns() -> None:
    for row in (row for row in SERIES.values() if row.ccxt):
        assert row.ccxt is not None
        assert row.fetched != "never"
        assert row.ccxt.method.replace("_", "") == row.ccxt.capability.lower()
        assert row.bars or len(row.ccxt.fields) <= len(row.columns)
        assert row.ccxt.required <= len(row.columns)


def test_lists_follow_from_the_rows() -> None:
    assert DEFAULT_SERIES == (
        "ohlcv",
        "mark_ohlcv",
        "index_ohlcv",
        "funding",
        "open_interest",
        "long_short_ratio",
        "leverage_tiers",
        "limits",
    )
    assert {"premium_ohlcv", "depth", "liquidations"} <= set(FETCHABLE) - set(DEFAULT_SERIES)
    assert "fills" not in FETCHABLE
    assert [row.name for row in SERIES.values() if row.needed] == ["ohlcv"]


def test_the_page_lists_every_series() -> None:
    def line(row: Series) -> str:
        return f"| `{row.name}` | {row.title} | {', '.join(f'`{column}`' for column in row.values)} |"

    page = (Path(__file__).parents[2] / "data" / "README.md").read_text("utf-8")
    listed = page.partition("| series | rows |")[2].partition("\n\n")[0].splitlines()[2:]
    assert listed == [line(row) for row in SERIES.values()]


def test_keys_order_and_rules_of_the_series() -> None:
    assert (SERIES["leverage_tiers"].key, SERIES["depth"].key) == (("ts", "tier"), ("ts", "band_frac"))
    assert [name for name, row in SERIES.items() if not row.ordered] == ["fills"]
    assert [name for name, row in SERIES.items() if row.rules] == ["ohlcv", "mark_ohlcv", "index_ohlcv", "funding"]
