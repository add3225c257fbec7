"""Limits on what follows a prompt, seen from where the model stands.

The model may hear the prompt in another octave and played by other instruments; limits are about the music as it will sound.
Tempo and metre are those of the prompt, whatever follows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from melody.errors import SamplingError
from melody.limits import Limits, check
from melody.limits.lookups import allowed_parts, allowed_pitches
from melody.piece import Ints, Piece
from melody.sampling.constraints.base import Masks
from melody.sampling.constraints.user import user_limits
from melody.sampling.prompt import Prompt
from melody.sampling.strategies.ancestral import Start
from melody.score.names import pitch_name
from melody.signatures import Tempo
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask


def limited(vocabulary: Vocabulary, prompt: Prompt, start: Start, limits: Limits) -> Start:
    """The same start under limits.

    Raises
    ------
    SamplingError
        If the limits are not those of the prompt where these stay, contradict one another, or cannot be kept after it.
    """
    own = prompt.own
    metre = own.time_signature_at(max(own.length - 1, 0))[1:]
    _check_frame(own, metre, limits)
    parts = list(vocabulary.parts)
    for number, player in prompt.players.items():
        parts[number] = own.parts[player]
    limits = _in_octave(limits, vocabulary, prompt.octaves)
    heard = replace(vocabulary, parts=tuple(parts))
    check(replace(limits, metre=metre if limits.grid else None, tempo=None), heard)
    before = _last_pitches(vocabulary, prompt, limits)
    _check_reach(heard, limits, own, prompt, before[0])
    plays = allowed_parts(limits, heard)
    keeping = user_limits(vocabulary, limits, origin=prompt.heard_end, parts=plays, before=before)
    return replace(start, grammar=Masks(start.grammar.grammar, keeping))


def _check_frame(prompt: Piece, metre: tuple[int, int], limits: Limits) -> None:
    if limits.metre not in (None, metre):
        raise SamplingError(
            f"the prompt is in {metre[0]}/{metre[1]}, and what follows stays in it; leave the metre out, or write it so"
        )
    tempo = prompt.tempi[-1]
    if limits.tempo and Tempo.from_qpm(0, limits.tempo).microseconds != tempo.microseconds:
        raise SamplingError(
            f"the prompt ends at {tempo.qpm:.4g} quarters a minute, and what follows stays at it; leave the tempo out"
        )


def _in_octave(limits: Limits, vocabulary: Vocabulary, octaves: int) -> Limits:
    """The range as the model has to see it; no note may leave MIDI's on its way back."""
    low, high = limits.range or (0, 127)
    low, high = low + 12 * octaves, high + 12 * octaves
    within = low <= vocabulary.pitches[0] and vocabulary.pitches[1] <= high
    return replace(limits, range=None if limits.range is None and within else (low, high))


def _last_pitches(vocabulary: Vocabulary, prompt: Prompt, limits: Limits) -> tuple[Mask, Ints]:
    """For each part of the vocabulary the pitches within a leap of its last onset in the prompt, and one of these."""
    size, own = vocabulary.num_pitches, prompt.own
    reach, last = np.ones((len(vocabulary.parts), size), bool), np.full(len(vocabulary.parts), size)
    for number, player in prompt.players.items():
        notes = np.flatnonzero(own.part == player)
        pitch = own.pitch[notes[own.onset[notes] == own.onset[notes[-1]]]] + 12 * prompt.octaves - vocabulary.pitches[0]
        last[number] = np.clip(pitch, 0, size - 1).min()
        if limits.max_leap is not None and not vocabulary.parts[number].is_drum:
            reach[number] = np.abs(np.arange(size)[:, None] - pitch).min(axis=1) <= limits.max_leap
    return reach, last


def _check_reach(vocabulary: Vocabulary, limits: Limits, own: Piece, prompt: Prompt, reach: Mask) -> None:
    """That some part can go on at all."""
    fits = allowed_pitches(limits, vocabulary)
    drums = np.array([part.is_drum for part in vocabulary.parts], bool)
    plays = allowed_parts(limits, vocabulary)
    if np.any(plays & (drums | (reach & fits).any(axis=1))):
        return
    low = vocabulary.pitches[0] - 12 * prompt.octaves
    last = int(own.pitch[np.flatnonzero(~own.is_drum)[-1]])
    far = int(np.abs(low + np.flatnonzero(fits) - last).min())
    raise SamplingError(
        f"the prompt ends on {pitch_name(last, flats=limits.flats)}, {far} semitones from the nearest note that may follow, "
        f"and the largest leap is {limits.max_leap}; allow {far}"
    )
