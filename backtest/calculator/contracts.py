"""Linear and inverse contracts in exact fractions: value, PnL, entry, maintenance, liquidation and bankruptcy price.

Prices are quote per base. A linear contract counts its size in base and settles in quote; an inverse one counts its
face in quote and settles in base. Either is worth ``size * x`` in its settlement currency, where x is the price of a
linear and 1 / price of an inverse contract. A long gains with x if linear and loses with it if inverse: in terms of x
an inverse long is a linear short, so that one set of formulas serves both kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE
from backtest.mechanics.margin import Tiers

Kind = Literal["linear", "inverse"]
EXPONENT = {"linear": 1, "inverse": -1}


class Tier(NamedTuple):
    """A tier of maintenance margin from its floor inclusive: ``notional * rate - deduction``, settlement currency."""

    floor: Fraction
    rate: Fraction
    deduction: Fraction


@dataclass(frozen=True, slots=True)
class Holding:
    """A position and the balance that bears its losses.

    ``side`` is +1 long, -1 short; ``size`` in base (linear) or face in quote (inverse); ``entry_px`` the average entry;
    ``balance`` in the settlement currency, without unrealised PnL.
    """

    kind: Kind
    side: int
    size: Fraction
    entry_px: Fraction
    balance: Fraction


def average_entry(kind: Kind, fills: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """Return the average entry price of (price, size) fills: the arithmetic mean, for an inverse contract the harmonic.

    Examples
    --------
    One base at 100 and one at 300; a face of 300 at 100 and 300 at 300, which are 3 + 1 base.

    >>> average_entry("linear", [(Fraction(100), Fraction(1)), (Fraction(300), Fraction(1))])
    Fraction(200, 1)
    >>> average_entry("inverse", [(Fraction(100), Fraction(300)), (Fraction(300), Fraction(300))])
    Fraction(150, 1)
    """
    exponent = EXPONENT[kind]
    size = sum((size for _, size in fills), Fraction(0))
    total = sum((size * price**exponent for price, size in fills), Fraction(0))
    return Fraction(total / size) ** exponent


def value(held: Holding, price: Fraction) -> Fraction:
    """Return the notional at a price, in the settlement currency."""
    return held.size * price ** EXPONENT[held.kind]


def pnl(held: Holding, price: Fraction) -> Fraction:
    """Return the unrealised PnL at a price, in the settlement currency.

    ``s Q (P - E)`` if linear, ``s n F (1 / E - 1 / P)`` if inverse.

    Examples
    --------
    A face of 100,000 USD bought at 50,000 is 2 BTC owed; at 40,000 it is 2.5 BTC.

    >>> pnl(Holding("inverse", 1, Fraction(100_000), Fraction(50_000), Fraction(0)), Fraction(40_000))
    Fraction(-1, 2)
    """
    return _gains(held) * (value(held, price) - value(held, held.entry_px))


def equity(held: Holding, price: Fraction) -> Fraction:
    """Return balance plus unrealised PnL at a price, in the settlement currency."""
    return held.balance + pnl(held, price)


def exact_tiers(tiers: Tiers, quanta: int | Fraction = QUANTA_PER_USD) -> tuple[Tier, ...]:
    """Return a schedule of the engine in units of the settlement currency, of which one is ``quanta`` quanta."""
    rows = zip(tiers.floors.tolist(), tiers.rates_e9.tolist(), tiers.deductions.tolist(), strict=True)
    return tuple(Tier(Fraction(a) / quanta, Fraction(b, RATE_ONE), Fraction(c) / quanta) for a, b, c in rows)


def tier_at(notional: Fraction, tiers: Sequence[Tier]) -> int:
    """Return the index of the tier a notional falls in; floors are inclusive."""
    return sum(tier.floor <= notional for tier in tiers[1:])


def maintenance_margin(notional: Fraction, tiers: Sequence[Tier]) -> Fraction:
    """Return the maintenance margin of a notional, never below zero and not rounded.

    Examples
    --------
    Bybit, 12M USDT of BTCUSDT: 1.5 % less 66,000.

    >>> bybit = [Tier(Fraction(0), Fraction(5, 1000), Fraction(0)),
    ...          Tier(Fraction(10**7), Fraction(15, 1000), Fraction(66_000))]
    >>> maintenance_margin(Fraction(12 * 10**6), bybit)
    Fraction(114000, 1)
    """
    tier = tiers[tier_at(notional, tiers)]
    return max(notional * tier.rate - tier.deduction, Fraction(0))


def liquidation_price(
    held: Holding, tiers: Sequence[Tier], start: Fraction | None = None
) -> tuple[Fraction, int] | None:
    """Return the price at which equity equals maintenance margin, with its tier; None if no positive price does.

    The price is solved in each tier and kept where it lies in that tier's own bracket; of several the one reached
    first in the direction of loss holds. Where a schedule steps up (one rate on the whole position), it may be the edge
    of the bracket, and depends on the price to ``start`` from: what a loss leaves behind does not count. Without a
    solution: a linear long with ``balance + deduction >= entry value``, an inverse short alike.

    Source: the tier at the price itself, as Binance states the re-substitution for COIN-M
    (support FAQ b3c689c1f50a44cabb3a84e663b81d93).

    Examples
    --------
    Long 1 at 100,000 with 10,000 at 0.5 % less 50: (100,000 - 10,000 - 50) / 0.995.

    >>> flat = [Tier(Fraction(0), Fraction(5, 1000), Fraction(50))]
    >>> price, tier = liquidation_price(Holding("linear", 1, Fraction(1), Fraction(10**5), Fraction(10**4)), flat)
    >>> round(float(price), 4), tier
    (90402.0101, 0)
    """
    gains = _gains(held)
    edges = [tier.floor / held.size for tier in tiers]
    from_x = None if start is None else start ** EXPONENT[held.kind]
    found = []
    for k, (low, high) in enumerate(zip(edges, [*edges[1:], None], strict=True)):
        x = _solve(held, tiers[k])
        if from_x is not None:
            x = min(x, from_x) if gains > 0 else max(x, from_x)
        if gains > 0 and x >= low:  # breached from x down to the bottom of the bracket
            found.append((x if high is None else min(x, high), k))
        if gains < 0 and (high is None or x < high):  # from x up to its top
            found.append((max(x, low), k))
    first = max(found, key=lambda pair: gains * pair[0], default=None)
    if first is None or first[0] <= 0:
        return None
    return first[0] ** EXPONENT[held.kind], first[1]


def _solve(held: Holding, tier: Tier) -> Fraction:
    """Return the x at which equity equals one tier's maintenance margin, or zero where that line is below zero."""
    gains = _gains(held)
    bankruptcy_value = value(held, held.entry_px) - gains * held.balance  # gains * equity = size * x - bankruptcy_value
    on_line = (bankruptcy_value - gains * tier.deduction) / (held.size * (1 - gains * tier.rate))
    at_zero = bankruptcy_value / held.size
    return max(on_line, at_zero) if gains > 0 else min(on_line, at_zero)


