"""A piece as a stream of sound: its voices added up block by block, so that its length does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import RenderError
from melody.midi.performance import Performance
from melody.piece import Piece
from melody.render.controls import GLIDE, Controls, Doubles, controls_of
from melody.render.generators import Gen
from melody.render.soundfont import DRUM_BANK, Region, SoundFont
from melody.render.synthesis import MAX_NOTE_SECONDS, MAX_RELEASE_SECONDS, NEVER, Floats, Synthesizer, Voice, peak_gain

BLOCK = 2**17  # samples, three seconds at 44.1 kHz
MAX_LAYERS = 64  # regions in one note


def blocks(
    piece: Piece,
    font: SoundFont,
    sample_rate: int,
    performance: Performance | None = None,
    synthesizer: Synthesizer | None = None,
) -> Iterator[Floats]:
    """The sound of a piece, (2, samples) at a time, left above right, at the level the soundfont gives it.

    Notes of a performance come as `Performance.held` makes them; what is done here is volume, pan, bend and cuts. Who plays
    many pieces keeps one `synthesizer` for all of them, which is of that soundfont and sample rate.

    Raises
    ------
    RenderError
        If the soundfont lacks an instrument of the piece.
    """
    synthesizer = synthesizer or Synthesizer(font, sample_rate)
    controls = controls_of(performance, piece, sample_rate) if performance else [None] * len(piece.parts)
    waiting = _voices(piece, font, sample_rate, controls)
    following = next(waiting, None)
    sounding: list[tuple[Voice, int]] = []  # with the sample at which each has died away
    begin = 0
    while sounding or following is not None:
        mix = np.zeros((2, BLOCK), np.float32)
        while following is not None and following.start < begin + BLOCK:
            sounding.append((following, following.start + following.length(sample_rate)))
            following = next(waiting, None)
        for voice, end in sounding:
            first, last = max(voice.start, begin), min(end, begin + BLOCK)
            sound = synthesizer.render(voice, first - voice.start, last - voice.start)
            for side, gain in enumerate(_sides(voice, first, last)):
                mix[side, first - begin : last - begin] += sound * gain
        last = min(max((end for _, end in sounding), default=begin), begin + BLOCK)
        sounding = [(voice, end) for voice, end in sounding if end > begin + BLOCK]
        yield mix if sounding or following is not None else mix[:, : last - begin]
        begin += BLOCK


def _sides(voice: Voice, first: int, last: int) -> Iterable[np.float32 | Floats]:
    """Gains left and right, of equal power, in samples [first, last) of the piece: one each, or (samples,)."""
    pan, gain = _controlled(voice, first, last)
    angle = (np.clip(voice.region[Gen.PAN] + pan, -500, 500) + 500) / 1000 * np.pi / 2
    return [np.asarray(side(angle) * gain).astype(np.float32)[()] for side in (np.cos, np.sin)]


def _controlled(voice: Voice, first: int, last: int) -> tuple[float | Doubles, float | Doubles]:
    """Pan and gain of its channel in samples [first, last)."""
    if voice.controls is None:
        return 0.0, 1.0
    found: list[float | Doubles] = []
    for steps in (voice.controls.pan, voice.controls.gain):
        near = steps.within(max(first - GLIDE, voice.start), last)
        found.append(float(near.values[0]) if near.is_steady else near.glided(voice.start, first, last))
    return found[0], found[1]


class _Preset(NamedTuple):
    regions: tuple[Region, ...]
    limits: NDArray[np.int64]  # (regions, 4): lowest and highest key, lowest and highest velocity
    is_drum: bool


def _presets(piece: Piece, font: SoundFont) -> dict[int, _Preset]:
    """What each part that plays plays on; a drum kit the soundfont lacks is its standard kit, as in GM Level 1."""
    presets = {}
    for index in np.unique(piece.part).tolist():
        part = piece.parts[index]
        known = not part.is_drum or (DRUM_BANK, part.program) in font.presets
        regions = font.regions(DRUM_BANK if part.is_drum else 0, part.program if known else 0)
        limits = np.array([(*region.keys, *region.velocities) for region in regions], np.int64).reshape(-1, 4)
        presets[index] = _Preset(regions, limits, part.is_drum)
    return presets


def _layers(preset: _Preset, pitch: int, velocity: int) -> list[Region]:
    """The regions that play a note; outside an instrument's range the nearest do, but a drum that is not there is silent."""
    low_key, high_key, low_velocity, high_velocity = preset.limits.T
    key_gap = np.maximum(low_key - pitch, pitch - high_key).clip(0)
    velocity_gap = np.maximum(low_velocity - velocity, velocity - high_velocity).clip(0)
    distance = 256 * velocity_gap + key_gap
    nearest = 0 if preset.is_drum else distance.min(initial=2**20)
    return [preset.regions[i] for i in np.flatnonzero(distance == nearest)]


def _voices(piece: Piece, font: SoundFont, sample_rate: int, controls: Sequence[Controls | None]) -> Iterator[Voice]:
    """The voices of the notes, by onset."""
    columns = np.column_stack([piece.part, piece.pitch, piece.velocity])
    presets, layers = _presets(piece, font), {}
    for part, pitch, velocity in np.unique(columns, axis=0).tolist():
        layers[part, pitch, velocity] = found = _layers(presets[part], pitch, velocity)
        if len(found) > MAX_LAYERS:
            raise RenderError(
                f"{font.path.name} has {len(found)} samples to a note, over {MAX_LAYERS}; name another soundfont"
            )
    starts = np.round(piece.seconds(piece.onset) * sample_rate).astype(np.int64)
    ends = np.round(piece.seconds(piece.end) * sample_rate).astype(np.int64)
    notes = [layers[address] for address in map(tuple, columns.tolist())]
    durations = np.clip(ends - starts, 1, MAX_NOTE_SECONDS * sample_rate).tolist()
    chokes = _chokes(piece.part, starts, notes)
    for i, (regions, start, duration) in enumerate(zip(notes, starts.tolist(), durations)):
        key, velocity, own = int(piece.pitch[i]), int(piece.velocity[i]), controls[int(piece.part[i])]
        cut = min(own.cut_after(start), NEVER) if own else NEVER
        bend = own.bend_from(start, start + duration + round(MAX_RELEASE_SECONDS * sample_rate)) if own else None
        for region in regions:
            choke = min(chokes.get((i, region[Gen.EXCLUSIVE_CLASS]), NEVER), int(cut)) - start
            yield Voice(region, key, start, duration, choke, peak_gain(region, velocity), own, bend)


def _chokes(parts: NDArray[np.int64], starts: NDArray[np.int64], notes: list[list[Region]]) -> dict[tuple[int, int], int]:
    """When the next note of its part and exclusive class begins, by note and class: a closed hi-hat ends an open one."""
    chokes: dict[tuple[int, int], int] = {}
    coming: dict[tuple[int, int], tuple[int, int]] = {}  # the next onset, and the next after that one
    for i in range(len(notes) - 1, -1, -1):
        part, start = int(parts[i]), int(starts[i])
        for group in {region[Gen.EXCLUSIVE_CLASS] for region in notes[i]} - {0}:
            first, second = coming.get((part, group), (NEVER, NEVER))
            if start < first:
                first, second = start, first
                coming[part, group] = first, second
            if second < NEVER:
                chokes[i, group] = second
    return chokes
