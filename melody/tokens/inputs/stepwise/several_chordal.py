"""What is read of the part that is to play in several pieces whose parts play chords, as arrays; see `chordal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs import chordal
from melody.tokens.inputs.chordal import key_there, own_degrees
from melody.tokens.inputs.outlines.outline import PLAYING
from melody.tokens.inputs.schema import AHEAD
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, VELOCITY

if TYPE_CHECKING:
    from melody.tokens.inputs.stepwise.several_pieces import Pieces


def kind_lookbacks(pieces: Pieces, tick: Ints) -> Ints:
    """As `one_chordal.kind_lookbacks`, (streams, lookbacks)."""
    stride, there = pieces.history.stride, tick[:, None] - pieces.tables.own_lookbacks[pieces.metre]
    last, above = np.divmod(pieces.history.last[pieces.rows], stride)
    events, key = pieces.history.nearest(there * stride + np.where(last == tick, above, -1)[:, None], pieces.rows)
    return np.where(key // stride == there, events[..., KIND], 0)


def of_the_part(pieces: Pieces, time: Ints, kind: Ints, own: Ints) -> tuple[Ints, Ints]:
    """As `one_chordal.of_the_part`, of parts with those last pitches + 1, (streams, conditions) each."""
    tables, values, tick = pieces.tables, pieces.tables.vocabulary.sizes[VALUE], pieces.tick + pieces.tables.shifts[time]
    numbers = np.arange(len(kind))
    of_last = pieces.history.tokens(pieces.last_note[numbers, kind], pieces.rows)
    last, above = np.divmod(pieces.history.last[pieces.rows], values)
    above = np.where(last == tick * tables.kinds + kind, above, -1)[:, None]
    there = (tick[:, None] - tables.own_lookbacks[pieces.metre]) * tables.kinds + kind[:, None]
    events, key = pieces.history.nearest(there * values + above, pieces.rows)
    events *= (key // values == there)[..., None]
    pitch = tables.pitch_of[np.maximum(events[..., VALUE] - 1, 0)]
    bar, position = pieces.bar_of(tick), (tick - pieces.bar_start) % pieces.bar_ticks
    does, _, rhythm, *_ = playing = pieces.outlines.of_kind(bar, kind)
    begun = pieces.places.begun(tick - position)[numbers, kind]
    later = chordal.later(playing, begun - (pieces.onset[numbers, kind] == tick))
    is_planned = (pieces.planned[:, TIME] == 1 + time) & (pieces.planned[:, KIND] == 1 + kind)
    planned = pieces.planned[:, VALUE:] * is_planned[:, None]
    planned[:, 0] = np.maximum(planned[:, 0] - tables.vocabulary.first_pitch, 0)
    own = own * tables.pitched[kind]
    tones, bass = chordal.tones_above(_sounds(pieces, tick), own)
    local = chord = np.zeros_like(own)
    if tables.has_harmony and pieces.outlines:
        local, *_, chord = pieces.harmony_at(pieces.outlines.in_bars(bar), position)
    key = key_there(local, tables.keys_in_force[pieces.key])
    degree = own_degrees(own + tables.vocabulary.pitches[0], own > 0, key)
    harmony = degree, *(np.stack([key, chord]) * tables.pitched[kind])
    twin = pieces.last_places.twins(tick, tables.vocabulary.num_pitches)[0][numbers, kind]
    of_drums = (1 + np.minimum(position, tables.vocabulary.longest_bar - 1)) * ~tables.pitched.astype(bool)[kind]
    figure, is_part = _figure(pieces, tick, kind, bar, rhythm - 1), (kind >= FIRST_PART)[:, None]
    is_last, following = (does == PLAYING) & (rhythm == 0) & (later == 1), np.zeros_like(kind)
    if is_last.any():
        ahead = [pieces.outlines.of_kind(bar + bars, kind)[:2] for bars in range(1, AHEAD + 1)]
        following = chordal.until_the_next(ahead, pieces.bar_ticks - position, pieces.bar_ticks, tables.vocabulary) * is_last
    lookbacks = events[..., DURATION], events[..., VELOCITY]
    found = (
        of_last[:, [DURATION, VELOCITY]],
        *lookbacks,
        planned[:, 1:],
        of_drums,
        chordal.own_bar(does, rhythm),
        later,
        following,
        chordal.played_again(playing),
    )
    of_pitch = *harmony, pitch, tones, bass, planned[:, 0], figure, twin
    return np.column_stack(found) * is_part, np.column_stack(of_pitch) * is_part


def _figure(pieces: Pieces, tick: Ints, kind: Ints, bar: Ints, source: Ints) -> Ints:
    """As in `one_chordal`, of a bar each, -1 for none, (streams,)."""
    start, back = tick - (tick - pieces.bar_start) % pieces.bar_ticks, (bar - source) * pieces.bar_ticks
    is_there = (source >= 0) & (start - back >= pieces.bar_start) & pieces.tables.pitched[kind]
    if not is_there.any():
        return np.zeros_like(tick)
    kinds, values = pieces.tables.kinds, pieces.tables.vocabulary.sizes[VALUE]
    onset, last, in_chord = (each[np.arange(len(kind)), kind] for each in (pieces.onset, pieces.pitch, pieces.in_chord))
    at = np.stack([tick - back, onset - back], axis=1) * kinds + kind[:, None]
    later = np.stack([np.where(onset == tick, in_chord + 1, 0), in_chord], axis=1)
    events, key = pieces.history.nearest(at * values - 1, pieces.rows, later)
    note, before = (pieces.tables.pitch_of[np.maximum(events[..., VALUE] - 1, 0)] * (key // values == at)).T
    found: Ints = chordal.figure(note, last, before, onset >= start, pieces.tables.vocabulary.num_pitches) * is_there
    return found


def _sounds(pieces: Pieces, tick: Ints) -> NDArray[np.bool_]:
    """Which pitches sound, of whole octaves, (streams, pitches)."""
    sounds = pieces.sound_until > tick[:, None]
    stream, kind = np.nonzero((pieces.end > tick[:, None]) & (pieces.pitch > 0) & pieces.tables.lines)
    sounds[stream, pieces.pitch[stream, kind] - 1] = True
    return sounds
