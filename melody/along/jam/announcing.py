"""What the model is about to play, for people and for programs that show it, such as a page, before it sounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from melody.along.jam.clock import Clock
from melody.along.jam.partner import Plan
from melody.sampling.tasks.notes_to_be import Note
from melody.score.names import pitch_name


class Announcer:
    """Puts the pieces of each plan together, and leaves out what was shown before."""

    def __init__(self) -> None:
        self._plan = Plan(())
        self._last: str | None = None  # the line of the last whole plan
        self._shown: set[tuple[int, int, int]] = set()  # beginnings of notes whose ends were not known then

    def line(self, plan: Plan) -> str | None:
        """One line for a plan once it is whole, or for notes that stand for themselves; None if there is nothing to say."""
        if not plan.number:
            return self._of_bars(plan, self._new(plan))
        begun = self._plan.notes if plan.number == self._plan.number else ()
        self._plan = replace(plan, notes=(*begun, *plan.notes))
        if not plan.is_whole:
            return None
        before, self._last = self._last, self._of_bars(plan, self._plan.notes)
        again = before is not None and self._last is not None and before.split(":")[0] == self._last.split(":")[0]
        return None if self._last == before else f"{self._last} (instead)" if again else self._last

    def _new(self, plan: Plan) -> tuple[Note, ...]:
        if plan.replaces_from is not None:
            self._shown.clear()
        found = tuple(note for note in plan.notes if note[:3] not in self._shown)
        for note in plan.notes:
            (self._shown.discard if note.duration else self._shown.add)(note[:3])
        return found

    @staticmethod
    def _of_bars(plan: Plan, notes: tuple[Note, ...]) -> str | None:
        if not notes:
            return None
        first, last = plan.bars
        where = f"bar {first}" if first == last else f"bars {first}-{last}"
        return f"{where}: {' '.join(pitch_name(note.pitch) for note in notes)}"


def as_data(plan: Plan, clock: Clock, now: float) -> dict[str, Any]:
    """A plan, or a piece of one, as JSON has it; all times are seconds from now on.

    Parameters
    ----------
    plan
        As `Jam` gives it to `show`.
    clock
        Of the jam.
    now
        The time.

    Returns
    -------
    dict
        `plan`: its number, 0 for notes that stand for themselves; `bars`: the first and the last; `is_whole`: whether
        nothing more of it comes; `replaces_from`: what was to begin from then on does not, null if all stays; `remark`;
        `notes`: each with its `part` from 1, `pitch`, `velocity`, `begins` and `lasts`, null while its end is not known. A
        note that comes again with the same part, pitch and beginning is the same one, its end known.
    """

    def seconds(tick: float) -> float:
        return round(clock.time_of(tick) - now, 4)

    notes = [
        {
            "part": note.part + 1,
            "pitch": note.pitch,
            "velocity": note.velocity,
            "begins": seconds(note.onset),
            "lasts": round(seconds(note.onset + note.duration) - seconds(note.onset), 4) if note.duration else None,
        }
        for note in plan.notes
    ]
    return {
        "plan": plan.number,
        "bars": list(plan.bars),
        "is_whole": plan.is_whole,
        "replaces_from": None if plan.replaces_from is None else seconds(plan.replaces_from),
        "remark": plan.remark,
        "notes": notes,
    }
