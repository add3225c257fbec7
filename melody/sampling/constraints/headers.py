"""Metre, tempo and key under limits: which of a vocabulary's may be said, and how they stand in the piece that is made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from melody.limits import Limits
from melody.limits.lookups import allowed_keys
from melody.limits.scales import scale_of
from melody.piece import Piece
from melody.signatures import Key, Tempo
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask


def nearest_tempi(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """The tempo that is nearest to the one asked for, all of them if none is, (tempi,)."""
    tempi = np.array(vocabulary.tempi, np.float64)
    if limits.tempo is None:
        return np.ones(len(tempi), bool)
    far = np.abs(np.log(60e6 / tempi / limits.tempo))
    return np.arange(len(tempi)) == far.argmin()


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
    return on_tonic if on_tonic.any() else best


def with_headers(piece: Piece, limits: Limits) -> Piece:
    """The piece with tempo and key just as asked for: a model knows only the nearest tempo, and perhaps no keys."""
    tempi = piece.tempi if limits.tempo is None else (Tempo.from_qpm(0, limits.tempo),)
    return replace(piece, tempi=tempi, keys=piece.keys if limits.key is None else (limits.key,))
