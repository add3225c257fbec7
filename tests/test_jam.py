"""The laws of `melody jam`, in simulated time: answers come in time, are shown before, keep limits; no note gets stuck."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from jams import Timed, Wires, line, run, stuck

import melody
from melody import models
from melody.along.jam.apart import Apart
from melody.along.jam.clock import CLOCK, CONTINUE, POSITION, START, STOP, FollowedClock, OwnClock
from melody.along.jam.partner import Partner, Plan, Played, partner
from melody.along.jam.playing import CONTROL, NOTE_OFF, NOTE_ON, Playing, Sound
from melody.along.jam.session import Here, Jam, channels_of
from melody.along.jam.settings import JamSettings
from melody.cli import main
from melody.errors import SamplingError
from melody.limits import Limits
from melody.piece import Part
from melody.sampling import Model
from melody.sampling.tasks.notes_to_be import Note
from melody.signatures import TimeSignature

FOUR = TimeSignature(0, 4, 4)
REEL = [62, 66, 69, 66, 62, 66, 69, 66, 64, 67, 71, 67, 69, 66, 64, 62]
LIMITS = Limits.parse(key="D", range="A4:A5", max_leap=9)


@cache
def model_of(name: str) -> Model:
    return melody.load(name)


def jam_of(wires: Wires, thinking: Any, parts: tuple[Part, ...], **options: Any) -> Jam:
    """Two beats a second; bar 1 begins after two seconds."""
    clock = options.pop("clock", None) or OwnClock(24, 120, 2.0)
    return Jam(wires, clock, thinking, parts, FOUR, **options)


def played(name: str, settings: JamSettings, coming: list[Timed], seconds: float, **options: Any) -> tuple[Wires, Jam, list]:
    """What comes of a jam with a model; the plans with the times at which they were shown."""
    model, wires = model_of(name), Wires(coming)
    shown: list[tuple[float, Plan]] = []
    thinking = Here(partner(model, settings))
    jam = jam_of(wires, thinking, model.vocabulary.parts, show=lambda plan: shown.append((wires.now, plan)), **options)
    run(jam, wires, seconds)
    jam.close()
    return wires, jam, shown


@cache
def answered() -> tuple[Wires, Jam, list]:
    """Two bars by the player, two by the model, and so on; in the third turn the player is silent."""
    coming = line(REEL, 2.0, 0.25) + line(REEL[::-1], 10.0, 0.25)
    return played("fiddle", JamSettings(bars=2, limits=LIMITS), coming, 26.0)


def test_the_answer_comes_in_its_bars_and_in_time() -> None:
    wires, jam, _ = answered()
    times = [time for time, _ in wires.notes]
    assert [t for t in times if not (6 <= t < 10 or 14 <= t < 18)] == []
    assert min(times) == pytest.approx(6, abs=0.26) and any(14 <= t < 18 for t in times)
    assert max(map(abs, jam.lateness)) < 1e-3 and jam.playing.missed == 0
    assert stuck(wires.sent) == []


def test_what_is_played_was_shown_before() -> None:
    wires, _, shown = answered()
    ticks: dict[tuple[int, int], float] = {}
    for at, plan in shown:
        for note in plan.notes:
            ticks.setdefault((note.onset, note.pitch), at)
    for at, message in wires.notes:
        assert ticks[round((at - 2) * 48), message[1]] < at
    assert all(plan.notes or plan.remark for _, plan in shown if plan.replaces_from is None and plan.is_whole)


def test_limits_hold_in_an_answer() -> None:
    wires, _, _ = answered()
    pitches = [message[1] for _, message in wires.notes]
    assert pitches and all(69 <= pitch <= 81 and pitch % 12 in (2, 4, 6, 7, 9, 11, 1) for pitch in pitches)
    turns = [[m[1] for t, m in wires.notes if begins <= t < begins + 4] for begins in (6, 14)]
    assert all(abs(a - b) <= 9 for turn in turns for a, b in pairwise(turn))


def test_the_answer_is_as_loud_as_the_player_and_follows_what_was_played() -> None:
    wires, _, _ = answered()
    assert {message[2] for _, message in wires.notes} == {80}
    others, _, _ = played("fiddle", JamSettings(bars=2, limits=LIMITS), line([69, 71, 73, 74] * 4, 2.0, 0.25), 10.0)
    assert [m[1] for _, m in others.notes] != [m[1] for t, m in wires.notes if t < 10]


def test_the_last_note_before_the_answer_counts() -> None:
    """A plan that was made a beat before is made again."""
    _, _, shown = answered()
    first = [plan for at, plan in shown if plan.replaces_from == 192]
    assert len(first) >= 2


def test_voices_join_in_beside_the_player_and_rest_with_the_player() -> None:
    coming = line([67, 69, 71, 72, 74, 72, 71, 69], 2.0, 0.5) + line([67, 69, 71, 67, 72, 71, 69, 67] * 2, 6.0, 0.5)
    wires, jam, shown = played("chorales", JamSettings(mode="accompany", bars=2), coming, 24.0)
    times = [at for at, _ in wires.notes]
    assert times and min(times) >= 6 and max(times) < 14 + 4 + 1
    assert {message[0] & 0xF for _, message in wires.notes} <= {1, 2, 3}
    assert stuck(wires.sent) == [] and jam.playing.missed == 0 and max(map(abs, jam.lateness)) < 0.01
    assert any("rests" in plan.remark for _, plan in shown)


class Whims(Partner):
    """Plans without rhyme or reason: of any length, over one another, too late, without an end."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def listen(self, played: Played) -> None:
        """It does not."""

    def stop(self, tick: float) -> None:
        """It does not."""

    def think(self, tick: float) -> Iterator[Plan]:
        draw = self._random.randint
        if draw(0, 7) == 0:
            notes = [
                Note(draw(0, 2), draw(60, 64), round(tick) + draw(-30, 60), draw(0, 1) * draw(1, 90), draw(1, 127))
                for _ in range(draw(0, 6))
            ]
            yield Plan(tuple(notes), draw(0, 1) * (round(tick) + draw(0, 20)) or None)


