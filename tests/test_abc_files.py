"""ABC files: encodings, several tunes, grids, hostile ones, and the books of music21 beside abc2midi."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from melody.errors import MelodyError, ScoreError
from melody.score.abc.abc_text import decode, plain
from melody.score.abc.from_abc import read_abc
from melody.score.score_files import read_score_file

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_encoding_and_line_end(encoding: str, end: str) -> None:
    text = "X:1\nT:Café\nL:1/4\nK:C\nCDEF|\n".replace("\n", end)
    piece = read_abc(text.encode(encoding), Counter())
    assert (piece.title, piece.pitch.tolist()) == ("Café", [60, 62, 64, 65])


def test_escapes_in_texts() -> None:
    assert plain(r"Caf\'e \~n \ss \/o \u00e9 &eacute; 100\%") == "Café ñ ß ø é é 100%"
    assert plain("a\x1b[31mb\u202ec") == "a[31mbc"
    assert decode(b"%%abc-charset iso-8859-2\nT:\xb3") == "%%abc-charset iso-8859-2\nT:ł"


def test_the_header_of_the_file_holds_for_the_tune() -> None:
    assert read_abc(b"L:1/2\nM:3/4\n\nsome text\n\nX:1\nK:C\nC2\n", Counter()).duration.tolist() == [96]


def test_a_file_of_several_tunes_is_refused_and_one_without_number_is_read() -> None:
    with pytest.raises(ScoreError, match="2 tunes; give one tune a file"):
        read_abc(b"X:1\nK:C\nC|\n\nX:2\nK:C\nD|\n", Counter())
    assert read_abc(b"X:0\nT:book\n\nX:2\nK:C\nD|\n", Counter()).pitch.tolist() == [62]
    assert read_abc(b"T:x\nK:D\nF|\n", Counter()).pitch.tolist() == [66]


def test_a_finer_grid_is_taken_where_a_note_would_vanish() -> None:
    piece = read_abc(b"X:1\nM:4/4\nL:1/4\nK:C\nC/64D/64E/64F/64 G", Counter())
    assert (piece.ticks_per_quarter, piece.num_notes) == (96, 5)
    assert (piece.onset / 96).tolist() == pytest.approx([0, 1 / 64, 2 / 64, 3 / 64, 4 / 64], abs=1 / 190)


def test_repairs_come_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text("X:1\nL:1/4\nK:C\nC ¿ D ¿|\n", "utf-8")
    reading = read_score_file(tmp_path / "a.abc")
    assert reading.repairs == ("2 times: left out ¿, which has no meaning",)


# Hostile


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("X:1\nM:1000000/1\nL:1/4\nK:C\nCDEF|\n", 4),
        ("X:1\nM:255/64\nL:1/4\nK:C\nCDEF|\n", 4),
        ("X:1\nM:1/64\nL:1\nK:C\n" + "Z9999" * 50, None),
        ("X:1\nK:C\nZ999999999|c999999999\n", None),
        ("X:1\nK:C\n" + "".join(f"[V:{i}]c" for i in range(500)), None),
        ("X:1\nK:C\n" + "c" * 400_000, None),
        ("X:1\nK:C\n" + "[K:" * 100_000, None),
        ("X:1\nK:C\n" + '"' * 99_999, None),
        ("X:1\nK:C\n" + "(" * 50_000 + "c", 1),
        ("X:1\nK:C\n" + "(9:1:1c" * 1000 + "|" * 10_000, None),
        ("X:1\n" * 100_000, None),
        ("X:1\nK:C\nc" + "&" * 50_000 + "c", 1),
        ("X:1\nL:1/512\nK:C\n" + "c/999" * 100, None),
    ],
    ids=range(13),
)
def test_hostile_tunes_take_no_time(text: str, notes: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melody.score.abc.tune_reader.MAX_SYMBOLS", 20_000)
    start = time.process_time()
    try:
        piece = read_abc(text.encode(), Counter())
    except MelodyError as error:
        assert notes is None and "\n" not in str(error)
    else:
        assert notes in (None, piece.num_notes)
    assert time.process_time() - start < 10


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mutated_files_are_read_or_refused_in_one_line() -> None:
    fuzz = script("fuzz_abc")
    cases = [fuzz.case(1, number) for number in range(70)]
    outcomes = Counter(fuzz.outcome(is_abc, data) for is_abc, data in cases if len(data) < 100_000)
    assert outcomes.total() >= 60 and {"read", "repaired", "refused"} == set(outcomes)


# The same as abc2midi


@pytest.mark.skipif(shutil.which("abc2midi") is None, reason="abc2midi, the reader to compare with, is not installed")
def test_tunes_of_the_books_are_those_of_abc2midi() -> None:
    from music21 import common

    compare = script("compare_abc")
    for book in ("ryansMammoth", "airdsAirs"):
        tunes = compare.tunes_in(Path(common.getCorpusFilePath()) / book)[::70]
        equal, differing, changed = compare.compare(tunes)
        assert (equal, differing, changed) == (len(tunes), [], [])
