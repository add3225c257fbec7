"""Spelling: which letter and accidental a pitch is written with, and the key that decides it.

Conventions
-----------
A spelling is a place on the line of fifths: F = -1, C = 0, G = 1, ... B flat = -2, F sharp = 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from melody.errors import ScoreError
from melody.extras import need
from melody.piece import Ints, Key, Piece

STEPS = "FCGDAEB"


def spelled(place: int, pitch: int) -> tuple[str, int, int]:
    """Letter, alteration in semitones, and octave of a pitch at a place on the line of fifths.

    >>> spelled(6, 66), spelled(12, 60)  # F sharp 4, B sharp 3
    (('F', 1, 4), ('B', 1, 3))
    """
    alter = (place + 1) // 7
    return STEPS[(place + 1) % 7], alter, (pitch - alter) // 12 - 1


def find_key(piece: Piece) -> Key:
    """The key of a piece by the method of Krumhansl and Schmuckler with Aarden's profiles, through music21.

    References
    ----------
    C. Krumhansl, Cognitive Foundations of Musical Pitch, 1990; B. Aarden, Dynamic Melodic Expectancy, 2003.
    """
    weights = np.bincount(piece.pitch[~piece.is_drum] % 12, piece.duration[~piece.is_drum], 12)
    if not weights.any():
        return Key(0, 0, "major")
    need("a score", "music21", error=ScoreError)
    from music21 import analysis, note, stream

    # The method reads nothing but how long each pitch class sounds, so twelve notes stand for any number.
    tones = [note.Note(60 + pc, quarterLength=float(w / weights.sum())) for pc, w in enumerate(weights) if w]
    found = analysis.discrete.AardenEssen().getSolution(stream.Stream(tones))
    fifths = found.sharps if abs(found.sharps) <= 6 else found.sharps - 12 * int(np.sign(found.sharps))
    return Key(0, fifths, found.mode)


def scale_of(key: Key) -> dict[int, int]:
    """Pitch class -> position on the line of fifths of the notes of a key; in minor the raised sixth and seventh too.

    >>> scale_of(Key(0, 2, "minor"))[10]  # A sharp in B minor
    10
    """
    steps = [*range(key.fifths - 1, key.fifths + 6)] + ([key.fifths + 6, key.fifths + 8] if key.mode == "minor" else [])
    return {7 * x % 12: x for x in steps}


def spell(piece: Piece, keys: Sequence[Key]) -> Ints:
    """Position of each note on the line of fifths, (notes,), by key, harmony and voice leading; drums get 0.

    Notes of the key are spelled by it. A chromatic note takes the spelling nearer to the mean position of the key and the
    notes sounding about it, as in Temperley's theory, and one that moves on by a semitone leans to a new letter. A pitch
    that comes back within two bars keeps its spelling: the one that fits all of them best.

    References
    ----------
    D. Temperley, The Cognition of Basic Musical Structures, 2001, chapter 5.
    """
    in_force = np.searchsorted([k.onset for k in keys], piece.onset, side="right") - 1
    scales = [scale_of(key) for key in keys]
    place = np.full(piece.num_notes, np.nan)
    for i, (pitch, k) in enumerate(zip(piece.pitch.tolist(), in_force.tolist())):
        place[i] = scales[max(k, 0)].get(pitch % 12, np.nan)
    place[piece.is_drum] = 0
    chromatic = np.flatnonzero(np.isnan(place)).tolist()
    after = _next_in_part(piece)
    for i in chromatic:
        place[i] = _likeliest(piece, [i], keys[max(in_force[i], 0)], place, after)
    for group in _groups(piece, chromatic, in_force.tolist()):
        if len(set(place[group].tolist())) > 1:
            place[group] = _likeliest(piece, group, keys[max(in_force[group[0]], 0)], place, after)
    return place.astype(np.int64)


def _groups(piece: Piece, notes: Sequence[int], in_force: Sequence[int]) -> list[list[int]]:
    """Notes of one pitch, in whatever part, that come back within two bars in the same key."""
    groups: list[list[int]] = []
    last: dict[tuple[int, int], list[int]] = {}
    for note in notes:
        onset, this = int(piece.onset[note]), (int(piece.pitch[note]), in_force[note])
        near = 2 * piece.time_signature_at(onset).bar_ticks(piece.ticks_per_quarter)
        if this not in last or onset - piece.onset[last[this][-1]] > near:
            last[this] = []
            groups.append(last[this])
        last[this].append(note)
    return groups


def _next_in_part(piece: Piece) -> list[int]:
    """Semitones from each note to the nearest in pitch of the next onset of its part; 0 where there is none."""
    steps = [0] * piece.num_notes
    for index in range(len(piece.parts)):
        notes = np.flatnonzero(piece.part == index)
        onsets, first = np.unique(piece.onset[notes], return_index=True)
        chords = np.split(notes, first[1:])
        for note in notes.tolist():
            follow = int(np.searchsorted(onsets, piece.onset[note], side="right"))
            if follow < len(onsets) and onsets[follow] <= piece.end[note] + piece.ticks_per_quarter:
                leaps = piece.pitch[chords[follow]] - piece.pitch[note]
                steps[note] = int(leaps[np.argmin(np.abs(leaps))])
    return steps


def _likeliest(piece: Piece, notes: list[int], key: Key, place: np.ndarray, after: Sequence[int]) -> int:
    """The place for all of `notes`, which have one pitch: nearest to the means about them, with regard to where they go."""
    residue = 7 * int(piece.pitch[notes[0]]) % 12
    means = [_mean(piece, note, key, place, notes) for note in notes]
    raised = {residue + 12 * ceil((mean - residue) / 12) for mean in means}

    def cost(candidate: int) -> float:
        total = 0.0
        for note, mean in zip(notes, means):
            leads_on = after[note] == (1 if candidate >= mean else -1)
            total += abs(candidate - mean) - (3.0 if leads_on else 0.0)
        return total

    return min(sorted(raised | {place - 12 for place in raised}, reverse=True), key=cost)


def _mean(piece: Piece, note: int, key: Key, place: np.ndarray, without: Sequence[int]) -> float:
    """The mean place of the key and of the notes about a note, those that are not yet spelled and `without` aside."""
    centre = key.fifths + (2.3 if key.mode == "major" else 3.5)
    reach = 2 * piece.ticks_per_quarter
    low, high = np.searchsorted(piece.onset, [piece.onset[note] - 2 * reach, piece.onset[note] + reach // 2 + 1])
    near = np.arange(max(low, note - 64), min(high, note + 64))
    gap = np.maximum(piece.onset[near] - piece.end[note], piece.onset[note] - piece.end[near])
    weight = np.where(gap < 0, 1.0, np.exp(-np.maximum(gap, 0) / reach) / 2)
    weight *= ~(np.isnan(place[near]) | piece.is_drum[near] | np.isin(near, without))
    return float((2 * centre + np.nansum(weight * np.nan_to_num(place[near]))) / (2 + weight.sum()))
