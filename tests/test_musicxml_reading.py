"""MusicXML as it sounds: after MusicXML 4.0, each law with a small document of its own."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scores import chorale, jig, line

from melody.errors import ScoreError
from melody.piece import Key, Part, Piece, TimeSignature
from melody.score.musicxml.from_musicxml import read_musicxml
from melody.score.musicxml.to_musicxml import to_musicxml
from melody.score.score_files import read_score, read_score_file


def note(name: str, duration: object = 1, more: str = "", before: str = "") -> str:
    """A note by letter, accidental and octave, such as F#4."""
    alter = {"#": "<alter>1</alter>", "b": "<alter>-1</alter>"}.get(name[1:-1], "")
    pitch = f"<pitch><step>{name[0]}</step>{alter}<octave>{name[-1]}</octave></pitch>"
    return f"<note>{before}{pitch}<duration>{duration}</duration>{more}</note>"


def notes(names: str, duration: int = 1) -> str:
    return "".join(note(name, duration) for name in names.split())


def attributes(divisions: int = 1, time: str = "4/4", more: str = "") -> str:
    beats, unit = time.split("/")
    metre = f"<time><beats>{beats}</beats><beat-type>{unit}</beat-type></time>"
    return f"<attributes><divisions>{divisions}</divisions>{metre}{more}</attributes>"


def step(kind: str, duration: int) -> str:
    return f"<{kind}><duration>{duration}</duration></{kind}>"


def rest(duration: int, whole: bool = False) -> str:
    measure = ' measure="yes"' if whole else ""
    return f"<note><rest{measure}/><duration>{duration}</duration></note>"


def document(*parts: list[str], instruments: str = "", timewise: bool = False) -> str:
    """A score of parts, each a list of bars; a bar of `implicit` begins with an exclamation mark."""
    ids = [f"P{i}" for i in range(1, len(parts) + 1)]
    listed = "".join(f'<score-part id="{i}"><part-name>Part {i}</part-name>{instruments}</score-part>' for i in ids)

    def measure(number: int, content: str) -> str:
        implicit = ' implicit="yes"' if content.startswith("!") else ""
        return f'<measure number="{number}"{implicit}>{content.lstrip("!")}</measure>'

    if timewise:
        columns = ["".join(f'<part id="{i}">{bar}</part>' for i, bar in zip(ids, bars)) for bars in zip(*parts)]
        body, kind = "".join(measure(n, content) for n, content in enumerate(columns, 1)), "timewise"
    else:
        rows = ("".join(measure(n, bar) for n, bar in enumerate(bars, 1)) for bars in parts)
        body, kind = "".join(f'<part id="{i}">{row}</part>' for i, row in zip(ids, rows)), "partwise"
    return f"<score-{kind}><part-list>{listed}</part-list>{body}</score-{kind}>"


def read(*parts: list[str], **more: str) -> Piece:
    piece, repairs = read_musicxml(document(*parts, **more).encode())
    assert not repairs
    return piece


def repaired(text: str) -> tuple[Piece, str]:
    piece, repairs = read_musicxml(text.encode())
    assert repairs and all("\n" not in repair for repair in repairs)
    return piece, "; ".join(repairs)


def sounds(piece: Piece) -> list[tuple[float, int]]:
    """(onset in quarters, pitch) of all notes."""
    return list(zip((piece.onset / piece.ticks_per_quarter).tolist(), piece.pitch.tolist()))


SCALE = "C4 D4 E4 F4"


# Pitch


