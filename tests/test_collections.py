"""The collections inside music21: every tune becomes a piece, and music21 says what the notes of plain tunes are."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import mido
import pytest
from music21 import abcFormat, converter, stream

from melody.errors import CorpusError, MelodyError, ScoreError
from melody.piece import Key, Piece, TimeSignature
from melody.score import collections
from melody.score.abc.from_abc import read_tune
from melody.score.collections import COLLECTIONS, load


def tune(music: str, head: str = "M:4/4\nL:1/4\nK:C") -> Piece:
    return read_tune(f"X:1\nT:Test\n{head}\n{music}\n")


def notes(piece: Piece) -> list[tuple[int, int, int]]:
    return list(zip(piece.onset.tolist(), piece.duration.tolist(), piece.pitch.tolist()))


def positions(piece: Piece) -> list[int]:
    return piece.bar_and_position(piece.onset)[1].tolist()


# Bars


def test_a_pick_up_is_a_rest_and_then_the_notes() -> None:
    piece = tune("G | c d e f | g4 |]")
    assert notes(piece) == [(72, 24, 67), (96, 24, 72), (120, 24, 74), (144, 24, 76), (168, 24, 77), (192, 96, 79)]
    assert piece.time_signatures == (TimeSignature(0, 4, 4),)


@pytest.mark.parametrize("seam", [":|: ", ":: ", ":||: ", "|| ", " :|\n|: "])
def test_the_end_of_a_strain_and_the_next_pick_up_make_one_bar(seam: str) -> None:
    piece = tune(f"G | c d e f | g3 {seam} A | B c d e | f3 :|")
    assert piece.onset.tolist() == [72, 96, 120, 144, 168, 192, 264, 288, 312, 336, 360, 384]
    assert piece.time_signatures == (TimeSignature(0, 4, 4),)


def test_a_pick_up_in_a_new_metre_belongs_to_the_last_bar_of_the_old_one() -> None:
    piece = tune("c d e f | g3 :|\nM:3/4\n|: A | B c d | e2 :|")
    assert piece.onset.tolist() == [0, 24, 48, 72, 96, 168, 192, 216, 240, 264]
    assert piece.time_signatures == (TimeSignature(0, 4, 4), TimeSignature(192, 3, 4))


def test_a_strain_that_ends_short_is_filled_with_a_rest() -> None:
    piece = tune("G | c d e f | g3 :|: c d e f | g4 |]")
    assert piece.onset.tolist()[5:] == [192, 288, 312, 336, 360, 384]
    assert len(piece.time_signatures) == 1


def test_an_odd_bar_has_its_own_time_signature_and_the_next_the_old_one() -> None:
    piece = tune("c d e f | c d e | c d e f | c4 |]")
    assert piece.time_signatures == (TimeSignature(0, 4, 4), TimeSignature(96, 3, 4), TimeSignature(168, 4, 4))
    assert positions(piece) == [0, 24, 48, 72, 0, 24, 48, 0, 24, 48, 72, 0]


def test_a_bar_too_odd_for_a_time_signature_is_filled_to_the_next_sixteenth() -> None:
    piece = tune("c d e f (3:2:1g | c4 |]")  # 96 + 16 ticks
    assert piece.time_signatures[0].bar_ticks() == 114
    assert notes(piece)[-1] == (114, 96, 72)


def test_the_metre_may_change_in_the_line() -> None:
    piece = tune("c d e f | [M:3/4] c d e |\nM:2/4\nL:1/8\nc d e f |]")
    assert piece.time_signatures == (TimeSignature(0, 4, 4), TimeSignature(96, 3, 4), TimeSignature(168, 2, 4))
    assert piece.length == 168 + 48


def test_repeats_are_not_played_and_the_first_ending_is_left_out() -> None:
    once = tune("c d e f |1 g4 :|2 a4 |: b4 :|")
    assert once.pitch.tolist() == [72, 74, 76, 77, 81, 83]
    assert once.onset.tolist() == [0, 24, 48, 72, 96, 192]


# Notes


@pytest.mark.parametrize(
    ("decorated", "plain"),
    [
        ("{d}c {ef}d (3{g}e/f/g/ | a4", "c d (3e/f/g/ | a4"),
        ("Hc Td ~e uf | vg .a !4!b2", "c d e f | g a b2"),
        ("c>(d e)>f | c>{g}d e<.f", "c>d e>f | c>d e<f"),
        ('"Am"c !f!d "D.C."e f', "c d e f"),
        ("[ceg] [CE]2 [c2A2]/", "g E2 c"),
        ("[V:1] c d e f\n[V:2] C4", "c d e f"),
    ],
)
def test_decorations_change_nothing(decorated: str, plain: str) -> None:
    assert notes(tune(decorated + " |]")) == notes(tune(plain + " |]"))


def test_an_accidental_holds_until_the_bar_line_in_every_octave() -> None:
    assert tune("^f f F e | f4 |]").pitch.tolist() == [78, 78, 66, 76, 77]


def test_ties_are_merged_and_slurs_written_as_ties_are_not() -> None:
    assert notes(tune("c2 d2- | d e- f2 |]")) == [(0, 48, 72), (48, 72, 74), (120, 24, 76), (144, 48, 77)]


def test_tuplets_and_dotted_pairs() -> None:
    piece = tune("(3c/d/e/ f>g a | a<b a2 | (5c/d/e/f/g/ a2 |]")
    assert piece.duration.tolist()[:9] == [8, 8, 8, 36, 12, 24, 12, 36, 48]
    assert piece.onset.tolist()[9:] == [192, 202, 211, 221, 230, 240]  # five in the time of four: 9.6 ticks each


def test_what_the_editors_of_the_books_meant_is_read() -> None:
    assert notes(tune("c d e Z | f4 Hx |]")) == notes(tune("c d e z | f4 |]"))
    assert notes(tune("c d =3Df e =20\nf4 |]")) == notes(tune("c d =f e\nf4 |]"))
    assert tune("c4 |]", "M:4/4\nL:1/4\nK:Bn").keys == (Key(0, 2, "minor"),)


def test_of_three_endings_the_last_is_kept() -> None:
    assert tune("c4 |1 d4 :|2 e4 :|3 f4 || g4 |1 a4 :|2 b4 |]").pitch.tolist() == [72, 77, 79, 83]


def test_the_key_has_the_signature_written_and_the_third_of_its_mode() -> None:
    keys = {"G": (1, "major"), "Ador": (1, "minor"), "D Mixolydian": (1, "major"), "Bphr": (1, "minor"), "Gm": (-2, "minor")}
    for name, (fifths, mode) in keys.items():
        assert tune("c4 |]", f"M:4/4\nL:1/4\nK:{name}").keys == (Key(0, fifths, mode),)
    assert tune("c4 | [K:G] f4 |]").keys[1] == Key(96, 1, "major")


def test_a_tune_needs_a_note() -> None:
    with pytest.raises(ScoreError, match="'Test' has no notes"):
        tune("z4 |]")


@pytest.mark.parametrize("music", ["[ ]", "(0z", "c/0", "M:four/4", "c0", "z4"])
def test_what_is_no_abc_is_refused_in_one_line(music: str) -> None:
    with pytest.raises(MelodyError) as refusal:
        tune(music)
    assert "\n" not in str(refusal.value)


# The notes are those of music21's streams


@lru_cache
def texts() -> list[str]:
    return [read.args[0] for _, read in collections._sources("fiddle")]


def is_plain(abc: str) -> bool:
    """Whether a tune has only notes, bar lines and lengths, which music21 understands."""
    return not re.search(r"(?m)^(?![A-Za-z]:)[^%\n]*[^A-Ga-gz0-9 |:/<>,_=^\'\\\n]|::|\|\d", abc)


def stream_part(abc: str) -> Any:
    handler = abcFormat.ABCFile(abcVersion=(2, 1, 0)).readstr(abc)
    return abcFormat.translate.abcToStreamScore(handler).parts[0]


def test_a_plain_tune_has_the_notes_of_music21s_stream() -> None:
    plain = [abc for abc in texts() if is_plain(abc)]
    assert len(plain) > 200
    for abc in plain[::40]:
        expected = [(n.pitch.midi, round(n.quarterLength * 24)) for n in stream_part(abc).flatten().notes]
        assert [(pitch, duration) for _, duration, pitch in notes(read_tune(abc))] == expected


def test_the_notes_of_a_full_bar_stand_where_music21_has_them_in_the_bar() -> None:
    right = wrong = 0
    for abc in [abc for abc in texts() if is_plain(abc)][::20]:
        measures = stream_part(abc).getElementsByClass(stream.Measure)
        ours = iter(positions(read_tune(abc)))
        for measure in measures:
            metre = measure.timeSignature or measure.getContextByClass("TimeSignature")
            full = measure.duration.quarterLength == metre.barDuration.quarterLength
            for note, position in zip(measure.notes, ours):
                right += full and position == round(note.offset * 24)
                wrong += full and position != round(note.offset * 24)
    assert right > 1000 and wrong < 0.01 * right


# The collections


def fail(stem: str, reason: str) -> None:
    pytest.fail(f"{stem} is left out: {reason}")


def test_a_fiddle_tune_is_a_piece_of_one_voice_with_few_odd_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """`scripts/check_collections.py` reads all of them, and counts their notes."""
    books = [COLLECTIONS[name] for name in ("ryans", "oneills", "airds")]
    pieces = Counter(stem.split("-")[0] for stem, _ in collections._sources("fiddle"))
    assert pieces == {c.name: c.pieces for c in books} and pieces.total() == COLLECTIONS["fiddle"].pieces
    assert COLLECTIONS["fiddle"].notes == sum(c.notes for c in books)
    some = list(collections._sources("fiddle"))[::8]
    monkeypatch.setattr(collections, "_sources", lambda name: iter(some))
    notes, bars, odd = 0, 0, 0
    for _, piece in load("fiddle", on_skip=fail):
        notes, bars = notes + piece.num_notes, bars + piece.num_bars
        odd += len(piece.time_signatures) - len({s[1:] for s in piece.time_signatures})
        assert piece.is_monophonic and piece.keys and 36 <= piece.tempo_qpm <= 400
        assert set(piece.program) == {40} and set(piece.velocity) == {90}
    assert odd < 0.01 * bars and 8 * notes == pytest.approx(COLLECTIONS["fiddle"].notes, rel=0.1)


def test_file_names_are_safe_on_every_file_system() -> None:
    stems = [stem for name in ("fiddle", "chorales") for stem, _ in collections._sources(name)]
    assert all(re.fullmatch(r"[a-z]+-[a-z0-9-]{1,53}", stem) for stem in stems)
    assert len(set(stems)) == len(stems)


def test_no_note_is_left_sounding_in_the_file_of_a_tune_with_grace_notes(tmp_path: Path) -> None:
    piece = read_tune(next(abc for abc in texts() if abc.count("{") > 5))
    piece.write(tmp_path / "tune.mid")
    sounding: set[int] = set()
    starts = 0
    for message in mido.merge_tracks(mido.MidiFile(tmp_path / "tune.mid").tracks):
        if message.type == "note_on" and message.velocity:
            assert message.note not in sounding
            sounding.add(message.note)
            starts += 1
        elif message.type in ("note_on", "note_off"):
            sounding.remove(message.note)
    assert starts == piece.num_notes and not sounding


@pytest.fixture(scope="module")
def chorales() -> dict[str, Piece]:
    return dict(islice(load("chorales", on_skip=lambda *_: None), 40))


def test_chorales_have_four_voices_from_high_to_low_and_full_bars(chorales: dict[str, Piece]) -> None:
    for stem, piece in chorales.items():
        assert re.fullmatch(r"chorales-bwv\d+(-[a-z0-9]+)*", stem)
        assert [p.name for p in piece.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
        means = [piece.pitch[piece.part == i].mean() for i in range(4)]
        assert means == sorted(means, reverse=True)
        assert len(piece.time_signatures) == 1


def test_chorales_are_music21s(chorales: dict[str, Piece]) -> None:
    sources = {stem: read.args[0] for stem, read in collections._sources("chorales")}
    for stem, piece in islice(chorales.items(), 0, None, 10):
        score = converter.parse(collections._xml(sources[stem]).decode(), format="musicxml")
        first = next(score.recurse().getElementsByClass("TimeSignature"))
        bar = round(24 * first.barDuration.quarterLength)
        pick_up = -round(24 * score.parts[0].getElementsByClass(stream.Measure)[0].duration.quarterLength) % bar
        for i, part in enumerate(score.parts):
            expected = [
                (round(n.offset * 24) + pick_up, round(n.quarterLength * 24), n.pitch.midi)
                for n in part.flatten().stripTies().notes
            ]
            assert notes(piece.select(piece.part == i)) == expected


def test_chorales_in_other_than_four_parts_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    skipped: dict[str, str] = {}
    done: list[tuple[int, int]] = []
    next(load("chorales", lambda *args: done.append(args), skipped.__setitem__))
    assert skipped == {"chorales-bwv1-6": "5 parts (Horn 2, Soprano, Alto, Tenor, Bass); a chorale of this collection has 4"}
    assert done == [(1, 410)]
    next(load("chorales"))
    assert "chorales-bwv1-6 is left out" in caplog.text


def test_the_mode_of_a_chorale_is_that_of_its_last_bass_note(chorales: dict[str, Piece]) -> None:
    assert chorales["chorales-bwv10-7"].keys[0].name == "Gm"
    assert chorales["chorales-bwv101-7"].keys[0].name == "Dm"


def test_an_unknown_name_is_refused_at_once() -> None:
    with pytest.raises(CorpusError, match="'essen'; there are ryans, oneills, airds, fiddle, chorales"):
        load("essen")
