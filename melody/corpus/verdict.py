"""What became of each file, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from melody.text import counted

Split = Literal["train", "valid", "test"]
SHOWN = 3  # other versions of a piece
SPLITS: tuple[Split, ...] = get_args(Split)
Status = Literal["kept", "repaired", "rejected"]
Cause = Literal["", "copy", "too short", "damaged", "over a limit", "no such part", "not encodable", "several tunes"]


@dataclass(frozen=True)
class Verdict:
    """What became of one file.

    Parameters
    ----------
    path
        Below the folder, with `/` between folders on every system.
    status
        'kept' as it was, 'repaired' and kept, or 'rejected'.
    cause
        Why it was rejected, as one of few words to count by; empty for a file that was kept.
    reason
        The same as one plain sentence; empty for a file that was kept.
    notes
        Number of notes that are used; of a rejected file those that were found, 0 if it could not be read.
    repairs
        One plain sentence for each kind of change made to the file's music.
    part
        What was taken of it, in words; empty if that was everything.
    split
        'train', 'valid' or 'test'; empty for a rejected file.
    group
        Files of one group are versions of one piece and are in one split. The group's smallest content
        hash; empty for a rejected file.
    content
        Hash of the notes (onset, duration, pitch, velocity, instrument), 32 hexadecimal digits.
    versions
        Paths of the other files of its group; only where one file is explained (`melody.corpus.explaining`).
    """

    path: str
    status: Status
    cause: Cause = ""
    reason: str = ""
    notes: int = 0
    repairs: tuple[str, ...] = ()
    part: str = ""
    split: str = ""
    group: str = ""
    content: str = ""
    versions: tuple[str, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        data = {name: value for name, value in vars(self).items() if name != "versions"}
        return data | {"repairs": list(self.repairs)}

    def explained(self) -> list[str]:
        """The verdict in plain lines."""
        lines = [f"{self.path}: {self.status}" + (f", {counted(self.notes, 'note')}" if self.notes else "")]
        lines += [f"  {self.reason}"] if self.reason else []
        lines += [f"  {repair}" for repair in self.repairs]
        lines += [f"  {self.part}"] if self.part else []
        lines += [f"  goes to {self.split}{self._with_versions()}"] if self.split else []
        return lines

    def _with_versions(self) -> str:
        if not self.versions:
            return ""
        others = f" and {len(self.versions) - SHOWN:,} more" if len(self.versions) > SHOWN else ""
        return f", with other versions of the piece: {', '.join(self.versions[:SHOWN])}{others}"


def summary(counts: Mapping[str, int], causes: Mapping[str, int]) -> list[str]:
    """Two plain lines: what was kept and what was not, and where it went.

    `counts` of files, kept, repaired, notes, groups and each split; `causes` of the rejected ones.
    """
    kept = [f"kept {counts['kept']:,} of {counted(counts['files'], 'file')}, {counted(counts['notes'], 'note')}"]
    kept += [f"{n:,} {'copies' if cause == 'copy' and n > 1 else cause}" for cause, n in causes.items()]
    kept += [f"{counts['repaired']:,} repaired"] if counts["repaired"] else []
    sizes = ", ".join(f"{name} {counts[name]:,}" for name in SPLITS)
    versions = f" (versions of one piece stay together: {counted(counts['groups'], 'group')})"
    alone = "" if counts["valid"] else "; nothing is left to choose the model on"
    return ["; ".join(kept), f"pieces: {sizes}{versions if counts['groups'] < counts['kept'] else ''}{alone}"]
