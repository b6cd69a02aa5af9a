"""The part of the summary on draws: medians with their bands, published totals, cliffs, what they follow."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.formatting import SPACE, coin, plural, usd, usd_band
from backtest.run.measured import measured
from backtest.run.pinned import LEAST, pinned
from backtest.run.published import PublishedTotal, published_totals

if TYPE_CHECKING:
    from backtest.run.drawn import Draws
    from backtest.run.run import StoredRun

Line = tuple[str, str]
NEAR = 0.1  # of the capital: a pool whose lowest equity is that near zero stands on a cliff
NAMES = {"liquidated_usd": "liquidated", "adl_usd": "ADL", "first_adl_s": "first ADL", "pool_low_usd": "low"}
LOW = "pool_low_usd"
TOTALS = {"liquidated_notional_usd": "liquidated", "adl_notional_usd": "ADL"}
FOLLOWED = ("liquidated_usd", "adl_usd")
MOST_FOLLOWED = 3
CLEAR_OF_NOISE = "Beyond noise: chance alone gives so strong a rank correlation once in a hundred."


def draw_lines(run: StoredRun, s: dict[str, Any]) -> list[Line]:
    """Return the lines on draws, without draws and seeds one that says so; ``s`` is the summary of the run itself."""
    draws = run.studies.draws
    if draws is None:
        return [] if run.studies.seeds else [("band", "none: nothing was drawn but this book (--draws 16 gives bands)")]
    return [
        (f"over {len(draws)} draws", f"median (5 to 95 %) of {_drawn(draws)}"),
        *_bands(run, s, draws),
        *_published(run, draws),
        ("cliffs", _cliffs(run)),
        ("follows", _follows(run)),
        *_pinned(run, draws),
        *(("not drawn", note) for note in draws.notes),
        (f"seed {s['seed']}", "this run"),
    ]


@dataclass(frozen=True, slots=True)
class Cliff:
    """A fund or vault that passed near zero: whether it lived hangs on little; ``serves``: its coins, of several."""

    pool: str
    serves: str
    low: float
    capital: float


def cliffs_of(run: StoredRun, s: dict[str, Any]) -> list[Cliff]:
    """Return the pools that passed near zero: the one that has the money, of several vaults each by itself."""
    pools = [Cliff(s["pool"], "", float(s["pool_low_usd"] or 0), float(s["pool_start_usd"] or 0))]
    if len(run.meta.scenario.vaults) > 1:
        equity = {serves: [float(row["equity_usd"]) for row in rows] for serves, rows in vaults_of(run).items()}
        pools = [Cliff(f"vault of {coins_of(serves)}", serves, min(path), path[0]) for serves, path in equity.items()]
    return [each for each in pools if each.capital > 0 and abs(each.low) <= NEAR * each.capital]


def coins_of(serves: str) -> str:
    """Return the coins of a vault in words.

    Examples
    --------
    >>> coins_of("BTC/USDC:USDC+SOL/USDC:USDC")
    'BTC, SOL'
    """
    return ", ".join(map(coin, serves.split("+")))


def vaults_of(run: StoredRun) -> dict[str, list[dict[str, Any]]]:
    """Return the equity of each of several vaults by the coins it serves, in order of time; empty for one vault."""
    out: dict[str, list[dict[str, Any]]] = {}
    if run.meta.scenario.vaults:
        for row in run.query("fund_balance").to_dicts():
            if row["pool"] == "vault" and row["serves"]:
                out.setdefault(row["serves"], []).append(row)
    return out


def _drawn(draws: Draws) -> str:
    priors = len(dict.fromkeys(field.prior for field in draws.fields))
    unknowns = f"{priors} {plural(priors, 'prior')} and the seed" if priors else "the seed alone"
    return f"{unknowns}, books of {draws.positions:,}"


def _bands(run: StoredRun, s: dict[str, Any], draws: Draws) -> list[Line]:
    """Return median and band of each headline."""
    spread = {row["metric"]: row for row in run.query("draw_spread").to_dicts()}
    names = {key: name for key, name in NAMES.items() if key in spread and (key != LOW or s["pool_start_usd"])}
    return [(f"  {s['pool'] if name == 'low' else ''} {name}".replace("   ", "  "), _band(key, spread[key], s, draws))
            for key, name in names.items()]  # fmt: skip


def _band(metric: str, row: dict[str, Any], s: dict[str, Any], draws: Draws) -> str:
    low, median, high = (row[end] for end in ("p05", "median", "p95"))
    if metric != "first_adl_s":
        return _usd_band(low, median, high)
    low, median, high = (f"{s['start_ts'] + dt.timedelta(seconds=each):%H:%M:%S}" for each in (low, median, high))
    some = f", in {row['draws']} of {len(draws)}" if row["draws"] < len(draws) else ""
    return f"{median} UTC ({low} to {high}){some}"


def _usd_band(low: float, median: float, high: float, *, currency: bool = True) -> str:
    return usd_band(low, median, high, currency=currency).replace(SPACE, " ")


def _usd(value: float) -> str:
    return usd(value).replace(SPACE, " ")


def _published(run: StoredRun, draws: Draws) -> list[Line]:
    """Return published totals of the run's coins beside those of the draws and of this run in the same window."""
    totals = published_totals(run.meta)
    if not totals:
        return []
    own: dict[str, float | None] = {**measured(run)}
    first = totals[0]
    rows = [("published", f"for {', '.join(first.coins)}, {first.start:%H:%M} to {first.end:%H:%M} UTC")]
    for total in totals:
        here = total.of(own)
        this = "" if here is None else f", this run {_usd(here)}"
        rows.append((f"  {TOTALS[total.metric]}", f"{_usd(total.usd)}; {_beside(total, draws)}{this}"))
    return rows


