"""The laws of a stream: the notes of `generate`, one by one; a player may join in, and nothing illegal comes of it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from music import folk_tune, random_piece
from untrained import untrained

from melody.errors import SamplingError
from melody.limits import Limits
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.decoder import PrefixCache
from melody.sampling.tasks.live import Note, Stream, stream
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import KIND, TIME, VALUE

PIECES = [random_piece(n) for n in range(6)]


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return load(trained)


@pytest.fixture(scope="module")
def mixed() -> Model:
    """It knows nothing, but of lines, polyphony, drums, and changes of metre, tempo and key."""
    return untrained(Vocabulary.build(PIECES))


@pytest.fixture(scope="module")
def quartet() -> Model:
    """Four legato parts."""
    line = folk_tune(0)
    columns = [np.tile(c, 4) for c in (line.onset, line.duration, line.pitch)]
    part = np.repeat(np.arange(4), line.num_notes)
    piece = Piece(*columns, part=part, parts=line.parts * 4, time_signatures=line.time_signatures, keys=line.keys)
    return untrained(Vocabulary.build([piece]))


def notes_of(model: Model, piece: Piece) -> list[Note]:
    """All notes, with their parts as the vocabulary numbers them, sorted."""
    part = model.vocabulary.part_numbers(piece)[piece.part] if piece.num_notes else piece.part
    return sorted(
        Note(*n) for n in zip(*(c.tolist() for c in (part, piece.pitch, piece.onset, piece.duration, piece.velocity)))
    )


@pytest.mark.parametrize("name", ["model", "mixed", "quartet"])
def test_with_nothing_fed_it_is_generate(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    for seed in range(2):
        settings = SamplingSettings(seed=seed, any_ending=True, max_notes=None if name == "model" else 60)
        assert sorted(model.stream(settings=settings)) == notes_of(model, model.generate(settings=settings))


def test_after_a_prompt_it_is_continue(model: Model) -> None:
    for prompt in (folk_tune(100).bars(1, 4), folk_tune(101).bars(1, 3).transpose(24)):
        made = model.continue_many(prompt, 1, any_ending=True)[0]
        new = made.piece.select(made.piece.onset >= made.first_tick)
        played = sorted(stream(model, prompt), key=lambda note: note.onset)
        assert [note[1:4] for note in played] == list(zip(new.pitch.tolist(), new.onset.tolist(), new.duration.tolist()))


@pytest.mark.parametrize("ends_alone", [False, True])
@pytest.mark.parametrize("name", ["model", "mixed"])
def test_a_prompt_that_grows_is_read_on_and_followed_by_the_same(
    name: str, ends_alone: bool, request: pytest.FixtureRequest
) -> None:
    """Whatever was read before: more of it, less of it, its last notes otherwise, another tune."""
    model = request.getfixturevalue(name)
    tunes = [folk_tune(100), folk_tune(101)] if name == "model" else [PIECES[0], PIECES[1]]
    cache = PrefixCache(most=20, ends_alone=ends_alone)
    for tune, notes in ((0, 12), (0, 20), (0, 20), (0, 14), (0, 9), (1, 12), (0, 20), (0, 60)):
        prompt = tunes[tune].select(np.arange(tunes[tune].num_notes) < notes)
        own = stream(model, prompt, limits=Limits.parse(max_leap=12), endless=True, cache=cache)
        whole = stream(model, prompt, limits=Limits.parse(max_leap=12), endless=True)
        assert list(islice(own, 8)) == list(islice(whole, 8))


def test_notes_come_when_they_are_certain_and_the_piece_is_all_of_them(quartet: Model) -> None:
    """Of a part each note comes before the next one begins to count, and what was yielded never changes."""
    live = stream(quartet, settings=SamplingSettings(max_notes=80))
    heard = []
    for note in live:
        heard.append(note)
        assert note in notes_of(quartet, live.piece)
        assert note.onset + note.duration <= live.tick + quartet.vocabulary.ticks_per_quarter
    assert sorted(heard) == notes_of(quartet, live.piece)


def assert_legal(model: Model, rows: np.ndarray) -> None:
    """Each event is one that the grammar allows after those before it."""
    grammar = Grammar(model.vocabulary, 1, count_pickup=False)
    for event in rows[:, None]:
        assert grammar.times()[0, event[0, TIME]]
        assert grammar.kinds(event[:, TIME])[0, event[0, KIND]]
        assert grammar.values(event[:, TIME], event[:, KIND])[0, event[0, VALUE]]
        grammar.push(event)


@pytest.mark.parametrize("name", ["model", "mixed", "quartet"])
def test_a_player_who_joins_in_breaks_nothing(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    vocabulary = model.vocabulary
    low, high = vocabulary.pitches
    for seed in range(3):
        random = np.random.default_rng(seed)
        live = stream(model, settings=SamplingSettings(seed=seed), endless=True)
        heard, fed = [], []
        for _ in range(25):
            heard += list(islice(live, int(random.integers(0, 3))))
            part, pitch = int(random.integers(len(vocabulary.parts))), int(random.integers(low, high + 1))
            asked = live.tick + int(random.integers(0, 40))
            try:
                fed.append((part, pitch, live.feed(pitch, part=part, onset=asked, duration=int(random.integers(1, 60)))))
            except SamplingError as error:  # a long note sounds there
                assert "stands at tick" in str(error)
        piece = live.piece
        assert_legal(model, live.rows)
        there = {note[:3] for note in notes_of(model, piece)}
        assert fed and set(fed) <= there
        assert all(note[:3] in there for note in heard)
        assert not {note[:3] for note in heard} & set(fed)
        for number in np.flatnonzero(vocabulary.monophonic):
            assert piece.select(vocabulary.part_numbers(piece)[piece.part] == number).is_monophonic


def test_what_is_fed_is_heard(model: Model) -> None:
    """Two players who play otherwise are answered otherwise, with the same random numbers."""

    def answer(pitch: int) -> list[Note]:
        live = stream(model, settings=SamplingSettings(seed=5), endless=True)
        for _ in range(6):
            live.feed(pitch)
        return list(islice(live, 12))

    assert [n.pitch for n in answer(60)] != [n.pitch for n in answer(67)]


def test_a_fed_note_lasts_until_the_player_rests(quartet: Model) -> None:
    live = stream(quartet, endless=True)
    live.steer(silent=[0])
    at = live.feed(70, part=0)
    others = list(islice(live, 12))
    assert all(note.part != 0 for note in others)
    end = live.rest(part=0)
    assert Note(0, 70, at, end - at, 90) in notes_of(quartet, live.piece)
    with pytest.raises(SamplingError):
        live.rest(part=0)


def test_until_stops_before_a_tick_and_loses_nothing(quartet: Model) -> None:
    settings = SamplingSettings(seed=2, max_notes=60)
    whole = list(stream(quartet, settings=settings))
    live, pieces = stream(quartet, settings=settings), []
    for tick in range(0, 400, 20):
        before = live.until(tick)
        assert live.tick < max(tick, 1) and all(note.onset < tick for note in before)
        pieces += before
    assert pieces + list(live) == whole


def test_steering_takes_hold_from_the_next_note_on(mixed: Model) -> None:
    live = stream(mixed, settings=SamplingSettings(seed=1, temperature=3), endless=True)
    list(islice(live, 10))
    drums = {n for n, part in enumerate(mixed.vocabulary.parts) if part.is_drum}
    live.steer(scale="C,E,G", range="C4:C6")
    standing = live.tick
    fresh = [note for note in islice(live, 60) if note.onset > standing]
    assert all(note.part in drums or (note.pitch % 12 in (0, 4, 7) and 60 <= note.pitch <= 84) for note in fresh)
    live.steer(scale="", silent=sorted(drums))
    standing = live.tick
    fresh = [note for note in islice(live, 60) if note.onset > standing]
    assert not {note.part for note in fresh} & drums
    assert {note.pitch % 12 for note in fresh} - {0, 4, 7}


def test_limits_of_pitch_hold_from_the_first_note_on_also_if_they_are_given_as_a_whole(model: Model) -> None:
    for prompt in (None, folk_tune(3).bars(1, 2)):
        live = model.stream(prompt, limits=Limits.parse(scale="C major", range="C4:C5"), endless=True)
        assert all(60 <= note.pitch <= 72 and note.pitch % 12 in (0, 2, 4, 5, 7, 9, 11) for note in islice(live, 12))


def test_what_sounds_is_known_before_its_end_is(quartet: Model) -> None:
    live, begun = stream(quartet, settings=SamplingSettings(max_notes=60)), set()
    for note in live:
        assert note[:3] in begun or not live.sounding or note.duration > 0
        begun |= {each[:3] for each in live.sounding}
        assert all(each.duration == 0 and each.onset <= live.tick for each in live.sounding)
    assert begun and live.sounding == ()


def test_temperature_can_be_turned_to_nothing(model: Model) -> None:
    def tail(seed: int) -> list[int]:
        live = stream(model, folk_tune(3).bars(1, 4), settings=SamplingSettings(seed=seed), endless=True)
        live.steer(temperature=0)
        return [note.pitch for note in islice(live, 20)]

    assert tail(0) == tail(1)


def test_an_endless_stream_goes_on(model: Model) -> None:
    assert len(list(islice(stream(model, endless=True), 200))) == 200


def test_what_cannot_be_is_refused_in_words(model: Model, mixed: Model) -> None:
    live = stream(model)
    for wrong in (
        lambda: live.feed(200),
        lambda: live.feed(60, part=3),
        lambda: live.feed(60, part=-1),
        lambda: live.feed(60, onset=10**6),
        lambda: live.rest(part=9),
        lambda: live.steer(silent=[0]),
        lambda: live.steer(temperature=-1),
        lambda: live.steer(key="H"),
        lambda: live.steer(range="C9:C9"),
    ):
        with pytest.raises(SamplingError):
            wrong()
    list(live)
    with pytest.raises(SamplingError, match="has ended"):
        live.feed(60)
    assert isinstance(live, Stream)


def test_it_works_without_torch() -> None:
    import subprocess
    import sys

    code = "import sys\nfrom melody.sampling.tasks import harmonize, live, midi_edit\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pytorch_lightning", "music21", "symusic", "scipy", "matplotlib"} & set(loaded)
