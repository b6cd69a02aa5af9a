"""Figures by their data, not by their pixels."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise

import polars as pl
import pytest

from backtest.report.figures import market, payers
from backtest.report.figures.canvas import PHONE, WIDE, Canvas, floats, panel
from tests.report.fake_run import END, START, FakeRun, at, frame


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def titles(svg: str) -> list[str]:
    return re.findall(r"<title>([^<]*)</title>", svg)


def minutes(*rows: tuple[datetime, float, float, int]) -> pl.DataFrame:
    return frame("minute_ts long_usd short_usd liquidations", *rows)


def path_frame(*rows: tuple[datetime, float, float, bool]) -> pl.DataFrame:
    return frame("ts trade_px mark_px bridged", *rows).with_columns(tape_mark_px="mark_px")


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_liquidations_name_the_peak_and_the_exact_amounts(width: int) -> None:
    rows = minutes((at("21:15:00"), 2e6, 0.0, 3), (at("21:16:00"), 5e6, 1e6, 9))
    svg = market.liquidations(rows, START, END, width)
    assert "21:16: 6 M" in texts(svg)
    assert "8 M" in texts(svg)
    sides = "longs 5,000,000 USD · shorts 1,000,000 USD · 9 liquidations"
    assert titles(svg)[1] == f"21:16 UTC · {sides} · total 8,000,000 USD"


def test_longs_are_drawn_below_the_axis_and_shorts_above_it() -> None:
    svg = market.liquidations(minutes((at("21:15:00"), 2e6, 1e6, 3)), START, END)

    def ends(colour: str) -> tuple[float, float]:
        shape = re.search(rf'<path d="([^"]*)" style="fill: {colour}"', svg)
        assert shape is not None
        ys = [float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", shape[1])]
        return min(ys), max(ys)

    longs, shorts = ends("#009e73"), ends("#d55e00")
    assert shorts[1] == longs[0]
    assert longs[1] - longs[0] == pytest.approx(2 * (shorts[1] - shorts[0]), abs=0.3)


def test_a_long_window_is_drawn_in_wider_bars_and_says_so() -> None:
    rows = minutes((datetime.fromisoformat("2025-10-10T21:15:00"), 2e6, 0.0, 3))
    svg = market.liquidations(
        rows, datetime.fromisoformat("2025-10-10T00:00:00"), datetime.fromisoformat("2025-10-12T00:00:00")
    )
    assert "M USD per 11 minutes" in texts(svg)


def test_price_names_low_and_waves_and_hatches_what_was_carried() -> None:
    rows = path_frame(
        (at("21:00:00"), 100.0, 100.0, False), (at("21:01:00"), 80.0, 90.0, True), (at("21:02:00"), 95.0, 96.0, False)
    )
    waves = frame("ts", (at("21:01:00"),), (at("21:01:00"),), (at("21:02:00"),))
    svg = market.price([market.PriceSeries("BTC/USDT:USDT", rows, minutes(), waves)])
    assert {"−20.0 % at the low", "80 at 21:01", "ADL at 2 moments", "trade", "mark"} <= set(texts(svg))
    assert "<pattern" in svg
    assert titles(svg)[1] == "21:01:00 UTC · trade 80 · mark 90"


def test_a_price_that_never_moves_is_drawn() -> None:
    rows = path_frame((at("21:00:00"), 5.0, 5.0, False), (at("21:01:00"), 5.0, 5.0, False))
    svg = market.price([market.PriceSeries("X/USDT:USDT", rows, minutes(), frame("ts"))])
    assert "<pattern" not in svg
    assert not re.search(r"\bnan\b|\binf\b", svg)


def test_the_map_shows_the_range_walked_and_most_of_the_book() -> None:
    bins = frame("bin_low_px bin_high_px side notional_usd reached", *[
        (float(px), float(px + 1), "long" if px < 100 else "short", 10.0 if 60 <= px < 140 else 0.01, px >= 95)
        for px in range(200)
    ])  # fmt: skip
    low, high = market.map_range(market.MapSeries("X/USDT:USDT", bins, 100.0, 55.0, 101.0))
    assert 50 < low < 55
    assert 135 < high < 145


def test_pressure_marks_minutes_without_any_liquidity() -> None:
    rows = frame(
        "minute_ts symbol ordered_usd book_usd pressure_ratio",
        (at("21:15:00"), "X/USDT:USDT", 5e6, 1e6, 5.0),
        (at("21:16:00"), "X/USDT:USDT", 5e6, 0.0, None),
    )
    svg = market.ratios(market.PRESSURE, rows, ["X/USDT:USDT"], START, END)
    assert "5 at 21:15" in texts(svg)
    assert "×" in texts(svg)
    assert "no liquidity" in titles(svg)[1]


def test_the_pool_figure_names_its_lowest_equity() -> None:
    rows = frame("ts cash_usd equity_usd", (START, 50e6, 50e6), (at("21:19:00"), -90e6, -38.4e6), (END, 20e6, 81e6))
    assert "lowest: −38.4 at 21:19:00" in texts(payers.pool_balance(rows, "vault"))


def test_a_small_pool_is_drawn_in_dollars() -> None:
    rows = frame("ts cash_usd equity_usd", (START, 1000.0, 1000.0), (END, 900.0, 950.0))
    assert "equity, USD" in texts(payers.pool_balance(rows, "insurance fund"))


def test_the_haircut_figure_adds_up_what_was_closed() -> None:
    rows = frame(
        "rank haircut_frac notional_usd status",
        (1, 1.0, 3e6, "closed"),
        (2, 0.5, 2e6, "partial"),
        (3, 0.0, 9e6, "not_reached"),
    )
    svg = payers.haircut_by_rank(rows)
    assert "4 M USD closed" in texts(svg)
    assert titles(svg)[1] == "rank 2 · 50.00 % of 2,000,000 USD · partial"


def test_names_in_figures_are_escaped_and_not_read_as_formulas() -> None:
    run = FakeRun(watch=True)
    svg = payers.watch_rank(run.query("watch_ranks"), '<b>"币" $x_1$</b>', START, END)
    assert '&lt;b&gt;"币" $x_1$&lt;/b&gt;' in texts(svg)
    assert 'aria-label="Place of &lt;b&gt;&quot;币&quot; $x_1$&lt;/b&gt; in the queue"' in svg


def test_two_drawings_of_one_figure_share_no_id() -> None:
    run = FakeRun(coins=("BTC",))
    path = run.query("price_path", symbol=run.symbols["BTC"])
    series = [market.PriceSeries(run.symbols["BTC"], path, run.minutes["BTC"], run.q_adl_waves())]
    ids = [set(re.findall(r'id="([^"]*)"', market.price(series, width))) for width in (WIDE, PHONE)]
    assert all(ids)
    assert not ids[0] & ids[1]


def test_values_outside_a_panel_are_drawn_at_its_edge() -> None:
    p = panel((10, 20, 110, 220), (0.0, 1.0), (0.0, 1.0))
    assert p.x([-5.0, 0.5, 7.0]).tolist() == [10.0, 60.0, 110.0]
    assert p.y([0.0, 1.0]).tolist() == [220.0, 20.0]


def test_a_label_without_room_on_the_right_stands_on_the_left() -> None:
    c = Canvas(200, 100, "test")
    p = panel((10, 10, 190, 90), (0.0, 1.0), (0.0, 1.0))
    c.beside(p, 20, 50, "some words")
    c.beside(p, 180, 50, "some words")
    anchors = [float(x) for x in re.findall(r' x="([\d.]+)"', c.svg())]
    assert anchors == [28.0, 172.0]


def test_exact_decimals_become_floats_for_drawing() -> None:
    assert [b - a for a, b in pairwise(floats(frame("a_usd", (1,), (3,), (6,)), "a_usd"))] == [2.0, 3.0]


def test_a_run_of_one_price_is_drawn() -> None:
    rows = path_frame((at("21:00:00"), 5.0, 5.0, False))
    series = [market.PriceSeries("X/USDT:USDT", rows, minutes(), frame("ts"))]
    one = minutes((at("21:00:00"), 0.0, 0.0, 1))
    pool = frame("ts cash_usd equity_usd", (at("21:00:00"), 0.0, 0.0))
    book = frame("bin_low_px bin_high_px side notional_usd reached")
    drawn = [
        market.price(series),
        market.liquidations(one, at("21:00:00"), at("21:00:00")),
        market.liquidation_map([market.MapSeries("X/USDT:USDT", book, 5.0, 5.0, 5.0)]),
        payers.pool_balance(pool, "vault"),
    ]
    for svg in drawn:
        assert svg.startswith("<svg ")
        assert not re.search(r"\bnan\b|\binf\b", svg)


def test_a_displaced_mark_is_drawn_beside_that_of_the_tape() -> None:
    rows = path_frame((at("21:00:00"), 100.0, 100.0, False), (at("21:01:00"), 90.0, 90.0, False))
    moved = rows.with_columns(tape_mark_px=pl.col("mark_px") + 2)
    as_taped, displaced = (
        texts(market.price([market.PriceSeries("X/USDT:USDT", each, minutes(), frame("ts"))])) for each in (rows, moved)
    )
    assert [text for text in displaced if text not in as_taped] == ["tape's mark"]
