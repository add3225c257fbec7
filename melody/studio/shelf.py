"""The shelf: tunes that survive a restart, the draft that is worked on, and counts of what was taken. One SQLite file.

It is written for the user's eyes alone: nothing of it leaves the machine.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from melody.errors import StudioError
from melody.studio.sheets import Sheet, piece_of

MAX_TUNES = 5_000
MAX_FACTS = 20_000  # characters of what else the page keeps of a tune
DRAFT = 0  # the number of the tune that is worked on
COUNTS = ("written", "kept", "taken", "dropped")
_LARGEST = 2**63 - 1  # number that SQLite knows
_TABLES = """
create table if not exists tunes (
  number integer primary key, name text, changed text, bars integer, notes integer, sheet text, facts text);
create table if not exists counts (what text primary key, times integer);
"""


class Shelf:
    """The tunes in a file.

    Parameters
    ----------
    path
        The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as shelf:
            shelf.executescript(_TABLES)

    def tunes(self) -> list[dict[str, Any]]:
        """All but the draft, the newest first, without their notes."""
        asked = "select number, name, changed, bars, notes from tunes where number > 0 order by changed desc, number desc"
        with self._open() as shelf:
            return [dict(zip(("number", "name", "changed", "bars", "notes"), row)) for row in shelf.execute(asked)]

    def tune(self, number: int) -> dict[str, Any]:
        """A tune: its `sheet` and the page's own `facts`.

        Raises
        ------
        StudioError
            If there is none of that number.
        """
        row = None
        if number <= _LARGEST:
            with self._open() as shelf:
                row = shelf.execute("select name, sheet, facts from tunes where number = ?", (number,)).fetchone()
        if row is None:
            raise StudioError("that tune is not on the shelf any more", 404)
        return {"number": number, "name": row[0], "sheet": json.loads(row[1]), "facts": json.loads(row[2])}

    def draft(self) -> dict[str, Any]:
        """The tune that is worked on, as `tune` gives it; empty if there is none yet."""
        with self._open() as shelf:
            there = shelf.execute("select 1 from tunes where number = ?", (DRAFT,)).fetchone()
        return self.tune(DRAFT) if there else {}

    def keep(self, order: dict[str, Any], number: int | None = None) -> int:
        """Put a tune on the shelf, in the place of another if one is named; gives its number.

        Raises
        ------
        melody.errors.MelodyError
            If it is no tune, or the shelf is full.
        """
        sheet: Sheet = order.get("sheet") or {}
        piece = piece_of(sheet)
        facts = json.dumps(order.get("facts") or {})
        if len(facts) > MAX_FACTS:
            raise StudioError("there is too much to remember of this tune; save it as a file")
        name = piece.title or "untitled"
        row = (name, datetime.now(timezone.utc).isoformat(), piece.num_bars - piece.has_pickup, piece.num_notes)
        with self._open() as shelf:
            if number is None and shelf.execute("select count(*) from tunes").fetchone()[0] > MAX_TUNES:
                raise StudioError(f"the shelf holds {MAX_TUNES:,} tunes; take some down first")
            asked = "insert or replace into tunes (number, name, changed, bars, notes, sheet, facts) values (?,?,?,?,?,?,?)"
            made = shelf.execute(asked, (number, *row, json.dumps(sheet), facts))
            return int(made.lastrowid or 0)

    def take_down(self, number: int) -> None:
        """Remove a tune."""
        with self._open() as shelf:
            shelf.execute("delete from tunes where number = ?", (min(number, _LARGEST),))

    def count(self, what: object) -> None:
        """One more of what is counted.

        Raises
        ------
        StudioError
            If nothing of that name is.
        """
        if what not in COUNTS:
            raise StudioError(f"the studio counts {', '.join(COUNTS)}")
        with self._open() as shelf:
            shelf.execute(
                "insert into counts values (?, 1) on conflict (what) do update set times = times + 1", (str(what),)
            )

    def counts(self) -> dict[str, int]:
        """How often each was counted."""
        with self._open() as shelf:
            found = dict(shelf.execute("select what, times from counts"))
        return {what: int(found.get(what, 0)) for what in COUNTS}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            shelf = sqlite3.connect(self._path, timeout=5)
            try:
                with shelf:  # commits, or takes back
                    yield shelf
            finally:
                shelf.close()
        except sqlite3.Error as error:
            raise StudioError(f"the shelf {self._path} cannot be used: {error}; move the file away", 503) from None
