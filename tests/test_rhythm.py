"""The law of rhythms that a model does not know: an event is moved from where it stands, and nothing adds up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from melody.errors import VocabularyError
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.sampling import Model, load
from melody.sampling.prompt import understood
from melody.tokens import Vocabulary
from melody.tokens.fitting import fit

PARTS = (Part(40), Part(42))
CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
metres = st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2)])


def knows(step: int, *, implied: bool, longest: int = 192) -> Vocabulary:
    """A vocabulary of two parts that knows every multiple of a step, and every velocity: they tell notes apart here."""
    values = tuple(range(step, longest + 1, step))
    return Vocabulary(
        shifts=(0, *values),
        parts=PARTS,
        pitches=(0, 127),
        durations=() if implied else values,
        velocities=tuple(range(1, 128)),
        time_signatures=((2, 2), (3, 4), (4, 4), (6, 8)),
        tempi=(500_000,),
        keys=(),
        changes=(True, False, False),
        monophonic=(True, implied),
        implied_duration=(implied, implied),
    )


@st.composite
def prompts(draw: st.DrawFn) -> Piece:
    """One or two lines of any rhythm, with long rests; the velocity is the number of the note."""
    columns: list[tuple[int, int, int, int]] = []
    for part in range(draw(st.integers(1, 2))):
        tick = draw(st.sampled_from([0, 0, 7, 48, 96, 200, 672]))
        for _ in range(draw(st.integers(1, 12))):
            duration = draw(st.sampled_from([1, 2, 5, 6, 8, 12, 16, 17, 24, 40, 64, 300, 1000]))
            columns.append((tick, duration, draw(st.integers(40, 80)), part))
            tick += duration + draw(st.sampled_from([0, 0, 0, 1, 8, 12, 31, 96, 500]))
    columns.sort()
    onset, duration, pitch, part = (np.array(column) for column in zip(*columns))
    number = np.arange(len(columns)) + 1
    return Piece(onset, duration, pitch, number, part, parts=PARTS, time_signatures=(TimeSignature(0, *draw(metres)),))


def from_its_place(fitted: Piece, piece: Piece) -> np.ndarray:
    """How far each note of the fitted piece is from its place within the bar, in ticks, (notes,)."""
    bar = piece.time_signatures[0].bar_ticks()
    far = (fitted.onset - piece.onset[fitted.velocity - 1]) % bar
    return np.minimum(far, bar - far)


@given(prompts(), st.sampled_from([3, 4, 6, 8, 12, 24]), st.booleans())
@example(Piece([0, 16, 32, 48, 60], [16, 16, 16, 12, 12], [60] * 5, np.arange(5) + 1, parts=PARTS), 12, True)
@example(Piece([500], [4], [60], [1], parts=PARTS), 12, True)
def test_each_note_is_within_half_a_step_of_its_place_and_beats_stay(piece: Piece, step: int, legato: bool) -> None:
    vocabulary = knows(step, implied=legato)
    fitted, _ = fit(vocabulary, piece)
    again = vocabulary.decode(vocabulary.encode(fitted))
    assert again.onset.tolist() == fitted.onset.tolist() and again.duration.tolist() == fitted.duration.tolist()
    metre = piece.time_signatures[0]
    if metre.bar_ticks() % step == 0:
        assert from_its_place(fitted, piece).max(initial=0) <= step / 2
    own = piece.onset[fitted.velocity - 1]
    for unit in (metre.bar_ticks(), metre.beat_ticks()):
        if unit % step == 0:
            assert not np.any(fitted.onset[own % unit == 0] % unit)


@given(prompts(), st.sampled_from([6, 12]))
def test_notes_go_only_where_there_is_no_room_for_them(piece: Piece, step: int) -> None:
    """Of notes that come to one place the one that was moved least stays; what is a step apart stays whole."""
    far_apart = piece.select((piece.onset % step == 0) & (piece.duration % step == 0))
    if far_apart.num_notes:
        fitted, _ = fit(knows(step, implied=True), far_apart)
        assert fitted.pitch.tolist() == far_apart.pitch.tolist()


@pytest.mark.parametrize("name", ["fiddle", "chorales"])
@given(st.lists(st.sampled_from([4, 6, 8, 12, 16, 18, 24, 32, 36, 40, 48, 60]), min_size=1, max_size=24), metres)
def test_the_shipped_models_hear_beats_where_they_are(name: str, durations: list[int], metre: tuple[int, int]) -> None:
    vocabulary = shipped(name).vocabulary
    if metre not in vocabulary.time_signatures:
        metre = (4, 4)
    onset = np.cumsum([0, *durations])[:-1]
    piece = Piece(onset, durations, [60 + n % 12 for n in range(len(onset))], time_signatures=(TimeSignature(0, *metre),))
    heard = understood(vocabulary, piece).piece
    assert heard.num_notes == piece.num_notes
    moved = np.abs(heard.onset - piece.onset)
    assert moved.max() <= 12  # half a quarter
    if np.isin([*np.diff(onset), durations[-1]], vocabulary.shifts).all():
        assert not moved.any()
    else:
        assert moved.mean() <= 6


_SHIPPED: dict[str, Model] = {}


def shipped(name: str) -> Model:
    if name not in _SHIPPED:
        _SHIPPED[name] = load(CHECKPOINTS / f"{name}.safetensors")
    return _SHIPPED[name]


@pytest.mark.parametrize("name", ["fiddle", "chorales"])
def test_one_triplet_moves_nothing_behind_it(name: str) -> None:
    """A quarter triplet, which neither model knows, then eighths."""
    onset = [0, 16, 32, *range(48, 384, 12)]
    duration = [16, 16, 16, *[12] * 28]
    heard = understood(shipped(name).vocabulary, Piece(onset, duration, [67] * 31)).piece
    assert heard.onset[3:].tolist() == onset[3:] and heard.onset[0] == 0
    assert np.abs(heard.onset[:3] - onset[:3]).max() <= 3  # an eighth of a quarter


def test_silent_bars_in_front_keep_the_notes_on_the_bar_line() -> None:
    for bars in range(12):
        piece = Piece(np.arange(8) * 12 + 96 * bars, [12] * 8, [67] * 8)
        heard = understood(shipped("fiddle").vocabulary, piece).piece
        assert heard.onset[0] % 96 == 0 and np.diff(heard.onset).tolist() == [12] * 7


def test_a_rest_of_many_bars_is_made_shorter_by_whole_bars_and_that_is_said() -> None:
    piece = Piece([0, 36, 36 + 96 * 7], [36, 12, 24], [60, 62, 64], parts=PARTS[:1])
    fitted, changes = fit(knows(12, implied=True), piece)
    assert fitted.onset.tolist() == [0, 36, 36 + 2 * 96]  # two bars are known, seven not
    assert changes == ("rests longer than any that this model knows made shorter by whole bars",)


def test_metres_stay_on_their_bar_lines_and_tempi_go_along() -> None:
    """A triplet before a change of metre, which used to be refused."""
    vocabulary = replace(knows(12, implied=True), changes=(True, True, False), tempi=(400_000, 500_000))
    metres = (TimeSignature(0, 4, 4), TimeSignature(96, 3, 4))
    tempi = (Tempo(0, 500_000), Tempo(104, 400_000))
    piece = Piece(
        [0, 48, 64, 80, 96, 120], [48, 16, 16, 16, 24, 24], [60, 62, 64, 65, 67, 69], time_signatures=metres, tempi=tempi,
        parts=PARTS[:1],
    )  # fmt: skip
    fitted, _ = fit(vocabulary, piece)
    assert fitted.time_signatures == metres and fitted.onset[-2:].tolist() == [96, 120]
    assert [tempo.onset for tempo in fitted.tempi] == [0, 108]
    vocabulary.encode(fitted)


def test_a_key_that_comes_later_is_heard_from_the_beginning_by_a_model_without_changes() -> None:
    vocabulary = replace(knows(12, implied=True), keys=((0, "major"), (1, "major")))
    piece = Piece([0, 24, 48], [24] * 3, [60, 62, 64], parts=PARTS[:1], keys=(Key(24, 1, "major"),))
    fitted, changes = fit(vocabulary, piece)
    assert fitted.keys == (Key(0, 1, "major"),) and changes == ("the key heard from the beginning on",)
    two, changes = fit(vocabulary, replace(piece, keys=(Key(12, 0, "major"), Key(24, 1, "major"))))
    assert two.keys == (Key(0, 0, "major"),) and changes == ("changes of key left out",)
    vocabulary.encode(two)


def test_what_cannot_be_reached_is_left_out_with_all_before_it() -> None:
    """A rest within a bar that is longer than any known step: the music behind it is heard."""
    vocabulary = knows(12, implied=False, longest=36)
    piece = Piece([0, 12, 96, 108, 144], [12, 12, 12, 36, 12], [60, 62, 64, 65, 67], np.arange(5) + 1, parts=PARTS)
    fitted, changes = fit(vocabulary, piece)
    assert fitted.velocity.tolist() == [3, 4, 5] and fitted.onset.tolist() == [0, 12, 48]
    assert changes == ("1 bar at the beginning left out, whose rhythm this model does not know",)
    vocabulary.encode(fitted)
    with pytest.raises(VocabularyError, match="rhythm is too far"):
        fit(knows(12, implied=False, longest=12), Piece([0, 60], [12, 12], [60, 62], parts=PARTS))


def test_a_note_too_short_for_any_known_duration_goes_and_overlaps_nothing() -> None:
    """All known notes last a quarter; of two equal pitches an eighth apart the first cannot, whatever else sounds."""
    vocabulary = Vocabulary.build([Piece([0, 12, 24, 36, 36, 48], [24] * 6, [60, 64, 67, 60, 72, 64], parts=PARTS[:1])])
    piece = Piece([0, 0, 12, 12, 36], [24, 12, 24, 12, 24], [64, 60, 67, 60, 72], parts=PARTS[:1])
    fitted, changes = fit(vocabulary, piece)
    assert [(o, p) for o, p in zip(fitted.onset.tolist(), fitted.pitch.tolist()) if p == 60] == [(12, 60)]
    assert fitted.num_notes == 4 and any("left out" in change for change in changes)
