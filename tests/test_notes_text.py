"""Notes as text: what is written is what sounds, and what is no note is named with its place."""

from __future__ import annotations

import re
from fractions import Fraction

import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melody.errors import MelodyError, ScoreError
from melody.piece import Key, Part, Piece
from melody.score.names import pitch_name, pitch_of
from melody.score.notes_text import MAX_CHARACTERS, read_notes

LENGTHS = {f"/{n}{mark}": Fraction(4, n) * f for n in (1, 2, 4, 8) for mark, f in (("", 1), (".", Fraction(3, 2)))}
LENGTHS |= {f"/{n}t": Fraction(4, n) * Fraction(2, 3) for n in (1, 2, 4, 8, 16)}
LENGTHS |= {"/4..": Fraction(7, 4), "/16": Fraction(1, 4), "/32": Fraction(1, 8)}  # in quarters


def notes(piece: Piece) -> list[tuple[int, int, int]]:
    return list(zip(piece.onset.tolist(), piece.duration.tolist(), piece.pitch.tolist()))


# The law: a text spelled out in full, or with what may be left out, is the notes it was made of

pitches = st.integers(0, 127)
sounds = st.one_of(pitches.map(lambda p: (p,)), st.lists(pitches, min_size=0, max_size=4, unique=True).map(tuple))


@given(st.lists(st.tuples(sounds, st.sampled_from(sorted(LENGTHS))), min_size=1, max_size=30), st.booleans(), st.booleans())
def test_a_text_made_of_notes_is_those_notes(events: list[tuple[tuple[int, ...], str]], brief: bool, flats: bool) -> None:
    words, expected, now = [], [], Fraction(0)
    octave, length_before = 4, "/4"
    for tones, length in [*events, ((60,), "/4")]:
        names = []
        for pitch in tones:
            name = pitch_name(pitch, flats=flats)
            here = pitch // 12 - 1
            names.append(name.removesuffix(str(here)) if brief and here == octave else name)
            octave = here
        word = {0: "r", 1: names[0] if names else ""}.get(len(tones), f"[{' '.join(names)}]")
        words.append(word + ("" if brief and length == length_before else length))
        length_before = length
        expected += [(int(now * 24), int(LENGTHS[length] * 24), pitch) for pitch in tones]
        now += LENGTHS[length]
    assert notes(read_notes(" ".join(words))) == sorted(expected, key=lambda n: (n[0], n[2]))


@pytest.mark.parametrize("name", ["C4", "F#5", "Bb3", "G9", "C-1", "Cb4", "B#3"])
def test_pitches_are_those_of_pretty_midi(name: str) -> None:
    assert read_notes(name).pitch.tolist() == [pretty_midi.note_name_to_number(name)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("D4/8 E F# A r/4", [(0, 12, 62), (12, 12, 64), (24, 12, 66), (36, 12, 69)]),
        ("d4/8 e f♯ a♭", [(0, 12, 62), (12, 12, 64), (24, 12, 66), (36, 12, 68)]),
        ("bb bbb Bb", [(0, 24, 70), (24, 24, 69), (48, 24, 70)]),  # B flat, B double flat, B flat
        ("Fx F## F♮ E𝄫", [(0, 24, 67), (24, 24, 67), (48, 24, 65), (72, 24, 62)]),
        ("C5 D C4 D", [(0, 24, 72), (24, 24, 74), (48, 24, 60), (72, 24, 62)]),
        ("r/2 C/8", [(48, 12, 60)]),
        ("C/8t D E F/4", [(0, 8, 60), (8, 8, 62), (16, 8, 64), (24, 24, 65)]),
        ("[C4 E G]/2 D", [(0, 48, 60), (0, 48, 64), (0, 48, 67), (48, 48, 62)]),
        ("C/2~ C/8 D", [(0, 60, 60), (60, 12, 62)]),
        ("B#3/4~ C4 D", [(0, 48, 60), (48, 24, 62)]),  # the same pitch under another name
        ("[C E]/4~ [C E]/8", [(0, 36, 60), (0, 36, 64)]),
        ("[C~ E]/4 [C F]", [(0, 48, 60), (0, 24, 64), (24, 24, 65)]),
        ("[C E]~ [C~ E] C", [(0, 72, 60), (0, 48, 64)]),
        ("C E |D F|", [(48, 24, 60), (72, 24, 64), (96, 24, 62), (120, 24, 65)]),  # a pick-up of two quarters
        ("| C D E F | G ||", [(i * 24, 24, p) for i, p in enumerate([60, 62, 64, 65, 67])]),
        ("C D |]", [(0, 24, 60), (24, 24, 62)]),  # only the end: no pick-up
        ("C/1 D/1 | E", [(0, 96, 60), (96, 96, 62), (192, 96, 64)]),  # a bar line may be left out
    ],
)
def test_by_hand(text: str, expected: list[tuple[int, int, int]]) -> None:
    assert notes(read_notes(text)) == expected


