"""How tunes begin and end: beginnings as learned, whatever is drawn anew; closes, loops and parallels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from music import folk_tune
from test_harmonize import hymn, soprano
from untrained import untrained

from melody.limits import Limits
from melody.piece import Key, Part, Piece
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.constraints.constraint import Masks
from melody.sampling.quality import closes, faults, loops, run_from, runs
from melody.sampling.search import Search
from melody.sampling.strategies.ancestral import Sample, Streams
from melody.sampling.strategies.drawing import OF_ONE_BEGINNING, Job
from melody.sampling.tasks.acceptance import Acceptance
from melody.sampling.tasks.harmonize import harmonize
from melody.statistics import form as form_of
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.vocabulary import VALUE, Rows


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return load(trained)


def first_events(model: Model, jobs: list[Job], settings: SamplingSettings) -> dict[Job, Rows]:
    """The events of tries up to the first note."""
    start = model.decoder.begin(Masks(Grammar(model.vocabulary, 1, count_pickup=False)))
    streams, found = Streams(model.decoder, lambda _: start.take(np.zeros(1, np.int64)), settings, 12), dict[Job, Rows]()
    streams.begin(jobs)
    while len(streams):
        for job, sample in streams.step():
            assert sample is not None
            note = int(np.flatnonzero(model.vocabulary.is_note(sample.rows))[0])
            found[job] = sample.rows[: note + 1]
    return found


# Beginnings


def test_the_tries_of_a_tune_begin_alike_and_after_a_while_otherwise(model: Model) -> None:
    settings = SamplingSettings(seed=4, temperature=1.2)
    jobs = [Job(number, attempt) for number in range(12) for attempt in range(OF_ONE_BEGINNING + 1)]
    found = first_events(model, jobs, settings)
    for number in range(12):
        alike = [found[Job(number, attempt)].tolist() for attempt in range(OF_ONE_BEGINNING)]
        assert alike == alike[:1] * OF_ONE_BEGINNING
    firsts, laters = ([found[Job(n, a)].tolist() for n in range(12)] for a in (0, OF_ONE_BEGINNING))
    assert firsts != laters and firsts != firsts[:1] * 12
    assert found[Job(7, 5)].tolist() == first_events(model, [Job(7, 5)], settings)[Job(7, 5)].tolist()


def test_tunes_begin_as_learned_whatever_the_temperature_but_at_none(model: Model) -> None:
    """Metre, key and the place of the first note are the same ones as at temperature 1."""
    jobs = [Job(number, 0) for number in range(60)]

    def headers(temperature: float, **others: float) -> list[list[list[int]]]:
        settings = SamplingSettings(seed=1, temperature=temperature, **others)
        found = first_events(model, jobs, settings)
        return [[*found[job][:-1].tolist(), found[job][-1, :VALUE].tolist()] for job in jobs]

    as_learned = headers(1.0)
    assert len({str(header) for header in as_learned}) > 5
    assert headers(0.3) == headers(0.8, rhythm_temperature=0.1, pitch_temperature=3.0) == as_learned
    assert len({str(header) for header in headers(0.0)}) == 1


def test_what_is_drawn_anew_leaves_the_beginnings_as_they_were(model: Model) -> None:
    settings = SamplingSettings(seed=3, temperature=1.3)
    chosen = model.generate_many(40, settings=settings)
    taken = model.generate_many(40, settings=replace(settings, any_ending=True))
    assert [tune.keys for tune in chosen] == [tune.keys for tune in taken]
    assert [int(tune.onset[0]) for tune in chosen] == [int(tune.onset[0]) for tune in taken]
    assert any(one != other for one, other in zip(chosen, taken))


def notes(piece: Piece) -> tuple[list[int], list[int]]:
    return piece.onset.tolist(), piece.pitch.tolist()


# Closes


C_MAJOR, C_MINOR = (Key(0, 0, "major"),), (Key(0, -3, "minor"),)


def ending_on(*pitches: int, keys: tuple[Key, ...] = C_MAJOR, in_parts: bool = False, length: int = 24) -> Piece:
    """Three quarters, and a last chord."""
    part = [0, 0, 0, *(range(len(pitches)) if in_parts else [0] * len(pitches))]
    ends = [length] * len(pitches)
    parts = tuple(Part(40 + number) for number in range(max(part) + 1))
    return Piece(
        [0, 24, 48] + [72] * len(pitches), [24] * 3 + ends, [60, 62, 64, *pitches], part=part, parts=parts, keys=keys
    )


@pytest.mark.parametrize(
    ("piece", "well"),
    [
        (ending_on(60), True),
        (ending_on(64), False),
        (ending_on(62), False),
        (ending_on(48, 64), True),
        (ending_on(60, 50), False),  # D below C
        (ending_on(61, keys=()), True),  # nobody can tell
        (ending_on(67, keys=(*C_MAJOR, Key(48, 1, "major"))), True),  # in G by then
        (ending_on(67, keys=(*C_MAJOR, Key(96, 1, "major"))), False),  # in G too late
        (ending_on(67, 64, 60, in_parts=True), True),
        (ending_on(72, 67, 64, in_parts=True), False),  # the third in the bass
        (ending_on(71, 67, 62, in_parts=True), False),  # the dominant
        (ending_on(69, 64, 60, in_parts=True), False),  # a note that is not of the chord
        (ending_on(64, 60, keys=C_MINOR, in_parts=True), True),  # Picardy
        (ending_on(63, 60, keys=C_MAJOR, in_parts=True), False),
    ],
)
def test_closes_by_hand(piece: Piece, well: bool) -> None:
    assert closes(piece) == well
    assert ("does not end on the tonic" in faults(piece, ended=True)) != well
    assert "does not end on the tonic" not in faults(piece, ended=True, any_close=True)


def test_half_a_bar_that_is_missing_is_a_fault() -> None:
    assert faults(ending_on(60, length=12), ended=True) == ("does not end on a bar line",)


def bars(*patterns: str) -> Piece:
    """A bar of four quarters for each letter, all letters different music."""
    pitches = [60 + 3 * (ord(letter) - ord("a")) + step for letter in "".join(patterns) for step in (0, 2, 1, 2)]
    return Piece(24 * np.arange(len(pitches)), [24] * len(pitches), pitches)


@pytest.mark.parametrize("pattern", ["abcabcabc", "abababc!", "ababacdc", "aaaaab!", "aaaabbbb", "cbabababd!"])
def test_loops_by_hand(pattern: str) -> None:
    is_loop, pattern = pattern.endswith("!"), pattern.rstrip("!")
    assert loops(bars(pattern)) == is_loop == ("one or two bars over and over" in faults(bars(pattern), ended=True))


@pytest.mark.parametrize(("of_the_other", "is_loop"), [("abcdefghi", False), ("aaaaaaaaa", True), ("abababcab", True)])
def test_a_riff_is_no_loop_while_another_part_plays_something_new(of_the_other: str, is_loop: bool) -> None:
    riff, other = bars("ababababa"), bars(of_the_other)
    notes = [np.append(getattr(riff, name), getattr(other, name)) for name in ("onset", "duration", "pitch")]
    band = Piece(*notes, part=np.repeat([0, 1], riff.num_notes), parts=(Part(30), Part(33)))
    assert loops(band) == is_loop


@pytest.mark.parametrize("seed", range(20))
def test_where_a_part_stays_on_one_pitch_is_found_as_that_it_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = 60
    piece = Piece(
        np.arange(count) * 24,
        np.full(count, 24),
        60 + random.integers(0, 2, count),
        part=random.integers(0, 3, count),
        parts=(Part(0), Part(40), Part(0, is_drum=True)),
    )
    most = random.integers(2, 6, 3).tolist()
    found = run_from(piece, most)
    assert (found is not None) == any(run > allowed for run, allowed in zip(runs(piece), most))
    if found is not None:  # up to that bar's end no part has had enough, unless all of it is in that bar; from it on one has
        start = int(piece.bar_starts()[found])
        assert run_from(piece.select(piece.onset >= start), most) == found
        assert run_from(piece.select(piece.onset < start), most) is None


@pytest.mark.parametrize(
    ("pattern", "form", "again"),
    [
        ("ababcd", "ababcd", False),
        ("ababab", "ababcd", True),
        ("ababad", "ababcd", True),
        ("abababcdef", "abababcdef", False),
        ("abcdefgh", "ababcdef", False),  # what should return does not: the model may vary
        ("abcabc", "abcdef", False),  # nothing of the form returns yet
        ("ababcdcd", "ababcdef", True),
        ("ababcdec", "ababcdef", False),
        ("abab", "ababcd", False),
        ("abcaab", "abcade", True),
    ],
)
def test_a_new_section_that_is_an_old_one_by_hand(pattern: str, form: str, again: bool) -> None:
    letters = [ord(letter) for letter in form]
    assert form_of.sections_come_again(bars(pattern), letters) == again
    words = "a new section is an old one again"
    assert (words in faults(bars(pattern), ended=True, letters=letters)) == again
    assert words not in faults(bars(pattern), ended=True)
    assert not form_of.sections_come_again(bars(pattern), letters, start=96 * len(pattern))


@pytest.mark.parametrize("as_new", [True, False])
def test_a_form_that_is_asked_for_is_judged_in_continuations_too(model: Model, as_new: bool) -> None:
    outline = Outline(tuple(ord(letter) for letter in "ababcd"))
    judge = Acceptance(
        model,
        Search(1),
        SamplingSettings(form="ABC"),
        Limits(),
        lambda sample: (bars("ababab" if sample.number else "ababcd"), 0),
        lambda number: outline,
        as_new,
    )
    words = "a new section is an old one again"
    found = [words in judge.faults(Sample(np.zeros((1, 5), np.int64), 0.0, 0.0, number)) for number in (0, 1)]
    assert found == [False, True]


def test_new_tunes_have_no_faults_and_those_that_had_none_are_as_they_were(model: Model) -> None:
    """Hot, as nearly all of this model's tunes end well at the usual temperature."""
    settings = SamplingSettings(seed=3, temperature=1.4)
    chosen = model.tunes(40, settings=settings)
    taken = model.generate_many(40, settings=replace(settings, any_ending=True))
    good = [not faults(tune, ended=True) for tune in taken]
    assert 0 < sum(good) < 40
    left = [bool(faults(tune.piece, ended=True)) for tune in chosen]
    assert sum(left) < 40 - sum(good)
    for one, other, fine, still in zip(chosen, taken, good, left):
        assert not fine or notes(one.piece) == notes(other)
        assert bool(one.faults) == still  # what could not be mended is told


