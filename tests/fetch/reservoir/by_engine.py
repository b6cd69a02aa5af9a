"""A venue whose truth is known: a book traded forward in exact fractions, run by the engine, written as the archive.

``make`` draws accounts at the snapshot, lets them trade until the crash begins, replays the crash with the book that
results, and writes snapshot, fills, forced fills and bars in the documented schema. Reading, rolling and replaying the
archive must give that book and that run again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backtest.api.replay import replay
from backtest.api.run import Run
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from tests.fetch.reservoir import by_hand
from tests.fetch.reservoir.by_hand import BLOCK, DAY, user, write

START = dt.datetime(2025, 10, 10, 20, 50)  # noqa: DTZ001
END = dt.datetime(2025, 10, 10, 21, 30)  # noqa: DTZ001
FALL_S, LAST_S, SPARSE_S = 420, 45 * 60, 50
VAULT = user(0xFFFF)
FEW = ("BTC", "ETH", "SOL", "XRP", "DOGE", "LINK")  # listed by the profile
# Coins that no profile lists: lot and tick follow from the decimals of sizes, the margin table from leverages seen.
SMALLER = {
    name: (round(40 / 1.3**k, 4), k % 3, 4, 0.25 + 0.01 * (k % 12), *((("0.05", 10), ("0.1", 5), ("0.125", 4))[k % 3]))
    for k, name in enumerate(["kPEPE", "HYPE", *(f"C{k:02d}" for k in range(22))])
}
# price, decimals of a lot, decimals of a price, share of the price lost, maintenance rate and largest leverage
COINS = {
    "BTC": (118_000.0, 5, 0, 0.12, "0.0125", 40), "ETH": (4_200.0, 4, 1, 0.17, "0.02", 25),
    "SOL": (215.0, 2, 2, 0.25, "0.025", 20), "XRP": (2.8, 0, 4, 0.3, "0.025", 20),
    "DOGE": (0.24, 0, 5, 0.35, "0.05", 10), "LINK": (21.0, 1, 3, 0.33, "0.05", 10), **SMALLER,
}  # fmt: skip
FIELDS: dict[str, Any] = {
    "timeframe": "1s", "intrabar": "close", "start": START, "end": END, "vaults": (), "balance_with_market": True,
}  # fmt: skip
# By the account's number; a sub-account has none. Portfolio margin is replayed as it is by default: not liquidated.
MODES = (*["standard"] * 5, "dex_abstraction", "unified", "unified", None, "portfolio_margin")


SPELT = {coin.upper(): coin for coin in COINS}


@dataclass(frozen=True, slots=True)
class Size:
    """How large a venue is made."""

    accounts: int
    pairs: int
    trades: int
    coins: tuple[str, ...] = FEW
    vault_usd: float = 20_000.0


SMALL, LARGE = Size(200, 45, 400), Size(5000, 400, 20_000, tuple(COINS), 1_000_000.0)


@dataclass(slots=True)
class Holding:
    """A position while it trades: whole lots, exact entry."""

    lots: int = 0
    entry: Fraction = Fraction(0)

    def trade(self, lots: int, px: Fraction) -> Fraction:
        """Apply a fill and return the profit realised for each base unit of a lot of one."""
        before, after = self.lots, self.lots + lots
        if before * lots >= 0:
            self.entry = (abs(before) * self.entry + abs(lots) * px) / abs(after)
            self.lots = after
            return Fraction(0)
        closed = min(abs(before), abs(lots)) * (1 if before > 0 else -1)
        gain = closed * (px - self.entry)
        self.entry = px if before * after < 0 else self.entry
        self.lots = after
        return gain


@dataclass(slots=True)
class Account:
    """An account while it trades; ``cash`` is its account value less unrealised profit."""

    cash: Fraction = Fraction(0)
    isolated: bool = False
    held: dict[str, Holding] = field(default_factory=dict)
    own: dict[str, Fraction] = field(default_factory=dict)  # collateral of isolated positions


def base(coin: str, lots: int) -> Fraction:
    """Return lots in base units."""
    return Fraction(lots, 10 ** COINS[coin][1])


def exact(value: float | str) -> Fraction:
    """Return a number as written."""
    return Fraction(str(value))


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue that was made: its archive, the book at the start of the crash, and the run of the engine."""

    size: Size
    archive: Path
    book: pl.DataFrame
    run: Run


