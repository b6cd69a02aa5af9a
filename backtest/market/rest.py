"""The rest of a venue as one modelled coin beside those with bars: prices of a basket, volume by open interest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from backtest.errors import DataError
from backtest.market.inputs import InputSeries
from backtest.market.mark_model import model_mark, model_text
from backtest.market.path import MarketPath
from backtest.market.pre_roll import entry_profile
from backtest.mechanics.exact import LIMIT, Floats, Ints
from backtest.mechanics.path import HIGH, LOW
from backtest.scenario.fields import Scenario
from backtest.scenario.values import per_coin
from backtest.schema.coins import REST, is_rest
from backtest.venue.instrument import Instrument
from backtest.venue.listings import Listing

BASE_PX = 100  # price of the basket at the first open
LISTING = Listing(REST, tick=Decimal("0.0001"), lot=Decimal("0.01"))  # a lot of about a dollar, in steps of 1e-6 of it
NOTE = f"{REST} is the rest of the venue"
LEFT_OUT = "BTC"  # what holds half of a venue does not stand for the other half


def with_rest(market: MarketPath, symbol: str, scenario: Scenario) -> MarketPath:
    """Return a market with the rest of the venue as its last symbol, in place of an earlier one.

    Its price follows the coins other than BTC: from 100 at the first open, each of the four prices of a bar has moved
    by the mean of their log moves, weighted by open interest. They are the prices of coins that reach their extremes
    at the same time, as they are walked. Its volume is theirs in dollars, scaled as theirs is, times its open interest
    over theirs. Its mark is the model of its price; it pays no funding.

    Raises
    ------
    DataError
        A coin of the basket opens at zero.
    """
    market = without_rest(market)
    coins = [unit.coin for unit in market.instruments]
    of_basket = [s for s, coin in enumerate(coins) if coin != LEFT_OUT]
    interest = {coins[s]: per_coin(scenario.open_interest_usd, coins[s], "open_interest_usd") for s in of_basket}
    weights = np.array(list(interest.values())) / sum(interest.values())
    unit = Instrument.of(symbol, REST, LISTING.tick, LISTING.lot)
    for s in of_basket:
        if not market.trade[s, 0, 0]:
            raise DataError(
                f"{market.instruments[s].symbol}: the first price is zero, and {REST} follows its moves; allowed: a "
                "price above zero; set another start or rest_of_venue=none"
            )
    trade = basket(market.trade[of_basket], weights, round(BASE_PX / LISTING.tick))
    scales = [per_coin(scenario.liquidity_scale, coins[s], "liquidity_scale") for s in of_basket]
    usd = np.sum([scale * _turnover(market, s) for s, scale in zip(of_basket, scales, strict=True)], axis=0)
    share = per_coin(scenario.open_interest_usd, REST, "open_interest_usd") / sum(interest.values())
    volume = _lots(usd * share, trade, unit)
    mark = model_mark(trade, market.bar_s, scenario.mark_half_life_s, unit.mark_per_tick)
    names = ", ".join(f"{coin} {weight:.1%}" for coin, weight in zip(interest, weights.tolist(), strict=True))
    long_enough = all(profile is not None for profile in market.entry_profiles)
    before = slice(market.core_bar)
    seen = slice(max(market.core_bar, 1) if market.core_bar < len(market.open_ts) else 1)
    rows = _series(symbol, names, scenario, len(trade))
    digest = hashlib.sha256(f"{market.digest}\n{unit!r}\n{rows!r}".encode())
    for array in (trade, mark, volume):
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    modelled = f"{REST} is modelled as a basket of {', '.join(interest)}"
    return replace(
        market,
        instruments=(*market.instruments, unit),
        trade=np.concatenate([market.trade, trade[None]]),
        mark=np.concatenate([market.mark, mark[None]]),
        modelled=(*market.modelled, True),
        volume_lots=np.concatenate([market.volume_lots, volume[None]]),
        bridged=np.concatenate([market.bridged, np.all(market.bridged[of_basket], axis=0, keepdims=True)]),
        entry_profiles=(*market.entry_profiles, entry_profile(trade[before], volume[before]) if long_enough else None),
        pre_low=np.append(market.pre_low, mark[seen, LOW].min()),
        pre_high=np.append(market.pre_high, mark[seen, HIGH].max()),
        coverage=(*market.coverage, *(row.row() for row in rows)),
        labels={
            name: {**label, "text": f"{label['text']}; {modelled}"} if name == "prices" else label
            for name, label in market.labels.items()
        },
        notes=(*market.notes, _note(names)),
        digest=digest.hexdigest(),
    )


def without_rest(market: MarketPath) -> MarketPath:
    """Return the coins with bars of a market that has a rest of the venue; its digest and labels are for nobody."""
    count = sum(not is_rest(unit.symbol) for unit in market.instruments)
    if count == len(market.instruments):
        return market
    return replace(
        market,
        instruments=market.instruments[:count],
        trade=market.trade[:count],
        mark=market.mark[:count],
        modelled=market.modelled[:count],
        volume_lots=market.volume_lots[:count],
        bridged=market.bridged[:count],
        entry_profiles=market.entry_profiles[:count],
        pre_low=market.pre_low[:count],
        pre_high=market.pre_high[:count],
        coverage=tuple(row for row in market.coverage if not is_rest(row["symbol"])),
        notes=tuple(note for note in market.notes if not note.startswith(NOTE)),
    )


def basket(trade: Ints, weights: Floats, base: int) -> Ints:
    """Return the bars of a basket: a base at the first open, then the weighted mean of the log moves of coins.

    Parameters
    ----------
    trade
        Open, high, low, close of each coin in ticks, shape (coins, bars, 4); first opens above zero.
    weights
        Weight of each coin, together 1.
    base
        First open, in ticks.

    Examples
    --------
    One coin rises to four times its first price, the other stays: half of each is twice the price.

    >>> bars = np.array([[[10, 10, 10, 40]], [[7, 7, 7, 7]]])
    >>> basket(bars, np.array([0.5, 0.5]), 100).tolist()
    [[100, 100, 100, 200]]
    """
    with np.errstate(divide="ignore"):  # a price of zero moves by minus infinity, and the basket with it
        moves = np.log(trade) - np.log(trade[:, :1, :1])
    mean = sum(weight * move for weight, move in zip(weights.tolist(), moves, strict=True))
    bars: Ints = np.rint(base * np.exp(mean)).astype(np.int64)
    return bars


def _turnover(market: MarketPath, symbol: int) -> Floats:
    """Return traded volume by bar in USD, at the mean of its four prices."""
    unit = market.instruments[symbol]
    usd: Floats = market.volume_lots[symbol] * market.trade[symbol].mean(axis=1) * float(unit.lot * unit.tick)
    return usd


def _lots(usd: Floats, trade: Ints, unit: Instrument) -> Ints:
    """Return amounts in USD as whole lots at the mean of the four prices of each bar, floored."""
    lots = usd / np.maximum(trade.mean(axis=1) * float(unit.lot * unit.tick), 1e-12)
    whole: Ints = np.floor(np.minimum(lots, LIMIT / 2)).astype(np.int64)
    return whole


def _series(symbol: str, names: str, scenario: Scenario, bars: int) -> Sequence[InputSeries]:
    """Return the modelled series as rows of ``coverage``: they have no rows of data."""
    source = f"basket of {names}"
    made = f"{REST} has no bars: its price is the mean of log moves by open interest, its volume by open interest"
    return (
        InputSeries("ohlcv", symbol, source, "modelled", expected_rows=bars, note=made),
        InputSeries(
            "mark_ohlcv", symbol, model_text(scenario.mark_half_life_s), "modelled", expected_rows=bars, note=made
        ),
    )


def _note(names: str) -> str:
    return (
        f"{NOTE}, modelled, no bars: a price of {BASE_PX} at the first open that moves by the "
        f"mean of the log moves of {names}, by open interest; their volume in dollars by open interest; no funding; "
        "the margin table of any coin; in no published comparison and apart from all totals of the coins with bars."
    )
