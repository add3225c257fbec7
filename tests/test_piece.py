"""The laws of `Piece`."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piece_strategies import pieces

from melody.errors import PieceError
from melody.piece import MAX_TICK, Key, Part, Piece, Tempo, TimeSignature, overlaps
from melody.signatures import time_signature_of

THREE_METRES = Piece(
    [0, 96, 168, 240],
    [96, 72, 72, 48],
    [60, 62, 64, 65],
    time_signatures=(TimeSignature(0, 4, 4), TimeSignature(96, 3, 4), TimeSignature(240, 6, 8)),
)


def rows(piece: Piece) -> set[tuple[int, ...]]:
    """The notes as a set."""
    return set(zip(*(c.tolist() for c in (piece.onset, piece.duration, piece.pitch, piece.velocity, piece.part))))


# What is legal


@pytest.mark.parametrize(
    ("offence", "named"),
    [
        ({"pitch": [128]}, "pitch is 128; it must be from 0 to 127"),
        ({"pitch": [-1]}, "pitch is -1"),
        ({"velocity": [0]}, "velocity is 0; it must be from 1 to 127"),
        ({"duration": [0]}, "duration is 0"),
        ({"onset": [-1]}, "onset is -1"),
        ({"onset": [MAX_TICK + 1]}, "onset is 2147483648"),
        ({"part": [1]}, "part is 1; it must be from 0 to 0"),
        ({"parts": (Part(128),)}, "program is 128"),
        ({"onset": [0, 1]}, "must be equally long"),
        ({"ticks_per_quarter": 0}, "ticks_per_quarter is 0"),
        ({"tempi": ()}, "tempi must begin at tick 0"),
        ({"tempi": (Tempo(5, 500_000),)}, "tempi must begin at tick 0"),
        ({"tempi": (Tempo(0, 0),)}, "microseconds per quarter note is 0"),
        ({"tempi": (Tempo(0, 1), Tempo(0, 2))}, "sorted, one at a tick"),
        ({"keys": (Key(0, 8, "major"),)}, "fifths is 8"),
        ({"keys": (Key(0, 0, "dorian"),)}, "must be 'major' or 'minor'"),
        ({"keys": (Key(-1, 0, "major"),)}, "keys must be sorted"),
        ({"time_signatures": (TimeSignature(0, 0, 4),)}, "numerator of a time signature is 0"),
        ({"time_signatures": (TimeSignature(0, 4, 3),)}, "denominator of a time signature is 3"),
        ({"time_signatures": (TimeSignature(0, 1, 64), TimeSignature(1, 4, 4))}, "no whole number of ticks"),
        ({"time_signatures": (TimeSignature(0, 4, 4), TimeSignature(95, 3, 4))}, "stands inside a bar of 4/4"),
    ],
)
def test_what_is_not_legal_is_named(offence: dict, named: str) -> None:
    with pytest.raises(PieceError) as caught:
        Piece(**{"onset": [0], "duration": [24], "pitch": [60], **offence})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pitch_may_not_begin_while_it_sounds_in_its_part() -> None:
    with pytest.raises(PieceError, match="starts again at tick 10 while it still sounds"):
        Piece([0, 10], [24, 24], [60, 60])
    Piece([0, 24], [24, 24], [60, 60])
    Piece([0, 10], [24, 24], [60, 60], part=[0, 1], parts=(Part(), Part()))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_overlaps_are_those_one_finds_by_hand(notes: list[tuple[int, int, int, int]]) -> None:
    notes = sorted(set(notes))
    table = np.array(notes, np.int64).reshape(-1, 4).T
    clashes = any(
        a is not b and a[2:] == b[2:] and a[0] <= b[0] < a[0] + a[1] for i, a in enumerate(notes) for b in notes[i + 1 :]
    )
    assert bool(len(overlaps(*table))) == clashes


@given(pieces(), st.randoms(use_true_random=False))
def test_the_order_in_which_notes_are_given_does_not_matter(piece: Piece, random: object) -> None:
    order = list(range(piece.num_notes))
    random.shuffle(order)
    shuffled = piece.select(order)
    assert shuffled == piece
    assert np.all(np.diff(shuffled.onset) >= 0)


def test_columns_cannot_be_written_to_and_are_copies() -> None:
    onset = np.array([0, 24])
    piece = Piece(onset, [24, 24], [60, 62])
    onset[0] = 7
    assert piece.onset[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        piece.pitch[0] = 61


@given(pieces())
def test_a_piece_survives_pickling(piece: Piece) -> None:
    assert pickle.loads(pickle.dumps(piece)) == piece


# What can be made of it


@given(pieces(), st.integers(-60, 60))
def test_transposing_there_and_back_changes_nothing(piece: Piece, semitones: int) -> None:
    pitch = np.where(piece.is_drum, 60, piece.pitch)
    if pitch.min() + semitones < 0 or pitch.max() + semitones > 127:
        with pytest.raises(PieceError, match="pitch is"):
            piece.transpose(semitones)
        return
    there = piece.transpose(semitones)
    back = there.transpose(-semitones)
    assert rows(back) == rows(piece)
    assert [(k.tonic, k.mode) for k in back.keys] == [(k.tonic, k.mode) for k in piece.keys]
    assert np.array_equal(np.sort(there.pitch[there.is_drum]), np.sort(piece.pitch[piece.is_drum]))
    assert [k.tonic for k in there.keys] == [(k.tonic + semitones) % 12 for k in piece.keys]


@given(pieces(), st.data())
def test_two_halves_cut_at_a_bar_line_join_to_the_whole(piece: Piece, data: st.DataObject) -> None:
    starts = piece.bar_starts()
    at = int(data.draw(st.sampled_from(starts.tolist())))
    head, tail = piece.slice(0, at), piece.slice(at, max(piece.length, at + 1))
    whole = head.join(tail, at)
    # What lasts across the cut ends there; and what changes after the last note is beyond both halves.
    crossing = (piece.onset < at) & (piece.end > at)
    expected = np.where(crossing, at - piece.onset, piece.duration)
    assert rows(whole) == set(zip(*(c.tolist() for c in (piece.onset, expected, piece.pitch, piece.velocity, piece.part))))
    until = max(piece.length, at + 1)
    for name in ("time_signatures", "tempi"):
        assert getattr(whole, name) == tuple(e for e in getattr(piece, name) if e.onset < until)


@given(pieces())
def test_all_bars_are_the_whole(piece: Piece) -> None:
    first, last = piece.first_bar, piece.last_bar
    assert rows(piece.bars(first, last)) == rows(piece)
    assert sum(piece.bars(i, i).num_notes for i in range(first, min(last + 1, first + 30))) == np.sum(
        piece.bar_and_position(piece.onset)[0] < 30
    )


def test_bars_that_are_not_there_are_refused() -> None:
    with pytest.raises(PieceError, match="bars 0 to 9 were asked for; the piece has bars 1 to 4"):
        THREE_METRES.bars(0, 9)


@pytest.mark.parametrize(("onset", "first"), [(0, 1), (24, 1), (47, 1), (48, 0), (95, 0), (96, 1)])
def test_a_pick_up_is_bar_0_and_the_first_full_bar_is_bar_1(onset: int, first: int) -> None:
    """4/4: a first bar that is silent for half of it or more is a pick-up; a silent one is a bar of rest."""
    piece = Piece([onset, 96, 192], [1, 96, 96], [60, 62, 64])
    assert (piece.first_bar, piece.last_bar) == (first, first + 2)
    assert 62 in piece.bars(first + 1, first + 1).pitch


def test_bars_and_positions_across_changes_of_metre() -> None:
    """Bars of 96 ticks (4/4), 72 and 72 (3/4), then 72 (6/8), counted by hand."""
    assert THREE_METRES.bar_starts().tolist() == [0, 96, 168, 240]
    bar, position = THREE_METRES.bar_and_position([0, 95, 96, 170, 240, 311, 312])
    assert bar.tolist() == [0, 0, 1, 2, 3, 3, 4]
    assert position.tolist() == [0, 95, 0, 2, 0, 71, 0]
    assert [THREE_METRES.time_signature_at(t).numerator for t in (0, 95, 96, 239, 240, 999)] == [4, 4, 3, 3, 6, 6]


@given(pieces())
def test_bar_and_position_give_the_tick_back(piece: Piece) -> None:
    bar, position = piece.bar_and_position(piece.onset)
    starts = piece.bar_starts(piece.length + 1)
    assert np.array_equal(starts[bar] + position, piece.onset)
    lengths = [piece.time_signature_at(int(s)).bar_ticks(piece.ticks_per_quarter) for s in starts[bar]]
    assert np.all((position >= 0) & (position < lengths))


@given(pieces(max_parts=3))
def test_seconds_are_those_of_pretty_midi(piece: Piece) -> None:
    pm = piece.to_pretty_midi()
    factor = pm.resolution // piece.ticks_per_quarter
    theirs = [pm.tick_to_time(int(t) * factor) for t in piece.end]
    assert np.allclose(piece.seconds(piece.end), theirs, rtol=1e-6, atol=1e-6)


@given(pieces(), st.integers(1, 6))
def test_a_finer_grid_and_back_changes_nothing(piece: Piece, factor: int) -> None:
    finer = piece.resolution(piece.ticks_per_quarter * factor)
    assert finer.onset.tolist() == (piece.onset * factor).tolist()
    assert finer.resolution(piece.ticks_per_quarter) == piece
    assert np.allclose(finer.seconds(finer.end), piece.seconds(piece.end))


def test_a_coarser_grid_takes_the_nearest_tick_and_keeps_every_note() -> None:
    coarse = Piece([0, 7, 20], [3, 7, 4], [60, 62, 64]).resolution(4)  # 6 ticks of 24 to each of 4
    assert coarse.onset.tolist() == [0, 1, 3]
    assert coarse.duration.tolist() == [1, 1, 1]


@given(pieces())
def test_monophonic_means_that_at_most_one_note_sounds(piece: Piece) -> None:
    ticks = np.unique(piece.onset)
    sounding = [(piece.onset <= t) & (piece.end > t) for t in ticks]
    assert piece.is_monophonic == all(s.sum() <= 1 for s in sounding)


@given(st.integers(1, 3000), st.sampled_from([12, 24, 480]))
def test_a_time_signature_of_a_length_has_that_length(ticks: int, ticks_per_quarter: int) -> None:
    signature = time_signature_of(0, ticks, ticks_per_quarter)
    if signature is not None:
        assert signature.bar_ticks(ticks_per_quarter) == ticks
    else:
        assert not any(n * 4 * ticks_per_quarter == ticks * d for d in (4, 8, 16, 32, 64) for n in range(1, 256))


# Keys, against music21


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("fifths", range(-7, 8))
def test_names_and_tonics_of_keys_are_those_of_music21(fifths: int, mode: str) -> None:
    from music21.key import KeySignature

    theirs = KeySignature(fifths).asKey(mode)
    ours = Key(0, fifths, mode)
    assert ours.tonic == theirs.tonic.pitchClass
    assert ours.name == theirs.tonic.name.replace("-", "b") + ("m" if mode == "minor" else "")


@pytest.mark.parametrize("semitones", [-12, -5, -1, 1, 4, 6, 7, 12])
@pytest.mark.parametrize(("fifths", "mode"), [(0, "major"), (-3, "minor"), (6, "major"), (-6, "major"), (4, "minor")])
def test_transposed_keys_have_the_tonic_and_mode_of_music21(fifths: int, mode: str, semitones: int) -> None:
    from music21.key import KeySignature

    theirs = KeySignature(fifths).asKey(mode).transpose(semitones)
    ours = Key(0, fifths, mode).transpose(semitones)
    assert (ours.tonic, ours.mode) == (theirs.tonic.pitchClass, theirs.mode)
    assert abs(ours.fifths) <= 7


def test_tempo_is_the_nearest_midi_can_write() -> None:
    assert Tempo.from_qpm(0, 120).microseconds == 500_000
    assert Tempo.from_qpm(0, 132).qpm == pytest.approx(132, abs=1e-3)


def test_beats() -> None:
    """Two beats of three eighths in 6/8; three of one in 3/8, as in 3/4."""
    assert [TimeSignature(0, n, d).beat_ticks() for n, d in [(4, 4), (6, 8), (3, 8), (12, 8), (2, 2)]] == [
        24,
        36,
        12,
        36,
        48,
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"pitch": ["C4"]},
        {"onset": [None]},
        {"parts": ("violin",)},
        {"parts": Part()},
        {"parts": (Part(program="violin"),)},  # type: ignore[arg-type]
        {"parts": (Part(name=5),)},  # type: ignore[arg-type]
        {"time_signatures": ("3/4",)},
        {"tempi": (120,)},
        {"tempi": 120},
        {"keys": ("D",)},
        {"title": 5},
        {"texts": [5]},
        {"texts": "remark"},
        {"ticks_per_quarter": "x"},
    ],
)
def test_what_is_of_the_wrong_kind_is_refused_when_the_piece_is_made(wrong: dict) -> None:
    with pytest.raises(PieceError):
        Piece(**{"onset": [0], "duration": [24], "pitch": [60]} | wrong)


def test_what_a_piece_would_not_be_is_not_made_of_it(tmp_path: Path) -> None:
    """Beats given as fractions of a tick, and other kinds of files, are refused and not cut or misnamed."""
    with pytest.raises(PieceError, match="whole ticks"):
        Piece([0, 0.5, 1.2], [1, 1, 1], [60, 62, 64])
    assert Piece([0.0, 24.0], [24, 24], [60, 62]).onset.tolist() == [0, 24]
    piece = Piece([0], [24], [60])
    assert piece.select([]).num_notes == 0
    with pytest.raises(PieceError, match=r"ending in \.mid"):
        piece.write(tmp_path / "tune.musicxml")
    assert not list(tmp_path.iterdir())


@given(pieces(), st.integers(1, 24))
def test_a_coarser_grid_loses_notes_at_most_and_is_never_refused_for_them(piece: Piece, ticks: int) -> None:
    """Of each part and pitch the onsets are those of the notes, rounded, each once; none sounds into the next."""
    frame = {"time_signatures": (TimeSignature(0, 4, 4),), "tempi": piece.tempi[:1], "keys": ()}
    piece = replace(piece, ticks_per_quarter=24 * ticks, **frame)
    coarse = piece.resolution(24)
    rounded = {(p, q, (2 * o + ticks) // (2 * ticks)) for p, q, o in zip(piece.part, piece.pitch, piece.onset)}
    assert sorted(rounded) == sorted(zip(coarse.part, coarse.pitch, coarse.onset))
