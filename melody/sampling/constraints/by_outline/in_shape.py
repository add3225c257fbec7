"""A figure that comes again on other notes is the same figure: where a part plays an earlier bar higher or lower, it does.

In a sequence, or a riff that follows the chords, all notes of a bar go up or down together. The outline, which knows the
chords, says in which bars of a part, and by how much.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline, add_none, begun_now, with_pitches
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Event, Music
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART

Notes = tuple[tuple[int, int], ...]  # place in the bar and pitch of each, in their order


class InShape(ByOutline):
    """Where an earlier bar of a part comes again on other notes, all are as far from those as the outline has it.

    Where one of them would lie outside of the vocabulary the bar is free.
    """

    per_stream: ClassVar[tuple[str, ...]] = (*ByOutline.per_stream, "_played")
    _played: NDArray[np.object_]  # of each stream the notes of (part, bar) that come again so, or are such; never changed

    def begin(self, streams: int) -> InShape:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._played = np.empty(streams, object)
        made._played[:] = [{} for _ in range(streams)]
        return made

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`: a chord has as many notes as it had."""
        standing, now = music.standing, music.now_index
        bars, places = self._bar(music, standing.tick), music.position_of(standing.tick[:, None])[:, 0].tolist()
        for stream, part in begun_now(music):
            there, own = self._figure(stream, part, bars[stream])
            if not there or not own or own[-1][0] != places[stream] or not options.plays[stream, now, part]:
                continue
            if len(own) < len(there) and there[len(own)][0] == places[stream]:
                options.plays[stream], options.rests[stream], options.controls[stream] = False, False, False
                options.ends[stream], options.plays[stream, now, part] = False, True
            else:
                add_none(music, options, stream, part)

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`: the note that is next there."""
        bars, pitches = self._bar(music, music.ticks_of(time)), np.arange(music.vocabulary.num_pitches)
        figures = (
            (stream, *self._figure(stream, int(kind[stream]) - FIRST_PART, bars[stream]))
            for stream in np.flatnonzero(kind >= FIRST_PART).tolist()
        )
        return with_pitches(
            music, ((stream, pitches == there[len(own)][1]) for stream, there, own in figures if len(own) < len(there))
        )

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        own = event.is_note
        bars, places = self._bar(music, event.tick), music.position_of(event.tick[:, None])[:, 0].tolist()
        for stream, part, pitch in zip(event.streams[own].tolist(), event.part[own].tolist(), event.pitch[own].tolist()):
            at = part, bars[stream]
            if self._plans[stream].is_remembered(*at):
                before = self._played[stream]
                self._played[stream] = {**before, at: (*before.get(at, ()), (places[stream], pitch))}

    def _figure(self, stream: int, part: int, bar: int) -> tuple[Notes, Notes]:
        """What a part is to play in a bar, if it is an earlier one on other notes, and what it has played of it."""
        plan, played = self._plans[stream], self._played[stream]
        if (part, bar) not in plan.shaped_like:
            return (), ()
        source, above = plan.shaped_like[part, bar]
        there = tuple((place, pitch + above) for place, pitch in played.get((part, source), ()))
        fits = all(0 <= pitch < plan.num_pitches for _, pitch in there)
        return (there, played.get((part, bar), ())) if fits else ((), ())
