"""The command line: one file per family of commands, all of them light until one is run.

Nothing here imports a library at module level, and no command imports a heavy one but inside its function, so that
``crashbook --help`` answers at once. ``main`` is what the console script calls: it answers Ctrl-C before it imports
anything else.
"""

from __future__ import annotations

import gc

YOUNG = 100_000  # new objects before a collection: by default 700, and each import is looked through many times

__all__ = [
    "book", "book_roll", "calibrate", "command", "compare", "data", "diff", "events", "export", "fetch",
    "fetch_files", "fetch_reservoir", "fetch_tables", "fund", "hints", "init", "interrupt", "layout", "main", "mcp",
    "messages", "notes", "output", "params", "plan", "position", "program", "progress", "query", "questions",
    "replay", "report", "runs", "sample", "schema", "short", "supervise", "sweep", "table", "terminal", "text",
    "venues", "verify", "watch", "workbook",
]  # fmt: skip


def main() -> None:
    """Run ``crashbook`` and end the process; Ctrl-C means exit code 130 and one line from here on."""
    try:
        from backtest.cli.interrupt import watch

        watch()
        gc.set_threshold(YOUNG)
        from backtest.cli.supervise import supervise

        supervise()
        from backtest.cli.program import crashbook

        crashbook.main(prog_name="crashbook")
    except KeyboardInterrupt:
        from backtest.cli.interrupt import end

        end()
