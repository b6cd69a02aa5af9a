"""Ctrl-C: exit code 130 and one line, whatever the program is doing.

Python answers Ctrl-C with a ``KeyboardInterrupt`` wherever it happens to be. Inside an import that leaves half a
library behind, which then fails for reasons of its own; inside a destructor it is printed and forgotten; a database
turns it into an error of another name. So the key is remembered (`pressed`), and the exception is raised where it is
safe: after the import under way, and once more if it was dropped. A second Ctrl-C ends the process at once.

This is the first module of a command: it imports hardly more than the interpreter has loaded already.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn

EXIT_CODE = 130
REASON = "interrupted; finished runs and reports are kept, nothing is left half-written"
AGAIN_S = 0.01  # between two looks whether an import is over
_IMPORT = "<frozen importlib"


class _Key:
    """The state of the key, one for the process."""

    pressed = False
    first: Callable[[], object] | None = None
    number = signal.SIGINT


def watch(number: signal.Signals = signal.SIGINT) -> None:
    """Answer Ctrl-C in this process from now on, or another signal that stands for it."""
    _Key.number = number
    signal.signal(number, _on_press)
    if _has_timer():
        signal.signal(signal.SIGALRM, _interrupt)
    sys.unraisablehook = _on_dropped


def pressed() -> bool:
    """Return whether Ctrl-C was pressed: any error that follows is a consequence of it."""
    return _Key.pressed


def check() -> None:
    """Raise ``KeyboardInterrupt`` if Ctrl-C was pressed and a library swallowed the exception."""
    if _Key.pressed:
        raise KeyboardInterrupt


def on_first_press(action: Callable[[], object] | None) -> None:
    """Let the next Ctrl-C call a function instead of interrupting; None takes that back."""
    _Key.first = action


def ignore() -> None:
    """Ignore Ctrl-C from now on: the exit code is decided and the last line is being printed."""
    if signal.getsignal(_Key.number) is _on_press:
        signal.signal(_Key.number, signal.SIG_IGN)
        if _has_timer():
            signal.signal(signal.SIGALRM, signal.SIG_IGN)


def leave() -> None:
    """End the process if Ctrl-C was pressed: its line is printed, and libraries cut short are not to add theirs."""
    if _Key.pressed:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or no stream at all
                stream.flush()
        os._exit(EXIT_CODE)


def end() -> NoReturn:
    """End the process at once with the line and the exit code of an interrupt."""
    signal.signal(_Key.number, signal.SIG_IGN)
    try:
        os.write(2, f"crashbook: {REASON}\n".encode())
    finally:
        os._exit(EXIT_CODE)


def _has_timer() -> bool:
    return hasattr(signal, "setitimer")  # not on Windows


def _on_press(number: int, frame: FrameType | None) -> None:
    if _Key.first is not None:
        action, _Key.first = _Key.first, None
        action()
    elif _Key.pressed:
        end()
    else:
        _Key.pressed = True
        _interrupt(number, frame)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise ``KeyboardInterrupt``, or look again in a moment if an import is under way."""
    if _has_timer() and _importing(frame):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    else:
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORT):
            return True
        frame = frame.f_back
    return False


def _on_dropped(dropped: Any) -> None:
    """Raise an interrupt once more that a destructor or a callback has dropped; report all else as usual."""
    if _Key.pressed and _has_timer():
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    else:
        sys.__unraisablehook__(dropped)
