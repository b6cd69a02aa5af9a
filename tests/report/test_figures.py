"""Figures by their data, not by their pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.patches import PathPatch

from backtest.report.figures.axes import Box
from backtest.report.figures.cascade import pressure
from backtest.report.figures.drawing import Drawing, bars, beside, floats, styled
from backtest.report.figures.draws import adl_by_capital, adl_minutes
from backtest.report.figures.liquidation_map import Book, liquidation_map
from backtest.report.figures.liquidations import liquidations
from backtest.report.figures.pools import pool_balance
from backtest.report.figures.price import Prices, price
from backtest.report.figures.queue import haircut_by_rank, watch_rank
from backtest.report.figures.style import COLOURS, PHONE, WIDE, Width
from tests.report.conftest import Reports

X = "X/USDT:USDT"


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with styled():
        yield


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2025-10-10T{clock}")


START, END = at("20:40:00"), at("22:20:00")


def frame(names: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return rows as a frame; money is exact and times are times, even if there is no row."""
    made = pl.DataFrame([*rows], schema=names.split(), orient="row", strict=False)
    money = (pl.col(c).cast(pl.Decimal(38, 6)) for c in made.columns if c.endswith("_usd"))
    times = (pl.col(c).cast(pl.Datetime("us")) for c in made.columns if c == "ts" or c.endswith("_ts"))
    return made.with_columns(*money, *times)


def texts(d: Drawing) -> list[str]:
    return [text.get_text() for text in d.figure.texts]


def titles(d: Drawing) -> list[str]:
    return [hover.title for hover in d.hovers]


def tops(d: Drawing, colour: str) -> tuple[float, float]:
    """Return the lowest and highest value of the bars of one colour."""
    shapes = [shape for shape in d.figure.artists if isinstance(shape, PathPatch)]
    ys = [shape.get_path().vertices[:, 1] for shape in shapes if _hex(shape) == COLOURS[colour]]
    return float(np.min(np.concatenate(ys))), float(np.max(np.concatenate(ys)))


def _hex(shape: PathPatch) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in shape.get_facecolor()[:3])


def minutes(*rows: tuple[datetime, float, float, int]) -> pl.DataFrame:
    return frame("minute_ts long_usd short_usd liquidations", *rows)


def prices(*rows: tuple[datetime, float, float, bool], waves: pl.DataFrame | None = None) -> Prices:
    path = frame("ts trade_px mark_px bridged", *rows).with_columns(tape_mark_px="mark_px")
    return Prices(
        X, price_path=path, liquidations_per_minute=minutes(), adl_waves=frame("ts") if waves is None else waves
    )


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_liquidations_name_the_peak_and_the_exact_amounts(width: Width) -> None:
    rows = minutes((at("21:15:00"), 2e6, 0.0, 3), (at("21:16:00"), 5e6, 1e6, 9))
    d = liquidations(liquidations_per_minute=rows, start=START, end=END, width=width)
    assert "21:16: 6 M" in texts(d)
    assert "8 M" in texts(d)
    sides = "longs 5,000,000 USD · shorts 1,000,000 USD · 9 liquidations"
    assert titles(d)[1] == f"21:16 UTC · {sides} · total 8,000,000 USD"


def test_longs_are_drawn_below_the_axis_and_shorts_above_it() -> None:
    rows = minutes((at("21:15:00"), 2e6, 1e6, 3))
    d = liquidations(liquidations_per_minute=rows, start=START, end=END)
    assert tops(d, "long") == (-2e6, 0)
    assert tops(d, "short") == (0, 1e6)


def test_a_long_window_is_drawn_in_wider_bars_and_says_so() -> None:
    start, end = datetime.fromisoformat("2025-10-10T00:00:00"), datetime.fromisoformat("2025-10-12T00:00:00")
    rows = minutes((at("21:15:00"), 2e6, 0.0, 3))
    assert "M USD per 11 minutes" in texts(liquidations(liquidations_per_minute=rows, start=start, end=end))


def test_price_names_low_and_waves_and_hatches_what_was_carried() -> None:
    waves = frame("ts", (at("21:01:00"),), (at("21:01:00"),), (at("21:02:00"),))
    d = price([
        prices((at("21:00:00"), 100.0, 100.0, False), (at("21:01:00"), 80.0, 90.0, True),
               (at("21:02:00"), 95.0, 96.0, False), waves=waves)
    ])  # fmt: skip
    assert {"−20.0 % at the low", "80 at 21:01", "ADL at 2 moments", "trade", "mark"} <= set(texts(d))
    assert "<pattern" in d.svg()
    assert titles(d)[1] == "21:01:00 UTC · X trade 80 · mark 90"