def whimsical(seconds: float, clock: OwnClock | FollowedClock, coming: list[Timed]) -> Wires:
    """What comes of whims, and of players who hold keys and panic."""
    draw = random.Random(1)
    coming += [(draw.uniform(0, seconds), draw.choice(((CONTROL, 123, 0), (NOTE_ON, 21, 9)))) for _ in range(40)]
    for _ in range(500):
        coming.append((draw.uniform(0, seconds), (draw.choice((NOTE_ON, NOTE_OFF)), draw.randint(60, 64), 70)))
    wires = Wires(coming)
    parts = (Part(40), Part(0, is_drum=True), Part(32))
    jam = jam_of(wires, Here(Whims(2)), parts, clock=clock, click=True, panic_note=21)
    run(jam, wires, seconds)
    jam.close()
    return wires


def test_an_hour_leaves_no_note_stuck() -> None:
    wires = whimsical(3600.0, OwnClock(24, 40, 1.0), [])
    assert len(wires.notes) > 2000
    assert stuck(wires.sent) == []


def test_a_clock_that_fails_stops_and_jumps_leaves_no_note_stuck() -> None:
    draw, seconds = random.Random(3), 300.0
    coming: list[Timed] = [(0.0, (START,))]
    coming += [(number / 24, (CLOCK,)) for number in range(1, int(seconds * 24)) if number % 500 > 40]
    for _ in range(40):
        at = draw.uniform(0, seconds)
        coming += [(at, draw.choice(((STOP,), (START,), (POSITION, 5, 1)))), (at + 0.7, (CONTINUE,))]
    wires = whimsical(seconds, FollowedClock(24, 60), coming)
    assert len(wires.notes) > 50
    assert stuck(wires.sent) == []


def test_panic_silences_at_once_until_the_next_turn() -> None:
    for message in ((CONTROL, 123, 0), (CONTROL | 3, 120, 0), (NOTE_ON, 21, 90)):
        coming = [*line(REEL, 2.0, 0.25), (7.1, message), *line(REEL, 10.0, 0.25)]
        wires, _, _ = played("fiddle", JamSettings(bars=2), coming, 15.0, panic_note=21)
        before = [time for time, _ in wires.notes if time < 7.2]
        assert before and not [time for time, _ in wires.notes if 7.11 < time < 13.9]
        assert [time for time, _ in wires.notes if time >= 13.9]
        assert stuck([each for each in wires.sent if each[0] < 7.15]) == []


