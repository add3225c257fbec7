"""What was found out about one chunk of files, in memory and as bytes: arrays and JSON, nothing that runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.corpus.events import COLUMNS, Events
from melody.corpus.fingerprint import Sketches
from melody.corpus.verdict import Verdict
from melody.errors import CorpusError
from melody.piece import Ints


@dataclass(frozen=True)
class Judgement:
    """What one file alone allows to say: nothing of copies, groups and splits.

    Parameters
    ----------
    verdict
        As far as it is known.
    source
        Hash of the bytes of the file, 32 hexadecimal digits; empty if there were none.
    names
        The kinds (`events.kind_of`) of parts that have names, and those.
    exact
        False if what is stored of the piece is not what the file says, as the vocabulary could not say it.
    """

    verdict: Verdict
    source: str = ""
    names: dict[int, str] = field(default_factory=dict)
    exact: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; what is empty is left out."""
        data = {name: value for name, value in self.verdict.to_dict().items() if value}
        data |= {"source": self.source} if self.source else {}
        data |= {"names": {str(k): v for k, v in self.names.items()}} if self.names else {}
        return data if self.exact else data | {"exact": False}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Judgement:
        """The inverse of `to_dict`."""
        data = dict(data)
        names = {int(k): str(v) for k, v in data.pop("names", {}).items()}
        source, exact = str(data.pop("source", "")), bool(data.pop("exact", True))
        return cls(Verdict(**data | {"repairs": tuple(data.get("repairs", ()))}), source, names, exact)


@dataclass(frozen=True)
class Shard:
    """One chunk.

    Parameters
    ----------
    key
        What the judgement depended on besides the files; a shard of another key is worthless.
    judgements
        One for each file, in the order of the chunk.
    events
        One piece for each file that was not rejected, in their order.
    part_piece, part_kind, part_monophonic, part_notes, part_rests
        The parts of the pieces: number of the piece among `events`, kind, whether it never sounds two notes at once, how
        many notes it has, and after how many of these it rests.
    line_piece, sketches
        The lines of the pieces (`fingerprint`).
    """

    key: str
    judgements: tuple[Judgement, ...]
    events: Events
    part_piece: Ints
    part_kind: Ints
    part_monophonic: NDArray[np.bool_]
    part_notes: Ints
    part_rests: Ints
    line_piece: Ints
    sketches: Sketches

    @property
    def kept(self) -> list[Judgement]:
        """The judgements of the files that were not rejected, in the order of `events`."""
        return [j for j in self.judgements if j.verdict.status != "rejected"]

    def to_bytes(self) -> bytes:
        """All of it."""
        text = json.dumps([self.key, [j.to_dict() for j in self.judgements]], separators=(",", ":")).encode()
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays |= {name: column for name, column in zip(COLUMNS, self.events.columns)}
        buffer = BytesIO()
        np.savez(buffer, starts=self.events.starts, text=np.frombuffer(text, np.uint8), **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Shard:
        """The inverse of `to_bytes`.

        Raises
        ------
        CorpusError
            If the bytes are no shard.
        """
        try:
            with np.load(BytesIO(data), allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            key, judgements = json.loads(arrays["text"].tobytes())
            events = Events(arrays["starts"], *(arrays[name] for name in COLUMNS))
            return cls(
                key,
                tuple(Judgement.from_dict(j) for j in judgements),
                events,
                **{n: arrays[n] for n in _ARRAYS},
            )
        except Exception as error:  # NumPy's readers raise many things for damaged bytes
            raise CorpusError(f"a file of half-done work is damaged ({error}); it will be made again") from error


_ARRAYS = ("part_piece", "part_kind", "part_monophonic", "part_notes", "part_rests", "line_piece", "sketches")
