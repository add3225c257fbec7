"""The laws of the vocabulary: exact both ways, only legal music out, features that agree however they are computed."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from music import band, canonical, folk_tune, random_piece

from melody.errors import VocabularyError
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.tokens import Vocabulary
from melody.tokens.fitting import fit
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.context import Conditions, Contexts
from melody.tokens.inputs.features import context, outline_of
from melody.tokens.inputs.outlines.harmony import Harmony
from melody.tokens.inputs.outlines.outline import Frame, Outline
from melody.tokens.inputs.schema import FEATURES, LOOKED_AT, condition_sizes, feature_sizes, spans
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, VELOCITY, Rows

seeds = st.integers(0, 2**32)


@given(st.lists(seeds, min_size=1, max_size=4))
def test_what_is_encoded_is_decoded(numbers: list[int]) -> None:
    pieces = [random_piece(n) for n in numbers]
    vocabulary = Vocabulary.build(pieces)
    for piece in pieces:
        assert vocabulary.decode(vocabulary.encode(piece)) == canonical(piece)


@given(seeds, st.integers(-5, 6))
def test_transposing_tokens_is_transposing_music(number: int, semitones: int) -> None:
    piece = random_piece(number)
    vocabulary = Vocabulary.build([piece], transpositions=range(-5, 7))
    rows = vocabulary.encode(piece)
    expected = vocabulary.encode(piece.transpose(semitones))
    drums = FIRST_PART + np.flatnonzero([part.is_drum for part in vocabulary.parts])
    moves = (rows[:, TIME] != END) & ~np.isin(rows[:, KIND], drums)
    rows[moves, VALUE] = vocabulary.value_transposition(semitones)[rows[moves, VALUE]]
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, expected.tolist()))


def test_a_monophonic_corpus_costs_two_tokens_a_note() -> None:
    line = Piece([0, 24, 36, 96], [24, 12, 60, 24], [60, 62, 64, 60])
    vocabulary = Vocabulary.build([line, line.transpose(2)])
    assert vocabulary.tokens_per_note == 2  # time, pitch; metre, tempo, program and velocity never vary, durations follow
    assert len(vocabulary.encode(line)) == 6  # a step a note, the rest after the last one, and END


def test_a_legato_part_says_its_rests_and_no_durations() -> None:
    line = Piece([0, 24, 48, 72, 120], [24, 24, 24, 24, 24], [60, 62, 64, 65, 67])  # a quarter of silence after the fourth
    vocabulary = Vocabulary.build([line] * 2 + [Piece(np.arange(20) * 24, np.full(20, 24), np.full(20, 60))])
    assert vocabulary.implied_duration == (True,)
    assert vocabulary.durations == ()
    rows = vocabulary.encode(line)
    assert np.flatnonzero(vocabulary.is_rest(rows)).tolist() == [4, 6]
    assert np.flatnonzero(vocabulary.is_note(rows)).tolist() == [0, 1, 2, 3, 5]
    assert vocabulary.field_mask(rows)[[0, 4, 7]].tolist() == [
        [True, True, True, False, True],  # a note
        [True, True, True, False, False],  # a rest
        [True, False, False, False, False],  # the end
    ]


def test_a_part_that_often_rests_says_its_durations() -> None:
    staccato = Piece(np.arange(8) * 24, np.full(8, 12), np.full(8, 60))
    vocabulary = Vocabulary.build([staccato])
    assert (vocabulary.implied_duration, vocabulary.durations) == ((False,), (12,))
    chords = Piece([0, 0], [24, 24], [60, 64])
    assert Vocabulary.build([chords]).implied_duration == (False,)


def test_a_note_that_rows_break_off_in_lasts_a_quarter_at_least() -> None:
    line = Piece(np.arange(8) * 24, np.full(8, 24), np.full(8, 60))
    vocabulary = Vocabulary.build([line])
    cut = vocabulary.decode(vocabulary.encode(line)[:3])
    assert (cut.onset.tolist(), cut.duration.tolist()) == ([0, 24, 48], [24, 24, 24])


def test_metre_tempo_and_key_are_events_only_where_they_vary() -> None:
    waltz = Piece([0], [24], [60], time_signatures=(TimeSignature(0, 3, 4),))
    march = Piece([0], [24], [60])
    assert Vocabulary.build([waltz]).is_encoded == (False, False, False)
    assert Vocabulary.build([waltz, march]).is_encoded == (True, False, False)
    assert Vocabulary.build([waltz, Piece([0], [24], [60], tempi=(Tempo(0, 400_000),))]).is_encoded[1]


def test_names_of_parts_are_kept_where_the_corpus_agrees() -> None:
    choir = Piece([0, 0], [24, 24], [72, 60], part=[0, 1], parts=(Part(52, name="Soprano"), Part(52, name="Alto")))
    assert [p.name for p in Vocabulary.build([choir, choir]).parts] == ["Soprano", "Alto"]


@given(seeds)
def test_a_vocabulary_survives_json(number: int) -> None:
    vocabulary = Vocabulary.build([random_piece(number)])
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary


@pytest.mark.parametrize(
    "damage",
    [
        {"legato": []},
        {"legato": [False]},
        {"monophonic": [False]},
        {"durations": [0, 5]},
        {"durations": [5, 5]},
        {"pitches": [60, 200]},
        {"shifts": [3]},
        {"time_signatures": [[4, 5]]},
        {"tempi": [0]},
        {"keys": [[9, "major"]]},
        {"parts": [{"program": 128, "is_drum": False, "name": ""}]},
        {"monophonic": []},
        {"velocities": [0]},
        {"ticks_per_quarter": 0},
        {"changes": [True]},
    ],
)
def test_a_damaged_vocabulary_is_refused(damage: dict) -> None:
    good = Vocabulary.build([folk_tune(0)]).to_dict()
    with pytest.raises(VocabularyError):
        Vocabulary.from_dict(good | damage)


def test_unknown_music_is_refused_in_words() -> None:
    vocabulary = Vocabulary.build([folk_tune(0)])
    tune = folk_tune(0)
    with pytest.raises(VocabularyError, match="pitch 100"):
        vocabulary.encode(Piece([0], [12], [100], parts=tune.parts, time_signatures=tune.time_signatures))
    with pytest.raises(VocabularyError, match="metre 4/4"):
        vocabulary.encode(Piece([0], [12], [66], parts=tune.parts))
    with pytest.raises(VocabularyError, match="program 3"):
        vocabulary.encode(Piece([0], [12], [66], parts=(Part(3),), time_signatures=tune.time_signatures))
    with pytest.raises(VocabularyError, match="not one note"):
        Vocabulary.build([])


@given(seeds, seeds)
def test_what_was_made_to_fit_can_be_said(known: int, other: int) -> None:
    vocabulary = Vocabulary.build([random_piece(known)], transpositions=range(-5, 7))
    try:
        fitted, _ = fit(vocabulary, random_piece(other))
    except VocabularyError as error:
        assert str(error)
        return
    vocabulary.encode(fitted)


@given(seeds)
def test_what_fits_is_left_alone(number: int) -> None:
    piece = random_piece(number)
    fitted, changes = fit(Vocabulary.build([piece]), piece)
    assert changes == ()
    assert canonical(fitted) == canonical(piece)


def _is_legal(vocabulary: Vocabulary, grammar: Grammar, rows: np.ndarray) -> np.ndarray:
    """Whether each stream's next event keeps to the masks, (streams,)."""
    each = np.arange(len(rows))
    legal = grammar.times()[each, rows[:, TIME]]
    if rows[0, TIME] == END:
        return legal
    legal &= grammar.kinds(rows[:, TIME])[each, rows[:, KIND]]
    legal &= grammar.values(rows[:, TIME], rows[:, KIND])[each, rows[:, VALUE]]
    return legal & (~vocabulary.field_mask(rows)[:, DURATION] | grammar.durations_at(rows[:, TIME])[each, rows[:, DURATION]])


