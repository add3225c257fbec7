"""What a report compares: of each piece a number, or shares of classes. The definitions stand where they are named.

A row is of a melody, of voices (two or more parts of single notes) or of a band. What is a truth value is 1 or 0; counts out
of something are shares. NaN stands where the question makes no sense for a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Piece
from melody.statistics import form, histograms, keys, line, part_writing, texture

Floats = NDArray[np.float64]
Table = Mapping[str, Floats]  # of each measure (pieces, classes), NaN rows where it makes no sense

LAGS = (1, 2, 4, 8, 16)  # bars


class Measure(NamedTuple):
    """What is compared.

    name: in words; of: a piece -> a number, or shares of the classes; classes: their names, none for a number; unit: of the
    number, 'share' for shares and truth values.
    """

    name: str
    of: Callable[[Piece], float | Floats]
    classes: tuple[str, ...] = ()
    unit: str = "share"


def _share(count: Callable[[Piece], tuple[float, float]]) -> Callable[[Piece], float]:
    """A count out of something as a share; NaN out of nothing."""

    def share(piece: Piece) -> float:
        found, out_of = count(piece)
        return found / out_of if out_of else float("nan")

    return share


def _phrase_length(piece: Piece) -> float:
    """Beats of a phrase, on average (`melody.statistics.part_writing.phrases`); NaN with fewer than two voices."""
    lengths = part_writing.phrases(piece) if len(part_writing.voices_of(piece)) > 1 else []
    return float(np.mean(lengths)) if lengths else float("nan")


def _with_voices(measure: Callable[[Piece], float]) -> Callable[[Piece], float]:
    return lambda piece: measure(piece) if len(part_writing.voices_of(piece)) > 1 else float("nan")


def _drums(piece: Piece) -> float:
    """The share of the notes that are a drum's."""
    return float(piece.is_drum.mean()) if piece.num_notes else float("nan")


def _of_pitches(each: Measure) -> Measure:
    """The same of what has pitches: of drums alone an interval is no interval, and a key no key."""
    unknown = np.full(len(each.classes), np.nan) if each.classes else float("nan")

    def of(piece: Piece) -> float | Floats:
        return unknown if piece.num_notes and piece.is_drum.all() else each.of(piece)

    return each._replace(of=of)


MELODY = (
    _of_pitches(Measure("pitch classes from the tonic", histograms.degrees, histograms.DEGREES)),
    _of_pitches(Measure("intervals", histograms.intervals, histograms.INTERVALS)),
    Measure("note values", histograms.note_values, tuple(histograms.VALUES)),
    Measure("places in the bar", histograms.places, histograms.PLACES),
    Measure("notes a bar", form.notes_a_bar, unit="notes"),
    _of_pitches(Measure("range", line.pitch_range, unit="semitones")),
    _of_pitches(Measure("leaps over a fifth", _share(line.leaps))),
    Measure("length", lambda piece: float(form.length_in_bars(piece)), unit="bars"),
    *(Measure(f"length a multiple of {bars} bars", partial(form.is_multiple_of, bars=bars)) for bars in (4, 8, 16)),
    Measure("pick-up", form.has_pickup),
    *(Measure(f"bars that return after {lag}", partial(form.bars_returning, after=lag)) for lag in LAGS),
    Measure("bars that occur twice", form.bars_occurring_twice),
    Measure("different rhythms of bars", form.different_rhythms),
    Measure("commonest rhythm's bars", form.commonest_rhythm),
    _of_pitches(Measure("key", histograms.keys, histograms.KEYS)),
    _of_pitches(Measure("clarity of key", keys.clarity, unit="correlation")),
    _of_pitches(Measure("notes outside the key", _share(line.notes_outside_the_key))),
    _of_pitches(Measure("cadences every 4 bars", histograms.cadences, histograms.DEGREES)),
    _of_pitches(Measure("last note", histograms.last_degree, histograms.DEGREES)),
)
VOICES = (
    Measure("parallel fifths a chord change", _share(partial(part_writing.parallels, interval=part_writing.FIFTH))),
    Measure("parallel octaves a chord change", _share(partial(part_writing.parallels, interval=part_writing.OCTAVE))),
    Measure("voices over an octave apart", _share(part_writing.gaps_over_an_octave)),
    Measure("voices crossed", _share(part_writing.crossings)),
    Measure("doubled leading notes", _share(part_writing.doubled_leading_notes)),
    Measure("dissonances left by step", _share(part_writing.dissonances_left_by_step)),
    Measure("beats that are chords", _share(part_writing.beats_that_are_chords)),
    Measure("close on the tonic's triad", _with_voices(part_writing.closes_on_the_tonic)),
    Measure("length of phrases", _phrase_length, unit="beats"),
)
BAND = (Measure("parts", texture.tracks, unit="parts"), Measure("notes of drums", _drums))
MEASURES = (*MELODY, *VOICES, *BAND)


def table_of(pieces: Sequence[Piece], measures: Sequence[Measure] = MEASURES) -> dict[str, Floats]:
    """Every measure of every piece, (pieces, classes) each; a number has one class.

    >>> table_of([Piece([0, 24], [24, 24], [60, 72])])["range"].tolist()
    [[12.0]]
    """
    return {
        each.name: np.array([np.atleast_1d(each.of(piece)) for piece in pieces], np.float64).reshape(
            len(pieces), max(len(each.classes), 1)
        )
        for each in measures
    }


def telling(reference: Table, measures: Sequence[Measure] = MEASURES) -> list[Measure]:
    """The measures that make sense for half of these pieces or more, and are not the same for all of them."""
    found = []
    for each in measures:
        column = reference[each.name]
        known = column[~np.isnan(column).any(axis=1)]
        if 2 * len(known) >= max(len(column), 1) and len(known) and (known != known[0]).any():
            found.append(each)
    return found
