"""The index of a model's training pieces: one small file beside the model, so that a check needs no MIDI.

`NAME.index` is a safetensors file (no pickle: reading runs no code). It holds the pitch and the spacing of each note of each
line (`melody.originality.lines`), a byte each, and what held-out tunes of the same corpus share with it. Symbols and their
order are made of them when it is loaded. Nothing in it is trusted: sizes, types and every number are checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import files
from melody.corpus.manifest import pieces_of
from melody.errors import ModelFileError
from melody.modelfile import SUFFIX, ModelFile
from melody.originality.lines import END, Line, Symbols, intervals_alone, lines_of, symbols_by_table
from melody.originality.runs import Sorted
from melody.piece import Ints, Piece

FORMAT = "melody-index 1"
INDEX_SUFFIX = ".index"
SPACINGS = 256  # different ones; those beyond are the nearest
_MAX_BYTES = 500_000_000
_MAX_NAME = 4_096
_TABLE: dict[str, tuple[str, int]] = {"pitch": ("U8", 1), "spacing": ("U8", 1), "spacings": ("I64", 8)}
_TABLE |= {"line_starts": ("I64", 8), "line_piece": ("U32", 4)}


@dataclass(frozen=True)
class Norm:
    """What held-out tunes of the corpus share with its training pieces.

    Parameters
    ----------
    tunes, longest
        How many were measured, and the notes of the longest.
    run, share, interval_run
        Of the longest run with rhythm and by intervals alone (notes), and of the share of the tune that one piece has: the
        median, and what at most one half of the stated rate of tunes exceeds.
    covered
        The median of the share of the tune that stands in runs longer than `unrelated`.
    unrelated
        Notes: the longest run of one held-out tune and one training piece that have nothing to do with each other is
        shorter or as long in 99 % of pairs.
    rate
        The share of held-out tunes that exceed `run` or `share`, at most.
    """

    tunes: int
    longest: int
    run: tuple[float, float]
    share: tuple[float, float]
    interval_run: tuple[float, float]
    covered: float
    unrelated: int
    rate: float


@dataclass(frozen=True)
class Index:
    """The lines of a corpus.

    Parameters
    ----------
    pitch, spacing
        Of each note, line by line, (notes,); `spacing` is a row of `spacings`.
    spacings
        In ticks, (different spacings,).
    line_starts
        Where each line begins, and the end, (lines + 1,).
    line_piece
        The piece of each line, (lines,).
    names
        Of the pieces.
    ticks_per_quarter
        The grid.
    corpus
        What names the corpus (`fingerprint`).
    whole
        How many training pieces the corpus has: more than `names` where it is too large for all of them.
    norm
        None if there are too few held-out tunes to tell.
    """

    pitch: NDArray[np.uint8]
    spacing: NDArray[np.uint8]
    spacings: Ints
    line_starts: Ints
    line_piece: NDArray[np.uint32]
    names: tuple[str, ...]
    ticks_per_quarter: int
    corpus: str
    whole: int
    norm: Norm | None = None

    @classmethod
    def of(cls, pieces: Iterable[Piece], names: Sequence[str], corpus: str = "", whole: int = 0) -> Index:
        """The index of training pieces, which have one grid, without a norm (see `melody.originality.norm`)."""
        lines: list[Line] = []
        numbers: list[int] = []
        grid = 24
        for number, piece in enumerate(pieces):
            found = list(lines_of(piece))
            lines += found
            numbers += [number] * len(found)
            grid = piece.ticks_per_quarter
        none = np.zeros(0, np.int64)
        ticks = np.concatenate([none, *(line.spacing for line in lines)])
        values, counts = np.unique(ticks, return_counts=True)
        kept = np.sort(values[np.argsort(-counts, kind="stable")[:SPACINGS]]) if len(values) else np.ones(1, np.int64)
        return cls(
            np.concatenate([none, *(line.pitch for line in lines)]).astype(np.uint8),
            _nearest(kept, ticks).astype(np.uint8),
            kept,
            np.cumsum([0, *(len(line.pitch) for line in lines)]),
            np.array(numbers, np.uint32),
            tuple(names),
            grid,
            corpus,
            whole or len(names),
        )

    def with_norm(self, norm: Norm | None) -> Index:
        """The same with what is usual."""
        return replace(self, norm=norm)

    @property
    def num_notes(self) -> int:
        """Notes of all lines."""
        return len(self.pitch)

    @cached_property
    def rhythmic(self) -> Sorted:
        """The symbols of all lines; that of note n stands at n, and `END` at the last note of each line."""
        if not self.num_notes:
            return Sorted(np.zeros(0, np.uint16))
        symbols = np.append(symbols_by_table(self.pitch, self.spacing, self.spacings), END)
        symbols[self.line_starts[1:] - 1] = END
        return Sorted(symbols)

    @cached_property
    def by_interval(self) -> Sorted:
        """The same without rhythm."""
        return Sorted(intervals_alone(self.rhythmic.symbols))

    def piece_at(self, notes: Ints) -> Ints:
        """The pieces that notes of the index belong to."""
        return self.line_piece[np.searchsorted(self.line_starts, notes, "right") - 1].astype(np.int64)

    def lines_of_piece(self, piece: int) -> list[tuple[int, int]]:
        """First note and end of each line of a piece."""
        return [(int(self.line_starts[n]), int(self.line_starts[n + 1])) for n in np.flatnonzero(self.line_piece == piece)]

    def symbols_of_piece(self, piece: int) -> list[Symbols]:
        """The symbols of each line of a piece."""
        return [self.rhythmic.symbols[first : end - 1] for first, end in self.lines_of_piece(piece)]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        melody.files.FileError
            If the system refuses.
        """
        from safetensors.numpy import save

        facts = {"ticks_per_quarter": self.ticks_per_quarter, "corpus": self.corpus, "whole": self.whole}
        facts |= {"norm": asdict(self.norm) if self.norm else None, "names": self.names}
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _TABLE}
        files.write_bytes(path, save(arrays, metadata={"format": FORMAT, "facts": json.dumps(facts, separators=(",", ":"))}))