@given(st.lists(seeds, min_size=1, max_size=3))
def test_all_music_keeps_to_the_grammar(numbers: list[int]) -> None:
    pieces = [random_piece(n) for n in numbers]
    vocabulary = Vocabulary.build(pieces)
    for piece in pieces:
        grammar = Grammar(vocabulary, 1)
        for row in vocabulary.encode(piece):
            assert _is_legal(vocabulary, grammar, row[None]).all()
            grammar.push(row[None])


def _walk(vocabulary: Vocabulary, seed: int, streams: int, bars: int | None) -> list[np.ndarray]:
    """Events chosen blindly among the legal ones."""
    rng = np.random.default_rng(seed)
    grammar = Grammar(vocabulary, streams, bars=bars)
    walks: list[list[np.ndarray]] = [[] for _ in range(streams)]
    going = np.ones(streams, bool)

    def pick(mask: np.ndarray) -> np.ndarray:
        return np.where(mask, rng.random(mask.shape), -1).argmax(axis=1)

    for _ in range(80):
        rows = np.zeros((streams, 5), np.int64)
        times = grammar.times()
        assert times[going].any(axis=1).all()  # there is always a way on
        rows[:, TIME] = pick(times)
        sounding = going & (rows[:, TIME] != END)
        kinds = grammar.kinds(rows[:, TIME])
        rows[:, KIND] = pick(kinds)
        values = grammar.values(rows[:, TIME], rows[:, KIND])
        rows[:, VALUE] = pick(values)
        durations = grammar.durations_at(rows[:, TIME])
        rows[:, DURATION] = pick(durations)
        rows[:, VELOCITY] = rng.integers(0, vocabulary.sizes[VELOCITY], streams)
        said = vocabulary.field_mask(rows)
        for mask in (kinds, values):
            assert mask[sounding].any(axis=1).all()
        assert durations[sounding & said[:, DURATION]].any(axis=1).all()
        rows[~said] = 0
        for stream in np.flatnonzero(going):
            walks[stream].append(rows[stream])
        grammar.push(rows, going)
        going &= rows[:, TIME] != END
    return [np.array(walk) for walk in walks]


