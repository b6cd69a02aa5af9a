"""Record or compare: ``python -m tests.digests record | compare [--quick] [--only NAME ...]``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.digests.digest import Recording, Renamed, differences, digest_run
from tests.digests.scenarios import CASES, in_workspace, run_case

RECORDED = Path(__file__).with_name("recorded.json")
QUICK = (
    "december-bitmex-inverse",
    "fund-groups-pnl-ratio",
    "exhausted-socialised-winners",
    "feedback-vault",
    "funding-oracle-and-fills",
)


def recorded() -> Recording:
    """Return what was recorded, by scenario."""
    found: Recording = json.loads(RECORDED.read_text("utf-8"))
    return found


def main(words: list[str] | None = None) -> int:
    """Run the scenarios; write their digests, or print what differs from those written."""
    parser = argparse.ArgumentParser(prog="python -m tests.digests", description=__doc__)
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="NAME", help="these scenarios")
    parser.add_argument("--quick", dest="only", action="store_const", const=QUICK, help="five varied scenarios")
    asked = parser.parse_args(words)
    names = asked.only or list(CASES)
    known = recorded() if asked.action == "compare" or asked.only else {}
    lines, began = [], time.process_time()
    for name in names:
        with in_workspace():
            found = digest_run(run_case(CASES[name]), Renamed.read())
        if asked.action == "record":
            known[name] = found
        else:
            lines += list(differences({name: known.get(name, {})}, {name: found}))
    if asked.action == "record":
        rows = [f"{json.dumps(name)}: {json.dumps(known[name])}" for name in CASES if name in known]
        RECORDED.write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")
    elif not asked.only:
        lines += [f"{name}: is no scenario" for name in known if name not in CASES]
    for line in lines:
        print(line)
    verb = "recorded" if asked.action == "record" else f"compared, {len(lines)} differences"
    print(f"{len(names)} scenarios {verb}; {time.process_time() - began:.0f} s of CPU", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