def _nearest(values: Ints, of: Ints) -> Ints:
    """The numbers of the values, sorted, that others are nearest to."""
    above = np.clip(np.searchsorted(values, of), 0, len(values) - 1)
    below = np.maximum(above - 1, 0)
    return np.where(np.abs(values[below] - of) < np.abs(values[above] - of), below, above)


def beside(model: str | PathLike[str]) -> Path:
    """Where the index of a model file stands: NAME.index beside NAME.safetensors."""
    path = Path(model)
    return path.with_name(path.name.removesuffix(SUFFIX) + INDEX_SUFFIX)


def fingerprint(manifest: Mapping[str, Any]) -> str:
    """What names the training pieces of a manifest: the same whatever was trained on them, and how."""
    contents = sorted(piece.content for piece in pieces_of(manifest) if piece.split == "train")
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()[:16]


def index_of(file: ModelFile, path: str | PathLike[str]) -> Index:
    """The index beside a model file.

    Parameters
    ----------
    file
        The model.
    path
        Where its file stands.

    Raises
    ------
    ModelFileError
        If there is none, it is damaged, or of another corpus.
    """
    index = load_index(beside(path))
    if index.corpus != fingerprint(file.manifest):
        raise ModelFileError(
            f"{beside(path)} is of other training pieces than {file.name}; make it again: "
            f"python scripts/add_index.py {path} FOLDER"
        )
    return index


def load_index(path: str | PathLike[str]) -> Index:
    """Read and check an index.

    Raises
    ------
    ModelFileError
        If it is missing, no index of this version, damaged or too large.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        model = path.with_suffix(SUFFIX)
        raise ModelFileError(
            f"the model has no index of its training pieces ({path} is not there); melody train writes one, and for a "
            f"model that is there: python scripts/add_index.py {model} FOLDER"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise ModelFileError(f"{path}: has over {_MAX_BYTES:,} bytes; no index here is so large")
    try:
        with safe_open(path, framework="numpy") as opened:
            facts = _facts(dict(opened.metadata() or {}))
            _check_table(opened)
            arrays = {name: opened.get_tensor(name) for name in _TABLE}
        _check_numbers(arrays, len(facts["names"]))
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ModelFileError(f"{path}: is no index, or is damaged ({str(error)[:80]}); make it again") from error
    return Index(**arrays, **facts)


def _facts(texts: Mapping[str, str]) -> dict[str, Any]:
    if texts.get("format") != FORMAT:
        raise ValueError(f"its format is {str(texts.get('format'))[:40]!r}, this version reads '{FORMAT}'")
    found = json.loads(texts["facts"])
    names = found["names"]
    if not all(isinstance(name, str) and len(name) <= _MAX_NAME for name in names):
        raise ValueError("its names make no sense")
    grid, corpus, whole = found["ticks_per_quarter"], found["corpus"], found["whole"]
    if not (type(grid) is int and 1 <= grid <= 32_767 and type(whole) is int and whole >= 0 and isinstance(corpus, str)):
        raise ValueError("its facts make no sense")
    return {"names": tuple(names), "ticks_per_quarter": grid, "corpus": corpus, "whole": whole, "norm": _norm(found["norm"])}


def _norm(found: Mapping[str, Any] | None) -> Norm | None:
    if found is None:
        return None
    pairs: dict[str, Any] = {name: tuple(map(_number, found[name])) for name in ("run", "share", "interval_run")}
    whole: dict[str, Any] = {name: int(_number(found[name])) for name in ("tunes", "longest", "unrelated")}
    if any(len(pair) != 2 for pair in pairs.values()):
        raise ValueError("its norm makes no sense")
    return Norm(**pairs, **whole, covered=_number(found["covered"]), rate=_number(found["rate"]))


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not isfinite(value) or not 0 <= value <= 1e9:
        raise ValueError("its norm makes no sense")
    return value


def _check_table(opened: Any) -> None:
    if set(opened.keys()) != set(_TABLE):
        raise ValueError(f"it must hold {', '.join(_TABLE)}")
    for name, (kind, _) in _TABLE.items():
        part = opened.get_slice(name)
        if part.get_dtype() != kind or len(part.get_shape()) != 1:
            raise ValueError(f"{name} is {part.get_dtype()} of the shape {part.get_shape()}; it must be {kind} in a row")


def _check_numbers(arrays: Mapping[str, NDArray[Any]], pieces: int) -> None:
    starts, notes, spacings = arrays["line_starts"], len(arrays["pitch"]), arrays["spacings"]
    if len(starts) != len(arrays["line_piece"]) + 1 or starts[0] != 0 or starts[-1] != notes:
        raise ValueError("its lines make no sense")
    if (starts[1:] <= starts[:-1]).any():
        raise ValueError("its lines make no sense")
    if len(arrays["spacing"]) != notes or arrays["pitch"].max(initial=0) > 127:
        raise ValueError("its notes make no sense")
    if not 1 <= len(spacings) <= SPACINGS or arrays["spacing"].max(initial=0) >= len(spacings):
        raise ValueError("its spacings make no sense")
    if spacings.min() < 1 or spacings.max() > 2**40:
        raise ValueError("its spacings make no sense")
    if arrays["line_piece"].max(initial=0) >= max(pieces, 1):
        raise ValueError("its pieces make no sense")
