"""Calibration on draws whose figures are a known function of what was drawn."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.catalogue.facts import Comparison, Fact
from backtest.catalogue.priors import read_priors
from backtest.errors import ConfigError, DataError, UsageError
from backtest.run.resolve import resolve
from backtest.studies.calibrate import EventDraws, calibrate, priors_toml, weights_of
from backtest.studies.parameters import draw, parameters_of

START, END = map(dt.datetime.fromisoformat, ("2025-10-10T21:15", "2025-10-10T21:27"))
COINS = {"BTC": 100.0, "SOL": 40.0, "DOGE": 2.0}
SIZES = tuple(float(k) for k in np.linspace(0.25, 4.0, 40))


def fact(name: str, value: float, **given: Any) -> Fact:
    return Fact(id=name, quantity="x", unit="usd", source="page", grade="A", mark="S", value=value, **given)


def entry(name: str, coin: str = "", **given: Any) -> Comparison:
    table = {"metric": "adl_notional_usd", "how": "ratio", "use": "fitted", "start": START, "end": END}
    return Comparison(fact=name, coin=coin, **{**table, **given})


def event(name: str = "one", true: float = 1.0, **given: Any) -> EventDraws:
    """Return draws of a size from a quarter to four; each coin's figure is its fact times the size over ``true``."""
    table: dict[str, Any] = {
        "event": name,
        "venue": "okx",
        "facts": tuple(fact(f"adl_{coin}", value) for coin, value in COINS.items()),
        "compare": tuple(entry(f"adl_{coin}", coin) for coin in COINS),
        "compared": {f"adl_{coin}": tuple(value * size / true for size in SIZES) for coin, value in COINS.items()},
        "values": tuple({"liquidity": size, "open_interest_split.BTC": 1.0} for size in SIZES),
    }
    return EventDraws(**{**table, **given})


def test_the_draws_closest_to_the_facts_are_accepted() -> None:
    found = calibrate([event(true=2.0)], share=0.25)
    assert (found.accepted, found.distances.min() < 0.02) == (10, True)
    sizes = [row.values["liquidity"] for row in found.draws]
    assert all(1.4 < float(size) < 2.8 for size in sizes)
    assert found.draws[0].weight == 1 > found.draws[-1].weight > 0


def test_each_coin_is_scored_by_a_fit_without_it() -> None:
    strange = event()
    compared = {**strange.compared, "adl_DOGE": tuple(40 * size for size in SIZES)}  # twenty times the published
    found = calibrate([event(compared=compared)], share=0.25)
    assert [row.name for row in found.by_coin] == list(COINS)
    without = {row.name: row.two_sided for row in found.by_coin}
    assert without["DOGE"].median_factor == pytest.approx(20, rel=0.1)
    assert without["DOGE"].inside_frac == 0
    assert found.all_coins.facts == 3
    assert found.by_event == ()


def test_each_event_is_scored_by_a_fit_without_it() -> None:
    found = calibrate([event("one"), event("two", true=2.0)], share=0.25)
    without = {row.name: row.two_sided.median_factor for row in found.by_event}
    assert without["one"] == pytest.approx(2, rel=0.15)
    assert without["two"] == pytest.approx(2, rel=0.15)


def test_a_lower_bound_counts_only_below_it() -> None:
    rows = (entry("low", "BTC", bound="lower", how="bar", use="held_out"),)
    made = event(facts=(fact("low", 100.0),), compare=rows, compared={"low": tuple(100 * size for size in SIZES)})
    found = calibrate([made])
    assert found.distances[-1] == 0
    assert found.distances[0] == pytest.approx(np.log10(4))


def test_held_out_facts_do_not_decide() -> None:
    made = event()
    compare = (*made.compare, entry("gini", use="held_out"), entry("path", use="path_check"))
    facts = (*made.facts, fact("gini", 1.0), fact("path", 1.0))
    more = event(compare=compare, facts=facts, compared={**made.compared, "gini": SIZES, "path": SIZES})
    assert calibrate([more]).weights.tolist() == calibrate([made]).weights.tolist()