def test_continuations_close_or_say_that_they_do_not(model: Model) -> None:
    """The new bars alone are drawn anew; each is what it would be alone, and what closed at once is as it was."""
    prompt = folk_tune(100).bars(1, 4)
    settings = SamplingSettings(seed=2, temperature=1.5)
    chosen = model.continue_many(prompt, 12, bars=4, settings=settings)
    taken = model.continue_many(prompt, 12, bars=4, settings=replace(settings, any_ending=True))
    good = [closes(tune.piece) for tune in taken]
    assert 0 < sum(good) < 12 and all(closes(tune.piece) or tune.faults for tune in chosen)
    assert sum(closes(tune.piece) for tune in chosen) > sum(good) and not any(tune.faults for tune in taken)
    assert all(tune.piece.num_bars == 8 for tune in chosen)
    for one, other, fine in zip(chosen, taken, good):
        assert not fine or one.faults or faults(other.piece, ended=True) or notes(one.piece) == notes(other.piece)
    alone = model.continue_many(prompt, 5, bars=4, settings=settings)
    assert [notes(tune.piece) for tune in alone] == [notes(tune.piece) for tune in chosen[:5]]


def test_what_cannot_close_is_given_as_it_is_and_said(model: Model) -> None:
    """C# is no tonic of C major, and nothing else may sound."""
    prompt = replace(folk_tune(100).bars(1, 2), keys=C_MAJOR)
    made = model.continue_many(prompt, 2, bars=2, scale="C#,D#,F#")
    for tune in made:
        assert "does not end on the tonic" in tune.faults[0] and "none of 32 drawn was better" in tune.faults[0]
    assert not any(tune.faults for tune in model.continue_many(prompt, 2, bars=2, scale="C#,D#,F#", any_ending=True))


