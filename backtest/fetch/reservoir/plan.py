"""Which files of the archive a crash needs, what of them is read, and what that costs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from backtest.errors import DataError, DataGapError
from backtest.fetch.reservoir.layout import DATASETS, DEX, NO_SNAPSHOTS, USD_PER_GB
from backtest.fetch.reservoir.parquet import Opened, Part, open_part, spellings
from backtest.fetch.reservoir.place import Listed, Place
from backtest.times import DAY, EPOCH, Window, days_between

LOOK_BACK = 2  # days before the window in which its snapshot may lie
BARS_BEFORE, BARS_AFTER = dt.timedelta(minutes=10), dt.timedelta(minutes=60)
NEEDED = ("fills", "bars")  # there is one on every day
UNEXPECTED = 10  # times the documented size


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a crash is wanted: its core, the coins (none: all of each dex) and the dexes they trade on."""

    core: Window
    coins: tuple[str, ...]
    dexes: tuple[str, ...]
    depth: bool = False

    @staticmethod
    def of(core: Window, coins: Sequence[str], event_coins: Sequence[str], *, depth: bool = False) -> Wanted:
        """Return the dexes of the coins asked for, else all coins of the dexes that the event's coins trade on.

        Examples
        --------
        >>> core = dt.datetime(2026, 1, 30, 12), dt.datetime(2026, 1, 30, 22)
        >>> Wanted.of(core, (), ("XYZ-SILVER",)).dexes, Wanted.of(core, ("BTC",), ("XYZ-SILVER",)).dexes
        (('xyz',), ('hyperliquid',))
        """
        named = coins or event_coins
        dexes = dict.fromkeys(coin.partition("-")[0].lower() if "-" in coin else DEX for coin in named)
        return Wanted(core, tuple(coins), tuple(dexes), depth)

    def spelled(self, dex: str) -> tuple[str, ...]:
        """Return the coins of a dex as the venue may spell them, none for all."""
        mine = [coin for coin in self.coins if (coin.partition("-")[0].lower() if "-" in coin else DEX) == dex]
        return tuple(name for coin in mine for name in spellings(coin))


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts to read, in order; ``notes`` say what there is not."""

    parts: tuple[Opened, ...]
    notes: tuple[str, ...]
    snapshot: dt.datetime

    @property
    def bytes(self) -> int:
        """Return the bytes of all columns and row groups wanted."""
        return sum(part.bytes for part in self.parts)

    @property
    def usd(self) -> float:
        """Return what they cost at the stated rate."""
        return self.bytes / 1e9 * USD_PER_GB


def snapshot_time(key: str) -> dt.datetime:
    """Return the time in the name of a snapshot, ``{block}_{ms}.parquet``, naive UTC.

    Examples
    --------
    >>> snapshot_time("global/snapshots/perp/all/date=2025-10-10/758750000_1760126694218.parquet")
    datetime.datetime(2025, 10, 10, 20, 4, 54, 218000)
    """
    block, _, ms = PurePosixPath(key).stem.partition("_")
    if not (block.isdecimal() and ms.isdecimal() and len(ms) <= 15):
        raise DataError(f"{key}: documented as BLOCK_MILLISECONDS.parquet; the layout has changed")
    return EPOCH + dt.timedelta(milliseconds=int(ms))


def plan_of(place: Place, wanted: Wanted) -> Plan:
    """List the archive, read the footers and return what of it is wanted.

    Raises
    ------
    DataGapError
        There is no snapshot before the core, or no fills or bars of a day.
    DataError
        A file differs from the documented layout, or is far larger than documented.
    """
    positions = _snapshot(place, "positions", wanted.core[0])
    values = _snapshot(place, "account_values", snapshot_time(positions.key) + dt.timedelta(milliseconds=1))
    taken = snapshot_time(positions.key)
    parts, notes = [], list[str]()
    if snapshot_time(values.key) != taken:
        notes.append(f"account values are of {snapshot_time(values.key)}, positions of {taken}")
    parts.append(_opened(place, "account_values", values, Part()))
    for dex in wanted.dexes:
        coins = wanted.spelled(dex)
        parts.append(_opened(place, "positions", positions, Part(dex, coins)))
        roll, bars = (taken, wanted.core[0]), (wanted.core[0] - BARS_BEFORE, wanted.core[1] + BARS_AFTER)
        windows = {"fills": roll, "liquidations": wanted.core, "adl": wanted.core, "bars": bars}
        for name, window in windows.items():
            for day, found in _days(place, name, dex, window):
                if found:
                    parts.extend(_opened(place, name, each, Part(dex, coins, window)) for each in found)
                elif name in NEEDED:
                    where = f"{place.name}/{_folder(name, dex, day)}"
                    raise DataGapError(f"{where}: no {name} of {day}; documented from 2025-07-28 on; check the place")
                else:
                    notes.append(f"no {name} file of {day} at {dex}: documented to exist only where there was one")
        if wanted.depth:
            parts.extend(_books(place, wanted, dex, notes))
    notes += [
        f"{part.where}: columns that nobody documents: {', '.join(part.new)}; not read" for part in parts if part.new
    ]
    return Plan(tuple(parts), tuple(dict.fromkeys(notes)), taken)


def _opened(place: Place, name: str, listed: Listed, part: Part) -> Opened:
    dataset = DATASETS[name]
    if listed.size > UNEXPECTED * dataset.usual_bytes:
        usual = f"{dataset.usual_bytes / 1e6:,.0f} MB are usual"
        found = f"{listed.size / 1e9:,.1f} GB where {usual}"
        raise DataError(f"{place.name}/{listed.key}: {found}; the layout has changed; nothing was read")
    return open_part(place, dataset, listed, part)


def _folder(name: str, dex: str, day: dt.date) -> str:
    return DATASETS[name].folder.format(dex=dex, day=day)


def _snapshot(place: Place, name: str, before: dt.datetime) -> Listed:
    """Return the last snapshot before a time."""
    days = [before.date() - back * DAY for back in range(LOOK_BACK + 1)]
    seen = 0
    for day in days:
        found = place.listing(_folder(name, DEX, day))
        seen += len(found)
        early = [each for each in found if snapshot_time(each.key) < before]
        if early:
            return max(early, key=lambda each: snapshot_time(each.key))
    later = f"{seen} later ones" if seen else "none"
    gap = "; the archive has a known gap from late October to mid December 2025"
    known = gap if NO_SNAPSHOTS[0] <= before.date() <= NO_SNAPSHOTS[1] else ""
    where = f"{place.name}/{_folder(name, DEX, days[0])}"
    fix = "; choose another event, or a place that has one"
    raise DataGapError(f"{where}: no snapshot of {name} in the {LOOK_BACK} days before {before}, {later}{known}{fix}")


def _days(place: Place, name: str, dex: str, window: Window) -> Iterator[tuple[dt.date, list[Listed]]]:
    for day in days_between(*window) if window[0] < window[1] else ():
        yield day, place.listing(_folder(name, dex, day))


def _books(place: Place, wanted: Wanted, dex: str, notes: list[str]) -> Iterator[Opened]:
    """Yield the order books of the core, a file a coin."""
    coins = {name for coin in wanted.coins for name in spellings(coin)}
    for day, found in _days(place, "depth", dex, wanted.core):
        if not found:
            notes.append(f"no order book of {day} at {dex}")
        for each in found:
            if not coins or PurePosixPath(each.key).stem in coins:
                yield _opened(place, "depth", each, Part(dex))