def bankruptcy_price(held: Holding) -> Fraction | None:
    """Return the price at which equity is zero; None if no positive price does.

    ``E - s B / Q`` if linear, ``1 / (1 / E + s B / (n F))`` if inverse.

    Examples
    --------
    Bybit, inverse long of 5,000 USD at 7,890.08 with 50x: 7,735.3725, as E L / (L + 1).

    >>> entry = Fraction("7890.08")
    >>> bankruptcy_price(Holding("inverse", 1, Fraction(5000), entry, 5000 / entry / 50)) == entry * 50 / 51
    True
    """
    x = value(held, held.entry_px) / held.size - _gains(held) * held.balance / held.size
    return x ** EXPONENT[held.kind] if x > 0 else None


def margin_ratio(maintenance: Fraction, equity: Fraction) -> Fraction | None:
    """Return maintenance margin over equity, 1 at liquidation; None where equity is not above zero."""
    return maintenance / equity if equity > 0 else None


def effective_leverage(notional: Fraction, equity: Fraction) -> Fraction | None:
    """Return notional over equity; None where equity is not above zero."""
    return notional / equity if equity > 0 else None


def _gains(held: Holding) -> int:
    """Return +1 if the holding gains when x rises, -1 if it loses."""
    return held.side * EXPONENT[held.kind]
