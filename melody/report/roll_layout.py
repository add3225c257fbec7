"""What to call the things in a piece, and where its notes go in a picture: what `roll`, `svg_roll` and `page` share.

Conventions
-----------
Pitch runs upwards, one unit a semitone, C4 = 60. Drums stand in named rows below the pitches; as a General MIDI drum has
no length, each hit is drawn a twenty-fourth note wide. Parts take the colours of Wong, "Points of view: Color blindness",
Nature Methods 8, 441 (2011), which differ for every kind of colour vision; drums are grey.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.errors import RenderError
from melody.general_midi import FAMILIES
from melody.piece import Ints, Piece
from melody.score.notation.metre import GRID, tempo_unit

MAX_QUARTERS = 4096
MAX_NOTES = 50_000
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DRUM_COLOUR = "#4b5563"
BLACK_KEYS = (1, 3, 6, 8, 10)


def part_label(piece: Piece, part: int) -> str:
    """What to call a part: the name on its track or the family of its program, with a number where two are the same."""
    names = [
        p.name.strip()[:24] or ("Drums" if p.is_drum else f"{FAMILIES[p.program // 8]} ({p.program})") for p in piece.parts
    ]
    return names[part] + (f" #{part + 1}" if names.count(names[part]) > 1 else "")


def facts(piece: Piece) -> str:
    """Key, metre, tempo (in what the first metre counts) and number of bars, a pick-up not counted, in one line.

    >>> facts(Piece([0], [96], [60], keys=[(0, 1, "major")]))
    'G major · 4/4 · ♩ = 120 · 1 bar'
    >>> [facts(Piece([0], [72], [60], time_signatures=[(0, *metre)])) for metre in ((2, 2), (6, 8))]
    ['2/2 · half note = 60 · 1 bar', '6/8 · ♩. = 80 · 1 bar']
    """
    keys = [f"{k.name.removesuffix('m')} {k.mode}" for k in piece.keys if k.onset < piece.length]
    metres = [f"{s.numerator}/{s.denominator}" for s in piece.time_signatures if s.onset < piece.length]
    value, dots, ticks = tempo_unit(*piece.time_signatures[0][1:])
    speeds = sorted(round(t.qpm * GRID / ticks) for t in piece.tempi if t.onset < max(piece.length, 1))
    beat = {"quarter": "♩", "eighth": "♪"}.get(value, f"{value} note") + "." * dots
    tempo = f"{beat} = {speeds[0]}" + (f"–{speeds[-1]}" if speeds[-1] != speeds[0] else "")
    bars = f"{piece.last_bar} bar{'s' if piece.last_bar != 1 else ''}"
    return " · ".join([part for part in (_in_turn(keys), _in_turn(metres), tempo, bars) if part])


def _in_turn(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:3]) + (" …" if len(distinct) > 3 else "")


@dataclass(frozen=True)
class NoteRows:
    """Where notes stand vertically: pitches `low` to `high` one unit each, then the `drums` (highest first) below."""

    low: int
    high: int
    drums: tuple[int, ...]

    @classmethod
    def of(cls, piece: Piece) -> NoteRows:
        """NoteRows for every note of `piece`, two semitones to spare, an octave and a half at least."""
        drums = tuple(int(d) for d in np.unique(piece.pitch[piece.is_drum])[::-1])
        pitches = piece.pitch[~piece.is_drum]
        if not len(pitches):
            return cls(0, -1, drums)
        low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
        spare = max(18 - (high - low), 0)
        return cls(low - spare // 2, high + (spare + 1) // 2, drums)

    @property
    def drum_height(self) -> float:
        """Height of the row of a drum; it grows with the range of pitches so that its name stays legible."""
        return max(1.7, (self.high - self.low) / 24)

    @property
    def bottom(self) -> float:
        """The lowest y."""
        return self.low - 0.5 - self.drum_height * (len(self.drums) + (0.5 if self.drums and self.high > self.low else 0))

    @property
    def top(self) -> float:
        """The highest y."""
        return self.high + 0.5

    def drum_y(self, pitch: int) -> float:
        """The middle of the row of a drum."""
        return self.bottom + self.drum_height * (len(self.drums) - self.drums.index(pitch) - 0.5)

    def boxes(self, piece: Piece) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The middle and the height of each note's box, (notes,) each; parts in unison share the height of one note."""
        rows = {pitch: self.drum_y(pitch) for pitch in self.drums}
        at = np.array([rows[p] if d else p for p, d in zip(piece.pitch.tolist(), piece.is_drum)], np.float64)
        full = np.where(piece.is_drum, 0.62 * self.drum_height, 0.88)
        _, group, sharing = np.unique(
            np.stack([piece.onset, piece.pitch, piece.is_drum]), axis=1, return_inverse=True, return_counts=True
        )
        group = group.reshape(-1)
        order = np.argsort(group, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(sharing) - sharing, sharing)
        height = full / sharing[group]
        return at + full / 2 - (rank + 0.5) * height, height


