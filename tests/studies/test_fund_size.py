"""The size of a fund: right at its edges by runs of their own, causes of ADL, the fall that exhausts it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from backtest.catalogue.priors import read_priors
from backtest.errors import UsageError
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.studies.fund_rows import curve, draw_rows, plain
from backtest.studies.fund_runs import Tried, tried
from backtest.studies.fund_search import TOLERANCE
from backtest.studies.fund_size import FundRequest, FundSize, fund_size, order_statistic
from tests.support.plain import HOT_MINUTES

GIVEN = {"coins": ("BTC",), "step_s": 60.0, **HOT_MINUTES}
ALONE = {"positions": 200}


def sized(draws: int, workers: int = 1, no_adl: float = 0.99, shock: bool = False, **fields: Any) -> FundSize:
    """Return the study of small books of 10 October 2025."""
    return fund_size(
        FundRequest(
            event="2025-10-10", given={**GIVEN, **fields}, priors=read_priors(), no_adl=no_adl, draws=draws,
            book_size=200, shock=shock, workers=workers,
        )
    )  # fmt: skip


def run(**fields: Any) -> Tried:
    """Return a run of its own of a small book."""
    return tried(prepare(resolve("2025-10-10", {**GIVEN, **ALONE, **fields})))


@pytest.fixture(scope="module")
def okx() -> FundSize:
    """Return the study of one book under the rules of OKX."""
    return sized(0, venue="okx", **ALONE)


def test_a_fund_of_the_smallest_size_has_no_adl_and_a_little_less_has_some(okx: FundSize) -> None:
    found = okx
    size = found.draws[0].smallest_usd
    assert found.pool.owner == "fund"
    assert found.needed_usd == found.sufficient_usd == size > found.sizes[0]
    assert run(venue="okx", fund_start_usd=size).adl_usd == 0
    less = run(venue="okx", fund_start_usd=size / TOLERANCE)
    assert less.adl_usd > 0
    assert {*less.causes} == {"fund_drawdown"}
    assert not less.exhausted, "its rules deleverage before it is empty"


def test_no_vault_takes_accounts_below_zero_and_a_shallower_fall_leaves_it_money() -> None:
    found = sized(0, shock=True, **ALONE)
    draw = found.draws[0]
    assert (found.pool.owner, found.needed_usd) == ("vault", math.inf)
    assert {*found.causes()} == {"vault_below_zero", "past_the_vault"}
    assert {*found.causes(-1)} == {"past_the_vault"}
    assert found.causes()["past_the_vault"] == pytest.approx(run().causes["past_the_vault"])
    assert draw.given == run()
    assert draw.smallest_usd == found.sufficient_usd < math.inf
    beyond = [k for k, size in enumerate(found.sizes) if size >= draw.smallest_usd]
    assert len(beyond) > 1, "of these all but the last are not run"
    larger = found.pool.scaled(found.resolved, found.sizes[beyond[0]])
    assert draw.grid[beyond[0]] == tried(prepare(replace(found.resolved, scenario=larger)))
    assert draw.shock is not None
    assert 0 < draw.shock < 1
    assert run(shock=draw.shock).exhausted
    assert not run(shock=draw.shock - 0.01).exhausted


@pytest.mark.usefixtures("forked")
def test_one_and_two_workers_give_the_same_and_sizes_share_their_draws() -> None:
    alone, crowd = (sized(2, workers=workers, venue="okx", no_adl=0.5) for workers in (1, 2))
    assert alone.draws == crowd.draws
    assert alone.needed_usd == min(draw.smallest_usd for draw in alone.draws)
    rows = curve(alone)
    assert [row["size_usd"] for row in rows if row["given"]] == [alone.pool.size_usd]
    assert rows[0]["p_adl"] == 1.0 > rows[-1]["p_adl"] == 0.0
    assert [row["seed"] for row in draw_rows(alone)] == [1, 2]
    assert plain(alone)["needed_usd"] == alone.needed_usd


def test_adl_may_rise_with_the_size(okx: FundSize) -> None:
    small, large = (Tried({"fund_at_floor": usd}, 0.0) for usd in (1.0, 2.0))
    none = Tried({}, 5.0)
    draw = okx.draws[0]
    odd = type(draw)((small, none, large, none), small, 1.0, None)
    assert odd.comes_back
    assert odd.rises
    assert not odd.remains
    assert not type(draw)((large, small, none), small, 1.0, None).rises


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, math.nan, 1.5])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match=r"^--no-adl \S+: allowed is a share between 0 and 1, such as 0.99$"):
        sized(2, no_adl=share)


def test_what_has_nothing_to_size_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^deribit has no ADL \(ranking = none\)"):
        sized(2, venue="deribit")
    with pytest.raises(UsageError, match=r"^okx has neither fund nor vault with money; give --set fund_start_usd"):
        sized(2, venue="okx", fund_start_usd=0.0)


def test_an_order_statistic_counts_draws() -> None:
    assert order_statistic([3.0, 1.0, 2.0], 0.34) == 2.0
    assert order_statistic([3.0, 1.0, 2.0], 1 / 3) == 1.0