def make(root: Path, seed: int = 1, size: Size = SMALL) -> Venue:
    """Make a venue below a folder; bars go into the lake of the workspace for the run of the truth."""
    rng = np.random.default_rng(seed)
    accounts = _accounts(rng, size)
    snapshot, values = list(_snapshot(accounts)), _values(accounts)
    fills = _trade(rng, accounts, size)
    _list(size)
    tape = {coin: _prices(coin) for coin in size.coins}
    for coin, prices in tape.items():
        rows = {"ts": [START - dt.timedelta(seconds=60) + dt.timedelta(seconds=k) for k in range(len(prices))]}
        frame = pl.DataFrame({**rows, **dict.fromkeys(("open", "high", "low", "close"), prices)})
        volume = pl.Series(_volume(coin, len(prices)))
        symbol = f"{coin.upper()}/USDC:USDC"
        write_day(frame.with_columns(volume=volume), Place("hyperliquid", symbol, "ohlcv", "1s"), START.date())
    book = _book(accounts)
    coins = tuple(sorted(coin.upper() for coin in size.coins))
    scale, capital = dict.fromkeys(coins, 1.0), size.vault_usd
    run = replay("2025-10-10", positions=book, coins=coins, liquidity_scale=scale, vault_capital_usd=capital, **FIELDS)
    forced, adl = _forced(run)
    fills_at = root / "by_dex/hyperliquid/fills/perp"
    write(root / f"global/snapshots/perp/all/date={DAY}/{BLOCK}.parquet", by_hand.POSITIONS, snapshot)
    write(root / f"global/snapshots/account_values/date={DAY}/{BLOCK}.parquet", by_hand.VALUES, values)
    write(fills_at / f"all/date={DAY}/fills.parquet", by_hand.FILLS, [*fills, *forced, *adl])
    write(fills_at / f"liquidations/date={DAY}/fills.parquet", by_hand.FILLS, forced)
    write(fills_at / f"adl/date={DAY}/fills.parquet", by_hand.FILLS, adl)
    bars = [bar for coin, prices in tape.items() for bar in _bars(coin, prices)]
    write(root / f"by_dex/hyperliquid/candles/1s/date={DAY}/candles.parquet", by_hand.BARS, bars)
    return Venue(size, root, book, run)


