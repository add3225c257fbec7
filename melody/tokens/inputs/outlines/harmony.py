"""The harmony of a piece as its outline has it: in which key each bar is, and where its phrases end and on which bass.

A piece of several parts that is written note by note strays from key to key; one that knows of each bar which key it is
in, and how far it is to the end of the phrase and on which degree it closes, goes there. The local keys are those of a
hidden Markov model in the manner of Temperley (Music and Probability, 2007, chapter 6): how long each pitch class sounds in
a bar tells how likely each key is, a key is likelier to stay than to change, and likelier the piece's own than another; the
path is Viterbi's. A phrase ends where the highest part of the score, the top line, waits two quarters or more for its next
note. Where parts play chords a triad is found for each half bar in the same way: what they play at once agrees with it, and
so do they with one another.

Conventions: a bar's key is relative to the tonic of the piece: 1 to 12 for the major keys on the semitones above it, 13 to
24 for the minor ones, 0 where it is not known. Basses are 1 to 12 so, 0 for none. What the model reads is absolute: the
tonic of the key that the first note is in is added, or that of the piece where it names no key then: a change of key later
moves nothing. Pitch classes begin with C.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import KEY_PROFILES
from melody.tokens.vocabulary import Vocabulary

Floats = NDArray[np.float64]
KEYS = 24
CHORDS = 2  # of a bar
FARTHEST = 32  # quarters to the end of a phrase that are kept apart
UNKNOWN = -1  # of a tonic
_STAYS = 0.5  # probability that a key does, from bar to bar
_AT_HOME = 1.0  # nats by which a bar is likelier in the piece's own key
_CHORD_STAYS = 0.5  # the same of a chord, from half bar to half bar
_IN_CHORD = 0.8  # share of what sounds that belongs to the chord
_ROOT = 1.2  # how much oftener its root does than its other tones
_WAITS = 2  # quarters of the top line, at the end of a phrase


class Harmony(NamedTuple):
    """That of one bar.

    Parameters
    ----------
    key
        The key that it is in.
    end
        Ticks from its bar line to the last note of a phrase that begins in it; -1 if none does.
    bass
        The bass under that note.
    chord, second
        The chords of its two halves.
    """

    key: int = 0
    end: int = -1
    bass: int = 0
    chord: int = 0
    second: int = 0


class Ahead(NamedTuple):
    """What an outline says of the harmony from one bar on.

    Parameters
    ----------
    key, following
        The key of this bar and of the next one.
    end, bass
        As of `Harmony`.
    bars, next_end, next_bass
        Of the next bar in which a phrase ends: how many bars away it is, 0 if none follows; and as of `Harmony`.
    chord, second
        Of this bar.
    """

    key: int = 0
    following: int = 0
    end: int = -1
    bass: int = 0
    bars: int = 0
    next_end: int = -1
    next_bass: int = 0
    chord: int = 0
    second: int = 0


def has_harmony(vocabulary: Vocabulary) -> bool:
    """Whether outlines of its pieces have harmony: where two parts or more are no drums."""
    return int(np.sum(~vocabulary.drums)) > 1


def harmonies(keys: Ints, ends: Iterable[tuple[int, int, int]], tonic: int, chords: Ints | None) -> tuple[Harmony, ...]:
    """The harmony of each bar.

    Parameters
    ----------
    keys
        The key of each bar as `local_keys` has it, (bars,).
    ends
        Of the last note of each phrase its bar, its place and its bass, in their order.
    tonic
        Of the piece.
    chords
        Of each half bar, numbered as keys are, (2 x bars,); None for none.
    """
    found = [Harmony(_relative(key, tonic)) for key in keys.tolist()]
    if chords is not None:
        halves = [_relative(chord, tonic) for chord in chords.tolist()]
        found = [bar._replace(chord=chord, second=second) for bar, chord, second in zip(found, halves[::2], halves[1::2])]
    for bar, place, bass in ends:
        if 0 <= bar < len(found):
            found[bar] = found[bar]._replace(end=place, bass=1 + (bass - tonic) % 12)
    return tuple(found)


def _relative(number: int, tonic: int) -> int:
    """1 + a tonic or root, 12 more in minor, above the tonic of the piece."""
    return 1 + (number - tonic) % 12 + 12 * (number // 12)


def local_keys(sounding: Floats, first: int, home: int | None = None) -> Ints:
    """The likeliest key of each bar: the tonic of a major key, 12 more of a minor one, (bars,).

    Parameters
    ----------
    sounding
        How many quarters each pitch class sounds in each bar, (bars, 12).
    first
        A pitch class; of keys that are equally likely that one is taken which is the fewest semitones above it.
    home
        The key of the piece, if it is known.
    """
    likely = np.array([np.roll(KEY_PROFILES[mode], tonic) for mode in KEY_PROFILES for tonic in range(12)])
    fits = np.roll(sounding, -first, axis=1) @ np.log(likely / likely.sum(axis=1, keepdims=True)).T  # (bars, keys)
    if home is not None:
        fits[:, (home - first) % 12 + 12 * (home // 12)] += _AT_HOME
    keys = _path(fits, _STAYS)
    return (keys + first) % 12 + 12 * (keys // 12)


def local_chords(sounding: Floats) -> Ints:
    """The likeliest triad of each half bar: the root of a major one, 12 more of a minor one, (halves,).

    As local keys are found, with how often a chord's own tones and all others sound for the profile of a key.

    Parameters
    ----------
    sounding
        How many quarters each pitch class sounds in each of them, (halves, 12).
    """
    tones = np.array([np.roll(np.bincount((0, third, 7), minlength=12), root) for third in (4, 3) for root in range(12)])
    likely = tones * (_IN_CHORD / 3) + (1 - tones) * ((1 - _IN_CHORD) / 9)
    likely[np.arange(KEYS), np.arange(KEYS) % 12] *= _ROOT
    return _path(sounding @ np.log(likely).T, _CHORD_STAYS)


def _path(fits: Floats, stays: float) -> Ints:
    """Viterbi's path through keys or chords, each as likely as the others to follow another one, (steps,).

    Parameters
    ----------
    fits
        How well each fits, in nats, (steps, keys); of those that fit equally well the first is taken.
    stays
        The probability that one goes on.
    """
    fits = fits.round(9)
    change = np.full((KEYS, KEYS), np.log((1 - stays) / (KEYS - 1)))
    np.fill_diagonal(change, np.log(stays))
    best, came_from = fits[0], []
    for bar in fits[1:]:
        paths = best[:, None] + change
        came_from.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + bar
    path = [int(best.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1], np.int64)


def phrase_ends(onset: Ints, quarter: int, bar_ticks: Ints) -> Ints:
    """Numbers of the notes of a line that are the last of a phrase: none follows soon, and none that waits so within a bar.

    Parameters
    ----------
    onset
        Of its notes, rising, in ticks.
    quarter
        Ticks of a quarter note.
    bar_ticks
        Length of the bar that each note is in.
    """
    if not len(onset):
        return np.zeros(0, np.int64)
    waits = np.flatnonzero(np.append(np.diff(onset) >= _WAITS * quarter, True))
    apart = np.append(np.diff(onset[waits]) >= bar_ticks[waits[:-1]], True)
    found: Ints = waits[apart]
    return found


def looking_ahead(bars: Sequence[Harmony]) -> list[Ahead]:
    """What is known of the harmony from each bar on, and from before the first one, (1 + bars)."""
    found: list[Ahead] = []
    following, distance = Harmony(), 0
    key_after = 0
    for bar in [*reversed(bars), Harmony(bars[0].key if bars else 0)]:
        found.append(Ahead(bar.key, key_after, bar.end, bar.bass, distance, following.end, following.bass, *bar[3:]))
        key_after = bar.key
        following, distance = (bar, 1) if bar.end >= 0 else (following, distance + (distance > 0))
    return found[::-1]


def planned(ahead: Sequence[int], place: int, bar_ticks: int, quarter: int, tonic: int) -> list[int]:
    """What the model reads of the harmony at a place.

    The key there, how far the phrase's last note is, the bass under it, the key of the next bar, and the chord there.

    Parameters
    ----------
    ahead
        `Ahead` of the bar.
    place
        Ticks from its bar line.
    bar_ticks, quarter
        Ticks of the bar and of a quarter note.
    tonic
        Of the key that the piece is in; `UNKNOWN` where that is not known.

    Returns
    -------
    list[int]
        1 + tonic of the key, 12 more in minor; 1 + quarters, rounded up, at most `FARTHEST`; 1 + pitch class; the key of the
        next bar; 1 + root of the chord, 12 more in minor. 0 for none.
    """
    key, following, end, bass, bars, next_end, next_bass, chord, second = ahead
    chord = second if 2 * place >= bar_ticks else chord
    if end < place:
        end, bass = (bars * bar_ticks + next_end, next_bass) if bars else (-1, 0)
    far = 1 + min(-(-(end - place) // quarter), FARTHEST) if end >= place else 0
    return [
        absolute(key, tonic),
        far,
        absolute(bass, tonic) if far else 0,
        *(absolute(n, tonic) for n in (following, chord)),
    ]


def absolute(relative: int, tonic: int) -> int:
    """A relative key or bass with the tonic added; 0 where one of them is not known."""
    if not relative or tonic == UNKNOWN:
        return 0
    block, above = divmod(relative - 1, 12)
    return 1 + 12 * block + (above + tonic) % 12


def planned_of(ahead: Ints, place: Ints, bar_ticks: Ints, quarter: int, tonic: Ints) -> Ints:
    """The same of several places, (9, places) -> (5, places)."""
    key, following, end, bass, bars, next_end, next_bass, chord, second = ahead
    is_here = end >= place
    end = np.where(is_here, end, np.where(bars > 0, bars * bar_ticks + next_end, -1))
    bass = np.where(is_here, bass, next_bass)
    far = np.where(end >= place, 1 + np.minimum(-((place - end) // quarter), FARTHEST), 0)
    chord = np.where(2 * place >= bar_ticks, second, chord)
    more = (absolute_of(numbers, tonic) for numbers in (following, chord))
    return np.stack([absolute_of(key, tonic), far, absolute_of(bass, tonic) * (far > 0), *more])


def absolute_of(relative: Ints, tonic: Ints) -> Ints:
    """As `absolute`, of arrays."""
    block, above = np.divmod(relative - 1, 12)
    found: Ints = np.where((relative > 0) & (tonic != UNKNOWN), 1 + 12 * block + (above + tonic) % 12, 0)
    return found


def raised(columns: Ints, semitones: int) -> Ints:
    """What the model reads of keys or basses, so much higher, 0 staying 0."""
    return absolute_of(columns, np.full_like(columns, semitones % 12))
