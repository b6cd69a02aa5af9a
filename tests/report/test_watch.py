"""The figures of watched positions by their data."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from backtest.report.figures.drawing import styled
from backtest.report.figures.style import PHONE, WIDE
from backtest.report.figures.watch import ahead_and_taken, chances, cut_off

SUMMARY = pl.DataFrame(
    {
        "position": ["mine"] * 3,
        "leverage": [10.0, 2.0, 5.0],
        "own": [True, False, False],
        "draws": [4] * 3,
        **{f"{name}_draws": counts for name, counts in (("liquidated", [3, 0, 1]), ("adl", [0, 2, 4]))},
        **{f"p_{name}{end}": [0.25, 0.0, 0.5] for name in ("liquidated", "adl") for end in ("", "_low", "_high")},
    }
)
BY_DRAW = pl.DataFrame(
    {
        "position": ["mine"] * 3,
        "draw": [1, 2, 3],
        "ahead_usd": [30e6, 5e6, None],
        "taken_usd": [10e6, 20e6, None],
        "adl_frac": [0.0, 1.0, 0.0],
    }
)


def test_chances_are_told_by_leverage_from_the_lowest_on() -> None:
    for width in (WIDE, PHONE):
        with styled():
            d = chances(summary=SUMMARY, width=width)
            assert "closed by ADL" in d.svg() or width is PHONE
        assert [hover.title for hover in d.hovers] == [
            "2.00×: liquidated in 0 of 4 draws; closed by ADL in 2 of 4 draws",
            "5.00×: liquidated in 1 of 4 draws; closed by ADL in 4 of 4 draws",
            "10.0×: liquidated in 3 of 4 draws; closed by ADL in 0 of 4 draws",
        ]


def test_the_cut_off_is_drawn_for_each_draw_that_stood_in_a_queue() -> None:
    with styled():
        d = cut_off(by_draw=BY_DRAW)
    assert [hover.title for hover in d.hovers] == [
        "draw 1: 30,000,000 USD ahead · 10,000,000 USD taken · closed 0%",
        "draw 2: 5,000,000 USD ahead · 20,000,000 USD taken · closed 100%",
    ]


def test_what_stood_ahead_is_set_against_what_each_wave_took() -> None:
    times = [datetime.fromisoformat(f"2025-10-10T21:16:{second}") for second in (30, 40)]
    mine = {"wave_id": [3, 9], "ts": times, "notional_ahead_usd": [30e6, 5e6], "closed_lots": [0, 7]}
    waves = pl.DataFrame({"wave_id": [3, 4, 9], "notional_usd": [10e6, 1e6, 20e6]})
    for width in (WIDE, PHONE):
        with styled():
            d = ahead_and_taken(watch_ranks=pl.DataFrame(mine), adl_waves=waves, name="mine", width=width)
        assert [hover.title for hover in d.hovers] == [
            "wave 3 at 21:16:30 UTC: 30,000,000 USD ahead · 10,000,000 USD taken",
            "wave 9 at 21:16:40 UTC: 5,000,000 USD ahead · 20,000,000 USD taken · closed",
        ]