@pytest.mark.parametrize(
    ("transpose", "pitch", "key"),
    [
        ("<chromatic>-2</chromatic>", 58, -2),  # clarinet in B flat: written C major sounds B flat major
        ("<diatonic>-5</diatonic><chromatic>-9</chromatic>", 51, -3),  # alto saxophone
        ("<chromatic>0</chromatic><octave-change>-1</octave-change>", 48, 0),  # double bass, guitar
        ("<chromatic>-2</chromatic><octave-change>-1</octave-change>", 46, -2),  # tenor saxophone
        ("<chromatic>3</chromatic>", 63, -3),  # clarinet in E flat
    ],
)
def test_a_transposing_instrument_is_read_as_it_sounds(transpose: str, pitch: int, key: int) -> None:
    written = "<key><fifths>0</fifths><mode>major</mode></key>"
    piece = read([attributes(more=f"{written}<transpose>{transpose}</transpose>") + notes(SCALE)])
    assert piece.pitch.tolist() == [pitch, pitch + 2, pitch + 4, pitch + 5]
    assert piece.keys == (Key(0, key, "major"),)


def test_a_transposition_begins_and_ends_where_it_stands_and_the_key_with_it() -> None:
    down = "<attributes><transpose><chromatic>-7</chromatic></transpose></attributes>"
    up = "<attributes><transpose><chromatic>0</chromatic></transpose></attributes>"
    key = "<key><fifths>0</fifths></key>"
    piece = read([attributes(more=key) + notes(SCALE), down + notes(SCALE), notes("C4 C4") + up + notes("C4 C4")])
    assert piece.pitch.tolist() == [60, 62, 64, 65, 53, 55, 57, 58, 53, 53, 60, 60]
    assert piece.keys == (Key(0, 0, "major"), Key(96, -1, "major"), Key(240, 0, "major"))


def test_a_transposition_can_belong_to_one_staff_and_can_double() -> None:
    two = "".join(f'<transpose number="{n}"><chromatic>{by}</chromatic></transpose>' for n, by in ((1, -2), (2, 5)))
    bar = note("C4", 4, "<staff>1</staff>") + step("backup", 4) + note("C4", 4, "<staff>2</staff>")
    assert sounds(read([attributes(more=two) + bar])) == [(0, 58), (0, 65)]
    double = "<transpose><chromatic>0</chromatic><double/></transpose>"
    assert sounds(read([attributes(more=double) + notes(SCALE)]))[:2] == [(0, 48), (0, 60)]


def test_an_octave_clef_and_a_part_for_reading_change_no_pitch() -> None:
    clef = "<clef><sign>G</sign><line>2</line><clef-octave-change>-1</clef-octave-change></clef>"
    reading = "<for-part><part-transpose><chromatic>-2</chromatic></part-transpose></for-part>"
    assert read([attributes(more=clef + reading) + notes(SCALE)]).pitch.tolist() == [60, 62, 64, 65]


def test_drums_are_known_by_their_instrument_or_place() -> None:
    kit = '<midi-instrument id="K"><midi-channel>10</midi-channel><midi-unpitched>37</midi-unpitched></midi-instrument>'
    place = "<unpitched><display-step>G</display-step><display-octave>5</display-octave></unpitched>"
    hit = f"<note>{place}<duration>2</duration>{{}}<notehead>x</notehead></note>"
    bar = attributes() + hit.format('<instrument id="K"/>') * 2
    assert read([bar], instruments=kit).pitch.tolist() == [36, 36]
    piece = read([bar.replace("K", "?")])
    assert piece.pitch.tolist() == [42, 42] and piece.parts == (Part(0, True, "Part P1"),)
    mixed = read([attributes() + note("C4", 2) + hit.format("")])
    assert [part.is_drum for part in mixed.parts] == [False, True] and sounds(mixed) == [(0, 60), (2, 42)]


def test_names_programs_and_title() -> None:
    said = '<midi-instrument id="I"><midi-program>74</midi-program></midi-instrument>'
    text = document([attributes() + notes(SCALE)], instruments=said)
    text = text.replace("<part-list>", "<work><work-title>A &amp; B</work-title></work><part-list>")
    piece, _ = read_musicxml(text.encode())
    assert piece.parts == (Part(73, False, "Part P1"),) and piece.title == "A & B"


