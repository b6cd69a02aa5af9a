"""Every figure of a position with its unit, its rule and the source the venue profile states for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from backtest.calculator import contracts
from backtest.calculator.adl import _adl
from backtest.calculator.figure import NO_VALUE, Figure, _decimal, _mark_price, _money, _origin, _places, _price
from backtest.calculator.position import Position, PositionRequest, contract_of, reference_px, row, take_position
from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE, rate_e9
from backtest.mechanics.liquidation.blocks import fillable_discount
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT, tier_of
from backtest.mechanics.margin_stepped import steps_up
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginTable
from backtest.venue.profile import VenueProfile

HIGHEST_MARK = 2**52  # mark quanta; the engine looks no further for a short's breach

RATIO_PLACES = 9

CONCERNED = {"margin", "ranking", "close_price"}  # simplifications that touch a figure here


@dataclass(frozen=True, slots=True)
class Answer:
    """All figures of a position at a venue on a day, with notes."""

    profile: VenueProfile
    symbol: str
    kind: str
    day: dt.date
    table: MarginTable
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def value(self, column: str) -> Decimal | float | int | str | None:
        """Return one figure's value by its column name."""
        return next(figure.value for figure in self.figures if figure.column == column)


def position_figures(
    profile: VenueProfile,
    symbol: str,
    request: PositionRequest,
    on: dt.date | None = None,
    terms: tuple[Callable[[Fraction], MarginTable], Sequence[str]] | None = None,
) -> Answer:
    """Return the figures of one position at a venue; money of an inverse contract is in its coin.

    Parameters
    ----------
    profile
        The venue.
    symbol
        A coin (its contract of the day) or a unified symbol, BTC or BTC/USDT:USDT or BTC/USD:BTC.
    request
        The position.
    on
        Day whose margin table holds; the profile's own day if None.
    terms
        What gives the margin table for a price (the mark, else the average entry), and notes on it; None: the profile.

    Raises
    ------
    UsageError
        For an unknown name or a number out of range.
    NotBuiltError
        For a coin-margined symbol that the profile does not list.

    Examples
    --------
    Long 1 BTC at 100,000 with 10,000: half a percent less 50 is due below 600,000, so (90,000 - 50) / 0.995.

    >>> from backtest.venue.reading import get_venue
    >>> long = PositionRequest(side="long", entries=[(Decimal(100_000), Decimal(1))], margin=Decimal(10_000))
    >>> answer = position_figures(get_venue("binanceusdm"), "BTC", long, dt.date(2024, 10, 24))
    >>> [str(answer.value(name)) for name in ("maintenance_margin_usd", "liquidation_px", "bankruptcy_px")]
    ['450.000000', '90402.0', '90000.00000']

    1,000 contracts of 100 USD at 50,000, which are 2 BTC, with 0.2 BTC: bankrupt where they are 2.2.

    >>> long = PositionRequest(side="long", entries=[(Decimal(50_000), Decimal(1000))], margin=Decimal("0.2"))
    >>> answer = position_figures(get_venue("binancecoinm"), "BTC", long)
    >>> str(answer.value("notional_coin")), str(answer.value("bankruptcy_px"))
    ('2.0000000000', '45454.54545')
    """
    day = profile.as_of if on is None else on
    profile, coin = contract_of(profile, symbol, day)
    unit = Instrument.of(profile.symbol(coin), coin, *profile.instrument(coin), face=profile.face(coin))
    if terms is None:
        table, *warnings = profile.table(coin, day)
    else:
        table, warnings = terms[0](reference_px(request, unit)), [*terms[1]]
    held, notes = take_position(profile, unit, table, request)
    mode = "isolated" if request.wallet is None else "cross"
    figures = (
        *_inputs(held, request.side, mode),
        *_margin(held, table),
        *_prices(held, profile),
        *_adl(held, profile),
    )
    known = [*warnings, f"margin table: {table.note}" if table.note else "", *notes, _other_way(held)]
    known.append("fees and funding are in no figure")
    return Answer(
        profile,
        unit.symbol,
        profile.listing(coin).kind,
        day,
        table,
        figures,
        (*filter(None, known), *_simplified(profile, mode)),
    )


def _other_way(held: Position) -> str:
    """Return the note on a gain that liquidates: into a tier whose rate holds for the whole position."""
    if held.sign < 0 or not steps_up(held.tiers) or held.breached():
        return ""
    below, above = held.breaches_around()
    at, move = (above, "rise") if held.side > 0 else (below, "fall")
    if at in {NEVER_LONG, NEVER_SHORT}:
        return ""
    return f"a {move} to {_mark_price(at, held.instrument):f} liquidates too: a higher rate then holds for the whole"


def _simplified(profile: VenueProfile, mode: str) -> Iterator[str]:
    for each in profile.simplified:
        if each.point in CONCERNED or (each.point == "margin_mode" and mode == "cross"):
            yield f"{each.point}: {each.venue_rule} Here: {each.runs_here}"


def _inputs(held: Position, side: str, mode: str) -> Iterator[Figure]:
    unit = held.instrument
    size = held.exact().size
    yield Figure("side", side, "")
    yield Figure("mode", mode, "")
    if unit.inverse:
        whole = f"whole lots of {unit.lot:f}, {unit.unit}"
        yield Figure("size_contracts", _decimal(held.lots * Fraction(unit.lot), _places(unit.lot)), whole)
        yield Figure("entry_px", _price(held.exact().entry_px, unit), "face / entry value, the harmonic mean of fills")
    else:
        yield Figure("size_base", _decimal(size, _places(unit.lot)), f"whole lots of {unit.lot:f}")
        yield Figure("entry_px", _price(held.exact().entry_px, unit), "entry value / size")
    yield Figure("mark_px", _mark_price(held.mark, unit), f"multiple of {unit.mark_quantum:f}")
    yield _money(held, "collateral", held.collateral, "isolated margin" if mode == "isolated" else "whole wallet")


