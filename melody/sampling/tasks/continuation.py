"""A prompt gone on with, and limits on what follows it, seen from where the model stands.

The model may read the prompt in another octave and played by other instruments; limits are about the music as it will sound.
Tempo and metre are those of the prompt, whatever follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from melody.errors import SamplingError, VocabularyError
from melody.limits import Limits, check
from melody.limits.lookups import allowed_parts, allowed_pitches
from melody.piece import Ints, Piece
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.user import user_limits
from melody.sampling.decoder import Frontier
from melody.sampling.loaded import Source
from melody.sampling.outlines.line_ups import LineUps
from melody.sampling.outlines.starts import Starts
from melody.sampling.prompt import Prompt
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import Sample
from melody.sampling.tasks.acceptance import Acceptance
from melody.sampling.tasks.generate import Watch, assessed, best, broken_off, described, sampled, settled, watched_by
from melody.sampling.tasks.limited import in_octave
from melody.score.names import pitch_name
from melody.signatures import Tempo
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import Outline

MAX_PROMPT = 50_000  # notes


def continuations(
    source: Source,
    music: Piece,
    search: Search,
    limits: Limits,
    settings: SamplingSettings,
    *,
    only_new: bool = False,
    watch: Watch | None = None,
    in_order: bool = True,
) -> Iterator[Result]:
    """Different continuations of a prompt, each as soon as it is made, if the best of them are not wanted.

    They say what had to be changed for the model to understand the prompt.

    Parameters
    ----------
    source
        Whose style.
    music
        The prompt, at most 50,000 notes.
    search
        How many, and how they are looked for.
    limits
        What the new music keeps to.
    settings
        How tokens are chosen.
    only_new
        Give the new music alone.
    watch, in_order
        As of `melody.sampling.tasks.generate.new_tunes`.

    Raises
    ------
    SamplingError
        If the prompt is empty or too long, or the limits cannot be kept after it.
    VocabularyError
        If the model cannot understand the prompt at all; the message says why.
    """
    if music.num_notes == 0:
        raise SamplingError("the prompt holds no notes; give one with at least one note")
    if music.num_notes > MAX_PROMPT:
        raise SamplingError(f"the prompt has {music.num_notes:,} notes; give at most {MAX_PROMPT:,}, some of its bars")
    try:
        prompt = Prompt(source, music)
    except VocabularyError as error:
        raise _with_advice(error, music) from error
    settings = settled(source, search, settings)

    def begin(outline: Outline | None, line_up: Sequence[Constraint]) -> Frontier:
        start = prompt.start(limits.bars, [*source.rules(settings), *line_up], outline)
        if constraints:
            start.masks = start.masks.narrowed(constraints)
        return start

    line_ups = line_ups_after(source, prompt, limits)
    in_a_row = None if settings.any_ending else source.prior.most_in_a_row
    starts = Starts(begin, prompt.outlines, settings, limits, source.vocabulary, prompt.begun, line_ups, in_a_row)
    limits = replace(limits, bars=starts.bars)
    constraints = limits_after(source.vocabulary, prompt, limits) if limits.more_than_bars else []
    most = source.most_events(settings, limits.bars)

    def piece_of(sample: Sample) -> tuple[Piece, int]:
        whole, first = prompt.followed_by(sample.rows)
        return (whole if limits.key is None else replace(whole, keys=(limits.key,))), first

    acceptance = Acceptance(source, search, settings, limits, piece_of, starts.outline)
    watched = watched_by(watch, lambda rows: prompt.joined(rows, False, "", limits.key).piece)

    def made(tune: Sample) -> Result:
        description = described(source, settings, tune.number, limits, search)
        joined = prompt.joined(tune.rows, only_new, description, limits.key)
        remarks = (*joined.remarks, *broken_off(tune, most, settings, limits.bars))
        known: dict[str, Any] = {"removed": tune.removed, "seed": settings.seed, "number": tune.number}
        return assessed(replace(joined, remarks=remarks, **known), tune, acceptance)

    samples = sampled(source.decoder.at_any_pitch(), starts, acceptance, most, watched, in_order=in_order)
    each = (made(tune) for tune in samples)
    yield from best(list(each), search.count) if search.ranks else each


def _with_advice(error: VocabularyError, music: Piece) -> VocabularyError:
    """What to do where a model may understand one of several parts."""
    parts = len(music.parts)
    if len(np.unique(music.part)) < 2:
        return error
    return VocabularyError(
        f"{error}; choose one of them: part 1 {'or' if parts == 2 else 'to'} {parts}, melodic, highest, or a name"
    )


def limits_after(vocabulary: Vocabulary, prompt: Prompt, limits: Limits) -> list[Constraint]:
    """What keeps the music that follows a prompt, once there is a start behind it, to limits.

    Raises
    ------
    SamplingError
        If the limits are not those of the prompt where these stay, contradict one another, or cannot be kept after it.
    """
    own = prompt.own
    metre = own.time_signature_at(max(own.length - 1, 0))[1:]
    _check_frame(own, metre, limits)
    limits = in_octave(limits, vocabulary, prompt.octaves)
    as_played = _as_played(vocabulary, prompt)
    check(replace(limits, metre=metre if limits.grid else None, tempo=None), as_played)
    before = _last_pitches(vocabulary, prompt, limits)
    _check_reach(as_played, limits, own, prompt, before[0])
    plays = allowed_parts(limits, as_played)
    return user_limits(vocabulary, limits, origin=prompt.context_end, parts=plays, before=before)


def line_ups_after(source: Source, prompt: Prompt | None, limits: Limits) -> LineUps:
    """Who may play after a prompt: those that play in it and whoever is asked for; without one, as in the corpus."""
    if prompt is None:
        return LineUps(source.vocabulary, source.outlines, limits)
    begun = np.isin(np.arange(len(source.vocabulary.parts)), list(prompt.players))
    return LineUps(_as_played(source.vocabulary, prompt), source.outlines, limits, begun)


def _as_played(vocabulary: Vocabulary, prompt: Prompt) -> Vocabulary:
    """The vocabulary with the prompt's own instruments in place of those that the model reads them as."""
    parts = list(vocabulary.parts)
    for number, player in prompt.players.items():
        parts[number] = prompt.own.parts[player]
    return replace(vocabulary, parts=tuple(parts))


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
    drums = vocabulary.drums
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
