"""The sopranos of the JSB chorales with four bars to fill, and how the filled bars compare with the true ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filled_gaps import Notes, Task, drawn
from numpy.typing import NDArray

from melody.piece import Part, Piece, TimeSignature
from melody.sampling import Model
from melody.tokens import Vocabulary
from melody.tokens.inputs.gaps import Bars
from melody.tokens.vocabulary import Rows

SIXTEENTH, MUSIB = 6, (6, 4, 6)  # ticks; bars before, in and behind the gap
OF_NOTE: Mapping[str, Callable[[tuple[int, int, int, int], int], int]] = {  # of a note and the tick of the gap
    "pitch class": lambda note, _: note[1] % 12,
    "duration": lambda note, _: note[3] // SIXTEENTH,
    "onset in the bar": lambda note, first: (note[0] - first) // SIXTEENTH % 16,
}


def soprano(steps: Sequence[Sequence[int]]) -> Piece:
    """The uppermost voice of a chorale on the grid of sixteenths, (steps, 4), -1 for silence."""
    pitch = np.array(steps)[:, 0]
    starts = np.flatnonzero(np.diff(pitch, prepend=-2))
    lengths = np.diff(np.append(starts, len(pitch)))
    sounds = pitch[starts] >= 0
    notes = (starts[sounds] * SIXTEENTH, lengths[sounds] * SIXTEENTH, pitch[starts][sounds])
    return Piece(*notes, parts=(Part(52, name="soprano"),), time_signatures=(TimeSignature(0, 4, 4),))


@dataclass(frozen=True)
class Sopranos:
    """The sopranos of the chorales, as training wants them."""

    vocabulary: Vocabulary
    pieces: Mapping[str, Sequence[Rows]]
    manifest: Mapping[str, Any] = field(default_factory=lambda: {"folder": "sopranos of the JSB chorales"})

    @classmethod
    def read(cls, path: Path) -> Sopranos:
        """From the JSON file."""
        music = {split: [soprano(steps) for steps in each] for split, each in json.loads(path.read_text()).items()}
        vocabulary = Vocabulary.build([piece for each in music.values() for piece in each], transpositions=range(-5, 7))
        return cls(vocabulary, {split: [vocabulary.encode(piece) for piece in each] for split, each in music.items()})

    def rows(self, split: str) -> Sequence[Rows]:
        """The events of each piece of a split."""
        return self.pieces[split]


def in_window(vocabulary: Vocabulary, rows: Rows, random: np.random.Generator) -> Task | None:
    """Four bars to fill with up to six on each side; None of a piece that is too short."""
    before, inside, behind = MUSIB
    piece = vocabulary.decode(rows)
    if piece.num_bars < inside + 2:
        return None
    start = int(random.integers(1, piece.num_bars - inside))  # the first bar of the gap, from 0
    first, last = max(start - before, 0), min(start + inside + behind, piece.num_bars)
    own = vocabulary.encode(piece.bars(piece.first_bar + first, piece.first_bar + last - 1))
    bars = Bars(vocabulary, own)
    gap = next((gap for gap in bars.gaps(inside) if gap.first == 96 * (start - first)), None)
    return None if gap is None else Task(vocabulary, own, gap, bars.filled(gap))


def compared(true: Sequence[Notes], made: Sequence[Notes], firsts: Sequence[int]) -> dict[str, float]:
    """Position, pitch and rhythm of filled bars, and divergences."""
    onsets = [({n[0]: n for n in a}, {n[0]: n for n in b}) for a, b in zip(true, made)]
    common = [(a[at], b[at]) for a, b in onsets for at in a.keys() & b.keys()]
    many = sum(len(a) + len(b) for a, b in onsets)
    found = {"position F1": 2 * len(common) / max(many, 1)}
    found["pitch accuracy"] = float(np.mean([a[1] == b[1] for a, b in common]))
    found["rhythm accuracy"] = float(np.mean([a[3] == b[3] for a, b in common]))
    found["note accuracy"] = sum(a[1] == b[1] and a[3] == b[3] for a, b in common) / max(sum(map(len, true)), 1)
    for name, of in OF_NOTE.items():
        values = [[of(note, first) for notes, first in zip(each, firsts) for note in notes] for each in (true, made)]
        found[f"{name} divergence"] = jensen_shannon(*(np.bincount(each, minlength=128) for each in values))
    return found


def jensen_shannon(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Of two tables of counts, in nats."""
    width = max(len(one), len(other))
    p, q = (np.pad(each, (0, width - len(each))) / max(each.sum(), 1) for each in (one, other))
    mean = (p + q) / 2
    halves = [float(np.sum(each[each > 0] * np.log(each[each > 0] / mean[each > 0]))) for each in (p, q)]
    return sum(halves) / 2


def sopranos(forward: Model, both: Model, path: Path, count: int, candidates: int, seed: int) -> dict[str, Any]:
    """The table of sopranos, printed on the way."""
    pieces = Sopranos.read(path).rows("test")[:count]
    tasks = [in_window(both.vocabulary, rows, np.random.default_rng([seed, n])) for n, rows in enumerate(pieces)]
    chosen = [task for task in tasks if task is not None]
    true, firsts = [task.notes(task.piece) for task in chosen], [task.gap.first for task in chosen]
    made: dict[str, list[Notes]] = {}
    for number, task in enumerate(chosen):
        random, plain = np.random.default_rng([seed, number]), forward.decoder.without_prior()
        ahead = both.decoder.without_prior().before(lambda task=task: task.filled.future)  # type: ignore[misc]
        ways = {"forward": (plain, 1), f"{candidates} candidates": (plain, candidates), "bidirectional": (ahead, 1)}
        for name, (decoder, of) in ways.items():
            made.setdefault(name, []).append(task.notes(drawn(decoder, task, of, random)))
    table = {name: compared(true, notes, firsts) for name, notes in made.items()}
    print(f"{len(chosen)} sopranos, {sum(map(len, true))} notes in gaps of {MUSIB[1]} bars")
    for name, row in table.items():
        print(f"  {name:16}", "  ".join(f"{what} {value:.3f}" for what, value in row.items()))
    return table
