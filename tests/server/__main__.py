"""``python -m tests.server``: the venues with the crash days of October 2025 until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import socket
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
    # A signal may come to any thread, also to one that a library started at its import: the byte it writes is what
    # the main thread waits for.
    told, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    with told, writer, LocalVenues(crash_days(), archive=options.archive, port=options.port) as venues:
        if options.config is not None:
            venues.write_config(options.config)
        print(venues.base, flush=True)
        told.recv(1)
        signal.set_wakeup_fd(-1)


if __name__ == "__main__":
    main()
