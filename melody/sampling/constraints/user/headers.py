"""Metre, tempo and key under limits: which of a vocabulary's may come, and how they stand in the piece that is made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from melody.limits import Limits
from melody.limits.lookups import allowed_keys, allowed_metres
from melody.limits.scales import scale_of
from melody.piece import Ints, Piece
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.signatures import Key, Tempo
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import KEY, METRE, TEMPO
from melody.tokens.vocabulary import VALUE


class Headers(Constraint):
    """The metre, tempo and key that are asked for, throughout; the others as the model wants, of those that fit.

    Parameters
    ----------
    vocabulary
        Of the events.
    limits
        Of which metre, tempo and key are looked at; the metres must have a rhythm on the grid, and where no key is asked for
        the keys go with scale and chords.
    """

    def __init__(self, vocabulary: Vocabulary, limits: Limits) -> None:
        starts = vocabulary.value_starts
        self._values = np.ones(vocabulary.sizes[VALUE], bool)
        self._values[starts[METRE] : starts[TEMPO]] = allowed_metres(limits, vocabulary)
        self._values[starts[TEMPO] : starts[KEY]] = nearest_tempi(limits, vocabulary)
        self._values[starts[KEY] : starts[KEY + 1]] = fitting_keys(limits, vocabulary)
        self._may_change = np.array([limits.metre is None, limits.tempo is None, limits.key is None or vocabulary.pedal])
        self._keys = slice(starts[KEY], starts[KEY + 1]) if limits.key and vocabulary.pedal else slice(0)

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        if not self._may_change.all():
            options.controls &= music.is_header[:, :, None] | self._may_change

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask:
        """As `Constraint.values`."""
        legal = np.repeat(self._values[None], len(time), axis=0)
        legal[music.standing.begun, self._keys] = False  # or the key would change where the pedal may turn
        return legal


def keep_metre(music: Music, options: Options) -> None:
    """No change of metre after the beginning."""
    options.controls[:, :, METRE] &= music.is_header


def nearest_tempi(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """The tempo that is nearest to the one asked for, all of them if none is, (tempi,)."""
    tempi = np.array(vocabulary.tempi, np.float64)
    if limits.tempo is None:
        return np.ones(len(tempi), bool)
    far = np.abs(np.log(60e6 / tempi / limits.tempo))
    return np.asarray(np.arange(len(tempi)) == far.argmin())


def fitting_keys(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """The keys that are the one asked for, (keys,); under a scale or chords alone those with the most of their notes.

    Of these the ones on the scale's tonic, if there are any.
    """
    keys = [Key(0, *key) for key in vocabulary.keys]
    wanted = (
        limits.scale.pitch_classes if limits.scale else [c for bar in limits.chords for d in bar for c in d.pitch_classes]
    )
    if limits.key or not wanted or not keys:
        return allowed_keys(limits, vocabulary)
    shared = np.array([sum(note in scale_of(key).pitch_classes for note in wanted) for key in keys])
    best = shared == shared.max()
    on_tonic = best & np.array([limits.tonic == key.tonic for key in keys])
    return np.asarray(on_tonic if on_tonic.any() else best)


def with_headers(piece: Piece, limits: Limits) -> Piece:
    """The piece with tempo and key just as asked for: a model knows only the nearest tempo, and perhaps no keys."""
    tempi = piece.tempi if limits.tempo is None else (Tempo.from_qpm(0, limits.tempo),)
    return replace(piece, tempi=tempi, keys=piece.keys if limits.key is None else (limits.key,))
