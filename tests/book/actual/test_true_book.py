"""A venue whose truth is known: what is read, rolled forward and replayed is what was traded and liquidated."""

from __future__ import annotations

import json

import polars as pl
import pytest

from tests.book.actual.known import KEY, Known, differences_of_positions, same_closes

WORDS = ("distance", "below 5 %", "20:5", "BTC", "0x", "within 0.1 %")  # in each part of the section


def test_positions_are_those_that_were_traded_to_the_lot(known: Known) -> None:
    assert known.book.height == known.venue.book.height
    assert differences_of_positions(known) == 0


def test_entries_and_collateral_are_those_of_exact_fractions(known: Known) -> None:
    pairs = known.book.join(known.venue.book, on=KEY, suffix="_true")
    assert pairs.select(((pl.col("entry_px") / pl.col("entry_px_true")) - 1).abs().max()).item() < 1e-12

    def margin(frame: pl.DataFrame) -> pl.DataFrame:
        alone = frame.with_columns(part=pl.when(pl.col("margin_mode") == "isolated").then("symbol"))
        return alone.group_by("account", "part").agg(usd=pl.col("collateral_usd").sum()).sort("account", "part")

    ours, true = margin(known.book), margin(known.venue.book)
    assert (ours["usd"] - true["usd"]).abs().max() < 1e-4  # type: ignore[operator]


def test_nothing_is_unexplained_and_sides_are_equal(known: Known) -> None:
    figures = {row["figure"]: row["value"] for row in json.loads(known.rolled)}
    assert figures["fills applied"] == 800
    assert figures["fills after a gap"] == 0
    assert figures["positions with another realised profit"] == 0
    assert figures["liquidation prices compared"] > 300
    assert figures["liquidation prices off by more than 0.1 %"] == 0
    signed = pl.when(pl.col("side") == "long").then(1).otherwise(-1) * pl.col("quantity_base")
    assert known.book.group_by("symbol").agg(signed.sum()).select(pl.col("literal").abs().max()).item() < 1e-9
    assert known.origin["left_out"].unique().to_list() == [""]


def test_the_same_accounts_are_liquidated_and_deleveraged_by_the_same_lots(known: Known) -> None:
    closes = same_closes(known)
    assert all(equal for _, equal in closes.values())
    assert all(count > 10 for count, _ in closes.values())
    assert known.run.actual_adl.height == known.venue.run.adl_fills.height


def test_a_replay_of_the_true_book_is_right_about_every_account_where_the_truth_is_the_engine_itself(
    known: Known,
) -> None:
    scores = {(row["kind"], row["predictor"]): row for row in known.run.query("actual_account_score").to_dicts()}
    replay, distance = scores["liquidation", "replay"], scores["liquidation", "distance"]
    assert (replay["hit_frac"], replay["false_alarm_frac"], replay["relative_risk"]) == (1, 0, None)
    assert replay["rank_correlation"] > 0.99
    assert distance["alarms"] == replay["alarms"]
    assert 0 < distance["hit_frac"] < 1
    assert scores["adl", "replay"]["hit_frac"] == 1
    for row in known.run.query("actual_timing").to_dicts():
        assert row["both"] > 10
        assert (row["late_p10_s"], row["late_p90_s"], row["within_minute_frac"]) == (0, 0, 1)
        assert row["minute_correlation"] in (None, pytest.approx(1))  # None: ADL is over within two minutes
    assert known.run.query("liquidation_price_check").height == 0


def test_the_report_has_a_section_on_accounts_with_the_baseline_beside_the_replay(known: Known) -> None:
    from backtest.report.findings import Findings
    from backtest.report.sections import actual_accounts

    f = Findings(known.run)
    assert actual_accounts.SECTION.shown(f)
    assert "100 %" in actual_accounts.answer(f).striptags()
    made = [part.make(f) for part in actual_accounts.SECTION.parts]
    assert [word in part for word, part in zip(WORDS, made, strict=True)] == [True] * 6
    assert not actual_accounts.SECTION.shown(Findings(known.venue.run))
