"""Models on small devices: size, memory, start-up and microseconds a note at 32, 16 and 8 bits on one core, without torch.

    python scripts/benchmark_small.py MODEL [--notes 2000] [--prune STORE] [--json FILE]

Each row is a process of its own, on one core, in which torch cannot be imported. Times are the processor's, so that other
work does not count. `start` is from the beginning of Python to the first note, `memory` the most that the process took (its
resident set). 32 and 16 bits are the weights in the file, which
NumPy computes in 32; 8 bits are those of `melody export --to int8` in ONNX Runtime, where that is installed.

With --prune: what is left of the model when the smallest 0, 30, 50, 70, 80 and 90 % of each weight matrix are set to zero,
in nats a note on its own validation pieces (a store of `melody prepare`), and what the weights then take in gzip, which is
how a sparse file travels. Nothing is trained afterwards.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from melody import files, modelfile, models
from melody.modelfile import ModelFile

SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)
MOST = 60  # pieces that pruning is measured on
CHILD = """
import sys, time
sys.modules["torch"] = None  # whoever imports it fails
import json, resource
import melody
model = melody.load(sys.argv[1], engine=sys.argv[2])
next(iter(model.stream(seed=1, endless=True)))
first = time.process_time()
count, stream = int(sys.argv[3]), iter(model.stream(seed=2, endless=True))
for _ in range(50):
    next(stream)
times = []
for _ in range(count):
    at = time.process_time()
    next(stream)
    times.append(time.process_time() - at)
times.sort()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = {"start": first, "note": times[count // 2] * 1e6, "late": times[count * 99 // 100] * 1e6, "memory": peak / 1e3}
print(json.dumps(found))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--prune", type=Path, metavar="STORE")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    file = modelfile.load(models.find(arguments.model))
    found = {"sizes": sizes(file, arguments.notes)}
    if arguments.prune:
        found["pruned"] = pruned(file, arguments.prune)
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(found, indent=1).encode())


def sizes(file: ModelFile, notes: int) -> dict[str, dict[str, float]]:
    """A row for each number of bits."""
    from melody import export

    found = {}
    print(
        "| weights | file, MB | start, s | memory, MB | median note, µs | 99th percentile, µs |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for bits, engine, made in ((32, "numpy", file), (16, "numpy", file.halved()), (8, "int8", file.halved())):
            path = Path(folder) / f"{file.name}-{bits}.safetensors"
            made.save(path)
            size = path.stat().st_size
            try:
                size = len(export.to_onnx(file, "int8")) if bits == 8 else size
                each = ran(path, engine, notes)
            except Exception as error:  # ONNX Runtime may be absent
                print(f"| {bits} bits | | | | | not measured: {str(error)[:80]} |")
                continue
            found[f"{bits} bits"] = each = {"megabytes": size / 1e6, **each}
            start, memory, note, late = (each[name] for name in ("start", "memory", "note", "late"))
            print(
                f"| {bits} bits, {engine} | {size / 1e6:.2f} | {start:.2f} | {memory:.0f} | {note:.0f} | {late:.0f} |",
                flush=True,
            )
    return found


def ran(path: Path, engine: str, notes: int) -> dict[str, float]:
    """A process of its own on one core."""
    environment = os.environ | {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, "-c", CHILD, str(path), engine, str(notes)]
    pinned = (
        {"preexec_fn": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})}
        if hasattr(os, "sched_setaffinity")
        else {}
    )
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **pinned)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return dict(json.loads(done.stdout))


def pruned(file: ModelFile, store: Path) -> dict[str, dict[str, float]]:
    """A row for each share of weights that are zero."""
    from melody.corpus import Corpus
    from melody.evaluation.evaluate import nats_per_note, restored
    from melody.evaluation.heldout import choose

    rows = [each.rows for each in choose(file, Corpus.open(store), "valid").pieces[:MOST]]
    found = {}
    print("\n| zeros | nats a note, valid | 16 bits in gzip, MB |\n|---|---|---|")
    for share in SPARSITIES:
        made = replace(file, weights={name: without_smallest(each, share) for name, each in file.weights.items()})
        nats = nats_per_note(restored(made), file.vocabulary, rows)
        packed = sum(len(gzip.compress(array.astype(np.float16).tobytes(), 6)) for array in made.weights.values())
        found[f"{share:.0%}"] = {"nats": nats, "megabytes": packed / 1e6}
        print(f"| {share:.0%} | {nats:.3f} | {packed / 1e6:.2f} |", flush=True)
    return found


def without_smallest(array: np.ndarray, share: float) -> np.ndarray:
    """A weight matrix with that share of its numbers set to zero, the smallest; biases stay as they are."""
    if array.ndim < 2 or not share:
        return array
    least = np.quantile(np.abs(array), share)
    return np.where(np.abs(array) > least, array, 0).astype(array.dtype)


if __name__ == "__main__":
    main()
