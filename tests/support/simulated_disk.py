"""A disk that fails as the script of a test says: it stands in for ``os`` in ``backtest.durable``.

The real files are what processes see; the model beside them knows what has reached the disk. A file's bytes do when the
file is flushed, a name does when its folder is. ``lose_power`` leaves what was flushed and, of the rest, what a draw
decides: writes lost, torn at a byte or full of zeros, changes of names kept in any selection.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["kill", "error", "full", "short"]
HANDLES = itertools.count(1000)  # none comes twice, so that none is taken for that of another life
TAKES_ROOM = {"open", "write", "mkdir"}


class Killed(BaseException):
    """The process is dead: nothing that it still does has an effect."""


@dataclass(frozen=True)
class Fault:
    """What happens at the nth call of a life.

    A killed process dies before or after the call, in a write also halfway. An error comes once; a full disk stays
    full until the next life; a short write takes a part and the next goes on.
    """

    call: int
    kind: Kind


@dataclass
class Change:
    """A change of the names in a folder that may not have reached the disk: ``new`` and ``old`` as in a rename."""

    new: str = ""
    node: Node | None = None
    old: str = ""


@dataclass
class Node:
    """A file or folder: what is on the disk, and what came since; names or writes that may never get there."""

    folder: bool
    durable: bytes = b""
    size: int = 0
    writes: list[tuple[int, bytes]] = field(default_factory=list)
    given_up: list[tuple[int, bytes]] = field(default_factory=list)  # by a flush that failed: the next does not try
    names: dict[str, Node] = field(default_factory=dict)
    durable_names: dict[str, Node] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def flush(self) -> None:
        """Let everything reach the disk but what an earlier flush gave up."""
        if self.folder:
            self.durable_names, self.changes = dict(self.names), []
            return
        self.durable, self.writes = _laid(self.durable, self.writes), []

    def give_up(self) -> None:
        """Fail to flush: the system forgets that the bytes have not been written."""
        self.given_up += self.writes
        self.writes = []


class Disk:
    """The calls of ``os`` that ``backtest.durable`` makes, below one folder, with faults at chosen calls."""

    def __init__(self, root: Path, draw: random.Random) -> None:
        self.root, self.draw = root, draw
        self.pid = 0
        self.tree = self._adopted(str(root))
        self.begin()

    def begin(self, *faults: Fault) -> None:
        """Begin the life of another process."""
        self.pid += 1
        self.faults = {fault.call: fault.kind for fault in faults}
        self.calls, self.dead, self.full = 0, False, False
        self.renames: list[int] = []
        self.published: set[Path] = set()
        self.handles: dict[int, tuple[int, Node]] = {}

    def end(self) -> None:
        """Close what a killed process had open."""
        for handle, _ in self.handles.values():
            os.close(handle)
        self.handles = {}

    # what durable calls

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("O_") and name not in {"listdir", "strerror"}:
            raise AttributeError(f"the simulated disk does not know os.{name}")
        return getattr(os, name)

    def getpid(self) -> int:
        return self.pid

    def kill(self, process: int, signal: int) -> None:
        if process != self.pid:
            raise ProcessLookupError

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        with self._call("open" if flags & os.O_CREAT else "read"):
            handle = next(HANDLES)
            self.handles[handle] = os.open(path, flags, mode), self._node(path)
            return handle

    def fstat(self, handle: int) -> os.stat_result:
        return os.fstat(self.handles[handle][0])

    def pread(self, handle: int, size: int, start: int) -> bytes:
        return os.pread(self.handles[handle][0], size, start)

    def write(self, handle: int, data: bytes) -> int:
        (real, node), whole = self.handles[handle], bytes(data)
        part = self.draw.randrange(1, len(whole)) if len(whole) > 1 else 1
        kind = self.faults.get(self.calls + 1)
        if kind == "kill":  # before, halfway, after
            taken = self.draw.choice((0, part, len(whole)))
            if taken:
                self._append(real, node, whole[:taken])
        with self._call("write"):
            return self._append(real, node, whole[:part] if kind == "short" else whole)

    def fsync(self, handle: int) -> None:
        _, node = self.handles[handle]
        if self.faults.get(self.calls + 1) == "error" and not node.folder:
            node.give_up()
        with self._call("fsync"):
            node.flush()

    def close(self, handle: int) -> None:
        os.close(self.handles.pop(handle)[0])

    def replace(self, source: Path, target: Path) -> None:
        assert source.parent == target.parent, "a rename between folders is not modelled"
        with self._call("replace"):
            self.renames.append(self.calls)
            folder, node = self._node(source.parent), self._node(source)
            source.replace(target)
            del folder.names[source.name]
            folder.names[target.name] = node
            folder.changes.append(Change(new=target.name, node=node, old=source.name))
            self.published.add(target)

    def unlink(self, path: Path) -> None:
        with self._call("unlink"):
            path.unlink()
            self._forget(path)

    def rmdir(self, path: Path) -> None:
        with self._call("rmdir"):
            path.rmdir()
            self._forget(path)

    def mkdir(self, path: Path) -> None:
        with self._call("mkdir"):
            path.mkdir()
            self._node(path)

    # the power

    def lose_power(self, *, all_lost: bool = False) -> None:
        """Leave on disk what was flushed, and of the rest what the draw decides, or nothing."""
        manner = "none" if all_lost else self.draw.choice(("none", "some", "most", "all"))
        chance = {"none": 0.0, "some": 0.3, "most": 0.8, "all": 1.0}[manner]
        self._restore(self.root, self.tree, chance)
        self.tree = self._adopted(str(self.root))

    def _restore(self, path: Path, node: Node, chance: float) -> None:
        """Bring a path to what survived of it; what has not changed is not touched."""
        if not node.folder:
            survived = self._survived(node, chance)
            if not path.is_file() or path.read_bytes() != survived:
                path.write_bytes(survived)
            return
        path.mkdir(exist_ok=True)
        names = dict(node.durable_names)
        for change in node.changes:
            if self.draw.random() < chance:
                if change.old and (change.node is None or self.draw.random() < 0.9):
                    names.pop(change.old, None)  # some systems link the new name before they take the old away
                if change.node is not None:
                    names[change.new] = change.node
        for name in node.names.keys() - names.keys():
            wipe(path / name)
        for name, inner in names.items():
            if name in node.names and node.names[name] is not inner:
                wipe(path / name)
            self._restore(path / name, inner, chance)

    def _survived(self, node: Node, chance: float) -> bytes:
        """Return the bytes of a file after the power came back."""
        kept = []
        for start, data in sorted(node.given_up + node.writes):
            if self.draw.random() < chance:
                kept.append((start, data))
            elif chance and self.draw.random() < 0.5:
                part = self.draw.randrange(len(data))
                kept.append((start, data[:part] + bytes(len(data) - part) * self.draw.randrange(2)))
        return _laid(node.durable, kept)

    # the model

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        """Count a call and let its fault happen before it or after."""
        if self.dead:
            raise Killed
        self.calls += 1
        kind = self.faults.get(self.calls)
        dies = kind == "kill"
        if dies and (name == "write" or self.draw.random() < 0.5):
            self.dead = True
            raise Killed
        self.full |= kind == "full"
        if self.full and name in TAKES_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if kind == "error":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield
        if dies:
            self.dead = True
            raise Killed

    def _append(self, handle: int, node: Node, data: bytes) -> int:
        taken = os.write(handle, data)
        assert taken == len(data)
        node.writes.append((node.size, data))
        node.size += taken
        return taken

    def _node(self, path: Path) -> Node:
        """Return the model of a path; what is there and not known was made just now, here or by a library."""
        node, at = self.tree, str(self.root)
        for name in str(path)[len(at) :].split("/")[1:]:
            at = f"{at}/{name}"
            if name not in node.names:
                inner = self._adopted(at)
                if inner.durable:
                    inner = Node(folder=False, writes=[(0, inner.durable)], size=inner.size)
                node.names[name] = inner
                node.changes.append(Change(new=name, node=inner))
            node = node.names[name]
        return node

    def _forget(self, path: Path) -> None:
        folder = self._node(path.parent)
        folder.names.pop(path.name, None)
        folder.changes.append(Change(old=path.name))

    def _adopted(self, path: str) -> Node:
        """Return the model of what is there, taken to be on the disk."""
        try:
            names = {inner.name: self._adopted(inner.path) for inner in os.scandir(path)}
        except NotADirectoryError:
            data = Path(path).read_bytes()
            return Node(folder=False, durable=data, size=len(data))
        return Node(folder=True, names=names, durable_names=dict(names))


def _laid(durable: bytes, writes: list[tuple[int, bytes]]) -> bytes:
    """Return bytes with writes laid over them; what lies between is zero."""
    out = bytearray(durable)
    for start, data in writes:
        out.extend(bytes(max(start + len(data) - len(out), 0)))
        out[start : start + len(data)] = data
    return bytes(out)


def wipe(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
