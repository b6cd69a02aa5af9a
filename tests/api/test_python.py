"""What a script or notebook finds: names, frames, queries and figures as attributes, fields as keywords."""

from __future__ import annotations

import doctest
import importlib
import typing
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import backtest
from backtest.api.fields import ComparedFields, FundFields, ScenarioFields
from backtest.errors import ParameterError, UsageError
from backtest.scenario.fields import PARAMS
from backtest.sql.files import query_names
from tests.api import questions

SMALL = {"venue": "hyperliquid", "coins": "btc,SOL", "start": "2025-10-10T21:10:00", "end": "2025-10-10T21:25:00"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> backtest.Run:
    """Return a small run with ADL, two seeds and amounts as people write them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        return backtest.replay("2025-10-10", positions=200, seeds=2, step_s=30.0, vault_capital_usd="1.5M", **SMALL)  # type: ignore[arg-type]


def test_fields_are_keywords() -> None:
    names = {param.name for param in PARAMS} - {"event", "positions"}
    assert set(typing.get_type_hints(ScenarioFields)) == names
    assert set(typing.get_type_hints(ComparedFields)) == names - {"venue"}
    assert set(typing.get_type_hints(FundFields)) == names - {"shock"}


@pytest.mark.parametrize("name", ["replay", "compare", "fund", "watch"])
def test_the_example_of_each_question_gives_what_it_says(name: str) -> None:
    module = importlib.import_module(f"backtest.api.{name}")
    ran = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert ran.attempted >= 2
    assert ran.failed == 0


def test_the_methods_of_queries_follow_from_their_headers(run: backtest.Run) -> None:
    assert questions.PAGE.read_text("utf-8") == questions.generated(), "run python -m tests.api.questions"
    assert set(query_names()) <= set(dir(run.queries))
    assert run.queries.adl_waves(symbol="btc").equals(run.query("adl_waves", symbol="BTC"))
    with pytest.raises(ParameterError, match="symbol ETH is not in this run; it has BTC, SOL"):
        run.queries.adl_waves(symbol="ETH")


def test_a_run_shows_what_there_is(run: backtest.Run) -> None:
    assert {"steps", "run_summary", "queries", "plot", "to_pandas", "report"} <= set(dir(run))
    assert run.meta.scenario.vault_capital_usd == 1_500_000
    assert run.studies.seeds is not None
    assert len(run.studies.seeds.run_ids) == 2
    frame, exact = run.to_pandas("fund"), run.to_pandas("fund", exact=True)
    money = [column for column in frame.columns if column.endswith("_usd")]
    assert {str(frame[column].dtype) for column in money} == {"float64"}
    assert isinstance(exact[money[0]].iloc[0], Decimal)


def test_figures_are_svg_that_stands_alone(run: backtest.Run, tmp_path: Path) -> None:
    for name in ("price", "liquidations", "pools"):
        figure = getattr(run.plot, name)()
        assert figure.drawings, name
        assert all(drawing.startswith("<svg") and "var(--" not in drawing for drawing in figure.drawings)
        assert "<svg" in figure._repr_html_()
    assert run.plot.price().save(tmp_path / "price.svg").read_text("utf-8").startswith("<svg")
    assert not run.plot.positions().drawings
    with pytest.raises(UsageError, match="nothing to draw"):
        run.plot.positions().save(tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()
    shown = run._repr_html_()
    assert shown.startswith(f"<pre>run {run.run_id}")
    assert shown.count("<svg") == 1


def test_what_there_is_comes_as_frames(run: backtest.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(run.path.parents[1]))
    assert {"events", "venues", "params", "runs", "replay", "open_run"} <= set(dir(backtest))
    assert backtest.events().height == 23
    assert "bybit" in backtest.venues()["id"]
    assert backtest.params()["field"].to_list() == [param.name for param in PARAMS]
    (listed,) = backtest.runs().to_dicts()
    assert (listed["run_id"], listed["beside"]) == (run.run_id, "2 seeds")
    assert isinstance(backtest.runs(), pl.DataFrame)


def test_a_book_is_a_file_or_a_frame(tmp_path: Path) -> None:
    text = "account,symbol,side,quantity_base,entry_px,leverage\na,BTC,Long,10,52000,20\nb,btc,SHORT,10,52000,5\n"
    (tmp_path / "book.csv").write_text(text)
    of_file = backtest.replay("2021-12-04", positions=str(tmp_path / "book.csv"), step_s=60)
    assert of_file.positions.height == 2
    with pytest.raises(UsageError, match="give it as a file"):
        backtest.replay("2021-12-04", positions=pl.read_csv(text.encode()), seeds=2)