def test_the_map_shows_the_range_traded_and_most_of_the_book() -> None:
    bins = frame("bin_low_px bin_high_px side notional_usd reached cohort", *[
        (float(px), float(px + 1), "long" if px < 100 else "short", 10.0 if 60 <= px < 140 else 0.01, px >= 95, "all")
        for px in range(200)
    ])  # fmt: skip
    low, high = Book(X, bins, first_px=100.0, mark_low_px=55.0, mark_high_px=101.0).shown_range
    assert 50 < low < 55
    assert 135 < high < 145


def test_the_map_stacks_leverage_and_adds_up_from_the_first_mark_outwards() -> None:
    names = "bin_low_px bin_high_px side notional_usd reached cohort"
    bins = frame(
        names,
        *((80.0, 90.0, "long", 5e6, False, "low"), (90.0, 100.0, "long", 1e6, True, "low")),
        *((90.0, 100.0, "long", 2e6, True, "high"), (100.0, 110.0, "short", 4e6, False, "high")),
    )
    book = Book(X, bins, first_px=100.0, mark_low_px=95.0, mark_high_px=101.0)
    assert [side.tolist() for side in book.running("long")] == [[100.0, 90.0, 90.0, 80.0], [0.0, 3e6, 3e6, 8e6]]
    d = liquidation_map([book])
    assert {"8.00 M USD in all", "4.00 M USD in all"} <= set(texts(d))
    assert titles(d)[1] == "longs liquidated from 90 to 100: 3,000,000 USD, reached (low 1 M, high 2 M)"


def test_pressure_marks_minutes_without_any_liquidity() -> None:
    rows = frame(
        "minute_ts symbol ordered_usd book_usd pressure_ratio",
        (at("21:15:00"), X, 5e6, 1e6, 5.0),
        (at("21:16:00"), X, 5e6, 0.0, None),
    )
    d = pressure(liquidity_pressure=rows, symbols=[X], start=START, end=END)
    assert "5 at 21:15" in texts(d)
    assert "×" in texts(d)
    assert "no liquidity" in titles(d)[1]


def test_the_pool_figure_names_its_lowest_equity_in_millions_or_dollars() -> None:
    rows = frame("ts cash_usd equity_usd", (START, 50e6, 50e6), (at("21:19:00"), -90e6, -38.4e6), (END, 20e6, 81e6))
    assert "lowest: −38.4 at 21:19:00" in texts(pool_balance(fund_balance=rows, pool="vault"))
    small = frame("ts cash_usd equity_usd", (START, 1000.0, 1000.0), (END, 900.0, 950.0))
    assert "equity, USD" in texts(pool_balance(fund_balance=small, pool="insurance fund"))
    rising = frame("ts cash_usd equity_usd", (START, 50e6, 50e6), (END, 81e6, 81e6))
    assert "equity, M USD" in texts(pool_balance(fund_balance=rising, pool="insurance fund"))


def test_the_haircut_figure_adds_up_what_was_closed() -> None:
    rows = frame(
        "rank haircut_frac notional_usd status",
        (1, 1.0, 3e6, "closed"),
        (2, 0.5, 2e6, "partial"),
        (3, 0.0, 9e6, "not_reached"),
    )
    d = haircut_by_rank(adl_haircut_by_rank=rows)
    assert "4 M USD closed" in texts(d)
    assert titles(d)[1] == "rank 2 · 50.00 % of 2,000,000 USD · partial"


def test_names_in_figures_are_escaped_and_not_read_as_formulas(reports: Reports) -> None:
    ranks = reports.run("watched").query("watch_ranks", name="desk A")
    svg = watch_rank(watch_ranks=ranks, name='<b>"币" $x_1$</b>', start=START, end=END).svg()
    assert '>&lt;b&gt;"币" $x_1$&lt;/b&gt;</text>' in svg
    assert 'aria-label="Place of &lt;b&gt;&quot;币&quot; $x_1$&lt;/b&gt; in the queue"' in svg


def test_two_drawings_of_one_figure_share_no_id() -> None:
    one = prices((at("21:00:00"), 100.0, 100.0, False), (at("21:01:00"), 80.0, 90.0, True))
    ids = [set(re.findall(r'id="([^"]*)"', price([one], width).svg())) for width in (WIDE, PHONE)]
    assert all(ids)
    assert not ids[0] & ids[1]


