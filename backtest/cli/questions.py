"""The questions of ``crashbook query`` in groups, each with an example of how it is asked."""

from __future__ import annotations

import fnmatch
import textwrap
from typing import TYPE_CHECKING

from backtest.formatting import readable

if TYPE_CHECKING:
    from backtest.sql.header import Query
    from backtest.sql.params import Param

GROUPS = {  # by patterns of names; a question belongs to the first group that fits
    "in short": ("run_summary", "cascades", "loss_waterfall"),
    "my positions": ("hedges", "watch_ranks", "position_funding"),
    "over draws and seeds": ("draw_*", "seed_*", "fact_scores"),
    "what really happened": ("actual_*",),
    "auto-deleveraging": ("adl_*", "forgone_pnl"),
    "liquidations": ("*liquidation*", "cross_contagion", "multi_coin_*", "liquidity_*", "potential_*", "forced_*"),
    "fund and vault": ("fund_*", "vault_*", "funding_*"),
    "prices and data": ("*",),
}
WIDTH = 80  # of a line
EXAMPLES = {"symbol": "BTC", "start": "2025-10-10T21:15", "end": "2025-10-10T21:27", "account_id": "7", "wave_id": "1",
            "limit": "5", "name": "hedge"}  # fmt: skip


def group_of(name: str) -> str:
    """Return the group of a question.

    Examples
    --------
    >>> group_of("adl_waves"), group_of("price_path")
    ('auto-deleveraging', 'prices and data')
    """
    return next(group for group, patterns in GROUPS.items() if any(fnmatch.fnmatch(name, each) for each in patterns))


def example(query: Query) -> str:
    """Return how a question is asked, with its parameters where it needs them, else with the first.

    Examples
    --------
    >>> from backtest.sql.files import get_query
    >>> example(get_query("largest_liquidations")), example(get_query("fund_balance"))
    ('crashbook query largest_liquidations --param limit=5', 'crashbook query fund_balance')
    """
    needed = [param for param in query.params if param.required] or list(query.params[:1])
    words = [f"--param {param.name}={EXAMPLES.get(param.name) or readable(param.default)}" for param in needed]
    return " ".join(["crashbook query", query.name, *words])


def parameters(query: Query) -> str:
    """Return the parameters of a question with their types and defaults."""
    return "; ".join(map(_parameter, query.params)) or "none"


def _parameter(param: Param) -> str:
    default = "required" if param.required else f"= {param.note or readable(param.default)}"
    return f"{param.name} {param.type} {default}"


def filled(text: str, indent: int) -> str:
    r"""Return a line behind an indent, a long one of a command continued on the next.

    Examples
    --------
    >>> filled("Who was closed?", 2)
    '  Who was closed?\n'
    """
    if indent + len(text) <= WIDTH:
        return f"{' ' * indent}{text}\n"
    if text.startswith("crashbook"):
        head, *words = text.split(" --param ")
        lines = [head, *(f"--param {word}" for word in words)]
    else:
        lines = textwrap.wrap(text, WIDTH - indent)
    end = " \\\n" if text.startswith("crashbook") else "\n"
    return end.join(" " * (indent + 2 * bool(at)) + line for at, line in enumerate(lines)) + "\n"
