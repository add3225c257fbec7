"""Encoded pieces -> batches with carried state.

An epoch takes the training pieces in a new order, each transposed by a random interval that keeps it in the vocabulary's
range, some cut off in front as if they began at a later phrase (`melody.tokens.inputs.beginnings`). Pieces of similar
length share a batch; the batch is cut into windows of at most `window` events, equally long, which come one after the other
so that the model can carry its state across them (truncated back-propagation through time, Williams and Peng 1990). A batch
begins at the beginning of its pieces, where the state is reset. The longest piece stands first: a window holds the pieces
that have not ended before it, so a state is carried on by taking its first rows, and what stands after the end of a piece
within a window is masked. Everything follows from (seed, epoch).

Features are computed when a piece's turn comes, in the smallest integers that hold them, so that a corpus may be larger
than memory. Of each piece only its length, its possible transpositions and where else it could begin are kept, some two
hundred bytes, and the features of as many whole pieces as `CACHE_BYTES` hold, which spares small corpora from computing them
again each epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs.beginnings import LaterBeginnings
from melody.tokens.inputs.features import before_first, context, outline_of
from melody.tokens.inputs.gaps import Bars, Filled
from melody.tokens.inputs.outlines.harmony import raised
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.inputs.schema import Moves, all_columns, condition_sizes, feature_sizes
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Rows, Vocabulary

CACHE_BYTES = 128_000_000
FURTHEST_SLIP = 4  # semitones
WITH_GAPS = 0.4  # share of the training pieces from which a bidirectional model learns to fill gaps


@dataclass(frozen=True)
class BatchSettings:
    """How pieces become batches.

    Parameters
    ----------
    batch_size
        Pieces side by side.
    window
        Most events between two steps of the optimizer.
    transpositions
        Lowest and highest transposition of a training piece in semitones.
    match_dropout
        Share of the training pieces in which the model reads nothing of what is being repeated, 0 to 1: one that always
        does trusts it too much.
    outline_dropout
        Share of the training pieces of which the model does not read the outline, 0 to 1: it has to know music without one.
    later_beginnings
        Share of the training pieces that are read from one of their later phrases on, 0 to 1, where parts play chords: of
        how a piece begins there would be one example a piece.
    noise
        Share of the notes that the model reads in training with a wrong pitch, 0 to 1: 1 to 4 semitones off. What it is to
        predict stays true (Xie et al. 2017), so that a slip in what it reads throws it less.
    """

    batch_size: int = 16
    window: int = 64
    transpositions: tuple[int, int] = (-5, 6)
    match_dropout: float = 0.0
    outline_dropout: float = 0.2
    later_beginnings: float = 0.5
    noise: float = 0.0


def padded(pieces: Sequence[NDArray[np.integer]]) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Pieces with their features as one array, padded behind, (pieces, events, columns); which events come next in each.

    The latter is (pieces, events - 1): of an event that is read the one after it is to be predicted.
    """
    longest = max(map(len, pieces))
    events = np.stack([np.pad(one, ((0, longest - len(one)), (0, 0))) for one in pieces])
    return events, np.arange(longest - 1) < np.array([[len(one) - 1] for one in pieces])


class GapArrays(NamedTuple):
    """The gaps that reach into a window.

    Parameters
    ----------
    future, length
        What is read behind each gap, the last event first, padded behind, (gaps, events, columns); how many events, (gaps,).
    gap, places
        Of each target that stands in one: which one, (places,), and where in it, see `Future.places`.
    row, time
        Which target of the window that is, (places,).
    is_last
        Whether it is the event behind the gap, (places,).
    """

    future: NDArray[np.int64]
    length: NDArray[np.int64]
    gap: NDArray[np.int64]
    places: NDArray[np.int64]
    row: NDArray[np.int64]
    time: NDArray[np.int64]
    is_last: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Sequence[Sequence[Filled]], start: int, stop: int) -> GapArrays | None:
        """Of the events from `start` to `stop` of pieces side by side, each with its gaps; None if none reaches there."""
        found = [
            (row, gap, (gap.numbers >= start) & (gap.numbers < stop))
            for row, gaps in enumerate(rows)
            for gap in gaps
            if gap.numbers[0] < stop and gap.numbers[-1] >= start
        ]
        if not found:
            return None
        length = np.array([len(gap.future.read) for _, gap, _ in found])
        future = np.zeros((len(found), int(length.max()), found[0][1].future.read.shape[1]), np.int64)
        for number, (_, gap, _) in enumerate(found):
            future[number, : length[number]] = gap.future.read
        counts = [int(here.sum()) for _, _, here in found]
        return cls(
            future,
            length,
            np.repeat(np.arange(len(found)), counts),
            np.concatenate([gap.places[here] for _, gap, here in found]),
            np.repeat([row for row, _, _ in found], counts),
            np.concatenate([gap.numbers[here] - start for _, gap, here in found]),
            np.concatenate([(gap.numbers == gap.numbers[-1])[here] for _, gap, here in found]),
        )


