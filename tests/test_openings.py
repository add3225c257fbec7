"""The beginnings of pieces are measured as what they are: the first events of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import small_corpus
from music import folk_tune

from melody import modelfile
from melody.evaluation.evaluate import nats_per_note, restored, token_nats
from melody.evaluation.openings import opening, openings
from melody.tokens import Vocabulary


def test_an_opening_is_the_piece_up_to_a_bar_line_and_its_pickup_is_no_bar() -> None:
    tunes = [folk_tune(number) for number in range(12)]
    vocabulary = Vocabulary.build(tunes)
    for tune in tunes:
        rows = vocabulary.encode(tune)
        for bars in (1, 3):
            begun = vocabulary.decode(opening(vocabulary, rows, bars))
            line = int(tune.bar_starts()[bars + tune.has_pickup])
            assert begun.num_notes == int((tune.onset < line).sum())
        assert opening(vocabulary, rows, tune.num_bars) is rows  # its last rest and END, too
    assert openings(vocabulary, [vocabulary.encode(tunes[0])[-1:]]) == []


def test_what_an_opening_costs_is_what_its_events_cost_in_the_piece(trained: Path) -> None:
    file = modelfile.load(trained)
    rows = [np.asarray(each) for each in small_corpus(40).rows("test")]
    begun = openings(file.vocabulary, rows, 4)
    assert all(len(some) < len(whole) for some, whole in zip(begun, rows))
    nats = token_nats(restored(file), file.vocabulary, rows)
    expected = sum(each[: len(some)].sum() for each, some in zip(nats, begun))
    notes = sum(int(file.vocabulary.is_note(some).sum()) for some in begun)
    assert nats_per_note(restored(file), file.vocabulary, begun) == pytest.approx(expected / notes, rel=1e-5)
