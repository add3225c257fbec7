"""The readable twins of `parsing` and `columns`: one file after another, by the functions that read a single one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from melody import midi
from melody.corpus import events
from melody.corpus.events import Events
from melody.corpus.read.mending import mended
from melody.corpus.read.two_hands import in_two_hands
from melody.errors import MidiError
from melody.midi.file_events import Source, to_piece


def parse_each(
    contents: Iterable[bytes], limits: midi.ReadLimits | None = None
) -> list[tuple[Source, list[str]] | MidiError]:
    """The events of each file and what was repaired, or why it cannot be read; `parsing.parse_many` does it faster."""
    found: list[tuple[Source, list[str]] | MidiError] = []
    for data in contents:
        try:
            found.append(midi.scan(data, limits))
        except MidiError as error:
            found.append(error)
    return found


def events_of_each(sources: Sequence[Source], ticks_per_quarter: int) -> list[tuple[Events, tuple[str, ...]] | MidiError]:
    """The events of each piece and what was repaired, or why no piece can hold it.

    `columns.read_together` does it faster for those that need no repair of their notes.
    """
    found: list[tuple[Events, tuple[str, ...]] | MidiError] = []
    for source in sources:
        repairs: list[str] = []
        try:
            piece, _ = to_piece(in_two_hands(mended(source, repairs), repairs), ticks_per_quarter, repairs)
            found.append((events.of_piece(piece), tuple(repairs)))
        except MidiError as error:
            found.append(error)
    return found
