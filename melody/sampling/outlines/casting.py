"""Who of a line-up plays what of an outline, if its piece was of other parts.

Parts of both play what they play there. To each of the others of the line-up goes what one plays who is not in it, of
whom there is most first, to a drum kit what another kit plays. Who is left then plays in all bars in which anybody does,
and what he plays returns where whole bars do; so do all in a bar in which nobody of the line-up would play.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from melody.tokens.inputs.outlines.outline import MOST_AT_ONCE, REST, Outline, Play

_Fact = TypeVar("_Fact")
Players = tuple[tuple[Play, ...], ...]  # what each part does in each bar


def cast(
    players: Mapping[int, Sequence[Play]], letters: Sequence[int], parts: Sequence[int], drums: Sequence[bool]
) -> Players:
    """What each of the parts plays.

    Parameters
    ----------
    players
        What each part of the piece plays, by its number.
    letters
        Of whole bars.
    parts
        The line-up.
    drums
        Which parts are drum kits, by their numbers; empty if that is not known.
    """
    first = 1 + max((play.letter for own in players.values() for play in own), default=-1)  # of letters of whole bars
    rests = [all(own[bar] == REST for own in players.values()) for bar in range(len(letters))]
    most = [max((own[bar].onsets for own in players.values()), default=0) for bar in range(len(letters))]
    whole = [REST if rest else Play(first + of, 0, first + of, many) for of, rest, many in zip(letters, rests, most)]
    free = sorted(set(players) - set(parts), key=lambda part: players[part].count(REST))
    found: list[list[Play]] = []
    for part in parts:
        if part not in players:
            alike = [each for each in free if list(drums[each : each + 1]) == list(drums[part : part + 1])]
            free = [each for each in free if each not in alike[:1]]
            found.append(list(players[alike[0]]) if alike else whole[:])
        else:
            found.append(list(players[part]))
    for bar, play in enumerate(whole):
        if all(own[bar] == REST for own in found):
            for own in found:
                own[bar] = play
    return tuple(map(tuple, found))


def played_by(outline: Outline, parts: Sequence[int], drums: Sequence[bool]) -> Outline:
    """An outline with the parts of a line-up."""

    def of_each(known: Sequence[_Fact], otherwise: _Fact) -> tuple[_Fact, ...]:
        """What is known of the parts of the outline, of those of the line-up; nothing where it is of none."""
        facts = dict(zip(outline.parts, known))
        return tuple(facts.get(part, otherwise) for part in parts) if facts else ()

    players = dict(zip(outline.parts, outline.players))
    return replace(
        outline,
        parts=tuple(parts),
        players=cast(players, outline.letters, parts, drums) if players else (),
        hands=of_each(outline.hands, 0),
        reach=of_each(outline.reach, MOST_AT_ONCE),
        lowest=of_each(outline.lowest, 0),
        highest=of_each(outline.highest, MOST_AT_ONCE),
        lets_go=of_each(outline.lets_go, False),
        plays_on=of_each(outline.plays_on, False),
        grids=of_each(outline.grids, ()),
    )
