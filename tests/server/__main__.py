"""``python -m tests.server``: the venues with the crash days of October 2025 until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from tests.server.app import LocalVenues
from tests.server.market import crash_days


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--config", type=Path, help="write an exchange configuration (TOML) that leads here")
    parser.add_argument("--archive", type=Path, help="a folder to serve under /archive")
    options = parser.parse_args()
    signals = {signal.SIGINT, signal.SIGTERM}
    # blocked before the server's thread starts, which inherits the mask: only ``sigwait`` sees them
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with LocalVenues(crash_days(), archive=options.archive, port=options.port) as venues:
        if options.config is not None:
            venues.write_config(options.config)
        print(venues.base, flush=True)
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
