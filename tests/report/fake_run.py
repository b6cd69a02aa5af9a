"""A run that never ran: frames of the query contract with the magnitudes of 10 October 2025.

Prices are the committed minute bars; everything else follows from them by a few lines of arithmetic, so that every
branch of the report has something plausible to show without an engine. Nothing here is a result.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from backtest.run.meta import RunMeta, decode
from backtest.run.stored import Studies
from backtest.sql.files import get_query
from backtest.sql.header import Query
from tests.report import fake_meta

EVIL = "<script>alert(1)</script>'\"&$x$"
FOLDERS = (Path(__file__).parents[2] / "data/sample", Path(__file__).parents[3] / "shared/data/excerpts")
OPEN_INTEREST = {"BTC": 4.48e9, "SOL": 1.55e9, "XRP": 0.208e9, "DOGE": 0.132e9, "LINK": 0.14e9}
COHORTS = ("0-3x", "3-7x", "above 7x")


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2025-10-10T{clock}")


START, END, ADL_AT = at("20:40:00"), at("22:20:00"), at("21:16:04")


@dataclass(frozen=True)
class FakeAudit:
    name: str
    title: str
    rows: int
    passed: bool


def frame(names: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return rows as a frame; money becomes exact, names ending in _ts times, even if there is no row."""
    columns = names.split()
    made = pl.DataFrame(
        [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns], schema=columns, strict=False
    )
    return exact(made)


def exact(made: pl.DataFrame) -> pl.DataFrame:
    money = (pl.col(c).cast(pl.Decimal(38, 6)) for c in made.columns if c.endswith("_usd"))
    times = (pl.col(c).cast(pl.Datetime("us")) for c in made.columns if c == "ts" or c.endswith("_ts"))
    return made.with_columns(*money, *times)


def walk(coin: str) -> pl.DataFrame:
    """Return the minute bars of the window, walked as open, one extreme, the other, close, with a damped mark."""
    name = f"binanceusdm_{coin}USDT_1m_2025-10-10.csv"
    folder = next(folder for folder in FOLDERS if (folder / name).exists())
    rows: list[tuple[Any, ...]] = []
    mark = 0.0
    for bar in csv.DictReader((folder / name).read_text().splitlines()):
        ts = datetime.fromtimestamp(int(bar["ts"]) / 1000, UTC).replace(tzinfo=None)
        first, high, low, last = (float(bar[key]) for key in ("open", "high", "low", "close"))
        extremes = (high, low) if high - first < first - low else (low, high)
        for i, px in enumerate((first, *extremes, last)):
            if START <= ts < END:
                mark = mark + (px - mark) * 0.37 if rows else px
                rows.append((ts + timedelta(seconds=20 * i), px, round(mark, 6), i == 0, False, low, high))
    return frame("ts trade_px mark_px jump bridged trade_low_px trade_high_px", *rows)


