"""Beats of a performance: found where they are clear, made its quarters, and all sounds when it did."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tunes import tune
from untrained import untrained

from melody import midi
from melody.cli import main
from melody.corpus import PrepareSettings, prepare
from melody.corpus.read.beats import belief as beliefs
from melody.corpus.read.beats import following
from melody.corpus.read.beats.belief import LAYERS, PERIODS, PLACES, Belief, believed
from melody.corpus.read.beats.following import GRID, UNCLEAR, followed, is_sure, on_beats, seconds_of, sounding
from melody.corpus.read.beats.onsets import FEWEST, NUM_FEATURES, firsts, onsets_of
from melody.corpus.read.beats.tracking import beats_of
from melody.corpus.read.mending import mended, mended_and_moved
from melody.evaluation.heldout import settings_for
from melody.midi import scan, to_bytes
from melody.midi.file_events import END, START, Source, to_piece
from melody.piece import Part, Piece


def hymn(seed: int, beats: int = 160) -> Piece:
    """Chords in four parts on the beats, mostly, and eighths in the melody and the bass."""
    rng = np.random.default_rng(seed)
    onset, duration, pitch = [], [], []
    for beat in range(beats):
        chord = np.array([48, 55, 64, 72]) + rng.choice([0, 2, 5, 7, 9])
        for voice in range(4):
            halves = voice in (0, 3) and rng.random() < 0.4
            for part in range(1 + halves):
                onset.append(480 * beat + 240 * part)
                duration.append(240 if halves else 480)
                pitch.append(int(chord[voice]) + 2 * part)
    return Piece(onset, duration, pitch, parts=(Part(0),), ticks_per_quarter=480)


def performed(piece: Piece, seed: int, quarter: float = 0.85) -> tuple[Source, np.ndarray]:
    """The piece as a player plays it, in a file that has a click at 120, and when its beats are in seconds."""
    rng = np.random.default_rng(seed)
    wander = np.cumsum(rng.normal(0, 0.02, piece.length // 480 + 2))
    length = quarter * np.exp(wander - wander.mean() + 0.1 * np.sin(np.arange(len(wander)) / 4))
    beats = 0.8 + np.concatenate([[0], np.cumsum(length)])
    ticks = 480 * np.arange(len(beats))
    begin = np.interp(piece.onset, ticks, beats) + rng.normal(0, 0.008, piece.num_notes)
    end = np.interp(piece.end, ticks, beats) - 0.03
    notes = np.rint(np.array([begin, np.maximum(end, begin + 0.05)]) * 960).astype(np.int64)
    rest = np.array([piece.pitch, rng.integers(50, 80, piece.num_notes), piece.part])
    return Source(480, np.concatenate([notes, rest]), piece.parts), beats


def test_the_beats_of_a_player_whose_tempo_wanders_are_found() -> None:
    source, beats = performed(hymn(0), 0)
    found = beats_of(sounding(source))
    assert found is not None and is_sure(found)
    true = beats[:160]
    assert np.mean(np.abs(true[:, None] - found.times).min(1) < 0.07) > 0.9
    assert np.mean(np.abs(found.times[:, None] - true).min(1) < 0.07) > 0.9


def test_all_sounds_when_it_did_and_its_quarters_are_the_beats() -> None:
    source, beats = performed(hymn(1), 1)
    curve = np.array([[0, 900, 5000], [127, 0, 127]])
    source = replace(source, sustain=[curve], keys=[(960, 2, 0)], tempi=[(0, 400_000), (4800, 700_000)])
    new = on_beats(source, beats)
    for row in (START, END):
        old = seconds_of(source, source.notes[row])
        assert np.abs(seconds_of(new, new.notes[row]) - old).max() < 0.5 * np.diff(beats).max() / GRID + 2e-6
    assert np.abs(seconds_of(new, new.sustain[0][0]) - seconds_of(source, curve[0])).max() < 0.002
    quarters = seconds_of(new, GRID * np.arange(len(beats) + 1))
    assert np.abs(quarters[:, None] - beats).min(0).max() < 2e-6
    piece = to_piece(new, GRID, [])[0]
    again, _ = scan(to_bytes(piece))
    assert np.abs(seconds_of(again, again.notes[START]) - piece.seconds(piece.onset)).max() < 1e-6


@pytest.mark.parametrize("first", [0.0, 0.2, 3.0])
def test_tick_0_stays_the_beginning_of_the_file(first: float) -> None:
    source, _ = performed(hymn(2, 60), 2)
    new = on_beats(source, first + 0.5 * np.arange(80))
    assert np.abs(seconds_of(new, new.notes[START]) - seconds_of(source, source.notes[START])).max() < 0.001


def test_a_performance_follows_its_beats_where_that_is_asked_for_and_a_prompt_stays_as_it_was_played() -> None:
    source, _ = performed(hymn(3), 3)
    assert mended(source, unsaid := []) is source and not unsaid
    said: list[str] = []
    new = mended(source, said, find_beats=True)
    assert new.ticks_per_quarter == GRID and "beats found" in said[0] and len(new.tempi) > 100
    within = new.notes[START] % GRID
    assert np.mean(np.minimum(within, GRID - within) < GRID / 10) > 0.6
    assert mended_and_moved(source, [])[0] is source


def test_what_has_no_beat_stays_as_it_was_played_and_that_is_said() -> None:
    rng = np.random.default_rng(0)
    begin = np.sort(rng.integers(0, 60_000, 400))
    notes = np.array(
        [begin, begin + rng.integers(30, 900, 400), rng.integers(40, 90, 400), np.full(400, 60), np.zeros(400, int)]
    )
    source, said = Source(480, notes, (Part(0),)), []
    assert followed(source, said) is source and said == [UNCLEAR]
    few: list[str] = []
    assert followed(replace(source, notes=notes[:, : FEWEST // 2]), few).notes.shape[1] and few == [UNCLEAR]


def test_a_store_and_a_model_remember_whether_beats_were_found(tmp_path: Path) -> None:
    """One store is made anew either way; held-out pieces are read as the model's own were."""
    folder, store, report = tmp_path / "played", tmp_path / "one.store", tmp_path / "verdicts.json"
    folder.mkdir()
    for seed in range(3):
        midi.write(to_piece(performed(hymn(seed), seed)[0], 480, [])[0], folder / f"{seed}.mid")
    as_played = prepare(folder, store=store)
    assert "kept as played" in as_played.remarks[0] and not as_played.remarks[1:]
    assert not any("beats" in repair for verdict in as_played.verdicts for repair in verdict.repairs)
    before = store.read_bytes()
    followed = prepare(folder, PrepareSettings(find_beats=True), store=store)
    assert "follow their beats" in followed.remarks[1]
    assert followed.validation_key != as_played.validation_key  # verdicts of one are none of the other
    assert all("beats found" in verdict.repairs[0] for verdict in followed.verdicts)
    assert prepare(folder, store=store).remarks == as_played.remarks and store.read_bytes() == before
    for corpus, found in ((as_played, False), (followed, True)):
        file = replace(untrained(corpus.vocabulary).file, manifest=corpus.manifest)
        assert settings_for(file).find_beats is found
    assert main(["prepare", str(folder), "--find-beats", "--report", str(report)]) == 0
    assert all("beats found" in verdict["repairs"][0] for verdict in json.loads(report.read_text()))