def _accounts(rng: np.random.Generator, size: Size) -> dict[int, Account]:
    """Draw balanced positions; every fifth account is isolated."""
    accounts = {number: Account(isolated=number % 5 == 0) for number in range(1, size.accounts + 1)}
    for coin in size.coins:
        px, decimals, digits, *_, most = COINS[coin]
        chosen = rng.choice(size.accounts, 2 * size.pairs, replace=False) + 1
        for long, short in chosen.reshape(-1, 2).tolist():
            usd = float(np.exp(rng.normal(9, 1.5)))
            lots = max(int(usd / px * 10**decimals), 1)
            for number, sign in ((long, 1), (short, -1)):
                entry = exact(round(px * float(rng.uniform(0.98, 1.02)), digits))
                account = accounts[number]
                account.held[coin] = Holding(sign * lots, entry)
                leverage = int(rng.integers(2, most // 2 + 1))
                margin = exact(round(float(base(coin, lots) * entry) / leverage, 2)) + 1
                account.cash += margin
                if account.isolated:
                    account.own[coin] = margin
    return {number: account for number, account in accounts.items() if account.held}


def _snapshot(accounts: dict[int, Account]) -> Iterator[dict[str, Any]]:
    """Yield the positions at the snapshot with the prices at which they are liquidated, only their own coin moving."""
    for number, account in accounts.items():
        margins = {
            coin: exact(COINS[coin][4]) * abs(base(coin, held.lots)) * exact(COINS[coin][0])
            for coin, held in account.held.items()
        }
        for coin, held in account.held.items():
            px, *_, rate, most = COINS[coin]
            size, mark, isolated = base(coin, held.lots), exact(px), coin in account.own
            equity = account.own[coin] + size * (mark - held.entry) if isolated else _value(account)
            others = Fraction(0) if isolated else sum(margins.values(), -margins[coin])
            # equity + size (px - mark) = rate |size| px + others
            liquidation = (size * mark - equity + others) / (size - exact(rate) * abs(size))
            yield {
                "user": user(number), "market": coin, "size": float(size), "notional": float(abs(size) * mark),
                "entry_price": float(held.entry), "leverage_type": "isolated" if isolated else "cross",
                "liquidation_price": None if liquidation <= 0 else float(liquidation),
                "leverage": most // 2 if coin in FEW else most, "funding_pnl": 0.0,
                "account_value": float(_value(account)), "account_mode": MODES[number % len(MODES)],
            }  # fmt: skip


def _value(account: Account) -> Fraction:
    marks = {coin: exact(row[0]) for coin, row in COINS.items()}
    profit = (base(coin, held.lots) * (marks[coin] - held.entry) for coin, held in account.held.items())
    return account.cash + sum(profit, Fraction(0))


def _values(accounts: dict[int, Account]) -> list[dict[str, Any]]:
    known = {"dex": "hyperliquid", "collateral_token": "USDC"}
    return [
        {
            **known,
            "user": user(number),
            "account_value": float(_value(each)),
            "account_mode": MODES[number % len(MODES)],
        }
        for number, each in accounts.items()
    ]


def _list(size: Size) -> None:
    """Give the run of the truth lot, tick and margin table of the coins that no profile lists."""
    at = START.replace(hour=0, minute=0)
    for coin in set(size.coins) - set(FEW):
        decimals, rate, most = COINS[coin][1], COINS[coin][4], COINS[coin][5]
        lot = 10.0**-decimals
        units = {
            "ts": at,
            "tick_px": 10.0 ** -(6 - decimals),
            "lot_base": lot,
            "contract_size": 1.0,
            "quantity_min": lot,
        }
        tier = {"ts": at, "tier": 0, "notional_floor": 0.0, "notional_cap": None, "maintenance_frac": float(rate),
                "max_leverage": float(most)}  # fmt: skip
        for series, row in (("limits", units), ("leverage_tiers", tier)):
            frame = pl.DataFrame([row], schema=schema_of(series))
            write_day(frame, Place("hyperliquid", f"{coin.upper()}/USDC:USDC", series), at.date())


def _trade(rng: np.random.Generator, accounts: dict[int, Account], size: Size) -> list[dict[str, Any]]:
    """Let cross accounts trade with each other until the crash, and return both rows of each trade."""
    rows, crossed = [], [number for number, account in accounts.items() if not account.isolated]
    for number in range(size.trades):
        coin = size.coins[int(rng.integers(len(size.coins)))]
        px = exact(round(COINS[coin][0] * float(rng.uniform(0.995, 1.005)), COINS[coin][2]))
        buyer, seller = (crossed[at] for at in rng.choice(len(crossed), 2, replace=False).tolist())
        lots = max(int(float(np.exp(rng.normal(7, 1.2))) / float(px) * 10 ** COINS[coin][1]), 1)
        time = START - dt.timedelta(seconds=1800 - 1700 * number / size.trades)
        for who, side, sign in ((buyer, "buy", 1), (seller, "sell", -1)):
            held = accounts[who].held.setdefault(coin, Holding())
            before = held.lots
            gain = held.trade(sign * lots, px) / 10 ** COINS[coin][1]
            fee = Fraction(round(base(coin, lots) * px * 35 / 100_000 * 10**6), 10**6)
            gain = Fraction(round(gain * 10**10), 10**10)
            accounts[who].cash += gain - fee
            row = by_hand.fill(
                "20:10:00", who, coin, side, _text(base(coin, lots)), _text(px), _text(base(coin, before))
            )
            flipped = {"direction": "Long > Short"} if before > 0 > held.lots else {}
            told = {"trade_id": number, "realized_pnl": _text(gain), "fee": _text(fee)}
            rows.append({**row, "timestamp": time.replace(tzinfo=dt.UTC), **told, **flipped})
    return rows


def _text(value: Fraction) -> str:
    return f"{value.numerator / value.denominator:.10f}" if value.denominator > 10**10 else _decimal(value)


def _decimal(value: Fraction) -> str:
    scaled = round(value * 10**10)
    sign, digits = "-" if scaled < 0 else "", f"{abs(scaled):011d}"
    return f"{sign}{digits[:-10]}.{digits[-10:]}"


def _prices(coin: str) -> list[float]:
    """Return a price a second from a minute before the crash: a fall in waves, then half of it back."""
    px, _, digits, loss, *_ = COINS[coin]
    out = []
    for second in range(-60, LAST_S):
        done = min(max(second, 0) / FALL_S, 1.0)
        wave = 0.01 * np.sin(second / 17.0) * (0 < second < FALL_S)
        back = loss / 2 * min(max(second - FALL_S, 0) / 600, 1.0)
        if second >= FALL_S:  # the price of the last bar that trades
            at = FALL_S + (second - FALL_S) // SPARSE_S * SPARSE_S
            back = loss / 2 * min((at - FALL_S) / 600, 1.0)
        out.append(round(float(px * (1 - loss * done + wave + back)), digits))
    return out


def _trades_at(second: int) -> bool:
    return second < FALL_S or (second - FALL_S) % SPARSE_S == 0 or second == LAST_S - 1


def _volume(coin: str, seconds: int) -> list[float]:
    """Return volumes in base units: 2,000 USD a second while it falls, none in seconds without a trade."""
    lot = 10.0 ** -COINS[coin][1]
    each = round(round(2000 / COINS[coin][0] / lot) * lot, COINS[coin][1])
    return [each if _trades_at(second) else 0.0 for second in range(-60, seconds - 60)]


def _bars(coin: str, prices: list[float]) -> list[dict[str, Any]]:
    volumes = _volume(coin, len(prices))
    shown = [px if _trades_at(second) else None for second, px in enumerate(prices, -60)]
    bars = by_hand.bars(coin, "20:49:00", shown)
    return [bar | {"volume": volume} for bar, volume in zip(bars, filter(None, volumes), strict=True)]


def _book(accounts: dict[int, Account]) -> pl.DataFrame:
    """Return the book at the start of the crash."""
    rows = []
    for number, account in sorted(accounts.items()):
        open_coins = [coin for coin, held in sorted(account.held.items()) if held.lots]
        left = account.cash
        for coin in open_coins:
            held, isolated = account.held[coin], coin in account.own
            margin = account.own[coin] if isolated else left
            left -= margin
            rows.append({
                "account": user(number), "symbol": coin.upper(), "side": "long" if held.lots > 0 else "short",
                "quantity_base": float(base(coin, abs(held.lots))), "entry_px": float(held.entry),
                "collateral_usd": float(round(margin * 10**6)) / 1e6,
                "margin_mode": "isolated" if isolated else "cross", "cohort": MODES[number % len(MODES)] or "standard",
                "name": user(number),
            })  # fmt: skip
    return pl.DataFrame(rows)


def _forced(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the liquidations and deleveraging of a run as fills of the venue."""
    names = dict(run.accounts.select("account_id", "name").rows())
    own = {row["liquidation_id"]: row for row in run.liquidations.iter_rows(named=True)}
    left = {row["position_id"]: row["lots"] for row in run.positions.iter_rows(named=True)}
    moves = [(row["ts"], 0, row) for row in run.liquidations.iter_rows(named=True)]
    moves += [(row["ts"], 1, row) for row in run.adl_fills.iter_rows(named=True)]
    forced, adl = [], []
    for number, (ts, kind, row) in enumerate(sorted(moves, key=lambda move: move[:2]), 10_000_000):
        coin, long = SPELT[row["symbol"].partition("/")[0]], row["side"] == "long"
        who, held = names[row["account_id"]], left[row["position_id"]]
        parts = [("adl", row["lots"], row["close_px"])] if kind else [
            ("market", row["book_lots"], row["book_px"]), ("backstop", row["takeover_lots"], row["bankruptcy_px"]),
        ]  # fmt: skip
        for place, (method, lots, px) in enumerate(parts):
            if not lots:
                continue
            start = held if long else -held
            held -= lots
            made = by_hand.fill("21:00:00", 1, coin, "sell" if long else "buy", _text(base(coin, lots)),
                                f"{px or row['mark_px']:.10f}", _text(base(coin, start)))  # fmt: skip
            words = {"market": "Close", "backstop": "Liquidated Cross", "adl": "Auto-Deleveraging"}[method]
            made |= {
                "address": who, "timestamp": ts.replace(tzinfo=dt.UTC), "trade_id": 10 * number + place,
                "direction": words if method == "adl" else f"{words} {row['side'].title()}", "is_liquidation": True,
                "liquidation_mark_px": f"{row['mark_px']:.10f}", "crossed": method != "adl",
                "liquidation_method": "backstop" if method == "adl" else method,
            }  # fmt: skip
            other = {**made, "address": VAULT, "side": "buy" if long else "sell", "crossed": not made["crossed"],
                     "direction": "Liquidated Cross Long" if method == "adl" else "Open Long"}  # fmt: skip
            if loser := own.get(row["liquidation_id"]) if kind else None:  # an account, no vault between
                before = left[loser["position_id"]]
                left[loser["position_id"]] -= lots
                start = _text(base(coin, before if loser["side"] == "long" else -before))
                other |= {"address": names[loser["account_id"]], "start_position": start,
                          "direction": f"Liquidated Cross {loser['side'].title()}"}  # fmt: skip
            (adl if method == "adl" else forced).append(made)
            forced.append(other)
        left[row["position_id"]] = held
    return forced, adl