@given(st.lists(seeds, min_size=1, max_size=3), st.sampled_from([None, 1, 3]), st.booleans())
def test_no_walk_through_the_grammar_is_illegal(numbers: list[int], bars: int | None, monophonic: bool) -> None:
    vocabulary = Vocabulary.build([random_piece(n, monophonic=monophonic) for n in numbers])
    for rows in _walk(vocabulary, numbers[0], 8, bars):
        piece = vocabulary.decode(rows)  # raises if illegal
        ended = rows[-1, TIME] == END
        assert piece.num_notes > 0 or not ended or bars  # a bar can be shorter than any note of the corpus
        # Else the n-th of an instrument may have become the first, or a note was broken off.
        if len(vocabulary.parts) == len(piece.parts) and (ended or not any(vocabulary.implied_duration)):
            again = vocabulary.encode(piece)
            assert np.array_equal(again if ended else again[:-1], rows)
        for part in range(len(piece.parts)):
            assert piece.select(piece.part == part).is_monophonic or not monophonic
        assert bars is None or piece.num_bars <= bars


@given(seeds, st.booleans(), st.sampled_from([None, 3, 8]))
def test_what_is_known_of_a_state_is_what_is_found_anew(number: int, steady: bool, bars: int | None) -> None:
    """One stream alone, and the same among others, through states that have been met before and that have not."""
    rng = np.random.default_rng(number)
    pieces = [random_piece(number, monophonic=True), random_piece(number + 1, monophonic=True), folk_tune(number)]
    vocabulary = Vocabulary.build([piece for piece in pieces if number % 2 or piece.is_monophonic])
    alone, both = (Grammar(vocabulary, streams, bars=bars, count_pickup=False, steady=steady) for streams in (1, 2))
    for _ in range(60):
        fresh = both._masks_ahead()
        events = np.zeros((2, 5), np.int64)
        assert np.array_equal(alone.times(), both.times()[:1])
        assert all(np.array_equal(known, found) for known, found in zip(both.ahead(), fresh))
        if not both.times()[:, 1:].any(axis=1).all():
            break
        events[:, TIME] = [1 + rng.choice(np.flatnonzero(mask[1:])) for mask in both.times()]
        events[0, TIME] = events[1, TIME] if both.times()[0, events[1, TIME]] else events[0, TIME]
        kinds = both.kinds(events[:, TIME])
        assert np.array_equal(alone.kinds(events[:1, TIME]), kinds[:1])
        events[:, KIND] = [rng.choice(np.flatnonzero(mask)) for mask in kinds]
        for kind in range(vocabulary.sizes[KIND]):
            asked = np.full(2, kind)
            values = both.values(events[:, TIME], asked)
            assert np.array_equal(alone.values(events[:1, TIME], asked[:1]), values[:1])
        values = both.values(events[:, TIME], events[:, KIND])
        events[:, VALUE] = [rng.choice(np.flatnonzero(mask)) for mask in values]
        durations = both.durations_at(events[:, TIME])
        events[:, DURATION] = [rng.choice(np.flatnonzero(mask)) if mask.any() else 0 for mask in durations]
        events[~vocabulary.field_mask(events)] = 0
        alone.push(events[:1])
        both.push(events)
        assert all(np.array_equal(one, many[:1]) for one, many in zip(alone.standing(), both.standing()))


