"""Odd music through everything that takes music: continue, vary, harmonize and streams, with the shipped models.

    python scripts/fuzz_prompts.py --trials 500
    python scripts/fuzz_prompts.py --trials 200 --folder my-songs --seed 7

Each trial follows from the seed and its number: a piece, made here or of the folder, and a command with options. It must end
with exit code 0 and files that can be read, or with exit code 2 and one line that says why; a traceback or more than
`--seconds` is a failure and is printed with its number (`--only NUMBER` runs that trial alone). Exit code 1 if there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from melody import midi
from melody.cli import main as melody
from melody.cli.make import find_model
from melody.errors import MelodyError
from melody.piece import Key, Part, Piece, Tempo, TimeSignature

MODELS = ("fiddle", "chorales")
METRES = ((4, 4), (3, 4), (6, 8), (2, 2), (3, 2), (7, 8), (1, 4), (5, 4), (255, 4), (15, 64))
SUFFIXES = (*midi.SUFFIXES, ".abc", ".krn", ".xml", ".musicxml", ".mxl")


def main() -> None:
    """Parse, try, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="music to take pieces from as well")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a processor that one trial may take")
    parser.add_argument("--only", type=int, help="the number of one trial")
    asked = parser.parse_args()
    found = sorted(p for p in asked.folder.rglob("*") if p.suffix.lower() in SUFFIXES) if asked.folder else []
    numbers = range(asked.trials) if asked.only is None else [asked.only]
    said: Counter[str] = Counter()
    failures = 0
    for number in numbers:
        began = time.process_time()
        failure, words = trial(asked.seed, number, found)
        if not failure and time.process_time() - began > asked.seconds:
            failure = f"it took {time.process_time() - began:.0f} s"
        said[words] += 1
        if failure:
            failures += 1
            print(f"trial {number}: {words}\n{failure}", flush=True)
    for words, count in said.most_common(40):
        print(f"{count:6,} {words}")
    print(f"{len(numbers):,} trials, {failures} failures")
    sys.exit(failures > 0)


def trial(seed: int, number: int, files: list[Path], *, most: int = 40) -> tuple[str, str]:
    """What went wrong, empty if nothing did, and how it ended in a few words; lines have at most so many notes."""
    rng = np.random.default_rng([seed, number])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompt.mid"
        if files and rng.random() < 0.5:
            path = files[rng.integers(len(files))]
        else:
            try:
                midi.write(odd_piece(rng, most), path)
            except MelodyError as error:  # longer than MIDI can write
                return "", f"not written: {error}"[:100]
        out = Path(folder) / "out"
        command = [str(word) for word in odd_command(rng, path, out)]
        return _streamed(rng, path) if command[0] == "stream" else _run(command, out)


