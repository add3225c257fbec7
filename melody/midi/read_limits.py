"""What one file from a stranger may cost, and the error when it costs more."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from melody.errors import MidiError


@dataclass(frozen=True)
class ReadLimits:
    """What one file may cost; beyond it the file is refused with a `MidiError`.

    Parameters
    ----------
    max_bytes
        Size of the file; memory is bounded by a multiple of it.
    max_notes, max_tracks
        Notes in all, tracks (parts) with notes.
    max_changes
        Tempi, time signatures and key signatures in all.
    max_quarters, max_hours
        Length in quarter notes, and in hours at the file's own tempi.
    max_seconds
        Time the careful reader may take over a damaged file; the size bounds the time for whole ones.
    """

    max_bytes: int = 8_000_000
    max_notes: int = 200_000
    max_tracks: int = 256
    max_changes: int = 50_000
    max_quarters: int = 500_000
    max_hours: float = 6.0
    max_seconds: float = 10.0

    def check(self, what: str, value: float, limit: float) -> None:
        """Raise `MidiError` if `value`, a number of `what`, is over `limit`."""
        if value > limit:
            number = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
            bound = f"{limit:,}" if isinstance(limit, int) else f"{limit:,g}"
            raise MidiError(f"has {number} {what}; the limit is {bound}")


class Deadline:
    """A point in time after which `check` raises."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = monotonic() + seconds

    def check(self) -> None:
        """Raise `MidiError` once the time is over."""
        if monotonic() > self._end:
            raise MidiError(f"takes longer than {self._seconds:g} seconds to read; it is damaged or made to harm")