@pytest.mark.parametrize(("mode", "expected"), [("minor", "minor"), ("dorian", "minor"), ("major", "major"), ("", "major")])
def test_keys(mode: str, expected: str) -> None:
    key = f"<key><fifths>-3</fifths><mode>{mode}</mode></key>"
    assert read([attributes(more=key) + notes(SCALE)]).keys == (Key(0, -3, expected),)


def test_a_key_of_its_own_kind_is_none() -> None:
    odd = "<key><key-step>B</key-step><key-alter>-1</key-alter><key-step>F</key-step><key-alter>1</key-alter></key>"
    assert read([attributes(more=odd) + notes(SCALE)]).keys == ()


# Time


def test_divisions_voices_and_chords() -> None:
    bar = attributes(2) + note("C5", 3) + note("E5", 3, before="<chord/>") + note("D5", 1) + note("C5", 4)
    bar += step("backup", 8) + step("forward", 2) + note("C4", 6)
    change = "<attributes><divisions>6</divisions></attributes>" + note("C4", 2) * 3 + note("C4", 18)
    assert sounds(read([bar, change])) == [
        *[(0, 72), (0, 76), (1, 60), (1.5, 74), (2, 72)],
        *[(4, 60), (4 + 8 / 24, 60), (4 + 16 / 24, 60), (5, 60)],
    ]


@pytest.mark.parametrize("actual", [3, 5, 6, 7, 9, 11, 13])
def test_tuplets_never_drift(actual: int) -> None:
    bars = [note("C4", 1) * 4 * actual] * 50
    piece = read([attributes(actual) + bars[0], *bars[1:]])
    assert np.abs(piece.onset / 24 - np.arange(len(piece.onset)) / actual).max() <= 0.5 / 24 + 1e-9
    assert piece.time_signatures == (TimeSignature(0, 4, 4),)


def test_ties_are_joined_over_bar_lines_voices_and_gaps() -> None:
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    one = attributes() + note("C4", 3) + note("D4", 1, start)
    two = note("D4", 1, stop + start) + step("backup", 1) + step("forward", 1) + note("D4", 1, stop + "<voice>2</voice>")
    assert list(zip(read([one, two + note("E4", 2)]).duration.tolist(), (60, 62, 64)))[1] == (72, 62)
    drawn = '<notations><tied type="{}"/></notations>'
    bar = note("C4", 2, drawn.format("start")) + note("C4", 2, drawn.format("stop"))
    assert read([attributes() + bar]).duration.tolist() == [96]
    short = [attributes() + note("C4", 3, start), note("C4", 4, stop)], [attributes() + note("C3", 4), note("C3", 4)]
    assert sorted(read(*short).duration.tolist()) == [96, 96, 192]


def test_a_tie_that_ends_without_having_begun_is_a_note() -> None:
    assert read([attributes() + note("C4", 2) + note("D4", 2, '<tie type="stop"/>')]).num_notes == 2


def test_cue_notes_are_silent_and_grace_notes_left_out() -> None:
    cue, grace = note("G4", 1, before="<cue/>"), note("A4", 1, before="<grace/>").replace("<duration>1</duration>", "")
    assert sounds(read([attributes() + note("C4") + cue + grace + note("E4") + note("F4")])) == [(0, 60), (2, 64), (3, 65)]


def test_a_tremolo_on_one_note_is_played_out() -> None:
    marks = '<type>half</type><notations><ornaments><tremolo type="single">2</tremolo></ornaments></notations>'
    piece = read([attributes() + note("C4", 2, marks) + note("E4", 2, before="<chord/>") + note("G4", 2)])
    assert sounds(piece)[:4] == [(0, 60), (0, 64), (0.25, 60), (0.25, 64)] and piece.num_notes == 17