def test_numbers_by_coin_are_not_fitted_and_of_many_the_ten_of_most_use() -> None:
    rng = np.random.default_rng(1)
    values = tuple({"liquidity": size, **{f"p{k}": float(rng.random()) for k in range(15)}} for size in SIZES)
    assert calibrate([event(true=4.0)], priors=read_priors().rows).names == ("liquidity",)
    names = calibrate([event(true=4.0, values=values)]).names
    assert (len(names), names[0]) == (10, "liquidity")


def test_the_file_of_accepted_draws_is_one_of_priors(tmp_path: Path) -> None:
    priors = read_priors()
    resolved = resolve("2025-10-10", {})
    parameters = parameters_of(priors.rows, resolved, {}, imported=False).rows
    values = tuple(draw(parameters, resolved, len(SIZES)))
    found = calibrate([event(values=values)], priors=priors.rows)
    path = tmp_path / "mine.toml"
    path.write_text(priors_toml(priors.rows, found))
    again = read_priors(path)
    assert (again.rows, again.accepted) == (priors.rows, found.draws)
    kept = [row.values for row in found.draws]
    for row in draw(parameters, resolved, 6, again.accepted):
        assert {name: row[name] for name in found.names} in kept
        assert row.keys() == values[0].keys()


def test_accepted_draws_come_as_often_as_they_weigh(tmp_path: Path) -> None:
    text = "".join(f"\n[[accepted]]\nweight = {w}\nvalues = {{ liquidity = {v} }}\n" for w, v in ((3, 1.5), (1, 0.5)))
    path = tmp_path / "mine.toml"
    path.write_text(f'[[prior]]\nid = "liquidity"\nfield = "liquidity_factor"\ndistribution = "uniform"\nlow = 0.1\n'
                    f'high = 2\nsource = "x"\nmark = "U"\nseen = "nothing"\n{text}')  # fmt: skip
    priors, resolved = read_priors(path), resolve("2025-10-10", {})
    rows = draw(parameters_of(priors.rows, resolved, {}, imported=False).rows, resolved, 8, priors.accepted)
    assert sorted(row["liquidity"] for row in rows) == [0.5] * 2 + [1.5] * 6


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("weight = 1\nvalues = { nothing = 1.0 }", "accepted draw 1: no prior for 'nothing'"),
        ("weight = 0\nvalues = { liquidity = 1.0 }", "weight"),
    ],
)
def test_a_wrong_accepted_draw_is_one_line(table: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[[prior]]\nid = "liquidity"\nfield = "liquidity_factor"\ndistribution = "uniform"\nlow = 0.1\n'
                    f'high = 2\nsource = "x"\nmark = "U"\nseen = "nothing"\n[[accepted]]\n{table}\n')  # fmt: skip
    with pytest.raises(ConfigError, match=reason):
        read_priors(path)


def test_what_cannot_be_calibrated_is_one_line() -> None:
    with pytest.raises(DataError, match="one: no fact to calibrate on"):
        calibrate([event(compare=())])
    with pytest.raises(UsageError, match="differ in the number of their draws"):
        calibrate([event(), event("two", values=({"liquidity": 1.0},))])
    with pytest.raises(DataError, match=r"no draw within --tolerance 0.01; the closest is at 0.602"):
        calibrate([event(true=16.0)], tolerance=0.01)
    clash = (fact("adl_BTC", 100.0, conflicts_with=("adl_SOL",)), fact("adl_SOL", 40.0, conflicts_with=("adl_BTC",)))
    with pytest.raises(ConfigError, match="contradict each other"):
        calibrate([event(facts=clash)])


def test_a_perfect_draw_is_accepted_alone() -> None:
    assert weights_of(np.array([0.0, 0.5]), tolerance=0.1).tolist() == [1, 0]
