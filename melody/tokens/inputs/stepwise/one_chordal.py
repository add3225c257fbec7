"""What is read of the part that is to play in one piece whose parts play chords, as plain numbers; see `chordal`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from melody.tokens.inputs.chordal import figure, key_there, own_bar, own_degrees
from melody.tokens.inputs.outlines.outline import PLAYING, RESTING
from melody.tokens.inputs.schema import AHEAD, OWN_LOOKBACKS, TONES
from melody.tokens.inputs.stepwise.one_past import plays_in
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, VALUE, VELOCITY

if TYPE_CHECKING:
    from melody.tokens.inputs.stepwise.one_piece import OnePiece

_BACK = len(OWN_LOOKBACKS)


def kind_lookbacks(piece: OnePiece, tick: int) -> list[int]:
    """The kind of what stands just some bars or beats before a tick, + 1, behind what has come at that tick."""
    last, above = divmod(piece.keys[-1], piece.stride) if piece.keys else (-1, -1)
    found = []
    for back in piece.ticks_back:
        there = tick - back
        place = bisect_right(piece.keys, there * piece.stride + (above if last == tick else -1))
        known = place < len(piece.keys) and piece.keys[place] // piece.stride == there
        found.append(piece.rows[place][KIND] + 1 if known else 0)
    return found


def of_the_part(piece: OnePiece, time: int, kind: int) -> tuple[list[int], list[int]]:
    """Of the part of the next event the conditions `own duration` to `own later`, then `own degree` to `twin`."""
    if kind < FIRST_PART:
        return [0] * (9 + 2 * _BACK), [0] * (7 + _BACK + 12 // TONES)
    part, tick = kind - FIRST_PART, piece.tick + piece.vocabulary.shifts[max(time - 1, 0)]
    lookbacks, planned = _lookbacks(piece, kind, tick), [0] * 3
    if piece.planned[:VALUE] == [1 + time, 1 + kind]:
        value, *others = piece.planned[VALUE:]
        planned = [max(value - piece.vocabulary.first_pitch, 0), *others]
    bar, start, goes_on = piece.bar_at(tick), piece.start_of(tick), piece.last[part][0] == tick
    number = piece.last_notes[part]
    last = [piece.rows[number - 1][field] + 1 if number else 0 for field in (DURATION, VELOCITY)]
    of_drums = (1 + piece.place_in_bar(tick)[0]) * piece.is_drum[part]
    later, does = piece.places.later(kind, bar, start, goes_on), _own_bar(piece, kind, bar)
    following = _own_next(piece, kind, tick) if later == 1 and does == PLAYING else 0
    in_bar = [of_drums, does, later, following, piece.places.own_again(kind, bar)]
    tones, twin = _tones(piece, tick, kind), max(piece.last_places.twin(part, tick), 0)
    pitches, *more = lookbacks
    of_pitch = [*_in_harmony(piece, kind, tick), *pitches, *tones, planned[0], _figure(piece, kind, tick), twin]
    return [*last, *(token for tokens in more for token in tokens), *planned[1:], *in_bar], of_pitch


def _lookbacks(piece: OnePiece, kind: int, tick: int) -> list[list[int]]:
    """Pitch, duration and velocity, each + 1, of what a part began just some bars or beats before, 0 without."""
    values, kinds = piece.vocabulary.sizes[VALUE], piece.vocabulary.sizes[KIND]
    last, above = divmod(piece.keys[-1], values) if piece.keys else (-1, -1)
    goes_on, found = last == tick * kinds + kind, []
    for back in piece.ticks_back:
        there = (tick - back) * kinds + kind
        place = bisect_right(piece.keys, there * values + (above if goes_on else -1))
        if place < len(piece.keys) and piece.keys[place] // values == there:
            _, _, value, duration, velocity = piece.rows[place]
            found.append((max(value - piece.vocabulary.first_pitch + 1, 0), duration + 1, velocity + 1))
        else:
            found.append((0, 0, 0))
    return [list(column) for column in zip(*found)]


def _own_bar(piece: OnePiece, kind: int, bar: int) -> int:
    """As `melody.tokens.inputs.chordal.own_bar`."""
    plays = [own_bar(play.does, play.rhythm) for play in plays_in(piece.plays, bar) if play.kind == kind]
    return int(plays[0]) if plays else RESTING * (0 <= bar < len(piece.plays) - 2)


def _own_next(piece: OnePiece, kind: int, tick: int) -> int:
    """As `melody.tokens.inputs.chordal.until_the_next`, of the last notes of a part in a bar."""
    bar, line = piece.bar_at(tick), piece.start_of(tick) + piece.bar_ticks
    for bars in range(AHEAD):
        for play in plays_in(piece.plays, bar + 1 + bars):
            if play.kind == kind:
                return piece.as_time(line + bars * piece.bar_ticks + play.place - tick)
    return 0


def _figure(piece: OnePiece, kind: int, tick: int) -> int:
    """The note with which a part would go on with the figure of an earlier bar (`melody.tokens.inputs.chordal`)."""
    bar, number = piece.bar_at(tick), kind - FIRST_PART
    source = next((play.rhythm - 1 for play in plays_in(piece.plays, bar) if play.kind == kind), -1)
    start, back = piece.start_of(tick), (bar - source) * piece.bar_ticks
    if source < 0 or start - back < piece.bar_start or piece.is_drum[number]:
        return 0
    (onset, _, pitch), in_chord = piece.last[number], piece.in_chord[number]
    note = _there(piece, kind, tick - back, in_chord + 1 if onset == tick else 0)
    before, is_same_bar = _there(piece, kind, onset - back, in_chord), onset >= start
    return int(figure(note, pitch, before, is_same_bar, piece.vocabulary.num_pitches))


def _there(piece: OnePiece, kind: int, tick: int, in_chord: int) -> int:
    """Pitch + 1 of that note of a part's chord at a tick; 0 without."""
    own, values = piece.of_kind[kind], piece.vocabulary.sizes[VALUE]
    there = tick * piece.vocabulary.sizes[KIND] + kind
    at = bisect_left(own, (there * values, 0)) + in_chord
    if at >= len(own) or own[at][0] // values != there:
        return 0
    return max(piece.rows[own[at][1]][VALUE] - piece.vocabulary.first_pitch + 1, 0)


