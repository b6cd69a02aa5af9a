"""The rest of a venue as a modelled coin: its prices and volume by hand, and the market beside it unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtest.errors import DataError
from backtest.market.path import MarketPath, build_market
from backtest.market.rest import basket, with_rest, without_rest
from backtest.mechanics.path import CLOSE, HIGH, LOW, OPEN
from backtest.run.resolve import resolve
from backtest.scenario.fields import Scenario

SYMBOL = "REST/USDC:USDC"


@pytest.fixture(scope="module")
def given() -> tuple[MarketPath, Scenario]:
    found = resolve("2025-10-10", {"coins": ("BTC", "SOL", "DOGE"), "rest_of_venue": "basket"})
    return build_market(found.event, found.venue, found.scenario), found.scenario


def test_a_basket_moves_by_the_weighted_mean_of_log_moves() -> None:
    bars = np.array([[[100, 400, 100, 200]], [[50, 50, 25, 50]]])
    # 3/4 and 1/4: the high is 4^(3/4), the low 2^(-1/4), the close 2^(3/4) times the open
    assert basket(bars, np.array([0.75, 0.25]), 10_000).tolist() == [[10_000, 28_284, 8_409, 16_818]]


def test_a_coin_that_falls_to_zero_takes_the_basket_along() -> None:
    assert basket(np.array([[[5, 5, 0, 5]], [[7, 7, 7, 7]]]), np.array([0.1, 0.9]), 100)[0, LOW] == 0


def test_the_rest_follows_the_coins_but_bitcoin(given: tuple[MarketPath, Scenario]) -> None:
    market, scenario = given
    made = with_rest(market, SYMBOL, scenario)
    assert [unit.symbol for unit in made.instruments[:-1]] == [unit.symbol for unit in market.instruments]
    rest, sol, doge = made.trade[3], market.trade[1], market.trade[2]
    assert rest[0, OPEN] == 1_000_000  # 100 in ticks of 0.0001
    weight = 775e6 / (775e6 + 66e6)
    close = 1e6 * (sol[:, CLOSE] / sol[0, OPEN]) ** weight * (doge[:, CLOSE] / doge[0, OPEN]) ** (1 - weight)
    assert np.abs(rest[:, CLOSE] - close).max() < 1
    assert (rest[:, HIGH] >= rest.max(axis=1)).all()
    assert (rest[:, LOW] <= rest.min(axis=1)).all()
    assert made.modelled == (*market.modelled, True)
    assert made.mark[3, 0, OPEN] == 1_000_000  # no tick is finer than the mark
    assert made.pre_low[3] <= made.mark[3, 0, LOW]
    assert [row["label"] for row in made.coverage if row["symbol"] == SYMBOL] == ["modelled", "modelled"]
    assert "REST is the rest of the venue, modelled, no bars" in made.notes[-1]
    assert made.digest != market.digest


def test_its_volume_is_theirs_in_dollars_by_open_interest(given: tuple[MarketPath, Scenario]) -> None:
    market, scenario = given
    made = with_rest(market, SYMBOL, scenario)
    usd = [
        market.volume_lots[s] * market.trade[s].mean(axis=1) * float(unit.lot * unit.tick) * scale
        for s, (unit, scale) in enumerate(zip(market.instruments, (0.15, 0.33, 0.08), strict=True))
    ]
    rest = made.volume_lots[3] * made.trade[3].mean(axis=1) * 1e-6
    others = 6.9e9 - 2.24e9 - 775e6 - 66e6
    assert rest == pytest.approx((usd[1] + usd[2]) * others / (775e6 + 66e6), rel=1e-5)


def test_a_rest_takes_the_place_of_an_earlier_one(given: tuple[MarketPath, Scenario]) -> None:
    market, scenario = given
    made = with_rest(market, SYMBOL, scenario)
    assert without_rest(market) is market
    assert len(without_rest(made).instruments) == 3
    again = with_rest(made, SYMBOL, scenario)
    assert (again.trade == made.trade).all()
    assert (len(again.coverage), len(again.notes)) == (len(made.coverage), len(made.notes))


def test_a_basket_does_not_start_at_zero(given: tuple[MarketPath, Scenario]) -> None:
    market, scenario = given
    trade = market.trade.copy()
    trade[2, 0] = 0
    with pytest.raises(DataError, match="DOGE/USDC:USDC: the first price is zero, and REST follows its moves; allowed"):
        with_rest(replace(market, trade=trade), SYMBOL, scenario)
