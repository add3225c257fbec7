"""Scores: what stands on the page is what is in the piece; MusicXML and ABC are read back by music21."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores import chorale, jig, line, notes_of, read_back

from melody.errors import ScoreError
from melody.piece import Key, Part, Piece, Tempo, overlaps
from melody.score.abc.to_abc import to_abc
from melody.score.musicxml.to_musicxml import to_musicxml
from melody.score.notation.layout import notate
from melody.score.notation.metre import metre_of, split
from melody.score.notation.spelling import find_key, spell, spelled

METRES = [(4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (5, 8), (7, 8), (5, 4), (2, 2), (3, 8), (3, 2)]


@st.composite
def written_tunes(draw: st.DrawFn, parts: int = 1) -> Piece:
    """Notes on values that a page can hold: each unit of the bar binary or in a triplet; with several parts also chords."""
    numerator, denominator = draw(st.sampled_from(METRES))
    metre = metre_of(numerator, denominator)
    rows = []
    for part in range(parts):
        cuts = {metre.bar * 3}
        for unit in range(0, metre.bar * 3, metre.unit):
            step = draw(st.sampled_from([3, 6, metre.unit // 3, metre.unit // 2, metre.unit, 0]))
            inside = range(unit, unit + metre.unit, step) if step else ()
            cuts |= {tick for tick in inside if draw(st.integers(0, 3))}
        times = sorted(cuts)
        for start, end in pairwise(times):
            for pitch in draw(st.sets(st.integers(36, 96), max_size=parts)):
                rows.append((start, end - start, pitch, part))
    rows = rows or [(0, 24, 60, 0)]
    onset, duration, pitch, part = zip(*rows)
    key = draw(st.tuples(st.just(0), st.integers(-7, 7), st.sampled_from(["major", "minor"])))
    programs = draw(st.lists(st.sampled_from([0, 24, 33, 40, 41, 73]), min_size=parts, max_size=parts))
    return Piece(
        onset,
        duration,
        pitch,
        part=part,
        parts=tuple(Part(p, name=f"P{i}") for i, p in enumerate(programs)),
        time_signatures=[(0, numerator, denominator)],
        keys=[key],
    )


@st.composite
def free_playing(draw: st.DrawFn) -> Piece:
    """Anything: overlaps, any tick, any grid, drums."""
    seed = draw(st.integers(0, 2**32 - 1))
    grid = draw(st.sampled_from([24, 480, 7, 1]))
    rng = np.random.default_rng(seed)
    columns = rng.integers([0, 1, 0, 0], [grid * 12, grid * 3 + 1, 128, 3], (draw(st.integers(1, 60)), 4))
    while len(clash := overlaps(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3])):
        columns = np.delete(columns, clash, axis=0)
    metre = draw(st.sampled_from([m for m in METRES if m[0] * 4 * grid % m[1] == 0]))
    return Piece(
        *columns.T[:3],
        part=columns[:, 3],
        parts=(Part(), Part(is_drum=True), Part(40)),
        time_signatures=[(0, *metre)],
        ticks_per_quarter=grid,
    )


# Notes there and back


@given(written_tunes())
def test_a_tune_is_the_same_in_musicxml_for_music21s_own_reading(piece: Piece) -> None:
    from music21 import converter

    part = converter.parseData(to_musicxml(piece), format="musicxml").parts[0]
    for note in part.recurse().notes:  # else music21 finds an E tied to the E natural before it to be another pitch
        note.pitch.ps = note.pitch.midi
    found = part.flatten().stripTies().notes
    first = part.getElementsByClass("Measure").first()
    shift = piece.time_signatures[0].bar_ticks() / 24 - first.quarterLength if first.number == 0 else 0
    ticks = [(float(n.offset + shift) * 24, float(n.quarterLength) * 24, n.pitch.midi) for n in found]
    assert np.allclose(ticks, [note[1:] for note in notes_of(piece)], atol=1e-6)
    assert part.flatten().keySignature.sharps == piece.keys[0].fifths
    assert part.flatten().timeSignature.ratioString == "{1}/{2}".format(*piece.time_signatures[0])


@given(piece=written_tunes(parts=3))
def test_several_parts_with_chords_are_the_same_after_musicxml(
    piece: Piece, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = read_back(to_musicxml(piece), ".musicxml", tmp_path_factory.mktemp("xml"))
    playing = np.unique(piece.part)
    assert notes_of(again) == notes_of(replace(piece, part=np.searchsorted(playing, piece.part)))
    assert [part.program for part in again.parts] == [piece.parts[i].program for i in playing]
    assert again.time_signatures == piece.time_signatures
    assert again.keys == piece.keys
    assert notate(piece).remarks == ()


@given(piece=written_tunes())
def test_a_tune_is_the_same_after_abc(piece: Piece, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert notes_of(read_back(to_abc(piece), ".abc", tmp_path_factory.mktemp("abc"))) == notes_of(piece)


@given(free_playing())
def test_every_voice_fills_its_bar_whatever_is_played(piece: Piece) -> None:
    notation = notate(piece)
    for player in notation.players:
        for staff in player.staves:
            for bar, voices in zip(notation.bars, staff.bars):
                for fragments in voices.values():
                    assert sum(f.duration for f in fragments) == bar.end - bar.start
    ET.fromstring(to_musicxml(piece))


def test_voices_that_overlap_in_a_part_keep_their_notes(tmp_path: Path) -> None:
    piece = Piece([0, 0, 24, 36, 96, 100], [96, 24, 12, 60, 96, 8], [48, 60, 64, 67, 50, 62])
    assert notes_of(read_back(to_musicxml(piece), ".xml", tmp_path)) == notes_of(piece)


def test_metre_key_and_tempo_changes_come_back(tmp_path: Path) -> None:
    piece = line(
        *[(24, 60 + i % 5) for i in range(24)],
        time_signatures=[(0, 4, 4), (192, 3, 4), (336, 6, 8)],
        keys=[(0, 0, "major"), (192, -3, "minor")],
        tempi=[Tempo.from_qpm(0, 100), Tempo.from_qpm(408, 138)],
    )
    again = read_back(to_musicxml(piece), ".musicxml", tmp_path)
    assert (notes_of(again), again.time_signatures, again.keys) == (notes_of(piece), piece.time_signatures, piece.keys)
    assert [(t.onset, round(t.qpm)) for t in again.tempi] == [(0, 100), (408, 138)]


def test_drums_keep_onsets_and_kinds(tmp_path: Path) -> None:
    hits = [(0, 36), (0, 42), (12, 42), (24, 38), (24, 42), (36, 46), (48, 49), (60, 50), (72, 47), (84, 41)]
    piece = Piece([o for o, _ in hits], [2] * len(hits), [p for _, p in hits], parts=(Part(is_drum=True, name="Kit"),))
    again = read_back(to_musicxml(piece), ".musicxml", tmp_path)
    assert sorted(zip(again.onset.tolist(), again.pitch.tolist())) == sorted(hits)
    assert again.parts[0].is_drum
    with pytest.raises(ScoreError, match="only drums"):
        to_abc(piece)


# What a musician expects


@pytest.mark.parametrize(
    ("metre", "span", "values"),
    [
        ((4, 4), (0, 72), [72]),  # dotted half on the first beat
        ((4, 4), (24, 72), [48]),  # quarter, half, quarter
        ((4, 4), (36, 60), [12, 12]),  # the middle of the bar is shown
        ((4, 4), (12, 84), [36, 36]),
        ((4, 4), (12, 36), [24]),  # eighth, quarter, eighth
        ((4, 4), (18, 30), [6, 6]),  # but no eighth across a beat off the sixteenth
        ((4, 4), (0, 60), [48, 12]),
        ((3, 4), (0, 60), [48, 12]),
        ((3, 4), (12, 72), [12, 48]),
        ((6, 8), (0, 48), [36, 12]),  # no half note in 6/8
        ((6, 8), (24, 60), [12, 24]),
        ((6, 8), (12, 36), [24]),
        ((7, 8), (0, 84), [48, 36]),
    ],
)
def test_a_note_is_written_so_that_the_metre_shows(metre: tuple[int, int], span: tuple[int, int], values: list[int]) -> None:
    assert [b - a for a, b in split(*span, metre_of(*metre))] == values


def test_rests_show_every_beat() -> None:
    assert [b - a for a, b in split(24, 96, metre_of(4, 4), rest=True)] == [24, 48]
    assert [b - a for a, b in split(0, 48, metre_of(3, 4), rest=True)] == [24, 24]
    assert [b - a for a, b in split(12, 72, metre_of(6, 8), rest=True)] == [12, 12, 36]


def test_a_pick_up_is_a_short_bar_numbered_0_and_the_last_bar_completes_it() -> None:
    measures = ET.fromstring(to_musicxml(jig())).findall("part/measure")
    lengths = [sum(int(n.findtext("duration")) for n in m.findall("note")) for m in (measures[0], measures[1], measures[-1])]
    assert (measures[0].get("number"), measures[0].get("implicit"), measures[1].get("number")) == ("0", "yes", "1")
    assert lengths == [12, 72, 60]


def test_triplets_are_triplets_and_beams_follow_the_beat() -> None:
    measure = ET.fromstring(to_musicxml(jig())).findall("part/measure")[1]
    notes = measure.findall("note")
    assert [n.findtext("type") for n in notes] == ["eighth"] * 3 + ["quarter"] + ["16th"] * 3
    assert [n.findtext("time-modification/actual-notes") for n in notes[4:]] == ["3"] * 3
    assert [n.findtext("beam") for n in notes] == ["begin", "continue", "end", None, "begin", "continue", "end"]


def test_a_quarter_triplet_is_one_bracket() -> None:
    piece = line((16, 60), (16, 62), (16, 64), (48, 65))
    notes = ET.fromstring(to_musicxml(piece)).findall(".//note")
    assert [n.findtext("type") for n in notes] == ["quarter"] * 3 + ["half"]
    assert [t.get("type") for t in ET.fromstring(to_musicxml(piece)).iter("tuplet")] == ["start", "stop"]


@pytest.mark.parametrize("fifths", range(-7, 8))
def test_a_harmonic_minor_scale_uses_each_letter_once(fifths: int) -> None:
    key = Key(0, fifths, "minor")
    scale = [60 + key.tonic + step for step in (0, 2, 3, 5, 7, 8, 11)]
    piece = line(*[(24, p) for p in scale], keys=[key])
    letters = [spelled(x, p)[0] for x, p in zip(spell(piece, piece.keys).tolist(), scale)]
    assert sorted(letters) == sorted("ABCDEFG")


def test_a_spelling_sounds_as_the_pitch_it_spells() -> None:
    for place in range(-15, 20):
        pitch = 60 + 7 * place % 12
        step, alter, octave = spelled(place, pitch)
        assert 12 * (octave + 1) + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[step] + alter == pitch


def test_passing_notes_rise_by_sharps_and_fall_by_flats() -> None:
    def names(*pitches: int) -> list[str]:
        piece = line(*[(24, p) for p in pitches], keys=[(0, 0, "major")])
        return [
            step + {-1: "b", 0: "", 1: "#"}[alter] for step, alter, _ in map(spelled, spell(piece, piece.keys), piece.pitch)
        ]

    assert names(67, 68, 69) == ["G", "G#", "A"]
    assert names(69, 68, 67) == ["A", "Ab", "G"]
    assert names(60, 61, 62) == ["C", "C#", "D"]
    assert names(71, 70, 69) == ["B", "Bb", "A"]


@given(written_tunes(parts=2))
def test_a_pitch_keeps_its_spelling_for_two_bars(piece: Piece) -> None:
    places, bar = spell(piece, piece.keys), piece.time_signatures[0].bar_ticks()
    for pitch in np.unique(piece.pitch):
        notes = np.flatnonzero(piece.pitch == pitch)
        near = np.diff(piece.onset[notes]) <= 2 * bar
        assert not np.any(np.diff(places[notes])[near])


def test_a_phrase_that_would_flip_keeps_the_spelling_that_fits_it_best() -> None:
    """To A it is G sharp and to G it is A flat; in one phrase it is what it is more often."""

    def letters(*pitches: int) -> set[str]:
        piece = line(*[(24, p) for p in pitches], keys=[(0, 0, "major")])
        return {spelled(x, p)[0] for x, p in zip(spell(piece, piece.keys).tolist(), pitches) if p == 68}

    up, down = (67, 68, 69, 72), (69, 68, 67, 72)
    assert (letters(*up), letters(*down)) == ({"G"}, {"A"})
    assert (letters(*up, *up, *down), letters(*down, *up, *down)) == ({"G"}, {"A"})


@pytest.mark.parametrize("name", ["bach/bwv66.6", "bach/bwv4.8"])
def test_bach_is_spelled_as_he_spelled(name: str) -> None:
    from music21 import corpus

    score = corpus.parse(name)
    rows = [
        (round(n.offset * 24), round(n.quarterLength * 24), n.pitch.midi, i, n.pitch.name)
        for i, part in enumerate(score.parts)
        for n in part.flatten().stripTies().notes
    ]
    onset, duration, pitch, part, names = zip(*sorted(rows, key=lambda r: (r[0], r[3], r[2])))
    key = Key(0, score.parts[0].flatten().keySignature.sharps, "minor")
    piece = Piece(onset, duration, pitch, part=part, parts=(Part(),) * 4, keys=[key])
    ours = [s + "-" * -a + "#" * a for s, a, _ in map(spelled, spell(piece, piece.keys), piece.pitch)]
    assert ours == list(names)


def test_accidentals_show_where_the_key_or_the_bar_does_not_say_it() -> None:
    piece = line((24, 66), (24, 65), (24, 65), (24, 66), (24, 66), (24, 67), keys=[(0, 1, "major")])
    signs = [n.findtext("accidental") for n in ET.fromstring(to_musicxml(piece)).iter("note") if n.find("rest") is None]
    assert signs[0] is None and signs[2] is None and signs[4:] == [None, None]
    assert signs[1] is not None and signs[3] is not None


def test_the_key_is_found_where_the_piece_names_none() -> None:
    scale = [59, 61, 62, 64, 66, 67, 70, 71, 66, 62, 59]
    piece = line(*[(24, p) for p in scale])
    assert find_key(piece)[1:] == (2, "minor")
    assert any("Bm was found" in remark for remark in notate(piece).remarks)


def test_a_chorale_stands_on_two_staves_and_keeps_four_parts_in_musicxml(tmp_path: Path) -> None:
    short = notate(chorale(), short_score=True)
    assert [player.staves[0].clef for player in short.players] == ["treble", "bass"]
    assert all(set(bar) == {1, 2} for player in short.players for bar in player.staves[0].bars)
    assert [part.name for part in read_back(to_musicxml(chorale()), ".xml", tmp_path).parts] == [
        "Soprano",
        "Alto",
        "Tenor",
        "Bass",
    ]


def test_clefs_follow_range_and_a_piano_has_two_hands() -> None:
    def clefs(program: int, *pitches: int) -> list[str]:
        piece = Piece([0] * len(pitches), [96] * len(pitches), pitches, parts=(Part(program),), keys=[(0, 0, "major")])
        return [staff.clef for staff in notate(piece).players[0].staves]

    assert clefs(40, 67, 74) == ["treble"]
    for name, clef in (("Alto", "treble"), ("Tenor", "treble-8vb"), ("Bass", "bass"), ("", "bass")):
        low = Piece([0, 24], [24, 24], [50, 57], parts=(Part(52, name=name),))
        assert [staff.clef for staff in notate(low).players[0].staves] == [clef]
    assert clefs(42, 43, 50) == ["bass"]
    assert clefs(41, 55, 64) == ["alto"]
    assert clefs(33, 28, 33) == ["bass-8vb"]
    assert clefs(0, 36, 48, 64, 72) == ["treble", "bass"]


def test_free_playing_is_brought_back_to_the_beat_and_said() -> None:
    straight = jig().resolution(480)
    rng = np.random.default_rng(0)
    onset = straight.onset + rng.integers(-12, 13, straight.num_notes)
    played = replace(straight, onset=onset, duration=np.maximum(straight.duration * 9 // 10, 20))
    notation = notate(played)
    assert any("not on written values" in remark for remark in notation.remarks)
    starts = {f.start for bar in notation.players[0].staves[0].bars for f in bar[1] if f.notes and not f.tied_from}
    assert np.mean([tick in starts for tick in jig().onset.tolist()]) > 0.9
    assert not any("written values" in remark for remark in notate(jig()).remarks)
