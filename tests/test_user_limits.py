"""Limits as masks: whatever is chosen among what they allow, the tune keeps them, and ends."""

from __future__ import annotations

import importlib.util
import itertools
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from music import folk_tune, random_piece

from melody import midi
from melody.errors import SamplingError
from melody.limits import Limits, check, verify
from melody.limits.lookups import chord_pitches, is_chord_point
from melody.piece import Key, Part, Piece, TimeSignature
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.user import user_limits
from melody.sampling.constraints.user.endings import LastBars
from melody.sampling.constraints.user.headers import fitting_keys, with_headers
from melody.sampling.constraints.user.places import NEVER, Places
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, VELOCITY


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return load(trained)


def four_voices(seed: int) -> Piece:
    """Four lines in quarters and halves, which seldom rest, so that each is legato."""
    rng = np.random.default_rng(seed)
    lines = []
    for part, centre in enumerate((74, 67, 60, 50)):
        duration = rng.choice([12, 24, 24, 48], 24)
        onset = np.concatenate([[0], np.cumsum(duration)[:-1]])
        lines.append((onset, duration, centre + rng.integers(-5, 6, 24), np.full(24, 90), np.full(24, part)))
    columns = (np.concatenate(column) for column in zip(*lines))
    return Piece(*columns, parts=(Part(52, name="S"), Part(52, name="A"), Part(52, name="T"), Part(52, name="B")))


VOCABULARIES = {
    "tune": lambda: Vocabulary.build([folk_tune(seed) for seed in range(20)], transpositions=range(-5, 7)),
    "voices": lambda: Vocabulary.build([four_voices(seed) for seed in range(12)]),
    "band": lambda: Vocabulary.build([random_piece(seed) for seed in range(40)]),
}


@pytest.fixture(scope="module", params=VOCABULARIES)
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return VOCABULARIES[request.param]()


def wander(vocabulary: Vocabulary, limits: Limits, tunes: int, most: int, seed: int = 0) -> list[Piece | None]:
    """Tunes drawn evenly among what is allowed, which is harder on masks than any model; None for a dead end."""
    rng = np.random.default_rng(seed)
    grammar = Grammar(vocabulary, tunes, bars=limits.bars, count_pickup=False)
    masks = Masks(grammar, user_limits(vocabulary, limits))
    found: list[list[np.ndarray]] = [[] for _ in range(tunes)]
    alive, stuck = np.arange(tunes), set()
    for step in itertools.count():
        masks.must_close = limits.bars is None and step > most
        if step > most + 2000:
            return [None] * tunes
        times = masks.times()
        assert not (times & ~masks.unconstrained).any()
        stuck |= set(alive[~times.any(axis=1)].tolist())
        rows = np.zeros((len(alive), 5), np.int64)
        going = np.flatnonzero(times.any(axis=1))

        def pick(field: int, mask: np.ndarray, rows: np.ndarray = rows, going: np.ndarray = going) -> None:
            said = vocabulary.field_mask(rows)[:, field] if field > TIME else np.ones(len(rows), bool)
            assert mask[going][said[going]].any(axis=1).all(), f"field {field} has nothing to choose"
            rows[:, field] = (rng.random(mask.shape) * mask).argmax(axis=1)

        pick(TIME, times)
        pick(KIND, masks.kinds(rows[:, TIME]))
        pick(VALUE, masks.values(rows[:, TIME], rows[:, KIND]))
        pick(DURATION, masks.durations(rows))
        pick(VELOCITY, masks.velocities(rows))
        rows[~vocabulary.field_mask(rows)] = 0
        for number in going.tolist():
            found[alive[number]].append(rows[number])
        going = going[rows[going, TIME] != END]
        if not len(going):
            return [
                None if n in stuck else with_headers(vocabulary.decode(np.array(t)), limits) for n, t in enumerate(found)
            ]
        masks, alive = masks.take(going), alive[going]
        masks.push(rows[going])


WRITTEN = [
    {"scale": "C,D,Eb,G,A", "range": "C4:C6"},
    {"max_leap": 2},
    {"max_polyphony": 1},
    {"max_polyphony": 2, "density": 3},
    {"density": 1},
    {"grid": "1/8"},
    {"grid": "1/8,1/4t", "bars": 3},
    {"bars": 1},
    {"bars": 5},
    {"scale": "G major", "end_on_tonic": True},
    {"scale": "G major", "end_on_tonic": True, "bars": 4, "max_leap": 2},
    {"scale": "D dorian", "end_on_tonic": True, "bars": 4, "max_leap": 2, "density": 2},
    {"scale": "C chromatic", "end_on_tonic": True, "bars": 2, "max_leap": 1, "density": 1},
    {"chords": "Dm G7 C C"},
    {"chords": "Dm G7 | C F", "grid": "1/8", "bars": 4},
    {"chords": "C Em F C", "scale": "C major", "bars": 4, "end_on_tonic": True, "max_leap": 7, "max_polyphony": 2},
]


