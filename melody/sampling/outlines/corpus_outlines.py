"""The outline that a piece is written from: as the corpus has them, or the form that somebody asks for.

A model that has learnt with outlines (`melody.tokens.inputs.outlines`) has those of its corpus in its file. A new piece gets
one of them, at random: how long it is, which of its bars return and whether it begins with a pick-up is then as often so as
in the corpus. Where a number of bars is asked for, it is one of that length, or a longer one cut off there, with its last
bars at the end; where a form is asked for, its sections are filled with the bars of such outlines, so that the sections of
one letter are the same. What each part does in a bar goes with it (`casting`). Where outlines have harmony, all that a piece
is made of is in one mode and metre, and who plays, on which drums and how it closes is as in the piece that the first bars
are of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from melody.errors import SamplingError
from melody.piece import Ints
from melody.sampling.outlines.casting import Players, cast
from melody.sampling.outlines.forms import Wanted
from melody.tokens.inputs.outlines.harmony import Harmony
from melody.tokens.inputs.outlines.outline import MOST_BARS, NO_CLOSE, NO_FRAME, REST, Outline, Play
from melody.tokens.inputs.outlines.storing import restored

_MANY = 8  # pieces, of which each may lend its outline without tunes being all alike
_CLOSE = 2  # bars, in which a piece that is cut off closes


class Bar(NamedTuple):
    """A bar of an outline: its letter, its harmony, and what each part plays, by its number, that does not rest."""

    letter: int
    harmony: Harmony
    players: tuple[tuple[int, Play], ...] = ()


Bars = tuple[Bar, ...]


class Turn(NamedTuple):
    """Of a tune among those of one request: its number, and the seed that all of them have."""

    seed: int
    number: int


class CorpusOutlines:
    """The outlines of a corpus.

    Parameters
    ----------
    outlines
        Of its pieces, perhaps not of all.
    drums
        Which parts of its vocabulary are drum kits, by their numbers; empty if that is not known.
    """

    def __init__(self, outlines: Sequence[Outline], drums: Sequence[bool] = ()) -> None:
        self.outlines, self._drums = tuple(outlines), tuple(drums)
        self.lengths = np.array([len(outline.letters) for outline in self.outlines], np.int64)

    @cached_property
    def most_at_once(self) -> int:
        """At most how many notes a part of its pieces has at once, as a rule; at least 1."""
        return max((each for outline in self.outlines for each in outline.hands), default=1)

    def __bool__(self) -> bool:
        return bool(self.outlines)

    @classmethod
    def of(cls, training: Mapping[str, Any], drums: Sequence[bool] = ()) -> CorpusOutlines:
        """What a model file says of the pieces it was trained on; nothing if it says nothing, or not well."""
        stored = training.get("outlines")
        found = [restored(each) for each in (stored if isinstance(stored, list) else [])]
        return cls([outline for outline in found if outline], drums)

    def bars_of(self, wanted: Wanted, begun: int = 0) -> int | None:
        """How many bars a form makes, without those that there are; None without a form.

        Raises
        ------
        SamplingError
            If the model has not learnt forms, the form does not fit the bars, or nothing of it is left.
        """
        if not wanted.form:
            return wanted.bars
        if not self:
            raise SamplingError("this model has not learnt to keep to a form; leave the form out, or train the model again")
        left = sum(self._sections(wanted, begun)) - begun
        if left < 1:
            raise SamplingError(f"the form has {left + begun} bars and the music {begun} already; ask for a longer form")
        return left

    def sampled(
        self, random: np.random.Generator, wanted: Wanted, begun: Outline | None = None, turn: Turn | None = None
    ) -> Outline | None:
        """An outline for a piece; None if the corpus has none.

        Parameters
        ----------
        random
            Of the draw.
        wanted
            What it has to be like; its bars are the new ones.
        begun
            What there is of the piece already; the outline begins with it.
        turn
            Of a new piece among those of one request: where outlines say what each part plays, all of the corpus come before
            one comes again. None for any one.
        """
        if not self:
            return None
        if turn and begun is None and not wanted.form and (found := self._in_turn(turn, wanted)):
            bars = _bars_of(found)
            return self._made(bars if wanted.bars is None else _cut_to(bars, wanted.bars), found, wanted.tonic)
        pool = self._in_one_frame(random, wanted, begun)
        sections = self._sections(wanted, len(begun.letters) if begun else 0) if wanted.form else []
        if begun is not None:
            return pool._after(random, wanted, sections, begun)
        made: tuple[Bars, Outline] | None
        if wanted.form:
            made = pool._formed(random, wanted, sections)
        elif wanted.bars is not None:
            made = pool._of_length(random, wanted.bars)
        else:
            found = pool._any(random)
            made = _bars_of(found), found
        return None if made is None else self._made(*made, wanted.tonic)

    def _in_turn(self, turn: Turn, wanted: Wanted) -> Outline | None:
        """The one whose turn it is, of those that are as wanted; None where there is none that says what its parts play."""
        known = np.array([bool(each.players and each.harmony) and wanted.agrees(each.frame) for each in self.outlines], bool)
        known &= np.isin(np.arange(len(known)), self._long_enough(0, wanted.bars))
        order = np.random.default_rng([turn.seed, 0, 3]).permutation(len(known))
        fit = order[known[order]]
        return self.outlines[int(fit[turn.number % len(fit)])] if len(fit) else None

    def _in_one_frame(self, random: np.random.Generator, wanted: Wanted, begun: Outline | None) -> CorpusOutlines:
        """Those in the mode and metre of what has begun, or of one drawn; without their harmony if none is as wanted."""
        if not self._by_frame:
            return self
        if begun is not None:
            frames = [begun.frame] if begun.harmony and wanted.agrees(begun.frame) else []
        else:
            frames = [outline.frame for outline in self.outlines if outline.harmony and wanted.agrees(outline.frame)]
        frames = [frame for frame in frames if frame[1:] in self._by_frame]
        return self._by_frame[frames[int(random.integers(len(frames)))][1:]] if frames else self._without_harmony

    @cached_property
    def _by_frame(self) -> dict[tuple[object, ...], CorpusOutlines]:
        """Those with harmony by mode and metre."""
        found: dict[tuple[object, ...], list[Outline]] = {}
        for outline in self.outlines:
            if outline.harmony:
                found.setdefault(outline.frame[1:], []).append(outline)
        return {frame: CorpusOutlines(outlines, self._drums) for frame, outlines in found.items()}

    @cached_property
    def _without_harmony(self) -> CorpusOutlines:
        without = [replace(outline, harmony=(), frame=NO_FRAME) for outline in self.outlines]
        return CorpusOutlines(without, self._drums)

    def _sections(self, wanted: Wanted, begun: int) -> list[int]:
        typical = float(np.median(self.lengths)) if self else 16.0
        bars = None if wanted.bars is None else wanted.bars + begun
        if begun and bars is None and all(length is None for _, length in wanted.form):
            bars = begun * len(wanted.form)  # what there is, is the first section
        return Wanted(bars, wanted.form).sections(typical)

    def _any(self, random: np.random.Generator) -> Outline:
        return self.outlines[int(random.integers(len(self.outlines)))]

    def _of_length(self, random: np.random.Generator, bars: int) -> tuple[Bars, Outline] | None:
        """So many bars, of a piece of that length or of a longer one, and its outline; None for too many bars.

        Where none is so long they are of several, and the outline is of the first.
        """
        if bars > MOST_BARS:
            return None
        if len(fit := self._long_enough(0, bars)):
            found = self.outlines[int(random.choice(fit))]
            return _cut_to(_bars_of(found), bars), found
        first = self._any(random)
        made = _bars_of(first)
        while len(made) < bars:
            made += _shifted(_bars_of(self._any(random)), _first_free(made))
        return _cut_to(made, bars), first

    def _formed(self, random: np.random.Generator, wanted: Wanted, lengths: Sequence[int]) -> tuple[Bars, Outline] | None:
        """The bars of a form's sections, each letter's of a piece of the corpus, and the outline of the first."""
        of_letter: dict[str, Bars] = {}
        made: Bars = ()
        first = None
        for (letter, _), bars in zip(wanted.form, lengths):
            known = of_letter.get(letter, ())
            if len(known) < bars and (more := self._of_length(random, bars - len(known))):
                first = first or more[1]
                known = of_letter[letter] = (*known, *_shifted(more[0], _first_free((*made, *known))))
            made += known[:bars]
        return (made, first) if first else None

    def _after(self, random: np.random.Generator, wanted: Wanted, sections: Sequence[int], begun: Outline) -> Outline | None:
        """An outline that begins with what there is.

        Of the pieces that are long enough one is taken whose first bars return as they do in what there is, as far as that
        can be; the bars that follow return to the same bars as there.
        """
        bars = len(begun.letters)
        total = None if wanted.bars is None else bars + wanted.bars
        if wanted.form:
            formed = self._formed(random, wanted, sections)
            made = formed[0] if formed else ()
        elif len(fit := self._long_enough(bars, total)):
            alike = np.array([_agreement(self.outlines[number], begun) for number in fit])
            made = _bars_of(self.outlines[int(random.choice(fit[alike == alike.max()]))])
            made = made if total is None else _cut_to(made, total)
        else:
            more = None if wanted.bars is None else self._of_length(random, wanted.bars)
            if more is None or bars + len(more[0]) > MOST_BARS:
                return None
            before = tuple(bar._replace(players=()) for bar in _bars_of(begun))
            made = (*before, *_shifted(more[0], _first_free(_bars_of(begun))))
        letters = _renamed([bar.letter for bar in made], begun.letters)
        more_harmony = [bar.harmony for bar in made[bars:]] if begun.harmony and any(map(_is_known, made[bars:])) else []
        harmony = (*begun.harmony, *more_harmony) if more_harmony else ()
        players = self._cast(made, begun.parts) if begun.players else ()
        players = tuple(_gone_on(own, there) for own, there in zip(players, begun.players))
        return replace(begun, letters=letters, harmony=harmony, players=players, close=NO_CLOSE)

    def _cast(self, bars: Bars, parts: Sequence[int]) -> Players:
        """What each of the parts plays in bars; nothing if they do not say it."""
        known = [dict(bar.players) for bar in bars]
        players = {
            part: [own.get(part, REST) for own in known] for part in dict.fromkeys(part for own in known for part in own)
        }
        return cast(players, [bar.letter for bar in bars], parts, self._drums) if players else ()

    def _made(self, bars: Bars, like: Outline, tonic: int | None) -> Outline:
        """An outline of those bars; pick-up, parts and frame as of another, but on that tonic if one is given."""
        harmony = tuple(bar.harmony for bar in bars) if any(map(_is_known, bars)) else ()
        frame = like.frame if tonic is None or not harmony else like.frame._replace(tonic=tonic)
        letters, players = tuple(bar.letter for bar in bars), self._cast(_free_to_close(bars, like, self._drums), like.parts)
        return replace(like, letters=letters, harmony=harmony, frame=frame, players=players)

    def _long_enough(self, begun: int, total: int | None) -> Ints:
        """Numbers of the pieces that go on after so many bars, of that length in all; longer ones where these are few."""
        if total is None:
            return np.flatnonzero(self.lengths > begun)
        exact = np.flatnonzero(self.lengths == total)
        return exact if len(exact) >= _MANY else np.flatnonzero(self.lengths >= total)


def _agreement(outline: Outline, begun: Outline) -> int:
    """In how many bars both return to the same bar."""
    return sum(a == b for a, b in zip(outline.sources, begun.sources))


def _bars_of(outline: Outline) -> Bars:
    """Its bars."""
    harmony = outline.harmony or (Harmony(),) * len(outline.letters)
    own = zip(*outline.players) if outline.players else ((),) * len(outline.letters)
    plays = [tuple((part, play) for part, play in zip(outline.parts, each) if play != REST) for each in own]
    return tuple(map(Bar, outline.letters, harmony, plays))


def _first_free(bars: Bars) -> int:
    """The first letter that stands in none of the bars, and no part's either."""
    of_parts = (play.letter for bar in bars for _, play in bar.players)
    return 1 + max((*(bar.letter for bar in bars), *of_parts), default=-1)


