"""The laws of `melody jam`, in simulated time: answers come in time, are shown before, keep limits; no note gets stuck."""

from __future__ import annotations

import json
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
from melody.along.jam.announcing import Announcer, as_data
from melody.along.jam.apart import Apart
from melody.along.jam.clock import CLOCK, CONTINUE, POSITION, START, STOP, FollowedClock, OwnClock
from melody.along.jam.partner import Partner, Plan, Played, partner
from melody.along.jam.playing import CONTROL, NOTE_OFF, NOTE_ON, Playing, Sound
from melody.along.jam.priority import PLAYS, go_first
from melody.along.jam.session import Here, Jam, channels_of
from melody.along.jam.settings import JamSettings
from melody.cli import main
from melody.cli.along.jamming import Shown
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


def test_a_plan_is_one_line_and_as_data_has_the_times_at_which_it_sounds() -> None:
    wires, _, shown = answered()
    clock, announcer = OwnClock(24, 120, 2.0), Announcer()
    lines = list(filter(None, (announcer.line(plan) for _, plan in shown)))
    assert [line.split(":")[0] for line in lines if "instead" not in line] == ["bars 3-4", "bars 7-8"]
    assert all(line.endswith(" (instead)") for line in lines[1:] if line.startswith("bars 3"))
    coming: dict[tuple[float, int], dict[str, Any]] = {}
    for at, plan in shown:
        data = json.loads(json.dumps(as_data(plan, clock, at)))
        if data["replaces_from"] is not None:
            coming = {key: note for key, note in coming.items() if key[0] < at + data["replaces_from"] - 0.001}
        for note in data["notes"]:
            assert note["begins"] > 0 and note["lasts"] > 0 and note["part"] == 1
            coming[round(at + note["begins"], 3), note["pitch"]] = note
    sounded = [(round(at, 3), message[1], message[2]) for at, message in wires.notes]
    assert len(sounded) == len(coming)
    for (at, pitch), note in sorted(coming.items()):
        when, high, loud = sounded.pop(0)
        assert abs(when - at) < 0.002 and (high, loud) == (pitch, note["velocity"])


def test_plans_are_shown_by_a_thread_in_words_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan((Note(0, 62, 192, 12, 80), Note(0, 66, 204, 12, 80)), 192, (3, 4), number=1)
    for as_json in (False, True):
        with Shown(OwnClock(24, 120, time.perf_counter()), as_json) as shown:
            shown.put(plan)
    words, data = capsys.readouterr().out.splitlines()
    assert words == "bars 3-4: D4 F#4"
    assert json.loads(data)["bars"] == [3, 4] and 3.9 < json.loads(data)["notes"][0]["begins"] <= 4


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


class Slow(Here):
    """What thinks so slowly that a plan comes some seconds after it was thought of."""

    def __init__(self, own: Partner, wires: Wires, seconds: float) -> None:
        super().__init__(own)
        self._wires, self._seconds = wires, seconds
        self._made: list[tuple[float, Plan]] = []
        self.late: list[int] = []

    def plans(self) -> list[Plan]:
        self._made += [(self._wires.now + self._seconds, plan) for plan in super().plans()]
        ready = [plan for at, plan in self._made if at <= self._wires.now]
        self._made = [each for each in self._made if each[0] > self._wires.now]
        return ready

    def refused(self, number: int) -> None:
        super().refused(number)
        self.late.append(number)


@pytest.mark.parametrize(("seconds", "begins"), [(0.3, 6.0), (0.8, 6.5), (5.0, None)])
def test_a_late_plan_makes_no_note_late(seconds: float, begins: float | None) -> None:
    """What sounds, sounds at its time or enters on a beat; the plan that is there goes on until another takes its place."""
    wires = Wires(line(REEL[:14], 2.0, 0.25) + line([69, 71], 5.55, 0.2))
    thinking, shown = Slow(partner(model_of("fiddle"), JamSettings(bars=2)), wires, seconds), list[Plan]()
    jam = jam_of(wires, thinking, model_of("fiddle").vocabulary.parts, show=shown.append)
    run(jam, wires, 11.0)
    jam.close()
    assert stuck(wires.sent) == [] and bool(wires.notes) == bool(begins)
    if begins is None:
        return
    assert wires.notes[0][0] == pytest.approx(begins, abs=0.005) and max(map(abs, jam.lateness)) < 0.005
    number = shown[-1].number
    notes = [note for plan in shown for note in plan.notes if plan.number == number]
    planned = [(2 + note.onset / 48, note.pitch) for note in notes]
    played = [(at, message[1]) for at, message in wires.notes]
    assert thinking.late and number not in thinking.late
    if begins == 6:
        assert [pitch for _, pitch in played] == [pitch for _, pitch in planned]
        assert all(abs(one[0] - other[0]) < 0.005 for one, other in zip(played, planned))
    else:
        assert jam.playing.missed > 0 and played[-8:] == [
            (pytest.approx(at, abs=0.005), pitch) for at, pitch in planned[-8:]
        ]