def test_a_bar_is_at_least_a_pixel_wide_and_a_gap_from_the_next() -> None:
    d = Drawing("test", 100)
    axes = d.axes(Box(10, 10, 110, 90), (0.0, 100.0), (0.0, 1.0))
    bars(axes, [0.0, 50.0], [20.0, 50.1], 0, 1, "long", gap_px=0.5)
    [xs] = [shape.get_path().vertices[:, 0].reshape(-1, 5) for shape in d.figure.artists]
    assert [(float(x.min()), float(x.max())) for x in xs] == [(0.0, 19.5), (50.0, 51.0)]


def test_a_label_without_room_on_the_right_stands_on_the_left() -> None:
    narrow = Width("test", 200, left=0, right=0, times=3, columns=1)
    d = Drawing("test", 100, narrow)
    axes = d.axes(Box(10, 10, 190, 90), (0.0, 1.0), (0.0, 1.0))
    for x in (0.05, 0.95):
        beside(axes, x, 0.5, "some words")
    assert [text.get_ha() for text in d.figure.texts] == ["left", "right"]


def test_exact_decimals_become_floats_for_drawing() -> None:
    assert [b - a for a, b in pairwise(floats(frame("a_usd", (1,), (3,), (6,)), "a_usd"))] == [2.0, 3.0]


def test_a_run_of_one_price_is_drawn() -> None:
    one = minutes((at("21:00:00"), 0.0, 0.0, 1))
    pool = frame("ts cash_usd equity_usd", (at("21:00:00"), 0.0, 0.0))
    book = frame("bin_low_px bin_high_px side notional_usd reached cohort")
    drawn = [
        price([prices((at("21:00:00"), 5.0, 5.0, False))]),
        price([prices((at("21:00:00"), 5.0, 5.0, False), (at("21:01:00"), 5.0, 5.0, False))]),
        liquidations(liquidations_per_minute=one, start=at("21:00:00"), end=at("21:00:00")),
        liquidation_map([Book(X, book, first_px=5.0, mark_low_px=5.0, mark_high_px=5.0)]),
        pool_balance(fund_balance=pool, pool="vault"),
    ]
    for d in drawn[:2]:
        low, high = d.all_axes[0].y
        assert low < 4.95 < 5.05 <= high  # room above and below
    for d in drawn:
        svg = d.svg()
        assert svg.startswith("<svg ")
        assert "<pattern" not in svg
        assert not re.search(r"\bnan\b|\binf\b", svg)


def test_a_displaced_mark_is_drawn_beside_the_one_of_the_tape() -> None:
    taped = prices((at("21:00:00"), 100.0, 100.0, False), (at("21:01:00"), 90.0, 90.0, False))
    path = taped.price_path.with_columns(tape_mark_px=pl.col("mark_px") + 2)
    moved = Prices(X, path, taped.liquidations_per_minute, taped.adl_waves)
    before, after = texts(price([taped])), texts(price([moved]))
    assert [text for text in after if text not in before] == ["tape's mark"]


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_each_draw_is_a_dot_over_its_vault(width: Width) -> None:
    names = "vault draw capital_usd low_usd died adl_usd adl_median_usd"
    rows = frame(names, ("BTC", 1, 5e6, -1e6, True, 300e6, 200e6), ("BTC", 2, 20e6, 4e6, False, 100e6, 200e6))
    d = adl_by_capital(draw_adl_by_capital=rows, width=width)
    told = "draw 2: capital 20,000,000 USD · lowest equity 4,000,000 USD · ADL 100,000,000 USD"
    assert told in titles(d)
    assert ("lowest equity" in d.svg()) == (width is WIDE)
    assert {"0", "5", "20", "300"} <= set(texts(d))
    dotted = [artist for artist in d.figure.artists if isinstance(artist, PathPatch)]
    assert [artist.get_path().vertices[0, 0] for artist in dotted] == [5e6, 20e6, 20e6]  # the second is hollow


def test_draws_without_adl_still_have_axes() -> None:
    names = "vault draw capital_usd low_usd died adl_usd adl_median_usd"
    d = adl_by_capital(draw_adl_by_capital=frame(names, ("BTC", 1, 5e6, 5e6, False, 0, 0)))
    assert "capital of the vault, M USD; full dots: it died, line: median of neighbours" in texts(d)


def test_minutes_show_their_range_and_median() -> None:
    rows = frame("minute_ts p05_usd median_usd p95_usd", (at("21:16:00"), 10e6, 40e6, 90e6))
    d = adl_minutes(draw_adl_by_minute=rows)
    assert titles(d) == ["21:16:00 UTC · median 40,000,000 USD · 5 to 95 %: 10,000,000 USD to 90,000,000 USD"]
    assert tops(d, "adl") == (10e6, 90e6)
