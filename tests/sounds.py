"""What the tests of sound share: a soundfont of sines, so that theory says what must come out, and measurements."""

from __future__ import annotations

import struct
from itertools import accumulate
from pathlib import Path

import numpy as np

from melody.piece import Part, Piece
from melody.render import RenderSettings, render
from melody.render.generators import Gen

RATE = 44_100

Zone = dict[int, int]
Preset = tuple[int, int, list[Zone]]  # bank, program
PERIOD, SINE_RATE, SINE_ROOT = 100, 44_000, 69  # a period of 100 frames at 44,000 a second is 440 Hz, A4
SINE = (0.5 * 32767 * np.sin(2 * np.pi * np.arange(1000) / PERIOD)).astype("<i2").tobytes()
LOUD_END = SINE + bytes(2000) + SINE  # after the loop: silence, then a sine again
LOOPED = {Gen.SAMPLE_MODES: 1, Gen.SAMPLE: 0}


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _zones(prefix: bytes, owners: list[list[Zone]]) -> tuple[list[int], bytes]:
    """First bag of each owner, and the chunks of bags and generators, each with its terminal record."""
    zones = [zone for owner in owners for zone in owner]
    first_bags = [0, *accumulate(map(len, owners))]
    first_generators = [0, *accumulate(map(len, zones))]
    bags = b"".join(struct.pack("<HH", g, 0) for g in first_generators)
    generators = b"".join(struct.pack("<HH", kind, amount & 0xFFFF) for zone in zones for kind, amount in zone.items())
    return first_bags, _chunk(prefix + b"bag", bags) + _chunk(prefix + b"gen", generators + bytes(4))


def soundfont(
    instruments: list[list[Zone]],
    presets: list[tuple[int, int, list[Zone]]] | None = None,
    pool: bytes = SINE,
    **header: int,
) -> bytes:
    """An SF2 file of one sample; without `presets`, instrument i is program i."""
    presets = [(0, i, [{Gen.INSTRUMENT: i}]) for i in range(len(instruments))] if presets is None else presets
    preset_bags, preset_chunks = _zones(b"p", [zones for _, _, zones in presets])
    bags, instrument_chunks = _zones(b"i", instruments)
    rows = [*((bank, program) for bank, program, _ in presets), (0, 0)]
    phdr = b"".join(struct.pack("<20sHHHIII", b"preset", p, b, bag, 0, 0, 0) for (b, p), bag in zip(rows, preset_bags))
    inst = b"".join(struct.pack("<20sH", b"instrument", bag) for bag in bags)
    sample = {"start": 0, "end": len(pool) // 2, "loop_start": 200, "loop_end": 900, "rate": SINE_RATE, "type": 1} | header
    fields = [sample[name] for name in ("start", "end", "loop_start", "loop_end", "rate")]
    shdr = struct.pack("<20sIIIIIBbHH", b"sine", *fields, SINE_ROOT, 0, 0, sample["type"]) + bytes(46)
    tables = _chunk(b"phdr", phdr) + preset_chunks + _chunk(b"inst", inst) + instrument_chunks + _chunk(b"shdr", shdr)
    lists = (b"INFO" + _chunk(b"ifil", b"\2\0\1\0"), b"sdta" + _chunk(b"smpl", pool), b"pdta" + tables)
    return _chunk(b"RIFF", b"sfbk" + b"".join(_chunk(b"LIST", data) for data in lists))


def rendered(path: Path, piece: Piece, data: bytes, sample_rate: int = RATE) -> np.ndarray:
    """A piece rendered with a soundfont given by its bytes, which are written to `path`."""
    path.write_bytes(data)
    return render(piece, RenderSettings(soundfont=path, sample_rate=sample_rate))


def frequency(sound: np.ndarray) -> float:
    """Frequency of the strongest partial of a mono sound at RATE, in Hz, to a fraction of a cent for a steady sine."""
    size = 2**19
    spectrum = np.log(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size)) + 1e-12)
    peak = int(spectrum.argmax())
    left, top, right = spectrum[peak - 1 : peak + 2]
    return (peak + (left - right) / (2 * (left - 2 * top + right))) * RATE / size


def pitch(sound: np.ndarray) -> float:
    """MIDI pitch of a mono sound at RATE, by the first strong peak of its autocorrelation."""
    size = len(sound)
    power = np.abs(np.fft.rfft(sound - sound.mean(), 2 * size)) ** 2
    correlation = np.fft.irfft(power)[: RATE // 25] / (size - np.arange(RATE // 25))
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:])) + 1
    peaks = peaks[peaks > RATE // 4000]
    first = peaks[correlation[peaks] > 0.9 * correlation[peaks].max()][0]
    left, top, right = correlation[first - 1 : first + 2]
    return 69 + 12 * np.log2(RATE / (first + (left - right) / (2 * (left - 2 * top + right))) / 440)


def level(sound: np.ndarray, start: float, stop: float, rate: int = RATE) -> float:
    """RMS level from `start` to `stop` seconds, in dB."""
    return 10 * np.log10(np.mean(np.square(sound[round(start * rate) : round(stop * rate)], dtype=np.float64)) + 1e-20)


def one_note(program: int = 0, key: int = 69, velocity: int = 100, quarters: float = 2.0, **part: bool) -> Piece:
    """A note from the start, at 120 quarters a minute."""
    return Piece([0], [round(24 * quarters)], [key], [velocity], parts=(Part(program, **part),))
