"""What stands on a page beside the notes, alike in every picture: bar numbers, tempo marks, bar lines, names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores import jig, line, notes_of, read_back

from melody.piece import Part, Piece, Tempo
from melody.report.engraved import read_engraved
from melody.report.roll import plot
from melody.report.roll_layout import facts
from melody.report.svg_roll import svg_roll
from melody.score import typeset
from melody.score.abc.to_abc import to_abc
from melody.score.engraving import to_svg
from melody.score.musicxml.to_musicxml import to_musicxml
from melody.score.notation.layout import notate
from melody.score.notation.metre import tempo_unit
from melody.score.notation.sections import section_ends

# Bars


def beginning_at(onset: int, bars: int = 4) -> Piece:
    """A tune of 4/4 whose first note is at `onset`."""
    return Piece([onset, *range(96, 96 * bars, 96)], [96 - onset % 96] + [96] * (bars - 1), [60] * bars)


@pytest.mark.parametrize("onset", [0, 24, 36, 47, 48, 60, 72, 90, 95])
def test_bars_are_numbered_alike_in_the_score_and_both_rolls(onset: int) -> None:
    piece = beginning_at(onset)
    expected = list(range(piece.first_bar, piece.last_bar + 1))
    assert expected[0] == (0 if onset >= 48 else 1)
    measures = ET.fromstring(to_musicxml(piece)).findall("part/measure")
    assert [int(m.get("number", "")) for m in measures] == expected
    assert [bar.number for bar in notate(piece).bars] == expected
    assert [int(t.get_text()) for axes in plot(piece).axes for t in axes.texts if t.get_text().isdigit()] == expected
    assert [int(n) for n in re.findall(r">(\d+)<tspan", svg_roll(piece).roll)] == expected
    assert f"{piece.last_bar} bars" in facts(piece)
    lengths = [bar.end - bar.start for bar in notate(piece).bars]
    assert lengths[1:-1] == [96] * 2 and (lengths[0] == 96) == (not piece.has_pickup)


def test_a_lone_bar_that_begins_late_is_whole_and_bar_1() -> None:
    (bar,) = notate(Piece([72], [24], [60])).bars
    assert (bar.number, bar.end - bar.start) == (1, 96)


def test_a_pick_up_that_was_played_late_keeps_its_bar() -> None:
    late = Piece([1915, 1920, 3840], [5, 1920, 1920], [60, 62, 64], ticks_per_quarter=480)
    bars = notate(late).bars
    assert late.has_pickup and [bar.number for bar in bars] == [0, 1, 2] and all(bar.start < bar.end for bar in bars)


# Tempo


@pytest.mark.parametrize(
    ("metre", "quarters", "unit", "dots", "mark", "abc", "words"),
    [
        ((2, 2), 216, "half", 0, 108, "1/2=108", "half note = 108"),
        ((3, 2), 90, "half", 0, 45, "1/2=45", "half note = 45"),
        ((4, 4), 120, "quarter", 0, 120, "1/4=120", "♩ = 120"),
        ((3, 4), 120, "quarter", 0, 120, "1/4=120", "♩ = 120"),
        ((6, 8), 180, "quarter", 1, 120, "3/8=120", "♩. = 120"),
        ((12, 8), 90, "quarter", 1, 60, "3/8=60", "♩. = 60"),
        ((5, 8), 100, "eighth", 0, 200, "1/8=200", "♪ = 200"),
        ((6, 16), 60, "eighth", 1, 80, "3/16=80", "♪. = 80"),
    ],
)
def test_a_tempo_counts_what_the_metre_counts(
    metre: tuple[int, int], quarters: int, unit: str, dots: int, mark: int, abc: str, words: str, tmp_path: Path
) -> None:
    piece = line((24, 60), (24, 62), (24, 64), time_signatures=[(0, *metre)], tempi=[Tempo.from_qpm(0, quarters)])
    xml = to_musicxml(piece)
    (found,) = ET.fromstring(xml).iter("metronome")
    assert (found.findtext("beat-unit"), len(found.findall("beat-unit-dot"))) == (unit, dots)
    assert found.findtext("per-minute") == str(mark)
    assert f"\nQ:{abc}\n" in to_abc(piece)
    assert words in facts(piece)
    assert [round(t.qpm) for t in read_back(xml, ".musicxml", tmp_path).tempi] == [quarters]


@given(st.integers(1, 30), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
def test_every_metre_counts_something(numerator: int, denominator: int) -> None:
    name, dots, ticks = tempo_unit(numerator, denominator)
    whole = {"whole": 96, "half": 48, "quarter": 24, "eighth": 12, "16th": 6}[name]
    assert ticks == whole * (3 if dots else 2) // 2


@pytest.mark.skipif(find_spec("verovio") is None, reason="verovio, which engraves, is not installed")
@pytest.mark.parametrize(
    ("metre", "signs"), [((2, 2), "\ueca3"), ((4, 4), "\ueca5"), ((6, 8), "\ueca5\uecb7"), ((5, 8), "\ueca7")]
)
def test_the_sign_of_a_tempo_is_drawn_where_its_font_is_missing(metre: tuple[int, int], signs: str) -> None:
    (svg,) = to_svg(line((24, 60), (24, 62), time_signatures=[(0, *metre)]))
    assert re.findall(r'<tspan font-family="Leipzig"[^>]*>([^<]*)', svg)[0].split() == list(signs)
    printed = typeset._printable(svg)
    assert "Leipzig" not in printed and ET.fromstring(printed) is not None
    drawn = re.findall(r'stroke="none" d="([^"]+)"', printed)
    assert drawn == [typeset._outline(sign)[0] for sign in signs] and all(drawn)


# Bar lines


def strain(*pitches: int) -> list[int]:
    return [60 + p for p in pitches]


A, B = strain(0, 2, 4, 5, 7, 9, 11, 12), strain(12, 11, 9, 9, 7, 5, 4, 2)


def of_bars(pitches: list[int], **frame) -> Piece:
    """A note a bar of 4/4."""
    return Piece(range(0, 96 * len(pitches), 96), [96] * len(pitches), pitches, **frame)


def test_a_strain_that_is_played_twice_ends_with_a_double_bar() -> None:
    assert section_ends(of_bars(A + A + B + B)) == {7, 15, 23, 31}
    assert section_ends(of_bars(A + B + A)) == {7, 23}
    assert section_ends(of_bars(A + B)) == set()
    assert section_ends(of_bars(A + A[:4])) == set()
    assert section_ends(of_bars((A[:4] + A[:4]) * 2)) == set()  # a loop of four bars
    assert section_ends(Piece([], [], [])) == set()
    pickup = line((24, 67), *[(96, p) for p in A + A], at=72)
    assert pickup.has_pickup and section_ends(pickup) == {8, 16}


def test_the_end_of_a_strain_may_lead_elsewhere() -> None:
    """First and second ending differ in the second half of the last bar; an earlier difference is another strain."""
    notes = [(96, p) for p in A[:7]]
    first, second = [*notes, (48, 72), (48, 67)], [*notes, (48, 72), (24, 60), (24, 62)]
    assert section_ends(line(*first, *second)) == {7, 15}
    assert section_ends(line(*first, *notes, (48, 71), (48, 67))) == set()


def test_double_bars_stand_before_a_new_key_or_metre_and_change_no_note(tmp_path: Path) -> None:
    piece = of_bars(A + A + [60, 62, 64], keys=[(0, 0, "major"), (17 * 96, 2, "major")])
    xml, abc = to_musicxml(piece), to_abc(piece)
    styles = [m.findtext("barline/bar-style") for m in ET.fromstring(xml).findall("part/measure")]
    assert [i for i, style in enumerate(styles) if style == "light-light"] == [7, 15, 16]
    assert styles[-1] == "light-heavy" and not any("repeat" in e.tag for e in ET.fromstring(xml).iter())
    assert abc.count("||") == 3 and abc.endswith("|]\n")
    assert notes_of(read_back(xml, ".musicxml", tmp_path)) == notes_of(piece) == notes_of(read_back(abc, ".abc", tmp_path))
    metre = of_bars([60] * 8, time_signatures=[(0, 4, 4), (384, 2, 4)])
    assert [i for i, bar in enumerate(notate(metre).bars) if bar.double] == [3]
    odd = of_bars([60] * 8, time_signatures=[(0, 4, 4), (384, 2, 4), (432, 4, 4)])
    assert not [i for i, bar in enumerate(notate(odd).bars) if bar.double]  # one short bar parts nothing


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=5))
def test_strains_are_found_in_any_order(form: list[str]) -> None:
    strains = {"A": A, "B": B, "C": strain(0, 0, 1, 2, 3, 5, 8, 13)}
    piece = of_bars([pitch for name in form for pitch in strains[name]])
    assert section_ends(piece) == {8 * i + 7 for i, name in enumerate(form) if form.count(name) > 1}


# Names


@pytest.mark.skipif(find_spec("verovio") is None, reason="verovio, which engraves, is not installed")
def test_long_names_and_titles_leave_room_for_the_music() -> None:
    long = "A very long name of a player " * 20
    piece = Piece([0, 0, 96], [96] * 3, [60, 48, 62], part=[0, 1, 0], parts=(Part(40, name=long), Part(42)), title=long)
    xml = to_musicxml(piece)
    assert ET.fromstring(xml).findtext("part-list/score-part/part-name") == long
    (svg,) = to_svg(piece)
    page = read_engraved(svg)
    assert page is not None and len(page.systems) == 1 and page.systems[0].left < page.width / 2
    assert len(svg) > 0 and long[:100] not in "".join(ET.fromstring(svg).itertext())


def test_who_plays_alone_has_no_short_name_before_each_system() -> None:
    def short(*names: str) -> list[str | None]:
        parts = tuple(Part(40, name=name) for name in names)
        piece = Piece([0] * len(names), [96] * len(names), [60] * len(names), part=range(len(names)), parts=parts)
        return [part.findtext("part-abbreviation") for part in ET.fromstring(to_musicxml(piece)).iter("score-part")]

    assert short("Fiddle") == [None]
    assert short("Fiddle", "Harp") == ["Fid.", "Harp"]
    assert short("Violin 1", "Violin 2", "A & B < C") == ["Vio. 1", "Vio. 2", "A &."]
    assert ET.fromstring(to_musicxml(jig())).findtext("part-list/score-part/part-name") == "Fiddle"