def _margin(held: Position, table: MarginTable) -> Iterator[Figure]:
    tiers, place = held.tiers, int(tier_of(row(held.margin_notional), held.tiers)[0])
    origin = table.source, table.mark
    whole = table.kind == "risk_limits"
    ends = "limits inclusive, one rate on the whole position" if whole else "floors inclusive"
    basis = "entry value" if tiers.on_entry else "notional"
    tier = f"of {len(tiers)}, by {basis}, {ends}; table of {table.valid_from}"
    less = "none: the rate is not marginal" if whole else "previous + floor x step of the rate"
    rate = Fraction(int(tiers.rates_e9[place]), RATE_ONE)
    value, need, equity = Fraction(held.value), Fraction(held.maintenance), Fraction(held.equity)
    ratio, leverage = contracts.margin_ratio(need, equity), contracts.effective_leverage(value, equity)
    without = NO_VALUE + "equity is not above zero"
    inverse = held.instrument.inverse
    yield _money(held, "notional", held.value, "face / mark" if inverse else "size x mark")
    yield Figure("tier", place + 1, tier, *origin)
    yield Figure("maintenance_rate_frac", _decimal(rate, RATIO_PLACES), "of the tier", *origin)
    yield _money(held, "deduction", int(tiers.deductions[place]), less, *origin)
    yield _money(held, "maintenance_margin", held.maintenance, f"{basis} x rate, rounded up, - deduction", *origin)
    pnl = "side x (entry value - notional)" if inverse else "side x (notional - entry value)"
    yield _money(held, "unrealised_pnl", held.pnl, pnl)
    yield _money(held, "equity", held.equity, "collateral + unrealised PnL")
    rule = "maintenance margin / equity; 1 at liquidation"
    yield Figure("margin_ratio_frac", _decimal(ratio, RATIO_PLACES), rule if ratio is not None else without)
    rule = "notional / equity"
    yield Figure("effective_leverage_x", _decimal(leverage, RATIO_PLACES), rule if leverage is not None else without)


def _prices(held: Position, profile: VenueProfile) -> Iterator[Figure]:
    unit, origin = held.instrument, _origin(profile, "margin")
    breach = f"equity {'<=' if held.inclusive else '<'} maintenance margin"
    state = "bankrupt" if held.equity < 0 else "liquidated" if held.breached() else "open"
    yield Figure("state", state, f"at this mark; liquidated where {breach}", *origin)
    stepped = steps_up(held.tiers)
    first = held.first_breach()
    if first in {NEVER_LONG, NEVER_SHORT}:
        reach = "above zero" if held.side > 0 else f"up to {HIGHEST_MARK * unit.mark_quantum:,f}"
        yield Figure("liquidation_px", None, f"{NO_VALUE}no mark {reach} breaches", *origin)
    else:
        way = " from this mark on" if stepped else ""
        rule = f"first mark{way} with {breach}, in steps of {unit.mark_quantum:f}"
        yield Figure("liquidation_px", _mark_price(first, unit), rule, *origin)
    without = NO_VALUE + "at no price above zero"
    solved, broke = _solved(held), contracts.bankruptcy_price(held.exact())
    price, tier = (solved[0], solved[1] + 1) if solved else (None, None)
    rule = "equity = maintenance margin, solved in its own tier, before any rounding"
    yield Figure("liquidation_exact_px", _price(price, unit), rule if solved else without, *origin)
    yield Figure("liquidation_tier", tier, "tier at that price" if solved else without, *origin)
    yield Figure("bankruptcy_px", _price(broke, unit), "equity = 0" if broke else without)
    if profile.rules["liquidation_rule"] == "fillable_price":
        yield _fillable(held, profile)


def _solved(held: Position) -> tuple[Fraction, int] | None:
    """Return the price at which equity equals maintenance margin, and its tier from 0."""
    exact, per_unit = held.exact(), QUANTA_PER_USD * held.coin_px
    tiers = contracts.exact_tiers(held.tiers, per_unit)
    if not held.tiers.on_entry:
        start = held.mark * Fraction(held.instrument.mark_quantum) if steps_up(held.tiers) else None
        return contracts.liquidation_price(exact, tiers, start)
    basis = Fraction(held.margin_notional) / per_unit  # its maintenance is bound at any price
    free = replace(exact, balance=exact.balance - contracts.maintenance_margin(basis, tiers))
    price = contracts.bankruptcy_price(free)
    return None if price is None else (price, contracts.tier_at(basis, tiers))


def _fillable(held: Position, profile: VenueProfile) -> Figure:
    """Return the limit of a liquidation order at this mark where it is not the bankruptcy price."""
    origin = _origin(profile, "liquidation")
    if not held.breached():
        return Figure("fillable_px", None, NO_VALUE + "not liquidated at this mark", *origin)
    adjustment, spread = (rate_e9(profile.rules[f"fillable_{name}"]) for name in ("adjustment", "spread"))
    need, equity = row(held.maintenance), row(held.equity)
    amount = held.value - held.side * int(fillable_discount(need, need, equity, adjustment, spread)[0])
    price = Fraction(amount, QUANTA_PER_USD) / held.exact().size
    rule = "mark - side x BA (1 - equity / maintenance) x SMMR x maintenance / size, BA (...) within 0 and 1"
    return Figure("fillable_px", _price(price, held.instrument), rule, *origin)