def widths(piece: Piece) -> Ints:
    """How far each note is drawn, in ticks, (notes,): its duration, or a twenty-fourth note for a drum."""
    return np.where(piece.is_drum, max(piece.ticks_per_quarter // 6, 1), piece.duration)


def bar_lines(piece: Piece) -> Ints:
    """Ticks of all bar lines, with the one that ends the last bar, (bars + 1,).

    Raises
    ------
    RenderError
        If the piece has no note, or more than a picture can show (4,096 quarter notes, 50,000 notes).
    """
    quarters = piece.length / piece.ticks_per_quarter
    if piece.num_notes == 0:
        raise RenderError("the piece has no notes; a piano roll shows one or more, so give it a piece with some")
    if quarters > MAX_QUARTERS or piece.num_notes > MAX_NOTES:
        raise RenderError(
            f"the piece has {piece.num_notes:,} notes in {quarters:,.0f} quarter notes of time; a piano roll shows up to "
            f"{MAX_NOTES:,} in {MAX_QUARTERS:,}; take some bars (--bars 1-100, in Python piece.bars(1, 100))"
        )
    starts = piece.bar_starts()
    last = int(starts[-1])
    return np.append(starts, last + piece.time_signature_at(last).bar_ticks(piece.ticks_per_quarter))


def colours(piece: Piece) -> list[str]:
    """A colour for each part, as #rrggbb, given out in order to the parts that play."""
    playing = {int(part): i for i, part in enumerate(np.unique(piece.part[~piece.is_drum]))}
    return [DRUM_COLOUR if p.is_drum else COLOURS[playing.get(i, 0) % len(COLOURS)] for i, p in enumerate(piece.parts)]


def beats(piece: Piece, lines: Ints, shortest: float) -> Ints:
    """Ticks of the beats inside the bars that begin at `lines[:-1]`, where a beat lasts `shortest` ticks or more."""
    in_force = np.searchsorted([s.onset for s in piece.time_signatures], lines[:-1], side="right") - 1
    each = np.array([s.beat_ticks(piece.ticks_per_quarter) for s in piece.time_signatures])[in_force]
    inside = [np.arange(a + b, z, b) for a, z, b in zip(lines, lines[1:], each) if b >= max(shortest, 1)]
    return np.concatenate([np.zeros(0, np.int64), *inside])


def check_prompt_end(prompt_end: int) -> None:
    """Raise `RenderError` if `prompt_end` is negative."""
    if prompt_end < 0:
        raise RenderError(f"prompt_end is tick {prompt_end}; it must be 0 (no prompt) or a later tick of the piece")


def paint_of(colour: str) -> str:
    """Class and fill of a part's colour, as SVG attributes."""
    return f'class="{f"p{COLOURS.index(colour)}" if colour in COLOURS else "drum"}" fill="{colour}"'
