"""The outline of a piece: how many bars it has, which of them return, whether it begins with a pick-up, which parts play.

Where several parts play it also says in which key each bar is and where phrases end (`harmony`); where they are more than
lines, hands of a piano or players of a band, also which chord each half bar has, who plays in which bar, which bars of a
part return, whatever the others do, in which bars new notes come to the rhythm of an earlier one, in how many places of the
others a part begins notes, how many notes each part has at once and how far apart, in which places of a bar it begins them
as a rule, which drums there are and where they are struck, and the chord that closes the piece. Where times are as fine as a
performance's nobody comes back to the tick, and what each part does in a bar is left open.

A piece is written from its outline as a player plays from a form that he has in mind. In training it is worked out from
the piece; in sampling it comes first, from the corpus or from whoever asks for it (`melody.sampling.outlines`). A model
that has learnt with outlines reads at every event how many bars are left, whether this bar and the next one return, and,
where one returns, what was played there: the pointer of the match goes to that place. A model reads nothing of an outline
where there is none; it is trained without it now and then, and its likelihood is measured without it.

Conventions: bars are counted from the first full one, as a musician counts; a pick-up is bar -1. A bar is the notes of all
parts that begin in it, each with its place, its part and its pitch, and its length. A bar in which nothing begins equals no
other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from melody.piece import Ints
from melody.tokens.inputs.outlines.grids import Grid
from melody.tokens.inputs.outlines.harmony import UNKNOWN, Ahead, Harmony, looking_ahead
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import KIND, VALUE, Rows, Vocabulary

MOST_BARS = 512  # of a piece that has an outline
MOST_AT_ONCE = 128  # notes of a part
LONGEST = 1_000_000  # ticks of a bar
LEFT = 33  # bars left, the last one included, that are kept apart
NEW, RETURNING, NO_BAR = 1, 2, 3  # what a bar does, or that there is none
UNKNOWN_PART, RESTING, PLAYING, RETURNS = range(4)  # what a part does in a bar; `RETURNS` + the bar that it repeats


class InBar(NamedTuple):
    """What an outline says of one bar.

    Parameters
    ----------
    left
        1 + how many bars follow, at most `LEFT`; 0 if there is no outline.
    bar, following
        What this bar and the next one do: 0 without an outline, `NEW`, `RETURNING`, `NO_BAR`.
    pickup
        1 without, 2 with a pick-up; 0 without an outline.
    source, next_source
        The bars that this one and the next one repeat, -1 if none.
    """

    left: int
    bar: int
    following: int
    pickup: int
    source: int
    next_source: int


class Play(NamedTuple):
    """What one part does in a bar.

    Parameters
    ----------
    letter
        Equal for bars in which it plays the same.
    place
        Ticks from the bar line to its first note.
    rhythm
        Equal for bars in which its notes begin in the same places, however many in each.
    onsets
        How many such places there are.
    last
        Ticks from the bar line to the last of them, 0 where that is not known.
    shape
        Equal for bars in which its notes are the same but for one interval between them all, as in a sequence; -1 where that
        is not known, of fewer than two notes, and of drums.
    lift
        That interval from the first bar of that shape, in semitones.
    """

    letter: int
    place: int
    rhythm: int
    onsets: int
    last: int = 0
    shape: int = -1
    lift: int = 0


class FinalNotes(NamedTuple):
    """The last notes that a part begins in the last bar of a piece.

    Parameters
    ----------
    part
        Its number.
    place
        Ticks from the bar line.
    ticks
        How long the longest of them lasts.
    tones
        From the lowest up in semitones above the tonic of the piece that is at it or just below, 0 for the tonic itself, or
        above the lowest where no tonic is known; of a drum kit MIDI pitches.
    """

    part: int
    place: int
    ticks: int
    tones: tuple[int, ...]


class Close(NamedTuple):
    """How a piece closes.

    Parameters
    ----------
    place
        Of its last onset, in ticks from the last bar line.
    chord
        The last notes of each part that begins any in that bar, there or before.
    """

    place: int
    chord: tuple[FinalNotes, ...]


REST = Play(-1, 0, -1, 0)  # no note begins
OF_A_BAR = len(REST) - 1  # numbers that an outline says of a part in a bar (`Outline.playing`)

READ = slice(0, 4)  # values of `InBar` that the model reads
SOURCES = slice(4, 6)  # those that are for the pointer
HARMONY = slice(6, 15)  # what stands behind them in a table: `Ahead`
NO_CLOSE = Close(-1, ())
NOTHING = (*InBar(0, 0, 0, 0, -1, -1), *Ahead())


class Frame(NamedTuple):
    """What the harmony of a piece stands in.

    Parameters
    ----------
    tonic
        Of the piece, a pitch class; `UNKNOWN` without harmony.
    is_minor
        Its mode.
    metre
        The time signature of most of its notes, (numerator, denominator); (0, 0) without harmony.
    """

    tonic: int
    is_minor: bool
    metre: tuple[int, int]


NO_FRAME = Frame(UNKNOWN, False, (0, 0))


@dataclass(frozen=True)
class Outline:
    """What a piece will be.

    Parameters
    ----------
    letters
        A number for each bar from the first full one on; equal numbers for bars that are the same.
    has_pickup
        Whether a pick-up comes before them.
    parts
        Numbers of the parts that play.
    harmony
        Of each of these bars; empty where it is not known.
    frame
        Metre and mode, and the tonic where no key is named; they belong to the harmony.
    players
        Of each of the parts what it does in each bar, `REST` where it begins no note. Empty where that is not known.
    hands
        How many notes each of the parts has at once, as a rule at most; 0 or nothing where that is not known.
    reach
        How many semitones lie between the notes that each of the parts begins at once, as a rule at most; nothing where that
        is not known.
    lowest, highest
        The lowest and the highest note of each of the parts, MIDI pitches; nothing where that is not known.
    lets_go
        Of each of the parts whether its notes, as a rule, have ended when it begins others; nothing where that is not known.
    plays_on
        Of each of the parts whether in the bars in which it plays some note of it sounds nearly all the time; nothing where
        that is not known.
    close
        Its last notes; `NO_CLOSE` where that is not known.
    kit
        The drums that are played, MIDI pitches; empty where that is not known.
    grids
        Of each of the parts the places of a bar in which it begins notes as a rule (`grids`), none where that is not known;
        nothing where it is of none.
    strokes
        The same of each drum of the kit.
    """

    letters: tuple[int, ...]
    has_pickup: bool = False
    parts: tuple[int, ...] = ()
    harmony: tuple[Harmony, ...] = ()
    frame: Frame = NO_FRAME
    players: tuple[tuple[Play, ...], ...] = ()
    hands: tuple[int, ...] = ()
    reach: tuple[int, ...] = ()
    lowest: tuple[int, ...] = ()
    highest: tuple[int, ...] = ()
    lets_go: tuple[bool, ...] = ()
    plays_on: tuple[bool, ...] = ()
    close: Close = NO_CLOSE
    kit: tuple[int, ...] = ()
    grids: tuple[Grid, ...] = ()
    strokes: tuple[Grid, ...] = ()

    @classmethod
    def of(cls, vocabulary: Vocabulary, rows: Rows, tick: Ints, bar: Ints, place: Ints, bar_ticks: Ints) -> Outline | None:
        """That of a piece; None if it has no full bar or more than `MOST_BARS`.

        Parameters
        ----------
        vocabulary, rows
            The events, END not among them, (events, 5).
        tick, bar, place, bar_ticks
            Of each: where it stands, the number of its bar, counted from the beginning, its place in it, the bar's length.
        """
        notes = np.flatnonzero(vocabulary.is_note(rows))
        if not len(notes):
            return None
        has_pickup = bool(is_pickup(tick[notes[0]], bar_ticks[notes[0]]) and bar[notes[-1]] > 0)
        bars = int(bar[notes[-1]]) + 1 - has_pickup
        if not 0 < bars <= MOST_BARS:
            return None
        content: list[list[InPart]] = [[] for _ in range(bars)]
        own = np.flatnonzero(rows[:, KIND] >= FIRST_PART)
        columns = place[own], rows[own, KIND], rows[own, VALUE], bar_ticks[own], vocabulary.is_note(rows[own])
        for number, *each in zip((bar[own] - has_pickup).tolist(), *(column.tolist() for column in columns)):
            if 0 <= number < bars:
                content[number].append(InPart(*each))
        parts = tuple((np.unique(rows[notes, KIND]) - FIRST_PART).tolist())
        by_part = [[[each for each in within if each.kind == FIRST_PART + part] for within in content] for part in parts]
        knows_bars = vocabulary.is_chordal and not vocabulary.is_fine
        players = tuple(_plays(own, bool(vocabulary.drums[part])) for part, own in zip(parts, by_part)) if knows_bars else ()
        return cls(
            lettered([[each for each in within if each.is_note] for within in content]), has_pickup, parts, players=players
        )

    @cached_property
    def table(self) -> Ints:
        """What it says of each bar: the pick-up's, then the bars', then what comes after them, (2 + bars, 15)."""
        sources, pickup = [*self.sources, -1, -1], 1 + self.has_pickup
        does = [RETURNING if source >= 0 else NEW for source in self.sources] + [NO_BAR, NO_BAR]
        bars = len(self.letters)
        rows = [
            InBar(min(bars - number, LEFT), does[number], does[number + 1], pickup, sources[number], sources[number + 1])
            for number in range(bars)
        ]
        before = InBar(min(bars, LEFT), NEW, does[0], pickup, -1, sources[0])
        forms = np.array([before, *rows, InBar(1, NO_BAR, NO_BAR, pickup, -1, -1)])
        ahead = looking_ahead(self.harmony) if self.harmony else [Ahead()] * (1 + bars)
        return np.hstack([forms, [*ahead, Ahead(key=ahead[-1].key)]])

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """Of each bar the last one before it that is the same, -1 if there is none."""
        return _sources(self.letters)

    def playing(self, kinds: int) -> Ints:
        """What each kind of event that is a part does in the bars of `table`, (2 + bars, kinds, `OF_A_BAR`).

        First `UNKNOWN_PART` to `RETURNS`, then the place where it begins, then 1 + the bar whose rhythm returns under other
        notes, 0 for none, then in how many places it begins notes, the last of them, and in how many later bars it plays the
        same. Where the outline knows it, a part that is not in it rests. Of the pick-up and of what comes after the end
        nothing is known.
        """
        found = np.zeros((2 + len(self.letters), kinds, OF_A_BAR), np.int64)
        if self.players:
            found[1:-1, FIRST_PART:, 0] = RESTING
        for part, plays in zip(self.parts, self.players):
            if FIRST_PART + part < kinds:
                letters, places, rhythms, *counted, _, _ = np.array(plays).T
                sources, figures = (np.array(_sources(each.tolist())) for each in (letters, rhythms))
                does = np.where(letters == REST.letter, RESTING, np.where(sources < 0, PLAYING, RETURNS + sources))
                numbers = does, places, (1 + figures) * (does == PLAYING), *counted, _later_ones(letters)
                found[1:-1, FIRST_PART + part] = np.stack(numbers, axis=1)
        return found

    def shaped_like(self, parts: int) -> dict[tuple[int, int], tuple[int, int]]:
        """Where parts play an earlier bar on other notes: (part, bar) -> (the first such bar, semitones above it)."""
        found = {}
        for part, plays in zip(self.parts, self.players):
            first: dict[int, int] = {}
            for bar, (play, same) in enumerate(zip(plays, _sources([play.letter for play in plays]))):
                like = bar if play.shape < 0 else first.setdefault(play.shape, bar)
                if like < bar and same < 0 and part < parts:
                    found[part, bar] = like, play.lift - plays[like].lift
        return found


def _later_ones(letters: Ints) -> Ints:
    """Of each of them how many later ones are the same."""
    _, which, counts = np.unique(letters, return_inverse=True, return_counts=True)
    order, before = np.argsort(which, kind="stable"), np.cumsum(counts) - counts
    found: Ints = np.empty(len(letters), np.int64)
    found[order] = counts[which[order]] - 1 - np.arange(len(letters)) + before[which[order]]
    return found


def _sources(letters: Sequence[int]) -> tuple[int, ...]:
    """Of each of them the last place before it of the same one, -1 if there is none."""
    seen: dict[int, int] = {}
    found = []
    for number, letter in enumerate(letters):
        found.append(seen.get(letter, -1))
        seen[letter] = number
    return tuple(found)


def lettered(bars: Sequence[Iterable[tuple[int, ...]]]) -> tuple[int, ...]:
    """A number for each bar, equal for bars of equal content, from 0 in the order in which they come."""
    numbers: dict[tuple[tuple[int, ...], ...], int] = {}
    found = []
    for number, bar in enumerate(bars):
        content = tuple(bar)
        found.append(numbers.setdefault(content or ((-1, number),), len(numbers)))
    return tuple(found)


class InPart(NamedTuple):
    """A note or rest in a bar: its place there, the tokens of its part and its value, the length of the bar."""

    place: int
    kind: int
    value: int
    bar_ticks: int
    is_note: bool


def _plays(bars: Sequence[Sequence[InPart]], is_drum: bool) -> tuple[Play, ...]:
    """What one part does in bars, from its notes and rests there."""
    notes = [[each for each in bar if each.is_note] for bar in bars]
    played = [number for number, own in enumerate(notes) if own]
    places = [{(each.place, each.is_note, each.bar_ticks): None for each in bars[number]} for number in played]
    rhythms = lettered(places)
    letters = lettered([notes[number] for number in played])
    steps = ([(each.place, each.value - notes[number][0].value) for each in notes[number]] for number in played)
    shapes = lettered([each if len(each) > 1 and not is_drum else () for each in steps])
    plays, lowest = [REST] * len(bars), dict[int, int]()  # of each shape the first note
    for number, letter, rhythm, shape in zip(played, letters, rhythms, shapes):
        own = [each.place for each in notes[number]]
        first = notes[number][0].value
        shaped = (-1, 0) if is_drum or len(own) < 2 else (shape, first - lowest.setdefault(shape, first))
        plays[number] = Play(letter, own[0], rhythm, len(set(own)), own[-1], *shaped)
    return tuple(plays)


def is_pickup(tick: Any, bar_ticks: Any) -> Any:
    """Whether a piece whose first note stands there begins with a pick-up, numbers or arrays.

    As `melody.piece.Piece.has_pickup` has it, if the music goes on in the next bar.
    """
    return (bar_ticks <= 2 * tick) & (2 * tick < 2 * bar_ticks)


def outline_in(outline: Outline | None, bar: int) -> Sequence[int]:
    """What an outline says of a bar, in the order of `InBar`, then of `Ahead`."""
    if outline is None:
        return NOTHING
    row: list[int] = outline.table[min(bar + 1, len(outline.letters) + 1)].tolist()
    return row
