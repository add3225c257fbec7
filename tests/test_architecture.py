"""docs/architecture.md against the code: its tree, its floors, its paths and its words; and no private words in the code.

`python tests/test_architecture.py` writes the parts of the document that follow from the code.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from test_house import FLOORS, HOMES, PACKAGE

DOCUMENT = PACKAGE.parent / "docs" / "architecture.md"

# Words that once stood for things of the field: a reader from outside cannot know them. Each with the field's word, and the
# folders where it means something else.
PRIVATE: dict[str, tuple[str, tuple[str, ...]]] = {
    "legato": ("implied duration; legato is articulation", ("score", "midi", "render")),
    "heard": ("context, conditioning: what the model reads", ("render", "midi")),
    "hears": ("context, conditioning: the model reads", ("render", "midi")),
    "hear": ("context, conditioning: the model reads", ("render", "midi")),
    "told": ("context or conditioning of a model; reported, of messages", ()),
    "said": ("encoded; field mask", ()),
    "leader": ("reference trajectory", ()),
    "unheard": ("range penalty", ()),
    "sung": ("harmonized", ()),
    "judge": ("validate; verdict", ()),
    "judged": ("validated; verdict", ()),
    "desk": ("batch", ()),
    "survey": ("usage, counts", ()),
    "spill": ("external sort", ()),
    "speaks": ("ONSET_OR_REST", ()),
    "onward": ("reachability", ()),
    "anew": ("again; resampled", ()),
    "trunk": ("hidden layers of the heads", ("network", "export")),  # so the weights are named in model files
    "trunks": ("hidden layers of the heads", ("network", "export")),  # and these arrays in ONNX files
    "meter": ("metre", ()),
}
# Words that are English in a sentence and private as the name of something.
PRIVATE_NAMES: dict[str, str] = {
    "ways": "particles",
    "usual": "corpus prior; default",
    "led": "follows the reference trajectory",
    "sings": "harmonizes",
    "side": "split",
    "closing": "must_close",
    "beyond": "past_end",
    "wide": "unconstrained",
    "room": "notes_left",
    "lanes": "rows",
    "drawn": "resampled",
}
NAMES_ALLOWED = {
    "wide": ("report", "score", "cli"),  # widths of pictures, encodings of two bytes a letter, characters of two columns
    "beyond": ("render",),  # the frame after the next one
    "side": ("render", "report", "score"),  # left and right
    "drawn": ("report", "score", "cli"),  # pictures
}


def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _summary(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]


def tree() -> str:
    """Every module of the package with the first line of its docstring, folder by folder."""
    lines = []
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        name = folder.relative_to(PACKAGE.parent).as_posix()
        lines.append(f"\n### {name}/\n\n{_summary(folder / '__init__.py')}\n")
        lines += [f"- `{p.name}`: {_summary(p)}" for p in sorted(folder.glob("*.py")) if p.stem != "__init__"]
    return "\n".join(lines).strip()


def floors() -> str:
    """The floors from the ground up."""
    rows = [f"| {number} | {', '.join(f'`{name}`' for name in sorted(floor))} |" for number, floor in enumerate(FLOORS)]
    return "\n".join(["| floor | modules |", "|---|---|", *rows])


def homes() -> str:
    """The heavy libraries, each with who may import it."""
    rows = [f"| {library} | {', '.join(f'`{name}`' for name in sorted(home))} |" for library, home in HOMES.items()]
    return "\n".join(["| library | imported by |", "|---|---|", *rows])


PARTS = {"tree": tree, "floors": floors, "homes": homes}


def _rewritten(text: str) -> str:
    for name, part in PARTS.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->\n")
        assert begin and end, f"docs/architecture.md has lost its marks around the {name}"
        text = f"{before}{begin}{part()}\n{end}{after}"
    return text


def test_the_document_names_every_module_and_no_other() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert text == _rewritten(text), "write it again: python tests/test_architecture.py"


def test_every_module_has_a_line() -> None:
    assert [str(path) for path in PACKAGE.rglob("*.py") if not _summary(path).endswith(".")] == []


def _rows(title: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = DOCUMENT.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_the_paths_of_new_things_are_there() -> None:
    rows = _rows("Where a new thing goes")
    paths = {path for row in rows for path in re.findall(r"`(melody/[\w/.]+)`", " ".join(row))}
    assert len(rows) >= 8 and len(paths) >= 15
    missing = {p for p in paths if not (PACKAGE.parent / p).exists() and "NAME" not in p}
    assert missing == set()


@cache
def _names(path: Path) -> frozenset[str]:
    """Names of modules, functions, classes, arguments, attributes and variables."""
    found = {path.stem, path.parent.name}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return frozenset(found)


def test_the_words_of_the_glossary_are_those_of_the_code() -> None:
    rows = _rows("Words")
    assert len(rows) > 30
    missing = []
    for word, name, _, where in rows:
        path = PACKAGE.parent / where.strip("`")
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        if not any(name.strip("`") in _names(file) for file in files):
            missing.append(f"{word}: {name} is nowhere in {where}")
    assert missing == []


def _docstrings(path: Path) -> list[str]:
    nodes = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, _DOCUMENTED)]
    return [ast.get_docstring(node) or "" for node in nodes]


_DOCUMENTED = ast.FunctionDef | ast.ClassDef | ast.Module | ast.AsyncFunctionDef


def private_words(path: Path) -> list[str]:
    """The private words in the names and docstrings of a file, each with the field's word."""
    own = path.relative_to(PACKAGE).parts
    names = {piece for name in _names(path) for piece in re.split(r"_+|(?<=[a-z])(?=[A-Z])", name) if piece}
    names = {piece.lower() for piece in names} | {name.lower() for name in _names(path)}
    prose = {word.lower() for doc in _docstrings(path) for word in re.findall(r"[A-Za-z]+", doc)}
    found = [
        f"{word}: {better}" for word, (better, folders) in PRIVATE.items() if word in names | prose and own[0] not in folders
    ]
    named = [
        f"{word} as a name: {better}"
        for word, better in PRIVATE_NAMES.items()
        if word in names and own[0] not in NAMES_ALLOWED.get(word, ())
    ]
    return found + named


@pytest.mark.parametrize("path", _files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_private_word_is_left(path: Path) -> None:
    assert private_words(path) == []


def test_private_words_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text('"""What the model is told."""\n\nclass Usual:\n    def rest_of(self, is_closing): ...\n')
    assert [line.partition(":")[0] for line in private_words(tmp_path / "a.py")] == [
        "told",
        "usual as a name",
        "closing as a name",
    ]


if __name__ == "__main__":
    DOCUMENT.write_text(_rewritten(DOCUMENT.read_text("utf-8")), "utf-8")
