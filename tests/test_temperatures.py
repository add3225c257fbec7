"""The temperatures that training chooses: those at which the model's tunes are most like the music that it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from music import folk_tune

from melody import modelfile
from melody.limits import Limits
from melody.modelfile import ModelFile
from melody.piece import Key, Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.statistics import line
from melody.statistics.tables import measured
from melody.tokens.vocabulary import FIELDS
from melody.training.temperatures import LEAST_PIECES, LEAST_TUNES, ROWS, TRIED, Degrees, distance, with_temperatures


@pytest.fixture(scope="module")
def file(trained: Path) -> ModelFile:
    return modelfile.load(trained)


def test_what_lies_nearest_is_chosen_stored_and_taken(file: ModelFile) -> None:
    pieces = [folk_tune(number) for number in range(300, 320)]
    made = with_temperatures(file, pieces, tunes=20)
    tried = {(rhythm, pitch): far for rhythm, pitch, far in made.training["temperatures_tried"]}
    assert list(tried) == list(TRIED)
    chosen = made.training["temperatures"]
    assert tried[chosen["rhythm_temperature"], chosen["pitch_temperature"]] < min(tried.values()) + 0.1
    settings = SamplingSettings().settled(made.training)
    assert (settings.rhythm_temperature, settings.pitch_temperature) == tuple(chosen.values())[1:]
    by_itself, asked_for = Model(made).generate(seed=1), Model(file).generate(seed=1, **chosen)
    assert by_itself.pitch.tolist() == asked_for.pitch.tolist() and by_itself.onset.tolist() == asked_for.onset.tolist()


@pytest.mark.parametrize("degrees", TRIED)
def test_every_field_is_drawn_at_the_temperature_that_was_tried(
    file: ModelFile, degrees: Degrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who plays next and how loud, too: of several parts it was tried at that of the rhythm, and then taken at 1."""
    asked: list[SamplingSettings] = []

    def tunes(model: Model, search: Search, limits: Limits, settings: SamplingSettings) -> list[Result]:
        asked.append(settings)
        return [Result(folk_tune(300 + number)) for number in range(search.count)]

    monkeypatch.setattr("melody.training.temperatures.new_tunes", tunes)
    monkeypatch.setattr("melody.training.temperatures.TRIED", (degrees,))
    made = with_temperatures(file, [folk_tune(number) for number in range(20)], tunes=20)
    taken = SamplingSettings().settled(made.training)
    fields = range(len(FIELDS))
    assert [taken.temperature_of(field) for field in fields] == [asked[0].temperature_of(field) for field in fields]


def test_what_is_asked_for_comes_first_and_a_temperature_for_all_is_one_for_all(file: ModelFile) -> None:
    own = {"temperature": 1.0, "rhythm_temperature": 0.9, "pitch_temperature": 0.7}
    facts = {"temperatures": own}
    assert SamplingSettings(temperature=0.5).settled(facts) == SamplingSettings(temperature=0.5)
    mixed = SamplingSettings(pitch_temperature=1.1).settled(facts)
    assert (mixed.temperature, mixed.rhythm_temperature, mixed.pitch_temperature) == (1.0, 0.9, 1.1)


@pytest.mark.parametrize("damaged", [None, {}, [], {"temperature": 1}, dict.fromkeys(("temperature",), "x")])
def test_what_is_no_temperature_in_a_file_is_passed_over(damaged: object) -> None:
    assert SamplingSettings().settled({"temperatures": damaged}) == SamplingSettings(temperature=0.8)


def test_few_pieces_choose_nothing(file: ModelFile) -> None:
    assert with_temperatures(file, [folk_tune(number) for number in range(LEAST_PIECES - 1)], tunes=2) is file


def test_no_more_is_drawn_than_there_is_time_for(file: ModelFile) -> None:
    """Long pieces take longer: a hundred tunes of them may take more time than the training."""
    pieces = [folk_tune(number) for number in range(300, 310)]
    assert with_temperatures(file, pieces, max_seconds=0.01) is file
    in_time = with_temperatures(file, pieces, tunes=LEAST_TUNES, max_seconds=1e6)
    assert (
        in_time.training["temperatures_tried"]
        == with_temperatures(file, pieces, tunes=LEAST_TUNES).training["temperatures_tried"]
    )


def test_music_is_at_no_distance_from_itself_and_further_from_what_it_is_not() -> None:
    tunes, others = ([folk_tune(number, bars=bars) for number in range(40)] for bars in (8, 12))
    leaping = [Piece(tune.onset, tune.duration, tune.pitch + 12 * (np.arange(tune.num_notes) % 2)) for tune in tunes]
    wanted = measured(tunes, ROWS)
    assert distance(wanted, wanted) == 0
    assert 0 < distance(measured(others, ROWS), wanted) < distance(measured(leaping, ROWS), wanted)


def test_the_line_of_a_melody() -> None:
    piece = Piece(24 * np.arange(6), [24] * 6, [60, 67, 75, 74, 61, 60], keys=(Key(0, 0, "major"), Key(96, -5, "major")))
    assert line.leaps(piece) == (2, 5)
    assert line.notes_outside_the_key(piece) == (1, 6)  # E flat in C; D flat in D flat is none
    assert line.notes_outside_the_key(piece.transpose(0)) == line.notes_outside_the_key(piece.transpose(5))
