"""Outlines as they stand in model files, which may come from anywhere: what is no outline is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from melody.tokens.inputs.outlines.grids import LONGEST_GRID
from melody.tokens.inputs.outlines.harmony import CHORDS, KEYS, Harmony
from melody.tokens.inputs.outlines.outline import (
    LONGEST,
    MOST_AT_ONCE,
    MOST_BARS,
    NO_CLOSE,
    REST,
    Close,
    FinalNotes,
    Frame,
    Outline,
    Play,
)

_FACTS = {  # what an outline says of each of its parts, and at most
    **dict.fromkeys(("hands", "reach", "lowest", "highest"), MOST_AT_ONCE),
    **dict.fromkeys(("lets_go", "plays_on"), 1),
}


def stored(outline: Outline) -> list[Any]:
    """As it stands in a model file: lists of whole numbers."""
    form = [list(outline.letters), int(outline.has_pickup), list(outline.parts)]
    tonic, is_minor, metre = outline.frame
    has_more = bool(outline.players or outline.hands)
    if outline.harmony or has_more:
        most = None if has_more else len(Harmony()) - CHORDS
        form += [[list(bar[:most]) for bar in outline.harmony], [tonic, int(is_minor), *metre]]
    if not has_more:
        return form
    plays = [_of_part(plays) for plays in outline.players]
    close = [outline.close.place, *([part, place, ticks, *tones] for part, place, ticks, tones in outline.close.chord)]
    facts = [list(map(int, getattr(outline, name))) for name in _FACTS]
    grids = [[list(places) for places in each] for each in (outline.grids, outline.strokes)]
    return [*form, plays, facts, close, list(outline.kit), *grids]


def restored(stored: Any) -> Outline | None:
    """From a model file; None if that is none."""
    match stored:
        case [list(letters), 0 | 1 as pickup, list(parts), *more] if 0 < len(letters) <= MOST_BARS:
            if _are_numbers((*letters, *parts), MOST_BARS):
                found: Outline | None = Outline(tuple(letters), bool(pickup), tuple(parts))
                if found and more and not (more[0] == [] and more[2:]):
                    found = _with_harmony(found, more[:2])
                return _with_players(found, more[2:]) if found and more[2:] else found
    return None


def _with_players(outline: Outline, stored: list[Any]) -> Outline | None:
    match stored:
        case [list(players), list(facts), list(close), list(kit), list(grids), list(strokes)] if len(facts) == len(_FACTS):
            bars, parts = len(outline.letters), len(outline.parts)
            found = [_plays(each, bars) for each in players]
            legal = all(plays is not None for plays in found) and len(found) in (0, parts)
            legal = legal and all(isinstance(each, list) and len(each) in (0, parts) for each in facts)
            legal = legal and all(map(_are_numbers, [*facts, kit], [*_FACTS.values(), MOST_AT_ONCE]))
            at_end, known = _close(close), [*grids, *strokes]
            legal = legal and len(grids) in (0, parts) and len(strokes) in (0, len(kit))
            legal = legal and all(isinstance(places, list) and _are_numbers(places, LONGEST_GRID) for places in known)
            if legal and at_end is not None:
                made = replace(outline, players=tuple(plays for plays in found if plays), close=at_end, kit=tuple(kit))
                made = replace(made, grids=tuple(map(tuple, grids)), strokes=tuple(map(tuple, strokes)))
                types = [bool if most == 1 else int for most in _FACTS.values()]
                of_parts: dict[str, Any] = {name: tuple(map(of, each)) for name, of, each in zip(_FACTS, types, facts)}
                return replace(made, **of_parts)
    return None


def _of_part(plays: Sequence[Play]) -> list[list[int]]:
    """What a part does: of each bar which of the different things it is, and these, one after the other."""
    different = {play: number for number, play in enumerate(dict.fromkeys(plays))}
    return [[different[play] for play in plays], [value for play in different for value in play]]


def _plays(stored: Any, bars: int) -> tuple[Play, ...] | None:
    """What a part does in so many bars, as `_of_part` has it."""
    match stored:
        case [list(numbers), list(values)] if len(numbers) == bars and len(values) % len(REST) == 0:
            columns = [values[column :: len(REST)] for column in range(len(REST))]
            letters, places, rhythms, onsets, lasts, shapes, lifts = columns
            legal = _are_numbers((*letters, *rhythms, *shapes), MOST_BARS, REST.letter) and _are_numbers(
                numbers, len(letters) - 1
            )
            legal = legal and _are_numbers(lifts, MOST_AT_ONCE, -MOST_AT_ONCE)
            if legal and _are_numbers((*places, *onsets, *lasts), LONGEST):
                different = list(map(Play, *columns))
                return tuple(different[number] for number in numbers)
    return None


def _close(stored: list[Any]) -> Close | None:
    if stored == [NO_CLOSE.place]:
        return NO_CLOSE
    match stored:
        case [int(place), *chord] if _are_numbers((place,), LONGEST):
            legal = all(isinstance(each, list) and 3 < len(each) <= 3 + MOST_AT_ONCE for each in chord)
            if legal and all(_are_numbers(each, LONGEST) for each in chord):
                return Close(place, tuple(FinalNotes(part, at, ticks, tuple(tones)) for part, at, ticks, *tones in chord))
    return None


def _with_harmony(outline: Outline, stored: list[Any]) -> Outline | None:
    match stored:
        case [list(bars), [tonic, minor, top, bottom]] if len(bars) == len(outline.letters):
            kinds = all(isinstance(bar, list) and len(Harmony()) - len(bar) in (0, CHORDS) for bar in bars)
            if not (kinds and _are_numbers((tonic, minor, top, bottom), LONGEST)):
                return None
            harmony = tuple(Harmony(*bar) for bar in bars)
            legal = all(
                _are_numbers((key, end + 1, bass, *chords), LONGEST) and max(key, *chords) <= KEYS and bass <= 12
                for key, end, bass, *chords in harmony
            )
            if legal and tonic < 12 and minor < 2:
                return replace(outline, harmony=harmony, frame=Frame(tonic, bool(minor), (top, bottom)))
    return None


def _are_numbers(values: Iterable[Any], most: int, least: int = 0) -> bool:
    """Whether they are whole numbers from the least to the most."""
    return all(type(value) is int and least <= value <= most for value in values)
