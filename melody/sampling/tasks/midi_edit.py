"""MIDI files gone on with or rewritten in part: all other tracks, controllers, lyrics and markers stay as they were.

The new notes are put into the bytes of the file (`melody.midi.splice`). A file that cannot be edited so, because it is
damaged or the model adds a part that it does not have, is written again with all its notes, and a remark says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from melody import midi
from melody.errors import SamplingError
from melody.limits import Limits
from melody.limits.numbers import MAX_BARS
from melody.limits.verifying import ensure
from melody.piece import MAX_TICK, Piece
from melody.sampling.loaded import Source
from melody.sampling.prompt import in_hands, understood
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.settings import SamplingSettings
from melody.sampling.tasks.continuation import continuations
from melody.sampling.tasks.file_prompt import FilePrompt, is_new
from melody.sampling.tasks.infill import variations
from melody.sampling.tasks.part_choice import Exchanged, ModelInput, model_input, with_notes
from melody.text import counted
from melody.threads import one_thread
from melody.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Edited:
    """A MIDI file with new notes.

    Parameters
    ----------
    data
        Its bytes.
    made
        What was done, its remarks in full.
    parts
        Numbers of the parts of `made.piece` that have new notes, or that the model read.
    prompt
        The file before, if it was read otherwise than it stands.
    as_read
        What was made there, in the time of what was read.
    """

    data: bytes
    made: Result
    parts: tuple[int, ...]
    prompt: FilePrompt | None = None
    as_read: Result | None = None

    def read_again(self) -> Piece:
        """Those parts as they are read from the bytes."""
        piece = midi.parse(self.data, ticks_per_quarter=self.made.piece.ticks_per_quarter).piece
        return piece.select(np.isin(piece.part, self.parts))

    def ensure(self, limits: Limits) -> None:
        """Refuse what does not keep to the limits, read from the bytes.

        Raises
        ------
        SamplingError
            If it does not.
        """
        piece, made = self.read_again(), self.made
        if self.prompt and self.as_read:
            start, stop = made.first_tick, made.last_tick or MAX_TICK
            new = self.prompt.here(piece.select((piece.onset >= start) & (piece.onset < stop)))
            made = self.as_read
            old = made.piece.select(~is_new(made))
            both: dict[str, Any] = {name: np.concatenate([getattr(old, name), column]) for name, column in new.items()}
            piece = replace(old, **both)
        ensure(piece, limits, start=made.first_tick, first_bar=made.first_bar)


def vary_file(source: Source, path: str | PathLike[str], first_bar: int, last_bar: int, **options: Any) -> list[Edited]:
    """All that is made of bars of a MIDI file, see `each_variation`."""
    return list(each_variation(source, path, first_bar, last_bar, **options))


def each_variation(
    source: Source, path: str | PathLike[str], first_bar: int, last_bar: int, **options: Any
) -> Iterator[Edited]:
    """Bars of a MIDI file rewritten; parameters and errors as of `melody.sampling.tasks.infill.variations`."""
    prompt = _read(source.vocabulary, path)
    if not prompt.is_moved_alone:  # its notes would not be those of the file, nor perhaps its bars
        prompt = prompt.unmended()
    bars = (prompt.bar_here(bar) for bar in (first_bar, last_bar))
    for variation in variations(source, prompt.read, *bars, **options):
        parts, there = variation.parts or (), prompt.rewritten(variation)
        written = with_notes(prompt.data, there.piece, parts, there.first_tick, there.last_tick)
        if parts and variation.piece.num_notes and not written.is_rewritten:
            texts = variation.piece.texts[len(prompt.read.texts) :]
            written = replace(written, data=midi.annotated(written.data, _playing(variation), texts))
        remarks = (*prompt.repairs, *variation.remarks, *written.remarks)
        yield _edited(prompt, written.data, replace(there, remarks=remarks), variation, parts)


def _playing(variation: Result) -> int:
    """The number of a rewritten part among those that the file has now: a part that has lost all its notes is none."""
    left = np.unique(variation.piece.part)
    rewritten = [part for part in variation.parts or () if part in left]
    return int(np.searchsorted(left, rewritten[0])) if rewritten else 0


@one_thread()
def continue_file(source: Source, path: str | PathLike[str], **options: Any) -> list[Edited]:
    """All that is made of a MIDI file, see `each_continuation`."""
    return list(each_continuation(source, path, **options))


def each_continuation(
    source: Source,
    path: str | PathLike[str],
    *,
    part: str | None = None,
    search: Search | None = None,
    limits: Limits | None = None,
    settings: SamplingSettings | None = None,
    in_order: bool = True,
) -> Iterator[Edited]:
    """Continuations of a MIDI file, each as soon as it is made.

    Parameters
    ----------
    source
        Whose style.
    path
        The file.
    part
        The part that is gone on with, and the only one that the model reads: a number from 1, a track's name, 'melodic'
        or 'highest'. None for all parts, or if the model does not understand them together, for the most melodic one that
        it understands.
    search, limits, settings, in_order
        As for `melody.sampling.tasks.continuation.continuations`; None for one continuation, of no limits, at the default
        settings. The new bars begin where the parts that are gone on with end; limits are about these parts.

    Raises
    ------
    melody.errors.MidiError
        If the file cannot be read.
    SamplingError, melody.errors.VocabularyError
        As `continuations`, or if the file changes its metre (or what limits are to hold, its tempo or key) where the
        new bars would stand.
    """
    limits = limits or Limits()
    prompt = _read(source.vocabulary, path)
    piece = prompt.read
    chosen = reading_of(source, piece, part, limits)
    _check_nothing_changes_later(piece, chosen.piece.length, limits)
    chosen = replace(chosen, piece=_without_later_changes(chosen.piece))
    remarks = (*prompt.repairs, *chosen.remarks)
    music = replace(chosen.piece, pedals=())  # that of the file stays as it is, and new bars get none of their own
    music = music if music.keys or limits.key is None else replace(music, keys=(limits.key,))
    how = search or Search(1), limits, settings or SamplingSettings()
    for made in continuations(source, music, *how, in_order=in_order):
        yield _in_file(prompt, chosen, replace(made, remarks=(*remarks, *made.remarks)), source.vocabulary)


def continue_some(
    source: Source,
    prompt: FilePrompt,
    part: str | None,
    search: Search,
    limits: Limits,
    settings: SamplingSettings,
    *,
    in_order: bool = True,
) -> Iterator[tuple[Result, Result]]:
    """Continuations of what is read of a file, each in its time, and as it was made; for a file of its own.

    Parameters and errors as of `each_continuation`; only the parts that are read are in what is made.
    """
    chosen = reading_of(source, prompt.read, part, limits)
    own = prompt.only(chosen.piece)
    for made in continuations(source, chosen.piece, search, limits, settings, in_order=in_order):
        one = replace(made, remarks=(*chosen.remarks, *made.remarks))
        yield own.gone_on_with(one, as_loud=len(source.vocabulary.velocities) == 1), one


def reading_of(source: Source, piece: Piece, part: str | None, limits: Limits) -> ModelInput:
    """What a model reads of a prompt (see `part_choice.model_input`), in the key of the limits if it names none."""

    def check(music: Piece) -> None:
        read, _ = in_hands(source.vocabulary, music.resolution(source.vocabulary.ticks_per_quarter))
        understood(source.vocabulary, read, keep_rhythm=True)

    chosen = model_input(piece, part, check, alone=part is not None, top_line=True)
    if chosen.piece.keys or limits.key is None:
        return chosen
    return replace(chosen, piece=replace(chosen.piece, keys=(limits.key,)))


def _without_later_changes(piece: Piece) -> Piece:
    """Without what changes in the file after the last of its notes that are read."""
    names = ("time_signatures", "tempi", "keys")
    kept: dict[str, Any] = {n: tuple(c for c in getattr(piece, n) if c.onset < max(piece.length, 1)) for n in names}
    return replace(piece, **kept)


def _check_nothing_changes_later(piece: Piece, end: int, limits: Limits) -> None:
    changes = {"metre": [event.onset for event in piece.time_signatures]}
    if limits.tempo is not None:
        changes["tempo"] = [event.onset for event in piece.tempi]
    if limits.key is not None:
        changes["key"] = [event.onset for event in piece.keys]
    metre = piece.time_signature_at(max(end - 1, 0))
    bar_ticks = metre.bar_ticks(piece.ticks_per_quarter)
    line = metre.onset + -(-(end - metre.onset) // bar_ticks) * bar_ticks
    until = line + (limits.bars or MAX_BARS) * bar_ticks
    for what, onsets in changes.items():
        later = [onset for onset in onsets if max(end, 1) <= onset < until]
        if later:
            bar, ended = (piece.bar_and_position([later[0], max(end - 1, 0)])[0] + piece.first_bar).tolist()
            alone = f"--prompt-bars {piece.first_bar}-{ended}"
            raise SamplingError(
                f"the file changes its {what} in bar {bar}, where the new music would stand: what is gone on with ends in "
                f"bar {ended}; go on with a part that lasts longer, or with some bars alone ({alone})"
            )


def _read(vocabulary: Vocabulary, path: str | PathLike[str]) -> FilePrompt:
    """A MIDI file on the vocabulary's grid, and as it stands."""
    return FilePrompt.of(path, vocabulary.ticks_per_quarter)