def _is_known(bar: Bar) -> bool:
    return bar.harmony.key > 0


def _cut_to(bars: Bars, count: int) -> Bars:
    """The first of them; where these are not all, with the harmony of the last ones at their end, or with these themselves.

    Where outlines say what each part plays, they say how all of them close, in bars that lead there.
    """
    if count >= len(bars):
        return bars
    last = min(_CLOSE, count)
    ending = bars[-last:]
    if not any(bar.players for bar in ending):
        ending = tuple(bar._replace(harmony=end.harmony) for bar, end in zip(bars[count - last : count], ending))
    return (*bars[: count - last], *ending)


def _free_to_close(bars: Bars, like: Outline, drums: Sequence[bool]) -> Bars:
    """The same, but in the last one who plays at its last onset plays something new, but for drums: the close says what.

    In the corpus what returns there is what closes the piece. In a new piece it was written without a thought of its end.
    """
    last = [final.part for final in like.close.chord if final.place == like.close.place]
    parts = {part for part in last if not any(drums[part : part + 1])}
    if not bars or not parts:
        return bars
    first = _first_free(bars)
    own = tuple(
        (part, play._replace(letter=first, rhythm=first, shape=-1) if part in parts else play)
        for part, play in bars[-1].players
    )
    return (*bars[:-1], bars[-1]._replace(players=own))


