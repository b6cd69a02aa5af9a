"""crashbook: replay perpetual-futures crashes on a balanced position book.

``replay``, ``compare``, ``fund``, ``sweep`` and ``watch`` run a crash, ``open_run`` opens a run that is there;
``events``, ``venues``, ``params`` and ``runs`` list what there is. All are imported on first use, so that
``import backtest`` stays light.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the module typing costs more than all the rest here
if TYPE_CHECKING:
    from typing import Any

    from backtest.api.catalogue import events, params, runs, venues
    from backtest.api.compare import Comparison, compare
    from backtest.api.fields import ScenarioFields
    from backtest.api.fund import FundAnswer, fund
    from backtest.api.replay import replay
    from backtest.api.run import Run, open_run
    from backtest.api.sweep import sweep
    from backtest.api.watch import Watched, watch

__version__ = "0.1.0"
__all__ = [
    "Comparison", "FundAnswer", "Run", "ScenarioFields", "Watched", "__version__", "compare", "events", "fund",
    "open_run", "params", "replay", "runs", "sweep", "venues", "watch",
]  # fmt: skip
_MODULES = {
    "Comparison": "compare", "FundAnswer": "fund", "Run": "run", "ScenarioFields": "fields", "Watched": "watch",
    "events": "catalogue", "open_run": "run", "params": "catalogue", "runs": "catalogue", "venues": "catalogue",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'backtest' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"backtest.api.{_MODULES.get(name, name)}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
