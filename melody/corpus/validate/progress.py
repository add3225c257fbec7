"""How far the work is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from melody.corpus.validate.shard import Shard


@dataclass(frozen=True)
class Progress:
    """How far the work is: `done` of `files`, `notes` so far, `seconds` since it began."""

    done: int
    files: int
    notes: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        """At the rate so far; infinite before the first file."""
        return (self.files - self.done) * self.seconds / self.done if self.done else float("inf")


class Counted:
    """Counts shards, and reports after each."""

    def __init__(self, total: int, on_progress: Callable[[Progress], None] | None) -> None:
        self._total, self._report, self._start = total, on_progress, monotonic()
        self._done = self._notes = 0

    def add(self, shard: Shard) -> None:
        """One more."""
        self._done += len(shard)
        self._notes += int(shard.notes.sum())
        if self._report:
            self._report(Progress(self._done, self._total, self._notes, monotonic() - self._start))
