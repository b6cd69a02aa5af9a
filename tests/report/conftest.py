"""Real runs of 400 positions, each made once a session; a few of them have a page, others only sections."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backtest.api.replay import replay
from backtest.report import page
from backtest.report.findings import Findings
from backtest.report.sections.registry import SECTIONS
from backtest.report.sections.section import Section
from backtest.run.meta import RunMeta, decode
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun
from backtest.run.stored import Studies
from backtest.scenario.reading import check_values
from backtest.studies import seeds
from backtest.studies.study import StudyRequest

EVENT = "2025-10-10"
NO_ADDRESS = "javascript:alert(1)"
EVIL = "<script>alert(1)</script>'\"&$x$"
TWO: dict[str, Any] = {"coins": ("BTC", "SOL")}
ONE: dict[str, Any] = {"coins": ("BTC",), "start": f"{EVENT}T20:40:00", "end": f"{EVENT}T22:00:00"}
RICH: dict[str, Any] = {
    "venue": "binanceusdm", "fund_start_usd": 9e11, "fund_takeover": "bankruptcy", "fund_inventory_limit_usd": 999e9,
}  # fmt: skip
STEPS: dict[str, Any] = {  # a book of single positions of equal mixes on both sides, in steps of 20 s
    "step_s": 20.0, "mark_half_life_s": 30.0, "leverage_exponent": 0.0, "delta_neutral_frac": 0.0,
    "size_cap_frac": 0.03, "cross_frac": 0.0, "positions_per_account": 1.0, "hedged_frac": 0.0,
    "leverage_mix": {"default": [[0, 3, 0.36], [3, 7, 0.49], [7, 0, 0.15]],
                     "BTC": [[0, 3, 0.2], [3, 7, 0.3], [7, 0, 0.5]]},
}  # fmt: skip
ONE_VAULT: dict[str, Any] = {"vaults": (), "vault_capital_usd": 50e6}
CALM: dict[str, Any] = {"end": f"{EVENT}T20:45:00"}
DESK = {
    "name": "desk A", "coin": "BTC", "side": "short", "size_base": 25.0, "entry_px": 121_000.0, "leverage": 38.0,
    "hedged": True,
}  # fmt: skip
SMALL = {"name": "small long", "coin": "SOL", "side": "long", "size_base": 1.0, "entry_px": 200.0, "leverage": 1.1}
CASES: dict[str, dict[str, Any]] = {
    "vault": {},
    "fund": {**TWO, "venue": "binanceusdm", "fund_start_usd": 1e9},
    "no ADL": {**ONE, **RICH, "watch": [DESK]},
    "no liquidation": {**TWO, **CALM, "positions_per_account": 2.0, "cross_frac": 0.6},
    "one symbol": ONE,
    "inverse": {**ONE, "venue": "binancecoinm"},
    "several vaults": {"coins": ("BTC", "DOGE"), "vaults": "BTC:5e6,*:1e6", "vault_margin": "maintenance"},
    "watched": {**TWO, "watch": [DESK, SMALL], "vault_capital_usd": 10e6},
    "several seeds": {**ONE, "queue_not_reached": 21},  # studies are stored beside a run: not beside "one symbol"
    "draws": {**TWO, "queue_not_reached": 22, "step_s": 20.0},
    "evil names": {**TWO, "watch": [{**DESK, "name": f"desk A{EVIL}"}, SMALL], "vault_capital_usd": 10e6},
    "cross accounts": {**TWO, "positions_per_account": 2.0, "cross_frac": 0.6},
}  # fmt: skip
# The cases whose whole page is made; together they have every section, with and without rows in it.
PAGES = ("draws", "evil names", "fund", "no ADL", "no liquidation")


@dataclass
class Draft:
    """A run whose ``run.json`` and studies a test may change; its tables stay open."""

    opened: StoredRun
    meta: dict[str, Any]
    studies: dict[str, Any]

    def run(self) -> StoredRun:
        """Return the changed run."""
        changed = copy.copy(self.opened)
        changed.meta = decode(self.meta, RunMeta, "meta")
        changed.studies = decode(self.studies, Studies, "studies")
        return changed


@dataclass
class Reports:
    """Runs of the cases, what is found in them, and pages, each made once."""

    home: Path
    runs: dict[str, StoredRun] = field(default_factory=dict)
    found: dict[str, Findings] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    def run(self, case: str) -> StoredRun:
        """Return the run of a case."""
        if case not in self.runs:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CRASHBOOK_HOME", str(self.home))
                self.runs[case] = _made(case)
        return self.runs[case]

    def draft(self, case: str) -> Draft:
        """Return the run of a case for a test to change."""
        run = self.run(case)
        return Draft(run, msgspec.to_builtins(run.meta), msgspec.to_builtins(run.studies))

    def findings(self, case: str) -> Findings:
        """Return what is found in the run of a case; each query is asked once a session."""
        return self.found.setdefault(case, Findings(self.run(case)))

    def answer(self, case: str, name: str) -> str:
        """Return the sentences of a section."""
        return plain(section_of(name).answer(self.findings(case)))

    def body(self, case: str, name: str) -> str:
        """Return the figures and tables of a section."""
        f = self.findings(case)
        return "".join(str(part.make(f)) for part in section_of(name).parts)

    def page(self, case: str) -> str:
        """Return the whole page of one of ``PAGES``."""
        assert case in PAGES
        if case not in self.pages:
            self.pages[case] = page.html(self.run(case), page.Draft(self.findings(case), {}))
        return self.pages[case]


def plain(markup: object) -> str:
    """Return the words of markup."""
    return re.sub(r"<[^>]*>", "", str(markup)).replace("\xa0", " ")


def section_of(name: str) -> Section:
    """Return a section of the report."""
    return next(section for section in SECTIONS if section.id == name)


def _made(case: str) -> StoredRun:
    drawn: dict[str, Any] = {"draws": 4, "draw_positions": 400} if case == "draws" else {}
    stated = {} if case == "draws" else STEPS  # what is stated is not drawn
    vault = ONE_VAULT if stated and "venue" not in CASES[case] else {}
    fields: dict[str, Any] = {"positions": 400, **stated, **vault, **CASES[case]}
    run: StoredRun = replay(EVENT, **drawn, **fields)
    if case == "several seeds":
        resolved = resolve(EVENT, check_values(fields, "test"))
        request = StudyRequest(resolved=resolved, overrides={}, market=prepare(resolved).market, first=run, size=2)
        run = seeds.run(request)
    if case == "evil names":
        run = _tainted(Draft(run, msgspec.to_builtins(run.meta), {})).run()
    return run


def _tainted(draft: Draft) -> Draft:
    """Put markup into texts of event and venue files, which only a maintainer writes."""
    for part, name in (("event", "title"), ("event", "summary"), ("venue", "name")):
        draft.meta[part][name] += EVIL
    draft.meta["labels"]["book"]["text"] += EVIL
    for place, key in (
        (draft.meta["venue"]["sources"][0], "url"),
        *((fact, "source") for fact in draft.meta["event"]["facts"]),
    ):
        place[key] = NO_ADDRESS
    draft.meta["scenario_toml"] += f"# {EVIL}\n"
    for rows in ("notes", "assumptions"):
        draft.meta[rows] = [f"{line}{EVIL}" for line in draft.meta[rows]]
    return draft


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """Return the runs and pages of the cases."""
    return Reports(tmp_path_factory.mktemp("reports"))
