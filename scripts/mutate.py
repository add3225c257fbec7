"""How many small faults do the tests notice? Plants them one by one with mutmut, module by module.

For each module of TESTS the mutants of mutmut (https://mutmut.readthedocs.io, BSD) are made, or where there are more than
`--most` of them a random sample with a fixed seed, and each is run against the tests that exercise the function it is in.
A mutant is killed if a test fails, crashes or does not end. Those that survive are compared with docs/mutation.md, which
says of each why it may: what is not listed there is printed with its change.

    pip install -e ".[test,mutation]"
    python scripts/mutate.py                             # all modules
    python scripts/mutate.py melody/evaluation/ngram.py  # one

Exit status 1 if in any module fewer than 85 % are killed or a survivor has no reason. mutmut does not change what stands
outside of functions (tables, the fields of dataclasses) nor decorated functions.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REASONS = ROOT / "docs" / "mutation.md"
ENOUGH = 0.85
MEMORY = 8 << 30  # bytes of address space
# At the end of conftest.py: what Hypothesis does after a failure to find a smaller one costs too much a mutant.
QUICK = """

from hypothesis import Phase

settings.register_profile("quick", settings(), phases=[Phase.explicit, Phase.generate])
settings.load_profile("quick")


def pytest_collection_modifyitems(config, items):
    slow = [item for item in items if SLOW & set(item.fixturenames)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]
"""
# Tests that train a model or want a browser are left out,
WITHOUT_MODEL = '\n\nSLOW = {"trained", "browser"}\n'
# but for those of TRAINED, for which the model is trained once and then taken as it is.
WITH_MODEL = """

SLOW = {"browser"}
train = trained._get_wrapped_function()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    kept = Path(__file__).parent / "rules.safetensors"
    if not kept.exists():
        shutil.copy(train(tmp_path_factory), kept)
    return Path(shutil.copy(kept, tmp_path_factory.mktemp("model")))