class FakeRun:
    """Answers the named queries of the contract."""

    def __init__(
        self,
        coins: tuple[str, ...] = tuple(OPEN_INTEREST),
        *,
        liquidated: bool = True,
        adl: bool = True,
        pool: str = "vault",
        watch: bool = False,
        cross: bool = False,
        seeds: int = 0,
        tag: str = "",
        failing_audit: bool = False,
    ) -> None:
        self.coins, self.liquidated, self.pool, self.tag = coins, liquidated, pool, tag
        self.adl, self.watch, self.failing_audit = adl and liquidated, watch, failing_audit
        self.symbols = {coin: f"{coin}/USDT:USDT{tag}" for coin in coins}
        self.paths = {coin: walk(coin) for coin in coins}
        self.minutes = {coin: self._minutes(coin) for coin in coins}
        self.queue = self._queue()
        self.meta_table = fake_meta.meta(tag, watch)
        self.meta_table["cross"] = cross
        self.study_table = fake_meta.studies(self.q_run_summary().row(0, named=True), tag, seeds)

    @property
    def meta(self) -> RunMeta:
        return decode(self.meta_table, RunMeta, "fake")

    @property
    def studies(self) -> Studies:
        return decode(self.study_table, Studies, "fake")

    def query(self, name: str, /, **params: Any) -> pl.DataFrame:
        made: pl.DataFrame = getattr(self, f"q_{name}")(**params)
        return made

    def q_seed_spread(self) -> pl.DataFrame:
        """Ask the real query, of the summaries in the meta data."""
        with duckdb.connect() as con:
            con.register("summaries", self.studies.seeds.frame().to_arrow())
            return con.sql(get_query("seed_spread").sql).pl()

    def query_text(self, name: str, /) -> Query:
        return get_query(name)

    def audits(self) -> list[FakeAudit]:
        names = (
            "ledger_sums_to_zero",
            "lots_sum_to_zero",
            "open_interest_balanced",
            "fund_movements_match_balance",
            "adl_opposite_side_only",
            "adl_follows_rank",
            "shortfall_fully_allocated",
            "steps_residual_zero",
        )
        bad = {"open_interest_balanced": 3} if self.failing_audit else {}
        return [FakeAudit(name, name.replace("_", " "), bad.get(name, 0), name not in bad) for name in names]

    def _if(self, condition: bool, names: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
        made = frame(names, *rows)
        return made if condition else made.clear()

    # --- liquidations ---

    def _minutes(self, coin: str) -> pl.DataFrame:
        by = self.paths[coin].group_by(pl.col("ts").dt.truncate("1m").alias("minute_ts"), maintain_order=True)
        marks = by.agg(pl.col("mark_px").min().alias("low"), pl.col("mark_px").max().alias("high"))
        low = marks["low"].cum_min().to_numpy()
        longs = np.maximum(-np.diff(low, prepend=low[0]) / low[0] - 0.004, 0) * OPEN_INTEREST[coin] * 3.2
        rise = np.maximum((marks["high"] / marks["low"]).to_numpy() - 1.02, 0) * (np.arange(len(low)) > 37)
        made = pl.DataFrame(
            {
                "minute_ts": marks["minute_ts"],
                "long_usd": longs * self.liquidated,
                "short_usd": rise * OPEN_INTEREST[coin] * 0.08 * self.liquidated,
            }
        )
        made = made.with_columns(
            (pl.sum_horizontal("long_usd", "short_usd") / 140_000).ceil().cast(int).alias("liquidations")
        )
        return made.filter(pl.col("liquidations") > 0)

    def total(self, *coins: str) -> float:
        return float(
            sum(self.minutes[c]["long_usd"].sum() + self.minutes[c]["short_usd"].sum() for c in coins or self.coins)
        )

    def coin(self, symbol: str) -> str:
        return next(coin for coin, name in self.symbols.items() if name == symbol)

    def q_liquidations_per_minute(self, symbol: str | None = None) -> pl.DataFrame:
        chosen = [self.minutes[self.coin(symbol)]] if symbol else list(self.minutes.values())
        made = (
            pl.concat(chosen)
            .group_by("minute_ts")
            .agg(pl.col("long_usd", "short_usd", "liquidations").sum())
            .sort("minute_ts")
        )
        return exact(made.with_columns(pl.sum_horizontal("long_usd", "short_usd").cum_sum().alias("cumulative_usd")))

    def q_liquidations_by_cohort(self) -> pl.DataFrame:
        mix, hit = (0.3, 0.4, 0.3), (0.02, 0.21, 0.74)
        rows = []
        for coin, symbol in self.symbols.items():
            for cohort, part, share in zip(COHORTS, mix, hit, strict=True):
                for side, scale in (("long", 1.0), ("short", 0.03)):
                    opening = OPEN_INTEREST[coin] * part
                    gone = share * scale * (0.4 if coin == "BTC" else 1.1) * self.liquidated
                    rows.append(
                        (
                            symbol,
                            cohort + self.tag,
                            side,
                            int(opening / 2e5),
                            opening,
                            int(opening * gone / 2e5),
                            opening * gone,
                            gone,
                        )
                    )
        names = "symbol cohort side positions opening_notional_usd liquidations liquidated_usd liquidated_share_frac"
        return frame(names, *rows)

    def q_liquidation_price_map(self, bins: int = 60) -> pl.DataFrame:
        return pl.concat([self._map(symbol, bins) for symbol in self.symbols.values()])

    def _map(self, symbol: str, bins: int) -> pl.DataFrame:
        coin, rng = self.coin(symbol), np.random.default_rng(7)
        marks = self.paths[coin]["mark_px"]
        first, low, high = marks[0], marks.min(), marks.max()
        rows = []
        for side, sign in (("long", -1), ("short", 1)):
            leverage = np.concatenate([rng.uniform(1.3, 3, 300), rng.uniform(3, 7, 700), rng.uniform(7, 38, 1400)])
            px = first * (1 + sign / leverage) * rng.normal(1, 0.01, len(leverage))
            bounds = np.linspace(0.5 * first, 1.5 * first, bins + 1)
            usd, edges = np.histogram(px, bounds, weights=rng.pareto(2.5, len(px)))
            rows += [
                (a, b, side, v * OPEN_INTEREST[coin] / 2400, bool(b >= low and a <= high), symbol)
                for a, b, v in zip(edges, edges[1:], usd, strict=False)
            ]
        return frame("bin_low_px bin_high_px side notional_usd reached symbol", *rows)

    def q_largest_liquidations(self, limit: int = 20) -> pl.DataFrame:
        rows = [
            (
                i + 1,
                at("21:14:00") + timedelta(seconds=7 * i),
                self.symbols[self.coins[0]],
                "long",
                1000 + 37 * i,
                COHORTS[2] + self.tag,
                61e6 / (i + 1),
                109_000.0 - 50 * i,
                108_100.0 - 50 * i,
                100,
                300,
                0,
                400,
                0.25,
            )
            for i in range(limit)
        ]
        return self._if(
            self.liquidated,
            "rank ts symbol side account_id cohort notional_usd mark_px bankruptcy_px book_lots takeover_lots "
            "adl_lots lots book_share_frac",
            *rows,
        )

    def q_cascades(self) -> pl.DataFrame:
        rows = [
            (
                i + 1,
                START + timedelta(minutes=m),
                START + timedelta(minutes=m, seconds=d),
                float(d),
                d // 20,
                int(self.total() * part / 1.4e5),
                self.total() * part,
                self.total() * part / 3,
                ",".join(list(self.symbols.values())[:k]),
            )
            for i, (m, d, part, k) in enumerate([(11, 80, 0.01, 1), (30, 1240, 0.95, 5), (58, 140, 0.04, 2)])
        ]
        return self._if(
            self.liquidated,
            "cascade_id start_ts end_ts duration_s steps liquidations liquidated_usd largest_step_usd symbols",
            *rows,
        )

    def q_liquidity_pressure(self) -> pl.DataFrame:
        rng, rows = np.random.default_rng(11), []
        for coin, minutes in self.minutes.items():
            for ts, longs, shorts, _ in minutes.iter_rows():
                ratio = (longs + shorts) / (OPEN_INTEREST[coin] * 0.012) * rng.lognormal(0, 0.3)
                took = min(1, 0.6 / ratio)
                rows.append((ts, self.symbols[coin], longs + shorts, (longs + shorts) * took, ratio, took))
        return frame("minute_ts symbol ordered_usd book_usd pressure_ratio book_share_frac", *sorted(rows))

    def q_criticality_by_minute(self) -> pl.DataFrame:
        rows = self.q_liquidity_pressure().filter(pl.col("ordered_usd") > 0)
        ahead, absorbed = pl.col("ordered_usd"), pl.col("ordered_usd") / pl.col("pressure_ratio")
        return rows.select(
            "minute_ts", "symbol", ahead_usd=ahead, absorbed_usd=absorbed, criticality=pl.col("pressure_ratio")
        )

    # --- prices and totals ---

    def q_price_path(self, symbol: str) -> pl.DataFrame:
        hole = pl.col("ts").is_between(at("22:02:00"), at("22:06:00")) & (self.coin(symbol) == "BTC")
        return self.paths[self.coin(symbol)].with_columns(hole.alias("bridged"), tape_mark_px="mark_px")

    def q_price_moves(self) -> pl.DataFrame:
        rows = []
        for coin, path in self.paths.items():
            first, trade = path["trade_px"][0], path["trade_px"]
            low = path.row(int(trade.arg_min() or 0), named=True)
            mark = path.row(int(path["mark_px"].arg_min() or 0), named=True)
            rows.append(
                (
                    self.symbols[coin],
                    first,
                    low["trade_px"],
                    low["ts"],
                    trade.max(),
                    trade[-1],
                    low["trade_px"] / first - 1,
                    mark["mark_px"],
                    mark["ts"],
                    mark["mark_px"] / first - 1,
                )
            )
        names = (
            "symbol first_px low_px low_ts high_px last_px move_to_low_frac mark_low_px mark_low_ts "
            "mark_move_to_low_frac"
        )
        return frame(names, *rows)

    def q_run_summary(self) -> pl.DataFrame:
        total, adl = self.total(), self.total() * 0.52 * self.adl
        shorts = float(sum(minutes["short_usd"].sum() for minutes in self.minutes.values()))
        worst = self.q_price_moves().sort("move_to_low_frac").row(0, named=True)
        start, deepest = (50e6, -38_412_345.678901) if self.pool == "vault" else (1.2e9, 1.04e9)
        end, low = start + 31e6 * self.adl, deepest if self.adl else start
        row = {
            "event_id": "2025-10-10",
            "venue": "hyperliquid",
            "symbols": ",".join(self.symbols.values()),
            "ranking": "hyperliquid",
            "allocation": "queue",
            "seed": 1,
            "start_ts": START,
            "end_ts": END,
            "accounts": 100_000,
            "positions": 100_000,
            "open_interest_usd": sum(OPEN_INTEREST[c] for c in self.coins),
            "liquidations": sum(int(minutes["liquidations"].sum()) for minutes in self.minutes.values()),
            "liquidated_long_usd": total - shorts,
            "liquidated_short_usd": shorts,
            "liquidated_usd": total,
            "liquidated_long_share_frac": (total - shorts) / total if total else None,
            "first_liquidation_ts": at("20:51:12.345678") if self.liquidated else None,
            "pool": self.pool,
            "pool_start_usd": start,
            "pool_end_usd": end,
            "pool_low_usd": low,
            "pool_low_ts": at("21:19:40") if self.liquidated else START,
            "adl_usd": adl,
            "adl_positions": 4211 * self.adl,
            "adl_accounts": 4190 * self.adl,
            "adl_waves": 61 * self.adl,
            "first_adl_ts": ADL_AT if self.adl else None,
            "first_adl_after_s": 1491.654 if self.adl else None,
            "adl_share_frac": adl / total if total else None,
            "adl_for_pools_share_frac": 0.913 if self.adl else None,
            "uncovered_usd": -1_203_456.789 * self.adl,
            "residual_usd": 0.0,
            "worst_symbol": worst["symbol"],
            "worst_move_frac": worst["move_to_low_frac"],
        }
        return frame(" ".join(row), tuple(row.values()))

    # --- who paid ---

    def q_fund_balance(self) -> pl.DataFrame:
        t = np.arange(0, 100, 0.5)
        start, depth = (50e6, 90e6) if self.pool == "vault" else (1.2e9, 160e6)
        held = (t >= 33) * self.liquidated
        equity = (
            start - depth * np.exp(-(((t - 39.7) / 4) ** 2)) * held + 31e6 * np.clip((t - 45) / 30, 0, 1) * self.adl
        )
        cash = equity - 220e6 * np.exp(-(((t - 41) / 7) ** 2)) * held
        rows = [
            (int(m * 4), START + timedelta(minutes=m), self.pool, "", c, e)
            for m, c, e in zip(t.tolist(), cash, equity, strict=True)
        ]
        return frame("step ts pool serves cash_usd equity_usd", *rows)

    def q_fund_flows(self) -> pl.DataFrame:
        flows = [
            ("takeover", 412, 412, 310e6, -12e6),
            ("adl", 61, 61, 1.2e6, -420e6),
            ("unwind", 88, 88, 260e6, -109e6),
            ("funding", 3, 0, 0, -2e5),
        ]
        rows = [(self.pool, "", *flow, flow[3] + flow[4]) for flow in flows]
        return self._if(
            self.liquidated, "pool serves cause movements lots_movements inflow_usd outflow_usd net_usd", *rows
        )

    def q_funding_flows(self) -> pl.DataFrame:
        rows = [("BTC/USDC:USDC", side, "5x", 2, usd, 2, 1) for side, usd in (("long", -9e6), ("short", 9e6))]
        return self._if(self.liquidated, "symbol side cohort events amount_usd on_oracle clipped", *rows)

    def q_fund_timeline(self) -> pl.DataFrame:
        btc, at = "BTC/USDT:USDT", START + timedelta(minutes=36)
        rows = [
            (1, at, "", btc, "adl_on", "drawdown", 8.2e8, -0.31, 140.0),
            (2, at, "", btc, "refused", "trigger", 8.2e8, -0.31, None),
            (3, at + timedelta(seconds=140), "", btc, "adl_off", "", 9.1e8, -0.24, None),
        ]
        columns = "event_id ts serves symbol event cause equity_usd drawdown_ratio lasted_s"
        return self._if(self.adl and self.pool == "fund", columns, *rows)

    def q_loss_waterfall(self) -> pl.DataFrame:
        stages = [
            ("collateral posted", "431000000.000000", "isolated margin of the lots that were liquidated"),
            ("result up to the breach", "-412345678.123456", "profit and loss at the mark of the breach"),
            ("fees of the venue", "-1250000.250000", "liquidation fees"),
            ("returned to accounts", "-61000000.500000", "collateral left after fees"),
            ("insurance fund", "0.000000", "cash change plus inventory at the last mark"),
            ("vault", "31000000.000000", "plus = the vault paid"),
            ("ADL winners", "11392222.084456", "plus = the winners paid"),
            ("uncovered", "1203456.789000", "losses nobody could bear"),
        ]
        rows = [(i + 1, name, value if self.liquidated else "0", note) for i, (name, value, note) in enumerate(stages)]
        return frame("stage_no stage amount_usd note", *rows)

    # --- the queue ---

    def _queue(self) -> pl.DataFrame:
        n, rng = 70, np.random.default_rng(3)
        usd = rng.pareto(1.3, n) * 2.2e6 + 2e5
        lots = (usd / 109).astype(int)
        status = ["closed"] * 54 + ["partial"] + ["not_reached"] * (n - 55)
        status[17] = "skipped"
        share = {"closed": 1.0, "partial": 0.37, "skipped": 0.0, "not_reached": 0.0}
        made = {
            "wave_id": [7] * n,
            "rank": np.arange(1, n + 1),
            "account_id": rng.choice(100_000, n, replace=False),
            "side": ["short"] * n,
            "cohort": [COHORTS[2 - (i > 20)] + self.tag for i in range(n)],
            "lots": lots,
            "notional_usd": usd,
            "score": np.sort(rng.lognormal(1, 0.8, n))[::-1],
            "pnl_usd": usd * rng.uniform(0.03, 0.2, n),
            "leverage": rng.lognormal(1, 0.7, n),
            "notional_ahead_usd": np.cumsum(usd) - usd,
            "closed_lots": [int(x * share[s]) for x, s in zip(lots, status, strict=True)],
            "closed_frac": [share[s] for s in status],
            "status": status,
            "close_px": [109_120.5 if share[s] else None for s in status],
            "mark_px": [109_061.0] * n,
            "forgone_usd": [x * share[s] * 0.012 if share[s] else None for x, s in zip(usd, status, strict=True)],
        }
        return exact(pl.DataFrame(made))

    def q_adl_waves(self) -> pl.DataFrame:
        rows = []
        for i in range(61):
            coin = self.coins[i % len(self.coins)]
            usd = OPEN_INTEREST[coin] * 0.04 / (1 + abs(i - 6))
            rows.append(
                (
                    i + 1,
                    ADL_AT + timedelta(seconds=17 * i),
                    self.symbols[coin],
                    "long",
                    self.pool if i % 4 else "account",
                    1 + i % 5,
                    48_211 - 30 * i,
                    int(usd / 100),
                    int(usd / 100),
                    0,
                    usd,
                    40 + i,
                    int(i == 6),
                    "previous_mark",
                    109_061.0,
                    109_120.5,
                )
            )
        return self._if(
            self.adl,
            "wave_id ts symbol bankrupt_side source bankrupts candidates lots_wanted lots_closed "
            "lots_unmatched notional_usd "
            "winners skipped close_rule mark_px previous_mark_px",
            *rows,
        )

    def q_adl_selection_order(self, wave_id: int | None = None, limit: int = 50) -> pl.DataFrame:
        return self.queue if self.adl else self.queue.clear()

    def q_adl_haircut_by_rank(self, wave_id: int | None = None) -> pl.DataFrame:
        made = self.queue.select("rank", pl.col("closed_frac").alias("haircut_frac"), "notional_usd", "status")
        return made if self.adl else made.clear()

    def q_adl_concentration(self) -> pl.DataFrame:
        usd = np.sort(self.queue["notional_usd"].cast(float).to_numpy())
        rows = [(i, i / len(usd), usd[:i].sum() / usd.sum(), 0.612, 0.583) for i in range(len(usd) + 1)]
        return self._if(self.adl, "point_no accounts_frac adl_frac gini_frac top10_share_frac", *rows)

    def q_adl_by_cohort(self) -> pl.DataFrame:
        parts = zip(COHORTS, (0.12, 0.31, 0.57), (1.9, 4.8, 13.2), strict=True)
        rows = [
            (cohort + self.tag, "short", 900, self.total() * 0.52 * part, part, mean) for cohort, part, mean in parts
        ]
        return self._if(self.adl, "cohort side accounts closed_usd share_frac mean_leverage", *rows)

    def q_adl_causes(self) -> pl.DataFrame:
        return frame("refused refused_usd fund_inventory_max_usd", (6_444, 812e6, 1.221e9))

    def q_adl_first_closed(self) -> pl.DataFrame:
        row = (
            ADL_AT,
            self.symbols[self.coins[0]],
            "short",
            48_213,
            12_345_678.9,
            12_345_678.9,
            109_120.5,
            109_061.0,
            117_420.3,
            938_211.4,
            -6_735.12,
            -401_222.7,
            18.4,
        )
        return self._if(
            self.adl,
            "ts symbol side account_id notional_usd closed_usd close_px mark_px entry_px realized_usd "
            "immediate_usd forgone_usd "
            "leverage",
            row,
        )

    def q_forgone_pnl(self, limit: int = 10) -> pl.DataFrame:
        rows = [
            (
                100 + i,
                self.symbols[self.coins[0]],
                "short",
                9e6 / (i + 1),
                109_120.5,
                112_880.0,
                -4000.5 / (i + 1),
                2.1e6 / (i + 1),
                6.1e6 / (i + 1),
            )
            for i in range(limit)
        ]
        return self._if(
            self.adl,
            "account_id symbol side closed_usd close_px last_mark_px immediate_usd forgone_usd best_forgone_usd",
            *rows,
        )

    def q_adl_impact_by_symbol(self) -> pl.DataFrame:
        rows = [
            (
                symbol,
                self.total(coin),
                self.total(coin) * 0.52 * self.adl,
                0.52 * self.adl,
                12 * self.adl,
                900 * self.adl,
                ADL_AT if self.adl else None,
                self.paths[coin]["mark_px"].min() if self.adl else None,
            )
            for coin, symbol in self.symbols.items()
        ]
        return frame("symbol liquidated_usd adl_usd adl_share_frac waves positions first_adl_ts mean_close_px", *rows)

    # --- cross accounts ---

    def q_cross_contagion(self) -> pl.DataFrame:
        ends = "liquidated contagion contagion_usd supported supported_usd"
        names = f"symbol margin_mode side accounts positions opening_usd {ends}"
        kinds = (("cross", 400, 500, 120, 7, 2.5e6, 9, 3.5e6), ("isolated", 90, 90, 30, 0, 0.0, 0, 0.0))
        rows = [
            (self.symbols[coin], mode, "long", accounts, held, 9e8, lost, *rest)
            for coin in self.coins
            for mode, accounts, held, lost, *rest in kinds
        ]
        return frame(names, *rows)

    def q_multi_coin_breaches(self, limit: int = 50) -> pl.DataFrame:
        names = "ts account_id name margin_mode coins symbols sides liquidations notional_usd closed_usd"
        both = ", ".join(self.symbols.values())
        rows = [(ADL_AT, 7 + i % 20, self.tag, "cross", 2, both, "long", 2, 5e6 - i, 4e6) for i in range(30)]
        return self._if(self.liquidated and len(self.coins) > 1, names, *rows[:limit])

    # --- watched positions ---

    def q_hedges(self) -> pl.DataFrame:
        last = self.symbols[self.coins[-1]]
        hit = (
            15_400,
            ADL_AT + timedelta(minutes=3),
            108_912.4,
            108_870.0,
            -652.9,
            15.4,
            1_676_600.2,
            3656.0,
            12,
            41,
            61.2e6,
            "part_deleveraged",
            -61_482.5,
        )
        spared = (0, None, None, None, None, 0.0, 0.0, 0.0, 0, None, None, "open", 0.0)
        rows = [
            (
                f"desk A short BTC{self.tag}",
                self.symbols["BTC"],
                "short",
                True,
                100_000,
                25_000,
                *(hit if self.adl else spared),
            ),
            (f"small long{self.tag}", last, "long", False, 100_001, 900, *spared),
        ]
        return self._if(
            self.watch,
            "name symbol side hedged account_id opening_lots closed_lots first_close_ts mean_close_px "
            "mean_mark_px immediate_usd "
            "unhedged_base unhedged_usd unhedged_s waves best_rank lowest_notional_ahead_usd fate unhedged_pnl_usd",
            *rows,
        )

    def q_watch_ranks(self, name: str | None = None) -> pl.DataFrame:
        rows = []
        for i in range(12):
            rank = None if i == 3 else 40_000 // (1 + i * i) + 41
            closed = 15_400 if i == 8 else 0
            rows.append(
                (
                    ADL_AT + timedelta(seconds=31 * i),
                    f"desk A short BTC{self.tag}",
                    self.symbols["BTC"],
                    i + 1,
                    rank is not None,
                    rank,
                    48_000,
                    rank and rank * 4.1e4,
                    rank and 5 - min(4, rank * 5 // 48_000),
                    closed,
                    108_912.4 if closed else None,
                    108_870.0,
                )
            )
        made = self._if(
            self.adl,
            "ts name symbol wave_id in_queue rank candidates notional_ahead_usd lights closed_lots close_px mark_px",
            *rows,
        )
        return made.filter(pl.col("name") == name) if name and self.adl else made

    # --- how sure ---

    def q_data_coverage(self) -> pl.DataFrame:
        rows = [
            (
                "ohlcv",
                symbol,
                f"binanceusdm_{coin}USDT_1m_2025-10-10.csv{self.tag}",
                "proxy",
                100,
                100,
                0,
                0,
                0,
                5 * (coin == "BTC"),
                START,
                END,
                "ab" * 32,
                "trade prices only: the mark is a model",
            )
            for coin, symbol in self.symbols.items()
        ]
        names = (
            "series symbol source label expected_rows rows gaps longest_gap_s duplicates bridged "
            "first_ts last_ts sha256 note"
        )
        return frame(names, *rows)

    def q_window_metrics(self, start: datetime, end: datetime, coin: str | None = None) -> pl.DataFrame:
        total = self.total(*([coin] if coin else []))
        trade = self.paths[coin or self.coins[0]]["trade_px"]
        row = (
            total,
            0.97,
            total * 0.52 * self.adl,
            4211 * self.adl,
            240.0 if self.adl else None,
            trade.min(),
            trade.min() / trade[0] - 1,
        )
        names = (
            "liquidated_notional_usd liquidated_long_share_frac adl_notional_usd adl_positions "
            "adl_onset_s price_low price_move_frac"
        )
        return frame(names, row)
