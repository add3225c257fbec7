"""The harmony of a piece as its outline has it: in which key each bar is, and where its phrases end and on which bass.

A piece of several parts that is written note by note strays from key to key; one that knows of each bar which key it is
in, and how far it is to the end of the phrase and on which degree it closes, goes there. The local keys are those of a
hidden Markov model in the manner of Temperley (Music and Probability, 2007, chapter 6): how long each pitch class sounds in
a bar tells how likely each key is, a key is likelier to stay than to change, and likelier the piece's own than another; the
path is Viterbi's. A phrase ends where the highest part of the score, the top line, waits two quarters or more for its next
note.

Conventions: a bar's key is relative to the tonic of the piece: 1 to 12 for the major keys on the semitones above it, 13 to
24 for the minor ones, 0 where it is not known. Basses are 1 to 12 so, 0 for none. What the model reads is absolute: the
tonic of the key in force is added, or that of the piece where it names no key. Pitch classes begin with C.
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
FARTHEST = 32  # quarters to the end of a phrase that are kept apart
UNKNOWN = -1  # of a tonic
_STAYS = 0.5  # probability that a key does, from bar to bar
_AT_HOME = 1.0  # nats by which a bar is likelier in the piece's own key
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
    """

    key: int = 0
    end: int = -1
    bass: int = 0


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
    """

    key: int = 0
    following: int = 0
    end: int = -1
    bass: int = 0
    bars: int = 0
    next_end: int = -1
    next_bass: int = 0


def has_harmony(vocabulary: Vocabulary) -> bool:
    """Whether outlines of its pieces have harmony: where two parts or more are no drums."""
    return int(np.sum(~vocabulary.drums)) > 1


def harmonies(keys: Ints, ends: Iterable[tuple[int, int, int]], tonic: int) -> tuple[Harmony, ...]:
    """The harmony of each bar.

    Parameters
    ----------
    keys
        The key of each bar as `local_keys` has it, (bars,).
    ends
        Of the last note of each phrase its bar, its place and its bass, in their order.
    tonic
        Of the piece.
    """
    found = [Harmony(1 + (key - tonic) % 12 + 12 * (key // 12)) for key in keys.tolist()]
    for bar, place, bass in ends:
        if 0 <= bar < len(found):
            found[bar] = found[bar]._replace(end=place, bass=1 + (bass - tonic) % 12)
    return tuple(found)


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
    fits = fits.round(9)
    change = np.full((KEYS, KEYS), np.log((1 - _STAYS) / (KEYS - 1)))
    np.fill_diagonal(change, np.log(_STAYS))
    best, came_from = fits[0], []
    for bar in fits[1:]:
        paths = best[:, None] + change
        came_from.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + bar
    path = [int(best.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    keys = np.array(path[::-1], np.int64)
    return (keys + first) % 12 + 12 * (keys // 12)


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
        found.append(Ahead(bar.key, key_after, bar.end, bar.bass, distance, following.end, following.bass))
        key_after = bar.key
        following, distance = (bar, 1) if bar.end >= 0 else (following, distance + (distance > 0))
    return found[::-1]


def planned(ahead: Sequence[int], place: int, bar_ticks: int, quarter: int, tonic: int) -> tuple[int, int, int]:
    """What the model reads of the harmony at a place: the key there, how far the phrase's last note is, the bass under it.

    Parameters
    ----------
    ahead
        `Ahead` of the bar.
    place
        Ticks from its bar line.
    bar_ticks, quarter
        Ticks of the bar and of a quarter note.
    tonic
        Of the key in force, or of the piece; `UNKNOWN` where there is neither.

    Returns
    -------
    tuple[int, int, int]
        1 + tonic of the key, 12 more in minor; 1 + quarters, rounded up, at most `FARTHEST`; 1 + pitch class. 0 for none.
    """
    key, _, end, bass, bars, next_end, next_bass = ahead
    if end < place:
        end, bass = (bars * bar_ticks + next_end, next_bass) if bars else (-1, 0)
    far = 1 + min(-(-(end - place) // quarter), FARTHEST) if end >= place else 0
    return absolute(key, tonic), far, absolute(bass, tonic) if far else 0


def absolute(relative: int, tonic: int) -> int:
    """A relative key or bass with the tonic added; 0 where one of them is not known."""
    if not relative or tonic == UNKNOWN:
        return 0
    block, above = divmod(relative - 1, 12)
    return 1 + 12 * block + (above + tonic) % 12


def planned_of(ahead: Ints, place: Ints, bar_ticks: Ints, quarter: int, tonic: Ints) -> Ints:
    """The same of several places, each with the key of its next bar last, (7, places) -> (4, places)."""
    key, following, end, bass, bars, next_end, next_bass = ahead
    is_here = end >= place
    end = np.where(is_here, end, np.where(bars > 0, bars * bar_ticks + next_end, -1))
    bass = np.where(is_here, bass, next_bass)
    far = np.where(end >= place, 1 + np.minimum(-((place - end) // quarter), FARTHEST), 0)
    return np.stack([absolute_of(key, tonic), far, absolute_of(bass, tonic) * (far > 0), absolute_of(following, tonic)])


def absolute_of(relative: Ints, tonic: Ints) -> Ints:
    """As `absolute`, of arrays."""
    block, above = np.divmod(relative - 1, 12)
    found: Ints = np.where((relative > 0) & (tonic != UNKNOWN), 1 + 12 * block + (above + tonic) % 12, 0)
    return found


def raised(columns: Ints, semitones: int) -> Ints:
    """What the model reads of keys or basses, so much higher, 0 staying 0."""
    return absolute_of(columns, np.full_like(columns, semitones % 12))
