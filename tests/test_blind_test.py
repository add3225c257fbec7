"""The blind test: nothing but the notes tells tunes apart, and marks are weighed fairly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from music import folk_tune

from melody.signatures import Tempo
from scripts import script

blind = script("blind_test")


def test_nothing_but_the_notes_is_left() -> None:
    tune = folk_tune(0)
    named = replace(tune, title="A title", texts=("melody 0.1.0, model fiddle",), tempi=(Tempo.from_qpm(0, 93),))
    loud = replace(named, velocity=np.full(tune.num_notes, 33), parts=tuple(replace(p, name="x") for p in tune.parts))
    assert blind.plain(loud, 1_000) == blind.plain(tune, 1_000)
    assert blind.plain(tune, 2).num_bars <= 2
    assert blind.plain(tune, 1_000).pitch.tolist() == tune.pitch.tolist()


def test_marks_that_follow_the_kind_are_told_from_marks_that_do_not() -> None:
    made = [True, False] * 10
    follow = blind.compared([3.0 if one else 7.0 for one in made], made)
    assert follow.startswith("generated 3.00, real 7.00") and float(follow.split("p = ")[1].split(",")[0]) < 0.001
    none = blind.compared([5.0] * 20, made)
    assert float(none.split("p = ")[1].split(",")[0]) == 1


def test_wrong_marks_are_refused() -> None:
    with pytest.raises(SystemExit, match="give 2"):
        blind.compared([1.0], [True, False])
    with pytest.raises(SystemExit, match="from 0 to 10"):
        blind.compared([1.0, 11.0], [True, False])
