"""Part-writing: how voices move and what chords they make, as a teacher of harmony marks it.

Conventions: a voice is a part that is no drum and sounds one note at a time; a piece with fewer than two has NaN throughout.
The sonorities are the notes that sound from each onset to the next. Intervals are taken modulo the octave. The key is the
one in force, as the piece names it; where it names none, what needs it is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from melody.piece import Ints, Piece
from melody.signatures import Key

FIFTH, OCTAVE = 7, 0
SILENT = -1
LEADING = 11  # semitones above the tonic
STEP = 2  # semitones, at most
_DISSONANT = (1, 2, 5, 6, 10, 11)  # semitones above the bass
_TRIADS = [(0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8)]
_SEVENTHS = [(0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 3, 6, 10), (0, 3, 6, 9)]
_TRIAD_TONES = [frozenset((root + tone) % 12 for tone in chord) for chord in _TRIADS for root in range(12)]
_TONES = [frozenset((root + tone) % 12 for tone in chord) for chord in (*_TRIADS, *_SEVENTHS) for root in range(12)]


def voices_of(piece: Piece) -> list[int]:
    """Numbers of the parts that are voices, from the top of the score down."""
    return [part for part in np.unique(piece.part).tolist() if not piece.parts[part].is_drum and _is_voice(piece, part)]


def _is_voice(piece: Piece, part: int) -> bool:
    own = piece.part == part
    return bool((piece.end[own][:-1] <= piece.onset[own][1:]).all())


def sonorities(piece: Piece, ticks: Ints | None = None) -> tuple[Ints, Ints]:
    """What sounds at each onset: ticks (onsets,) and pitches (onsets, voices), `SILENT` where a voice rests.

    Parameters
    ----------
    piece
        The music.
    ticks
        Where to look; None for every tick at which a voice begins a note.
    """
    voices = voices_of(piece)
    at = np.unique(piece.onset[np.isin(piece.part, voices)]) if ticks is None else ticks
    pitches = np.full((len(at), len(voices)), SILENT)
    for column, part in enumerate(voices):
        own = piece.part == part
        number = np.searchsorted(piece.onset[own], at, "right") - 1
        sounds = (number >= 0) & (piece.end[own][number] > at)
        pitches[sounds, column] = piece.pitch[own][number[sounds]]
    return at, pitches


def parallels(piece: Piece, interval: int) -> tuple[int, int]:
    """How often two voices move in parallel at an interval (`FIFTH`, `OCTAVE`), and how many changes of chord there are.

    Two voices that both move, from that interval to the same one, octaves aside: in contrary motion too (from a fifth to a
    twelfth), which rules of part-writing forbid alike. A change of chord is an onset at which the pitch of a voice differs
    from the one before.
    """
    _, pitches = sonorities(piece)
    changes, found = int((pitches[1:] != pitches[:-1]).any(axis=1).sum()), 0
    for upper, lower in combinations(range(pitches.shape[1]), 2):
        pair = pitches[:, [upper, lower]]
        distance = (pair[:, 0] - pair[:, 1]) % 12
        moves = np.diff(pair, axis=0)
        sounding = (pair != SILENT).all(axis=1)
        both_move = (moves != 0).all(axis=1) & sounding[1:] & sounding[:-1]
        found += int((both_move & (distance[1:] == interval) & (distance[:-1] == interval)).sum())
    return found, changes


def is_chord(pitches: Ints) -> bool:
    """Whether pitches are a triad, one of whose notes may be missing, or a seventh chord, whose seventh may not."""
    classes = frozenset(int(pitch) % 12 for pitch in pitches if pitch != SILENT)
    of = _TONES if len(classes) > 2 else _TRIAD_TONES
    return len(classes) > 1 and any(classes <= tones for tones in of)


def beats_that_are_chords(piece: Piece) -> tuple[int, int]:
    """At how many beats at which all voices sound they make a chord (`is_chord`), of how many."""
    _, pitches = sonorities(piece, _beats(piece))
    full = pitches[(pitches != SILENT).all(axis=1)] if pitches.shape[1] > 2 else pitches[:0]
    return sum(is_chord(row) for row in full), len(full)


def doubled_leading_notes(piece: Piece) -> tuple[int, int]:
    """At how many beats of a dominant chord its leading note is in two voices, of how many.

    Dominant chords are those of the key's fifth and seventh degree that hold the leading note: its classes are among the
    fifth, seventh, second and fourth degree, the fifth or the second among them.
    """
    ticks = _beats(piece)
    _, pitches = sonorities(piece, ticks)
    doubled = dominant = 0
    for key, row in zip([key_at(piece, tick) for tick in ticks.tolist()], pitches):
        if key is None:
            continue
        degrees = ((row[row != SILENT] - key.tonic) % 12).tolist()
        if _is_dominant(set(degrees)):
            dominant += 1
            doubled += degrees.count(LEADING) > 1
    return doubled, dominant


def _is_dominant(degrees: set[int]) -> bool:
    return LEADING in degrees and bool({2, 7} & degrees) and degrees <= {7, LEADING, 2, 5} and len(degrees) > 2


def gaps_over_an_octave(piece: Piece) -> tuple[int, int]:
    """At how many beats two neighbouring voices above the bass are over an octave apart, of how many where all sound.

    In four-part writing soprano and alto, alto and tenor keep within an octave (Aldwell and Schachter, Harmony and Voice
    Leading, on the spacing of chords).
    """
    full = _full_beats(piece)
    return int((np.abs(np.diff(full[:, :-1], axis=1)) > 12).any(axis=1).sum()), len(full) if full.shape[1] > 2 else 0


def crossings(piece: Piece) -> tuple[int, int]:
    """At how many beats a voice sounds above one that stands higher in the score, of how many where all sound.

    Rules of part-writing avoid it (Aldwell and Schachter, Harmony and Voice Leading, on voice crossing).
    """
    full = _full_beats(piece)
    return int((np.diff(full, axis=1) > 0).any(axis=1).sum()), len(full)


def dissonances_left_by_step(piece: Piece) -> tuple[int, int]:
    """How many dissonant notes go on by a step, of how many that go on.

    A note is dissonant if, where it begins, it makes a second, fourth, tritone or seventh with the lowest voice that sounds;
    it goes on with the next pitch of its voice, if that is another. Strict counterpoint resolves dissonances by a step of
    one or two semitones (Fux 1725; Aldwell and Schachter, on figuration).
    """
    _, pitches = sonorities(piece)
    by_step = found = 0
    for voice in range(pitches.shape[1] - 1):
        own = pitches[:, voice]
        begins = np.flatnonzero(np.append(True, np.diff(own) != 0) & (own != SILENT))
        bass = np.where(pitches[begins] == SILENT, 128, pitches[begins]).min(axis=1)
        dissonant = np.isin((own[begins] - bass) % 12, _DISSONANT)
        following = np.append(begins[1:], -1)
        goes_on = dissonant[:-1] & (own[begins[:-1]] != own[following[:-1]])
        steps = np.abs(np.diff(own[begins]))[goes_on]
        found += len(steps)
        by_step += int((steps <= STEP).sum())
    return by_step, found


def _full_beats(piece: Piece) -> Ints:
    """What sounds at the beats at which all voices do, (beats, voices); none with fewer than two voices."""
    _, pitches = sonorities(piece, _beats(piece))
    return pitches[(pitches != SILENT).all(axis=1)] if pitches.shape[1] > 1 else np.zeros((0, 2), np.int64)


def closes_on_the_tonic(piece: Piece) -> float:
    """Whether the last chord is the tonic's triad, its root in the bass, in minor with either third; NaN without a key.

    The chord is what sounds when the last note begins; every note of it is root, third or fifth.
    """
    tones = piece.select(~piece.is_drum)
    if not tones.num_notes or not piece.keys:
        return float("nan")
    last = int(tones.onset.max())
    sounding = tones.pitch[(tones.onset <= last) & (tones.end > last)]
    key = key_at(piece, last)
    if key is None:
        return float("nan")
    degrees = (sounding - key.tonic) % 12
    triad = (0, 4, 7) if key.mode == "major" else (0, 3, 4, 7)
    return float(np.isin(degrees, triad).all() and (sounding.min() - key.tonic) % 12 == 0)


def phrases(piece: Piece) -> list[float]:
    """Lengths of the phrases in beats: the top voice's stretches, each up to the end of a note of two beats or a rest."""
    return [(end - start) / beat for start, end, beat in _phrases(piece)]


