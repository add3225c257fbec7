"""The law of the house: a module imports from lower floors only, and a heavy library has one home."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "melody"
FLOORS = [
    {"errors", "text", "threads"},
    {"arguments", "extras", "general_midi"},
    {"files", "signatures"},
    {"columns"},
    {"piece"},
    {"midi", "score", "tokens"},
    {"corpus", "limits", "network"},
    {"modelfile", "dataset"},
    {"export", "models"},
    {"sampling"},
    {"evaluation"},
    {"training"},
    {"report", "render"},
    {"cli"},
]
HOMES = {
    "symusic": {"midi"},
    "pretty_midi": {"midi"},
    "music21": {"score"},
    "verovio": {"score"},
    "torch": {"network", "evaluation", "training"},
    "pytorch_lightning": {"training"},
    "safetensors": {"modelfile"},
    "onnx": {"export"},
    "onnxruntime": {"network"},
    "matplotlib": {"report"},
    "soundfile": {"render"},
    "typer": {"cli"},
    "rich": {"cli"},
}
# Doors that open upwards: methods of Piece that stand for a function above, and the package's own short names.
DOORS = {"piece", "__init__", "__main__"}


def _module(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> list[tuple[str, bool]]:
    """Every imported module, and whether it is imported at the top, not within a function or for types alone."""
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


def test_generating_loads_no_heavy_library() -> None:
    code = "import sys, melody.cli, melody.cli.make; from melody import midi; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "pytorch_lightning", "music21", "matplotlib", "verovio", "symusic", "scipy", "onnx", "onnxruntime"}
    assert not heavy & set(loaded)


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
        found[command.callback.__module__.rpartition(".")[2]].append(name)
    assert {module: sorted(words) for module, words in COMMANDS.items()} == {m: sorted(w) for m, w in found.items()}