def test_the_plan_before_is_remembered_when_another_was_refused() -> None:
    own = partner(model_of("fiddle"), JamSettings(bars=1))
    heard = [Played(12.0 * number, pitch, 80) for number, pitch in enumerate(REEL[:7])]
    for each in heard:
        own.listen(each)
    first = [note for plan in own.think(80.0) for note in plan.notes]
    own.listen(Played(88.0, 73, 80))
    second = list(own.think(89.0))
    assert first and [note for plan in second for note in plan.notes] != first
    own.refused(second[0].number)
    memory, _ = own.memory.music(192) or (None, 0)
    assert memory is not None and memory.pitch[memory.onset >= 96].tolist() == [note.pitch for note in first]


def test_what_is_played_the_same_is_answered_the_same_however_often_it_was_planned() -> None:
    answers = []
    for ticks in ((95.0,), (20.0, 50.0, 73.0, 76.0, 80.0, 95.0)):
        own, plans = partner(model_of("fiddle"), JamSettings(bars=1, limits=LIMITS)), list[Plan]()
        heard = [
            Played(12.0 * number + gone, pitch, 80 * (gone == 0))
            for number, pitch in enumerate(REEL[:8])
            for gone in (0, 11)
        ]
        for tick in ticks:
            for each in [each for each in heard if each.tick <= tick]:
                own.listen(each)
                heard.remove(each)
            plans += own.think(tick)
        own.listen(Played(95.5, REEL[7], 0))  # the same notes: nothing to plan again
        assert list(own.think(95.9)) == []
        answers.append([plan.notes for plan in plans if plan.number == plans[-1].number])
    assert answers[0] == answers[1]


def test_a_sound_that_comes_late_enters_on_the_next_beat_or_not_at_all() -> None:
    sent: list[tuple[float, tuple[int, ...]]] = []
    playing = Playing(lambda message: sent.append((0.0, message)), beat=24, tolerance=1, latest=6)
    long, short, open_ended = Sound(40, 90, 0, 60, 90), Sound(40, 48, 0, 62, 90), Sound(40, None, 0, 64, 90)
    playing.add([long, short, open_ended, Sound(44.5, 60, 0, 65, 90)], 45)
    assert playing.due(47) == [44.5] and playing.missed == 1
    playing.add([Sound(40, 47, 0, 64, 90)], 47)  # it has ended before it could enter
    assert playing.due(48.1) == [48] and (playing.moved, playing.missed) == (1, 2)
    playing.due(90)
    assert stuck(sent) == [] and [m[1] for _, m in sent if m[0] == NOTE_ON] == [65, 60]


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

    def refused(self, number: int) -> None:
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


class Piecewise:
    """What thinks, a piece of one plan each time that it is asked."""

    def __init__(self) -> None:
        self.pieces = [Plan((Note(0, 60 + n, 24 * n, 12, 90),), 0 if n == 0 else None, number=1) for n in range(8)]

    def plans(self) -> list[Plan]:
        return [self.pieces.pop(0)]

    def listen(self, played: Played) -> None: ...
    def tick(self, tick: float) -> None: ...
    def stop(self, tick: float) -> None: ...
    def refused(self, number: int) -> None: ...


def test_pieces_of_a_plan_that_come_after_panic_are_not_played() -> None:
    wires, shown = Wires(), list[Plan]()
    jam = jam_of(wires, Piecewise(), (Part(40),), clock=OwnClock(24, 120, 0.0), show=shown.append)
    jam.step(0.0)
    jam.panic(0.1)
    many = len(shown)
    jam.step(0.6)
    jam.step(0.7)
    assert many and len(shown) == many and [m[1] for _, m in wires.notes] == [60] and stuck(wires.sent) == []


def test_a_sound_is_ended_whatever_comes() -> None:
    sent: list[tuple[float, tuple[int, ...]]] = []
    playing = Playing(lambda message: sent.append((0.0, message)), beat=24, tolerance=1, latest=6)
    playing.add([Sound(0, None, 0, 60, 90), Sound(4, 8, 0, 60, 90), Sound(5, 9, 1, 60, 90)], 0)
    playing.due(5)
    playing.add([Sound(4, 20, 0, 60, 90)], 5)  # its end is another now, and the first that comes counts
    playing.due(8)
    assert [sound.channel for sound in playing.sounding] == [1]
    playing.silence()
    assert stuck(sent) == [] and playing.next_tick is None
    playing.add([Sound(0, 3, 0, 60, 90)], 0)
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


def test_where_the_system_does_not_let_it_go_first_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.sched_setscheduler", refuse, raising=False)
    assert go_first(PLAYS) is False


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
