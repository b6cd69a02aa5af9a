"""The headline numbers of a finished run, straight from the engine's record: what a draw leaves behind.

They equal those of the query ``run_summary`` and of the tables of the same run, which need a run folder and a database.
"""

from __future__ import annotations

import numpy as np

from backtest.engine.columns import distinct
from backtest.engine.records import FUND, UNCOVERED, VAULT
from backtest.formatting import coin
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Ints
from backtest.run.drawn import AdlMinute, CoinHeadlines, Headlines, VaultHeadlines
from backtest.run.finished import Finished
from backtest.run.tables.liquidation import crossing_ts
from backtest.run.tables.shared import Shared
from backtest.run.tables.steps import pool_path
from backtest.schema.coins import is_rest

MINUTE_US = 60_000_000


def headlines(done: Finished) -> Headlines:
    """Return the headline numbers of a finished run: of the coins with bars, the pools' of all."""
    return headlines_of(Shared(done))


def headlines_of(s: Shared) -> Headlines:
    """Return the headline numbers of a finished run whose record is joined."""
    shape = (len(s.symbols), s.world.steps)
    value = s.at(s.mark)
    funds = [pool_path(s, FUND, shape, value, number).equity for number in s.funds]
    vaults = [pool_path(s, VAULT, shape, value, number).equity for number in s.vaults]
    rules = s.world.rules
    fund_capital, vault_capital = rules.fund_start, rules.vault.capital if rules.vault else 0
    in_vault = bool(vault_capital) or bool(((s.transfers.taker == VAULT) | (s.transfers.giver == VAULT)).any())
    capital, paths = (vault_capital, vaults) if in_vault else (fund_capital, funds)
    liquidated, adl = _liquidated(s), _adl(s)
    covered = covered_of(s)
    return Headlines(
        liquidated_usd=_usd(int(liquidated[covered].sum())),
        adl_usd=_usd(int(adl[covered].sum())),
        adl_positions=_winners(s, covered),
        first_liquidation_s=_first_liquidation(s, covered),
        first_adl_s=_first_adl(s, covered),
        pool_capital_usd=_usd(capital),
        pool_low_usd=_usd(_low(capital, paths)),
        vault_capital_usd=_usd(vault_capital),
        vault_low_usd=_usd(_low(vault_capital, vaults)),
        vault_died=any(int(path.min()) < 0 for path in vaults),
        uncovered_usd=_usd(_uncovered(s, [*funds, *vaults])),
        coins=tuple(
            CoinHeadlines(symbol=symbol, liquidated_usd=_usd(int(lost)), adl_usd=_usd(int(closed)))
            for symbol, lost, closed in zip(s.symbols, liquidated, adl.sum(axis=1), strict=True)
        ),
        adl_minutes=_minutes(s, adl[covered].sum(axis=0)),
        vaults=_vaults(s, vaults, adl.sum(axis=1)),
    )


def covered_of(s: Shared) -> Bools:
    """Return which symbols have bars: all but the modelled rest of the venue."""
    return np.array([not is_rest(symbol) for symbol in s.symbols])


def _vaults(s: Shared, paths: list[Ints], adl: Ints) -> tuple[VaultHeadlines, ...]:
    """Return each vault that has capital or took something."""
    rule, of = s.world.rules.vault, np.array(s.ledger.vault_of)
    if rule is None:
        return ()
    out = []
    for number, (capital, path) in enumerate(zip(rule.capitals, paths, strict=True)):
        mine, low = np.flatnonzero(of == number), min(capital, int(path.min()))
        coins = "+".join(coin(s.symbols[symbol]) for symbol in mine)
        out.append(
            VaultHeadlines(
                vault=coins,
                capital_usd=_usd(capital),
                low_usd=_usd(low),
                died=low < 0,
                adl_usd=_usd(int(adl[mine].sum())),
            )
        )
    return tuple(out)


def _usd(quanta: int) -> float:
    return quanta / QUANTA_PER_USD


def _low(capital: int, paths: list[Ints]) -> int:
    """Return the lowest equity of pools together, the start included."""
    return min(capital, int(np.sum(paths, axis=0).min()))


def _liquidated(s: Shared) -> Ints:
    """Return the notional that left accounts in breach, by symbol, at the breach mark."""
    b = s.breaches
    out = np.zeros(len(s.symbols), dtype=np.int64)
    np.add.at(out, b.symbol, (b.book_lots + b.takeover_lots + b.adl_lots) * s.each(b.symbol, b.mark))
    return out


def _adl(s: Shared) -> Ints:
    """Return the notional of waves by symbol and step."""
    out = np.zeros((len(s.symbols), s.world.steps), dtype=np.int64)
    for wave in s.record.waves:
        out[wave.symbol, wave.step - 1] += wave.notional
    return out


def _winners(s: Shared, covered: Bools) -> int:
    """Return the number of positions that ADL closed."""
    slices = s.record.slices.join()
    return len(distinct(slices.winner_row[covered[slices.symbol]]))


def _first_liquidation(s: Shared, covered: Bools) -> float | None:
    mine = covered[s.breaches.symbol]
    return _after(s, int(crossing_ts(s)[mine].min())) if mine.any() else None


def _first_adl(s: Shared, covered: Bools) -> float | None:
    closed = [wave.step for wave in s.record.waves if wave.closed_lots and covered[wave.symbol]]
    return _after(s, int(s.step_ts[min(closed) - 1])) if closed else None


def _after(s: Shared, ts: int) -> float:
    return (ts - int(s.bar_ts[0])) / 1e6


def _uncovered(s: Shared, equity: list[Ints]) -> int:
    """Return what the owner of uncovered losses got, and what funds and vaults are below zero at the end."""
    t = s.transfers
    got = int(t.cash[t.taker == UNCOVERED].sum()) - int(t.cash[t.giver == UNCOVERED].sum())
    return got + sum(min(int(path[-1]), 0) for path in equity)


def _minutes(s: Shared, adl: Ints) -> tuple[AdlMinute, ...]:
    """Return the minutes that have ADL; a step belongs to the minute of its bar."""
    minute = (s.bar_ts - s.bar_ts[0]) // MINUTE_US
    total = np.zeros(int(minute[-1]) + 1, dtype=np.int64)
    np.add.at(total, minute, adl)
    return tuple(AdlMinute(minute=at, adl_usd=_usd(int(total[at]))) for at in np.flatnonzero(total).tolist())
