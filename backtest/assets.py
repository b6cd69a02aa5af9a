"""Where the read-only assets live (wheel or checkout) and where a workspace keeps its own files."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset_root() -> Path:
    """Return the folder that holds ``data/``, ``queries/`` and ``reports/``.

    Inside a wheel this is ``backtest/_assets``; in a checkout it is the folder above the package.
    """
    bundled = _PACKAGE / "_assets"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def asset(*parts: str) -> Path:
    """Return the path of one asset, for example ``asset("queries", "audits")``."""
    return asset_root().joinpath(*parts)


def workspace() -> Path:
    """Return the folder for lake, runs and reports: ``$CRASHBOOK_HOME`` or the current folder."""
    home = os.environ.get("CRASHBOOK_HOME")
    return Path(home) if home else Path.cwd()


def runs_folder() -> Path:
    """Return the folder of run folders; it need not exist yet."""
    return workspace() / "runs"


def lake_folder() -> Path:
    """Return the folder of the data lake; it need not exist yet."""
    return workspace() / "data" / "lake"


def reports_folder() -> Path:
    """Return the folder that generated reports go to; it need not exist yet."""
    return workspace() / "reports"