def _run(command: list[str], out: Path) -> tuple[str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    words = " ".join(command[:1] + command[3:])
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            code = melody(command)
        for path in out.rglob("*.mid"):
            midi.read(path)
    except Exception:
        return f"melody {words}\n{traceback.format_exc()}", "traceback"
    lines = stderr.getvalue().strip().splitlines()
    if code == 0:
        return ("" if list(out.rglob("*.mid")) else "nothing written"), f"{command[0]}: done"
    one_line = code == 2 and lines and lines[-1].startswith("melody: ") and not list(out.rglob("*.mid"))
    return ("" if one_line else f"melody {words}: exit code {code}, {lines}"), f"{command[0]}: {' '.join(lines)[-90:]}"


def _streamed(rng: np.random.Generator, path: Path) -> tuple[str, str]:
    """The first notes of a stream that goes on from the music, a note being fed."""
    model = find_model(MODELS[rng.integers(len(MODELS))])
    try:
        stream = model.stream(midi.read(path), endless=bool(rng.integers(2)))
        notes = list(islice(stream, 8))
        stream.feed(int(rng.integers(30, 100)), onset=None)
        notes += islice(stream, 8)
        return ("" if len(stream.piece.onset) else "the piece is empty"), "stream: done"
    except MelodyError as error:
        return "", f"stream: {error}"[:100]
    except Exception:
        return traceback.format_exc(), "traceback"


def odd_command(rng: np.random.Generator, path: Path, out: Path) -> list[str | Path]:
    """A command over the music."""
    model, seed = MODELS[rng.integers(len(MODELS))], str(rng.integers(1000))
    what = ["continue", "continue", "vary", "harmonize", "stream"][rng.integers(5)]
    common: list[str | Path] = [what, model, path, "--out", out, "--seed", seed]
    part = ["--part", ["1", "2", "highest", "melodic", "Violin"][rng.integers(5)]] if rng.random() < 0.4 else []
    if what == "continue":
        more = [["--only-new"], ["--prompt-bars", "1-2"], ["--key", "Dm"], ["--chords", "C G"], ["--end-on-tonic"], [], []]
        return [*common, "--bars", str(rng.integers(1, 4)), *more[rng.integers(len(more))], *part]
    few = ["--candidates", str(rng.integers(1, 4))]
    if what == "vary":
        first = int(rng.integers(0, 5))
        return [*common, "--bars", f"{first}-{first + rng.integers(0, 2)}", *few, *part]
    return [*common, *few, *(["--key", "G"] if rng.random() < 0.3 else []), *(["--parallels"] if rng.random() < 0.3 else [])]


def odd_piece(rng: np.random.Generator, most: int) -> Piece:
    """A piece of a kind that people have and programs stumble over."""
    piece = KINDS[rng.integers(len(KINDS))](rng, most)
    if rng.random() < 0.3:
        piece = piece.resolution(int(rng.choice([1, 7, 96, 480])))
    if rng.random() < 0.3 and piece.num_notes:
        low, high = int(piece.pitch.min()), int(piece.pitch.max())
        piece = piece.transpose(int(rng.integers(-low, 128 - high)))
    return piece


def _frame(rng: np.random.Generator) -> Piece:
    """No notes yet: metre, tempo and key."""
    metre = TimeSignature(0, *METRES[min(rng.geometric(0.3) - 1, len(METRES) - 1)])
    keys = (Key(0, int(rng.integers(-7, 8)), "minor" if rng.integers(2) else "major"),) if rng.integers(2) else ()
    parts = (Part(int(rng.integers(128)), False, ["", "Violin", "[b]x", "é\n"][rng.integers(4)]),)
    return Piece(
        [],
        [],
        [],
        time_signatures=(metre,),
        tempi=(Tempo(0, int(rng.integers(150_000, 2_000_000))),),
        keys=keys,
        parts=parts,
    )


def _line(rng: np.random.Generator, most: int, durations: tuple[int, ...] = (6, 12, 12, 24, 36)) -> Piece:
    count = int(rng.integers(1, most + 1))
    duration = rng.choice(durations, count)
    rest = rng.choice([0, 0, 0, 0, 6, 12, 60], count)
    onset = np.cumsum(duration + rest) - duration - rest + int(rng.choice([0, 0, 12, 36, 72, 84]))
    pitch = np.clip(67 + np.cumsum(rng.integers(-4, 5, count)), 30, 100)
    return replace(
        _frame(rng), onset=onset, duration=duration, pitch=pitch, velocity=np.full(count, 80), part=np.zeros(count, int)
    )


def _triplets(rng: np.random.Generator, most: int) -> Piece:
    return _line(rng, most, (4, 8, 16, 5, 7, 32, 40))


def _quick(rng: np.random.Generator, most: int) -> Piece:
    return _line(rng, most, (1, 1, 2))


def _long(rng: np.random.Generator, most: int) -> Piece:
    return _line(rng, 4, (300, 1_000, 100_000))


def _late(rng: np.random.Generator, most: int) -> Piece:
    piece = _line(rng, most)
    return replace(piece, onset=piece.onset + int(rng.choice([96, 192, 9_600, 500_000])))


def _gaps(rng: np.random.Generator, most: int) -> Piece:
    piece = _line(rng, most)
    return replace(piece, onset=piece.onset + np.cumsum(rng.choice([0, 0, 0, 96, 300, 7_777], piece.num_notes)))


def _one(rng: np.random.Generator, most: int) -> Piece:
    return _line(rng, 1, (1, 24, 96, 10_000))


def _nothing(rng: np.random.Generator, most: int) -> Piece:
    return _frame(rng)


def _drums(rng: np.random.Generator, most: int) -> Piece:
    piece = _line(rng, most, (6, 12))
    return replace(piece, pitch=rng.choice([36, 38, 42], piece.num_notes), parts=(Part(0, True),))


def _chords(rng: np.random.Generator, most: int) -> Piece:
    piece = _line(rng, most)
    return _stacked([replace(piece, pitch=piece.pitch + up) for up in (0, 4, 7)], [0, 0, 0])


def _parts(rng: np.random.Generator, most: int) -> Piece:
    """Several parts, perhaps with drums, perhaps more than any model knows."""
    count = int(rng.integers(2, 9))
    pieces = [(_drums if rng.random() < 0.15 else _line)(rng, most) for _ in range(count)]
    return _stacked(pieces, list(range(count)))


def _changes(rng: np.random.Generator, most: int) -> Piece:
    """Metre, tempo and key change on the way."""
    piece = _line(rng, most)
    bar = piece.time_signatures[0].bar_ticks()
    metre = TimeSignature(bar * int(rng.integers(1, 4)), *METRES[rng.integers(4)])
    tempi = (*piece.tempi, Tempo(int(rng.integers(1, 300)), 400_000))
    keys = (*piece.keys, Key(int(rng.integers(1, 300)), 1, "major"))
    return replace(piece, time_signatures=(*piece.time_signatures, metre), tempi=tempi, keys=keys)


def _stacked(pieces: list[Piece], numbers: list[int]) -> Piece:
    """The notes of several pieces, each as a part of that number."""
    names = ("onset", "duration", "pitch", "velocity")
    columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names}
    part = np.concatenate([np.full(piece.num_notes, number) for piece, number in zip(pieces, numbers)])
    players = {number: piece.parts[0] for piece, number in zip(pieces, numbers)}
    return replace(pieces[0], **columns, part=part, parts=tuple(players.values()))  # type: ignore[arg-type]


KINDS = (_line, _triplets, _quick, _long, _late, _gaps, _one, _nothing, _drums, _chords, _parts, _changes)


if __name__ == "__main__":
    main()