def phrase_ends(piece: Piece) -> list[int]:
    """The ticks at which those phrases end."""
    return [end for _, end, _ in _phrases(piece)]


def _phrases(piece: Piece) -> Iterator[tuple[int, int, int]]:
    """Beginning and end of each phrase, and a beat there, in ticks."""
    melody = piece.select(piece.part == piece.part.min()) if piece.num_notes else piece
    start = None
    for onset, end, following in zip(melody.onset.tolist(), melody.end.tolist(), [*melody.onset[1:].tolist(), None]):
        start = onset if start is None else start
        beat = _beat(piece, onset)
        if following is None or following > end or end - onset >= 2 * beat:
            yield start, end, beat
            start = None


def _beat(piece: Piece, tick: int) -> int:
    """Ticks of a beat there."""
    return piece.time_signature_at(tick).beat_ticks(piece.ticks_per_quarter)


def _beats(piece: Piece) -> Ints:
    starts = piece.bar_starts(piece.length)
    lines = [*starts.tolist(), piece.length]
    return np.array([t for a, b in pairwise(lines) for t in range(a, b, _beat(piece, a))], np.int64)


def key_at(piece: Piece, tick: int) -> Key | None:
    """The key in force at a tick; None if the piece names none."""
    return next((key for key in reversed(piece.keys) if key.onset <= tick), None)
