"""SoundFont 2 files: which sample sounds for a key and a velocity, and how.

A preset (an instrument as the player knows it) is addressed by bank and program: bank 0 holds the General MIDI programs,
bank 128 the drum kits. It is made of zones, each of which names an instrument, which again is made of zones, each of which
names a sample; both kinds carry *generators*, numbers that set how the sample is played. `SoundFont.regions` flattens the
two levels. Positions are sample frames, attenuations centibels, times timecents (1200 log2 seconds), pitches cents.

Source: SoundFont Technical Specification 2.04 (Creative Technology, 2006); section numbers below are its. Modulators are not
read: what those that every font has do with velocity, volume, expression, pan and bend is in `melody.render.synthesis` and
`melody.render.controls`, and the others are left out.

A file is taken for hostile: sizes and indices are checked before they are used, and samples are read one by one when needed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from errno import EINVAL
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import RenderError
from melody.extras import need
from melody.render.generators import BOTH_LEVELS, INSTRUMENT_ONLY, Gen

DRUM_BANK = 128
MAX_RECORDS = 2**16  # an index has 16 bits
MAX_CHUNKS = 256
MAX_REGIONS = 2**15  # of all instruments in use; the largest sampled pianos have about 3,000
MAX_SAMPLE_FRAMES = 2**24  # six minutes at 44.1 kHz, 64 MB once decoded

_HEADER = np.dtype([("id", "S4"), ("size", "<u4")])
_RECORDS = {
    b"phdr": np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "V12")]),
    b"pbag": np.dtype([("generator", "<u2"), ("modulator", "<u2")]),
    b"pgen": np.dtype([("kind", "<u2"), ("amount", "<u2")]),
    b"inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    b"ibag": np.dtype([("generator", "<u2"), ("modulator", "<u2")]),
    b"igen": np.dtype([("kind", "<u2"), ("amount", "<u2")]),
    b"shdr": np.dtype(
        [
            *(
                ("name", "S20"),
                ("start", "<u4"),
                ("end", "<u4"),
                ("loop_start", "<u4"),
                ("loop_end", "<u4"),
                ("rate", "<u4"),
            ),
            *(("root", "u1"), ("correction", "i1"), ("link", "<u2"), ("type", "<u2")),
        ]
    ),
}


_Zone = dict[int, int]  # generator -> its 16 bits


class Sample(NamedTuple):
    """A stretch of the sample pool: frames [start, end), of which [loop_start, loop_end) may repeat."""

    name: str
    start: int
    end: int
    loop_start: int
    loop_end: int
    loop: Literal["none", "always", "held"]  # "held": until the note ends
    rate: int  # frames per second
    root: int  # the key at which it sounds as recorded
    correction: int  # cents


@dataclass(frozen=True, eq=False)
class Region:
    """A sample, the keys and velocities (both ends included) for which it sounds, and its generators."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    values: dict[Gen, int]
    sample: Sample

    def __getitem__(self, generator: Gen) -> int:
        return self.values[generator]


def default_soundfont() -> Path:
    """The General MIDI soundfont that comes with pretty_midi (TimGM6mb, GPL-2; used where it lies, never copied).

    Raises
    ------
    RenderError
        If pretty_midi is not installed, or without it.
    """
    need("sound without a General MIDI .sf2 file of your own", "pretty_midi", error=RenderError)
    spec = find_spec("pretty_midi")  # finds it without importing it
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "TimGM6mb.sf2"
        if path.is_file():
            return path
    raise RenderError(
        "the soundfont that comes with pretty_midi is missing; reinstall pretty_midi, or name a General MIDI .sf2 file"
    )