def test_tempo_and_loudness() -> None:
    metronome = "<metronome><beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>c. 80</per-minute></metronome>"
    mark = f"<direction><direction-type>{metronome}</direction-type></direction>"
    later = '<sound tempo="60" dynamics="50"/>'
    piece = read([attributes() + mark + notes(SCALE), notes("C4 C4") + later + notes("C4 C4")])
    assert [(t.onset, round(t.qpm, 3)) for t in piece.tempi] == [(0, 120.0), (144, 60.0)]
    assert piece.velocity.tolist() == [90] * 6 + [45] * 2
    loud = note("C4", 4).replace("<note>", '<note dynamics="110">')
    assert read([attributes() + loud]).velocity.tolist() == [99]


# Bars


def test_bars_are_aligned_across_parts() -> None:
    """A bar is as long as its longest part: short, over-full and empty ones alike."""
    full = notes(SCALE)
    short = read([attributes() + full, notes("G4 A4 B4"), full], [attributes() + full, full, full])
    assert sorted({onset for onset, _ in sounds(short)}) == list(range(12)) and len(short.time_signatures) == 1
    over = read(
        [attributes(2) + notes(SCALE, 2), notes(SCALE, 2) + note("C5", 1), notes(SCALE, 2)],
        [attributes() + full] + [full] * 2,
    )
    assert sounds(over)[-2:] == [(11.5, 65), (11.5, 65)]
    assert over.time_signatures == ((0, 4, 4), (96, 9, 8), (204, 4, 4))
    below = read([attributes(2, "2/4") + notes("C4 D4", 2)] * 2, [attributes(2, "2/4") + notes("C3 D3 E3", 2)] * 2)
    assert sounds(below)[5:7] == [(3, 60), (3, 48)] and below.time_signatures == (TimeSignature(0, 3, 4),)
    empty = read([attributes() + full, "", full], [attributes() + full, "", full])
    assert sounds(empty)[8][0] == 8
    fewer = read([attributes() + full], [attributes() + full, full])
    assert sounds(fewer)[-1] == (7, 65)


@pytest.mark.parametrize("other", ["", rest(4, whole=True), rest(1), step("forward", 1)])
def test_a_pick_up_is_a_rest_at_the_start_of_bar_0(other: str) -> None:
    full = notes(SCALE)
    piece = read(["!" + attributes() + note("G4"), full, full], ["!" + attributes() + other, full, full])
    assert sounds(piece)[:3] == [(3, 67), (4, 60), (4, 60)]
    assert piece.first_bar == 0 and piece.time_signatures == (TimeSignature(0, 4, 4),)


def test_a_skip_fills_a_bar_but_lengthens_none() -> None:
    piece = read([attributes() + note("C4", 1) + step("forward", 3), notes(SCALE) + step("forward", 4), notes(SCALE)])
    assert sounds(piece)[1][0] == 4 and sounds(piece)[5][0] == 8


def test_the_end_of_a_strain_and_the_next_pick_up_are_one_bar() -> None:
    piece = read([attributes() + note("G4"), notes(SCALE), notes("C4 D4 E4"), note("F4"), notes(SCALE)])
    assert piece.time_signatures == (TimeSignature(0, 4, 4),) and piece.num_bars == 4


BEATS = "<beats>2</beats><beat-type>4</beat-type>"


@pytest.mark.parametrize(
    ("time", "bar", "expected"),
    [
        ("<beats>3+2</beats><beat-type>8</beat-type>", notes("C4 D4 E4 F4 G4"), (5, 8)),
        ("<beats>3</beats><beat-type>8</beat-type>" + BEATS, notes("C4 D4 E4 F4 G4 A4 B4"), (7, 8)),
        (
            f"<beats>6</beats><beat-type>8</beat-type><interchangeable>{BEATS}</interchangeable>",
            notes("C4 D4 E4 F4 G4 A4"),
            (6, 8),
        ),
        ("<senza-misura/>", notes("C4 D4 E4 F4 G4 A4 B4 C5 D5"), (9, 8)),
        ("<beats>1000000</beats><beat-type>1</beat-type>", notes("C4 D4 E4 F4"), (2, 4)),
        ("<beats>4</beats><beat-type>3</beat-type>", notes("C4 D4 E4 F4"), (2, 4)),
        ("<beats>x</beats><beat-type>4</beat-type>", notes("C4 D4 E4 F4"), (2, 4)),
    ],
)
def test_metres(time: str, bar: str, expected: tuple[int, int]) -> None:
    begin = f"<attributes><divisions>2</divisions><time>{time}</time></attributes>"
    piece, _ = read_musicxml(document([begin + bar, bar, bar]).encode())
    assert [tuple(s) for s in piece.time_signatures] == [(0, *expected)]
    assert piece.num_notes == 3 * bar.count("<note>")


