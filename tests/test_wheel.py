"""The wheel: from a source distribution, into an environment of the core alone, away from the sources.

`scripts/check_wheel` does the same with pip and PyPI, and says megabytes and seconds.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CORE = {"numpy", "symusic", "safetensors", "typer", "rich", "threadpoolctl"}
EXTRAS = {
    "torch",
    "pytorch_lightning",
    "music21",
    "verovio",
    "typst",
    "matplotlib",
    "pretty_midi",
    "soundfile",
    "distributed",
}
EXTRAS |= {"scipy", "scikit_learn", "tensorboard", "onnx", "onnxruntime", "starlette", "uvicorn", "platformdirs", "mcp"}
EXTRAS |= {"nbclient", "nbformat", "ipykernel", "mido", "python_rtmidi", "python_osc", "optuna"}
BROUGHT = {"platformdirs"}  # by symusic, which needs it too
linked = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def _with_requirements(names: set[str]) -> set[str]:
    """The distributions of these names and of all that they require here."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            asked = distribution(name).requires or []
            names |= {_name(text) for text in asked if "extra ==" not in text and _is_installed(_name(text))}
    return found


def _is_installed(name: str) -> bool:
    try:
        return distribution(name) is not None
    except ImportError:
        return False


def _said(command: list[str], where: Path) -> str:
    """What a command prints, in an environment that knows nothing of this one."""
    done = _done(command, where)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _done(command: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a source distribution that was built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "melody", source / "melody", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "checkpoints", source / "checkpoints")
    build = "import setuptools.build_meta as b, sys; print(getattr(b, sys.argv[1])(sys.argv[2]))"
    packed = _said([sys.executable, "-c", build, "build_sdist", str(folder)], source).split()[-1]
    shutil.unpack_archive(folder / packed, folder / "unpacked")
    unpacked = next((folder / "unpacked").iterdir())
    return folder / _said([sys.executable, "-c", build, "build_wheel", str(folder)], unpacked).split()[-1]


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel, the core's requirements and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(_said([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    for name in _with_requirements(set(CORE)):
        found = distribution(name)
        inside = {Path(str(path)).parts[0] for path in found.files or [] if not str(path).startswith("..")}
        for top in inside - {"__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return python


def test_the_wheel_holds_the_shipped_models_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    models = {Path(name): size for name, size in sizes.items() if name.endswith((".safetensors", ".index"))}
    names = [
        f"{name}{suffix}" for name in ("fiddle", "fiddle-small", "chorales", "band") for suffix in (".safetensors", ".index")
    ]
    shipped = [Path("checkpoints") / name for name in names]
    assert models == {"melody" / path: (ROOT / path).stat().st_size for path in shipped}
    assert max(models.values()) < 8_000_000
    assert "melody/py.typed" in sizes and not any(name.startswith(("tests", "scripts", "checkpoints")) for name in sizes)
    page = {f"melody/studio/page/{path.name}" for path in (ROOT / "melody" / "studio" / "page").iterdir()}
    assert page == {name for name in sizes if name.startswith("melody/studio/page/")}
    assert wheel.stat().st_size < 20_000_000


@linked
def test_the_core_alone_writes_music_anywhere(empty: Path, tmp_path: Path) -> None:
    others = sorted(EXTRAS - BROUGHT)
    check = f"import importlib.util as u, melody; print(melody.__file__); print([n for n in {others} if u.find_spec(n)])"
    where, found = _said([str(empty), "-c", check], tmp_path).splitlines()
    assert found == "[]" and Path(where).is_relative_to(empty.parents[1])
    hymn = "from melody import Piece; Piece([0, 24, 48, 72], [24] * 4, [67, 69, 71, 67]).write('hymn.mid')"
    _said([str(empty), "-c", hymn], tmp_path)
    for words in (
        "generate fiddle --bars 4 --out new.mid",
        "continue fiddle new.mid --bars 2 --out longer.mid",
        "vary fiddle new.mid --bars 2 --candidates 2 --out other.mid",
        "harmonize chorales hymn.mid --candidates 4 --out four.mid",
    ):
        _said([str(empty), "-m", "melody", *words.split(), "--seed", "3"], tmp_path)
        assert (tmp_path / words.split()[-1]).read_bytes().startswith(b"MThd")


MISSING = [
    ("train .", "torch and pytorch-lightning", "'torch<2.14,>=2.9' 'pytorch-lightning>=2.6.4'"),
    ("evaluate fiddle .", "torch", "'torch<2.14,>=2.9'"),
    ("render new.mid", "pretty_midi", "'pretty_midi>=0.2.11'"),
    ("plot new.mid", "matplotlib", "'matplotlib>=3.8'"),
    ("score new.mid", "", ""),
    ("corpus fiddle", "music21", "'music21>=9.3'"),
    ("export fiddle", "onnx", "'onnx>=1.17'"),
    ("generate fiddle --engine int8", "onnx", "'onnx"),
    ("studio --no-browser", "starlette and uvicorn", "'starlette>=0.46' 'uvicorn>=0.34'"),
    ("prepare . --dask tcp://localhost:1", "distributed", "'distributed>=2024.8'"),
]
# All of them typed into one process: exit codes and what was said, as JSON in the last line.
TYPE = """
import json, sys
from contextlib import redirect_stderr
from io import StringIO
from melody import Piece
from melody.cli import main

Piece([0], [24], [60]).write("new.mid")
answers = {}
for words in sys.argv[1:]:
    with redirect_stderr(StringIO()) as said:
        code = main(words.split())
    answers[words] = [code, said.getvalue()]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What the core alone answers to commands that need more."""
    commands = [words for words, *_ in MISSING]
    printed = _said([str(empty), "-c", TYPE, *commands], tmp_path_factory.mktemp("missing"))
    return dict(json.loads(printed.splitlines()[-1]))


@linked
@pytest.mark.parametrize(("words", "library", "command"), MISSING)
def test_what_is_missing_is_named_with_the_command_that_gets_it(
    answers: dict[str, tuple[int, str]], words: str, library: str, command: str
) -> None:
    code, said = answers[words]
    assert code == 2 and "Traceback" not in said, said
    last = said.strip().splitlines()[-1]
    assert f"needs {library}" in last and "pip install " in last and command in last


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is of Python 3.11")
def test_the_core_is_light_and_every_other_library_has_an_extra() -> None:
    import tomllib

    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {_name(text) for text in project["dependencies"]} == CORE
    optional = project["optional-dependencies"]
    assert {"train", "scores", "all"} <= set(optional)
    extras = {
        _name(text).replace("-", "_")
        for name, texts in optional.items()
        if name not in ("test", "mutation")
        for text in texts
    }
    assert extras - {"melody"} == EXTRAS


def _loaded(tree: ast.AST) -> set[str]:
    """Libraries of extras that are imported in a file otherwise than for types."""
    nodes = list(ast.walk(tree))
    branches = [node for node in nodes if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    for_types = {id(inner) for branch in branches for inner in ast.walk(branch)}
    found: set[str] = set()
    for node in nodes:
        if id(node) not in for_types and isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif id(node) not in for_types and isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found & EXTRAS


def test_each_module_that_loads_such_a_library_asks_whether_it_is_there() -> None:
    """But for torch and Lightning in what is loaded by doors alone, `melody.train`, three commands and what they load."""
    doors = (
        "network/network.py",
        "network/heads.py",
        "network/gap_reading.py",
        "network/cells/",
        "network/around/",
        "comparison/",
        "evaluation/evaluate.py",
        "evaluation/extraction.py",
        "evaluation/occasions.py",
        "evaluation/recalled.py",
        "training/",
    )
    for path in (ROOT / "melody").rglob("*.py"):
        text = path.read_text("utf-8")
        asked = " ".join(re.findall(r"need\(([^)]*)\)", text))
        loaded = _loaded(ast.parse(text))
        if path.relative_to(ROOT / "melody").as_posix().startswith(doors):
            loaded -= {"torch", "pytorch_lightning"}
        if "check_installed()" in text:  # of `melody.report.roll`, which asks
            loaded -= {"matplotlib"}
        if path.relative_to(ROOT / "melody").as_posix().startswith("studio/"):  # `serve` has asked
            loaded -= {"starlette"}
        assert all(f'"{name}"' in asked for name in loaded), path
