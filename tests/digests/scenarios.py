"""The scenarios whose values are recorded, each with the book and the made-up data that it brings along."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from backtest.api.replay import replay
from backtest.api.run import Run
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from backtest.run.event_defaults import covered_frac

COVID, DECEMBER, YEN, TARIFF = "2020-03-12", "2021-12-04", "2024-08-05", "2025-10-10"
HL_BTC = ("hyperliquid", "BTC/USDC:USDC")
THREE: dict[str, Any] = {"coins": ("BTC", "SOL", "XRP")}
# defaults of the day when most scenarios were recorded: a digest is of what is computed, not of what is the default
WHEN_RECORDED: dict[str, Any] = {
    "step_s": 20.0,
    "mark_half_life_s": 30.0,
    "leverage_mix": {"default": [[0, 3, 0.36], [3, 7, 0.49], [7, 0, 0.15]]},
    "leverage_exponent": 0.0,
    "delta_neutral_frac": 0.0,
    "size_cap_frac": 0.03,
    "cross_frac": 0.0,
    "positions_per_account": 1.0,
    "hedged_frac": 0.0,
}
ONE_VAULT, INTEREST = 50e6, {"BTC": 4.48, "SOL": 1.55, "XRP": 0.208, "DOGE": 0.132, "LINK": 0.14}
CROSS: dict[str, Any] = {**THREE, "positions_per_account": 2.0, "cross_frac": 0.6, "hedged_frac": 0.4}
SIDES: dict[str, Any] = {
    "long_leverage_mix": {"default": [[0, 3, 0.1], [3, 7, 0.5], [7, 0, 0.4]]},
    "short_leverage_mix": {"default": [[0.05, 0.5, 0.75], [0.5, 2, 0.15], [2, 8, 0.1]]},
    "leverage_exponent": 0.5, "delta_neutral_frac": 0.2,
}  # fmt: skip
POOR: dict[str, Any] = {"fund_start_usd": 1e5, "fund_takeover": "bankruptcy", "vault_capital_usd": 0.0}
TAKES_ALL: dict[str, Any] = {"fund_takeover": "bankruptcy", "fund_inventory_limit_usd": 999e9}
WATCHED: dict[str, Any] = {"side": "short", "size_base": 25.0, "entry_px": 121_000.0, "leverage": 8.0, "hedged": True}


@dataclass(frozen=True, slots=True)
class Rows:
    """Made-up rows of one series of the lake, all of one day."""

    venue: str
    symbol: str
    series: str
    rows: Sequence[tuple[Any, ...]]

    def put(self) -> None:
        """Write them into the lake of the workspace."""
        frame = pl.DataFrame(self.rows, schema=schema_of(self.series), orient="row")
        write_day(frame, Place(self.venue, self.symbol, self.series), self.rows[0][0].date())


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario; ``book`` are the lines of an imported file."""

    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    lake: tuple[Rows, ...] = ()
    book: str = ""


def case(event: str, venue: str, *layers: Mapping[str, Any], lake: tuple[Rows, ...] = (), **fields: Any) -> Case:
    """Return a scenario of 2,000 positions with later layers of fields over earlier ones."""
    merged: dict[str, Any] = {"venue": venue, "positions": 2000, **WHEN_RECORDED}
    if "hyperliquid" in {venue, fields.get("book_of")} and event == TARIFF:
        merged |= {"leverage_mix": {**WHEN_RECORDED["leverage_mix"], "BTC": [[0, 3, 0.2], [3, 7, 0.3], [7, 0, 0.5]]}}
    if venue == "hyperliquid":
        merged |= {"vaults": (), "vault_capital_usd": ONE_VAULT}
    for layer in (*layers, fields):
        merged |= layer
    if event == TARIFF and merged.get("vault_capital_usd") == ONE_VAULT:  # fewer coins had their share of it
        merged["vault_capital_usd"] = round(
            ONE_VAULT * covered_frac(INTEREST, [*INTEREST], merged.get("coins", INTEREST)), 2
        )
    return Case(event, merged, lake)


def rates(venue: str, symbol: str, day: str, at: Mapping[int, float]) -> Rows:
    """Return funding rates by full hour."""
    return Rows(venue, symbol, "funding", [(_time(day, hour), rate) for hour, rate in at.items()])


def bars(venue: str, symbol: str, series: str, day: str, hours: range, prices: Sequence[float]) -> Rows:
    """Return minute bars that move evenly between the prices, each of the same share of the time."""
    count, rows = 60 * len(hours), []
    for minute in range(count):
        place = minute * (len(prices) - 1) / count
        low, part = prices[int(place)], place - int(place)
        px = round(low + (prices[int(place) + 1] - low) * part, 4)
        rows.append((_time(day, hours[0], minute), px, px * 1.001, px * 0.999, px, 10.0))
    return Rows(venue, symbol, series, rows)


