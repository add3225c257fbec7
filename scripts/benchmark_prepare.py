"""Preparing a folder of MIDI files: milliseconds of CPU a file, side by side with symusic and MidiTok in one run.

    pip install miditok
    python scripts/benchmark_prepare.py FOLDER [--long]

All processes are counted. Ours is the whole way from the folder to tokens on disk: verdicts, repair, copies, versions,
split and store; MidiTok's is `tokenize_dataset` with REMI, which has none of that. Each is run `ROUNDS` times in turns and
the median is printed; the file cache is warm for all. `--long` makes long polyphonic files of the folder first, by joining
eight pieces at a time and layering three of those, and measures these.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from melody import midi
from melody.corpus import SPLITS, Corpus, PrepareSettings, prepare
from melody.corpus.bulk import PackedSource, batched, gathered, packed, parse_many, read_together
from melody.corpus.discover.listing import CHUNK_FILES, listed
from melody.corpus.encode.encoder import Encoder
from melody.corpus.validate.chunk import no_search_for_garbage
from melody.errors import MidiError
from melody.midi.file_events import Source
from melody.piece import Part, Piece
from melody.tokens.vocabulary import Vocabulary

ROUNDS = 5


def cpu_seconds() -> float:
    """Of this process and its children so far."""
    times = os.times()  # in steps of 10 ms, too coarse for this process itself
    return time.process_time() + times.children_user + times.children_system


def medians(measured: Sequence[Callable[[], object]]) -> list[float]:
    """Median CPU seconds of each, run in turns; results are thrown away at once."""
    seconds: list[list[float]] = [[] for _ in measured]
    for _ in range(ROUNDS):
        for i, run in enumerate(measured):
            gc.collect()
            start = cpu_seconds()
            run()
            seconds[i].append(cpu_seconds() - start)
    return [statistics.median(times) for times in seconds]


def long_pieces(folder: Path, target: Path, count: int = 100) -> None:
    """Files of some 24 pieces each, eight after one another on three layers."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in midi.SUFFIXES)
    rng = np.random.default_rng(0)
    target.mkdir()
    for number in range(count):
        layers = []
        for layer in range(3):
            pieces = [midi.read(paths[i]) for i in rng.integers(0, len(paths), 8)]
            layers.append(end_to_end(pieces, 8 * layer))
        midi.write(layered(layers), target / f"{number:03d}.mid")


def end_to_end(pieces: Sequence[Piece], program: int) -> Piece:
    """One after the other, in 4/4 throughout, on at most two parts."""
    columns = []
    start = 0
    for piece in pieces:
        part = np.minimum(piece.part, 1)
        columns.append([piece.onset + start, piece.duration, piece.pitch, piece.velocity, part])
        start += -(-piece.length // 96) * 96
    return Piece(*np.concatenate(columns, 1), parts=(Part(program), Part(program + 1)))


def layered(pieces: Sequence[Piece]) -> Piece:
    """All at once."""
    columns = [np.concatenate([getattr(p, n) for p in pieces]) for n in ("onset", "duration", "pitch", "velocity")]
    part = np.concatenate([p.part + 2 * i for i, p in enumerate(pieces)])
    parts = tuple(replace(player) for p in pieces for player in p.parts)
    return Piece(*columns, part, parts=parts)


def measure(folder: Path, scratch: Path) -> None:
    """Print the table for one folder."""
    import symusic

    listing = listed(folder)
    paths = [folder / name for chunk in listing.chunks for name in chunk.names]
    corpus = prepare(folder, store=scratch / "warm")
    notes = corpus.counts["notes"] / corpus.counts["kept"]

    def parse() -> None:
        for path in paths:
            symusic.Score.from_midi(path.read_bytes())

    def encode() -> None:
        encoded(paths, corpus.vocabulary)

    def store() -> None:
        (scratch / "store").unlink(missing_ok=True)
        prepare(folder, PrepareSettings(), store=scratch / "store")

    runs: list[Callable[[], object]] = [parse, encode, store]
    names = ["symusic, reading alone", "ours, reading and encoding", "ours, folder to store"]
    tokenize = tokenizing(paths, scratch)
    if tokenize:
        runs.append(tokenize)
        names.append("MidiTok, tokenize_dataset(REMI)")
    seconds = medians(runs)
    print(f"\n{len(paths):,} files, {notes:,.0f} notes a file; store {(scratch / 'store').stat().st_size / 1e6:.2f} MB, "
          f"MIDI {sum(p.stat().st_size for p in paths) / 1e6:.2f} MB")  # fmt: skip
    for name, second in zip(names, seconds):
        print(f"  {name:36} {1000 * second / len(paths):8.3f} ms a file")
    print(f"  reading and encoding costs {seconds[1] / seconds[0]:.1f} times symusic's reading")
    if tokenize:
        print(f"  folder to store is {seconds[3] / seconds[2]:.1f} times as fast as MidiTok")
        decoding(corpus, paths)


def decoding(corpus: Corpus, paths: Sequence[Path]) -> None:
    """Print what it costs to turn the tokens of a piece into music again."""
    import miditok
    import symusic

    tokenizer = miditok.REMI()
    rows = [row for split in SPLITS for row in corpus.rows(split)]
    tokens = [tokenizer.encode(symusic.Score.from_midi(path.read_bytes())) for path in paths]

    def decode() -> None:
        for row in rows:
            corpus.vocabulary.decode(row)

    def decode_theirs() -> None:
        for few in tokens:
            tokenizer.decode(few)

    ours, theirs = medians([decode, decode_theirs])
    ours, theirs = ours / len(rows), theirs / len(tokens)
    print(f"  {'ours, decoding':36} {1000 * ours:8.3f} ms a piece")
    print(f"  {'MidiTok, decoding':36} {1000 * theirs:8.3f} ms a piece, {theirs / ours:.1f} times as long")


def encoded(paths: Sequence[Path], vocabulary: Vocabulary) -> int:
    """Tokens of all files, as many at a time as are validated together; their number."""
    encoder, total = Encoder(vocabulary), 0
    for start in range(0, len(paths), CHUNK_FILES):
        with no_search_for_garbage():
            for contents in gathered(path.read_bytes() for path in paths[start : start + CHUNK_FILES]):
                for run in batched([packed_source(skimmed) for skimmed in parse_many(contents)]):
                    events, _ = read_together(run, vocabulary.ticks_per_quarter)
                    total += sum(len(encoder.encode(few)[0]) for _, few in events.runs())
    return total


def packed_source(skimmed: tuple[PackedSource | Source, list[str]] | MidiError) -> PackedSource:
    """The events of a file."""
    assert not isinstance(skimmed, MidiError), skimmed
    together = packed(skimmed[0])
    assert together is not None, "a file that is out of the ordinary"
    return together


def tokenizing(paths: Sequence[Path], scratch: Path) -> Callable[[], object] | None:
    """MidiTok's way, if it is there."""
    try:
        import miditok
    except ImportError:
        print("MidiTok is not installed (pip install miditok); ours alone is measured")
        return None
    tokenizer = miditok.REMI()

    def run() -> None:
        shutil.rmtree(scratch / "miditok", ignore_errors=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer.tokenize_dataset(list(paths), scratch / "miditok", verbose=False)

    return run


def main() -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description="CPU time of preparing a folder, side by side with symusic and MidiTok")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--long", action="store_true", help="measure long polyphonic files made of the folder's")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder
        if arguments.long:
            folder = Path(scratch) / "long"
            long_pieces(arguments.folder, folder)
        measure(folder, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
