"""Fast and slow engine on the paths that small worlds do not reach: thresholds lowered, and real crowds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backtest.engine import ledger
from backtest.engine.acts import takeover
from backtest.engine.detect import isolated
from backtest.mechanics import margin
from backtest.mechanics.adl import queue
from tests.engine.crowds import crowd
from tests.engine.test_records import check_all
from tests.reference.adapter import run_fast
from tests.reference.slow_engine import replay

LOWERED = (
    (isolated, "MAX_EXTRAS", 3),
    (isolated, "MAX_SORTINGS", 2),
    (ledger, "CHUNK", 2),
    (takeover, "FIRST_RUN", 2),
    (takeover, "LONGEST_RUN", 4),
    (queue, "CHUNK", 5),
    (queue, "SAMPLE", 6),
    (margin, "CHUNK", 3),
)
# seeds that come by the rare paths, of 24
CROWDS = (1001, 1003, 1005, 1008, 1013, 1015, 1016, 1017, 1018, 1019, 1022, 1023)


@pytest.fixture
def lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in LOWERED:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often the rare paths are taken."""
    seen: Counter[str] = Counter()

    def count(owner: Any, name: str, counts: Callable[[Any], bool]) -> None:
        original = getattr(owner, name)

        def counted(*args: Any) -> Any:
            out = original(*args)
            seen[name] += counts(out)
            return out

        monkeypatch.setattr(owner, name, counted)

    cuts = queue.Queue._cuts

    def yields(*args: Any) -> Iterator[float]:
        for cut in cuts(*args):
            seen["sampled cut"] += cut != float("-inf")
            yield cut

    monkeypatch.setattr(queue.Queue, "_cuts", yields)
    count(isolated.Ladder, "build", lambda out: True)
    count(isolated.Ladder, "_set_extras", lambda out: True)
    count(takeover, "_fits_whole", lambda out: len(out) > 2)
    count(takeover, "_fits_not_at_all", lambda out: len(out) > 2)
    return seen


@pytest.mark.property
@pytest.mark.usefixtures("lowered")
def test_lowered_thresholds_change_no_result_and_no_record(visits: Counter[str]) -> None:
    for seed in CROWDS:
        check_all(crowd(seed, unit=1000))
    assert min(visits.values()) > 12
    assert set(visits) == {"sampled cut", "build", "_set_extras", "_fits_whole", "_fits_not_at_all"}


@pytest.mark.property
def test_ladders_sorted_anew_at_any_drift_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(1300, 1306):
        world = crowd(seed, unit=1000)
        expected = replay(world)
        for drift in (0.0, 1e-5, 1e-2):
            monkeypatch.setattr(isolated, "MAX_DRIFT", drift)
            assert run_fast(world) == expected, (seed, drift)


@pytest.mark.property
def test_a_thousand_accounts(visits: Counter[str]) -> None:
    check_all(crowd(12, size=1000, unit=100))
    assert min(visits[name] for name in ("build", "_set_extras", "_fits_whole", "_fits_not_at_all")) > 10


@pytest.mark.property
def test_positions_beyond_exact_floats() -> None:
    # Costs of 1e15 to 1e18 quanta within three quanta of their value at the last mark: in floats the sign of PnL is
    # lost, and with it who counts as losing.
    for seed in range(20):
        world = at_the_money(seed)
        assert run_fast(world) == replay(world), seed


def at_the_money(seed: int) -> dict[str, Any]:
    world = {**crowd(seed, size=12, unit=10**12), "funding": [], "intrabar": "close"}
    for number, row in enumerate(world["accounts"]):
        symbol = world["symbols"][row["symbol"]]
        last = world["bars"][-1][row["symbol"]]["mark"][3]
        row["lots"] = 1 + number % 3
        row["cost"] = row["lots"] * last * symbol["quanta_per_tick_lot"] // symbol["mark_per_tick"] + number % 7 - 3
        row["wallet"] = row["cost"] // (2, 5, 10, 50)[number % 4]
    world["profile"]["fund"].update(start=10**12, floor=0, inventory_limit=None)
    world["profile"]["inventory_stop"] = 0
    return world
