"""A venue whose truth is known: what is read, rolled forward and replayed is what was traded and liquidated."""

from __future__ import annotations

import json

import polars as pl

from tests.book.actual.conftest import Known

KEY = ("account", "symbol")


def test_positions_are_those_that_were_traded_to_the_lot(known: Known) -> None:
    sizes = ("side", "quantity_base", "margin_mode")
    wanted = known.venue.book.select(*KEY, *sizes).sort(KEY)
    assert known.book.select(*KEY, *sizes).sort(KEY).equals(wanted)


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
    def lots(frame: pl.DataFrame, accounts: pl.DataFrame, column: str) -> pl.DataFrame:
        named = frame.join(accounts.select("account_id", "name"), on="account_id")
        return named.group_by("name", "symbol").agg(pl.col(column).sum()).sort("name", "symbol")

    for table, column in (("liquidations", "book_lots"), ("liquidations", "takeover_lots"), ("adl_fills", "lots")):
        ours, true = (lots(getattr(run, table), run.accounts, column) for run in (known.run, known.venue.run))
        assert ours.height > 10
        assert ours.equals(true)
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
    late = known.run.query("actual_accounts", limit=1000)["late_s"].drop_nulls()
    assert (late.len() > 50, late.abs().max()) == (True, 0)
    assert known.run.query("liquidation_price_check").height == 0


def test_the_report_has_a_section_on_accounts_with_the_baseline_beside_the_replay(known: Known) -> None:
    from backtest.report.findings import Findings
    from backtest.report.sections import actual_accounts

    f = Findings(known.run)
    assert actual_accounts.SECTION.shown(f)
    assert "100 %" in actual_accounts.answer(f).striptags()
    made = [part.make(f) for part in actual_accounts.SECTION.parts]
    assert ["distance" in made[0], "below 5 %" in made[1], "BTC" in made[2], "0x" in made[3]] == [True] * 4
    assert not actual_accounts.SECTION.shown(Findings(known.venue.run))
