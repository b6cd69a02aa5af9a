"""What is drawn for a run: Latin hypercubes, values inside their ranges, pairs across venues and rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtest.catalogue.priors import Prior, parse_priors, read_priors
from backtest.errors import ConfigError
from backtest.run.resolve import resolve
from backtest.scenario.reading import check_values
from backtest.studies.latin import column, generator
from backtest.studies.parameters import draw, parameters_of, scenario_of

DECLARED = {"source": "declared", "mark": "U", "seen": "nothing"}


def prior(**keys: Any) -> Prior:
    """Return one prior, read as from a file."""
    return parse_priors({"prior": [{"id": "a", **DECLARED, **keys}]}, "priors.toml")[0]


def drawn(priors: list[Prior] | tuple[Prior, ...], size: int = 8, /, **overrides: Any) -> list[dict[str, Any]]:
    """Return the values drawn for the crash of 10 October 2025."""
    resolved = resolve("2025-10-10", overrides)
    return draw(parameters_of(priors, resolved, {}, imported=False).rows, resolved, size)


def test_each_stratum_of_a_column_is_met_once() -> None:
    places = column(50, generator(7, "liquidity"))
    assert sorted(np.floor(places * 50).astype(int).tolist()) == list(range(50))
    assert places.tolist() == column(50, generator(7, "liquidity")).tolist()
    assert places.tolist() != column(50, generator(7, "vault")).tolist()
    assert places.tolist() != column(50, generator(8, "liquidity")).tolist()


def test_draws_are_the_same_at_every_venue_and_under_every_rule() -> None:
    rows = read_priors().rows
    here = drawn(rows, 5)
    for changed in ({"venue": "bybit"}, {"coins": ("BTC", "SOL")}, {"ranking": "bybit"}, {"liquidity_factor": 0.7}):
        there = drawn(rows, 5, **changed)
        for one, other in zip(here, there, strict=True):
            both = one.keys() & other.keys() - {"vault_capital", "coins_per_account"}  # bounded by the run's coins
            assert {name: one[name] for name in both} == {name: other[name] for name in both}
            assert "liquidity" in both


def test_the_packaged_priors_stay_in_their_ranges() -> None:
    values = drawn(read_priors().rows, 40)
    ends = {"vault.BTC+ETH+SOL+XRP": (5e6, 30e6), "vault.others": (5e6, 30e6), "mark_half_life": (0, 10),
            "liquidity": (0.5, 2), "coins_per_account": (2, 5),
            "cross_share": (0.4, 1), "hedged_share": (0, 0.2), "leverage.0-3": (0.05, 0.35), "leverage.3-7": (0.4, 0.6),
            "leverage.level": (0.83, 1.2), "leverage_by_coin": (0, 1), "delta_neutral_share": (0.6, 0.85),
            "largest_account": (0.03, 0.08)}  # fmt: skip
    for name, (low, high) in ends.items():
        found = [row[name] for row in values]
        assert low <= min(found) < low + (high - low) / 8
        assert high - (high - low) / 8 < max(found) <= high
    logs = np.log([row["open_interest"] for row in values])
    assert abs(logs.mean()) < 0.005
    assert logs.std() == pytest.approx(0.06, rel=0.1)


def test_what_a_user_gave_is_not_drawn_and_said_so() -> None:
    given = {"liquidity_factor": 1.0, "cross_frac": 0.5}
    resolved = resolve("2025-10-10", given)
    found = parameters_of(read_priors().rows, resolved, given, imported=False)
    assert not {"liquidity", "cross_share"} & {row.name for row in found.rows}
    assert found.notes == ("liquidity_factor was given and is not drawn", "cross_frac was given and is not drawn")


def test_an_imported_book_is_not_drawn_and_the_rest_is() -> None:
    found = parameters_of(read_priors().rows, resolve("2025-10-10", {}), {}, imported=True)
    assert [row.name for row in found.rows] == ["vault.BTC+ETH+SOL+XRP", "vault.others", "mark_half_life", "liquidity"]
    fields = (
        "open_interest_usd, positions_per_account, cross_frac, hedged_frac, leverage_mix, leverage_exponent, "
        "delta_neutral_frac, size_cap_frac"
    )
    assert found.notes == (f"the book is imported: {fields} are not drawn",)


def test_one_coin_has_no_accounts_of_several() -> None:
    found = parameters_of(read_priors().rows, resolve("2025-10-10", {"coins": ("BTC",)}), {}, imported=False)
    assert not {"coins_per_account", "cross_share", "hedged_share"} & {row.name for row in found.rows}


def test_the_number_of_coins_bounds_a_range() -> None:
    row = prior(field="positions_per_account", distribution="uniform", low=2.0, high=5.0, at_most_coins=True)
    assert all(2 <= each["a"] <= 3 for each in drawn([row], 6, coins=("BTC", "SOL", "XRP")))


def test_a_vault_of_fewer_coins_has_their_share() -> None:
    row = prior(field="vault_capital_usd", distribution="uniform", low=10e6, high=10e6)
    resolved = resolve("2025-10-10", {"coins": ("BTC",), "vaults": ()})
    assert drawn([row], 2, coins=("BTC",), vaults=())[0]["a"] == pytest.approx(10e6 * resolved.vault_frac)
    assert resolved.vault_frac < 1


def test_each_vault_of_its_own_has_a_capital_of_its_own() -> None:
    sets = {"coins": ("BTC", "SOL", "DOGE"), "vaults": ({"coins": ["BTC", "SOL"], "capital_usd": 1e6}, {"coins": "*"})}
    resolved = resolve("2025-10-10", check_values(sets, "test"))
    rows = parameters_of(read_priors().rows, resolved, {}, imported=False).rows
    names = [row.name for row in rows if row.prior.field in {"vaults", "vault_capital_usd"}]
    assert names == ["vault.BTC+SOL", "vault.others"]
    values = draw(rows, resolved, 4)
    drawn_sets = scenario_of(resolved.scenario, rows, values[2]).vaults
    assert [each.capital_usd for each in drawn_sets] == [values[2]["vault.BTC+SOL"], values[2]["vault.others"]]
    given = parameters_of(read_priors().rows, resolved, {"vault_capital_usd": 1e6}, imported=False)
    assert "vault_capital_usd was given and is not drawn" in given.notes
    assert not any(row.prior.field == "vaults" for row in given.rows)


def test_factors_on_a_field_multiply_by_coin() -> None:
    all_coins = prior(field="liquidity_scale", distribution="uniform", low=2.0, high=2.0, factor=True)
    each = parse_priors({"prior": [{"id": "b", **DECLARED, "field": "liquidity_scale", "distribution": "choice",
                                    "values": [0.5], "factor": True, "each_coin": True}]}, "x")[0]  # fmt: skip
    resolved = resolve("2025-10-10", {"coins": ("BTC", "SOL"), "liquidity_scale": {"BTC": 1.0, "SOL": 3.0}})
    rows = parameters_of([all_coins, each], resolved, {}, imported=False).rows
    assert [row.name for row in rows] == ["a", "b.BTC", "b.SOL"]
    changed = scenario_of(resolved.scenario, rows, draw(rows, resolved, 2)[0])
    assert changed.liquidity_scale == {"BTC": 1.0, "SOL": 3.0}


def test_a_mix_sums_to_one_with_and_without_a_rest() -> None:
    resolved = resolve("2025-10-10", {})
    thirds = [{"from": 0.0, "to": 2.0, "low": 0.1, "high": 0.5}, {"from": 2.0, "to": 0.0, "low": 0.1, "high": 0.5}]
    for shares in (thirds, [thirds[0], {"from": 2.0, "to": 0.0}]):
        row = prior(field="leverage_mix", distribution="mix", shares=shares)
        rows = parameters_of([row], resolved, {}, imported=False).rows
        for values in draw(rows, resolved, 5):
            mix = scenario_of(resolved.scenario, rows, values).leverage_mix
            assert sum(share for _, _, share in mix["default"]) == pytest.approx(1)
            assert list(mix) == ["default"]  # of all coins


def test_a_value_beyond_the_bounds_of_its_field_is_refused() -> None:
    row = prior(field="cross_frac", distribution="uniform", low=3.0, high=3.0, factor=True)
    resolved = resolve("2025-10-10", {"positions_per_account": 2.0, "cross_frac": 0.5})
    rows = parameters_of([row], resolved, {}, imported=False).rows
    with pytest.raises(ConfigError, match=r"prior 'a': cross_frac = 1.5; allowed: 0 to 1; narrow the prior"):
        scenario_of(resolved.scenario, rows, draw(rows, resolved, 2)[0])
