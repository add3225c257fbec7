"""The measures of a report and its tests, each on music or numbers whose answer is known; the report as a whole."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import small_corpus
from music import folk_tune

from melody import midi, modelfile
from melody.cli import main
from melody.errors import RenderError
from melody.evaluation.likeness import Copying
from melody.evaluation.model_report import ModelReport, ReportSettings, index_for, model_report
from melody.evaluation.own_music import Known, OwnMusic
from melody.piece import Key, Part, Piece
from melody.report.model_page import write_model_page
from melody.report.page import PageTune
from melody.score.notes_text import read_notes
from melody.statistics import distances, form, histograms, part_writing, two_samples
from melody.statistics.keys import clarity
from melody.statistics.measures import MEASURES, Measure, table_of, telling

C = Key(0, 0, "major")


def shares(names: tuple[str, ...], found: np.ndarray) -> dict[str, float]:
    return {name: float(share) for name, share in zip(names, found) if share}


# Measures


def test_histograms_are_those_of_the_notes_and_know_no_key() -> None:
    piece = replace(read_notes("G4/4 C5 E C | C5/8 r C5/4 F#/2"), keys=(C,))
    for moved in (piece, piece.transpose(5)):
        assert shares(histograms.DEGREES, histograms.degrees(moved)) == {
            "5": 1 / 7, "1": 4 / 7, "3": 1 / 7, "#4": 1 / 7
        }  # fmt: skip
        assert shares(histograms.INTERVALS, histograms.intervals(moved)) == {
            "+5": 1 / 6, "+4": 1 / 6, "-4": 1 / 6, "+0": 1 / 3, "+6": 1 / 6
        }  # fmt: skip
    assert shares(tuple(histograms.VALUES), histograms.note_values(piece)) == {"1/8": 1 / 7, "1/4": 5 / 7, "1/2": 1 / 7}
    assert shares(histograms.PLACES, histograms.places(piece)) == {
        "0/48": 2 / 7, "12/48": 2 / 7, "24/48": 2 / 7, "36/48": 1 / 7
    }  # fmt: skip
    assert shares(histograms.DEGREES, histograms.last_degree(piece)) == {"#4": 1}
    assert shares(histograms.KEYS, histograms.keys(piece.transpose(2))) == {"D major": 1}


def test_cadences_are_the_last_notes_of_every_fourth_bar_but_the_end() -> None:
    bars = " | ".join(["C5/4 D E F"] * 3 + ["G4/4 A B G"] + ["C5/4 D E F"] * 4 + ["C5/1"])
    assert shares(histograms.DEGREES, histograms.cadences(replace(read_notes(bars), keys=(C,)))) == {"5": 0.5, "4": 0.5}
    with_pickup = replace(read_notes("G4/4 | " + bars), keys=(C,))
    assert shares(histograms.DEGREES, histograms.cadences(with_pickup)) == {"5": 0.5, "4": 0.5}


def test_bars_return_at_the_lag_at_which_they_were_written() -> None:
    piece = read_notes("C4/4 D E F | G4/2 E | C4/4 D E F | G4/2 E | A4/1 | A4/1")
    assert [form.bars_returning(piece, after) for after in (1, 2, 4)] == [0.2, 0.5, 0.0]
    assert math.isnan(form.bars_returning(piece, 8)) and form.different_rhythms(piece) == 0.5
    assert form.notes_a_bar(piece) == 14 / 6


def test_a_scale_is_clearer_than_all_semitones() -> None:
    assert clarity(read_notes("C4/4 D E F G A B C5")) > 0.8 > 0.1 > clarity(Piece(range(12), [1] * 12, range(60, 72)))


def choir(*voices: tuple[int, ...]) -> Piece:
    """Voices from the top down, a quarter a note."""
    notes = sorted((24 * n, part, pitch) for part, voice in enumerate(voices) for n, pitch in enumerate(voice))
    onset, part, pitch = (np.array(column) for column in zip(*notes))
    return Piece(onset, np.full(len(onset), 24), pitch, part=part, parts=(Part(52),) * len(voices), keys=(C,))


def test_spacing_and_crossing_are_counted_by_beats() -> None:
    piece = choir((72, 74, 72, 72), (58, 71, 74, 72), (55, 62, 70, 60), (40, 40, 40, 62))
    assert part_writing.gaps_over_an_octave(piece) == (1, 4)
    assert part_writing.crossings(piece) == (2, 4)


def test_dissonances_left_by_step_are_told_from_those_that_leap() -> None:
    bass = (48,) * 5
    assert part_writing.dissonances_left_by_step(choir((64, 65, 64, 67, 64), bass)) == (1, 1)  # a fourth, down by a semitone
    assert part_writing.dissonances_left_by_step(choir((64, 65, 72, 67, 64), bass)) == (0, 1)
    assert part_writing.dissonances_left_by_step(choir((64, 65, 65, 67, 64), bass)) == (1, 1)  # held, then by a tone


def test_every_measure_gives_shares_that_add_up_or_nothing_of_odd_music() -> None:
    odd = [Piece([], [], []), read_notes("C4/4"), read_notes("C4/4 D E"), Piece([0], [24], [38], parts=(Part(0, True),))]
    for name, column in table_of(odd).items():
        classes = next(each.classes for each in MEASURES if each.name == name)
        sums = column.sum(axis=1)
        assert column.shape == (4, max(len(classes), 1))
        assert not classes or all(math.isnan(total) or math.isclose(total, 1) for total in sums)


def test_what_is_the_same_for_all_pieces_or_makes_no_sense_is_left_out() -> None:
    table = table_of([read_notes("C4/4 D E F"), read_notes("C4/4 E G C5 | C5/1")])
    names = {each.name for each in telling(table)}
    assert "intervals" in names and not names & {"parts", "voices crossed", "key"}


# Distances


NUMBER, TRUTH = Measure("number", lambda _: 0.0, unit="notes"), Measure("truth", lambda _: 0.0)
CLASSES = Measure("classes", lambda _: 0.0, ("a", "b", "c"))


def groups(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def compare(measure: Measure, tunes: np.ndarray, reference: np.ndarray, corpus: np.ndarray) -> distances.Comparison:
    divisions = distances.Divisions(groups(len(corpus)), (len(tunes), len(reference)))
    tables = ({measure.name: each.reshape(len(each), -1)} for each in (tunes, reference, corpus))
    (found,) = distances.compared([measure], *tables, divisions)
    return found


def test_distances_are_those_of_the_formulas() -> None:
    corpus = np.repeat([0.0, 10.0], 50)
    assert compare(NUMBER, np.full(20, 8.0), np.full(20, 3.0), corpus).distance == pytest.approx(5 / corpus.std())
    ones = (np.arange(100) % 2).astype(float)
    assert compare(TRUTH, np.repeat([1.0, 0.0], [15, 5]), ones[:20], ones).distance == pytest.approx(0.25)
    one, other = np.tile([0.5, 0.5, 0.0], (20, 1)), np.tile([0.25, 0.25, 0.5], (20, 1))
    found = compare(CLASSES, one, other, np.concatenate([one, other] * 2))
    assert found.distance == pytest.approx(0.5) and found.largest_difference == "c: 0.0%, corpus 50.0%"


@pytest.mark.parametrize("measure", [NUMBER, CLASSES], ids=lambda each: each.name)
def test_a_corpus_lies_a_floor_from_itself_and_other_music_many(measure: Measure) -> None:
    rng = np.random.default_rng(3)
    width = max(len(measure.classes), 1)
    corpus = rng.dirichlet(np.ones(width), 600) if measure.classes else rng.normal(size=(600, 1))
    other = rng.dirichlet([4, 1, 1], 100) if measure.classes else rng.normal(1.5, size=(100, 1))
    same = compare(measure, corpus[:100], corpus[100:200], corpus[200:])
    far = compare(measure, other, corpus[100:200], corpus[200:])
    assert same.times_floor < 2 < 4 < far.times_floor
    assert same.floor < same.floor_high < far.low < far.distance < far.high
    assert far.overlap < same.overlap and far.kl > 3 * same.kl and abs(same.overlap - same.floor_overlap) < 0.1


def test_intervals_hold_what_is_true_as_often_as_they_say() -> None:
    rng, hits = np.random.default_rng(0), 0
    corpus = (np.arange(400) % 2).astype(float)
    for _ in range(40):
        found = compare(TRUTH, (rng.random(60) < 0.8).astype(float), (rng.random(60) < 0.5).astype(float), corpus)
        hits += found.low <= 0.3 <= found.high
    assert hits >= 34


def test_no_version_of_a_piece_is_in_both_halves() -> None:
    group = [str(n // 3) for n in range(90)]
    for a, b in distances.Divisions(group, (30, 40)).each(20):
        assert len(a) == 30 and 35 <= len(b) <= 40 and not {group[n] for n in a} & {group[n] for n in b}


# Both tests over all measures


def two(shift: float, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return tuple({"number": rng.normal(by, size=(80, 1)), "classes": rng.dirichlet(np.ones(3), 80)} for by in (shift, 0.0))  # type: ignore[return-value]


def test_both_tests_know_alike_from_different_and_what_gives_it_away() -> None:
    measures, names = [NUMBER, CLASSES], (groups(80), groups(80))
    same, different = two(0.0), two(2.0)
    assert two_samples.discrepancy(measures, *same).p > 0.05 > 0.01 > two_samples.discrepancy(measures, *different).p
    alike = two_samples.classify(measures, *same, names)
    apart = two_samples.classify(measures, *different, names)
    assert alike.low < 0.5 < alike.high and apart.low > 0.7 and apart.pieces == 160
    assert apart.features[0][0] == "number" and apart.features[0][1] > 10 * max(apart.features[1][1], 0.001)


def test_versions_of_a_piece_do_not_help_the_classifier() -> None:
    """Four versions of each of twenty pieces, in both sets other ones: only who has learnt a piece's versions knows it."""
    rng = np.random.default_rng(1)
    tables = tuple({"classes": np.repeat(rng.dirichlet(np.ones(3), 20), 4, axis=0)} for _ in range(2))
    by_version = tuple([str(n // 4) for n in range(80)] for _ in range(2))
    leaking = two_samples.classify([CLASSES], *tables, (groups(80), groups(80)))
    assert leaking.accuracy > 0.8 > two_samples.classify([CLASSES], *tables, by_version).accuracy


def test_what_is_not_known_of_some_pieces_spoils_neither() -> None:
    one, other = two(2.0)
    one["number"][::3] = np.nan
    assert two_samples.discrepancy([NUMBER, CLASSES], one, other).p < 0.05
    assert two_samples.classify([NUMBER, CLASSES], one, other, (groups(80), groups(80))).low > 0.6


def test_longer_runs_are_longer_and_equal_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    runs = rng.integers(8, 14, 100)
    assert two_samples.are_larger(runs + 2, runs) and not two_samples.are_larger(runs, rng.integers(8, 14, 100))


# The report of a model


@pytest.fixture(scope="module")
def report(trained: Path) -> ModelReport:
    corpus = small_corpus(240)
    music = {
        split: Known(
            tuple(f"{split} {n}" for n in range(len(rows))),
            tuple(rows),
            tuple(map(corpus.vocabulary.decode, rows)),
            tuple(f"{split} {n}" for n in range(len(rows))),
        )
        for split, rows in (("train", corpus.rows("train")), ("heldout", [*corpus.rows("valid"), *corpus.rows("test")]))
    }
    own = OwnMusic(music["train"], music["heldout"], ())
    file = modelfile.load(trained)
    return model_report(file, own, index_for(file, trained, own)[0], ReportSettings(30, (0.5, 1.0)))


def test_a_report_compares_counts_and_says_what_is_reached(report: ModelReport) -> None:
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["counts"] == {"tunes": 30, "training_pieces": 192, "heldout_pieces": 48, "compared_with": 30}
    assert {each["name"] for each in data["measures"]} >= {"intervals", "range"}
    assert all(each["floor"] >= 0 and each["low"] <= each["high"] for each in data["measures"])
    assert len(data["goals"]) == 3 and [each["temperature"] for each in data["by_temperature"]] == [0.5, 1.0]
    assert data["originality"]["tunes"]["pieces"] == 30 and data["classifier"]["pieces"] == 60


def test_the_temperature_is_the_nearest_of_those_that_copy_no_more_than_the_corpus(report: ModelReport) -> None:
    (cold, found), (warm, other) = report.by_temperature
    nearer, farther = sorted((found, other), key=lambda each: each.mean_floors)
    copies = Copying((100,) * 30, tuple(range(30)), True)
    honest = replace(farther, copying=report.heldout)
    both = replace(report, by_temperature=((cold, replace(nearer, copying=copies)), (warm, honest)))
    assert both.chosen == warm
    assert replace(both, by_temperature=((cold, replace(nearer, copying=report.heldout)), (warm, honest))).chosen == cold
    assert replace(both, by_temperature=both.by_temperature[:1]).chosen is None
    assert "copies more" in replace(both, by_temperature=both.by_temperature[:1]).on_temperature


def test_the_page_is_one_file_that_shows_all_of_it(report: ModelReport, tmp_path: Path) -> None:
    write_model_page(tmp_path / "report.html", report, [PageTune("tune 1", report.own.tunes[0], b"")])
    html = (tmp_path / "report.html").read_text("utf-8")
    assert all(f"<td>{each.name.replace(chr(39), '&#x27;')}</td>" in html for each in report.own.to_heldout)
    assert html.count("data:image/svg+xml") == 5 and 'id="tune-1"' in html and 'src="http' not in html
    with pytest.raises(RenderError, match=r"name it \.html"):
        write_model_page(tmp_path / "report.txt", report, [])


def test_a_model_without_index_gets_one_for_the_occasion(trained: Path, tmp_path: Path) -> None:
    rows = small_corpus(60).rows("train")
    vocabulary = small_corpus(60).vocabulary
    known = Known(("",) * len(rows), tuple(rows), tuple(map(vocabulary.decode, rows)), ("",) * len(rows))
    index, remarks = index_for(modelfile.load(trained), tmp_path / "alone.safetensors", OwnMusic(known, known, ()))
    assert len(index.names) == len(rows) and "one was made of this corpus" in remarks[0]


def test_what_cannot_be_reported_is_one_line(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for seed in range(5):
        midi.write(folk_tune(seed), tmp_path / f"{seed}.mid")
    cases = [
        (["--corpus", str(tmp_path)], "20 of each are needed to compare anything with"),
        (["--corpus", str(tmp_path / "nowhere")], "nowhere"),
        ([], "name that folder with --corpus FOLDER"),
        (["--count", "5"], "a report compares 30 to 5,000"),
        (["--temperatures", "warm"], "numbers with commas"),
        (["--out", str(tmp_path / "page.pdf")], ".html"),
    ]
    for options, message in cases:
        assert main(["report", str(trained), *options]) == 2
        err = capsys.readouterr().err.strip().splitlines()[-1]
        assert err.startswith("melody: ") and message in err, err
