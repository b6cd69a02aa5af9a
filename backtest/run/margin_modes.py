"""Accounts of a true book by their margin mode: what each holds, and what becomes of portfolio margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backtest.book.actual.collateral import MODES
from backtest.book.book import PORTFOLIO
from backtest.formatting import SPACE, percent, usd
from backtest.mechanics.exact import QUANTA_PER_USD, exact_sum

if TYPE_CHECKING:
    from backtest.run.prepare import Prepared


def modes(prepared: Prepared) -> list[str]:
    """Return the sentence on the notional of each margin mode of a true book, none of other books."""
    if prepared.book.origin is None:
        return []
    held = _held(prepared)
    total = sum(usd for _, _, usd in held)
    parts = [
        f"{mode} {accounts:,} accounts, {value:,.0f} USD ({value / total:.1%})"
        for mode, accounts, value in held
        if value
    ]
    return [f"margin modes, both sides at the first mark: {'; '.join(parts)}"] if parts else []


def portfolio_margin(prepared: Prepared) -> list[str]:
    """Return what a reader of the headline must know of accounts in portfolio margin, nothing where there are none."""
    held = {mode: (accounts, value) for mode, accounts, value in _held(prepared)}
    accounts, value = held.get(PORTFOLIO, (0, 0.0))
    if not value:
        return []
    total = sum(each for _, each in held.values())
    what = {
        "kept": "stay: they are deleveraged, not liquidated",
        "cross": "are liquidated as cross accounts are",
    }[prepared.resolved.scenario.portfolio_margin]
    text = f"{accounts:,} accounts in portfolio margin, {percent(value / total)} of the notional ({usd(value)}), {what}"
    return [text.replace(SPACE, " ")]


def _held(prepared: Prepared) -> list[tuple[str, int, float]]:
    """Return accounts and notional in USD of each cohort that is a margin mode, or of a mode that is not known."""
    book, world, out = prepared.book, prepared.world, []
    first = [
        contract.value_per_lot(int(mark)) for contract, mark in zip(world.contracts, world.walk.mark[:, 0], strict=True)
    ]
    for code, name in enumerate(book.cohorts):
        if book.label != "imported" or name not in (*MODES, *(["imported"] if book.origin is not None else [])):
            continue
        mine = book.crowd & (book.cohort == code)
        value = sum(exact_sum(book.lots[mine & (book.symbol == k)]) * each for k, each in enumerate(first))
        shown = name if name in MODES else "not known"
        out.append((shown, len(np.unique(book.account_id[mine])), value / QUANTA_PER_USD))
    return out
