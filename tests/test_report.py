"""Laws of the piano roll: each note is drawn once where it stands, and text from strangers does no harm."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rolls import HOSTILE, band, tune

from melody.errors import MelodyError, RenderError
from melody.general_midi import drum_name
from melody.piece import Part, Piece, TimeSignature
from melody.report import contact_sheet as sheets
from melody.report.contact_sheet import PANELS, contact_sheet, plot_sheets
from melody.report.roll import plot, write_plot
from melody.report.roll_layout import NoteRows, facts, part_label


def boxes(axes: Any, gid: str) -> np.ndarray:
    """Left, right, bottom, top of each box of the collections of that name, (boxes, 4)."""
    corners = [p.vertices for c in axes.collections if c.get_gid() == gid for p in c.get_paths()]
    return np.array([[*v[:, 0][[0, 2]], *v[:, 1][[0, 1]]] for v in corners]).reshape(-1, 4)


def texts(figure: Any) -> list[str]:
    return [t.get_text() for t in figure.texts] + [t.get_text() for axes in figure.axes for t in axes.texts]


# The roll


@pytest.mark.parametrize("bars", [1, 4, 9, 33, 70])
def test_each_note_is_drawn_once_where_it_stands(bars: int) -> None:
    piece = tune(bars, seed=bars)
    rows = plot(piece).axes
    drawn = np.concatenate([boxes(axes, "notes") for axes in rows])
    assert np.array_equal(drawn[:, 0], piece.onset)
    assert np.allclose(drawn[:, 2:].mean(axis=1), piece.pitch)
    held = np.concatenate([boxes(axes, "held") for axes in rows])
    assert np.ptp(drawn[:, :2]) and (np.diff(drawn[:, :2]).sum() + np.diff(held[:, :2]).sum()) == piece.duration.sum()


@pytest.mark.parametrize("bars", [1, 9, 33, 70])
def test_rows_cover_the_bars_in_order(bars: int) -> None:
    piece = tune(bars)
    rows = plot(piece).axes
    limits = [axes.get_xlim() for axes in rows]
    assert [stop for _, stop in limits] == [*(start for start, _ in limits[1:]), bars * 96]
    inner = [line[0, 0] for axes in rows for c in axes.collections if c.get_gid() == "bars" for line in c.get_segments()]
    assert sorted([*inner, *(start for start, _ in limits)]) == piece.bar_starts().tolist()
    numbers = {int(t.get_text()): t.xy[0] for axes in rows for t in axes.texts}
    assert all(tick == (number - 1) * 96 for number, tick in numbers.items()) and 1 in numbers


def test_change_of_metre_moves_bars_and_beats() -> None:
    piece = Piece([0], [96 + 144], [60], time_signatures=[(0, 4, 4), (96, 6, 8)])
    (axes,) = plot(piece).axes
    lines = {c.get_gid(): [line[0, 0] for line in c.get_segments()] for c in axes.collections if hasattr(c, "get_segments")}
    assert lines["bars"] == [96, 168]
    assert lines["beats"] == [24, 48, 72, 96 + 36, 168 + 36]
    assert "2  6/8" in texts(plot(piece)) and "4/4, 6/8" in facts(piece)


def test_prompt_is_tinted_up_to_the_new_music() -> None:
    figure = plot(tune(32), prompt_end=96 * 10 + 24)

    def spans(gid: str) -> list[tuple[float, float]]:
        patches = [(axes, patch) for axes in figure.axes for patch in axes.patches if patch.get_gid() == gid]
        boxes = [patch.get_extents().transformed(axes.transData.inverted()) for axes, patch in patches]
        return [(box.x0, box.x1) for box in boxes]

    assert np.allclose(spans("prompt"), [(0, 768), (768, 984)])
    assert np.allclose(spans("new"), [(984, 1536), (1536, 2304), (2304, 3072)])
    assert {"prompt", "new"} <= set(texts(figure))
    assert not {"prompt", "new"} & set(texts(plot(tune(32))))
    assert "new" not in texts(plot(tune(4), prompt_end=10_000))


def test_pickup_is_seen() -> None:
    def marks(onset: int) -> int:
        return sum(p.get_gid() == "pick-up" for p in plot(Piece([onset], [200], [60])).axes[0].patches)

    assert [marks(onset) for onset in (0, 24, 48, 72)] == [0, 0, 1, 1]


def test_phrases_start_rows_and_a_pickup_goes_with_its_phrase() -> None:
    starts = [axes.get_xlim()[0] / 96 for axes in plot(Piece([72], [33 * 96 - 72], [60])).axes]
    assert starts == [0, 9, 17, 25]


def test_parts_in_unison_stand_side_by_side_within_the_note() -> None:
    piece = band()
    middle, height = NoteRows.of(piece).boxes(piece)
    (a, b) = np.flatnonzero((piece.pitch == 60) & (piece.onset == 0))
    assert middle[a] - height[a] / 2 >= middle[b] + height[b] / 2 - 1e-9
    assert all(middle[i] - height[i] / 2 >= 59.5 and middle[i] + height[i] / 2 <= 60.5 for i in (a, b))


def test_drums_have_named_lanes_below_the_pitches() -> None:
    piece = band()
    (axes,) = plot(piece).axes
    low = boxes(axes, "notes")[piece.is_drum]
    assert low[:, 3].max() < NoteRows.of(piece).low
    assert np.array_equal(low[:, 0], piece.onset[piece.is_drum])
    names = {t.get_text(): y for t, y in zip(axes.get_yticklabels(), axes.get_yticks())}
    for pitch, box in zip(piece.pitch[piece.is_drum], low):
        assert box[2] < names[drum_name(int(pitch))] < box[3]
    assert names["C4"] == 60


def test_general_midi_drum_names() -> None:
    import pretty_midi

    ours = {n: drum_name(n).lower() for n in (35, 38, 49, 56, 75, 81)}
    theirs = {n: pretty_midi.note_number_to_drum_name(n).lower() for n in ours}
    assert ours == {35: "bass drum 2", 38: "snare", 49: "crash", 56: "cowbell", 75: "claves", 81: "open triangle"}
    assert all(set(re.findall(r"[a-z]+", ours[n])) & set(re.findall(r"[a-z]+", theirs[n])) for n in ours)


def test_louder_is_stronger_and_parts_differ() -> None:
    piece = Piece([0, 24, 48], [24, 24, 24], [60, 60, 60], [1, 64, 127])
    (shades,) = [c.get_facecolor()[:, :3] for c in plot(piece).axes[0].collections if c.get_gid() == "notes"]
    assert np.all(np.diff(shades.sum(axis=1)) < 0)
    figure = plot(band())
    fills = next(c.get_facecolor() for c in figure.axes[0].collections if c.get_gid() == "notes")
    assert len({tuple(f) for f in fills}) == 4
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [part_label(band(), i) for i in range(4)]
    assert not plot(tune(2)).legends


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_pictures_repeat_to_the_byte(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_plot(band(), tmp_path / f"{name}{suffix}", prompt_end=96)
        contact_sheet([("x", band()), ("y", tune(3))], tmp_path / f"sheet-{name}{suffix}")
    for stem in ("", "sheet-"):
        assert (tmp_path / f"{stem}a{suffix}").read_bytes() == (tmp_path / f"{stem}b{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


def test_picture_files_are_what_they_say(tmp_path: Path) -> None:
    piece = tune(33)
    write_plot(piece, tmp_path / "a.PNG")
    data = (tmp_path / "a.PNG").read_bytes()
    inches = plot(piece).get_size_inches()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and np.allclose(struct.unpack(">II", data[16:24]), inches * 110, atol=1)
    write_plot(piece, tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and "date" not in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_text_from_strangers_draws_without_a_warning(tmp_path: Path, suffix: str) -> None:
    piece = Piece([0, 0], [96, 96], [60, 64], part=[0, 1], parts=[Part(0, name=HOSTILE), Part(1, name="$\\frac$")])
    write_plot(piece, tmp_path / f"a{suffix}", title=HOSTILE)
    contact_sheet([(HOSTILE, piece)], tmp_path / f"b{suffix}")
    if suffix == ".svg":
        tags = {e.tag.rpartition("}")[2] for e in ElementTree.parse(tmp_path / "a.svg").iter()}
        assert "path" in tags and "script" not in tags


def test_a_roll_opens_no_window_and_a_page_needs_no_matplotlib(tmp_path: Path) -> None:
    code = (
        "import sys; from melody.piece import Piece; from melody.report import page, roll; p = Piece([0], [96], [60]);"
        "page.page([page.PageTune('a', p, b'')], heading='h'); assert 'matplotlib' not in sys.modules;"
        "roll.write_plot(p, sys.argv[1]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: plot(Piece([], [], [])), "no notes"),
        (lambda p: plot(Piece([0], [2**31 - 1], [60])), "4,096"),
        (
            lambda p: plot(Piece([2**31 - 2], [1], [60], time_signatures=[TimeSignature(0, 1, 64)], ticks_per_quarter=16)),
            "4,096",
        ),
        (lambda p: plot(tune(1), prompt_end=-1), "prompt_end"),
        (lambda p: write_plot(tune(1), p / "a.jpg"), r"\.png or \.svg"),
        (lambda p: contact_sheet([], p / "a.png"), "no pieces"),
        (lambda p: contact_sheet([("a", tune(1))], p / "a.pdf"), r"\.png or \.svg"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_leaves_no_file(make: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=says) as error:
        make(tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(MelodyError, match=r"a\.png"):
        write_plot(tune(1), tmp_path / "a.png")


def test_contact_sheet_has_one_panel_a_tune(tmp_path: Path) -> None:
    pieces = [(f"tune {i}", tune(4, i)) for i in range(6)] + [("nothing", Piece([], [], []))]
    (figure,) = plot_sheets(pieces)
    assert len(figure.axes) == 7
    for (name, piece), axes in zip(pieces, figure.axes):
        assert axes.texts[0].get_text() == name
        assert len(boxes(axes, "notes")) == piece.num_notes
    assert figure.axes[-1].texts[1].get_text() == "no notes"
    assert contact_sheet(pieces, tmp_path / "a.svg") == (tmp_path / "a.svg",) == tuple(tmp_path.iterdir())


def test_many_tunes_are_on_several_pages_that_each_fit_a_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_PANELS", PANELS + 2)
    many = [(f"tune {i}", Piece([0], [96], [60])) for i in range(PANELS + 5)]
    figures = plot_sheets(many)
    assert [axes.texts[0].get_text() for f in figures for axes in f.axes] == [name for name, _ in many[: PANELS + 2]]
    for figure, part in zip(figures, ("1 to 24", "25 to 26")):
        wide, high = figure.get_size_inches() * figure.dpi
        assert wide <= 1920 and high <= 1200 and len(figure.axes) <= PANELS == 24
        assert texts(figure)[0] == f"29 tunes, the first 26 of them shown · {part}"
        assert all(axes.texts[0].get_fontsize() * figure.dpi / 72 >= 12 for axes in figure.axes)  # pixels
    assert len({round(axes.get_position().width, 6) for figure in figures for axes in figure.axes}) == 1
    paths = contact_sheet(many, tmp_path / "a.svg")
    assert paths == (tmp_path / "a.svg", tmp_path / "a-2.svg") and all(path.exists() for path in paths)


def test_a_piece_shows_itself_in_a_notebook() -> None:
    piece = Piece([0, 24], [24, 24], [60, 64])
    assert "<svg" in piece._repr_html_() and "<audio" in piece._repr_html_()
    sound = piece.audio()
    assert sound.mime in ("audio/mpeg", "audio/wav") and sound.mime in sound._repr_html_()
    assert piece.plot().axes
