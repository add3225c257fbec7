"""Many files: memory, and what being killed on the way changes.

    python scripts/stress_prepare.py FOLDER [--files 100000] [--kills 3] [--workers 2]

Makes that many different MIDI files of the folder's by transposing them and leaving out notes. Prepares a tenth of them,
three tenths and all, and prints seconds, the largest memory of each run and by how many bytes a file it grows; prepares all
once more, killed with signal 9 on the way, and prints whether the two stores are the same byte for byte. With two workers
or more the files are read elsewhere, and the memory is that of the process that holds all together. Linux and macOS.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = """
import resource, sys, time
from melody.corpus import PrepareSettings, prepare
if __name__ == "__main__":
    start, settings = time.monotonic(), PrepareSettings(workers=int(sys.argv[3]))
    corpus = prepare(sys.argv[1], settings, store=sys.argv[2], on_progress=lambda p: print(p.done, flush=True))
    unit = 1024 if sys.platform == "linux" else 1
    here, workers = (resource.getrusage(who).ru_maxrss * unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"memory {here}")
    print(f"{time.monotonic() - start:.1f} s, largest memory {here / 1e6:.1f} MB, of a worker {workers / 1e6:.1f} MB")
    print(*corpus.summary(), sep=chr(10))
"""


def make(folder: Path, target: Path, files: int) -> None:
    """Different files, 1,000 to a folder."""
    import symusic

    scores = [symusic.Score(str(path)) for path in sorted(folder.glob("*.mid"))]
    rng = random.Random(0)
    for number in range(files):
        score = scores[number % len(scores)].shift_pitch(number // len(scores) % 12 - 6)
        for track in score.tracks:
            if len(track.notes):
                track.notes.pop(rng.randrange(len(track.notes)))
        path = target / f"{number // 1000:03d}" / f"{number % 1000:03d}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        score.dump_midi(str(path))


def some(folder: Path, files: int, target: Path) -> None:
    """The first of the files, as links."""
    for number in range(files):
        path = Path(f"{number // 1000:03d}") / f"{number % 1000:03d}.mid"
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / path, target / path)


def run(script: Path, folder: Path, store: Path, workers: int, kill_after: int | None = None) -> list[str]:
    """The lines of a run; killed when that many files are done."""
    command = [sys.executable, str(script), str(folder), str(store), str(workers)]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if kill_after is not None and line.strip().isdecimal() and int(line) >= kill_after:
                os.killpg(process.pid, signal.SIGKILL)
                break
    return [line for line in lines if not line.isdecimal()]


def undisturbed(scratch: Path, script: Path, files: int, workers: int) -> None:
    """Print what growing numbers of files cost; the last is all."""
    before = (0, 0)
    for number in (files // 10, 3 * files // 10, files):
        folder = scratch / "files" if number == files else scratch / str(number)
        if number < files:
            some(scratch / "files", number, folder)
        memory, *lines = run(script, folder, scratch / ("quiet" if number == files else f"{number}.store"), workers)
        largest = int(memory.split()[1])
        grows = f"; {(largest - before[1]) / (number - before[0]):.0f} bytes a file more" if before[0] else ""
        print(f"{number:,} files:", lines[0] + grows, *lines[1:], sep="\n  ", flush=True)
        before = (number, largest)


def main() -> int:
    """Do it in a temporary folder."""
    parser = argparse.ArgumentParser(description="prepare very many files, undisturbed and killed on the way")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        folder, script, workers = scratch / "files", scratch / "run.py", arguments.workers
        script.write_text(RUN)
        make(arguments.folder, folder, arguments.files)
        undisturbed(scratch, script, arguments.files, workers)
        for number in range(arguments.kills):
            after = (number + 1) * arguments.files // (arguments.kills + 1)
            start = time.monotonic()
            run(script, folder, scratch / "killed", workers, after)
            print(f"killed at {after:,} files, after {time.monotonic() - start:.1f} s", flush=True)
        print("begun again:", *run(script, folder, scratch / "killed", workers)[1:], sep="\n  ")
        same = filecmp.cmp(scratch / "quiet", scratch / "killed", shallow=False)
        print("the stores are the same byte for byte" if same else "THE STORES DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