def depth(day: str, hour: int, minutes: int) -> Rows:
    """Return snapshots of the book of BTC at Binance, one each half minute."""
    bands = ((-0.05, 900.0), (-0.01, 200.0), (0.01, 150.0), (0.05, 700.0))
    times = [_time(day, hour) + dt.timedelta(seconds=30 * k) for k in range(2 * minutes)]
    rows = [(time, band, base * 0.1, base * 5000.0) for time in times for band, base in bands]
    return Rows("binanceusdm", "BTC/USDT:USDT", "depth", rows)


def fills() -> Rows:
    """Return fills of Hyperliquid: two winners deleveraged and a liquidation."""
    kinds = (("liquidation", 0.5, 109_000.5), ("adl", 2.0, 105_000.5), ("adl", 0.001, 104_000.0))
    rest = (1.5, 0.0, "", None, None, None)
    rows = [
        (_time(TARIFF, 21, 16 + k), _time(TARIFF, 21, 16 + k), k, kind, f"user{k}", "short", size, px, -size, *rest)
        for k, (kind, size, px) in enumerate(kinds)
    ]
    return Rows(*HL_BTC, "fills", rows)


def _time(day: str, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(day) + dt.timedelta(hours=hour, minutes=minute)


def _book(rows: int, coins: Mapping[str, float], mode: str) -> str:
    """Return an imported book: longs and shorts of growing size, the longs weaker; shorts are one in ten fewer."""
    lines = ["account,symbol,side,quantity_base,entry_px,collateral_usd,margin_mode"]
    for row in range(rows):
        for coin, px in coins.items():
            size, leverage = (1 + row % 17) * 20_000 / px, 2 + row % 19
            lines.append(f"L{row},{coin},long,{size:.4f},{px:.4f},{size * px / leverage:.2f},{mode}")
            if row % 10:
                lines.append(f"S{row},{coin},short,{size:.4f},{px * 0.99:.4f},{size * px / (leverage / 2):.2f},")
    return "\n".join(lines) + "\n"


CASES: dict[str, Case] = {
    # every event with sample bars at its venues, with their rules
    "covid-bitmex": case(COVID, "bitmex"),
    "covid-binanceusdm": case(COVID, "binanceusdm"),
    "covid-okx": case(COVID, "okx"),
    "covid-bitmex-linear": case(COVID, "bitmex", contract="linear", fund_start_usd=3e7),
    "covid-second-window": case(COVID, "bitmex", start="2020-03-12T23:30:00", end="2020-03-13T03:30:00"),
    **{f"december-{venue}": case(DECEMBER, venue) for venue in ("binanceusdm", "bybit", "okx", "bitmex")},
    "december-binancecoinm": case(DECEMBER, "binancecoinm", book_of="binanceusdm", contract="inverse"),
    **{
        f"yen-{venue}": case(YEN, venue)
        for venue in ("binanceusdm", "bybit", "okx", "bitmex", "hyperliquid", "dydx")
    },
    "yen-deribit": case(YEN, "deribit", book_of="binanceusdm"),
    **{
        f"tariff-{venue}": case(TARIFF, venue)
        for venue in ("hyperliquid", "binanceusdm", "bybit", "okx", "bitmex", "dydx")
    },
    "tariff-drift": case(TARIFF, "drift", book_of="hyperliquid"),
    "tariff-deribit": case(TARIFF, "deribit", THREE, book_of="hyperliquid"),
    "tariff-binancecoinm": case(TARIFF, "binancecoinm", coins=("BTC",), fund_start_usd=1e6),
    "december-bitmex-inverse": case(DECEMBER, "bitmex", POOR, contract="inverse", ranking="bybit"),
    # accounts of several coins
    "cross-sides-apart": case(TARIFF, "hyperliquid", CROSS, SIDES, positions_per_account=2.5, cross_frac=0.7),
    "sides-apart": case(TARIFF, "okx", THREE, SIDES, POOR),
    "cross-vault": case(TARIFF, "hyperliquid", CROSS, positions=3000),
    "cross-by-maintenance": case(TARIFF, "dydx", CROSS, POOR, cross_allocation="by_maintenance", cross_frac=1.0),
    "cross-one-first-maintenance": case(
        TARIFF, "binanceusdm", CROSS, POOR, cross_allocation="one_first", cross_order="maintenance"
    ),
    "cross-one-first-loss": case(
        TARIFF, "okx", CROSS, cross_allocation="one_first", cross_order="loss", liquidation_rule="reduce_once"
    ),
    "cross-one-first-notional": case(
        TARIFF, "bybit", CROSS, cross_allocation="one_first", cross_order="notional", liquidation_rule="full_position"
    ),
    # liquidation rules
    "full-position": case(
        TARIFF, "hyperliquid", THREE, POOR, liquidation_rule="full_position", close_price="bankruptcy", losers="ranked"
    ),
    "tier-by-tier": case(
        TARIFF, "bybit", CROSS, liquidation_rule="tier_by_tier", fund_start_usd=1e6, ranking="bybit_effective",
        close_price="mark",
    ),
    "two-tiers": case(TARIFF, "bitmex", THREE, liquidation_rule="two_tiers", ranking="okx", intrabar="adverse_first"),
    "reduce-once": case(YEN, "bybit", liquidation_rule="reduce_once", fund_start_usd=1e5, intrabar="close"),
    "part-first": case(
        TARIFF, "binanceusdm", THREE, POOR, liquidation_rule="part_first", ranking="hyperliquid_literal",
        first_share_frac=0.3, first_above_usd=50_000.0,
        first_pause_s=60,
    ),
    "fillable-price": case(
        TARIFF, "dydx", CROSS, liquidation_rule="fillable_price", block_orders=40, block_deleverages=10,
        block_share_frac=0.25, fund_start_usd=1e6,
    ),
    "incremental": case(
        TARIFF, "drift", CROSS, book_of="hyperliquid", liquidation_rule="incremental", block_share_frac=0.2
    ),
    # funds
    "fund-isolated-pool-drop": case(
        TARIFF, "okx", THREE, fund_pools="isolated", fund_start_usd={"BTC": 5e6, "SOL": 2e6, "XRP": 1e6},
        drawdown_trigger="pool_drawdown", drawdown_trigger_frac=0.1, drawdown_stop_frac={"BTC": 0.05, "default": 0.02},
    ),
    "fund-groups-pnl-ratio": case(
        TARIFF, "bybit", THREE, fund_pools="SOL+XRP", fund_start_usd={"BTC": 2e6, "SOL": 1e6, "XRP": 1e6},
        drawdown_trigger="pnl_ratio", inventory_adl="to_trigger",
    ),
    "fund-no-drop-below-floor": case(
        TARIFF, "binanceusdm", CROSS, TAKES_ALL, drawdown_trigger="none", inventory_adl="below_floor",
        fund_start_usd=2e7, inventory_stop_usd=1e6,
    ),
    "fund-keeps-inventory": case(
        TARIFF, "okx", THREE, TAKES_ALL, inventory_adl="none", quiet_s=120.0, fund_start_usd=1e8, fund_floor_usd=1e6
    ),
    "fund-all-or-nothing": case(
        TARIFF, "bitmex", THREE, fund_shortfall="all_or_nothing", fund_takeover="none", fund_start_usd=3e6,
        residual_owner="account", fee_rate=0.01, fee_owner="fund",
    ),
    "fee-to-venue": case(DECEMBER, "okx", residual_owner="fund", fee_rate=0.005, fee_owner="venue", seed=7),
    # what is left without candidates
    **{
        f"exhausted-{left.replace('_', '-')}": case(
            TARIFF, "hyperliquid", CROSS, POOR, on_exhausted=left, ranking=ranking, close_price=close, max_candidates=3,
            losers="excluded", fund_start_usd=0.0,
        )
        for left, ranking, close in (
            ("uncovered", "hyperliquid", "previous_mark"),
            ("fund_negative", "htx", "mark"),
            ("waits", "aevo", "bankruptcy"),
            ("socialised_winners", "extended", "previous_mark"),
            ("socialised_both", "ethereal", "mark"),
        )
    },
    "ranking-bitmex": case(TARIFF, "binanceusdm", CROSS, POOR, ranking="bitmex", losers="ranked", queue_not_reached=5),
    "pro-rata-cross": case(
        TARIFF, "hyperliquid", CROSS, POOR, adl_allocation="pro_rata", losers="last", on_exhausted="waits",
        positions=3000,
    ),
    "pro-rata-at-bankruptcy": case(
        TARIFF, "binanceusdm", THREE, POOR, adl_allocation="pro_rata", losers="excluded", positions=3000,
    ),
    "pro-rata-fund-inventory": case(
        TARIFF, "bybit", THREE, POOR, TAKES_ALL, adl_allocation="pro_rata", fund_pools="isolated", positions=3000,
    ),
    "ranking-random": case(
        TARIFF, "binanceusdm", THREE, POOR, ranking="random", losers="excluded", queue_not_reached=0, seed=3
    ),
    "ranking-none": case(TARIFF, "deribit", THREE, book_of="hyperliquid", ranking="none", fund_start_usd=1e5),
    # prices
    "impact-none": case(YEN, "hyperliquid", impact="none", mark_half_life_s=0.0),
    "impact-linear": case(
        TARIFF, "hyperliquid", THREE, impact="linear", impact_y=2.0, participation_frac=0.5, liquidity_factor=0.5
    ),
    "impact-depth": case(DECEMBER, "binanceusdm", impact="depth", lake=(depth(DECEMBER, 4, 120),)),
    "feedback-vault": case(TARIFF, "hyperliquid", CROSS, path="feedback", liquidity_factor=0.3),
    "feedback-inverse": case(
        COVID, "bitmex", path="feedback", liquidity_factor=0.5, max_rounds=4, feedback_half_life_s=60.0
    ),
    "feedback-linear": case(DECEMBER, "okx", path="feedback", impact="linear", impact_y=3.0, liquidity_factor=0.2),
    "measured-mark": case(
        YEN, "binanceusdm",
        lake=(bars("binanceusdm", "BTC/USDT:USDT", "mark_ohlcv", YEN, range(6, 7), (51_800.0, 48_900.0, 51_000.0)),),
    ),
    # funding
    "funding-oracle-and-fills": case(
        TARIFF, "hyperliquid", coins=("BTC",),
        lake=(
            fills(),
            rates(*HL_BTC, TARIFF, {18: 0.01, 19: 0.05, 20: -0.002, 21: 0.03, 22: -0.06, 23: 0.001}),
            bars(*HL_BTC, "index_ohlcv", TARIFF, range(18, 22), (121_000.0, 108_000.0, 113_000.0)),
        ),
    ),
    "funding-cross": case(
        TARIFF, "dydx", CROSS,
        lake=tuple(
            rates("dydx", f"{coin}/USDC:USDC", TARIFF, {21: rate, 22: -rate})
            for coin, rate in (("BTC", 0.004), ("SOL", -0.006), ("XRP", 0.0123456789))
        ),
    ),
    "funding-mark": case(
        DECEMBER, "binanceusdm", lake=(rates("binanceusdm", "BTC/USDT:USDT", DECEMBER, {5: 0.02}),)
    ),
    "funding-inverse": case(
        COVID, "bitmex", lake=(rates("bitmex", "BTC/USD:BTC", COVID, {12: 0.003, 13: -0.002}),)
    ),
    # books of one's own
    "watched": case(
        TARIFF, "hyperliquid", THREE,
        watch=[
            {"name": "mine", "coin": "BTC", **WATCHED},
            {"name": "both", "coin": "SOL", **WATCHED, "size_base": 900.0, "entry_px": 221.0, "margin_mode": "cross"},
            {"name": "both", "coin": "XRP", **WATCHED, "side": "long", "size_base": 2e4, "entry_px": 2.8,
             "margin_mode": "cross"},
        ],
    ),
    "imported-isolated": Case(
        TARIFF, {"venue": "hyperliquid", "coins": ("BTC",), "balance_with_market": True, "vault_capital_usd": 1e4},
        book=_book(600, {"BTC": 119_000.0}, "isolated"),
    ),
    "imported-cross": Case(
        TARIFF, {"venue": "binanceusdm", "coins": ("BTC", "SOL"), "balance_with_market": True, **POOR},
        book=_book(400, {"BTC": 119_000.0, "SOL": 215.0}, "cross"),
    ),
    "book-shape": case(
        YEN, "okx", positions=4000, seed=11, size_sigma=1.8, size_alpha=1.1, size_tail_frac=0.1, size_cap_frac=0.01,
        entry_spread_frac=0.1, leverage_mix={"default": [[0, 3, 0.2], [3, 10, 0.4], [10, 0, 0.4]]}, fund_start_usd=1e5,
    ),
}  # fmt: skip


@contextmanager
def in_workspace() -> Iterator[None]:
    """Give what runs inside a workspace of its own."""
    before = os.environ.get("CRASHBOOK_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CRASHBOOK_HOME"] = folder
        try:
            yield
        finally:
            del os.environ["CRASHBOOK_HOME"]
            if before is not None:
                os.environ["CRASHBOOK_HOME"] = before


def run_case(one: Case) -> Run:
    """Run a scenario in the workspace at hand."""
    for rows in one.lake:
        rows.put()
    book = pl.read_csv(one.book.encode(), infer_schema=False) if one.book else None
    return replay(one.event, positions=book, **one.fields) if book is not None else replay(one.event, **one.fields)
