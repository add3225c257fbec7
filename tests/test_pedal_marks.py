"""The pedal of a piece on the page: marks in MusicXML, ours and those of others."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piece_strategies import presses

from melody.piece import Part, Piece
from melody.score.musicxml.from_musicxml import read_musicxml
from melody.score.musicxml.to_musicxml import to_musicxml

PIANO, VIOLIN = Part(0), Part(40)


def piano(seed: int, presses: tuple, *, hands: int = 1) -> Piece:
    """Notes of a quarter each, the last of which completes a bar of 4/4."""
    rng = np.random.default_rng(seed)
    onset = np.repeat(np.arange(0, 576, 24), hands)
    part = np.tile(np.arange(hands), 24)
    pitch = np.where(part == 0, 72, 40) + rng.integers(0, 12, len(onset))
    return Piece(onset, [24] * len(onset), pitch, part=part, parts=(PIANO,) * hands, keys=[(0, 0, "major")], pedals=presses)


def on_the_page(pedals: tuple, grid: int, last: int) -> list[tuple[int, int]]:
    """Presses at the nearest ticks of 24 a quarter, by definition, up to the last bar line."""
    moved = [tuple(min(int(np.floor(tick * 24 / grid + 0.5)), last) for tick in press) for press in pedals]
    return [press for press in moved if press[0] < press[1]]


@given(presses, st.integers(1, 2), st.sampled_from([24, 96]))
def test_a_score_has_the_pedal_as_far_as_its_grid_goes(pedals: tuple, hands: int, grid: int) -> None:
    piece = replace(piano(1, (), hands=hands).resolution(grid), pedals=pedals)
    again, repairs = read_musicxml(to_musicxml(piece).encode())
    assert [tuple(press) for press in again.pedals] == on_the_page(pedals, grid, 576) and not repairs
    assert to_musicxml(piece).count('<pedal type="start"') == len(again.pedals)


@given(st.sets(st.integers(0, 24), max_size=8), st.booleans())
def test_music21_reads_the_marks_that_we_write(beats: set[int], with_bass: bool) -> None:
    from music21 import converter, expressions

    ticks = [24 * beat for beat in sorted(beats)]
    pedals = tuple(zip(ticks[::2], ticks[1::2]))
    score = converter.parseData(to_musicxml(piano(2, pedals, hands=1 + with_bass)), format="musicxml")
    marks = [m for part in score.parts for m in part.spannerBundle if isinstance(m, expressions.PedalMark)]
    ends = {(m.getFirst(), m.getLast()) for m in marks}
    found = [(a.getOffsetInHierarchy(score), b.getOffsetInHierarchy(score) + b.quarterLength) for a, b in ends]
    assert sorted((24 * first, 24 * last) for first, last in found) == list(pedals)


def test_marks_stand_in_the_order_of_time_and_under_the_bass_alone() -> None:
    pedals = ((0, 3), (5, 24), (24, 40), (43, 50), (100, 130))
    text = to_musicxml(piano(3, pedals, hands=2))
    assert "pedal" not in text[: text.index('<part id="P2">')]
    assert re.findall(r'<pedal type="(\w+)"', text) == ["start", "stop"] * 5
    assert "pedal" not in to_musicxml(replace(piano(3, pedals), parts=(VIOLIN,)))


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("start@0 stop@24", [(0, 24)]),
        ("start@0 change@24 stop@48", [(0, 24), (24, 48)]),
        ("start@0 start@24 stop@48", [(0, 24), (24, 48)]),  # down again without a sign for up
        ("stop@0 start@24", [(24, 96)]),  # up while it is up; never up
        ("start@0 resume@12 discontinue@20 stop@24", [(0, 24)]),  # of lines alone
        ("sostenuto@0 stop@24", []),  # another pedal
        ("start@24 stop@24", []),
    ],
)
def test_pedal_marks_of_others_are_read(marks: str, expected: list[tuple[int, int]]) -> None:
    quarters = [f"<note><pitch><step>C</step><octave>{o}</octave></pitch><duration>24</duration></note>" for o in range(4)]
    mark = '<direction><direction-type><pedal type="{}"/></direction-type></direction>'
    at = {24 * beat: "" for beat in range(4)}
    for kind, tick in (word.split("@") for word in marks.split()):
        beat = int(tick) // 24 * 24
        away = f'</direction-type><offset sound="yes">{int(tick) - beat}</offset>'
        at[beat] += mark.format(kind).replace("</direction-type>", away)
    body = "".join(at[24 * beat] + note for beat, note in enumerate(quarters))
    text = (
        '<score-partwise><part-list><score-part id="P1"><part-name>Piano</part-name></score-part></part-list><part id="P1">'
        f'<measure number="1"><attributes><divisions>24</divisions></attributes>{body}</measure></part></score-partwise>'
    )
    assert [tuple(press) for press in read_musicxml(text.encode())[0].pedals] == expected
