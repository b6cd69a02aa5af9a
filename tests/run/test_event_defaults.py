"""What an event sets: open interest a side, the fund's start, the share of the vault and the window of fewer coins."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

import backtest
from backtest.assets import asset
from backtest.catalogue.events import get_event, load_events, parse_event
from backtest.errors import ConfigError
from backtest.report.findings import Findings
from backtest.report.sections.numbers import answer
from backtest.run.resolve import resolve
from backtest.scenario.values import per_coin
from backtest.studies import grid
from backtest.toml import read_toml
from backtest.venue.reading import get_venue
from tests.support.plain import PLAIN


def test_no_fund_starts_with_a_balance_of_after_the_crash_unless_nothing_else_is_known() -> None:
    old = resolve("2024-08-05", {"venue": "binanceusdm"})
    assert old.scenario.fund_start_usd == 288_718_799
    assert any("No fund balance" in note and "that of 2021-05-20" in note for note in old.notes)
    assert old.headline == (
        "the start of the fund is a balance of 2021-05-20, over a year before the event; none nearer is published",
    )
    later = resolve("2025-10-10", {"venue": "bybit"})
    assert later.scenario.fund_start_usd == 4e8
    assert later.headline == (
        "the start of the fund is a balance of 2026-06-30, after the event; none before it is published",
    )
    for given in ({"venue": "bybit", "fund_start_usd": 1e6}, {"venue": "okx"}, {"venue": "binanceusdm"}, {}):
        assert resolve("2025-10-10", given).headline == ()
    assert resolve("2020-03-12", {"venue": "bitmex"}).headline == ()  # in coins, of the day before
    assert resolve("2020-03-12", {"venue": "bitmex", "contract": "linear"}).headline != ()
    coins = get_venue("bitmex").fund_coins(dt.date(2021, 12, 4))
    assert coins is not None
    assert (coins.amount, coins.of) == (35_374, dt.date(2020, 5, 10))  # not the 3,600 of October 2025


def test_no_event_of_the_catalogue_starts_unflagged_with_a_balance_of_later() -> None:
    for event in load_events():
        for venue in event.venues:
            profile = get_venue(venue)
            for start in (profile.fund_start(event.day), profile.fund_coins(event.day)):
                dated = [row.day for row in profile.balances if start and row.amount == start.amount]
                dated += [profile.start_date] if profile.start_date and start and "profile" in start.source else []
                assert start is None or start.of or all(day < event.day for day in dated), (event.id, venue)


def test_the_headline_says_whose_balance_the_fund_starts_with() -> None:
    run = backtest.replay("2024-08-05", venue="bybit", positions=50, step_s=20.0)
    assert "beware      the start of the fund is a balance of 2026-06-30, after the event" in repr(run)
    assert "The start of the fund is a balance of 2026-06-30, after the event" in answer(Findings(run))


def test_published_open_interest_of_both_sides_is_halved() -> None:
    event = get_event("2025-10-10")
    published = event.defaults["hyperliquid"]["open_interest_usd"]
    found = resolve("2025-10-10", {})
    assert found.scenario.open_interest_usd == {coin: usd / 2 for coin, usd in published.items()}
    told = "The published open interest of hyperliquid counts both sides: each side of the book has half of it."
    assert told in found.notes
    borrowed = resolve("2025-10-10", {"venue": "drift", "book_of": "hyperliquid"})
    assert borrowed.scenario.open_interest_usd == found.scenario.open_interest_usd
    assert told in borrowed.notes
    one_side = resolve("2025-10-10", {"venue": "binanceusdm"})
    assert one_side.scenario.open_interest_usd == event.defaults["binanceusdm"]["open_interest_usd"]
    given = resolve("2025-10-10", {"open_interest_usd": {"BTC": 1e9}})
    assert per_coin(given.scenario.open_interest_usd, "BTC", "") == 1e9


def test_a_default_that_counts_otherwise_than_the_venue_says_so() -> None:
    assert get_venue("hyperliquid").open_interest_counts == "both sides"
    yen = get_event("2024-08-05")  # the size of Binance stands for every venue
    assert yen.open_interest_counts("hyperliquid") == "one side"
    assert resolve("2024-08-05", {"venue": "hyperliquid"}).scenario.open_interest_usd == {"BTC": 6.7e9}
    table = read_toml(asset("data", "events", "2024-08-05-yen-unwind.toml"))
    table["defaults"]["any"]["open_interest_counts"] = "two sides"
    with pytest.raises(ConfigError, match=r"\[any\]: open_interest_counts = 'two sides'; .* allowed: one side"):
        parse_event(table, "yen.toml")


def test_a_run_of_fewer_coins_has_their_share_of_the_vault() -> None:
    size = {"BTC": 4.48e9, "SOL": 1.55e9, "XRP": 208e6, "DOGE": 132e6, "LINK": 140e6}
    for coins in (("BTC",), ("XRP", "SOL"), ("BTC", "ETH")):
        found = resolve(
            "2025-10-10",
            {"coins": coins, "vaults": (), **({"open_interest_usd": {"ETH": 1e9}} if "ETH" in coins else {})},
        )
        share = sum(size.get(coin, 0) for coin in coins) / sum(size.values())
        assert found.scenario.vault_capital_usd == pytest.approx(12e6 * share, abs=0.01)
        assert found.vault_frac == pytest.approx(share)
        (note,) = (note for note in found.notes if note.startswith("The vault has"))
        assert f"{share:.1%} of the 12,000,000 of BTC, SOL, XRP, DOGE, LINK" in note
        assert note[4:-1] in found.sources["vault_capital_usd"]
    whole = resolve("2025-10-10", {"vaults": ()})
    assert (whole.scenario.vault_capital_usd, whole.vault_frac) == (12e6, 1.0)
    given = resolve("2025-10-10", {"coins": ("BTC",), "vaults": (), "vault_capital_usd": 30e6})
    assert given.scenario.vault_capital_usd == 30e6
    assert not any("The vault" in note for note in given.notes)
    assert resolve("2025-10-10", {"coins": ("BTC",), "venue": "bybit"}).scenario.vault_capital_usd == 0
    unknown = resolve("2025-10-10", {"coins": ("ETH",), "vaults": (), "open_interest_usd": {"ETH": 1e9}})
    assert unknown.scenario.vault_capital_usd == 12e6
    assert any("runs whole: the share of these coins is not known" in note for note in unknown.notes)


def test_the_grid_changes_the_share_of_the_vault_that_the_coins_have() -> None:
    alone = grid.settings(resolve("2025-10-10", {"coins": ("BTC",), "vaults": ()}))
    assert alone["vaults 30M, 68.8% of it"] == {"vault_capital_usd": pytest.approx(30e6 * 4.48 / 6.51, abs=0.01)}
    for given in ({}, {"coins": ("BTC",)}):  # sets take the share of each from the capital of the field
        assert grid.settings(resolve("2025-10-10", given))["vaults 30M"] == {"vault_capital_usd": 30e6}


def test_the_grid_of_an_imported_book_leaves_out_what_shapes_a_drawn_one() -> None:
    imported = resolve("2025-10-10", {"positions_file": "book.csv"})
    left = [entry.label for entry in imported.event.sensitivity if entry.label not in grid.settings(imported)]
    assert left == [
        "one leverage for all coins", "shorts as longs", "all positions alone", "all in cross accounts of 2 coins",
        "all in cross accounts of 2 coins, half hedged",
    ]  # fmt: skip
    assert grid.check(imported) == (
        f"the book is imported, and the grid leaves out settings of a drawn one: {'; '.join(left)}",
    )
    assert grid.check(resolve("2025-10-10", {})) == ()


def test_coins_left_out_move_neither_the_window_nor_the_liquidations_of_the_others() -> None:
    given = {"positions": 4000, "vaults": (), **PLAIN}  # one coin has no accounts of several
    every = backtest.replay("2025-10-10", **given)
    alone = backtest.replay("2025-10-10", coins=("BTC",), **given)
    assert [alone.summary()[name] for name in ("start_ts", "end_ts")] == [
        every.summary()[name] for name in ("start_ts", "end_ts")
    ]
    (btc,) = every.query("adl_impact_by_symbol").filter(pl.col("symbol") == "BTC/USDC:USDC").to_dicts()
    assert float(alone.summary()["liquidated_usd"]) == pytest.approx(float(btc["liquidated_usd"]), rel=0.05)
    assert float(alone.summary()["pool_start_usd"]) == alone.meta.scenario.vault_capital_usd < 9e6
