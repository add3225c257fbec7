"""Every limit holds in every task: the notes of the file that was written keep it, or it is refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

import melody
from melody import midi
from melody.cli import main
from melody.errors import ArgumentError, SamplingError
from melody.limits import Limits, verify
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.tasks.harmonize import harmonize
from melody.sampling.tasks.infill import VarySettings, vary
from melody.sampling.tasks.live import stream

FEW = VarySettings(candidates=6, rounds=1)
LIMITS: tuple[dict[str, Any], ...] = (
    {"key": "F"},
    {"scale": "C,D,E,G,A"},
    {"range": "C4:C5"},
    {"max_leap": 2},
    {"max_polyphony": 1},
    {"density": 3},
    {"grid": "1/4"},
    {"chords": "Dm G C G"},
    {"velocity": "60:100"},
    {"instruments": "violin"},
    {"scale": "C,D,E,G,A", "max_leap": 4, "density": 5, "range": "C4:G5"},
)


@cache
def shipped(name: str) -> Model:
    return melody.load(name)


@pytest.fixture
def model() -> Model:
    """It knows several metres and rhythms."""
    return shipped("fiddle")


@pytest.fixture
def choir() -> Model:
    return shipped("chorales")


@cache
def tune_of(seed: int) -> Piece:
    return shipped("fiddle").generate(seed=seed, bars=5)


@cache
def melody_of(seed: int) -> Piece:
    """Two bars of a soprano."""
    whole = shipped("chorales").generate(seed=seed, bars=2)
    return replace(whole.select(whole.part == 0), parts=whole.parts[:1])


def read_again(piece: Piece) -> Piece:
    """The piece as it is read from its file."""
    return midi.parse(midi.to_bytes(piece), ticks_per_quarter=piece.ticks_per_quarter).piece


def breaches(piece: Piece, limits: Limits, start: int, first_bar: int | None = None) -> tuple[str, ...]:
    """Of the notes in the file; the key signature is the music's own where only notes are rewritten."""
    if limits.key is not None:
        limits = replace(limits, key=None, scale=limits.notes)
    return verify(read_again(piece), limits, start=start, first_bar=first_bar)


# Rewritten bars


@pytest.mark.parametrize("written", LIMITS, ids=str)
def test_rewritten_bars_keep_each_limit(model: Model, written: dict[str, Any]) -> None:
    seed, limits = 4, Limits.parse(**written)
    tune = tune_of(seed)
    for first, last in ((3, 4), (1, 1)):
        made = vary(model, tune, first, last, how=FEW, limits=limits, settings=SamplingSettings(seed=seed))[0]
        assert made.last_tick is not None
        new = made.piece.select(made.piece.onset < made.last_tick)
        assert breaches(new, limits, made.first_tick, made.first_tick) == ()
        kept = (tune.onset < made.first_tick) | (tune.onset >= made.last_tick)
        still = (made.piece.onset < made.first_tick) | (made.piece.onset >= made.last_tick)
        assert np.array_equal(made.piece.select(still).pitch, tune.select(kept).pitch)