def test_metres_change_and_need_a_finer_grid() -> None:
    fine = read([attributes(16, "5/64") + note("C4", 5), note("D4", 5), attributes(16, "3/4") + note("E4", 48)])
    assert fine.ticks_per_quarter == 48 and fine.onset.tolist() == [0, 15, 30]
    assert fine.time_signatures == ((0, 5, 64), (30, 3, 4))


def test_a_bar_longer_than_any_metre_is_several() -> None:
    begin = "<attributes><divisions>1</divisions><time><senza-misura/></time></attributes>"
    piece = read([begin + note("C4", 200) + note("D4", 55), note("E4", 4)])
    assert sounds(piece) == [(0, 60), (200, 62), (255, 64)] and piece.time_signatures[0] == (0, 255, 4)


def test_bars_of_no_length_that_a_metre_has_are_filled() -> None:
    piece, said = repaired(document([attributes(30) + notes(SCALE, 30), notes("C4", 77), notes(SCALE, 30)]))
    assert "bar 2" in said and piece.time_signatures[1][1:] == (21, 32)


def test_repeats_are_not_played_out() -> None:
    back = '<barline location="right"><repeat direction="backward"/></barline>'
    assert read([attributes() + notes(SCALE) + back, notes(SCALE)]).num_bars == 2


def test_a_score_by_bars_is_one_by_parts() -> None:
    parts = [attributes() + notes(SCALE), notes("G4 G4 G4")], [attributes() + notes("C3 D3 E3 F3"), notes("C3 C3 C3 C3")]
    by_parts, by_bars = (read_musicxml(document(*parts, timewise=kind).encode())[0] for kind in (False, True))
    assert by_parts == by_bars


@pytest.mark.parametrize("piece", [jig(), chorale(), line((24, 60), (24, None), (48, 62), keys=[(0, 2, "minor")])])
def test_what_we_write_is_what_we_read(piece: Piece) -> None:
    again, repairs = read_musicxml(to_musicxml(piece).encode())
    assert not repairs and sorted(sounds(again)) == sorted(sounds(piece))
    assert again.keys == piece.keys or not piece.keys  # a score names a key, and be it a guess


# Encodings and archives


TUNE = document([attributes() + notes(SCALE)]).replace("Part P1", "Clarinète Ж 音")


@pytest.mark.parametrize(
    ("encoding", "declared", "name"),
    [
        ("utf-8", "", "Clarinète Ж 音"),
        ("utf-8-sig", "UTF-8", "Clarinète Ж 音"),
        ("utf-8", "UTF-16", "Clarinète Ж 音"),  # a common slip: the line was true before the file was converted
        ("utf-16", "UTF-16", "Clarinète Ж 音"),
        ("utf-16-be", "UTF-16", "Clarinète Ж 音"),
        ("utf-32", "UTF-32", "Clarinète Ж 音"),
        ("latin-1", "ISO-8859-1", "Clarinète ? ?"),
        ("cp1251", "windows-1251", "Clarin?te Ж ?"),
        ("shift-jis", "Shift_JIS", "Clarin?te Ж 音"),
        ("gb18030", "GB18030", "Clarinète Ж 音"),
        ("latin-1", "UTF-8", "Clarinète ? ?"),
        ("utf-8", "punycode", "Clarinète Ж 音"),
        ("utf-8", "zlib", "Clarinète Ж 音"),
        ("utf-8", "nonsense", "Clarinète Ж 音"),
    ],
)
def test_every_encoding(encoding: str, declared: str, name: str) -> None:
    line = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    piece, repairs = read_musicxml((line + TUNE).encode(encoding, "replace"))
    assert piece.parts[0].name == name and piece.num_notes == 4
    assert bool(repairs) == ((encoding, declared) == ("latin-1", "UTF-8"))