"""
TRAINED = {"melody/modelfile.py"}
SLOW = "not shipped and not bounded_process and not mutated_model_files"  # tests that need the shipped models or a script
SURVIVED = {0, 5, 33}  # mutmut's exit codes: tests pass, no test found, no test runs the function
# A module and the test files that exercise it: quick ones, none that trains a model.
TESTS = {
    "melody/evaluation/ngram.py": ["ngram"],
    "melody/signatures.py": ["signatures", "piece_bounds", "piece"],
    "melody/note_columns.py": ["piece_bounds", "piece"],
    "melody/piece.py": ["piece_bounds", "piece"],
    "melody/files.py": ["files"],
    "melody/dataset.py": ["dataset", "model", "matches"],
    "melody/midi/writing.py": ["midi_chunks", "midi"],
    "melody/midi/reading.py": ["midi_reading", "midi_chunks", "midi_damage", "midi", "midi_encodings", "performance"],
    "melody/midi/chunks.py": ["midi_chunks", "midi_damage"],
    "melody/tokens/vocabulary.py": ["vocabulary", "tokens"],
    "melody/tokens/grammar/masks.py": ["grammar", "tokens"],
    "melody/tokens/grammar/ahead.py": ["grammar", "tokens"],
    "melody/tokens/inputs/features.py": ["tokens", "matches", "dataset", "schema"],
    "melody/tokens/usage.py": ["usage", "tokens"],
    "melody/limits/limits.py": ["limits_words", "limits_checked", "limits"],
    "melody/limits/chords.py": ["limits_words", "limits"],
    "melody/limits/scales.py": ["limits_words", "limits"],
    "melody/limits/numbers.py": ["limits_words", "limits"],
    "melody/limits/checking.py": ["limits_checked", "limits"],
    "melody/limits/lookups.py": ["limits_checked", "limits"],
    "melody/limits/verifying.py": ["limits_verified", "limits"],
    "melody/limits/instruments.py": ["limits_words", "limits"],
    "melody/sampling/choose.py": ["choose_by_definition", "choose", "sampling"],
    "melody/corpus/split.py": ["corpus_whole"],
    "melody/modelfile.py": ["modelfile_bytes", "modelfile"],
    "melody/network/engine.py": ["cells", "decoder"],
    "melody/network/state.py": ["state"],
    "melody/network/cells/lstm.py": ["cells"],
    "melody/network/cells/gru.py": ["cells"],
    "melody/network/cells/unrolling.py": ["cells"],
    "melody/network/cells/scan.py": ["cells"],
    "melody/sampling/decoder.py": ["decoder", "decoder_distribution"],
}


@dataclass(frozen=True)
class Result:
    """What became of the mutants of one module."""

    module: str
    made: int  # mutants there are
    tried: int
    survivors: dict[str, str]  # mutant: its change as a diff
    seconds: float

    @property
    def killed(self) -> int:
        """Mutants that a test noticed."""
        return self.tried - len(self.survivors)

    @property
    def share(self) -> float:
        """Of the mutants that were tried."""
        return self.killed / max(self.tried, 1)


def known_reasons(module: str) -> dict[str, str]:
    """Of a module the changed lines that may survive and why, from docs/mutation.md: prose, then the lines, indented."""
    here, reason, known = "", "", {}
    for line in REASONS.read_text("utf-8").splitlines() if REASONS.exists() else ():
        if line.startswith("## "):
            here = line[3:].strip()
        elif line.startswith("    ") and here == module:
            known[line.strip()] = reason
        elif line.strip():
            reason = line.strip()
    return known


def changed_line(diff: str, sign: str = "+") -> str:
    """The line that a mutant has and the code has not; with "-" that which the code has."""
    return next((line[1:].strip() for line in diff.splitlines() if line[:1] == sign and line[:3] != sign * 3), "")


def wilson(killed: int, tried: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, extra = killed / tried, z * z / tried
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / tried + extra / (4 * tried)) / (1 + extra)
    return middle - half, middle + half


def lay_out(folder: Path, module: str) -> None:
    """A copy of the package and its tests, with settings for mutmut: one module, its tests, no plugins that cost time."""
    for name in ("melody", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "tests" / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(QUICK + (WITH_MODEL if module in TRAINED else WITHOUT_MODEL))
    names = [f"tests/test_{name}.py" for name in TESTS[module]]
    settings = {
        "source_paths": ["melody"],
        "only_mutate": [module],
        "pytest_add_cli_args_test_selection": [name for name in names if (ROOT / name).exists()],
        "pytest_add_cli_args": ["-k", SLOW, "-p", "no:xdist", "-p", "no:doctest", "-p", "no:cacheprovider"],
        "timeout_multiplier": 3.0,
        "timeout_constant": 2.0,
        "use_git_change_detection": False,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    text = '[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n\n[tool.mutmut]\n' + "\n".join(lines) + "\n"
    (folder / "pyproject.toml").write_text(text, "utf-8")


def mutant_names(folder: Path, module: str) -> list[str]:
    """All mutants that mutmut makes of a module, by its names for them, in the folder whose settings it reads."""
    code = (
        "from pathlib import Path\n"
        "from mutmut.mutation.file_mutation import mutate_file_contents\n"
        "from mutmut.utils.format_utils import get_mutant_name\n"
        f"path = {module!r}\n"
        "made = mutate_file_contents(path, Path(path).read_text('utf-8')).mutant_names\n"
        "print(*(get_mutant_name(Path(path), name) for name in made), sep='\\n')\n"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()


def call_mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut in a folder, one mutant at a time, and return what it prints."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment = kept | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, preexec_fn=_bound_memory)
    if done.returncode:
        message = [line for line in (done.stdout + done.stderr).splitlines() if not "\u2800" <= line[:1] <= "\u28ff"]
        raise SystemExit("mutmut failed:\n" + "\n".join(message[-40:]))
    return done.stdout


def _bound_memory() -> None:
    """A mutant that would fill all memory gets an error instead."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run_module(module: str, most: int, seed: int, only: str = "") -> Result:
    """Try the mutants of a module, or a sample of `most`."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lay_out(folder, module)
        names = [name for name in mutant_names(folder, module) if not only or name.endswith(tuple(only.split(",")))]
        chosen = sorted(random.Random(seed).sample(names, most)) if len(names) > most else names
        call_mutmut(folder, "run", "--max-children", "1", *chosen)
        codes = json.loads((folder / "mutants" / f"{module}.meta").read_text("utf-8"))["exit_code_by_key"]
        alive = [name for name in chosen if codes[name] in SURVIVED]
        survivors = {name: call_mutmut(folder, "show", name) for name in alive}
    return Result(module, len(names), len(chosen), survivors, time.perf_counter() - start)


def lines_of(result: Result) -> Iterator[str]:
    """The report on one module: a line of numbers, then the survivors."""
    interval = ""
    if result.tried < result.made:
        interval = " (95 %: {:.0%} to {:.0%})".format(*wilson(result.killed, result.tried))
    of = f"{result.tried} of {result.made}" if interval else f"{result.tried}"
    yield f"{result.module}: {of} mutants, {result.killed} killed, {result.share:.1%}{interval}, {result.seconds:.0f} s"
    known = known_reasons(result.module)
    for name, diff in result.survivors.items():
        line = changed_line(diff)
        yield f"  {known.get(line, f'NO REASON GIVEN: {name}')}"
        yield f"    was {changed_line(diff, '-')}\n    now {line}"


def passes(result: Result) -> bool:
    """Whether enough were killed and every survivor has its reason."""
    known = known_reasons(result.module)
    return result.share >= ENOUGH and all(changed_line(diff) in known for diff in result.survivors.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the modules that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="paths as in the table of this script; all if none is named")
    parser.add_argument("--most", type=int, default=100, help="mutants of a module; of more a random sample")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", default="", help="mutants by the ends of their names, with commas")
    given = parser.parse_args(arguments)
    good = True
    for module in given.modules or TESTS:
        result = run_module(module, given.most, given.seed, given.only)
        print(*lines_of(result), sep="\n", flush=True)
        good &= passes(result)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