def test_a_sound_is_ended_whatever_comes() -> None:
    sent: list[tuple[float, tuple[int, ...]]] = []
    playing = Playing(lambda message: sent.append((0.0, message)), latest=6)
    playing.add([Sound(0, None, 0, 60, 90), Sound(4, 8, 0, 60, 90), Sound(5, 9, 1, 60, 90)])
    playing.due(5)
    playing.add([Sound(4, 20, 0, 60, 90)])  # its end is another now, and the first that comes counts
    playing.due(8)
    assert [sound.channel for sound in playing.sounding] == [1]
    playing.silence()
    assert stuck(sent) == [] and playing.next_tick is None
    playing.add([Sound(0, 3, 0, 60, 90)])
    assert playing.due(30) == [] and playing.missed == 1


def test_midi_clock_is_followed_through_its_jitter() -> None:
    draw = random.Random(0)
    for tempo in (50, 97.3, 200):
        clock, period = FollowedClock(24, 120), 60 / tempo / 24
        clock.take((START,), 0.0)
        worst = 0.0
        for number in range(24 * 16):
            at = 1 + number * period + draw.gauss(0, 0.0015)
            clock.take((CLOCK,), at)
            if number > 24 * 8:
                worst = max(worst, abs(clock.tick(1 + (number + 0.5) * period) - number - 0.5))
        assert clock.tempo == pytest.approx(tempo, rel=0.01)
        assert worst * period < 0.004
        assert clock.tick(clock.time_of(500)) <= 24 * 16 + 1  # time stands without clocks
        now = 1 + 24 * 16 * period
        assert clock.is_running(now) and not clock.is_running(now + 1)
        clock.take((POSITION, 8, 0), now)
        clock.take((CONTINUE,), now)
        clock.take((CLOCK,), now + period)
        assert clock.tick(now + period) == pytest.approx(48, abs=0.01)
        clock.take((STOP,), now + period)
        assert not clock.is_running(now + period)


def test_drums_have_their_channel() -> None:
    assert channels_of((Part(0), Part(0, is_drum=True), Part(5))) == [0, 9, 1]
    assert max(channels_of((Part(0),) * 20)) == 15


def test_what_thinks_in_another_process_thinks_the_same(tmp_path: Any) -> None:
    settings = JamSettings(bars=1, limits=LIMITS)
    own, apart = partner(model_of("fiddle"), settings), Apart(models.find("fiddle"), settings)
    try:
        for number, pitch in enumerate(REEL[:8]):
            for each in (Played(12.0 * number, pitch, 80), Played(12.0 * number + 11, pitch, 0)):
                own.listen(each)
                apart.listen(each)
        expected = list(own.think(95.0))
        apart.tick(95.0)
        found: list[Plan] = []
        until = time.monotonic() + 60
        while not (found and found[-1].is_whole) and time.monotonic() < until:
            found += apart.plans()
            time.sleep(0.01)
        assert found == expected and any(plan.notes for plan in found)
    finally:
        apart.close()
    with pytest.raises(SamplingError, match="ended"):
        apart.plans()


def test_what_cannot_be_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ({"bars": 0}, {"memory": 65}, {"ahead": 0}, {"mode": "dance"}):
        with pytest.raises(SamplingError):
            JamSettings(**wrong)
    with pytest.raises(SamplingError, match="cannot accompany"):
        partner(model_of("fiddle"), JamSettings(mode="accompany"))
    with pytest.raises(SamplingError, match="knows"):
        partner(model_of("chorales"), JamSettings(metre=(7, 8)))
    with pytest.raises(SamplingError, match="part 9"):
        partner(model_of("chorales"), JamSettings(part=8))
    for words in (["--bars", "99"], ["--bars", "x"], ["--key", "H"], ["--quantize", "7"], ["--panic", "Z"]):
        assert main(["jam", "fiddle", *words]) == 2
        assert capsys.readouterr().err.startswith("melody: ")