def test_what_is_said_besides_is_in_the_piece() -> None:
    piece = read_notes(
        "A4/8 | D/4 E F",
        tempo_qpm=96,
        metre=(3, 4),
        key=Key(0, -1, "minor"),
        part=Part(73),
        velocity=70,
        ticks_per_quarter=480,
    )
    assert piece.tempo_qpm == 96 and piece.time_signatures[0][1:] == (3, 4) and piece.keys == (Key(0, -1, "minor"),)
    assert piece.parts == (Part(73),) and set(piece.velocity.tolist()) == {70}
    assert piece.onset.tolist() == [1200, 1440, 1920, 2400]


# What is no note


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("D4/8 E H", "word 3 of the notes, 'H'"),
        ("D4/7", "'/7' is no length"),
        ("D4/8.t", "'/8.t' is no length"),
        ("D E/", "word 2"),
        ("CDE", "spaces between notes"),
        ("C C#x", "word 2"),
        ("G#9", "G#9 is no pitch that MIDI has"),
        ("C/4 D/64", "1.5 ticks"),
        ("D/8 [C E", "does not close"),
        ("[]", "a chord needs notes"),
        ("[C C]", "each once"),
        ("[C/4 E]", "the length behind it"),
        ("C~ D", "C4 is tied (~) to this"),
        ("C~ r C", "tied"),
        ("D C~", "the end of the notes: C4 is tied"),
        ("r~ C", "a rest cannot be tied"),
        ("C D E | F G A B | C", "the bar before it is 4 quarters long, one of 3/4 is 3"),
        ("", "no note"),
        ("r/4 | r", "no note"),
        ("C " * MAX_CHARACTERS, "at most 100,000"),
    ],
)
def test_what_is_no_note_is_named_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ScoreError, match=re.escape(says)) as raised:
        read_notes(text, metre=(3, 4))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 250


@pytest.mark.parametrize("tempo", [0.0, -1.0, float("nan"), float("inf")])
def test_a_tempo_that_is_none(tempo: float) -> None:
    with pytest.raises(ScoreError, match="tempo"):
        read_notes("C", tempo_qpm=tempo)


@pytest.mark.parametrize("metre", [(0, 4), (4, 0), (4, 5), (300, 4)])
def test_a_metre_that_is_none(metre: tuple[int, int]) -> None:
    with pytest.raises(MelodyError):
        read_notes("C | D", metre=metre)


@given(st.text(st.sampled_from("ABCDEFGabcdefgr#♯b♭x♮0123456789-/.t~[]| \t\n"), max_size=60) | st.text(max_size=40))
def test_any_text_is_notes_or_a_line_that_says_why_not(text: str) -> None:
    try:
        piece = read_notes(text)
    except MelodyError as error:
        assert "\n" not in str(error)
    else:
        assert piece.num_notes and piece.length < 96 * 2 * len(text) * 2


def test_as_much_as_is_allowed_is_read() -> None:
    assert read_notes("C " * (MAX_CHARACTERS // 2)).num_notes == MAX_CHARACTERS // 2


@given(pitches)
def test_names_and_pitches_are_inverse(pitch: int) -> None:
    for flats in (False, True):
        letter, octave = re.fullmatch(r"([A-G][#b]?)(-?\d)", pitch_name(pitch, flats=flats)).groups()  # type: ignore[union-attr]
        assert pitch_of(letter, int(octave)) == pitch
