"""A run that never ran: frames of the query contract with the magnitudes of 10 October 2025.

Prices are the committed minute bars; everything else follows from them by a few lines of arithmetic, so that the
report has something plausible to show without an engine. Nothing here is a result.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backtest.query import Query, get_query

EVIL = "<script>alert(1)</script>'\"&$x$"
ROOT = Path(__file__).resolve().parents[2]
START, END = datetime(2025, 10, 10, 20, 40), datetime(2025, 10, 10, 22, 20)
OPEN_INTEREST = {"BTC": 4.48e9, "SOL": 1.55e9, "XRP": 0.208e9, "DOGE": 0.132e9, "LINK": 0.14e9}
COHORTS = ("0-3x", "3-7x", "above 7x")
ADL_AT = datetime(2025, 10, 10, 21, 16, 4)


@dataclass(frozen=True)
class FakeAudit:
    """Stands for the outcome of one audit."""

    name: str
    title: str
    rows: int
    passed: bool


def bars(coin: str) -> pl.DataFrame:
    """Return the minute bars of the window, walked as open, high or low, low or high, close."""
    name = f"binanceusdm_{coin}USDT_1m_2025-10-10.csv"
    folder = next(f for f in (ROOT / "data/sample", ROOT.parent / "shared/data/excerpts") if (f / name).exists())
    rows: list[dict[str, Any]] = []
    mark = 0.0
    with (folder / name).open() as lines:
        for bar in csv.DictReader(lines):
            ts = datetime.fromtimestamp(int(bar["ts"]) / 1000, UTC).replace(tzinfo=None)
            if not START <= ts < END:
                continue
            o, h, low, c = (float(bar[k]) for k in ("open", "high", "low", "close"))
            first, second = (h, low) if h - o < o - low else (low, h)
            for i, px in enumerate((o, first, second, c)):
                mark = px if not rows else mark + (px - mark) * 0.37
                rows.append({"ts": ts + timedelta(seconds=20 * i), "trade_px": px, "mark_px": round(mark, 6),
                             "gap": i == 0, "bridged": False, "trade_low_px": low, "trade_high_px": h})
    return pl.DataFrame(rows)


def money(frame: pl.DataFrame) -> pl.DataFrame:
    """Cast what is exact in the tables of a run to exact decimals."""
    return frame.with_columns(pl.col(c).cast(pl.Decimal(38, 6)) for c in frame.columns if c.endswith("_usd"))


@dataclass
class FakeRun:
    """Answers the named queries of the contract."""

    coins: tuple[str, ...] = ("BTC", "SOL", "XRP", "DOGE", "LINK")
    liquidated: bool = True
    adl: bool = True
    pool: str = "vault"
    watch: bool = False
    seeds: int = 0
    tag: str = ""
    failing_audit: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.adl = self.adl and self.liquidated
        self.paths = {coin: bars(coin) for coin in self.coins}
        self.symbols = {coin: f"{coin}/USDT:USDT{self.tag}" for coin in self.coins}
        self.rng = np.random.default_rng(7)
        self.minutes = {coin: self._minutes(coin) for coin in self.coins}
        self.queue = self._queue()
        self.meta = self._meta()

    # --- the interface of a run ---

    def query(self, name: str, /, **params: Any) -> pl.DataFrame:
        """Return the frame of a named query."""
        self.asked.append(name)
        made = getattr(self, f"q_{name}")(**params)
        return money(made) if made.width else made

    def query_text(self, name: str, /) -> Query:
        """Return the query file."""
        return get_query(name)

    def audits(self) -> list[FakeAudit]:
        """Return the outcome of the audits."""
        names = ("ledger_sums_to_zero", "lots_sum_to_zero", "open_interest_balanced", "fund_movements_match_balance",
                 "adl_opposite_side_only", "adl_follows_rank", "shortfall_fully_allocated", "steps_residual_zero")
        return [FakeAudit(n, n.replace("_", " ").capitalize(), 3 * (self.failing_audit and i == 2),
                          not (self.failing_audit and i == 2)) for i, n in enumerate(names)]

    # --- frames ---

    def _minutes(self, coin: str) -> pl.DataFrame:
        path = self.paths[coin].with_columns(pl.col("ts").dt.truncate("1m").alias("minute_ts"))
        by = path.group_by("minute_ts", maintain_order=True).agg(pl.col("mark_px").min().alias("low"), pl.col("mark_px").max().alias("high"))
        low = by["low"].cum_min().to_numpy()
        drop = np.diff(low, prepend=low[0]) / low[0]
        longs = np.maximum(-drop - 0.004, 0) * OPEN_INTEREST[coin] * 3.2
        rise = np.maximum(by["high"].to_numpy() / by["low"].to_numpy() - 1.02, 0)
        shorts = np.where(np.arange(len(low)) > 37, rise, 0) * OPEN_INTEREST[coin] * 0.08
        if not self.liquidated:
            longs, shorts = longs * 0, shorts * 0
        frame = pl.DataFrame({"minute_ts": by["minute_ts"], "long_usd": longs, "short_usd": shorts})
        frame = frame.with_columns(((pl.col("long_usd") + pl.col("short_usd")) / 140_000).ceil().cast(pl.Int64).alias("liquidations"))
        return frame.filter(pl.col("liquidations") > 0).with_columns((pl.col("long_usd") + pl.col("short_usd")).cum_sum().alias("cumulative_usd"))

    def total(self, coin: str | None = None) -> float:
        """Return the liquidated notional of one coin or of all."""
        coins = [coin] if coin else list(self.coins)
        return float(sum(self.minutes[c]["long_usd"].sum() + self.minutes[c]["short_usd"].sum() for c in coins))

    def _coin(self, symbol: str) -> str:
        return next(c for c, s in self.symbols.items() if s == symbol)

    def q_run_summary(self) -> pl.DataFrame:
        """One row: the headline numbers."""
        total, adl = self.total(), self.total() * 0.52 if self.adl else 0.0
        shorts = float(sum(m["short_usd"].sum() for m in self.minutes.values()))
        moves = self.q_price_moves()
        worst = moves.sort("move_to_low_frac").row(0, named=True)
        fund, start = (0.0, 50e6) if self.pool == "vault" else (1.2e9, 0.0)
        return pl.DataFrame([{
            "event_id": "2025-10-10", "venue": "hyperliquid", "symbols": ",".join(self.symbols.values()), "policy": "hyperliquid",
            "seed": 1, "start_ts": START, "end_ts": END, "accounts": 100_000, "positions": 100_000,
            "open_interest_usd": sum(OPEN_INTEREST[c] for c in self.coins),
            "liquidations": sum(int(m["liquidations"].sum()) for m in self.minutes.values()),
            "liquidated_long_usd": total - shorts, "liquidated_short_usd": shorts, "liquidated_usd": total,
            "liquidated_long_share_frac": (total - shorts) / total if total else None,
            "first_liquidation_ts": datetime(2025, 10, 10, 20, 51, 12, 345678) if self.liquidated else None,
            "pool": self.pool, "pool_start_usd": fund + start, "pool_end_usd": fund + start + 31e6 * self.adl,
            "pool_low_usd": (-38_412_345.678901 if self.pool == "vault" else 1.04e9) if self.adl else fund + start,
            "pool_low_ts": datetime(2025, 10, 10, 21, 19, 40) if self.liquidated else START,
            "fund_start_usd": fund, "fund_end_usd": fund, "fund_low_usd": fund * 0.9,
            "vault_start_usd": start, "vault_end_usd": start + 31e6 * self.adl, "vault_low_usd": -38_412_345.678901 * self.adl,
            "adl_usd": adl, "adl_positions": 4211 * self.adl, "adl_accounts": 4190 * self.adl, "adl_waves": 61 * self.adl,
            "first_adl_ts": ADL_AT if self.adl else None, "first_adl_after_s": 1491.654 if self.adl else None,
            "adl_share_frac": adl / total if total else None, "adl_lots_from_pool_frac": 0.913 if self.adl else None,
            "uncovered_usd": -1_203_456.789 * self.adl, "residual_usd": 0.0,
            "worst_symbol": worst["symbol"], "worst_move_frac": worst["move_to_low_frac"],
        }])

    def q_price_moves(self) -> pl.DataFrame:
        """Per symbol: first, low, last."""
        rows = []
        for coin, path in self.paths.items():
            first, low = path["trade_px"][0], path["trade_px"].min()
            at = path.row(int(path["trade_px"].arg_min() or 0), named=True)
            mark = path.row(int(path["mark_px"].arg_min() or 0), named=True)
            rows.append({"symbol": self.symbols[coin], "first_px": first, "low_px": low, "low_ts": at["ts"], "high_px": path["trade_px"].max(),
                         "last_px": path["trade_px"][-1], "move_to_low_frac": low / first - 1, "mark_low_px": mark["mark_px"],
                         "mark_low_ts": mark["ts"], "mark_move_to_low_frac": mark["mark_px"] / first - 1})
        return pl.DataFrame(rows)

    def q_price_path(self, symbol: str) -> pl.DataFrame:
        """The path of one symbol, three bars carried flat in one of them."""
        path = self.paths[self._coin(symbol)]
        hole = pl.col("ts").is_between(datetime(2025, 10, 10, 22, 2), datetime(2025, 10, 10, 22, 6))
        return path.with_columns(hole.alias("bridged")) if self._coin(symbol) == "BTC" else path

    def q_liquidations_per_minute(self, symbol: str | None = None) -> pl.DataFrame:
        """Per minute, one symbol or all."""
        if symbol:
            return self.minutes[self._coin(symbol)]
        every = pl.concat(self.minutes.values()).group_by("minute_ts").agg(pl.col("long_usd", "short_usd", "liquidations").sum())
        return every.sort("minute_ts").with_columns((pl.col("long_usd") + pl.col("short_usd")).cum_sum().alias("cumulative_usd"))

    def q_liquidations_by_cohort(self) -> pl.DataFrame:
        """Per symbol, cohort, side."""
        mix, hit = (0.3, 0.4, 0.3), (0.02, 0.21, 0.74)
        rows = []
        for coin in self.coins:
            for k, cohort in enumerate(COHORTS):
                for side, scale in (("long", 1.0), ("short", 0.03)):
                    opening = OPEN_INTEREST[coin] * mix[k]
                    share = min(hit[k] * scale * (0.4 if coin == "BTC" else 1.1), 1.0) * self.liquidated
                    rows.append({"symbol": self.symbols[coin], "cohort": cohort + self.tag, "side": side, "positions": int(opening / 2e5),
                                 "opening_notional_usd": opening, "liquidations": int(opening * share / 2e5),
                                 "liquidated_usd": opening * share, "liquidated_share_frac": share})
        return pl.DataFrame(rows)

    def q_liquidation_price_map(self, symbol: str | None = None, bins: int = 60) -> pl.DataFrame:
        """The opening book by liquidation price."""
        coin = self._coin(symbol) if symbol else self.coins[0]
        path = self.paths[coin]
        first, low, high = path["mark_px"][0], path["mark_px"].min(), path["mark_px"].max()
        rows = []
        for side, sign in (("long", -1), ("short", 1)):
            leverage = np.concatenate([self.rng.uniform(1.3, 3, 300), self.rng.uniform(3, 7, 700), self.rng.uniform(7, 38, 1400)])
            px = first * (1 + sign / leverage) * self.rng.normal(1, 0.01, len(leverage))
            usd = OPEN_INTEREST[coin] * self.rng.pareto(2.5, len(px)) / len(px)
            edges = np.linspace(0.2 * first, 1.9 * first, bins + 1)
            sums = np.histogram(px, edges, weights=usd)[0]
            rows += [{"bin_low_px": a, "bin_high_px": b, "side": side, "notional_usd": v, "reached": low <= (a + b) / 2 <= high}
                     for a, b, v in zip(edges, edges[1:], sums, strict=False) if v]
        return pl.DataFrame(rows)

    def q_largest_liquidations(self, limit: int = 20) -> pl.DataFrame:
        """The largest ones."""
        n = limit if self.liquidated else 0
        symbol, px = self.symbols[self.coins[0]], 109_000.0
        return pl.DataFrame([{"rank": i + 1, "ts": datetime(2025, 10, 10, 21, 14) + timedelta(seconds=7 * i), "symbol": symbol, "side": "long",
                              "account_id": 1000 + 37 * i, "cohort": COHORTS[2] + self.tag, "notional_usd": 61e6 / (i + 1), "mark_px": px - 50 * i,
                              "bankruptcy_px": px - 50 * i - 900, "book_lots": 100, "takeover_lots": 300, "adl_lots": 0, "lots": 400,
                              "book_share_frac": 0.25} for i in range(n)],
                            schema_overrides={"notional_usd": pl.Float64}, schema=None if n else self.LARGEST)

    LARGEST = {"rank": pl.Int64, "ts": pl.Datetime, "symbol": pl.String, "side": pl.String, "account_id": pl.Int64, "cohort": pl.String,
               "notional_usd": pl.Float64, "mark_px": pl.Float64, "bankruptcy_px": pl.Float64, "book_lots": pl.Int64,
               "takeover_lots": pl.Int64, "adl_lots": pl.Int64, "lots": pl.Int64, "book_share_frac": pl.Float64}

    def q_cascades(self) -> pl.DataFrame:
        """Runs of steps with liquidations."""
        total = self.total()
        rows = [{"cascade_id": i + 1, "start_ts": START + timedelta(minutes=m), "end_ts": START + timedelta(minutes=m, seconds=d), "duration_s": float(d),
                 "steps": d // 20, "liquidations": int(total * f / 1.4e5), "liquidated_usd": total * f, "largest_step_usd": total * f / 3,
                 "symbols": ", ".join(list(self.symbols.values())[: k])} for i, (m, d, f, k) in enumerate([(11, 80, 0.01, 1), (30, 1240, 0.95, 5), (58, 140, 0.04, 2)])]
        return pl.DataFrame(rows) if self.liquidated else pl.DataFrame(rows).clear()

    def q_liquidity_pressure(self) -> pl.DataFrame:
        """Orders against liquidity."""
        parts = []
        for coin, minutes in self.minutes.items():
            ordered = (minutes["long_usd"] + minutes["short_usd"]).to_numpy()
            ratio = ordered / (OPEN_INTEREST[coin] * 0.012) * self.rng.lognormal(0, 0.3, len(ordered))
            parts.append(pl.DataFrame({"minute_ts": minutes["minute_ts"], "symbol": [self.symbols[coin]] * len(ordered), "ordered_usd": ordered,
                                       "book_usd": ordered * np.minimum(1, 0.6 / np.maximum(ratio, 0.6)), "pressure_ratio": ratio,
                                       "book_share_frac": np.minimum(1, 0.6 / np.maximum(ratio, 0.6))}))
        return pl.concat(parts).sort("minute_ts", "symbol")

    def q_fund_balance(self) -> pl.DataFrame:
        """Steps of cash and equity."""
        t = np.arange(0, 100, 0.5)
        start, depth = (50e6, 90e6) if self.pool == "vault" else (1.2e9, 160e6)
        shape = np.exp(-(((t - 39.7) / 4) ** 2)) * (t >= 33) * self.liquidated
        equity = start - depth * shape + 31e6 * np.clip((t - 45) / 30, 0, 1) * self.adl
        cash = equity + 220e6 * np.exp(-(((t - 41) / 7) ** 2)) * (t >= 33) * self.liquidated * -1
        return pl.DataFrame({"step": (t * 4).astype(int), "ts": [START + timedelta(minutes=float(m)) for m in t], "pool": [self.pool] * len(t),
                             "cash_usd": cash, "equity_usd": equity})

    def q_fund_flows(self) -> pl.DataFrame:
        """Flows by cause."""
        flows = [("takeover", 412, 412, 310e6, -12e6), ("adl", 61, 61, 1.2e6, -420e6), ("unwind", 88, 88, 260e6, -109e6), ("funding", 3, 0, 0.0, -0.2e6)]
        rows = [{"pool": self.pool, "cause": c, "movements": n, "lots_movements": m, "inflow_usd": i, "outflow_usd": o, "net_usd": i + o} for c, n, m, i, o in flows]
        return pl.DataFrame(rows) if self.liquidated else pl.DataFrame(rows).clear()

    def q_loss_waterfall(self) -> pl.DataFrame:
        """An identity that sums to zero."""
        k = float(self.liquidated)
        stages = [("losses of liquidated positions", -412_345_678.123456, "entry to the price at which they left"),
                  ("paid by their collateral", 431_000_000.0, "posted at the start, funding included"),
                  ("given back to accounts", -61_000_000.5, "residual collateral"), ("fees", -1_250_000.25, "to the venue"),
                  ("vault", 31_000_000.0, "cash change and inventory at the last mark"), ("winners closed by ADL", 11_392_222.084456, "against mark"),
                  ("uncovered", 1_203_456.789, "losses nobody could bear")]
        return pl.DataFrame([{"stage_no": i + 1, "stage": s, "amount_usd": v * k, "note": n} for i, (s, v, n) in enumerate(stages)])

    def _queue(self) -> pl.DataFrame:
        n = 70
        usd = np.sort(self.rng.pareto(1.3, n) * 2.2e6 + 2e5)[::-1]
        usd = usd[self.rng.permutation(n)]
        ahead = np.concatenate([[0.0], np.cumsum(usd)[:-1]])
        lots = (usd / 109).astype(int)
        closed = np.where(np.arange(n) < 54, lots, 0)
        closed[54] = int(lots[54] * 0.37)
        status = ["closed"] * 54 + ["partial"] + ["spared"] * (n - 55)
        status[17], closed[17] = "skipped", 0
        return pl.DataFrame({
            "wave_id": [7] * n, "rank": np.arange(1, n + 1), "account_id": self.rng.choice(100_000, n, replace=False), "side": ["short"] * n,
            "cohort": [COHORTS[2 - (i > 20)] + self.tag for i in range(n)], "lots": lots, "notional_usd": usd, "score": np.sort(self.rng.lognormal(1, 0.8, n))[::-1],
            "pnl_usd": usd * self.rng.uniform(0.03, 0.2, n), "leverage": self.rng.lognormal(1, 0.7, n), "notional_ahead_usd": ahead,
            "closed_lots": closed, "closed_frac": closed / lots, "status": status, "close_px": [109_120.5 if s in ("closed", "partial") else None for s in status],
            "mark_px": [109_061.0] * n, "forgone_usd": closed * 109 * 0.012})

    def q_adl_waves(self, symbol: str | None = None) -> pl.DataFrame:
        """The waves."""
        rows = []
        for i in range(61):
            coin = self.coins[i % len(self.coins)]
            usd = OPEN_INTEREST[coin] * 0.04 / (1 + abs(i - 6))
            ts = ADL_AT + timedelta(seconds=17 * i) if i else ADL_AT
            rows.append({"wave_id": i + 1, "ts": ts, "symbol": self.symbols[coin], "bankrupt_side": "long", "source": self.pool if i % 4 else "account",
                         "bankrupts": 1 + i % 5, "candidates": 48_211 - 30 * i, "lots_wanted": int(usd / 100), "lots_closed": int(usd / 100), "lots_unmatched": 0,
                         "notional_usd": usd, "winners": 40 + i, "skipped": int(i == 6), "close_rule": "previous_mark", "mark_px": 109_061.0, "previous_mark_px": 109_120.5})
        frame = pl.DataFrame(rows)
        if not self.adl:
            frame = frame.clear()
        return frame.filter(pl.col("symbol") == symbol) if symbol else frame

    def q_adl_selection_order(self, wave_id: int | None = None, limit: int = 50) -> pl.DataFrame:
        """The queue."""
        return self.queue if self.adl else self.queue.clear()

    def q_adl_haircut_by_rank(self, wave_id: int | None = None) -> pl.DataFrame:
        """The share closed."""
        frame = self.queue.select("rank", pl.col("closed_frac").alias("haircut_frac"), "notional_usd", "status")
        return frame if self.adl else frame.clear()

    def q_adl_concentration(self) -> pl.DataFrame:
        """The Lorenz curve."""
        v = np.sort(self.queue["notional_usd"].to_numpy())
        y = np.cumsum(v) / v.sum()
        n = len(v)
        frame = pl.DataFrame({"point_no": np.arange(1, n + 1), "accounts_frac": np.arange(1, n + 1) / n, "adl_frac": y, "gini_frac": [0.612] * n, "top10_share_frac": [0.583] * n})
        return frame if self.adl else frame.clear()

    def q_adl_by_cohort(self) -> pl.DataFrame:
        """By cohort."""
        adl = self.total() * 0.52
        rows = [{"cohort": c + self.tag, "side": "short", "accounts": 900 * (i + 1), "closed_usd": adl * f, "share_frac": f, "mean_leverage": v}
                for i, (c, f, v) in enumerate(zip(COHORTS, (0.12, 0.31, 0.57), (1.9, 4.8, 13.2), strict=True))]
        return pl.DataFrame(rows) if self.adl else pl.DataFrame(rows).clear()

    def q_adl_first_closed(self) -> pl.DataFrame:
        """The first winner closed."""
        frame = pl.DataFrame([{"ts": ADL_AT, "symbol": self.symbols[self.coins[0]], "side": "short", "account_id": 48_213, "notional_usd": 12_345_678.9, "closed_usd": 12_345_678.9,
                               "close_px": 109_120.5, "mark_px": 109_061.0, "entry_px": 117_420.3, "realized_usd": 938_211.4, "immediate_usd": -6_735.12, "forgone_usd": -401_222.7, "leverage": 18.4}])
        return frame if self.adl else frame.clear()

    def q_forgone_pnl(self, limit: int = 10) -> pl.DataFrame:
        """What winners missed."""
        rows = [{"account_id": 100 + i, "symbol": self.symbols[self.coins[0]], "side": "short", "closed_usd": 9e6 / (i + 1), "close_px": 109_120.5, "last_mark_px": 112_880.0,
                 "immediate_usd": -4000.5 / (i + 1), "forgone_usd": (-1) ** i * 2.1e6 / (i + 1), "best_forgone_usd": 6.1e5 / (i + 1)} for i in range(limit)]
        return pl.DataFrame(rows) if self.adl else pl.DataFrame(rows).clear()

    def q_adl_impact_by_symbol(self) -> pl.DataFrame:
        """By symbol."""
        rows = [{"symbol": self.symbols[c], "liquidated_usd": self.total(c), "adl_usd": self.total(c) * 0.52 * self.adl, "adl_share_frac": 0.52 * self.adl, "waves": 61 // len(self.coins) * self.adl,
                 "positions": 900 * self.adl, "first_adl_ts": ADL_AT if self.adl else None, "mean_close_px": self.paths[c]["mark_px"].min() if self.adl else None} for c in self.coins]
        return pl.DataFrame(rows)

    def q_hedges(self) -> pl.DataFrame:
        """Watched positions."""
        rows = [{"name": f"desk A short BTC{self.tag}", "symbol": self.symbols["BTC"], "side": "short", "hedged": True, "account_id": 100_000, "opening_lots": 25_000, "closed_lots": 15_400,
                 "first_close_ts": ADL_AT + timedelta(minutes=3), "mean_close_px": 108_912.4, "mean_mark_px": 108_870.0, "immediate_usd": -652.9, "naked_base": 15.4, "naked_usd": 1_676_600.2,
                 "naked_s": 3656.0, "waves": 12, "best_rank": 41, "lowest_notional_ahead_usd": 61_200_000.0, "fate": "part_deleveraged"},
                {"name": f"small long SOL{self.tag}", "symbol": self.symbols[self.coins[-1]], "side": "long", "hedged": False, "account_id": 100_001, "opening_lots": 900, "closed_lots": 0,
                 "first_close_ts": None, "mean_close_px": None, "mean_mark_px": None, "immediate_usd": 0.0, "naked_base": 0.0, "naked_usd": 0.0, "naked_s": None, "waves": 0, "best_rank": None,
                 "lowest_notional_ahead_usd": None, "fate": "open"}]
        return pl.DataFrame(rows) if self.watch else pl.DataFrame(rows).clear()

    def q_watch_ranks(self, name: str | None = None) -> pl.DataFrame:
        """Ranks minute by minute."""
        rows = []
        for i in range(12):
            rank = 40_000 // (1 + i * i) + 41
            rows.append({"ts": ADL_AT + timedelta(seconds=31 * i), "name": f"desk A short BTC{self.tag}", "symbol": self.symbols["BTC"], "wave_id": i + 1, "in_queue": i != 3, "rank": rank if i != 3 else None,
                         "candidates": 48_000, "notional_ahead_usd": rank * 41_000.0, "lights": 5 - min(4, rank * 5 // 48_000), "closed_lots": 15_400 if i == 8 else 0, "close_px": 108_912.4 if i == 8 else None, "mark_px": 108_870.0})
        frame = pl.DataFrame(rows)
        return frame.filter(pl.col("name") == name) if name else frame

    def q_funding_flows(self) -> pl.DataFrame:
        """Funding by side."""
        rows = [{"symbol": self.symbols[c], "side": s, "cohort": COHORTS[0] + self.tag, "events": 1, "amount_usd": (-1) ** (s == "long") * 12_345.678} for c in self.coins for s in ("long", "short")]
        return pl.DataFrame(rows)

    def q_data_coverage(self) -> pl.DataFrame:
        """What data there was."""
        rows = [{"series": "ohlcv", "symbol": s, "source": f"binanceusdm_{c}USDT_1m_2025-10-10.csv{self.tag}", "label": "proxy", "expected_rows": 100, "rows": 100, "gaps": 0, "longest_gap_s": 0,
                 "duplicates": 0, "bridged": 5 * (c == "BTC"), "first_ts": START, "last_ts": END, "sha256": "ab" * 32, "note": "trade prices only: the mark is a model"} for c, s in self.symbols.items()]
        return pl.DataFrame(rows)

    def q_window_metrics(self, start: datetime, end: datetime, coin: str | None = None) -> pl.DataFrame:
        """Figures inside a window."""
        if coin is not None and coin not in self.coins:
            return pl.DataFrame([{"liquidated_notional_usd": 0.0, "liquidated_long_share_frac": None, "adl_notional_usd": 0.0, "adl_positions": 0, "adl_onset_s": None, "price_low": None, "price_move_frac": None}])
        path = self.paths[coin or self.coins[0]]
        first, low = path["trade_px"][0], path["trade_px"].min()
        total = self.total(coin)
        return pl.DataFrame([{"liquidated_notional_usd": total, "liquidated_long_share_frac": 0.97, "adl_notional_usd": total * 0.52 * self.adl, "adl_positions": 4211 * self.adl,
                              "adl_onset_s": 240.0 if self.adl else None, "price_low": low, "price_move_frac": low / first - 1}])

    # --- run.json ---

    def _meta(self) -> dict[str, Any]:
        source = "https://github.com/ConejoCapital/HyperMultiAssetedADL"
        win = {"start": "2025-10-10T21:15:00", "end": "2025-10-10T21:27:00"}
        coins = {"BTC": (1_789_607_763.72, 620_890_947.73), "SOL": (618_098_440.07, 276_200_960.58), "XRP": (83_070_003.27, 31_422_285.06), "DOGE": (52_836_035.02, 16_487_948.01)}
        facts: list[dict[str, Any]] = []
        compare: list[dict[str, Any]] = []
        for coin, (liquidated, adl) in coins.items():
            for what, value, metric in (("liquidated_notional", liquidated, "liquidated_notional_usd"), ("adl_notional", adl, "adl_notional_usd")):
                facts.append({"id": f"{what}_{coin.lower()}", "what": what, "value": value, "unit": "usd", "coin": coin, "venue": "hyperliquid", "source": source, "grade": "A", "mark": "S",
                              "note": "gross: very likely contains the other side of every ADL fill" if what.startswith("liq") else "", **win})
                if coin in self.coins:
                    compare.append({"fact": f"{what}_{coin.lower()}", "metric": metric, "coin": coin, "how": "ratio", "note": f"isolated margin only{self.tag}", **win})
        facts += [{"id": "adl_onset", "what": "adl_onset_s", "value": 61.7, "unit": "s", "venue": "hyperliquid", "source": source, "grade": "A", "mark": "S", "note": "left-censored", **win},
                  {"id": "btc_move", "what": "price_move", "value": -0.131, "unit": "frac", "coin": "BTC", "source": "URL not kept", "grade": "B", "mark": "S", "conflicts_with": ["btc_move_2"], **win},
                  {"id": "btc_move_2", "what": "price_move", "low": -0.17, "high": -0.16, "unit": "frac", "coin": "BTC", "source": "javascript:alert(1)", "grade": "C", "mark": "S", "note": "other venues"}]
        compare += [{"fact": "adl_onset", "metric": "adl_onset_s", "how": "bar", "note": "minute bars resolve about 15 s; the data window opens at 21:15:00", **win},
                    {"fact": "btc_move", "metric": "price_move_frac", "coin": "BTC", "how": "ratio", "note": "", **win}]
        summary = self.q_run_summary().row(0, named=True)
        spread = self.rng.lognormal(0, 0.12, self.seeds)
        return {
            "run_id": "3f9c1ab27d04", "watch": self.watch, "seeds": [f"{i:012x}" for i in range(self.seeds)],
            "event": {"id": "2025-10-10", "title": f"Tariff crash, 10 October 2025{self.tag}", "grade": "A", "core_start": "2025-10-10T20:50:00", "core_end": "2025-10-10T21:30:00",
                      "summary": f"A tariff announcement on a Friday evening ended in the largest liquidation day on record. On Hyperliquid the auto-deleveraging is known fill by fill.{self.tag}",
                      "facts": facts, "compare": compare, "notes": ["Price paths differ by venue: some Binance-only wicks drove marks."]},
            "venue": {"id": "hyperliquid", "name": f"Hyperliquid{self.tag}", "notes": ["rules as of 2025-10"], "sources": [{"id": "docs", "title": "Venue documentation", "url": "https://example.org/docs"}],
                      "simplified": [{"point": "margin mode", "venue_rule": "cross and isolated margin", "runs_here": "isolated margin only"}, {"point": "liquidator vault", "venue_rule": "several child vaults", "runs_here": "one cross account over all symbols"}],
                      "unverified": ["vault capital: not published, 50M USD assumed", "lot rounding of ADL slices"]},
            "labels": {"prices": {"badge": "proxy", "text": "Binance USD-M minute bars stand in for Hyperliquid's prices"}, "open_interest": {"badge": "modelled", "text": "13.8B USD total, allocated by liquidated notional"},
                       "book": {"badge": "modelled", "text": f"synthetic, seed 1{self.tag}"}, "mark": {"badge": "modelled", "text": "EMA of trade prices, 30 s half-life"}, "liquidity": {"badge": "modelled", "text": "recorded volume times a scale per coin"}},
            "assumptions": ["The recorded volume of the crash is largely the cascade itself, so all of it may be hit.", "Open interest is allocated by liquidated notional, which is circular."],
            "not_simulated": ["cross-margin contagion", "voluntary closing, stops and top-ups", "outages"],
            "versions": {"crashbook": "0.1.0", "python": "3.11.2", "duckdb": "2.0.0", "polars": "2.1.0", "numpy": "2.4.6"}, "flags": [f"pre-roll of 10 minutes is shorter than the 8 hours wanted{self.tag}"],
            "scenario": {"seed": 1}, "scenario_toml": f'event = "2025-10-10"\nvenue = "hyperliquid"\nseed = 1\n# {self.tag}\n',
            "sensitivity": [{"label": f"{n}{self.tag}", "metrics": {"liquidated_usd": 1.58e9 * a, "adl_usd": 8.4e8 * b, "pool_low_usd": -4.1e7 * b}} for n, a, b in
                            (("vault 25M", 0.97, 1.02), ("vault 100M", 0.98, 0.8), ("liquidity halved", 1.3, 1.6), ("mark EMA 10 s", 1.2, 1.3), ("mark EMA 60 s", 0.8, 0.7), ("vault 200M, early unwind", 0.9, 0.0))],
            "seed_summaries": [{**summary, "seed": i, "liquidated_usd": float(summary["liquidated_usd"]) * f, "adl_usd": float(summary["adl_usd"]) * f**2, "pool_low_usd": float(summary["pool_low_usd"]) * f}
                               for i, f in enumerate(spread)],
        }
