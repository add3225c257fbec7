"""What the commands show: the one door through which text reaches the terminal.

The paths of what was written, one a line, and what a command is asked to show go to stdout, so that they can be piped;
progress and remarks go to stderr. Names of files, titles and other text of strangers are shown and never interpreted: what
would move the cursor, colour the screen, turn the direction of writing or break the line is shown as an escape, and nothing
is taken for markup, an emoji or a format.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from melody.text import for_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_SECOND = 1.0  # what is done sooner shows no progress
_WIDEST = 60  # columns of a table are not padded further

written: list[str] = []  # what has been shown as written, for the last word of a command that is interrupted
_quiet: list[bool] = []
_live: list[Bar] = []


class ReaderGone(Exception):
    """Whoever read our output has gone, as head does when it has its lines."""


def one_line(text: str) -> str:
    """A message as one plain line."""
    return for_terminal(re.sub(r"\s*\n\s*", " ", text.strip()))


def say(line: str) -> None:
    """A remark: one line on stderr."""
    if _quiet or sys.stderr is None:
        return
    if _live:
        from rich.text import Text

        _live[-1].console.print(Text(for_terminal(line)), soft_wrap=True)
    else:
        _print(line, sys.stderr)


def show(path: str | os.PathLike[str]) -> None:
    """The path of what was written, on stdout.

    Raises
    ------
    OSError, ReaderGone
        If it cannot be printed.
    """
    written.append(os.fspath(path))
    if sys.stdout is not None:
        _print(os.fspath(path), sys.stdout)


def answer(line: str) -> None:
    """What a command was asked to show: one line on stdout.

    Raises
    ------
    OSError, ReaderGone
        If it cannot be printed.
    """
    if not _quiet and sys.stdout is not None:
        _print(line, sys.stdout)


def _print(text: str, stream: TextIO) -> None:
    try:
        print(for_terminal(text), file=stream, flush=True)
    except BrokenPipeError:
        raise ReaderGone from None  # of a BrokenPipeError typer makes an exit code of its own


def begin() -> None:
    """Before a command: what the terminal's encoding lacks is written as an escape, too."""
    written.clear()
    _quiet.clear()
    with suppress(AttributeError, OSError):  # a stream of another kind, or none
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def end() -> None:
    """After a command: what is printed has arrived, or the OSError gives the reason."""
    if sys.stdout is not None:
        sys.stdout.flush()


def give_up() -> None:
    """Print nothing more on stdout, which does not take it."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def silence() -> None:
    """Show nothing from now on: another process shows the same."""
    _quiet.append(True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], show_line: Callable[[str], None] = say) -> None:
    """A table without lines, no cell cut, numbers aligned to the right; each line is shown by `say` or `answer`."""
    lines = [[for_terminal(cell) for cell in row] for row in (header, *rows)]
    columns = list(zip(*lines))
    widths = [min(max(map(_width, cells)), _WIDEST) for cells in columns]
    right = [all(re.fullmatch(r"[0-9][0-9.,]*", cell) for cell in cells[1:]) for cells in columns]
    for line in lines:
        padded = [(" " * max(w - _width(c), 0), c) for w, c in zip(widths, line)]
        show_line("  ".join(f"{spaces}{c}" if r else f"{c}{spaces}" for (spaces, c), r in zip(padded, right)).rstrip())


def _width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


class Progress:
    """A bar on stderr for long work: shown on a terminal if it takes more than a second, gone when it is done.

    Parameters
    ----------
    label
        What is being done.
    unit
        What is counted, as 'files'; nothing for a share of 1.
    """

    def __init__(self, label: str, unit: str = "") -> None:
        self._fields: dict[str, Any] = {"label": for_terminal(label), "count": "", "text": ""}
        self._unit = unit
        self._done: tuple[float, float | None] = (0, None)
        self._lock = threading.Lock()
        self._bar: Bar | None = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Callable[..., None]:
        if not (_quiet or _live) and sys.stderr is not None and sys.stderr.isatty():
            self._timer = threading.Timer(_SECOND, self._begin)
            self._timer.daemon = True
            self._timer.start()
        return self.update

    def update(self, completed: float, total: float | None = None, text: str = "") -> None:
        """How far it is, of how much (None if that is not known), and a text beside it."""
        if self._timer is None:  # no terminal
            return
        with self._lock:
            self._done = (completed, total)
            self._fields["text"] = for_terminal(text)
            if self._unit:
                self._fields["count"] = f"{completed:,}{'' if total is None else f'/{total:,}'} {self._unit}"
            if self._bar:
                self._bar.update(self._bar.task_ids[0], completed=completed, total=total, **self._fields)

    def _begin(self) -> None:
        with self._lock:
            if self._timer is not None:  # it is not done yet
                self._bar = _bar(bool(self._unit))
                self._bar.add_task("", completed=int(self._done[0]), total=self._done[1], **self._fields)
                self._bar.start()
                _live.append(self._bar)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            if self._bar:
                self._bar.stop()
                _live.remove(self._bar)
                self._bar = None


def _bar(is_counted: bool) -> Bar:
    """A bar whose texts are taken for no markup, emoji or format."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    label, count, text = (TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in ("label", "count", "text"))
    columns = (
        label,
        BarColumn(),
        count if is_counted else TaskProgressColumn(),
        text,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True, highlight=False, markup=False, emoji=False), transient=True)