def _in_harmony(piece: OnePiece, kind: int, tick: int) -> list[int]:
    """The degree of the last note of a part (`melody.tokens.inputs.chordal`), its key and its chord there."""
    if piece.is_drum[kind - FIRST_PART]:
        return [0] * 3
    local, *_, chord = piece.harmony_at(tick, piece.outlined_at(tick)) or [0, 0]
    key, own = key_there(local, piece.keys_in_force[piece.key]), piece.last[kind - FIRST_PART][2]
    return [int(own_degrees(own + piece.vocabulary.pitches[0], own > 0, key)), int(key), chord]


def _tones(piece: OnePiece, tick: int, kind: int) -> list[int]:
    """As `melody.tokens.inputs.chordal.tones_above`, of the last note of a part."""
    own = piece.last[kind - FIRST_PART][2]
    if not own or piece.is_drum[kind - FIRST_PART]:
        return [0] * (12 // TONES + 1)
    sounds = [pitch for pitch, end in enumerate(piece.ends) if end > tick]
    lines = zip(piece.last, piece.lines)
    sounds += [pitch - 1 for (_, end, pitch), is_line in lines if is_line and pitch and end > tick]
    above = {(pitch - own + 1) % 12 for pitch in sounds}
    bits = [1 + sum(1 << k for k in range(TONES) if first + k in above) for first in range(0, 12, TONES)]
    return [*bits, 1 + (min(sounds) - own + 1) % 12 if sounds else 0]
