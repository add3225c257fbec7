#!/usr/bin/env python3
"""Damaged SF2 files: each is refused in one line, or sounds, in bounded time.

    python scripts/fuzz_soundfonts.py --files 3000
    python scripts/fuzz_soundfonts.py --files 500 --seed 1

The files are small ones of sines, with envelopes, filters, loops and drums, mutated in their bytes, their tables and their
sizes. Each is played in a piece of all that they have. Each follows from the seed and its number alone.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from itertools import accumulate
from pathlib import Path

import numpy as np
from fuzzing import main

from melody.errors import RenderError
from melody.midi.performance import Kind, Performance
from melody.piece import Part, Piece
from melody.render import RenderSettings, SoundFont, render
from melody.render.generators import BOTH_LEVELS, INSTRUMENT_ONLY, Gen

Zone = dict[int, int]
SINE = (16_000 * np.sin(2 * np.pi * np.arange(600) / 100)).astype("<i2").tobytes()
RATE = 8000
EXTREMES = (0, 1, -1, 100, -12000, 12000, 32767, -32768, 127 << 8, 5 << 8 | 90)
NUMBERS = (0, 1, 2, 46, 127, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1)
OF_SAMPLE = (Gen.INSTRUMENT, Gen.SAMPLE, Gen.START, Gen.END, Gen.START_COARSE, Gen.END_COARSE)  # they mostly end in refusal
PIECE = Piece(
    onset=[0, 12, 24, 24, 30],
    duration=[24, 6, 12, 96, 6],
    pitch=[69, 20, 60, 64, 42],
    velocity=[100, 127, 1, 90, 80],
    part=[0, 1, 0, 0, 2],
    parts=(Part(0), Part(1), Part(0, is_drum=True)),
)
PLAYED = Performance(
    channels=(0, 1, 9),
    tick=np.array([0.0, 3.5, 24.0, 30.0, 60.0, 80.0]),
    channel=np.array([0, 1, 0, 0, 0, 0]),
    kind=np.array([Kind.VOLUME, Kind.BEND, Kind.BEND, Kind.PEDAL, Kind.PAN, Kind.SOUND_OFF]),
    value=np.array([90.0, -1200.0, 150.0, 127.0, 10.0, 0.0]),
)


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    """A chunk; `size` is a lie about how long it is."""
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def zones(prefix: bytes, owners: list[list[Zone]]) -> tuple[list[int], bytes]:
    """First bag of each owner, and the chunks of bags and generators."""
    every = [zone for owner in owners for zone in owner]
    bags = b"".join(struct.pack("<HH", at & 65535, 0) for at in [0, *accumulate(map(len, every))])
    held = b"".join(struct.pack("<HH", kind, amount & 65535) for zone in every for kind, amount in zone.items())
    return [0, *accumulate(map(len, owners))], chunk(prefix + b"bag", bags) + chunk(prefix + b"gen", held + bytes(4))


def random_zone(rng: np.random.Generator) -> Zone:
    """A zone of the sample with a few generators, legal ones or extreme ones."""
    table = BOTH_LEVELS | INSTRUMENT_ONLY | dict.fromkeys((Gen.KEY_RANGE, Gen.VELOCITY_RANGE), (0, 100 << 8, 127 << 8))
    zone: Zone = {}
    kinds = [int(gen) for gen in Gen if gen not in OF_SAMPLE or rng.random() < 0.02]
    for kind in rng.choice(kinds, rng.integers(0, 6)):
        _, least, most = table.get(Gen(kind), (0, -40, 40))  # of those that move the ends of sample and loop
        zone[int(kind)] = int(rng.integers(least, most + 1)) if rng.random() < 0.9 else int(rng.choice(EXTREMES))
    return zone | {Gen.SAMPLE_MODES: int(rng.integers(4)), Gen.SAMPLE: int(rng.random() < 0.03)}


def font(rng: np.random.Generator) -> bytes:
    """A soundfont of two programs and a kit."""
    instruments = [[random_zone(rng) for _ in range(rng.integers(1, 4))] for _ in range(3)]
    presets = [(0, 0, [{Gen.INSTRUMENT: 0}]), (0, 1, [{Gen.INSTRUMENT: 1}]), (128, 0, [{Gen.INSTRUMENT: 2}])]
    bags, preset_chunks = zones(b"p", [owned for _, _, owned in presets])
    rows = zip([*[(p, b) for b, p, _ in presets], (0, 0)], bags)
    phdr = b"".join(struct.pack("<20sHHHIII", b"preset", p, b, bag, 0, 0, 0) for (p, b), bag in rows)
    own_bags, instrument_chunks = zones(b"i", instruments)
    inst = b"".join(struct.pack("<20sH", b"instrument", bag) for bag in own_bags)
    sample = [0, len(SINE) // 2, 100, 500, int(rng.choice([400, 8000, 44_100, 192_000]))]
    if rng.random() < 0.1:
        sample[rng.integers(5)] = int(rng.choice(NUMBERS))
    shdr = struct.pack("<20sIIIIIBbHH", b"sine", *sample, int(rng.integers(256)), int(rng.integers(-128, 128)), 0, 1)
    tables = chunk(b"phdr", phdr) + preset_chunks + chunk(b"inst", inst) + instrument_chunks
    tables += chunk(b"shdr", shdr + bytes(46))
    lists = (b"INFO" + chunk(b"ifil", b"\2\0\1\0"), b"sdta" + chunk(b"smpl", SINE), b"pdta" + tables)
    return chunk(b"RIFF", b"sfbk" + b"".join(chunk(b"LIST", data) for data in lists))


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with a few faults: bytes, numbers, pieces taken out, doubled or cut off."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(12, max(len(out), 13)))
        kind = rng.integers(6)
        if kind == 0 and at < len(out):
            out[at] = int(rng.integers(256))
        elif kind == 1 and at + 4 <= len(out):
            struct.pack_into("<I", out, at, int(rng.choice(NUMBERS)))
        elif kind == 2 and at + 2 <= len(out):
            struct.pack_into("<H", out, at, int(rng.choice(NUMBERS)) & 65535)
        elif kind == 3:
            del out[at : at + int(rng.integers(1, 47))]
        elif kind == 4:
            out[at:at] = out[at : at + int(rng.integers(1, 47))]
        elif rng.random() < 0.3:
            del out[at:]
    return bytes(out)


def case(seed: int, number: int) -> bytes:
    """The bytes of the file of that number."""
    rng = np.random.default_rng((seed, number))
    data = font(rng)
    return damaged(data, rng) if rng.random() < 0.4 else data


def outcome(seed: int, number: int) -> str:
    """What becomes of it: 'refused', 'sound', or 'FAILED: ...'."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "font.sf2"
        path.write_bytes(case(seed, number))
        return judged(path)


def prepare() -> None:
    """Play one that is whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "font.sf2"
        path.write_bytes(font(np.random.default_rng(0)))
        judged(path)


def judged(path: Path) -> str:
    """What becomes of a soundfont."""
    try:
        presets = SoundFont(path).presets
        if not all(name.isprintable() for name in presets.values()):
            return "FAILED: a name that no screen should get"
        sound = render(PIECE, RenderSettings(soundfont=path, sample_rate=RATE), PLAYED)
    except RenderError as error:
        said = str(error)
        return "refused" if said.isprintable() and len(said) < 600 else f"FAILED: says {said[:300]!r}"
    if not np.isfinite(sound).all() or len(sound) > 600 * RATE:
        return f"FAILED: {len(sound) / RATE:,.0f} seconds of sound, or no numbers"
    return "sound"


if __name__ == "__main__":
    sys.exit(main(outcome, "soundfonts", 3000, prepare))
