"""Accounts closed in fact and in the replay, beside the distance to liquidation on the same rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.conftest import Make, Tables, rows

BTC = "BTC/USD:USD"


@pytest.fixture
def run(tables: Make) -> Tables:
    """Return six longs: 1 and 2 are liquidated in fact, 1 and 3 in the replay; 2, 3 and 4 stand nearest."""
    numbers = range(1, 7)
    positions = [{"position_id": k, "account_id": k, "symbol": BTC, "side": "long", "lots": 10} for k in numbers]
    origin = rows("""
        account_id liquidation_px model_liquidation_px snapshot_quantity_base
        1          70             70                   10
        2          99             99.5                 10
        3          98             98                   10
        4          97             97                   10
        5          -              -                    10
        6          -              -                    0
    """, symbol=BTC, side="long", mark_px=100, left_out="")  # fmt: skip
    names = {k: f"0x{k}00000000000000" for k in numbers}
    return tables(
        positions=positions,
        accounts=[{"account_id": k, "name": names[k]} for k in numbers],
        steps=[{"symbol": BTC, "step": 1, "mark_px": 100.0}],
        actual_positions=[{**row, "account": names[int(row["account_id"])]} for row in origin],
        actual_liquidations=[
            {"account": names[1], "symbol": BTC, "side": "long", "notional_usd": 900, "ts": 60, "method": "market"},
            {"account": names[2], "symbol": BTC, "side": "long", "notional_usd": 800, "ts": 61, "method": "backstop"},
        ],
        liquidations=[
            {"position_id": 1, "symbol": BTC, "lots": 10, "notional_usd": 850, "book_usd": 850, "ts": 66},
            {"position_id": 3, "symbol": BTC, "lots": 10, "notional_usd": 700, "book_usd": 0, "ts": 70},
        ],
    )  # fmt: skip


def answer(run: Tables, name: str, **params: Any) -> list[dict[str, Any]]:
    return run.frame(name, **params).to_dicts()


def test_each_position_has_an_outcome_and_a_short_name(run: Tables) -> None:
    found = {row["account"]: row for row in answer(run, "actual_accounts")}
    assert [found[f"0x{k}000000000"]["outcome"] for k in range(1, 7)] == [
        "both", "in fact", "in the replay", "neither", "neither", "neither",
    ]  # fmt: skip
    first = found["0x1000000000"]
    assert (float(first["actual_usd"]), float(first["replayed_usd"]), first["late_s"]) == (900, 850, 6)
    assert first["distance_frac"] == pytest.approx(0.3)
    whole = answer(run, "actual_accounts", outcome="both", addresses=True)
    assert [row["account"] for row in whole] == ["0x100000000000000"]


def test_accounts_whose_addresses_begin_alike_keep_the_whole_address(tables: Make) -> None:
    names = ["0xabcdefabcd1", "0xabcdefabcd2", "0xabcdefabce1"]
    prices = {"mark_px": 100, "liquidation_px": 90.0, "model_liquidation_px": 80.0, "snapshot_quantity_base": 1.0}
    run = tables(actual_positions=[{"account": name, "symbol": BTC, "side": "long", **prices} for name in names])
    assert {row["account"] for row in answer(run, "liquidation_price_check")} == {*names[:2], "0xabcdefabce"}


def test_the_replay_is_scored_beside_distance_on_the_same_rows(run: Tables) -> None:
    scores = {(row["kind"], row["predictor"]): row for row in answer(run, "actual_account_score")}
    replay, distance = scores["liquidation", "replay"], scores["liquidation", "distance"]
    assert (replay["positions"], replay["closed"], replay["alarms"], replay["hits"]) == (5, 2, 2, 1)
    assert (replay["hit_frac"], replay["false_alarm_frac"]) == (0.5, pytest.approx(1 / 3))
    assert replay["relative_risk"] == pytest.approx(0.5 / (1 / 3))
    # two alarms by distance: 2 (1 %) and 3 (2 %), of which 2 was liquidated
    assert (distance["alarms"], distance["hits"]) == (2, 1)
    assert replay["rank_correlation"] == pytest.approx(0.5)
    assert distance["rank_correlation"] is None
    assert scores["adl", "replay"]["alarms"] == 0


def test_bands_of_distance_and_size_hold_every_position_once(run: Tables) -> None:
    bands = answer(run, "actual_account_bands")
    assert [(row["grouped_by"], row["band"], row["positions"]) for row in bands] == [
        ("distance", "below 5 %", 3), ("distance", "20 % and beyond, or none", 2),
        ("distance", "opened after the snapshot", 1), ("size", "1 to 10 k USD", 6),
    ]  # fmt: skip
    assert bands[0]["actual_frac"] == pytest.approx(1 / 3)
    assert (bands[0]["hit_frac"], bands[0]["false_alarm_frac"]) == (0, 0.5)


def test_what_book_and_backstop_took_stands_side_by_side(run: Tables) -> None:
    (row,) = answer(run, "actual_methods")
    assert (float(row["actual_usd"]), float(row["replayed_usd"])) == (1700, 1550)
    assert row["actual_backstop_frac"] == pytest.approx(8 / 17)
    assert row["replayed_backstop_frac"] == pytest.approx(700 / 1550)


def test_closes_in_both_are_compared_in_time(run: Tables) -> None:
    (row,) = answer(run, "actual_timing")
    # of 1 and 2 in fact, 1 and 3 in the replay: 1 came six seconds later, all four in one minute but for none
    assert (row["kind"], row["both"], row["late_p50_s"], row["within_minute_frac"]) == ("liquidation", 1, 6, 1)
    assert row["minute_correlation"] is None


def test_liquidation_prices_that_are_not_the_venues_are_listed(run: Tables) -> None:
    (row,) = answer(run, "liquidation_price_check")
    assert (row["account"], row["compared"], row["differing"]) == ("0x2000000000", 4, 1)
    assert row["off_frac"] == pytest.approx(99.5 / 99 - 1)


def test_without_fills_nothing_is_said(tables: Make) -> None:
    run = tables(
        positions=[{"position_id": 1, "account_id": 1, "symbol": BTC, "side": "long", "lots": 1}],
        accounts=[{"account_id": 1, "name": "a"}], steps=[{"symbol": BTC, "step": 1, "mark_px": 1.0}],
    )  # fmt: skip
    for name in ("actual_accounts", "actual_account_score", "actual_account_bands", "actual_methods", "actual_timing"):
        assert answer(run, name) == []