def test_a_pickup_is_no_bar_of_those_asked_for() -> None:
    tune = Piece([72, 96, 192, 288], [24, 96, 96, 96], [60, 62, 64, 65])  # a quarter before the first of three bars
    vocabulary = Vocabulary.build([tune])
    rows = vocabulary.encode(tune)
    for count_pickup, legal in ((False, True), (True, False)):
        grammar = Grammar(vocabulary, 1, bars=3, count_pickup=count_pickup)
        for row in rows[:3]:
            assert _is_legal(vocabulary, grammar, row[None]).all()
            grammar.push(row[None])
        assert _is_legal(vocabulary, grammar, rows[3][None]).all() == legal


def some_outline(vocabulary: Vocabulary, rows: Rows, rng: np.random.Generator) -> Outline | None:
    """None, that of the piece, or one that the piece does not keep to."""
    letters = rng.integers(0, rng.integers(1, 6), rng.integers(1, 12)).tolist()
    harmony = tuple(Harmony(*rng.integers((0, -1, 0), (25, 96, 13)).tolist()) for _ in letters)
    frame = Frame(int(rng.integers(12)), False, (4, 4))
    other = Outline(tuple(letters), bool(rng.integers(2)), (), harmony if rng.integers(2) else (), frame)
    return [None, outline_of(vocabulary, rows), other][rng.integers(3)]


@given(seeds)
def test_features_are_the_same_whole_and_event_by_event(number: int) -> None:
    piece = random_piece(number)
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    outline = some_outline(vocabulary, rows, np.random.default_rng(number))
    contexts = Contexts(vocabulary, 1, [outline])
    got = []
    for row in rows[:-1]:
        conditions = Conditions(contexts)
        conditions.place(row[None])
        conditions.part(row[None])
        got.append(np.concatenate([contexts.push(row[None]), conditions.array], axis=1)[0])
    whole = context(vocabulary, rows, outline)
    assert np.array_equal(got, whole[:-1])
    assert (whole < feature_sizes(vocabulary) + condition_sizes(vocabulary)).all()


