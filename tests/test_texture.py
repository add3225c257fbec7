"""What pieces are made of: each measure by its definition, on pieces in which one can count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piece_strategies import pieces

from melody.piece import Part, Piece
from melody.statistics import texture
from melody.statistics.tables import TEXTURE, Spread, spreads

Q = 24
BAND = (Part(33, name="bass"), Part(0, True, "drums"), Part(80, name="lead"))


def band() -> Piece:
    """Bass and drums play one bar four times, the lead a chord in the last one; all begins with a quarter's rest."""
    notes = [(96 * bar + 24, 72, 40, 0) for bar in range(4)]
    notes += [(96 * bar + place, 12, 36, 1) for bar in range(4) for place in (24, 48)]
    notes += [(312, 72, pitch, 2) for pitch in (60, 64, 67)]
    onset, duration, pitch, part = (np.array(column) for column in zip(*sorted(notes, key=lambda n: (n[0], n[3], n[2]))))
    return Piece(onset, duration, pitch, np.full(len(onset), 80), part, BAND)


def test_a_small_band_by_hand() -> None:
    piece = band()
    assert (texture.tracks(piece), texture.notes_of_the_least_part(piece)) == (3, 3)
    assert texture.polyphony(piece) == pytest.approx(np.percentile([1, 1, 1, 4], 99))
    assert texture.chord_size(piece) == 3
    assert texture.bars_played_before(piece) == 3 / 5 and texture.drum_bars_played_before(piece) == 3 / 4
    assert texture.rhythms_played_before(piece) == 3 / 5
    assert (texture.silence_at_start(piece), texture.notes_at_the_end(piece), texture.longest_note(piece)) == (1, 4, 3)
    assert texture.length_in_quarters(piece) == 16
    assert texture.consonant_pairs(piece) == pytest.approx(6 / 6)  # E under a chord of C
    assert texture.key_fit(piece) == 1
    assert texture.silent_bars(piece) == 0 and texture.bass_drum_on_the_first_beat(piece) == 0
    assert math.isnan(texture.figures_moved_alike(piece)) and math.isnan(texture.clashes(piece))


def test_a_figure_a_clash_a_silent_bar_and_a_bass_drum_by_hand() -> None:
    figure = [(0, 60), (12, 64), (24, 67), (36, 64), (48, 62)]
    moved = [(at, pitch + 5 - 4 * (at == 48)) for at, pitch in figure]  # the last step goes down all the same
    other = [(at, pitch) for (at, _), pitch in zip(figure, (60, 59, 62, 61, 65))]  # of four steps two go as they went
    notes = [(96 * bar + at, 12, pitch, 0) for bar, bars in ((0, figure), (1, moved), (3, other)) for at, pitch in bars]
    notes += [(0, 96, 52, 2), (96, 96, 64, 2), (288, 96, 52, 2), (0, 12, 36, 1), (96, 12, 38, 1), (300, 12, 36, 1)]
    onset, duration, pitch, part = (np.array(column) for column in zip(*sorted(notes, key=lambda n: (n[0], n[3], n[2]))))
    piece = Piece(onset, duration, pitch, np.full(len(onset), 80), part, BAND)
    assert texture.figures_moved_alike(piece) == (1 + 2 / 4) / 2
    assert texture.clashes(piece) == 1 / 3  # F over E, of three bars
    assert texture.silent_bars(piece) == 1 / 4 and texture.bass_drum_on_the_first_beat(piece) == 1 / 3


def test_a_piece_without_notes_has_no_measures_but_its_length() -> None:
    found = {name: measure(Piece([], [], [])) for name, measure in TEXTURE.items()}
    assert {name for name, value in found.items() if not math.isnan(value)} == {
        "parts",
        "length in quarters",
        "longest note, quarters",
        "bars that one or two bars fill in a row",
    }


@given(pieces())
def test_measures_keep_to_their_ranges(piece: Piece) -> None:
    found = {name: measure(piece) for name, measure in TEXTURE.items()}
    for name in ("tones in the best scale of 16 quarters", "consonant among pairs that sound together"):
        assert math.isnan(found[name]) or 0 <= found[name] <= 1
    for name, value in found.items():
        assert math.isnan(value) or not name.startswith(("bars of", "rhythms")) or 0 <= value < 1
    assert found["notes of the part with fewest"] * found["parts"] <= piece.num_notes or not piece.num_notes
    bars, rhythms = (found[f"{what} of a part played before"] for what in ("bars", "rhythms"))
    assert math.isnan(bars) or bars <= rhythms  # equal bars have equal rhythms


@given(pieces(), st.integers(0, 11))
def test_a_key_fits_as_well_in_every_key(piece: Piece, semitones: int) -> None:
    low = piece.select(piece.is_drum | (piece.pitch < 100))
    moved = low.transpose(semitones)
    for measure in (texture.key_fit, texture.consonant_pairs, texture.polyphony, texture.bars_played_before):
        assert measure(moved) == pytest.approx(measure(low), nan_ok=True)


def test_what_is_unplayed_is_counted_by_program_and_by_drum() -> None:
    unplayed = texture.Unplayed([band()])
    assert unplayed.programs(band()) == unplayed.drums(band()) == 0
    other = Piece([0, 24], [24, 24], [36, 38], [80, 80], [0, 1], (Part(36), Part(0, True)))
    assert (unplayed.programs(other), unplayed.drums(other)) == (1, 1)


def test_spreads_are_quartiles_and_say_whether_a_median_lies_within() -> None:
    tunes = [Piece(np.arange(n) * Q, np.full(n, Q), np.full(n, 60)) for n in range(1, 10)]
    found = spreads(tunes, {"length": texture.length_in_quarters})["length"]
    assert (found.low, found.median, found.high, found.pieces) == (3, 5, 7, 9)
    assert found.interval[0] <= 5 <= found.interval[1]
    assert found.holds(found._replace(median=3)) and not found.holds(found._replace(median=2.9))
    nothing = Spread(math.nan, math.nan, math.nan, (math.nan, math.nan), 0)
    assert nothing.holds(nothing) and not nothing.holds(found) and not found.holds(nothing)