def _beside(total: PublishedTotal, draws: Draws) -> str:
    sums = [total.of({fact: values[k] for fact, values in draws.compared.items()}) for k in range(len(draws))]
    known = [value for value in sums if value is not None]
    if not known:
        return "no draw has it"
    low, median, high = np.quantile(known, (0.05, 0.5, 0.95)).tolist()
    return f"here {_usd_band(low, median, high, currency=False)}"


def _cliffs(run: StoredRun) -> str:
    row = run.query("draw_cliffs").row(0, named=True)
    words = f"ADL in {row['adl_frac']:.0%}"
    if row["vault_died_frac"] is None:
        return words
    a = "a" if len(run.meta.scenario.vaults) > 1 else "the"
    return f"{words}; {a} vault dies in {row['vault_died_frac']:.0%}, is near zero in {row['near_zero_frac']:.0%}"


def _follows(run: StoredRun) -> str:
    """Return what the headlines follow, by rank correlation, as far as it is clear of noise."""
    found = run.query("draw_drivers").to_dicts()
    words = []
    for metric in FOLLOWED:
        clear = [row for row in found if row["metric"] == metric and row["clear"]][:MOST_FOLLOWED]
        named = ", ".join(f"{row['parameter']} ({_signed(row['rho'])})" for row in clear)
        words.append(f"{NAMES[metric]}: {named or 'no single unknown beyond noise'}")
    return "; ".join(words)


def _signed(rho: float) -> str:
    return f"{rho:+.2f}".replace("-", "−")


def _pinned(run: StoredRun, draws: Draws) -> list[Line]:
    """Return what published figures say of the priors, if there are draws enough to tell it from chance."""
    found = pinned(draws, run.meta)
    if found is None:
        return [] if len(draws) < LEAST else [("pinned down", "nothing: no published figure")]
    named = ", ".join(f"{one.name} ({one.low:,.3g} to {one.high:,.3g})" for one in found)
    return [("pinned down", f"by published figures: {named or 'none of the priors'}")]
