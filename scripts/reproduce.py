"""The tables and pictures of docs/results.md, from nothing: each a job of one or more commands, done one after the other.

    scripts/reproduce --list                                     # the jobs, their commands, and which are done
    scripts/reproduce --only memory anomalies
    scripts/reproduce --minutes 0.1 --nottingham FOLDER          # a tenth of the time for all that is given minutes

What a job prints lies in results/NAME.txt, its pictures and tables in results/NAME. A job that is done is passed over, one
that was interrupted is begun again, where `melody compare` and `melody tune` go on with what they have; `--again` does it
anew. The built-in collections are written to data/ where they are not there. Jobs on Nottingham, which does not come with
melody, need its folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
CELLS = "lstm,gru,rnn,peephole,mingru,minlstm,slstm,transformer,conv,attention"
TRAINED = "--epochs 6 --hidden-size 64 --layers 1 --learning-rate 0.005 --precision 32"


class Job(NamedTuple):
    """A table or a picture.

    Parameters
    ----------
    name
        By which it is asked for, and under which docs/results.md has it.
    commands
        In the order in which they run, from the root of the project. {out} is the job's folder, {nottingham} that of
        Nottingham, {minutes:N} N times what --minutes says.
    """

    name: str
    commands: tuple[str, ...]


JOBS = (
    Job("cells", ("melody compare data/fiddle --variants kinds --minutes {minutes:120} --out {out}",)),
    Job(
        "cells-alone",
        (f"melody compare data/fiddle --features none --variants {CELLS} --minutes {{minutes:120}} --out {{out}}",),
    ),
    Job("cells-chorales", ("melody compare data/chorales --variants kinds --minutes {minutes:60} --out {out}",)),
    Job(
        "cells-nottingham",
        ("melody compare {nottingham} --variants kinds --minutes {minutes:60} --out {out}",),
    ),
    Job(
        "gates",
        ("melody compare {nottingham} --features none --variants lstm,gru,rnn --minutes {minutes:30} --out {out}",),
    ),
    Job("ablations", ("melody compare data/fiddle --variants ablations --minutes {minutes:120} --out {out}",)),
    Job("tuning", ("melody tune data/fiddle --minutes {minutes:60} --out {out}",)),
    Job("learning-rate", ("melody tune data/fiddle --find-rate --out {out} --force",)),
    Job(
        "memory",
        (
            "melody evaluate fiddle data/fiddle --memory 128",
            "melody evaluate chorales data/chorales --memory 128",
            "melody train data/fiddle --features none --hidden-size 128 --layers 1 --max-minutes {minutes:5} "
            "--out {out}/plain.safetensors --force",
            "melody evaluate {out}/plain.safetensors data/fiddle --memory 128",
        ),
    ),
    Job("noise", ("python scripts/measure_noise.py fiddle --folder data/fiddle --count 100 --plot {out}/noise.png",)),
    Job(
        "trained-with-noise",
        (
            f"melody train data/fiddle {TRAINED} --out {{out}}/clean.safetensors --force",
            f"melody train data/fiddle {TRAINED} --noise 0.1 --out {{out}}/noisy.safetensors --force",
            "python scripts/measure_noise.py {out}/clean.safetensors {out}/noisy.safetensors --folder data/fiddle "
            "--plot {out}/noise.png",
        ),
    ),
    Job("styles", ("python scripts/measure_style.py fiddle {nottingham} --minutes {minutes:1}",)),
    Job("anomalies", ("python scripts/measure_anomalies.py fiddle data/fiddle --count 60",)),
    Job("small", ("python scripts/benchmark_small.py fiddle-small --notes 2000",)),
)


def commands(job: Job, results: Path, nottingham: Path | None, factor: float) -> list[list[str]] | None:
    """The commands of a job, ready to run; None where the music is missing."""
    if any("{nottingham}" in command for command in job.commands) and nottingham is None:
        return None
    given = {"out": str(results / job.name), "nottingham": str(nottingham), "minutes": _Minutes(factor)}
    return [shlex.split(command.format_map(given)) for command in job.commands]


class _Minutes:
    """`{minutes:60}` as 60 times the factor."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def __format__(self, minutes: str) -> str:
        return f"{max(float(minutes) * self._factor, 0.1):g}"


def _from_here(words: Sequence[str]) -> list[str]:
    """The same by the Python that runs this."""
    own = {"melody": [sys.executable, "-m", "melody"], "python": [sys.executable]}
    return [*own[words[0]], *words[1:]]


def fetched(words: Sequence[str]) -> Iterator[list[str]]:
    """What writes the built-in collections that a command reads and that are not there."""
    for name in ("fiddle", "chorales"):
        if f"data/{name}" in words and not (ROOT / "data" / name).exists():
            yield ["melody", "corpus", name, "--out", f"data/{name}"]


def done(job: Job, results: Path, ready: Sequence[Sequence[str]]) -> bool:
    """Whether a job has been done by these commands."""
    try:
        kept = json.loads((results / f"{job.name}.json").read_text("utf-8"))
        return bool(kept["commands"] == [list(words) for words in ready])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def go(job: Job, results: Path, ready: Sequence[Sequence[str]]) -> bool:
    """Do a job; gives whether all its commands ended well."""
    (results / job.name).mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with open(results / f"{job.name}.txt", "w", encoding="utf-8") as log:
        for words in [each for one in ready for each in (*fetched(one), one)]:
            print(f"$ {shlex.join(words)}", flush=True)
            print(f"$ {shlex.join(words)}", file=log, flush=True)
            if subprocess.run(_from_here(words), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
                print(f"{job.name}: failed; see {log.name}")
                return False
    facts = {"commands": [list(words) for words in ready], "seconds": round(time.monotonic() - begun)}
    (results / f"{job.name}.json").write_text(json.dumps(facts, indent=1), "utf-8")
    print(f"{job.name}: done in {facts['seconds']:,} s; {results / job.name}.txt")
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; gives 1 if a job failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [job.name for job in JOBS]
    parser.add_argument("--list", action="store_true", help="show the jobs and do nothing")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--minutes", type=float, default=1.0, metavar="FACTOR", help="times the minutes that each is given")
    parser.add_argument("--nottingham", type=Path, metavar="FOLDER")
    parser.add_argument("--results", type=Path, default=ROOT / "results", metavar="FOLDER")
    parser.add_argument("--again", action="store_true", help="do what is done anew")
    given = parser.parse_args(arguments)
    if not 0 < given.minutes < 1000:
        parser.error(f"--minutes is {given.minutes:g}; it must be above 0 and below 1,000")
    if given.nottingham is not None and not given.nottingham.is_dir():
        parser.error(f"--nottingham is {given.nottingham}, which is no folder")
    results, all_well = given.results.absolute(), True
    results = results.relative_to(ROOT) if results.is_relative_to(ROOT) else results
    os.chdir(ROOT)
    for job in JOBS:
        if job.name not in given.only:
            continue
        ready = commands(job, results, given.nottingham and given.nottingham.absolute(), given.minutes)
        if ready is None:
            print(f"{job.name}: passed over; it needs --nottingham FOLDER")
        elif given.list:
            print(f"{job.name}{' (done)' if done(job, results, ready) else ''}")
            print("".join(f"    {shlex.join(words)}\n" for words in ready), end="")
        elif done(job, results, ready) and not given.again:
            print(f"{job.name}: done already")
        else:
            if given.again:
                shutil.rmtree(results / job.name, ignore_errors=True)
            all_well &= go(job, results, ready)
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main())