@pytest.mark.parametrize("written", WRITTEN, ids=lambda w: " ".join(f"{k}={v}" for k, v in w.items()))
def test_whatever_is_chosen_keeps_the_limits_and_ends(vocabulary: Vocabulary, written: dict) -> None:
    limits = Limits.parse(**written)
    try:
        check(limits, vocabulary)
    except SamplingError:
        pytest.skip("this vocabulary has no music under these limits")
    tunes = wander(vocabulary, limits, 8, 60)
    made = [tune for tune in tunes if tune is not None]
    assert [verify(tune, limits) for tune in made] == [()] * len(made)
    assert len(made) == 8 if len(vocabulary.parts) == 1 else len(made) >= 6  # one line never comes to a dead end


def test_what_has_one_value_is_forced(vocabulary: Vocabulary) -> None:
    metre = vocabulary.time_signatures[-1]
    limits = Limits.parse(metre=f"{metre[0]}/{metre[1]}", tempo=60e6 / vocabulary.tempi[0] * 1.1, instruments="0,40,52,73")
    for tune in wander(vocabulary, limits, 8, 60):
        assert tune is not None and verify(tune, limits) == ()
        assert len(tune.time_signatures) == len(tune.tempi) == 1


def test_without_limits_the_masks_are_those_of_the_grammar(vocabulary: Vocabulary) -> None:
    """On the events of pieces that it knows; only an END with nothing begun is told apart."""
    pieces = [folk_tune(1), four_voices(1), random_piece(1)]
    piece = next(piece for piece in pieces if _fits(vocabulary, piece))
    grammar = Grammar(vocabulary, 1)
    limited = Masks(Grammar(vocabulary, 1), user_limits(vocabulary, Limits()))
    for row in vocabulary.encode(piece):
        events = row[None]
        assert np.array_equal(limited.times(), grammar.times())
        if row[TIME] == END:
            break
        assert np.array_equal(limited.kinds(events[:, TIME]), grammar.kinds(events[:, TIME]))
        assert np.array_equal(
            limited.values(events[:, TIME], events[:, KIND]), grammar.values(events[:, TIME], events[:, KIND])
        )
        assert np.array_equal(limited.durations(events), grammar.durations(events))
        limited.push(events)
        grammar.push(events)


def _fits(vocabulary: Vocabulary, piece: Piece) -> bool:
    try:
        return len(vocabulary.encode(piece)) > 0
    except ValueError:
        return False


# The tables are what the look-ups say, tick by tick


@pytest.mark.parametrize("written", [{"chords": "C G7 | Am F#m7b5 E | D"}, {"chords": "C"}, {"grid": "1/8t,1/4"}, {}])
def test_the_tables_of_places_are_the_look_ups(written: dict) -> None:
    vocabulary, limits = VOCABULARIES["band"](), Limits.parse(**written)
    places = Places(vocabulary, limits)
    for metre, (above, below) in enumerate(vocabulary.time_signatures):
        signature = TimeSignature(0, above, below)
        bar, beat = signature.bar_ticks(), signature.beat_ticks()
        since = np.arange(-bar, 4 * bar)
        number, position = since // bar, since % bar
        has = chord_pitches(limits, number, position, bar)
        point = is_chord_point(limits, number, position, bar, beat) & (since >= 0)
        assert np.array_equal(places.tones(np.array([metre]), since[None])[0], has | ~point[:, None])
        lasting = places.lasting(np.array([metre]), since[None])[0]
        for pitch_class in range(12):
            foreign = np.flatnonzero(point & ~has[:, pitch_class])
            for tick in range(0, len(since) - bar, 7):
                after = foreign[foreign >= tick]
                expected = after[0] - tick if len(after) else None
                found = lasting[tick, pitch_class]
                assert found == expected if expected is not None else found >= len(since) - tick


@cache
def _can_end(left: int, pitch: int, room: int, vocabulary: Vocabulary, limits: Limits, bar: int) -> bool:
    """By trying everything: whether a note of a legato line, begun so many ticks before the end, can lead to an ending."""
    for after in (left - step for step in vocabulary.shifts if 0 < step <= left):
        if after < bar and pitch % 12 == limits.tonic:
            return True
        rest = _room_at(left, after, room, limits, bar)
        if _can_go_on(after, pitch, rest, vocabulary, limits, bar):
            return True
        for later in (after - step for step in vocabulary.shifts if 0 < step <= after):  # a rest comes first
            if _can_go_on(later, pitch, _room_at(after, later, rest, limits, bar), vocabulary, limits, bar):
                return True
    return False