@settings(max_examples=settings.default.max_examples // 3)  # each goes through a hundred steps or more
@given(seeds)
def test_features_of_streams_that_come_and_go_are_those_of_the_whole_piece(number: int) -> None:
    """Through random taking, joining and putting, whatever each stream has gone through."""
    rng = np.random.default_rng(number)
    pieces = [random_piece(int(n)) for n in rng.integers(0, 2**32, 3)]
    vocabulary = Vocabulary.build([*pieces, band(rng)] if rng.random() < 0.3 else pieces)
    events = [vocabulary.encode(piece) for piece in pieces]
    outlines = [some_outline(vocabulary, rows, rng) for rows in events]
    whole = [context(vocabulary, rows, outline) for rows, outline in zip(events, outlines)]
    width = len(feature_sizes(vocabulary))
    first = int(rng.integers(1, 4))
    of, at = np.arange(first), np.zeros(first, np.int64)  # which piece, which event is next
    contexts = Contexts(vocabulary, first, outlines[:first])
    for _ in range(max(map(len, events)) + 10):
        number = rng.integers(8 if len(of) > 1 else 40)  # one alone is one for a while
        if number == 0:
            kept = rng.integers(0, len(of), rng.integers(1, 5))
            contexts, of, at = contexts.take(kept), of[kept], at[kept]
        elif number == 1 and len(of) < 5:
            fresh = rng.integers(0, 3, rng.integers(1, 3))
            contexts = contexts.join(Contexts(vocabulary, len(fresh), [outlines[i] for i in fresh]))
            of, at = np.concatenate([of, fresh]), np.concatenate([at, np.zeros(len(fresh), np.int64)])
        elif number == 2:
            kept = rng.choice(len(of), rng.integers(1, len(of) + 1), replace=False)
            part = contexts.take(kept)
            rows = np.stack([events[piece][i] for piece, i in zip(of[kept], at[kept])])
            part.push(rows)
            contexts.put(kept, part)
            at[kept] += rows[:, TIME] != END
        rows = np.stack([events[piece][i] for piece, i in zip(of, at)])
        active = rng.random(len(of)) < 0.8
        conditions = Conditions(contexts)
        conditions.place(rows)
        conditions.part(rows)
        named = rng.integers(0, len(of), 4)
        twin = Conditions(contexts)
        twin.take(named)
        twin.place(rows[named])
        twin.part(rows[named])
        assert np.array_equal(twin.array, conditions.array[named])
        got = contexts.push(rows, active)
        active &= rows[:, TIME] != END
        expected = np.stack([whole[piece][i] for piece, i in zip(of, at)])
        assert np.array_equal(got, np.where(active[:, None], expected[:, :width], 0))
        assert np.array_equal(conditions.array[active], expected[active, width:])
        at[active] += 1
        tick = [np.array(vocabulary.shifts)[events[p][:i, TIME] - 1].sum() for p, i in zip(of, at)]
        assert contexts.tick.tolist() == tick


@pytest.mark.parametrize("alone", [1, 20, 60])
def test_a_repeat_that_began_while_a_piece_was_alone_is_known_when_others_join(alone: int) -> None:
    pitches = [60, 62, 64, 67, 65, 62, 60, 59, 57, 60] * 10
    tune = Piece(np.arange(100) * 12, np.full(100, 12), pitches)
    vocabulary = Vocabulary.build([tune])
    rows = vocabulary.encode(tune)[:-1]
    contexts = Contexts(vocabulary, 1)
    for row in rows[:alone]:
        contexts.push(row[None])
    contexts = contexts.take(np.zeros(2, np.int64))
    expected = context(vocabulary, rows)[:, : len(feature_sizes(vocabulary))]
    for row, features in zip(rows[alone:], expected[alone:]):
        assert contexts.push(np.stack([row, row])).tolist() == [features.tolist()] * 2


@given(seeds)
def test_the_future_does_not_change_features(number: int) -> None:
    piece = random_piece(number)
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    half = len(rows) // 2
    assert np.array_equal(context(vocabulary, rows)[:half], context(vocabulary, rows[:half]))


def test_position_and_phase_are_those_of_the_piece() -> None:
    piece = Piece([36, 48, 72, 96, 200], [12] * 5, [60, 62, 64, 65, 67], time_signatures=(TimeSignature(0, 2, 4),))
    vocabulary = Vocabulary.build([piece])
    features = context(vocabulary, vocabulary.encode(piece))[:-1]
    bar, position = piece.bar_and_position(piece.onset)
    named = {name[0]: features[:, span.start] for name, span in spans(FEATURES, vocabulary).items()}
    assert named["position"].tolist() == position.tolist() == [36, 0, 24, 0, 8]
    assert piece.has_pickup and bar.tolist() == [0, 1, 1, 2, 4]
    assert named["phase"].tolist() == [7, 0, 0, 1, 3]  # from the first full bar
    assert (named["interval"] - 25).tolist() == [-25, 2, 2, 1, 2]


def test_lookback_sees_what_came_next_a_bar_ago() -> None:
    piece = Piece([0, 24, 48, 96, 120], [24, 24, 48, 24, 24], [60, 62, 64, 60, 62])  # a bar, and its beginning again
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    first = spans(FEATURES, vocabulary)[("lookback", "time", "bars", 1)].start
    one_bar = context(vocabulary, rows)[:, first : first + len(LOOKED_AT)]
    assert one_bar[:3].tolist() == [[0, 0, 0, 0]] * 3  # nothing a bar before
    assert one_bar[3].tolist() == (rows[1, :VELOCITY] + 1).tolist()
    assert one_bar[4].tolist() == (rows[2, :VELOCITY] + 1).tolist()


def test_keys_are_closed_under_the_transpositions_of_training() -> None:
    piece = Piece([0], [24], [60], keys=(Key(0, 1, "major"),))
    assert len(Vocabulary.build([piece], transpositions=range(-5, 7)).keys) == 12