class Batch(NamedTuple):
    """One window.

    inputs: (batch, time, fields + features + conditions), the events before; targets: the events to predict, one later;
    mask: (batch, time), which of them are real; first: whether the pieces begin here and the state must be reset; gaps:
    for a bidirectional model.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    mask: NDArray[np.bool_]
    first: bool
    gaps: GapArrays | None = None


def with_features(vocabulary: Vocabulary, rows: Rows, outline: Outline | None = None) -> NDArray[np.int64]:
    """The beginning (zeros, but for the outline), then each event, (1 + events, fields + features + conditions)."""
    found = np.zeros((1 + len(rows), len(FIELDS) + len(all_columns(vocabulary))), np.int64)
    features = before_first(vocabulary, outline)
    found[0, len(FIELDS) : len(FIELDS) + len(features)] = features
    found[1:, : len(FIELDS)], found[1:, len(FIELDS) :] = rows, context(vocabulary, rows, outline)
    return found


class Transposer:
    """Transposes events with their features and conditions by table look-up, each column as its row in the schema says."""

    def __init__(self, vocabulary: Vocabulary, low: int, high: int) -> None:
        self._tables = {t: vocabulary.value_transposition(t) for t in range(low, high + 1)}
        self._drums = np.array([FIRST_PART + i for i, part in enumerate(vocabulary.parts) if part.is_drum], np.int64)
        self._num_pitches = vocabulary.num_pitches
        self._first_key = vocabulary.value_starts[KEY]
        moves = [column.moves for column in all_columns(vocabulary)]
        how: dict[str, list[int]] = {each: [] for each in get_args(Moves)}
        for number, each in enumerate(moves, len(FIELDS)):
            how[each].append(number)
        self._pitches, self._own, self._keys, self._values = (how[e] for e in ("pitch", "own pitch", "key", "value"))
        self._tonics = how["tonic"]

    def possible(self, rows: Rows) -> list[int]:
        """The transpositions that keep every pitch and key of the events in the vocabulary; 0 if none does."""
        return self.chosen(self.keeping(rows))

    def keeping(self, rows: Rows) -> NDArray[np.bool_]:
        """For each transposition, from the lowest on, whether it keeps every pitch and key in the vocabulary."""
        values = np.flatnonzero(np.bincount(rows[self._moves(rows), VALUE]))
        return np.array([np.all(table[values] >= 0) for table in self._tables.values()])

    def chosen(self, keeping: NDArray[np.bool_]) -> list[int]:
        """The transpositions that `keeping` names; 0 if it names none."""
        return [t for t, keeps in zip(self._tables, keeping.tolist()) if keeps] or [0]

    def __call__(self, events: NDArray[np.int64], semitones: int) -> NDArray[np.int64]:
        """The events with their features, `semitones` higher."""
        if semitones == 0:
            return events
        table, moved, moves = self._tables[semitones], events.copy(), self._moves(events)
        moved[moves, VALUE] = table[events[moves, VALUE]]
        for column in self._values:
            moved[:, column] = self._value(table, events[:, column - 1], events[:, column])
        for column in self._keys:
            moved[:, column] = self._key(table, events[:, column])
        moved[:, self._tonics] = raised(events[:, self._tonics], semitones)
        for column in self._pitches:
            moved[:, column] = self._higher(events[:, column], semitones)
        for column in self._own:
            moved[moves, column] = self._higher(events[moves, column], semitones)
        return moved

    def _value(self, table: Ints, kind: Ints, value: Ints) -> Ints:
        """Value tokens + 1 that much higher, but for those of drums; `kind` is that of the same events, + 1."""
        moves = (value > 0) & ~np.isin(kind - 1, self._drums)
        return np.where(moves, np.maximum(table[np.maximum(value - 1, 0)], 0) + 1, value)

    def _key(self, table: Ints, key: Ints) -> Ints:
        """Keys + 1 that much higher, 0 staying 0."""
        return np.where(key > 0, table[self._first_key + np.maximum(key - 1, 0)] - self._first_key + 1, 0)

    def _higher(self, pitch: NDArray[np.int64], semitones: int) -> NDArray[np.int64]:
        """Pitches + 1 that much higher, 0 staying 0; what leaves the range is far from every note and stays at its rim."""
        return np.where(pitch > 0, np.clip(pitch + semitones, 1, self._num_pitches), 0)

    def _moves(self, rows: Rows) -> NDArray[np.bool_]:
        moves: NDArray[np.bool_] = (rows[:, TIME] != END) & ~np.isin(rows[:, KIND], self._drums)
        return moves


class _Taken(NamedTuple):
    """A piece as it is read, (1 + events, columns), and its gaps."""

    events: NDArray[np.integer]
    gaps: Sequence[Filled] = ()


class Batches:
    """The batches of one split; iterate `epoch(number)`.

    Parameters
    ----------
    vocabulary
        Of the events.
    pieces
        Events of each piece, END included.
    settings
        Sizes and transpositions.
    seed
        Of order and transposition.
    training
        Whether to shuffle and transpose.
    with_gaps
        Share of the training pieces that have gaps; none of these has an outline, which would say what stands in them.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        pieces: Sequence[Rows],
        settings: BatchSettings,
        seed: int = 0,
        training: bool = True,
        with_gaps: float = 0.0,
    ) -> None:
        self._vocabulary, self._pieces = vocabulary, pieces
        self._transposer = Transposer(vocabulary, *settings.transpositions)
        self._settings = settings
        self._seed = seed
        self._training, self._with_gaps = training, with_gaps
        columns = all_columns(vocabulary)
        self._match = [number for number, column in enumerate(columns, len(FIELDS)) if column.row.is_match]
        sizes = (*vocabulary.sizes, *feature_sizes(vocabulary), *condition_sizes(vocabulary))
        self._kind = np.min_scalar_type(max(sizes) - 1)  # the smallest that holds every column
        self._cached: dict[tuple[int, bool], NDArray[np.integer]] = {}
        self._free_bytes = CACHE_BYTES
        low, high = settings.transpositions
        self._lengths = np.zeros(len(pieces), np.int64)  # events
        self._keeping = np.zeros((len(pieces), high - low + 1 if training else 0), bool)  # which transpositions are possible
        begins_later = training and bool(settings.later_beginnings) and vocabulary.is_chordal
        self._later = LaterBeginnings(vocabulary, len(pieces) * begins_later)
        self.num_notes = 0
        for number, rows in enumerate(np.asarray(rows, np.int64) for rows in pieces):
            self._lengths[number] = len(rows)
            self.num_notes += int(vocabulary.is_note(rows).sum())
            if training:
                self._keeping[number] = self._transposer.keeping(rows)
            if begins_later:
                self._later.add(number, rows)
        self.num_events = int(self._lengths.sum())
        self.longest = int(self._lengths.max(initial=0))  # events

    def epoch(self, number: int, buckets: int | None = None) -> Iterator[Batch]:
        """The windows of epoch `number`, or of its first `buckets` length buckets."""
        rng = np.random.default_rng([self._seed, number])
        chosen, lengths = self._chosen(rng)
        for bucket in self._buckets(rng, lengths)[:buckets]:
            yield from self._windows([self._piece(i, int(chosen[i]), rng) for i in bucket])

    def num_windows(self, number: int, buckets: int | None = None) -> int:
        """How many windows that is."""
        rng = np.random.default_rng([self._seed, number])
        _, lengths = self._chosen(rng)
        longest = (int(lengths[bucket].max()) for bucket in self._buckets(rng, lengths)[:buckets])
        return sum(-(-events // self._settings.window) for events in longest)

    @property
    def num_buckets(self) -> int:
        """How many length buckets an epoch has: pieces of similar length, one batch each."""
        return -(-len(self._pieces) // self._settings.batch_size)

    @property
    def events_per_epoch(self) -> float:
        """How many events an epoch has as a rule, since some pieces are cut off in front."""
        cut = self._later.left_out(self._lengths).sum() if self._later else 0
        return float(self.num_events - self._settings.later_beginnings * cut)

    @property
    def notes_per_epoch(self) -> float:
        """How many notes that is, if they are as many of the events that are cut off as of the others."""
        return self.num_notes * self.events_per_epoch / max(self.num_events, 1)

    def _chosen(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Of each piece which of its beginnings is read, -1 for its own, and how many events it has from there on."""
        if not self._later:
            return np.full(len(self._pieces), -1), self._lengths
        is_later = rng.random(len(self._pieces)) < self._settings.later_beginnings
        chosen = np.where(is_later, self._later.sampled(rng), -1)
        return chosen, np.where(chosen < 0, self._lengths, self._later.events(chosen))

    def _buckets(self, rng: np.random.Generator, lengths: Ints) -> list[NDArray[np.int64]]:
        """Pieces of similar length together; noise on the length keeps the buckets from being the same each epoch."""
        length = lengths * np.exp(rng.normal(0, 0.1, len(lengths))) if self._training else lengths
        order = np.argsort(length, kind="stable")
        buckets = [order[i : i + self._settings.batch_size] for i in range(0, len(order), self._settings.batch_size)]
        return [buckets[i] for i in rng.permutation(len(buckets))] if self._training else buckets

    def _piece(self, index: int, beginning: int, rng: np.random.Generator) -> _Taken:
        if not self._training:
            return _Taken(self._featured(index, beginning, has_outline=False))
        semitones = int(rng.choice(self._transposer.chosen(self._keeping[index])))
        has_outline = bool(rng.random() >= self._settings.outline_dropout)
        has_gaps = bool(self._with_gaps) and bool(rng.random() < self._with_gaps)
        has_outline &= not has_gaps
        piece = self._featured(index, beginning, has_outline)
        if semitones:
            piece = self._transposer(piece.astype(np.int64), semitones).astype(self._kind)
        if self._settings.noise:
            piece = self._with_slips(piece.astype(np.int64), index, beginning, has_outline, rng)
        piece = self._with_match_left_out(piece) if rng.random() < self._settings.match_dropout else piece
        return _Taken(piece, self._gaps(piece, rng) if has_gaps else ())

    def _gaps(self, piece: NDArray[np.integer], rng: np.random.Generator) -> Sequence[Filled]:
        """Gaps of a piece that is read so."""
        bars = Bars(self._vocabulary, piece[1:, : len(FIELDS)].astype(np.int64))
        return [bars.filled(gap) for gap in bars.chosen(rng)]

    def _rows(self, index: int, beginning: int) -> Rows:
        """The events of a piece, from one of its later beginnings on or, for -1, from its own."""
        rows = np.asarray(self._pieces[index], np.int64)
        return rows if beginning < 0 else self._later.rows(index, beginning, rows)

    def _featured(self, index: int, beginning: int, has_outline: bool) -> NDArray[np.integer]:
        """A piece with its features, (1 + events, fields + features + conditions)."""
        found = self._cached.get((index, has_outline)) if beginning < 0 else None
        if found is None:
            rows = self._rows(index, beginning)
            outline = outline_of(self._vocabulary, rows) if has_outline else None
            found = with_features(self._vocabulary, rows, outline).astype(self._kind)
            if beginning < 0 and found.nbytes <= self._free_bytes:
                self._free_bytes -= found.nbytes
                self._cached[index, has_outline] = found
        return found

    def _with_slips(
        self, piece: NDArray[np.int64], index: int, beginning: int, has_outline: bool, rng: np.random.Generator
    ) -> NDArray[np.integer]:
        """A piece as it is read with wrong pitches, and behind it a column of the true values, which are to be predicted."""
        vocabulary, rows = self._vocabulary, piece[1:, : len(FIELDS)].copy()
        by = rng.integers(1, FURTHEST_SLIP + 1, len(rows)) * rng.choice([-1, 1], len(rows))
        drums = np.array([FIRST_PART + i for i, part in enumerate(vocabulary.parts) if part.is_drum], np.int64)
        slips = vocabulary.is_note(rows) & ~np.isin(rows[:, KIND], drums) & (rng.random(len(rows)) < self._settings.noise)
        value = rows[:, VALUE] + by
        slips &= (value >= vocabulary.first_pitch) & (value < vocabulary.first_pitch + vocabulary.num_pitches)
        rows[slips, VALUE] = value[slips]
        outline = outline_of(vocabulary, self._rows(index, beginning)) if has_outline else None
        return np.concatenate([with_features(vocabulary, rows, outline), piece[:, VALUE, None]], axis=1).astype(self._kind)

    def _with_match_left_out(self, piece: NDArray[np.integer]) -> NDArray[np.integer]:
        piece = piece.copy()  # one that is not transposed is the stored one
        piece[:, self._match] = 0
        return piece

    def _windows(self, taken: list[_Taken]) -> Iterator[Batch]:
        taken = sorted(taken, key=lambda one: len(one.events), reverse=True)
        pieces, longest = [one.events for one in taken], len(taken[0].events)
        table, mask = padded(pieces)
        borders = np.linspace(0, longest - 1, -(-(longest - 1) // self._settings.window) + 1).astype(int)
        for start, stop in pairwise(borders):
            going = int(mask[:, start].sum())
            events = table[:going, start : stop + 1].astype(np.int64)
            inputs, targets = events[:, :-1], events[:, 1:]
            if self._training and self._settings.noise:
                inputs, targets, true = inputs[..., :-1], targets[..., :-1].copy(), targets[..., -1]
                targets[..., VALUE] = true
            gaps = GapArrays.of([one.gaps for one in taken[:going]], int(start), int(stop)) if self._with_gaps else None
            yield Batch(inputs, targets, mask[:going, start:stop], bool(start == 0), gaps)
