"""``python -m backtest`` is ``crashbook``."""

from __future__ import annotations

from backtest.cli import main

if __name__ == "__main__":
    main()