def _shifted(bars: Bars, first: int) -> Bars:
    found = []
    for letter, harmony, players in bars:
        later = tuple(
            (part, play._replace(**{name: number + first for name, number in _names(play).items()}))
            for part, play in players
        )
        found.append(Bar(letter + first, harmony, later))
    return tuple(found)


def _names(play: Play) -> dict[str, int]:
    """What of it are only names: equal for what is equal."""
    shape = {"shape": play.shape} if play.shape >= 0 else {}
    return {"letter": play.letter, "rhythm": play.rhythm, **shape}


def _gone_on(plays: Sequence[Play], begun: Sequence[Play]) -> tuple[Play, ...]:
    """What a part does in a whole piece with what it does in the beginning in place of its first bars."""
    letters = _renamed([play.letter for play in plays], [play.letter for play in begun])
    rhythms = _renamed([play.rhythm for play in plays], [play.rhythm for play in begun])
    shapes = _renamed([play.shape for play in plays], [play.shape for play in begun])
    more = [
        play if play == REST else play._replace(letter=letter, rhythm=rhythm, shape=shape)
        for play, letter, rhythm, shape in zip(plays, letters, rhythms, shapes)
    ]
    return (*begun, *more[len(begun) :])


def _renamed(letters: Sequence[int], begun: Sequence[int]) -> tuple[int, ...]:
    """Letters of a whole piece with those of its beginning in place of the first ones; later bars return as they did.

    They are of bars, or of what one part plays in them, which may rest.
    """
    names = {REST.letter: REST.letter}
    for letter, own in zip(letters, begun):
        if own != REST.letter:
            names.setdefault(letter, own)
    fresh = max(begun, default=-1) + 1
    found = list(begun)
    for letter in letters[len(begun) :]:
        if letter not in names:
            names[letter] = fresh
            fresh += 1
        found.append(names[letter])
    return tuple(found)