def _in_file(prompt: FilePrompt, chosen: ModelInput, made: Result, vocabulary: Vocabulary) -> Edited:
    """A continuation of some parts of a piece, in its file."""
    there, new = prompt.gone_on_with(made, as_loud=len(vocabulary.velocities) == 1), np.unique(made.piece.part[is_new(made)])
    written = _written(prompt.data, prompt.own, there.piece, new.tolist(), there.first_tick)
    parts = tuple(sorted({*chosen.piece.part.tolist(), *new.tolist()}))
    return _edited(prompt, written.data, replace(there, remarks=(*made.remarks, *written.remarks)), made, parts)


def _edited(prompt: FilePrompt, data: bytes, made: Result, as_read: Result, parts: tuple[int, ...]) -> Edited:
    return Edited(data, made, parts) if prompt.own is prompt.read else Edited(data, made, parts, prompt, as_read)


def _written(data: bytes, piece: Piece, whole: Piece, parts: Sequence[int], end: int) -> Exchanged:
    """The file with the new notes from the tick `end` on in some parts, and where they come from as texts."""
    added = len(whole.parts) - len(piece.parts)
    if added:
        new = counted(added, "part")
        remark = f"written again, without its controllers, lyrics and markers, since the model adds {new} to it"
        return Exchanged(midi.to_bytes(whole), (remark,), True)
    written = with_notes(data, whole, parts, end, None)
    if written.is_rewritten or not parts:
        return written
    key = next((key for key in whole.keys if key not in piece.keys), None)
    texts = whole.texts[len(piece.texts) :]
    return replace(written, data=midi.annotated(written.data, parts[0], texts, key, whole.ticks_per_quarter))
