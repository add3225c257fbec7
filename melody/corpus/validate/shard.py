"""One chunk of files once they are validated, in memory and as bytes: arrays and JSON, nothing that runs."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from melody.corpus.deduplicate.fingerprint import Sketches
from melody.corpus.events import COLUMNS, Events
from melody.corpus.verdict import Cause, Status, Verdict
from melody.errors import CorpusError, MidiError
from melody.piece import Ints
from melody.text import for_terminal

STATUSES: tuple[Status, ...] = get_args(Status)
CAUSES: tuple[Cause, ...] = get_args(Cause)
REJECTED = STATUSES.index("rejected")
_to_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class FileRecord:
    """What is known of one file: at first only by itself, in the end with copies, groups and splits.

    Parameters
    ----------
    verdict
        As far as it is known.
    source
        Hash of the bytes of the file, 32 hexadecimal digits; empty if there were none.
    names
        The kinds (`events.kind_of`) of parts that have names, and those.
    exact
        False if the stored piece is not that of the file, because the vocabulary could not encode it.
    """

    verdict: Verdict
    source: str = ""
    names: dict[int, str] = field(default_factory=dict)
    exact: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; what is empty is left out."""
        data = {name: value for name, value in self.verdict.to_dict().items() if value}
        data |= {"source": self.source} if self.source else {}
        data |= {"names": self.names} if self.names else {}
        return data if self.exact else data | {"exact": False}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FileRecord:
        """The inverse of `to_dict`."""
        data = dict(data)
        names = {int(k): str(v) for k, v in data.pop("names", {}).items()}
        source, exact = str(data.pop("source", "")), bool(data.pop("exact", True))
        int(source or "0", 16)
        return cls(Verdict(**data | {"repairs": tuple(data.get("repairs", ()))}), source, names, exact)


def hashed(data: bytes | MidiError) -> str:
    """Hash of the bytes of a file, 32 hexadecimal digits; empty if there were none."""
    return "" if isinstance(data, MidiError) else hashlib.sha256(data).hexdigest()[:32]


def reason_of(error: Exception) -> str:
    """The message of an error as one line of plain text."""
    return for_terminal(" ".join(str(error).split()))


def is_of(record: FileRecord, data: bytes | MidiError) -> bool:
    """Whether a record is of these bytes, or holds the reason why there are none."""
    if isinstance(data, MidiError):
        return not record.source and record.verdict.reason == reason_of(data)
    return record.source == hashed(data)


def line_of(data: dict[str, Any]) -> bytes:
    """What `FileRecord.to_dict` gives as one line of JSON."""
    return _to_json(data).encode()


@dataclass(frozen=True)
class Shard:
    """One chunk.

    Parameters
    ----------
    key
        What the verdicts depended on besides the files; a shard of another key is worthless.
    part_names
        Names of parts, each once.
    text, ends
        A `FileRecord` for each file as a line of JSON, in the order of the chunk; and where each ends, (files,).
    status, cause, notes, sources
        Of each file, (files,): numbers into `STATUSES` and `CAUSES`, its notes, and the first 64 bits of the hash of its
        bytes (0 if there were none).
    events
        One piece for each file that was not rejected, in their order.
    contents, songs
        Of each piece: the hash of its content, (pieces, 16); a hash of its name (`versions.song`), (pieces,).
    part_piece, part_kind, part_name, part_monophonic, part_notes, part_rests
        The parts of the pieces, (parts,): number of the piece among `events`, kind, number into `part_names`, whether it
        never sounds two notes at once, its number of notes, and how many of these a rest follows or the end of the part.
    line_piece, sketches
        The lines of the pieces (`fingerprint`).
    untimed_piece, untimed
        Their lines without time, of performances (`untimed`).
    """

    key: str
    part_names: tuple[str, ...]
    text: bytes
    ends: Ints
    status: NDArray[np.uint8]
    cause: NDArray[np.uint8]
    notes: Ints
    sources: NDArray[np.uint64]
    events: Events
    contents: NDArray[np.uint8]
    songs: NDArray[np.uint64]
    part_piece: Ints
    part_kind: Ints
    part_name: Ints
    part_monophonic: NDArray[np.bool_]
    part_notes: Ints
    part_rests: Ints
    line_piece: Ints
    sketches: Sketches
    untimed_piece: Ints
    untimed: Sketches

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def lines(self) -> list[bytes]:
        """The file_record of each file as a line of JSON."""
        ends = self.ends.tolist()
        return [self.text[start:end] for start, end in zip([0, *ends], ends)]

    @property
    def file_records(self) -> tuple[FileRecord, ...]:
        """Of each file."""
        return tuple(FileRecord.from_dict(json.loads(line)) for line in self.lines)

    @property
    def kept(self) -> Ints:
        """Which files were not rejected, those of `events`."""
        return np.flatnonzero(self.status != REJECTED)

    def to_bytes(self) -> bytes:
        """All of it, in pieces of whole 8 bytes: a checksum, the length of a header in JSON, the header, the arrays."""
        arrays = {name: getattr(self, name) for name in _ARRAYS} | {"starts": self.events.starts}
        arrays |= dict(zip(COLUMNS, self.events.columns)) | {"text": np.frombuffer(self.text, np.uint8)}
        described = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
        header = line_of({"key": self.key, "part_names": self.part_names, "arrays": described})
        header += b" " * (-len(header) % 8)
        parts: list[Any] = [len(header).to_bytes(8, "little"), header]
        for array in arrays.values():
            parts += [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, bytes(-array.nbytes % 8)]
        return b"".join([_checksum(parts), *parts])

    @classmethod
    def from_bytes(cls, data: bytes) -> Shard:
        """The inverse of `to_bytes`.

        Raises
        ------
        CorpusError
            If the bytes are no shard.
        """
        try:
            if data[:8] != _checksum([memoryview(data)[8:]]):
                raise ValueError("its checksum is wrong")
            at = 16 + int.from_bytes(data[8:16], "little")
            header = json.loads(data[16:at])
            arrays: dict[str, NDArray[Any]] = {}
            for name, kind, shape in header["arrays"]:
                arrays[name] = np.frombuffer(data, kind, math.prod(shape), at).reshape(shape)
                at += -(-arrays[name].nbytes // 8) * 8
            events = Events(arrays["starts"], *(arrays[name] for name in COLUMNS))
            held = {name: arrays[name] for name in _ARRAYS}
            return cls(header["key"], tuple(header["part_names"]), arrays["text"].tobytes(), events=events, **held)
        except Exception as error:  # damaged bytes make all sorts of errors
            raise CorpusError(f"a file of half-done work is damaged ({error}); it will be made again") from error


def _checksum(parts: Iterable[Any]) -> bytes:
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return value.to_bytes(8, "little")


_ARRAYS = tuple(f.name for f in fields(Shard) if f.name not in ("key", "part_names", "text", "events"))
