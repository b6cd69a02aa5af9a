"""Seeded worlds larger and rougher than the drawn ones: hundreds of accounts, clones, close tiers, heavy funding.

Same seed, same world. Everything is an integer, in the format of the exact worlds.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.reference.worlds_strategy import RANKINGS

SYMBOLS = ("BTC", "ETH", "SOL")
MILLION = 10**6
BILLION = 10**9


def crowd(seed: int, size: int | None = None, unit: int | None = None) -> dict[str, Any]:
    """Return a world.

    Parameters
    ----------
    seed
        Of every choice.
    size
        Number of accounts; chosen among 6, 20, 60 and 150 where absent.
    unit
        Scale of quanta per tick and lot; chosen among 1 to 1e6 where absent.
    """
    rng = Random(seed)
    names = SYMBOLS[: rng.choice((1, 1, 2, 3))]
    unit = unit or rng.choice((1, 7, 100, 10_000, MILLION))
    size = size or rng.choice((6, 20, 60, 150))
    most_lots, bars = rng.choice((3, 40, 400)), rng.choice((1, 2, 4, 8))
    first_px = {name: rng.randint(80, 400) for name in names}
    symbols: dict[str, dict[str, Any]] = {}
    for name in names:
        finer = rng.choice((1, 1, 2, 10))
        quanta = finer * unit * rng.choice((1, 1, 3))
        tiers = _tiers(rng, most_lots * first_px[name] * quanta)
        symbols[name] = {"quanta_per_tick_lot": quanta, "mark_per_tick": finer, "tiers": tiers}
    paths = {
        name: _path(rng, first_px[name], symbols[name]["mark_per_tick"], bars, most_lots * size // 4) for name in names
    }
    accounts = _accounts(rng, size, symbols, first_px, most_lots)
    return {
        "symbols": symbols,
        "profile": _profile(rng, sum(row["cost"] for row in accounts)),
        "liquidity": {
            "scale_e9": rng.choice((BILLION, 333_333_333)),
            "participation_e9": rng.choice((0, 20_000_000, 100_000_000, BILLION)),
            "impact": rng.choice(("sqrt", "none")),
            "impact_y_e9": rng.choice((500_000_000, BILLION)),
            "sigma_e9": rng.choice((3_000_000, 30_000_000, 200_000_000)),
        },
        "intrabar": rng.choice(("ohlc", "ohlc", "close", "adverse_first")),
        "bar_seconds": rng.choice((3, 9, 10, 30, 60)),
        "pieces": 1 + (bars + len(symbols)) % 2,
        "bars": [{name: paths[name][bar] for name in names} for bar in range(bars)],
        "funding": _funding(rng, names, bars),
        "accounts": accounts,
        "seed": rng.randint(0, 20),
    }


def vaulted(seed: int) -> dict[str, Any]:
    """Return a crowd whose bankrupts go to vaults: one a symbol, or one over all, with little capital or none."""
    rng, world = Random(-1 - seed), crowd(seed, size=60, unit=1000)
    profile, names = world["profile"], list(world["symbols"])
    value = sum(row["cost"] for row in world["accounts"])
    capitals = [value * rng.choice((0, 1, 5, 20, 100)) // 1000 for _ in names]
    vault: dict[str, Any] = {"capital": sum(capitals), "num": 2, "den": rng.choice((2, 3)), "margin": "none"}
    if rng.random() < 0.8:
        vault["sets"] = [{"symbols": [name], "capital": each} for name, each in zip(names, capitals, strict=True)]
    if rng.random() < 0.4:
        vault["margin"] = "maintenance"
    fund = {**profile["fund"], "takeover": "none"}
    world["profile"] = {**profile, "vault": vault, "fund": fund, "vault_quiet_steps": rng.choice((1, 4, 100))}
    world["liquidity"]["participation_e9"] = rng.choice((0, 0, 20_000_000))
    return world


def _tiers(rng: Random, top: int) -> list[list[int]]:
    """Return tiers with exact deductions; in every third table the floors lie within a few percent of each other."""
    count = rng.choice((1, 1, 2, 3, 5))
    thousands = max(10, top // 1000)
    if rng.randrange(3):
        floors = sorted(rng.sample(range(1, thousands), count - 1))
    else:
        first = rng.randint(1, thousands)
        floors = sorted({first + rng.randint(1, 2 + first // 20) for _ in range(count - 1)})
    rates = sorted(rng.sample(range(2, 61), len(floors) + 1))
    out = [[0, rates[0] * MILLION, 0]]
    for floor, rate in zip(floors, rates[1:], strict=True):
        _, last, deduction = out[-1]
        out.append([floor * 1000, rate * MILLION, deduction + floor * (rate * MILLION - last) // MILLION])
    return out


def _path(rng: Random, px: int, finer: int, bars: int, volume: int) -> list[dict[str, Any]]:
    trend, swing = rng.choice((1, -1)), rng.choice((0.005, 0.02, 0.05, 0.12, 0.25))
    out = []
    for _ in range(bars):
        first = max(20, round(px * (1 + rng.choice((0, 0, 1, -1, 3, -3)) * swing / 3)))
        last = max(20, round(first * (1 + trend * rng.choice((1, 1, -1, 0.3)) * swing * rng.random() * 1.5)))
        high, low = max(first, last) + rng.randint(0, 8), max(2, min(first, last) - rng.randint(0, 8))
        trade = [first, high, low, last]
        mark = [max(1, price * finer + rng.randint(-finer - 1, finer + 1)) for price in trade]
        mark[1], mark[2] = max(mark), min(mark)
        out.append({"trade": trade, "mark": mark, "volume_lots": rng.choice((0, 1, 7, 100, volume, 4 * volume))})
        px = last
    return out


def _accounts(
    rng: Random, size: int, symbols: dict[str, dict[str, Any]], first_px: dict[str, int], most_lots: int
) -> list[dict[str, Any]]:
    """Return positions; in half of the worlds most are clones of a few, so that scores are equal or nearly so."""
    rows: list[dict[str, Any]] = []
    models: dict[tuple[str, int], tuple[int, int, int]] = {}
    clones = rng.random() < 0.5
    for account in rng.sample(range(1, 10 * size + 10), size):
        symbol, side = rng.choice(list(symbols)), rng.choice((1, -1))
        quanta = symbols[symbol]["quanta_per_tick_lot"]
        lots = rng.randint(1, most_lots)
        entry_px = max(1, round(first_px[symbol] * (1 + rng.gauss(0, 0.05))))
        cost = max(1, lots * entry_px * quanta + rng.randint(-3, 3) * rng.choice((0, 1, quanta)))
        wallet = cost // rng.choice((1, 2, 4, 8, 12, 20, 50)) + rng.randint(0, 7)
        if rng.random() < 0.03:
            wallet = -(cost // rng.choice((1, 4, 15, 50, 1000)))
        if rng.random() < 0.005:  # bankrupt beyond the whole value of the position
            wallet = -2 * cost
        if clones and (symbol, side) in models and rng.random() < 0.7:
            factor = rng.choice((1, 1, 2, 3))
            lots, cost, wallet = (part * factor for part in models[symbol, side])
            wallet, cost = wallet + rng.choice((0, 0, 0, 1, -1, 2)), max(1, cost + rng.choice((0, 0, 0, 1, -1)))
        else:
            models[symbol, side] = lots, cost, wallet
        rows.append({"id": account, "symbol": symbol, "side": side, "lots": lots, "cost": cost, "wallet": wallet})
    return rows


def _profile(rng: Random, book_value: int) -> dict[str, Any]:
    def share(*permille: int) -> int:
        return book_value * rng.choice(permille) // 1000

    start = share(0, 0, 3, 10, 30, 100, 3000) + rng.randint(0, 5)
    floor = start * rng.choice((0, 0, 500, 900, 1000, 1200)) // 1000
    vault = rng.random() < 0.4
    profile: dict[str, Any] = {
        "threshold": rng.choice(("<", "<=")),
        "fund": {
            "start": start,
            "floor": floor - rng.choice((0, 0, start, 5)),
            "shortfall": rng.choice(("divisible", "all_or_nothing")),
            "takeover": rng.choice(("bankruptcy", "bankruptcy", "none")),
            "inventory_limit": rng.choice((None, share(0, 20, 100, 500))),
        },
        "ranking": rng.choice(RANKINGS),
        "losers": rng.choice(("last", "ranked", "excluded")),
        "close_price": rng.choice(("bankruptcy", "mark", "previous_mark")),
        "residual_owner": rng.choice(("account", "fund", "vault") if vault else ("account", "fund")),
        "fee_e9": rng.choice((0, 400_000, 10_000_000)),
        "fee_owner": rng.choice(("venue", "fund")),
        "inventory_adl": rng.choice(("none", "below_floor", "below_floor")),
        "inventory_stop": floor + rng.choice((0, 0, start // 4, -(start // 4), 1)),
        "on_exhausted": rng.choice(("uncovered", "fund_negative")),
        "vault_quiet_steps": rng.choice((0, 1, 2, 4, 100)),
        "hl_literal": rng.random() < 0.3,
    }
    if vault:
        num, den = rng.choice(((2, 3), (2, 3), (1, 2), (1, 1)))
        profile["vault"] = {"capital": share(0, 0, 1, 3, 10, 500), "num": num, "den": den}
    return profile


def _funding(rng: Random, names: tuple[str, ...], bars: int) -> list[dict[str, Any]]:
    kind = rng.choice(("none", "few", "many", "alternating", "huge"))
    rates = {
        "few": (0, 0, 100_000, -375_000),
        "many": (1, -1, 100_000, -375_000, 12_345_678, -30_000_001),
        "huge": (70_000_000, -70_000_000, 400_000_000, -900_000_000, 1_500_000_000),
    }
    out = []
    oracles = Random(bars)  # its own, so that the other draws of a seed stay what they were
    for bar in range(bars):
        for name in names:
            oracle = {"oracle": oracles.randint(1, 3000)} if oracles.random() < 0.4 else {}
            if kind == "alternating":
                out.append({"bar": bar, "symbol": name, "rate_e9": 10_000_000 * (-1) ** bar, **oracle})
            elif kind != "none" and (rate := rng.choice(rates[kind])):
                out.append({"bar": bar, "symbol": name, "rate_e9": rate, **oracle})
    return out
