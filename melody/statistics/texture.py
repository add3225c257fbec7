"""What a piece is made of, whatever it is: its parts, its chords, its keys, what returns, how it begins and ends.

Conventions: tones are the notes of parts that are no drums. A part's bar is what it plays there, the positions and pitches
of the notes that begin in it; one in which it begins none is no bar of its. Bars are counted from tick 0, a pick-up is one.
Times are quarters.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from melody.note_columns import sounding
from melody.piece import Ints, Piece
from melody.statistics.form import melody_of

MOST = 99  # percentile: what a piece does at most, a slip aside
WINDOW = 16  # quarters in which a key is looked for
_FIGURE = 5  # onsets of a bar, from which on it is one
_BASS_DRUMS = (35, 36)
_CONSONANT = np.isin(np.arange(12), (0, 3, 4, 5, 7, 8, 9))
_MAJOR = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))
_SCALES = np.stack([np.roll(_MAJOR, tonic) for tonic in range(12)])  # (tonics, pitch classes)


def tracks(piece: Piece) -> float:
    """How many parts play."""
    return float(len(np.unique(piece.part)))


def notes_of_the_least_part(piece: Piece) -> float:
    """How many notes the part has that has fewest."""
    _, count = np.unique(piece.part, return_counts=True)
    return float(count.min()) if len(count) else float("nan")


def chord_size(piece: Piece) -> float:
    """How many notes one part begins at once, 99th percentile over its onsets; of the part where that is most."""
    sizes = part_chord_sizes(piece)
    return max((float(np.percentile(own, MOST)) for own in sizes.values()), default=float("nan"))


def part_chord_sizes(piece: Piece) -> dict[int, Ints]:
    """How many notes each part that is no drum begins at each of its onsets."""
    tones = piece.select(~piece.is_drum)
    parts = np.unique(tones.part).tolist()
    return {part: np.unique(tones.onset[tones.part == part], return_counts=True)[1] for part in parts}


def polyphony(piece: Piece) -> float:
    """How many tones sound at once, 99th percentile over the onsets."""
    tones = piece.select(~piece.is_drum)
    return float(np.percentile(sounding(tones.onset, tones.end), MOST)) if tones.num_notes else float("nan")


def key_fit(piece: Piece) -> float:
    """The share of the tones that are in a major scale, in each 16 quarters the one that has most of them.

    A minor key counts by the major scale with the same signature.
    """
    tones = piece.select(~piece.is_drum)
    if not tones.num_notes:
        return float("nan")
    window = tones.onset // (WINDOW * piece.ticks_per_quarter)
    found = np.zeros((int(window.max()) + 1, 12))
    np.add.at(found, (window, tones.pitch % 12), 1)
    return float((found @ _SCALES.T).max(axis=1).sum() / found.sum())


def consonant_pairs(piece: Piece) -> float:
    """The share of consonances among the pairs of tones that sound together at an onset.

    Unisons, thirds, fourths, fifths, sixths and octaves are consonant, compound ones alike.
    """
    tones = piece.select(~piece.is_drum)
    found = np.zeros(12)
    for begun, held in _held(tones):
        between = np.abs(begun[:, None] - np.concatenate([begun, held])[None]) % 12
        upper = np.triu(np.ones(between.shape, bool), 1)
        found += np.bincount(between[upper], minlength=12)
    return float(found[_CONSONANT].sum() / found.sum()) if found.sum() else float("nan")


def _held(piece: Piece) -> Iterable[tuple[Ints, Ints]]:
    """At each onset the pitches that begin, and those that are held."""
    sounds: list[int] = []
    for _, numbers in groupby(range(piece.num_notes), key=piece.onset.__getitem__):
        now = list(numbers)
        sounds = [number for number in sounds if piece.end[number] > piece.onset[now[0]]]
        yield piece.pitch[now], piece.pitch[sounds]
        sounds += now


def bars_played_before(piece: Piece) -> float:
    """The share of the bars of its parts, drums aside, that the same part has played before."""
    return _played_before(piece.select(~piece.is_drum), with_pitch=True)


def rhythms_played_before(piece: Piece) -> float:
    """The share of the bars of its parts, drums aside, whose rhythm the same part has played before."""
    return _played_before(piece.select(~piece.is_drum), with_pitch=False)


def drum_bars_played_before(piece: Piece) -> float:
    """The share of the bars of its drums that they have played before."""
    return _played_before(piece.select(piece.is_drum), with_pitch=True)


def _played_before(piece: Piece, *, with_pitch: bool) -> float:
    if not piece.num_notes:
        return float("nan")
    bar, place = piece.bar_and_position(piece.onset)
    what = np.stack([piece.part, bar, place, piece.pitch * with_pitch], axis=1)
    what = np.unique(what, axis=0)
    starts = np.flatnonzero(np.any(np.diff(what[:, :2], axis=0, prepend=-1), axis=1))
    seen: set[tuple[int, bytes]] = set()
    again = 0
    for notes in np.split(what, starts[1:]):
        mark = int(notes[0, 0]), notes[:, 2:].tobytes()
        again += mark in seen
        seen.add(mark)
    return again / len(starts)


def figures_moved_alike(piece: Piece) -> float:
    """Where a part's rhythm returns on other notes, the share of its steps that go the way they went: up, down, level.

    A rhythm is that of a bar of five or more onsets, of which the highest note counts, held against the last bar of it.
    """
    tones = piece.select(~piece.is_drum)
    if not tones.num_notes:
        return float("nan")
    bar, place = tones.bar_and_position(tones.onset)
    lines: dict[tuple[int, int], dict[int, int]] = {}
    for part, number, at, pitch in zip(tones.part.tolist(), bar.tolist(), place.tolist(), tones.pitch.tolist()):
        lines.setdefault((part, number), {})[at] = pitch  # the highest comes last
    last: dict[tuple[int, ...], list[int]] = {}
    alike = []
    for (part, _), line in sorted(lines.items()):
        pitches, rhythm = list(line.values()), (part, *line)
        if len(line) >= _FIGURE:
            before = last.get(rhythm, pitches)
            if before != pitches:
                alike.append(float(np.mean(np.sign(np.diff(before)) == np.sign(np.diff(pitches)))))
            last[rhythm] = pitches
    return float(np.mean(alike)) if alike else float("nan")


def clashes(piece: Piece) -> float:
    """The share of the bars at whose beginning tones a semitone apart sound, in any octave, of those where two sound."""
    tones = piece.select(~piece.is_drum)
    found = []
    for start in piece.bar_starts().tolist():
        sounds = np.bincount(tones.pitch[(tones.onset <= start) & (tones.end > start)] % 12, minlength=12) > 0
        if sounds.sum() > 1:
            found.append(bool((sounds & np.roll(sounds, 1)).any()))
    return float(np.mean(found)) if found else float("nan")


def silent_bars(piece: Piece) -> float:
    """The share of its bars in which no note begins, up to the last one."""
    if not piece.num_notes:
        return float("nan")
    bar, _ = piece.bar_and_position(piece.onset)
    return float(1 - len(np.unique(bar)) / (int(bar.max()) + 1))


def bass_drum_on_the_first_beat(piece: Piece) -> float:
    """The share of the bars with drums that begin with a stroke of the bass drum."""
    drums = piece.select(piece.is_drum)
    if not drums.num_notes:
        return float("nan")
    bar, place = drums.bar_and_position(drums.onset)
    begins = np.unique(bar[(place == 0) & np.isin(drums.pitch, _BASS_DRUMS)])
    return float(len(begins) / len(np.unique(bar)))


def length_in_quarters(piece: Piece) -> float:
    """Until the last note ends."""
    return piece.length / piece.ticks_per_quarter


def silence_at_start(piece: Piece) -> float:
    """Before the first note."""
    return float(piece.onset.min() / piece.ticks_per_quarter) if piece.num_notes else float("nan")


def notes_at_the_end(piece: Piece) -> float:
    """How many tones begin at the last onset of any."""
    tones = piece.select(~piece.is_drum)
    onset = tones.onset if tones.num_notes else piece.onset
    return float((onset == onset.max()).sum()) if len(onset) else float("nan")


def longest_note(piece: Piece) -> float:
    """Of the tones."""
    return float(piece.duration[~piece.is_drum].max(initial=0) / piece.ticks_per_quarter)


def same_top_notes(piece: Piece) -> float:
    """How often the melody plays one pitch in a row, at most."""
    pitch = melody_of(piece).pitch
    borders = np.flatnonzero(np.concatenate([[True], np.diff(pitch) != 0, [True]]))
    return float(np.diff(borders).max()) if len(pitch) else float("nan")


class Unplayed:
    """What plays in a piece and in none of others: programs, and drums of the kit.

    Parameters
    ----------
    pieces
        The others.
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._programs: set[int] = set()
        self._drums: set[int] = set()
        for piece in pieces:
            self._programs |= _distinct(piece.program[~piece.is_drum])
            self._drums |= _distinct(piece.pitch[piece.is_drum])

    def programs(self, piece: Piece) -> float:
        """How many programs play that none of the others has."""
        return float(len(_distinct(piece.program[~piece.is_drum]) - self._programs))

    def drums(self, piece: Piece) -> float:
        """How many drums play that none of the others has."""
        return float(len(_distinct(piece.pitch[piece.is_drum]) - self._drums))


def _distinct(numbers: NDArray[np.int64]) -> set[int]:
    return set(np.unique(numbers).tolist())
