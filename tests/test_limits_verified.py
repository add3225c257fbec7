"""Breaches of limits, each with its whole sentence: at the bounds, with flats, over several bars, from a bar on."""

from __future__ import annotations

import numpy as np
import pytest

from melody.limits import Limits, verify
from melody.piece import Key, Part, Piece

LINE = Piece([0, 24, 96, 192], [24, 24, 96, 24], [65, 63, 60, 58], [40, 100, 39, 101])


@pytest.mark.parametrize(
    ("written", "breaches"),
    [
        ({"key": "F"}, ("Eb4 in bar 1 is not in F major",)),
        ({"key": "D"}, ("F4 in bar 1 is not in D major", "D#4 in bar 1 is not in D major", "C4 in bar 2 is not in D major",
                        "A#3 in bar 3 is not in D major")),
        ({"range": "C4:E4"}, ("F4 in bar 1 is outside C4 to E4", "A#3 in bar 3 is outside C4 to E4")),
        ({"velocity": "40:100"},
         ("C4 in bar 2 has velocity 39, not 40 to 100", "A#3 in bar 3 has velocity 101, not 40 to 100")),
        ({"key": "Bb", "bars": 3, "end_on_tonic": True}, ()),
        ({"key": "Ab", "bars": 2, "end_on_tonic": True},
         ("it is 3 bars long, not 2", "it ends on Bb, not on the tonic Ab (Bb3 in bar 3)")),
        ({"grid": "1/1,1/2"}, ("D#4 in bar 1 begins 24 ticks into bar 1, off the grid of 1, 1/2",
                               "F4 in bar 1 ends 24 ticks into bar 1, off the grid of 1, 1/2",
                               "A#3 in bar 3 ends 24 ticks into bar 3, off the grid of 1, 1/2")),
        ({"max_leap": 2}, ("C4 in bar 2 is a leap of 3 semitones, more than 2",)),
        ({"density": 1}, ("2 notes begin in bar 1, more than 1",)),
        ({"chords": "F7 | F F Am | Bb"}, ()),
        ({"chords": "F7 | C G Dm | Bb"},  # three chords of 32 ticks in the second bar
         ("C4 in bar 2 sounds at tick 128 in bar 2 but is not in the chord G",
          "C4 in bar 2 sounds at tick 144 in bar 2 but is not in the chord G",
          "C4 in bar 2 sounds at tick 160 in bar 2 but is not in the chord Dm",
          "C4 in bar 2 sounds at tick 168 in bar 2 but is not in the chord Dm")),
        ({"chords": "F7 C"}, ("A#3 in bar 3 sounds at tick 192 in bar 3 but is not in the chord F7",)),
        ({"instruments": "flute,drums"}, ("acoustic grand piano plays, which is none of flute, drums",)),
        ({"metre": "3/4", "tempo": 90},
         ("the metre is 4/4, not 3/4", "the tempo is 120 quarters a minute, not 90")),
    ],
)  # fmt: skip
def test_each_breach_in_a_sentence(written: dict, breaches: tuple[str, ...]) -> None:
    assert verify(LINE, Limits.parse(**written)) == breaches


def test_bars_and_chords_count_from_the_first_bar_that_is_given() -> None:
    assert verify(LINE, Limits.parse(bars=2, chords="Am Bb"), start=96, first_bar=96) == ()
    assert verify(LINE, Limits.parse(bars=2, chords="Am Bb"), start=96) == ()
    assert verify(LINE, Limits.parse(bars=1), start=96, first_bar=192) == ()
    assert verify(LINE, Limits.parse(bars=3), start=96, first_bar=192) == ("it is 1 bar long, not 3",)
    assert verify(LINE, Limits.parse(chords="Bb Am"), start=96, first_bar=192) == ()


def test_new_music_that_ends_in_the_bar_it_begins_in_has_no_bar_of_its_own() -> None:
    piece = Piece([0, 50], [24, 10], [60, 62])
    assert verify(piece, Limits.parse(chords="C", bars=1), start=50) == ("it is 0 bars long, not 1",)


def test_notes_at_once_and_drums() -> None:
    piece = Piece([0, 0, 12, 24, 0], [24, 12, 12, 24, 96], [60, 64, 64, 62, 36], part=[0, 0, 0, 0, 1],
                  parts=(Part(0), Part(0, is_drum=True)), keys=(Key(0, 0, "major"),))  # fmt: skip
    assert verify(piece, Limits.parse(max_polyphony=2)) == ()
    assert verify(piece, Limits.parse(max_polyphony=1)) == (
        "2 notes sound at once in bar 1, more than 1", "2 notes sound at once in bar 1, more than 1",
    )  # fmt: skip
    assert verify(piece, Limits.parse(density=4)) == ("5 notes begin in bar 1, more than 4",)
    assert verify(piece, Limits.parse(velocity="1:80"))[-1] == "D4 in bar 1 has velocity 90, not 1 to 80"
    assert "drum 36 in bar 1 has velocity 90, not 1 to 80" in verify(piece, Limits.parse(velocity="1:80"))
    assert verify(piece, Limits.parse(key="Am")) == ("the key signature is that of C, not of Am",)
    assert verify(piece.select(np.zeros(5, bool)), Limits()) == ("there is no note",)