class SoundFont:
    """An opened SF2 file.

    Parameters
    ----------
    path
        The file. Only its tables (at most 3 MB each) are read now.

    Raises
    ------
    RenderError
        If it cannot be read, is no SF2 file, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            if self.path.exists() and not self.path.is_file():  # a pipe would keep us waiting
                raise OSError(EINVAL, "it is a folder, a pipe or a device")
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                chunks = self._chunks(file, size)
                self._pool_at, self._pool_frames = chunks[b"smpl"][0], chunks[b"smpl"][1] // 2
                self._tables = {name: self._table(file, name, *chunks[name]) for name in _RECORDS}
        except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
            reason = getattr(error, "strerror", None) or error
            raise RenderError(f"cannot read the soundfont {path}: {reason}; name an .sf2 file") from error
        for table, column, target in (
            (b"phdr", "bag", b"pbag"),
            (b"pbag", "generator", b"pgen"),
            (b"inst", "bag", b"ibag"),
            (b"ibag", "generator", b"igen"),
        ):
            self._check_indices(table, column, target)
        self._zones: dict[int, list[_Zone]] = {}
        self._regions: dict[tuple[int, int], tuple[Region, ...]] = {}
        rows = self._tables[b"phdr"][:-1]
        self._rows = {(int(r["bank"]), int(r["program"])): i for i, r in reversed(list(enumerate(rows)))}

    @property
    def presets(self) -> dict[tuple[int, int], str]:
        """Name of the preset at each (bank, program), in order."""
        names = self._tables[b"phdr"]["name"]
        return {address: _name(names[i]) for address, i in sorted(self._rows.items())}

    def regions(self, bank: int, program: int) -> tuple[Region, ...]:
        """All regions of a preset.

        Raises
        ------
        RenderError
            If there is no such preset, or it refers to what the file does not hold.
        """
        address = (bank, program)
        if address not in self._rows:
            raise RenderError(f"{self.path.name} has no {self._describe(address)}; name a General MIDI soundfont")
        if address not in self._regions:
            self._regions[address] = self._resolve(self._rows[address])
        return self._regions[address]

    def frames(self, start: int, end: int) -> NDArray[np.float32]:
        """Frames [start, end) of the sample pool, from -1 to 1."""
        with self.path.open("rb") as file:
            file.seek(self._pool_at + 2 * start)
            frames = np.fromfile(file, "<i2", end - start)
        if len(frames) != end - start:
            raise self._broken("the file has become shorter")
        return frames.astype(np.float32) / np.float32(32768)

    def _describe(self, address: tuple[int, int]) -> str:
        bank, program = address
        drums = any(b == DRUM_BANK for b, _ in self._rows)
        if bank == DRUM_BANK:
            return f"drum kit {program}" if drums else "drums (bank 128)"
        have = [str(p) for b, p in sorted(self._rows) if b == bank]
        return f"program {program} in bank {bank} (it has {', '.join(have[:16]) or 'none'}{', ...' if have[16:] else ''})"

    def _broken(self, what: str) -> RenderError:
        return RenderError(f"{self.path.name} is no whole SF2 soundfont: {what}; fetch it again or name another")

    def _chunks(self, file: BinaryIO, size: int) -> dict[bytes, tuple[int, int]]:
        """Position and size of the contents of each chunk in the three lists of the file (section 4)."""
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"sfbk":
            raise self._broken(f"it begins with {head!r}, not with RIFF....sfbk")
        found: dict[bytes, tuple[int, int]] = {}
        at = 12
        for _ in range(MAX_CHUNKS):
            file.seek(at)
            head = file.read(8)
            if len(head) < 8:
                break
            name, length = np.frombuffer(head, _HEADER)[0].tolist()
            if name == b"LIST":
                at += 12  # its chunks come next
                continue
            at += 8
            if at + length > size:
                raise self._broken(f"its chunk {name!r} claims {length:,} bytes where {max(size - at, 0):,} are left")
            found.setdefault(name, (at, length))
            at += length + length % 2
        missing = [name.decode() for name in (b"smpl", *_RECORDS) if name not in found]
        if missing:
            raise self._broken(f"it lacks {', '.join(missing)}")
        return found

    def _table(self, file: BinaryIO, name: bytes, at: int, size: int) -> NDArray[np.void]:
        record = _RECORDS[name]
        count, rest = divmod(size, record.itemsize)
        if rest or not 1 <= count <= MAX_RECORDS:
            raise self._broken(f"its table {name.decode()} has {size:,} bytes, no 1 to {MAX_RECORDS:,} records")
        file.seek(at)
        return np.frombuffer(file.read(size), record)

    def _check_indices(self, table: bytes, column: str, target: bytes) -> None:
        indices = self._tables[table][column].astype(np.int64)
        if np.any(np.diff(indices) < 0) or indices[-1] >= len(self._tables[target]) + (column == "generator"):
            raise self._broken(f"table {table.decode()} points outside table {target.decode()}")

    def _read_zones(self, level: Literal["p", "i"], first: int, last: int) -> list[_Zone]:
        """The zones of bags [first, last), each with the global zone's generators beneath its own (section 7)."""
        bags, generators = self._tables[level.encode() + b"bag"], self._tables[level.encode() + b"gen"]
        target = Gen.INSTRUMENT if level == "p" else Gen.SAMPLE
        bounds = bags["generator"][first : last + 1].tolist()
        zones: list[_Zone] = [dict(generators[a:b].tolist()) for a, b in pairwise(bounds)]
        common = zones[0] if zones and target not in zones[0] else {}
        return [common | zone for zone in zones if target in zone]

    def _instrument_zones(self, instrument: int) -> list[_Zone]:
        if instrument not in self._zones:
            table = self._tables[b"inst"]
            if instrument >= len(table) - 1:
                raise self._broken(f"a preset asks for instrument {instrument} of {len(table) - 1}")
            first, last = table["bag"][instrument : instrument + 2].tolist()
            self._zones[instrument] = self._read_zones("i", first, last)
        return self._zones[instrument]

    def _resolve(self, row: int) -> tuple[Region, ...]:
        first, last = self._tables[b"phdr"]["bag"][row : row + 2].tolist()
        regions: list[Region] = []
        for outer in self._read_zones("p", first, last):
            inners = self._instrument_zones(outer[Gen.INSTRUMENT])
            if len(regions) + len(inners) + sum(map(len, self._regions.values())) > MAX_REGIONS:
                raise self._broken(f"the instruments have more than {MAX_REGIONS:,} regions")
            regions += [self._region(outer, inner) for inner in inners]
        return tuple(regions)

    def _region(self, outer: _Zone, inner: _Zone) -> Region:
        """Instrument generators replace the defaults, preset generators are added, ranges intersect (section 9.4)."""
        values: dict[Gen, int] = {}
        for kind, (default, least, most) in BOTH_LEVELS.items():
            value = _signed(inner.get(kind, default)) + _signed(outer.get(kind, 0))
            values[kind] = min(max(value, least), most)
        for kind, (default, least, most) in INSTRUMENT_ONLY.items():
            values[kind] = min(max(_signed(inner.get(kind, default)), least), most)
        return Region(
            _meet(inner.get(Gen.KEY_RANGE), outer.get(Gen.KEY_RANGE)),
            _meet(inner.get(Gen.VELOCITY_RANGE), outer.get(Gen.VELOCITY_RANGE)),
            values,
            self._sample(inner),
        )

    def _sample(self, zone: _Zone) -> Sample:
        """The sample of a zone, its ends and loop moved by the offsets of the zone; a loop outside the sample is no loop."""
        table = self._tables[b"shdr"]
        if zone[Gen.SAMPLE] >= len(table) - 1:
            raise self._broken(f"an instrument asks for sample {zone[Gen.SAMPLE]} of {len(table) - 1}")
        row = table[zone[Gen.SAMPLE]]
        name = _name(row["name"])
        if row["type"] & 0x8010:  # read-only memory of a sound card, or Ogg Vorbis (SF3)
            raise self._broken(f"sample {name!r} is compressed or not in the file; only plain SF2 can be played")

        def moved(field: str, fine: Gen, coarse: Gen) -> int:
            return int(row[field]) + _signed(zone.get(fine, 0)) + 32768 * _signed(zone.get(coarse, 0))

        start, end = moved("start", Gen.START, Gen.START_COARSE), moved("end", Gen.END, Gen.END_COARSE)
        loop_start = moved("loop_start", Gen.LOOP_START, Gen.LOOP_START_COARSE)
        loop_end = moved("loop_end", Gen.LOOP_END, Gen.LOOP_END_COARSE)
        if not (
            0 <= start < end <= self._pool_frames and end - start <= MAX_SAMPLE_FRAMES and 400 <= row["rate"] <= 192_000
        ):
            raise self._broken(
                f"sample {name!r} is frames {start:,} to {end:,} of {self._pool_frames:,} at {row['rate']:,} a second"
            )
        loop: Literal["none", "always", "held"] = "none"
        if start <= loop_start < loop_end <= end:
            modes: dict[int, Literal["always", "held"]] = {1: "always", 3: "held"}
            loop = modes.get(zone.get(Gen.SAMPLE_MODES, 0) & 3, "none")
        root = int(row["root"]) if row["root"] <= 127 else 60  # 255: a sound without pitch (section 7.10)
        return Sample(name, start, end, loop_start, loop_end, loop, int(row["rate"]), root, int(row["correction"]))


def _name(raw: bytes) -> str:
    """Up to its first zero byte, without what no screen should get."""
    return "".join(c for c in raw.partition(b"\0")[0].decode("latin-1") if c.isprintable())


def _signed(amount: int) -> int:
    return amount - 65536 if amount >= 32768 else amount


def _meet(inner: int | None, outer: int | None) -> tuple[int, int]:
    ranges = [(amount & 255, amount >> 8) for amount in (inner, outer) if amount is not None]
    return max((low for low, _ in ranges), default=0), min((high for _, high in ranges), default=127)