def archive(members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return stream.getvalue()


def container(name: str) -> dict[str, str | bytes]:
    return {"META-INF/container.xml": f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize(
    "members",
    [
        {"mimetype": "application/vnd.recordare.musicxml", **container("A &amp; B.xml"), "A & B.xml": TUNE},
        {**container("folder/a.musicxml"), "first.xml": "<opus/>", "folder/a.musicxml": TUNE},
        {"lead.xml": TUNE},
        {**container("gone.xml"), "__MACOSX/._lead.xml": "x", "lead.xml": TUNE},
    ],
)
def test_every_archive(members: dict[str, str | bytes], method: int) -> None:
    assert read_musicxml(archive(members, method))[0].num_notes == 4


def test_damaged_archives_are_refused_in_one_line() -> None:
    whole = archive({"a.xml": TUNE}, zipfile.ZIP_LZMA)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(4, len(damaged), 3):
            damaged[at] = rng.integers(256)
        try:
            read_musicxml(bytes(damaged))
        except ScoreError as error:
            assert "\n" not in str(error)


# Damage


def test_a_damaged_bar_loses_no_other() -> None:
    whole = document(
        [attributes() + notes(SCALE)] + [notes(SCALE)] * 3,
        [attributes() + notes("C3 D3 E3 F3")] + [notes("C3 D3 E3 F3")] * 3,
    )
    expected = sounds(read_musicxml(whole.encode())[0])
    at = whole.index('<measure number="2">')
    damages = ("</note>", "<note", "&x; <", "]]>", "<measure", "\0\0", '<a b="', "<!--")
    damaged = [whole[: at + 60] + damage + whole[at + 60 :] for damage in damages]
    damaged += [whole.replace("</measure>", "", 2), whole.replace("</part>", "", 1)]
    damaged.append(whole[: at + 60] + whole[whole.index('<measure number="3">') :])
    for text in damaged:
        piece, _ = repaired(text)
        found = sounds(piece)
        assert {s for s in expected if not 4 <= s[0] < 8} <= set(found) <= set(expected)
    for cut in (at - 5, at + 3, at + 19, at + 60):  # within the tags of bar 2
        assert len(repaired(whole[:cut] + whole[cut + 7 :])[0].onset) >= 24


@pytest.mark.parametrize(
    ("good", "bad", "lost"),
    [
        ("<step>E</step>", "<step>H</step>", 1),
        ("<octave>4</octave></pitch><duration>2", "<octave>40</octave></pitch><duration>2", 1),
        ("<duration>2</duration>", "<duration>x</duration>", 1),
        ("<duration>2</duration>", "", 1),
        ("<duration>2</duration>", "<duration>-2</duration>", 1),
        ("<duration>2</duration>", "<duration>1000000000000</duration>", 1),
        ("<divisions>1</divisions>", "<divisions>0</divisions>", 0),
        ("<divisions>1</divisions>", "<divisions>one</divisions>", 0),
        ("<beats>4</beats>", "<beats>1000000</beats>", 0),
    ],
)
def test_what_cannot_be_read_is_left_out_by_itself_and_said(good: str, bad: str, lost: int) -> None:
    whole = document([attributes() + note("C4", 1) + note("E4", 2) + note("C4", 1), notes(SCALE)])
    piece, _ = repaired(whole.replace(good, bad, 1))
    assert piece.num_notes == 7 - lost and sounds(piece)[-4:] == [(4, 60), (5, 62), (6, 64), (7, 65)]


def test_a_file_that_breaks_off_keeps_its_whole_bars() -> None:
    whole = document([attributes() + notes(SCALE)] + [notes(SCALE)] * 5)
    for cut in range(whole.index("</measure>") + 10, len(whole) - 1, 37):
        piece, said = repaired(whole[:cut])
        assert piece.num_notes == 4 * whole[:cut].count("</measure>") and "breaks off" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("<html/>", "html"),
        ("<opus/>", "opus"),
        ("<score-partwise>", "cannot be read"),
        (document([attributes() + rest(4)]), "no notes"),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + TUNE.replace("Clar", "&e;"), "entities"),
        ('<!DOCTYPE a [<!ENTITY % e "x">]>' + TUNE, "entities"),
        ("<score-partwise>" + "<a>" * 2000, "deep"),
        ("<score-partwise>" + "<" * 2_100_000, "tags"),
        (TUNE.replace("<measure", "<measure " + "a" * 30_000, 1), "letters"),
        (document([attributes() + note("C4", 4)] + [""] * 100_001), "bars"),
        (document([attributes(1, "255/1") + note("C4", 4)] + [""] * 1_000), "longer than"),
        (f"<score-partwise>{'<part><measure/></part>' * 300}</score-partwise>", "parts"),
    ],
)
def test_what_is_no_score_or_too_large_is_refused_at_once(text: str, message: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(ScoreError, match=message) as caught:
        read_musicxml(text.encode())
    assert "\n" not in str(caught.value) and time.perf_counter() - begun < 10


def test_a_document_type_is_passed_over_and_nothing_fetched() -> None:
    kind = '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://127.0.0.1:1/partwise.dtd">'
    assert read_musicxml((kind + TUNE.replace("Clar", "&nbsp;Clar")).encode())[0].num_notes == 4


def test_numbers_of_any_size_take_no_time() -> None:
    begun = time.perf_counter()
    for number in ("1000000000", "0.000001", "9" * 100_000, "1e9", "-5", "nan"):
        for tag in ("divisions", "beats", "beat-type", "duration", "octave"):
            bar = attributes() + notes(SCALE) + "<sound tempo='100' dynamics='90'/>"
            text = document([bar, notes(SCALE)]).replace(
                f"<{tag}>{'1' if tag != 'octave' else '4'}<", f"<{tag}>{number}<", 2
            )
            for old in ("'100'", "'90'"):
                with suppress(ScoreError):
                    read_musicxml(text.replace(old, f"'{number}'").encode())
    assert time.perf_counter() - begun < 5


def _fuzzer() -> ModuleType:
    path = Path(__file__).parents[1] / "scripts" / "fuzz_musicxml.py"
    spec = spec_from_file_location("fuzz_musicxml", path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mutated_documents_are_read_or_refused() -> None:
    fuzzer = _fuzzer()
    originals = fuzzer.seeds()
    results = []
    for number in range(60):
        rng = np.random.default_rng([20, number])
        results.append(fuzzer.outcome(fuzzer.mutated(rng, originals[number % 2])))
    assert set(results) == {"read", "repaired", "refused"}


# From a file


def test_reading_says_what_was_repaired_and_needs_no_music21(tmp_path: Path) -> None:
    path = tmp_path / "a.musicxml"
    path.write_text(TUNE.replace("<duration>1<", "<duration>x<", 1), encoding="utf-8")
    reading = read_score_file(path)
    assert reading.piece == read_score(path) and "bar 1" in reading.repairs[0]
    code = f"import sys; from melody.score.score_files import read_score; read_score({str(path)!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"music21", "torch", "verovio"} & set(loaded)
    (tmp_path / "b.xml").mkdir()
    with pytest.raises(ScoreError, match="no file"):
        read_score(tmp_path / "b.xml")