def test_scores_are_left_alone() -> None:
    for seed in range(4):
        said: list[str] = []
        source, _ = scan(to_bytes(tune(seed)))
        assert mended(source, said, find_beats=True) is source and not said


def test_the_network_is_the_lstm_of_torch() -> None:
    weights = {name: torch.from_numpy(value) for name, value in beliefs._weights().items()}
    width = weights["inner.bias"].shape[0]
    lstm = torch.nn.LSTM(width, width, LAYERS, batch_first=True, bidirectional=True)
    lstm.load_state_dict({name.removeprefix("lstm."): value for name, value in weights.items() if name.startswith("lstm.")})
    features = np.random.default_rng(0).normal(0, 1, (50, NUM_FEATURES)).astype(np.float32)
    inner = torch.nn.functional.elu(torch.from_numpy(features) @ weights["inner.weight"].T + weights["inner.bias"])
    with torch.no_grad():
        logits = lstm(inner[None])[0][0] @ weights["outer.weight"].T + weights["outer.bias"]
    belief = believed(features)
    np.testing.assert_allclose(belief.places, logits[:, :PLACES].softmax(1), atol=1e-4)
    np.testing.assert_allclose(belief.periods, logits[:, PLACES:].softmax(1), atol=1e-4)


def test_onsets_do_not_know_when_the_file_begins() -> None:
    source, _ = performed(hymn(4), 4)
    notes = sounding(source)
    moved = notes + np.array([[7.0], [7.0], [0], [0]])
    same = np.isclose(onsets_of(notes).features, onsets_of(moved).features, atol=1e-4)
    assert same.mean() > 0.995  # what lies at the edge of a span may fall to either side
    assert firsts(np.array([0, 0.03, 0.05, 0.2])).tolist() == [0, 2, 3]


def test_the_path_is_that_of_a_network_that_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told the places of the beat of onsets, sixteenths at a tempo that falls by half, the tracker finds all beats."""
    from melody.corpus.read.beats import tracking

    length = np.geomspace(0.5, 1.0, 60)
    beats = np.concatenate([[0], np.cumsum(length)])
    times = np.interp(np.arange(240) / 4, np.arange(61), beats)
    places = np.full((240, PLACES), 0.01)
    places[np.arange(240), np.arange(240) % 4 * PLACES // 4] = 0.77
    periods = np.full((240, len(PERIODS)), 1 / len(PERIODS))
    monkeypatch.setattr(tracking, "believed", lambda features: Belief(places.astype(np.float32), periods.astype(np.float32)))
    found = beats_of(np.array([times, times + 0.1, np.full(240, 60.0), np.full(240, 64.0)]))
    assert found is not None and found.agreement > 0.7 and found.sudden == 0
    np.testing.assert_allclose(found.times[1:59], beats[1:59], atol=0.03)
    assert following.is_sure(found)
