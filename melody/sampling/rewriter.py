"""`Rewriter`: what a model does to music that is there, which stays as it is but for some bars or the voices under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

from melody.arguments import keywords, path_of
from melody.limits import Limits
from melody.limits.limits import written
from melody.piece import Piece
from melody.sampling.keywords import (
    DEFAULTS,
    Drawing,
    Keeping,
    Pitched,
    RangeText,
    Rewriting,
    Voiced,
    Voicing,
    flag,
    limits_of,
    ranges_of,
    settings_of,
    span_of,
    whole,
)
from melody.sampling.loaded import Source
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.settings import VOICES_TEMPERATURE, SamplingSettings
from melody.threads import one_thread

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from melody.signatures import Key

Music = Piece | str | PathLike[str]  # a piece, or the file of one


def music_of(music: Music, what: str) -> Piece:
    """A piece, or that in a file."""
    return music if isinstance(music, Piece) else Piece.read(path_of(music, what))


class Rewriter(Source):
    """A model that rewrites bars and sets voices under a melody; parameters as of `Source`."""

    @keywords(Drawing, Pitched, Keeping, **DEFAULTS)
    def vary(
        self,
        piece: Music,
        bars: str | int | tuple[int, int],
        *,
        part: int | str | None = None,
        candidates: int | str = 64,
        rounds: int | str = 1,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[Rewriting],
    ) -> Piece:
        """The piece with some bars rewritten, with regard to what stands before and after them.

        Parameters
        ----------
        piece
            A piece with notes, which is read as it stands; or the file of one, which is read as a file of a training folder
            is, and whose own notes stay as they are.
        bars
            The first and the last one: '5-8', (5, 8), or one alone, 5. The first full bar is 1, a pick-up 0.
        part
            The part that is rewritten: a number from 1, a track's name, 'melodic' or 'highest'. None for all of them, or, if
            the model does not understand them together, for the most melodic one that it understands.
        candidates
            How many are weighed against one another, 1 to 10,000: more is slower and better.
        rounds
            How often bar by bar is weighed again, 0 to 100.
        limits, settings
            To begin from, all at once; what is given beside them comes first. Limits are about the new notes.

        Raises
        ------
        SamplingError
            If there are no such bars, something cannot be read or is out of its range, no way leads through, or the limits
            cannot be kept.
        melody.errors.VocabularyError
            If the model cannot understand the music around; the message says why.
        """
        how: dict[str, Any] = {"part": part, "candidates": candidates, "rounds": rounds, "limits": limits}
        return self.vary_many(piece, bars, 1, settings=settings, **how, **given)[0].piece

    @keywords(Drawing, Pitched, Keeping, **DEFAULTS)
    @one_thread()
    def vary_many(
        self,
        piece: Music,
        bars: str | int | tuple[int, int],
        count: int,
        *,
        part: int | str | None = None,
        candidates: int | str = 64,
        rounds: int | str = 1,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[Rewriting],
    ) -> list[Result]:
        """`count` different ways to go through some bars, with what the model takes otherwise than it stands there.

        Parameters
        ----------
        piece, bars, part, candidates, rounds, limits, settings
            As of `vary`.
        count
            How many, 1 to 1,000,000.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            As of `vary`.
        """
        from melody.sampling.tasks.file_prompt import put_right
        from melody.sampling.tasks.infill import VarySettings, vary

        how = VarySettings(whole("candidates", candidates) or 0, whole("rounds", rounds) or 0)
        first, last = span_of(bars)
        options: dict[str, Any] = {"count": Search(whole("count", count) or 0).count, "how": how}
        options |= {"part": None if part is None else str(part), "settings": settings_of(given, settings)}
        options |= {"limits": limits_of(given, None, limits)}
        music, mended = music_of(piece, "the piece"), put_right(piece, self.vocabulary.ticks_per_quarter)
        if mended is None or not mended.is_moved_alone:  # else its bars would not be those of the file
            return vary(self, music, first, last, **options)
        made = vary(self, mended.read, *(mended.bar_here(bar) for bar in (first, last)), **options)
        return [replace(mended.rewritten(one), remarks=(*mended.repairs, *one.remarks)) for one in made]

    @keywords(Drawing, Voiced, **DEFAULTS | {"temperature": VOICES_TEMPERATURE})
    def harmonize(
        self,
        melody: Music,
        *,
        key: str | Key | None = None,
        parallels: bool = False,
        candidates: int | str = 64,
        range_of: Mapping[str | int, RangeText] | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[Voicing],
    ) -> Piece:
        """The melody with the model's other parts under it; a model of several parts is needed, such as chorales.

        Parameters
        ----------
        melody
            A piece of one part, one note at a time, or the file of one; read as of `vary`.
        key
            Such as 'Dm', or a `Key`; None for the melody's own, or if it names none, the likeliest.
        parallels
            Let voices move in parallel fifths and octaves.
        candidates
            How many ways are weighed against one another, 1 to 1,000.
        range_of
            Lowest and highest pitch of single voices, by name or number: {'bass': 'E2:C4'}; the melody is number 1.
        limits, settings
            To begin from, all at once; what is given beside them comes first. Limits are about the voices.

        Raises
        ------
        SamplingError
            If the melody has no notes, several parts or too many notes, the model one part only, or no way leads through;
            if the limits cannot be kept.
        melody.errors.VocabularyError
            If the model cannot understand the melody; the message says why.
        """
        how: dict[str, Any] = {"key": key, "parallels": parallels, "candidates": candidates, "settings": settings}
        how |= {"range_of": range_of, "limits": limits}
        return self.harmonize_many(melody, 1, **how, **given)[0].piece

    @keywords(Drawing, Voiced, **DEFAULTS | {"temperature": VOICES_TEMPERATURE})
    @one_thread()
    def harmonize_many(
        self,
        melody: Music,
        count: int,
        *,
        key: str | Key | None = None,
        parallels: bool = False,
        candidates: int | str = 64,
        range_of: Mapping[str | int, RangeText] | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[Voicing],
    ) -> list[Result]:
        """`count` different ways to set a melody, with what the model takes otherwise than it stands there.

        Parameters
        ----------
        melody, key, parallels, candidates, range_of, limits, settings
            As of `harmonize`.
        count
            How many, 1 to 1,000,000.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            As of `harmonize`.
        """
        from melody.sampling.tasks.file_prompt import put_right
        from melody.sampling.tasks.harmonize import harmonize

        chosen = settings_of(given, settings, VOICES_TEMPERATURE)
        strict = not (flag("parallels", parallels) or chosen.parallels)
        options: dict[str, Any] = {"key": None if key is None else written(key), "strict": strict, "settings": chosen}
        options |= {"candidates": whole("candidates", candidates) or 0, "count": Search(whole("count", count) or 0).count}
        options |= {"limits": limits_of(given, None, limits), "range_of": ranges_of(range_of)}
        music, mended = music_of(melody, "the melody"), put_right(melody, self.vocabulary.ticks_per_quarter)
        if mended is None:
            return harmonize(self, music, **options)
        return [mended.harmonized(one) for one in harmonize(self, mended.read, **options)]
