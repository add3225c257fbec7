"""Laws of a folder's page: it holds the tunes that are there, keeps what it has, and stays within bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rolls import HOSTILE, band, tune
from test_report_page import BAD_SCORE, Elements, sine

from melody import midi
from melody.errors import RenderError
from melody.piece import Piece
from melody.report import folder
from melody.report.folder import read_page, write_folder_page
from melody.report.page import PageTune, write_page


def saved(path: Path, name: str, piece: Piece, age: int = 0) -> PageTune:
    """A tune whose file is in the folder, written `age` seconds ago."""
    data = midi.to_bytes(piece)
    (path / f"{name}.mid").write_bytes(data)
    os.utime(path / f"{name}.mid", (1_000_000 - age,) * 2)
    return PageTune(name, midi.parse(data).piece, data)


def names(path: Path) -> list[str]:
    return [found.name for found in read_page(path)]


def test_what_a_page_holds_can_be_read_from_it(tmp_path: Path) -> None:
    whole = PageTune(
        "First & <last>",
        midi.parse(midi.to_bytes(band())).piece,
        midi.to_bytes(band()),
        sine(0.1),
        score_svgs=(BAD_SCORE, BAD_SCORE),
        remarks=("one <b>", "two & 3"),
        prompt_end=96,
        settings={"seed": "7", "<i>": "&amp;"},
        musicxml=b"PK-xml",
        pdf=b"%PDF-x",
    )
    plain = PageTune("b", midi.parse(midi.to_bytes(tune(3))).piece, midi.to_bytes(tune(3)))
    write_page(tmp_path / "a.html", [whole, plain], heading="h", settings={"x": "y"}, more=[("c", "c.mid")])
    assert read_page(tmp_path / "a.html") == [whole, plain]


@pytest.mark.parametrize(
    "text", ["", "<article>", "<article><a href='data:audio/midi;base64,TVRoZA=='></a></article>", "\x00<<article", "x" * 99]
)
def test_what_is_no_page_of_ours_holds_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.html").write_text(text)
    assert read_page(tmp_path / "a.html") == [] == read_page(tmp_path / "none.html")


def test_the_page_grows_newest_first_and_follows_the_files(tmp_path: Path) -> None:
    old = [saved(tmp_path, f"old-{i}", tune(2, i), age=100) for i in (1, 2)]
    write_folder_page(tmp_path, old, heading="h", settings={"model": "m"})
    new = saved(tmp_path, "new", tune(2, 9))
    path = write_folder_page(tmp_path, [new], heading="h", settings={"model": "n"})
    assert path == tmp_path / "index.html" and names(path) == ["new", "old-1", "old-2"]
    assert [found.settings for found in read_page(path)] == [{"model": "n"}, {"model": "m"}, {"model": "m"}]
    (tmp_path / "old-1.mid").unlink()
    changed = saved(tmp_path, "old-2", tune(4, 7), age=50)
    write_folder_page(tmp_path, heading="h")
    assert names(path) == ["new", "old-2"] and read_page(path)[1].midi == changed.midi


def test_what_has_not_changed_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder_page(tmp_path, [saved(tmp_path, "a", tune(2))])
    monkeypatch.setattr(folder, "page_tune", lambda *a, **k: pytest.fail("made again"))
    write_folder_page(tmp_path, [saved(tmp_path, "b", tune(2, 1))])
    assert names(tmp_path / "index.html") == ["b", "a"]


def test_files_without_a_page_are_shown_with_sound_and_score(tmp_path: Path) -> None:
    saved(tmp_path, "a", tune(2, texts=("by fiddle, seed 3",)))
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    write_folder_page(tmp_path)
    (found,) = read_page(tmp_path / "index.html")
    assert found.name == "a" and found.audio and found.score_svgs and found.pdf and found.musicxml
    assert "by fiddle, seed 3" in found.remarks


def test_beyond_a_number_tunes_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MAX_EARLIER", 2)
    old = [saved(tmp_path, f"javascript:&'<{i}", tune(1, i), age=i) for i in range(5)]
    path = write_folder_page(tmp_path, old)
    assert len(names(path)) == 5  # what was made just now is shown whole, however much
    write_folder_page(tmp_path, [saved(tmp_path, "new", tune(1, 9))])
    assert names(path) == ["new", "javascript:&'<0", "javascript:&'<1"]
    html = path.read_text()
    links = [a["href"] for a in Elements(html).of("a") if a["href"].startswith("./")]
    assert links == [f"./javascript%3A%26%27%3C{i}.mid" for i in (2, 3, 4)]
    monkeypatch.setattr(folder, "MAX_BYTES", 1)
    write_folder_page(tmp_path, [saved(tmp_path, "newer", tune(1, 10))])
    assert names(path) == ["newer"] and "More tunes in this folder" in path.read_text()


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="no tunes"):
        write_folder_page(tmp_path, heading=HOSTILE)
    assert not list(tmp_path.iterdir())
