"""A model of drums alone: what is no drum is refused in words that say so, nothing is asked that drums have not."""

from dataclasses import replace

import numpy as np
import pytest

from melody.errors import SamplingError, VocabularyError
from melody.limits import Limits
from melody.limits.checking import check
from melody.piece import Part, Piece
from melody.sampling.tasks.typed_notes import typed
from melody.statistics.measures import table_of, telling
from melody.tokens import Vocabulary
from melody.tokens.fitting import fit

KIT = Part(0, is_drum=True)
KICK, SNARE, HAT, BONGO = 36, 38, 42, 61


def groove(bars: int = 2) -> Piece:
    """Eighths of the hi-hat over kick and snare."""
    onset = np.arange(8 * bars) * 12
    beat = np.arange(4 * bars) * 24
    pitch = np.array([KICK, SNARE] * (2 * bars))
    return Piece(np.r_[onset, beat], np.full(12 * bars, 6), np.r_[np.full(len(onset), HAT), pitch], parts=(KIT,))


VOCABULARY = Vocabulary.build([groove()])


def test_pitched_music_is_refused_as_such() -> None:
    with pytest.raises(VocabularyError, match="plays, and this model knows nothing but drums"):
        fit(VOCABULARY, replace(groove(), parts=(Part(40),)))
    with pytest.raises(VocabularyError, match="notes are pitches, and this model knows nothing but drums"):
        typed(VOCABULARY, "C4 D E", Limits())


def test_a_drum_that_is_not_known_is_no_other_drum() -> None:
    """An octave below a bongo is no bongo: it is left out, and told."""
    piece = groove()
    pitch = np.where((piece.onset == 24) & (piece.pitch == HAT), BONGO, piece.pitch)
    fitted, changes = fit(VOCABULARY, replace(piece, pitch=pitch))
    assert fitted == piece.select(~((piece.onset == 24) & (piece.pitch == HAT)))
    assert changes == ("1 note left out, of drums that this model does not know",)
    with pytest.raises(VocabularyError, match="none of its drums"):
        fit(VOCABULARY, replace(piece.select(piece.pitch == HAT), pitch=np.full(16, BONGO)))


@pytest.mark.parametrize("rest", [40, 348])
def test_music_that_begins_after_a_rest_too_long_is_read_from_its_next_bar(rest: int) -> None:
    """Such as the drums of a band that come in later."""
    piece = groove(4)
    late = replace(piece, onset=piece.onset + rest)
    fitted, changes = fit(VOCABULARY, late)
    line = -(-rest // 96) * 96
    kept = late.slice(line, late.length)
    assert fitted.num_notes == kept.num_notes and np.array_equal(fitted.pitch, kept.pitch)
    assert any("at the beginning left out" in change for change in changes)


@pytest.mark.parametrize("limits", [Limits.parse(key="Dm"), Limits.parse(end_on_tonic=True), Limits.parse(chords="C G")])
def test_what_drums_do_not_have_is_not_asked_of_them(limits: Limits) -> None:
    with pytest.raises(SamplingError, match="only drums are left to play"):
        check(limits, VOCABULARY)


def test_grooves_are_compared_by_what_drums_have() -> None:
    """By places in the bar and by bars that return, and by no interval, range or key."""
    rng = np.random.default_rng(0)
    grooves = []
    for bars in range(2, 12):
        piece = groove(bars)
        grooves.append(piece.select(rng.random(piece.num_notes) < 0.8))
    names = {each.name for each in telling(table_of(grooves))}
    assert {"places in the bar", "length", "bars that occur twice"} <= names
    assert not names & {"intervals", "range", "leaps over a fifth", "key", "pitch classes from the tonic", "last note"}
    with_a_tune = [replace(piece, parts=(Part(40),)) for piece in grooves]
    assert {"intervals", "range"} <= {each.name for each in telling(table_of(with_a_tune))}
