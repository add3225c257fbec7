"""What training needs of a corpus, and what a model file says of its pieces, for sampling to keep to: see `facts`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from melody.note_columns import sounding
from melody.sampling.quality import MOST_IN_A_ROW, Shares, run_of
from melody.statistics.standstill import Patience
from melody.tokens.inputs.features import outline_of
from melody.tokens.inputs.outlines.storing import stored
from melody.tokens.inputs.whole_piece import WholePiece
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows, Vocabulary

Split = Literal["train", "valid", "test"]
MOST_OUTLINES = 1_000
MOST_LETTERS = 500_000  # of the parts' bars in all of them: about 2 MB of a model file
MOST_ASSESSED = 100  # pieces whose faults are counted
SHORT = 5  # percentile of the pieces, by how many bars they have
AS_A_RULE = 95  # percentile of the pieces, by how often a part plays one pitch in a row, and by how often the key changes
AT_ONCE = 99  # percentile of the notes that a part has at once: what it does as a rule at most


class Prepared(Protocol):
    """What training needs of a corpus (`melody.corpus.Corpus` is one)."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Of all the pieces."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What was read, and how."""

    def rows(self, split: Split) -> Sequence[Rows]:
        """The events of each piece of a split."""


def facts(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> dict[str, Any]:
    """All but the outlines, by their names in the file."""
    found: dict[str, Callable[[Vocabulary, Sequence[Rows]], Any]] = {
        "first_keys": first_keys,
        "part_pitches": part_pitches,
        "part_notes_at_once": notes_at_once,
        "part_runs": part_runs,
        "kits": kits,
        "first_strokes": first_strokes,
        "fault_shares": fault_shares,
        "most_changes": most_changes,
        "standstill": standstill,
        "shortest": shortest,
    }
    return {name: fact(vocabulary, pieces) for name, fact in found.items()}


def fault_shares(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> dict[str, float]:
    """Which share of the pieces has what would be a fault of a tune (`melody.sampling.quality.Shares`)."""
    most = np.array(part_runs(vocabulary, pieces))
    decoded = (vocabulary.decode(np.asarray(rows)) for rows in _some(pieces))
    return Shares.counted((piece, most[vocabulary.part_numbers(piece)].tolist()) for piece in decoded).of


def most_changes(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """How often metre, tempo and key change in a piece behind its beginning: the 95th percentile of each, (3,)."""
    counts, shifts = [], np.array([0, *vocabulary.shifts])
    for rows in map(np.asarray, pieces):
        is_key = (rows[:, KIND] != KEY) | (rows[:, VALUE] < vocabulary.first_turn)
        changes = rows[(rows[:, KIND] < FIRST_PART) & (rows[:, TIME] != END) & (shifts[rows[:, TIME]].cumsum() > 0) & is_key]
        counts.append(np.bincount(changes[:, KIND], minlength=FIRST_PART))
    return [int(most) for most in np.percentile(counts, AS_A_RULE, axis=0, method="higher")] if counts else []


def standstill(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """For how many bars they stand still, as a rule at most (`melody.statistics.standstill.Patience`)."""
    return Patience.of(vocabulary.decode(np.asarray(rows)) for rows in _some(pieces)).stored()


def shortest(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """How many bars they have at least, as a rule: the 5th percentile; one number."""
    bars = [vocabulary.decode(np.asarray(rows)).num_bars for rows in _some(pieces)]
    return [int(np.percentile(bars, SHORT, method="lower"))] if bars else []


def _some(pieces: Sequence[Rows]) -> Sequence[Rows]:
    """Those that are looked at closely."""
    count = min(len(pieces), MOST_ASSESSED)
    return [pieces[number * len(pieces) // count] for number in range(count)]


def first_keys(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """How many pieces begin in each key of the vocabulary, (keys,): training transposes, so the model cannot know."""
    first, turn = vocabulary.value_starts[KEY], vocabulary.first_turn
    counts = [0] * len(vocabulary.keys)
    for rows in map(np.asarray, pieces):  # perhaps more pieces than memory holds
        for key in rows[(rows[:, KIND] == KEY) & (rows[:, TIME] != END) & (rows[:, VALUE] < turn), VALUE][:1].tolist():
            counts[key - first] += 1
    return counts


def part_pitches(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[list[int]]:
    """The lowest and the highest MIDI pitch of each part, (parts, 2); all of them for one that never plays."""
    parts, low = vocabulary.sizes[KIND] - FIRST_PART, vocabulary.pitches[0]
    plays = np.zeros((parts, vocabulary.num_pitches), bool)
    for rows in map(np.asarray, pieces):
        notes = rows[vocabulary.is_note(rows)]
        plays[notes[:, KIND] - FIRST_PART, notes[:, VALUE] - vocabulary.first_pitch] = True
    found = [low + np.flatnonzero(played) for played in plays]
    return [[int(pitches[0]), int(pitches[-1])] if len(pitches) else list(vocabulary.pitches) for pitches in found]


def kits(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[list[int]]:
    """The drums that each drum part plays; of other parts none."""
    played: list[set[int]] = [set() for _ in vocabulary.parts]
    drums = FIRST_PART + np.flatnonzero(vocabulary.drums)
    for rows in map(np.asarray, pieces):
        notes = rows[np.isin(rows[:, KIND], drums) & vocabulary.is_note(rows)]
        for kind in np.unique(notes[:, KIND]).tolist():
            pitches = np.unique(notes[notes[:, KIND] == kind, VALUE]) - vocabulary.first_pitch + vocabulary.pitches[0]
            played[kind - FIRST_PART].update(pitches.tolist())
    return [sorted(own) for own in played]


def first_strokes(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[list[int]]:
    """In how many pieces each pitch is the first of each drum part, (drum parts, pitches); empty for other parts."""
    drums = np.flatnonzero(vocabulary.drums).tolist()
    found = [[0] * vocabulary.num_pitches if number in drums else [] for number in range(len(vocabulary.parts))]
    for rows in map(np.asarray, pieces):
        notes = rows[vocabulary.is_note(rows)]
        for number in drums:
            for value in notes[notes[:, KIND] == FIRST_PART + number, VALUE][:1].tolist():
                found[number][value - vocabulary.first_pitch] += 1
    return found


def notes_at_once(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """How many notes each part has at once, 99th percentile over its onsets; 1 where durations are implied."""
    found = [np.zeros(0, np.int64) for _ in vocabulary.parts]
    free = FIRST_PART + np.flatnonzero(~np.array(vocabulary.implied_duration, bool))
    for rows in map(np.asarray, pieces):
        events = WholePiece(vocabulary, rows[rows[:, TIME] != END])
        for kind in np.intersect1d(free, events.kind).tolist():
            own = events.kind == kind
            counted = np.bincount(sounding(events.tick[own], events.tick[own] + events.ticks[own]))
            found[kind - FIRST_PART] = _sum(found[kind - FIRST_PART], counted)
    return [_percentile(counts) for counts in found]


def part_runs(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """How often each part plays one pitch in a row at most, 95th percentile over its pieces, at least 8; (parts,)."""
    found: list[list[int]] = [[] for _ in vocabulary.parts]
    for rows in map(np.asarray, pieces):
        notes = rows[vocabulary.is_note(rows)]
        for kind in np.unique(notes[:, KIND]).tolist():
            pitch = notes[notes[:, KIND] == kind, VALUE]
            found[kind - FIRST_PART].append(run_of(np.zeros_like(pitch), pitch))
    most = [np.percentile(own, AS_A_RULE, method="higher") if own else 0 for own in found]
    return [max(int(times), MOST_IN_A_ROW) for times in most]


def _sum(one: Any, other: Any) -> Any:
    """Of counts, of which one may have fewer."""
    most = max(len(one), len(other))
    return np.pad(one, (0, most - len(one))) + np.pad(other, (0, most - len(other)))


def _percentile(counts: Any) -> int:
    """The number that so many percent of those counted do not exceed, at least 1."""
    total = int(counts.sum())
    return max(int(np.searchsorted(np.cumsum(counts), math.ceil(total * AT_ONCE / 100))), 1) if total else 1


def outlines(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[list[Any]]:
    """The outlines of the pieces as they are stored.

    Of more than 1,000 pieces those of every n-th, and of these again where they would say too much of each part.
    """
    every = range(0, len(pieces), max(-(-len(pieces) // MOST_OUTLINES), 1))
    made = (outline_of(vocabulary, np.asarray(pieces[number], np.int64)) for number in every)
    found = [outline for outline in made if outline is not None]
    letters = sum(len(outline.letters) * len(outline.players) for outline in found)
    return [stored(outline) for outline in found[:: max(-(-letters // MOST_LETTERS), 1)]]
