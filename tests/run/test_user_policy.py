"""Policies of the user: what they answer is checked in one line, and they run only where the user names them."""

from __future__ import annotations

import datetime as dt
import importlib
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.api.replay import replay
from backtest.api.run import Run, open_run
from backtest.assets import asset
from backtest.catalogue.events import parse_event
from backtest.catalogue.priors import parse_priors
from backtest.errors import ConfigError
from backtest.run.user_policy import BITS, lots_of, user_policy
from backtest.scenario.fields import BY_NAME
from backtest.scenario.reading import check_values
from backtest.toml import decode
from tests.support.plain import LONG_STEPS

FALL = {edge: dt.datetime.fromisoformat(f"2025-10-10T21:{minute}") for edge, minute in (("start", 14), ("end", 19))}
PEOPLE, HELD = np.array([7, 9, 12]), np.array([4, 10, 6])
STRANGER = (
    "account 8 is no candidate that may pay now: it is on the wrong side, in breach, at a loss while winners pay, or "
    "unknown; take account ids from the frame"
)
EQUITY = "def by_equity(candidates, wanted):\n    return candidates['equity_usd']\n"
QUEUE = """
import numpy as np

def by_leverage(candidates, wanted):
    order = candidates["leverage"].arg_sort(descending=True).to_numpy()
    lots = candidates["lots"].to_numpy()
    paid = np.zeros_like(lots)
    paid[order] = np.clip(wanted - (np.cumsum(lots[order]) - lots[order]), 0, lots[order])
    return dict(zip(candidates["account_id"].to_list(), paid.tolist()))
"""


def run_of(allocation: str) -> Run:
    return replay("2025-10-10", adl_allocation=allocation, positions=400, coins=("SOL", "DOGE"), **FALL, **LONG_STEPS)


def fills(run: Run) -> Any:
    rows = run.sql("select wave_id, account_id, sum(lots) lots from adl_fills group by all order by all").rows()
    assert len(rows) > 20
    return rows


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_policy_in_python_and_in_sql_pays_as_the_same_rule_of_the_package(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.py", EQUITY)
    runs = [run_of(name) for name in ("pro_rata_equity", f"{file}:by_equity", "sql:equity_usd")]
    first, *others = [fills(run) for run in runs]
    assert others == [first, first]
    assert [audit.name for audit in runs[1].audits() if not audit.passed] == []  # the fills of all three are the same
    assert len({run.run_id for run in runs}) == 3
    # The text of the file is part of the run, and a policy that stays as it is gives the same run.
    assert run_of(f"{file}:by_equity").run_id == runs[1].run_id
    write(file, EQUITY.replace("equity_usd", "notional_usd"))
    changed = run_of(f"{file}:by_equity")
    assert changed.run_id != runs[1].run_id
    assert fills(changed) != first


def test_lots_by_account_close_as_they_say_and_a_stored_run_needs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "mine.py", QUEUE)
    run = run_of(f"{file}:by_leverage")
    assert [audit.name for audit in run.audits() if not audit.passed] == []
    partly = "select wave_id from adl_queue where status = 'partial' group by wave_id having count(*) > 2"
    assert run.sql(partly).height == 0  # a queue: the last in part, of winners and of losers
    told = run.sql("select allocation from runs").item()
    assert told == f"{file}:by_leverage"
    file.unlink()
    module = importlib.import_module("backtest.run.user_policy")
    monkeypatch.setattr(module, "read_regular", lambda *_: pytest.fail("a stored run was asked to run a file"))
    again = open_run(run.run_id)
    assert again.sql("select allocation from runs").item() == told
    assert again.meta.scenario.adl_allocation == told
    assert any("the user's policy" in text and "sha256" in text for text in again.meta.assumptions)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ([1.0, float("nan"), 1.0], "row 1 (account 9) has the weight nan; return finite weights of 0 or more"),
        ([1.0, 1.0, float("inf")], "row 2 (account 12) has the weight inf; return finite weights of 0 or more"),
        ([1.0, -0.5, 1.0], "row 1 (account 9) has the weight -0.5; return finite weights of 0 or more"),
        ([4, 5, 1], "pays 10 lots, more than the 8 asked; return lots that add up to 8, or weights"),
        ([4, 0, 1], "pays 5 lots, less than the 8 asked; return lots that add up to 8, or weights"),
        ([5, 0, 3], "row 0 (account 7) pays 5 lots of the 4 it holds; return 0 to 4"),
        ([4, -1, 5], "row 1 (account 9) pays -1 lots of the 10 it holds; return 0 to 10"),
        ([1.0, 2.0], "returned shape (2,) for 3 candidates; return one number for each"),
        (None, "returned shape () for 3 candidates; return one number for each"),
        ([1.0, None, 2.0], "row 1 (account 9) is None; return weights or whole lots"),
        (["a", "b", "c"], "row 0 (account 7) is 'a'; return weights or whole lots"),
        (
            {8: 4, 7: 4},
            STRANGER,
        ),
    ],
)
def test_a_wrong_answer_is_one_line_that_names_policy_row_and_fix(answer: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as error:
        lots_of("mine.py:f", answer, PEOPLE, HELD, 8)
    assert str(error.value) == f"adl_allocation mine.py:f: {fault}"


@pytest.mark.parametrize(
    ("answer", "paid"),
    [
        ([1.0, 1.0, 2.0], [2, 2, 4]),
        ([0.0, 0.0, 0.0], [2, 4, 2]),  # no weights: by lots, 1.6, 4 and 2.4
        ([1e-300, 1e-300, 1e-300], [3, 3, 2]),
        ([3, 2, 3], [3, 2, 3]),
        ({7: 2.0, 9: 2.0}, [4, 4, 0]),
        (np.array([3, 2, 3], dtype=np.uint8), [3, 2, 3]),
    ],
)
def test_weights_and_lots_are_told_apart_by_the_point(answer: Any, paid: list[int]) -> None:
    assert lots_of("mine.py:f", answer, PEOPLE, HELD, 8).tolist() == paid


@pytest.mark.property
@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 1e300)), min_size=1, max_size=8), st.floats(0, 1))
def test_any_weights_pay_all_that_is_asked(people: list[tuple[int, float]], share: float) -> None:
    held, weights = np.array([row[0] for row in people]), [row[1] for row in people]
    wanted = int(share * held.sum())
    paid = lots_of("mine.py:f", weights, np.arange(len(held)), held, wanted)
    assert paid.sum() == wanted
    assert ((paid >= 0) & (paid <= held)).all()
    bare = np.array(weights) < max(weights) / 2.0**BITS  # cut off: they pay after all others
    assert not bare.any() or not paid[bare].any() or (paid[~bare] == held[~bare]).all()


