"""Many files: memory, and what being killed on the way changes.

    python scripts/stress_prepare.py FOLDER [--files 100000] [--kills 3]

Makes that many different MIDI files of the folder's by transposing them and leaving out notes, prepares them undisturbed,
and once more killed with signal 9 on the way; prints files a second and the largest memory of each, and whether the two
stores are the same byte for byte. Linux and macOS.
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
from melody.corpus import prepare
if __name__ == "__main__":
    start = time.monotonic()
    corpus = prepare(sys.argv[1], store=sys.argv[2], on_progress=lambda p: print(p.done, flush=True))
    largest = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{time.monotonic() - start:.1f} s, largest memory {largest[0]:.0f} MB, of a worker {largest[1]:.0f} MB")
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


def run(script: Path, folder: Path, store: Path, kill_after: int | None = None) -> list[str]:
    """The lines of a run; killed when that many files are done."""
    command = [sys.executable, str(script), str(folder), str(store)]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if kill_after is not None and line.strip().isdecimal() and int(line) >= kill_after:
                os.killpg(process.pid, signal.SIGKILL)
                break
    return [line for line in lines if not line.isdecimal()]


def main() -> int:
    """Do it in a temporary folder."""
    parser = argparse.ArgumentParser(description="prepare very many files, undisturbed and killed on the way")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, script = Path(scratch) / "files", Path(scratch) / "run.py"
        script.write_text(RUN)
        make(arguments.folder, folder, arguments.files)
        print("undisturbed:", *run(script, folder, Path(scratch) / "quiet"), sep="\n  ")
        for number in range(arguments.kills):
            after = (number + 1) * arguments.files // (arguments.kills + 1)
            start = time.monotonic()
            run(script, folder, Path(scratch) / "killed", after)
            print(f"killed at {after:,} files, after {time.monotonic() - start:.1f} s")
        print("begun again:", *run(script, folder, Path(scratch) / "killed"), sep="\n  ")
        same = filecmp.cmp(Path(scratch) / "quiet", Path(scratch) / "killed", shallow=False)
        print("the stores are the same byte for byte" if same else "THE STORES DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