def _room_at(left: int, after: int, room: int, limits: Limits, bar: int) -> int:
    """How many onsets the bar there still has."""
    return room if -(-left // bar) == -(-after // bar) else limits.density or 99


def _can_go_on(left: int, before: int, room: int, vocabulary: Vocabulary, limits: Limits, bar: int) -> bool:
    """Whether a note may begin there, after one of pitch `before`, that leads to an ending."""
    pitches = range(before - (limits.max_leap or 99), before + (limits.max_leap or 99) + 1)
    known = [p for p in pitches if vocabulary.pitches[0] <= p <= vocabulary.pitches[1] and p % 12 in (0, 2, 4, 5, 7, 9, 11)]
    return left > 0 and room > 0 and any(_can_end(left, p, room - 1, vocabulary, limits, bar) for p in known)


def test_the_ways_to_an_ending_are_found_by_trying_all_of_them() -> None:
    tune = Piece([0, 24, 48, 96, 120], [24, 24, 48, 24, 72], [60, 62, 64, 65, 67])
    vocabulary = Vocabulary.build([tune])
    assert vocabulary.implied_duration == (True,)
    limits = Limits.parse(scale="C major", end_on_tonic=True, max_leap=2, density=2, bars=3)
    number = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
    fits = np.isin(number % 12, [0, 2, 4, 5, 7, 9, 11])
    found = LastBars(Places(vocabulary, limits), limits, 0, fits, vocabulary.pitches[0])
    endings = found.of_part(implied=True, is_drum=False)
    for left, pitch, room in itertools.product(range(24, 217, 24), range(len(number)), range(2)):
        if fits[pitch]:
            expected = _can_end(left, int(number[pitch]), room, vocabulary, limits, 96)
            assert endings.begins[left, room, pitch] == expected, (left, number[pitch], room)


def test_a_scale_alone_takes_the_key_that_shares_the_most_notes_with_it() -> None:
    vocabulary = VOCABULARIES["tune"]()
    keys = [Key(0, *key).name for key in vocabulary.keys]
    for scale, expected in (("D dorian", "C"), ("F# pentatonic", "F#"), ("Bb major", "Bb")):
        allowed = fitting_keys(Limits.parse(scale=scale), vocabulary)
        assert expected in [key for key, ok in zip(keys, allowed) if ok]
    assert fitting_keys(Limits(), vocabulary).all()
    assert NEVER > 10_000_000


# With a model


def checker() -> ModuleType:
    """The script that reads files with mido and judges them on its own."""
    path = Path(__file__).parents[1] / "scripts" / "check_limits.py"
    spec = importlib.util.spec_from_file_location("check_limits", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_keep_their_limits_as_mido_reads_them(model: Model, tmp_path: Path) -> None:
    script, kept = checker(), 0
    for written, meaning in [*script.ONE_BY_ONE, *script.TOGETHER]:
        try:
            tune = model.tunes(1, limits=Limits.parse(**written))[0]
        except SamplingError:
            continue  # the model knows 6/8, major keys and a violin
        midi.write(tune.piece, tmp_path / "tune.mid")
        heard = script.Heard(tmp_path / "tune.mid")
        wrong = [what for what, value in meaning.items() if not script.CHECKS[what](heard, value)]
        assert wrong == [], written
        kept += 1
    assert kept >= 15


def test_the_script_sees_what_is_wrong(tmp_path: Path) -> None:
    script = checker()
    piece = Piece([0, 24, 50, 96], [24, 24, 24, 100], [60, 61, 72, 67], parts=(Part(73),), keys=(Key(0, 0, "major"),))
    midi.write(piece, tmp_path / "tune.mid")
    heard = script.Heard(tmp_path / "tune.mid")
    right = {"notes": [0, 1, 7], "range": (60, 72), "leap": 11, "polyphony": 1, "density": 3, "grid": [1 / 48]}
    wrong = {"notes": [0, 7], "range": (60, 71), "leap": 10, "density": 2, "grid": [1 / 8], "bars": 2, "tonic": 0}
    right |= {"metre": (4, 4), "tempo": 500_000, "bars": 3, "tonic": 7, "programs": {73}, "velocity": (90, 90)}
    wrong |= {"metre": (3, 4), "tempo": 500_001, "programs": {72}, "velocity": (91, 127), "key": "G"}
    assert all(script.CHECKS[what](heard, value) for what, value in right.items())
    assert not any(script.CHECKS[what](heard, value) for what, value in wrong.items())
    assert script.chords(heard, [[(0, 1)], [(7,)], [(7,)]]) and not script.chords(heard, [[(0, 1)], [(7,)]])


def test_a_limit_that_removes_nothing_removes_no_probability_and_changes_no_tune(model: Model) -> None:
    free = model.tunes(3)
    for written in ({"range": "C-1:G9"}, {"metre": "6/8"}, {"grid": "1/8"}, {"max_polyphony": 1}, {"velocity": "1:127"}):
        under = model.tunes(3, limits=Limits.parse(**written))
        assert [tune.removed for tune in under] == pytest.approx([0, 0, 0], abs=1e-12)
        for one, other in zip(free, under):
            assert np.array_equal(one.piece.pitch, other.piece.pitch) and np.array_equal(one.piece.onset, other.piece.onset)
    assert all(tune.removed > 0.05 for tune in model.tunes(3, limits=Limits.parse(scale="C,D,Eb,G,A")))


def test_limits_do_not_depend_on_how_many_tunes_are_asked_for(model: Model) -> None:
    limits = Limits.parse(key="D", chords="D G A D", bars=4, end_on_tonic=True)
    many = model.generate_many(8, limits=limits, settings=SamplingSettings(seed=3))
    assert model.generate(limits=limits, settings=SamplingSettings(seed=3)) == many[0]
    assert len({tuple(tune.pitch.tolist()) for tune in many}) > 5


def test_limits_without_a_way_on_are_refused_in_a_sentence(model: Model) -> None:
    """No note of C belongs to F sharp, and no note may end before the bar does."""
    limits = Limits.parse(grid="1/1", chords="C F# |", bars=2)
    with pytest.raises(SamplingError, match="no way on"):
        model.generate(limits=limits)


def test_the_file_tells_the_limits(model: Model) -> None:
    tune = model.generate(limits=Limits.parse(key="D", bars=2, max_leap=5))
    assert "bars=2 key=D max-leap=5" in tune.texts[0]


# After a prompt


def test_what_follows_a_prompt_keeps_the_limits_and_the_prompt_need_not(model: Model) -> None:
    prompt = folk_tune(100).bars(1, 4)
    for written in (
        {"scale": "C# pentatonic", "range": "C#4:C#6"},
        {"chords": "G C D G", "max_leap": 7},
        {"scale": "G major", "end_on_tonic": True, "density": 2, "max_leap": 4},
        {"grid": "1/8", "max_polyphony": 1, "tempo": 120, "metre": "6/8"},
    ):
        limits = Limits.parse(bars=4, **written)
        for made in model.continue_many(prompt, 2, limits=limits):
            assert verify(made.piece, limits, start=made.first_tick, first_bar=made.first_bar) == ()
            assert np.array_equal(made.piece.pitch[: prompt.num_notes], prompt.pitch)
        for new in model.continue_many(prompt, 2, limits=limits, only_new=True):
            assert verify(new.piece, limits, start=new.first_tick, first_bar=new.first_bar) == ()


def test_limits_are_about_the_octave_and_the_instrument_that_sound(model: Model) -> None:
    tune = folk_tune(102).bars(1, 4).transpose(24)
    prompt = Piece(tune.onset, tune.duration, tune.pitch, parts=(Part(73),), time_signatures=tune.time_signatures)
    limits = Limits.parse(range="C6:C7", instruments="flute", bars=4)
    made = model.continue_many(prompt, 1, limits=limits)[0]
    assert made.piece.num_notes > prompt.num_notes
    assert verify(made.piece, limits, start=made.first_tick, first_bar=made.first_bar) == ()
    with pytest.raises(SamplingError, match="instrument violin"):
        model.continue_(prompt, bars=4, limits=Limits.parse(instruments="violin"))


def test_another_key_is_written_where_the_new_music_begins(model: Model) -> None:
    prompt = folk_tune(100).bars(1, 4)
    other = "D" if prompt.keys[0].name != "D" else "C"
    made = model.continue_many(prompt, 1, limits=Limits.parse(key=other, bars=2))[0]
    assert [key.name for key in made.piece.keys] == [prompt.keys[0].name, other]
    assert made.piece.keys[1].onset == made.first_tick


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"metre": "3/4"}, "the prompt is in 6/8"),
        ({"tempo": 60}, "the prompt ends at 120 quarters"),
        ({"range": "C#6:D#6", "max_leap": 2}, "the prompt ends on"),
        ({"instruments": "drums"}, "never seen"),
    ],
)
def test_limits_against_the_prompt_are_refused(model: Model, written: dict, says: str) -> None:
    with pytest.raises(SamplingError, match=says):
        model.continue_(folk_tune(100).bars(1, 4), bars=4, limits=Limits.parse(**written))
