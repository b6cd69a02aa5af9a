"""crashbook: replay perpetual-futures crashes on a balanced position book.

The public names are ``replay``, ``compare``, ``fund``, ``sweep``, ``watch``, ``open_run`` and the classes of what they
return; they are imported on first use, so that ``import backtest`` stays light.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the module typing costs more than all the rest here
if TYPE_CHECKING:
    from typing import Any

    from backtest.api.compare import Comparison, compare
    from backtest.api.fund import FundAnswer, fund
    from backtest.api.replay import replay
    from backtest.api.run import Run, open_run
    from backtest.api.sweep import sweep
    from backtest.api.watch import Watched, watch

__version__ = "0.1.0"
__all__ = [
    "Comparison", "FundAnswer", "Run", "Watched", "__version__", "compare", "fund", "open_run", "replay", "sweep",
    "watch",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "replay":
        from backtest.api.replay import replay

        return replay
    if name == "sweep":
        from backtest.api.sweep import sweep

        return sweep
    if name in {"Comparison", "compare"}:
        from backtest.api import compare

        return getattr(compare, name)
    if name in {"FundAnswer", "fund"}:
        from backtest.api import fund

        return getattr(fund, name)
    if name in {"Run", "open_run"}:
        from backtest.api import run

        return getattr(run, name)
    if name in {"Watched", "watch"}:
        from backtest.api import watch

        return getattr(watch, name)
    raise AttributeError(f"module 'backtest' has no attribute '{name}'")