@pytest.mark.parametrize(
    ("text", "name", "fault"),
    [
        ("def f(c, w):\n    return 1 / 0\n", "f", "line 2, ZeroDivisionError: division by zero; correct "),
        ("raise RuntimeError('two\\nlines')\n", "f", "line 1, RuntimeError: two lines; correct "),
        ("def f(:\n", "f", "SyntaxError: "),
        ("f = 3\n", "f", "has no function f; define it, of candidates and wanted"),
    ],
)
def test_a_file_that_fails_is_one_line_that_names_the_line(tmp_path: Path, text: str, name: str, fault: str) -> None:
    file = write(tmp_path / "mine.py", text)
    with pytest.raises(ConfigError) as error:
        run_of(f"{file}:{name}")
    line = str(error.value)
    assert line.startswith(f"adl_allocation {file}:{name}: ")
    assert fault in line
    assert "\n" not in line


def test_a_file_that_is_not_there_and_sql_that_fails_are_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^adl_allocation gone\.py:f: cannot read gone\.py: No such file"):
        user_policy("gone.py:f")
    with pytest.raises(
        ConfigError, match=r'^adl_allocation sql:equity: Binder Error: .*"equity" not found.*; columns:'
    ):
        run_of("sql:equity")
    with pytest.raises(ConfigError, match=r"^adl_allocation sql:\(select .*file system operations are disabled"):
        run_of("sql:(select content from read_text('/etc/hostname'))")
    assert user_policy("pro_rata") is None


def test_only_the_user_names_a_policy_of_the_user() -> None:
    with pytest.raises(ConfigError, match=r"^here: unknown adl_allocation 'pro_rato'; did you mean pro_rata"):
        check_values({"adl_allocation": "pro_rato"}, "here")
    param = BY_NAME["adl_allocation"]
    assert decode("pro_rata", param.stated, "venue.toml", key="allocation") == "pro_rata"
    with pytest.raises(ConfigError, match=r"^venue\.toml: .*'mine\.py:f'"):
        decode("mine.py:f", param.stated, "venue.toml", key="allocation")


@pytest.mark.parametrize("name", ["mine.py:f", "sql:lots"])
def test_files_of_others_may_not_name_one(name: str) -> None:
    fault = (
        rf": adl_allocation = '{name}'; a policy of yours is named in a command or a scenario only, allowed here: qu"
    )
    with pytest.raises(ConfigError, match=fault):
        check_values({"adl_allocation": name}, "event.toml", of_user=False)
    text = asset("data", "events", "2025-09-22-september-flush.toml").read_text("utf-8")
    event = tomllib.loads(text)
    for table in (
        {"defaults": {"any": {"adl_allocation": name, "why": {"adl_allocation": "a test"}}}},
        {"sensitivity": [{"label": "theirs", "set": {"adl_allocation": name}}]},
    ):
        with pytest.raises(ConfigError, match=fault):
            parse_event({**event, **table}, "event.toml")
    prior = {"id": "a", "field": "adl_allocation", "distribution": "choice", "values": ["queue"], "seen": "none"}
    accepted = [{"weight": 1.0, "values": {"a": name}}]  # of a calibration: not compared with the choices
    cited = {"source": "a test", "mark": "U"}
    with pytest.raises(ConfigError, match="adl_allocation is no unknown of a crash; it is not drawn"):
        parse_priors({"prior": [prior | cited], "accepted": accepted}, "priors.toml")
