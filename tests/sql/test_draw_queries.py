"""Bands, cliffs, curves and what the headlines follow, over four draws by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.sql.conftest import Tables, at

DRAWS = """
    (1, 11, 100, 40, 4, 60, 120, 10, -1, 10, -1, true, 0),
    (2, 12, 200, 60, 6, 30, 180, 20, -20, 20, -20, true, 0),
    (3, 13, 300, 0, 0, 30, NULL, 30, 25, 30, 25, false, 0),
    (4, 14, 400, 20, 2, 0, 240, 40, 1, 40, 1, false, 0)
"""
VALUES = """
    (1, 'vault', 'vault_capital_usd', 10, NULL), (2, 'vault', 'vault_capital_usd', 20, NULL),
    (3, 'vault', 'vault_capital_usd', 30, NULL), (4, 'vault', 'vault_capital_usd', 40, NULL),
    (1, 'split', 'liquidity_factor', 2, NULL), (2, 'split', 'liquidity_factor', 1, NULL),
    (3, 'split', 'liquidity_factor', 1, NULL), (4, 'split', 'liquidity_factor', 0.5, NULL),
    (1, 'order', 'intrabar', NULL, 'ohlc'), (2, 'order', 'intrabar', NULL, 'close'),
    (3, 'order', 'intrabar', NULL, 'ohlc'), (4, 'order', 'intrabar', NULL, 'ohlc')
"""


@pytest.fixture(scope="module")
def drawn() -> Iterator[Tables]:
    """Return four draws of a run that starts at second 0."""
    step = {"symbol": "BTC/USD:USD", "step": 1, "ts": 20}
    with closing(Tables(steps=[step])) as made:
        made.con.execute(f"INSERT INTO draws VALUES {DRAWS}")
        made.con.execute(f"INSERT INTO draw_values VALUES {VALUES}")
        coins = "(1, 'A', 60, 40), (1, 'B', 40, 0), (2, 'A', 120, 50), (2, 'B', 80, 10)"
        made.con.execute(f"INSERT INTO draw_coins VALUES {coins}")
        made.con.execute("INSERT INTO draw_minutes VALUES (1, 2, 40), (2, 3, 50), (2, 5, 10), (4, 3, 20)")
        vaults = "SELECT draw, 'A+B', vault_capital_usd, vault_low_usd, vault_died, adl_usd FROM draws"
        made.con.execute(f"INSERT INTO draw_vaults {vaults}")
        made.con.execute("INSERT INTO draw_vaults VALUES (1, 'C', 0, 0, false, 5)")
        yield made


def test_the_spread_counts_draws_with_a_value(drawn: Tables) -> None:
    spread = {row[0]: row[1:] for row in drawn.ask("draw_spread", "metric p05 median p95 draws")}
    # 100, 200, 300, 400: 5 % of the way up is 115
    assert spread["liquidated_usd"] == pytest.approx((115, 250, 385, 4))
    assert spread["first_adl_s"] == pytest.approx((126, 180, 234, 3))
    # 60, 150, 240 seconds after the first liquidation
    assert spread["first_adl_after_s"] == pytest.approx((69, 150, 231, 3))


def test_the_spread_of_a_symbol(drawn: Tables) -> None:
    names = "symbol liquidated_median_usd adl_p05_usd adl_median_usd adl_p95_usd draws"
    assert drawn.ask("draw_spread_by_symbol", names) == [
        ("A", 90, pytest.approx(40.5), 45, pytest.approx(49.5), 2),
        ("B", 60, pytest.approx(0.5), 5, pytest.approx(9.5), 2),
    ]


def test_cliffs_are_shares_of_draws(drawn: Tables) -> None:
    names = "draws adl_frac vault_died_frac near_zero_frac vault_low_median_usd"
    # near zero: -1 of 10 and 1 of 40
    assert drawn.ask("draw_cliffs", names) == [(4, 0.75, 0.5, 0.5, 0)]


def test_the_curve_of_adl_against_capital_is_a_median_of_neighbours(drawn: Tables) -> None:
    assert drawn.ask("draw_adl_by_capital", "vault draw capital_usd adl_usd adl_median_usd", neighbours=1) == [
        ("A+B", 1, 10, 40, 50),
        ("A+B", 2, 20, 60, 40),
        ("A+B", 3, 30, 0, 20),
        ("A+B", 4, 40, 20, 10),
    ]


def test_each_vault_with_capital_has_its_own_cliff(drawn: Tables) -> None:
    names = "vault died_frac near_zero_frac capital_median_usd low_median_usd adl_median_usd"
    assert drawn.ask("draw_vault_spread", names) == [("A+B", 0.5, 0.5, 25, 0, 30)]


def test_rank_correlation_takes_ties_at_their_mean_rank(drawn: Tables) -> None:
    found = {
        (metric, name): (rho, clear)
        for metric, name, rho, clear in drawn.ask("draw_drivers", "metric parameter rho clear")
    }
    assert {name for _, name in found} == {"vault", "split"}
    # liquidated ranks 1 2 3 4, those of the capital too; beyond noise is 2.58 / sqrt(3) = 1.49
    assert found["liquidated_usd", "vault"] == (pytest.approx(1), False)
    # ranks of the factor: 4, 2.5, 2.5, 1
    assert found["liquidated_usd", "split"] == (pytest.approx(-4.5 / (5 * 4.5) ** 0.5), False)
    # first ADL, none last: 1 2 4 3
    assert found["first_adl_s", "vault"] == (pytest.approx(0.8), False)


def test_a_minute_counts_draws_without_adl(drawn: Tables) -> None:
    assert drawn.ask("draw_adl_by_minute", "minute_ts median_usd p95_usd active_frac") == [
        (at(120), 0, pytest.approx(34), 0.25),
        (at(180), 10, pytest.approx(45.5), 0.5),
        (at(300), 0, pytest.approx(8.5), 0.25),
    ]


def test_parameters_have_their_range(drawn: Tables) -> None:
    assert drawn.ask("draw_parameters", "parameter field least median most choices") == [
        ("order", "intrabar", None, None, None, "close, ohlc"),
        ("split", "liquidity_factor", 0.5, 1, 2, None),
        ("vault", "vault_capital_usd", 10, 25, 40, None),
    ]