def test_chords_that_are_given_close_as_they_will(model: Model) -> None:
    made = model.tunes(6, bars=4, key="C", chords="C G", temperature=2, metre=folk_tune(0).time_signatures[0][1:])
    assert not all(closes(tune.piece) for tune in made)
    assert not any("tonic" in fault for tune in made for fault in tune.faults)


def test_a_continuation_closes_in_the_key_that_is_asked_for(model: Model) -> None:
    prompt = replace(folk_tune(100).bars(1, 4), keys=C_MAJOR)
    made = model.continue_many(prompt, 6, bars=4, key="G")
    assert all(closes(tune.piece) or tune.faults for tune in made) and sum(closes(tune.piece) for tune in made) > 2


def test_of_the_best_none_goes_round_and_round(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were every tune but one a loop, it would be found: loops are drawn anew there, too."""
    seen: list[int] = []

    def is_loop(piece: Piece) -> bool:
        seen.append(piece.num_notes)
        return int(piece.pitch.sum()) % 2 > 0

    monkeypatch.setattr("melody.sampling.tasks.acceptance.loops", is_loop)
    assert not any(int(tune.piece.pitch.sum()) % 2 for tune in model.tunes(6, best_of=24)) and len(seen) > 24


def test_voices_under_a_melody_close_if_any_that_were_sampled_do() -> None:
    """By an untrained model, which closes by chance: what is drawn closes as soon as one of the particles does."""
    vocabulary = Vocabulary.build([hymn(seed) for seed in range(6)])
    singer, tune = untrained(vocabulary, seed=3), soprano(hymn(0))
    chosen = [singer.harmonize(tune, seed=seed, candidates=64) for seed in range(6)]
    taken = [harmonize(singer, tune, settings=SamplingSettings(seed=seed, any_ending=True))[0].piece for seed in range(6)]
    assert sum(map(closes, chosen)) > sum(map(closes, taken))
