"""The laws of the house: imports go down and never round in a circle, a heavy library has one home, folders stay small."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "melody"
FLOORS = [
    {"errors", "text", "threads"},
    {"arguments", "extras", "general_midi"},
    {"files", "signatures"},
    {"note_columns"},
    {"hands", "piece"},
    {"midi", "score", "statistics", "tokens"},
    {"corpus", "limits", "network"},
    {"modelfile", "dataset"},
    {"export", "models", "originality"},
    {"sampling"},
    {"evaluation", "inspection"},
    {"training"},
    {"comparison"},
    {"tuning"},
    {"report", "render"},
    {"along"},
    {"studio"},
    {"cli"},
]
HOMES = {
    "symusic": {"midi"},
    "pretty_midi": {"midi"},
    "music21": {"score"},
    "verovio": {"score"},
    "torch": {"comparison", "network", "evaluation", "training"},
    "optuna": {"tuning"},
    "pytorch_lightning": {"training"},
    "safetensors": {"modelfile", "models", "originality"},
    "onnx": {"network"},
    "onnxruntime": {"network"},
    "matplotlib": {"report"},
    "soundfile": {"render"},
    "starlette": {"studio"},
    "uvicorn": {"studio"},
    "platformdirs": {"studio"},
    "scipy": {"statistics"},
    "sklearn": {"statistics"},
    "typer": {"cli"},
    "rich": {"cli"},
    "mcp": {"along"},
    "anyio": {"along"},
    "mido": {"along"},
    "pythonosc": {"along"},
}
# Doors that open upwards: methods of Piece that stand for a function above, and the package's own short names.
DOORS = {"piece", "__init__", "__main__"}


MOST_MODULES = 14  # of a folder, `__init__` and `__main__` not counted
MOST_LINES = 400
# File names that stand for the same thing wherever they occur, each with the reason.
SHARED_NAMES = {
    "__init__": "Python's",
    "settings": "one frozen dataclass a stage, next to the code that reads it",
}


def _module(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def _imports(path: Path) -> list[tuple[str, bool]]:
    """Every imported module but those for types alone, and whether it is imported at the top, not within a function."""
    tree = ast.parse(path.read_text("utf-8"))
    top = {id(node) for node in tree.body}
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"melody.{alias.name}" for alias in node.names] if node.module == "melody" else [node.module]
            found += [(name, id(node) in top) for name in names]
    return found


def _floor(module: str) -> int | None:
    return next((number for number, floor in enumerate(FLOORS) if module in floor), None)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_from_lower_floors_only(path: Path) -> None:
    module = _module(path)
    if module in DOORS - {"piece"}:
        return
    own = _floor(module)
    assert own is not None, f"{module} stands on no floor: add it to FLOORS"
    for name, at_top in _imports(path):
        parts = name.split(".")
        if parts[0] != "melody":
            continue
        other = parts[1] if len(parts) > 1 else "__init__"
        floor = _floor(other)
        if floor is None or other == module or (module in DOORS and not at_top):
            continue
        assert floor < own or (floor == own == FLOORS.index({"report", "render"})), (
            f"{module} (floor {own}) imports {other} (floor {floor})"
        )


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_has_one_home(library: str) -> None:
    users = {_module(path) for path in PACKAGE.rglob("*.py") for name, _ in _imports(path) if name.split(".")[0] == library}
    assert users <= HOMES[library]


def test_a_folder_has_few_modules() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    sizes = {
        str(folder.relative_to(PACKAGE)): len([p for p in folder.glob("*.py") if not p.stem.startswith("__")])
        for folder in folders
    }
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_a_file_is_short() -> None:
    files = [path for kind in ("py", "js", "css", "html") for path in PACKAGE.rglob(f"*.{kind}")]
    lines = {str(path.relative_to(PACKAGE)): len(path.read_text("utf-8").splitlines()) for path in files}
    assert {name: n for name, n in lines.items() if n >= MOST_LINES} == {}


def test_a_file_name_occurs_once() -> None:
    found: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        found.setdefault(path.stem, []).append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1 and name not in SHARED_NAMES} == {}


def _name(path: Path) -> str:
    parts = ("melody", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _graph() -> dict[str, set[str]]:
    """What each module imports of ours, deferred imports included, but for the doors that open upwards."""
    modules = {_name(path): path for path in PACKAGE.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        doors = name.removeprefix("melody.") in DOORS or name == "melody"
        graph[name] = {
            target
            for imported in _imported_names(path, top_only=doors)
            for target in (imported, imported.rpartition(".")[0])
            if target in modules and target != "melody" and not (target != imported and imported in modules)
        } - {name}
    return graph


def _imported_names(path: Path, top_only: bool) -> set[str]:
    """`package.name` for each name that is imported: it may be a module, or stand in the module `package`."""
    tree = ast.parse(path.read_text("utf-8"))
    types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    nodes = tree.body if top_only else [node for node in ast.walk(tree) if id(node) not in types]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import one another: the strongly connected components of more than one module."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            for target in graph[waiting.pop()] - found:
                found.add(target)
                waiting.append(target)
        return found

    reach = {name: reached(name) for name in graph}
    circles = {tuple(sorted(other for other in reach[name] if name in reach[other])) for name in graph}
    return [list(circle) for circle in sorted(circles) if circle]


def test_no_import_goes_round_in_a_circle() -> None:
    """Nor those within functions: a module can be understood with those below it alone."""
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert _circles(_graph()) == []


def test_generating_loads_no_heavy_library() -> None:
    code = "import sys, melody.cli, melody.cli.make; from melody import midi; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "pytorch_lightning", "music21", "matplotlib", "verovio", "symusic", "scipy", "onnx", "onnxruntime"}
    assert not heavy & set(loaded)


def test_what_generate_loads_reads_no_folders() -> None:
    """The index of the training pieces knows the manifest; the stages that make a corpus stay away."""
    code = "import sys, melody.originality.index, melody.sampling; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "melody.corpus.manifest" in loaded and "melody.corpus.preparing" not in loaded


def test_the_package_alone_loads_no_numpy() -> None:
    """The command line sets the number of NumPy's threads, which must be done before NumPy is loaded."""
    code = "import sys, melody; assert 'numpy' not in sys.modules; assert melody.Piece"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_command_is_found_by_its_word() -> None:
    """Only the module of the command that was asked for is loaded; for the help all of them are."""
    from importlib import import_module

    from melody.cli import COMMANDS, app

    for module in COMMANDS:
        import_module(f"melody.cli.{module}")
    found: dict[str, list[str]] = {module: [] for module in COMMANDS}
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        found[command.callback.__module__.removeprefix("melody.cli.")].append(name)
    assert {module: sorted(words) for module, words in COMMANDS.items()} == {m: sorted(w) for m, w in found.items()}
