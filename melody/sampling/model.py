"""`Model`: what a model file is for, as a musician asks for it. All the work is done by the tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

from melody import models
from melody.arguments import keywords
from melody.errors import SamplingError
from melody.limits import Limits
from melody.limits.limits import written
from melody.limits.numbers import MAX_BARS
from melody.network.memory import Memory
from melody.piece import Piece
from melody.sampling.keywords import (
    DEFAULTS,
    Choosing,
    Drawing,
    Ending,
    Formed,
    Keeping,
    NewBars,
    NewTune,
    Pitched,
    Streaming,
    flag,
    limits_of,
    search_of,
    settings_of,
    whole,
)
from melody.sampling.loaded import ENGINES, EngineName
from melody.sampling.result import Result
from melody.sampling.rewriter import Music, Rewriter, music_of
from melody.sampling.search import Search
from melody.sampling.settings import SamplingSettings
from melody.sampling.tasks.continuation import continuations
from melody.sampling.tasks.generate import best, new_tunes
from melody.threads import one_thread

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from melody.sampling.tasks.live import Stream

__all__ = ["ENGINES", "EngineName", "Model", "load"]


def load(path: str | PathLike[str], engine: EngineName = "numpy", memory: int | str | Memory | None = None) -> Model:
    """The model in a file.

    Parameters
    ----------
    path
        The file; or that of a style, which stands for its model.
    engine
        What runs it: 'numpy'; or ONNX Runtime, which has to be installed: 'onnx', or 'int8' with weights of 8 bits.
    memory
        Of how many past events the model remembers its states, see `melody.network.memory`, as 512; or with the memory's
        share and flatness, as '512:0.02:1'. None or 0: none.

    Raises
    ------
    melody.errors.ModelFileError
        If the file is missing, no model, of another version, cut short or edited, or the engine is not installed.
    SamplingError
        If the memory makes no sense.
    """
    return Model(models.open_model(path), engine, Memory.parse(memory))


class Model(Rewriter):
    """A trained model, ready to write music; `engine` and `memory` as in `load`."""

    @keywords(Formed, Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    def generate(
        self,
        *,
        bars: int | str | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> Piece:
        """A new tune, as long as the model wants or `bars` long, that keeps to the limits.

        >>> import melody
        >>> melody.load("fiddle").generate(seed=7, key="Dm", bars=4).keys[0].name
        'Dm'

        Parameters
        ----------
        bars
            How many, 1 to 10,000; a pick-up is not counted.
        limits, settings
            To begin from, all at once; what is given beside them comes first.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        melody.errors.ArgumentError
            If there is no such keyword.
        """
        return self.tunes(1, bars=bars, limits=limits, settings=settings, **given)[0].piece

    @keywords(Formed, Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    def generate_many(
        self,
        count: int,
        *,
        bars: int | str | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> list[Piece]:
        """`count` new tunes, each of which would be the same if more or fewer were asked for.

        Parameters
        ----------
        count
            How many, 1 to 1,000,000.
        bars, limits, settings
            As of `generate`.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        """
        return [tune.piece for tune in self.tunes(count, bars=bars, limits=limits, settings=settings, **given)]

    @keywords(Formed, Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    @one_thread()
    def tunes(
        self,
        count: int = 1,
        *,
        bars: int | str | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> list[Result]:
        """`count` new tunes with what is known of them.

        Parameters
        ----------
        count
            How many, 1 to 1,000,000.
        bars, limits, settings
            As of `generate`.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        """
        chosen, kept = settings_of(given, settings), _with_bars(limits_of(given, None, limits), whole("bars", bars))
        search = Search(whole("count", count) or 0, **search_of(given))
        made = list(new_tunes(self, search, kept, chosen))
        return best(made, search.count) if search.ranks else made

    @keywords(Formed, Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    def each_tune(
        self,
        count: int = 1,
        *,
        bars: int | str | None = None,
        in_order: bool = True,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> Iterator[Result]:
        """The tunes of `tunes` one by one, each as soon as it and those before it are made.

        Parameters
        ----------
        count
            How many, 1 to 1,000,000.
        bars, limits, settings
            As of `generate`; but nothing is ranked, so that `best_of` and `beam` are refused.
        in_order
            Whether a tune waits for those before it; or else each comes when it is made, with its `number`.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        """
        chosen, kept = settings_of(given, settings), _with_bars(limits_of(given, None, limits), whole("bars", bars))
        search = Search(whole("count", count) or 0, **search_of(given))
        if search.ranks:
            raise SamplingError("tunes that come one by one cannot be ranked; leave out best_of and beam, or call tunes()")
        made = iter(new_tunes(self, search, kept, chosen, in_order=flag("in_order", in_order)))

        def each() -> Iterator[Result]:
            for _ in range(search.count):
                with one_thread():
                    tune = next(made)
                yield tune

        return each()

    @keywords(Formed, Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    def continue_(
        self,
        prompt: Music,
        *,
        bars: int | str | None = None,
        part: int | str | None = None,
        only_new: bool = False,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewBars],
    ) -> Piece:
        """The prompt and `bars` more bars, or until the model ends.

        Parameters
        ----------
        prompt
            A piece with notes, which is read as it stands; or the file of one, which is read as a file of a training folder
            is, and whose own notes stay as they are.
        bars
            How many are added, 1 to 10,000; None for as many as the model wants.
        part
            The part to go on with, alone: a number from 1, a track's name, 'melodic' or 'highest'. None for all of them,
            which the model has to understand together.
        only_new
            Give the new music alone.
        limits, settings
            To begin from, all at once; what is given beside them comes first. Limits are about the new music.

        Raises
        ------
        SamplingError
            If the prompt is empty, something cannot be read or is out of its range, or the limits cannot be kept after it.
        melody.errors.VocabularyError
            If the model cannot understand the prompt at all; the message says why.
        """
        how: dict[str, Any] = {"bars": bars, "part": part, "only_new": only_new, "limits": limits, "settings": settings}
        return self.continue_many(prompt, 1, **how, **given)[0].piece

    @keywords(Formed, Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    @one_thread()
    def continue_many(
        self,
        prompt: Music,
        count: int,
        *,
        bars: int | str | None = None,
        part: int | str | None = None,
        only_new: bool = False,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewBars],
    ) -> list[Result]:
        """`count` different continuations of a prompt, with what had to be changed for the model to understand it.

        Parameters
        ----------
        prompt, bars, part, only_new, limits, settings
            As of `continue_`.
        count
            How many, 1 to 1,000,000.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            As of `continue_`.
        """
        from melody.sampling.tasks.file_prompt import put_right  # new tunes do not need it

        chosen, kept = settings_of(given, settings), _with_bars(limits_of(given, None, limits), whole("bars", bars))
        search = Search(whole("count", count) or 0, **search_of(given))
        music, alone = music_of(prompt, "the prompt"), flag("only_new", only_new)
        mended = put_right(prompt, self.vocabulary.ticks_per_quarter)
        music, remarks = self._part_of(mended.read if mended else music, part, kept)
        made = list(continuations(self, music, search, kept, chosen, only_new=alone))
        if mended:
            remarks = (*mended.repairs, *remarks)
            made = made if alone else [mended.only(music).gone_on_with(result) for result in made]
        return [replace(result, remarks=(*remarks, *result.remarks)) for result in made]

    def _part_of(self, music: Piece, part: int | str | None, limits: Limits) -> tuple[Piece, tuple[str, ...]]:
        """What is gone on with, in the key of the limits if it names none, and what there is to say of the choice."""
        if part is not None and music.num_notes:
            from melody.sampling.tasks.midi_edit import reading_of  # new tunes do not need it

            chosen = reading_of(self, music, str(part), limits)
            return chosen.piece, chosen.remarks
        return (music if music.keys or limits.key is None else replace(music, keys=(limits.key,))), ()

    @keywords(Formed, Drawing, Pitched, Keeping, **DEFAULTS)
    def stream(
        self,
        prompt: Music | None = None,
        *,
        bars: int | str | None = None,
        endless: bool = False,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[Streaming],
    ) -> Stream:
        """New music, or what follows a prompt, note by note, to be fed and steered meanwhile (`sampling.tasks.live.stream`).

        Parameters
        ----------
        prompt
            A piece with notes, or the file of one, read as of `continue_`; None to begin from nothing. Ticks are those of
            what is read, and what was read otherwise than it stands is in the stream's `remarks`.
        bars
            How many are new, 1 to 10,000, a pick-up not counted; None for as many as the model wants.
        endless
            Never end of itself.
        limits, settings
            To begin from, all at once; what is given beside them comes first. Key, scale and range can be changed by
            `Stream.steer`; the other limits hold throughout, and what a player feeds may break them.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            If the prompt is empty, something cannot be read, the model does not understand it, or the limits cannot be
            kept.
        """
        from melody.sampling.tasks import live  # files of tunes do not need it
        from melody.sampling.tasks.file_prompt import put_right

        music = None if prompt is None else music_of(prompt, "the prompt")
        mended = None if prompt is None else put_right(prompt, self.vocabulary.ticks_per_quarter)
        kept = _with_bars(limits_of(given, None, limits), whole("bars", bars))
        chosen = settings_of(given, settings)
        music = mended.read if mended else music
        begun = live.stream(self, music, settings=chosen, limits=kept, endless=flag("endless", endless))
        begun.remarks = mended.repairs if mended else ()
        asked = [(given.get("key"), ""), (given.get("scale"), ","), (given.get("range"), ":")]
        key, scale, pitches = (None if value is None else written(value, between) for value, between in asked)
        if (key, scale, pitches) != (None, None, None):
            begun.steer(key=key, scale=scale, range=pitches)
        return begun


def _with_bars(limits: Limits | None, bars: int | None) -> Limits:
    limits = limits or Limits()
    limits = limits if bars is None else replace(limits, bars=bars)
    if limits.bars is not None and not 1 <= limits.bars <= MAX_BARS:
        raise SamplingError(f"{limits.bars:,} bars were asked for; ask for 1 to {MAX_BARS:,}")
    return limits