def test_the_way_out_of_rewritten_bars_is_no_leap_either(model: Model) -> None:
    """From the last new note to the first one that stays, read with mido."""
    for seed in range(3):
        tune, how = tune_of(seed), VarySettings(candidates=24, rounds=0)
        made = vary(model, tune, 3, 4, how=how, limits=Limits(max_leap=5), settings=SamplingSettings(seed=seed))[0]
        file = mido.MidiFile(file=BytesIO(midi.to_bytes(made.piece)))
        scale, now, notes = file.ticks_per_beat // tune.ticks_per_quarter, 0, []
        for message in mido.merge_tracks(file.tracks):
            now += message.time
            if message.type == "note_on" and message.velocity:
                notes.append((now // scale, message.note))
        assert made.last_tick is not None
        for (onset, before), (after, pitch) in pairwise(notes):
            if onset < made.last_tick and after >= made.first_tick:
                assert abs(pitch - before) <= 5


def test_the_tonic_ends_a_tune_whose_last_bars_are_rewritten_and_no_other(model: Model) -> None:
    tune = tune_of(5)
    limits = Limits.parse(key=tune.keys[0].name if tune.keys else "C", end_on_tonic=True)
    last = tune.last_bar
    for seed in range(3):
        made = vary(model, tune, last - 1, last, how=FEW, limits=limits, settings=SamplingSettings(seed=seed))[0]
        assert made.piece.pitch[-1] % 12 == limits.tonic
    with pytest.raises(SamplingError, match="music follows the bars"):
        vary(model, tune, 1, 2, how=FEW, limits=limits)


@pytest.mark.parametrize("written", [{"metre": "3/4"}, {"tempo": 90}, {"bars": 8}])
def test_what_stays_as_it_is_in_rewritten_bars_is_refused(model: Model, written: Mapping[str, Any]) -> None:
    with pytest.raises(SamplingError, match=rf"{next(iter(written))} cannot be kept to here: .*; leave it out"):
        vary(model, tune_of(3), 2, 3, how=FEW, limits=Limits.parse(**written))


def test_limits_of_rewritten_bars_are_about_the_music_as_it_sounds(model: Model) -> None:
    """Two octaves below anything that the model knows, which reads it higher."""
    low = tune_of(3).transpose(-24)
    made = model.vary_many(low, (2, 3), 1, seed=1, candidates=24, range=(36, 60), max_leap=5)[0]
    new = made.piece.select((made.piece.onset >= made.first_tick) & (made.piece.onset < (made.last_tick or 0)))
    assert new.num_notes and new.pitch.min() >= 36 and new.pitch.max() <= 60


# Voices


@pytest.mark.parametrize(
    "written",
    [
        {"scale": "C major"},
        {"range": "E2:E4"},
        {"max_leap": 7},
        {"density": 14},
        {"grid": "1/8"},
        {"chords": "C G F C"},
        {"max_polyphony": 3},
    ],
    ids=str,
)
def test_voices_under_a_melody_keep_each_limit(choir: Model, written: dict[str, Any]) -> None:
    """The melody itself is nobody's to change: it is taken out where the limit is not about all parts together."""
    limits, soprano = Limits.parse(**written), melody_of(2)
    made = harmonize(choir, soprano, strict=False, candidates=3, limits=limits, settings=SamplingSettings(seed=2))[0].piece
    together = limits.density or limits.max_polyphony
    assert made.select(made.part > 0).num_notes
    assert breaches(made if together else made.select(made.part > 0), limits, 0) == ()
    assert np.array_equal(made.select(made.part == 0).pitch, soprano.pitch)


@pytest.mark.parametrize("name", ["bass", 4])
def test_a_voice_may_have_a_range_of_its_own(choir: Model, name: str | int) -> None:
    made = choir.harmonize(melody_of(2), seed=1, candidates=16, range_of={name: "E2:C3"})
    bass, alto = (made.select(made.part == number).pitch for number in (3, 1))
    assert len(bass) and bass.min() >= 40 and bass.max() <= 48
    assert len(alto) and alto.min() > 48


@pytest.mark.parametrize("name", ["1", "soprano", "cello", "5", ""])
def test_a_range_of_no_voice_is_refused(choir: Model, name: str) -> None:
    with pytest.raises(SamplingError, match=r"there is no voice .*there are 2 \(Alto\), 3 \(Tenor\), 4 \(Bass\)"):
        harmonize(choir, melody_of(2), range_of={name: (40, 60)})


def test_what_is_no_range_of_voices_is_refused(choir: Model) -> None:
    with pytest.raises(ArgumentError, match="it must name voices"):
        choir.harmonize(melody_of(2), range_of="bass=C3:G3")  # type: ignore[arg-type]
    with pytest.raises(SamplingError, match="velocity cannot be kept to here"):
        harmonize(choir, melody_of(2), limits=Limits(velocity=(1, 50)))


# Live music


@pytest.mark.parametrize("written", [*LIMITS, {"metre": "3/4"}, {"bars": 4}, {"tempo": 100}], ids=str)
@pytest.mark.parametrize("prompted", [False, True])
def test_live_music_keeps_each_limit(model: Model, written: dict[str, Any], prompted: bool) -> None:
    limits = Limits.parse(**written)
    prompt = tune_of(6) if prompted else None
    if prompted and (limits.metre or limits.tempo):
        with pytest.raises(SamplingError, match="what follows stays"):
            stream(model, prompt, limits=limits)
        return
    most = 40 if limits.bars else 20
    made = stream(model, prompt, limits=limits, settings=SamplingSettings(seed=0, max_notes=most))
    if limits.notes or limits.range:
        made.steer(**{name: written.get(name) for name in ("key", "scale", "range")})
    notes = list(made)
    start = 0 if prompt is None else prompt.length
    if notes and notes[0].onset >= start:
        assert len(notes) < most or limits.bars is None
        piece = _of(made.piece, made)
        assert breaches(piece, limits, start) == ()


def _of(piece: Piece, made: Any) -> Piece:
    """Without what still sounded when the music was cut off, whose length is nobody's choice."""
    return (
        piece
        if not made.rows.size or made.rows[-1, 0] == 0
        else piece.select(np.arange(piece.num_notes) < piece.num_notes - 1)
    )


def test_what_live_music_cannot_promise_is_refused(model: Model) -> None:
    with pytest.raises(SamplingError, match="cannot be taken back"):
        stream(model, limits=Limits.parse(key="C", end_on_tonic=True))
    with pytest.raises(SamplingError, match="without end"):
        model.stream(bars=4, endless=True)


# The command line


def test_limits_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tune = tmp_path / "tune.mid"
    tune.write_bytes(midi.to_bytes(tune_of(3)))
    limits = ["--scale", "C,D,E,G,A", "--range", "C4:A5", "--max-leap", "7"]
    out = tmp_path / "new.mid"
    command = ["vary", "fiddle", str(tune), "--bars", "2-3", "--seed", "1", "--candidates", "8", "--out", str(out)]
    assert main([*command, *limits]) == 0
    made = Piece.read(out)
    bar = made.bar_and_position(made.onset)[0] + made.first_bar
    new = made.select((bar >= 2) & (bar <= 3))
    assert new.num_notes and np.isin(new.pitch % 12, [0, 2, 4, 7, 9]).all()
    assert main([*command, "--force", "--metre", "3/4"]) == 2
    assert "the metre is that of the bars as they are" in capsys.readouterr().err
    assert main(["harmonize", "chorales", str(tune), "--range-of", "bass"]) == 2
    assert "write a voice and its range, as bass=E2:C4" in capsys.readouterr().err
