"""Who plays in which bar of an outline, and which bars of a part return: worked out, read, made of it and kept to."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import random_piece
from untrained import untrained

from melody.modelfile import ModelFile
from melody.note_columns import sounding
from melody.piece import Ints, Key, Part, Piece, Tempo, TimeSignature
from melody.sampling import Model
from melody.sampling.outlines.casting import cast, played_by
from melody.sampling.outlines.corpus_outlines import CorpusOutlines
from melody.sampling.outlines.forms import Wanted, parse_form
from melody.tokens import Vocabulary
from melody.tokens.inputs.context import Conditions, Contexts
from melody.tokens.inputs.features import context, outline_of
from melody.tokens.inputs.outlines.outline import (
    MOST_BARS,
    NO_CLOSE,
    PLAYING,
    REST,
    RESTING,
    RETURNS,
    Close,
    FinalNotes,
    Outline,
    Play,
)
from melody.tokens.inputs.outlines.several_outlines import Outlines
from melody.tokens.inputs.outlines.storing import restored, stored
from melody.tokens.inputs.schema import (
    AGAIN,
    CONDITIONS,
    FEATURES,
    GROUP,
    IS_BOUND,
    MAY_PLAY,
    NEW_TO_A_RHYTHM,
    OUTLINED,
    RESTS,
    STATE_BITS,
    URGENCY,
    feature_sizes,
    spans,
)
from melody.tokens.inputs.whole_piece import as_time
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows
from melody.training import corpus_facts
from melody.training.corpus_facts import MOST_LETTERS, outlines

FLUTE, BASS, KIT = Part(73), Part(32), Part(0, is_drum=True)
seeds = st.integers(0, 2**32 - 1)


def band(bars: dict[Part, str], seed: int = 0) -> Piece:
    """A letter for each bar of each part, '-' where it rests: four notes, the same for the same letter."""
    onset, pitch, part = [], [], []
    for number, letters in enumerate(bars.values()):
        low = 36 + 12 * number + seed
        for bar, letter in enumerate(letters):
            if letter != "-":
                onset += [96 * bar + at for at in (0, 24, 48, 60 + 6 * (ord(letter) % 3))]
                pitch += [low + step + ord(letter) - ord("A") for step in (0, 2, 4, 0)]
                part += [number] * 4
    duration = [11 + player.is_drum for player in np.array([*bars], object)[part]]
    return Piece(onset, duration, pitch, [90] * len(onset), part, parts=tuple(bars))


def all_steps() -> Piece:
    """With it a vocabulary has all times between events, and short notes."""
    step = np.arange(1, 97)
    return Piece(np.cumsum(step), step, 60 + step % 5, np.full(96, 90), np.arange(96) % 3, parts=(BASS, FLUTE, KIT))


FLAT = [0] * len(REST)  # a `Play` as it is stored
SONG = band({BASS: "AABBAAB-", FLUTE: "--ABCDEF", KIT: "AAAAAAAB"})


def read(piece: Piece, has_outline: bool = True) -> tuple[Vocabulary, Rows, dict[str, Ints]]:
    """The events of a piece, and what is read before each and of each, with its own outline."""
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    table = context(vocabulary, rows, outline_of(vocabulary, rows) if has_outline else None)
    features, conditions = spans(FEATURES, vocabulary), spans(CONDITIONS, vocabulary)
    width = len(feature_sizes(vocabulary))
    read = {" ".join(map(str, name)): table[:-1, span.start] for name, span in features.items() if span.stop > span.start}
    there = {
        " ".join(map(str, name)): table[:-1, width + span.start]
        for name, span in conditions.items()
        if span.stop > span.start
    }
    return vocabulary, rows[:-1], read | {f"there {name}": column for name, column in there.items()}


def random_band(number: int) -> Piece:
    """Up to four parts whose bars return and rest as it happens, each bar of notes of its own."""
    rng = np.random.default_rng(number)
    parts = [BASS, FLUTE, KIT, Part(0)][: rng.integers(2, 5)]
    return band({part: "".join(rng.choice([*"AABC-"], 6)) + "A" for part in parts}, int(rng.integers(8)))


# What is worked out


def test_each_part_has_a_letter_for_each_bar_in_which_it_begins_a_note() -> None:
    vocabulary = Vocabulary.build([SONG])
    found = outline_of(vocabulary, vocabulary.encode(SONG))
    assert found is not None and vocabulary.is_chordal
    by_part = dict(zip((vocabulary.parts[number] for number in found.parts), found.players))
    assert [play.letter for play in by_part[BASS]] == [0, 0, 1, 1, 0, 0, 1, REST.letter]
    assert by_part[FLUTE] == (
        REST,
        REST,
        *(
            Play(letter, 0, letter % 3, 4, 60 + 6 * ((ord("A") + letter) % 3), letter % 3, letter // 3 * 3)
            for letter in range(6)
        ),
    )
    assert [play.letter for play in by_part[KIT]] == [0, 0, 0, 0, 0, 0, 0, 1]
    does = found.playing(vocabulary.sizes[KIND])[1:-1, FIRST_PART + vocabulary.parts.index(BASS), 0]
    assert does.tolist() == [PLAYING, RETURNS, PLAYING, RETURNS + 2, RETURNS + 1, RETURNS + 4, RETURNS + 3, RESTING]
    assert restored(stored(found)) == found


@pytest.mark.parametrize(
    "players",
    [
        *(None, "A", [None], [[0, 1, 0]], [[[0, 0, 0], FLAT]] * 2, [[[0, 0], FLAT]], [[[0, 0, 0, 0], FLAT]]),
        *([[[0, 1, 0], FLAT]], [[[0, -1, 0], FLAT]], [[[0, 0.5, 0], FLAT]], [[[0, 0, 0], FLAT[1:]]]),
        *([[[0, 0, 0], [each, *FLAT[1:]]]] for each in (-2, MOST_BARS + 1, 0.5, "A")),
        *([[[0, 0, 0], [0, 0, each, *FLAT[3:]]]] for each in (-2, MOST_BARS + 1)),
        *([[[0, 0, 0], [*FLAT[:place], -1, *FLAT[place + 1 :]]]] for place in (1, 3, 4)),
        *([[[0, 0, 0], [*FLAT[:5], each, 0]]] for each in (-2, MOST_BARS + 1)),
        *([[[0, 0, 0], [*FLAT[:6], each]]] for each in (-129, 129, 0.5)),
    ],
)
def test_damaged_players_in_a_file_are_passed_over(players: object) -> None:
    whole = Outline((0, 1, 0), False, (0,), players=((Play(*FLAT),) * 3,))
    assert stored(whole)[5] == [[[0, 0, 0], FLAT]] and restored(stored(whole)) == whole
    good = Outline((0, 1, 0), False, (0,), players=((Play(0, 12, 0, 1), REST, Play(0, 12, 0, 1)),))
    assert restored(stored(good)) == good
    assert restored([*stored(good)[:3], [], [-1, 0, 0, 0], players, *stored(good)[6:]]) is None


@pytest.mark.parametrize("hands", [None, 3, [1, 1], [-1], [129], [1.5], ["a"]])
def test_damaged_hands_in_a_file_are_passed_over(hands: object) -> None:
    good = Outline((0, 1, 0), False, (0,), players=((Play(0, 12, 0, 1), REST, Play(0, 12, 0, 1)),), hands=(3,))
    assert restored(stored(good)) == good
    before, after = stored(good)[:6], stored(good)[7:]
    for number in range(6):
        assert restored([*before, [hands if n == number else [] for n in range(6)], *after]) is None
    assert restored([*before, hands, *after]) is None


@pytest.mark.parametrize(
    "close",
    [
        None,
        3,
        [],
        [-2],
        [0.5],
        [0, 1],
        [0, [0, 24, 12]],
        [0, [-1, 24, 12, 0]],
        [0, [0, 24, "a", 0]],
        [0, [0, 24, 12, *[0] * 129]],
    ],
)
def test_damaged_closes_in_a_file_are_passed_over(close: object) -> None:
    chord = (FinalNotes(0, 24, 12, (0, 4, 7)),)
    good = Outline(
        (0,), False, (0,), players=((REST,),), hands=(3,), reach=(7,), lets_go=(True,), close=Close(24, chord), kit=(36, 38)
    )
    assert restored(stored(good)) == good
    before, grids = stored(good)[:7], [[], []]
    assert restored([*before, close, [36, 38], *grids]) is None
    for kit in (None, 3, [-1], [129], [1.5], ["a"], [[36]]):
        assert restored([*before, [-1], kit, *grids]) is None


def test_no_part_has_more_notes_at_once_than_the_piece_that_its_outline_is_from() -> None:
    """Two pieces, one of chords of four and one of two: each tune by its outline has no more."""
    chords = [
        Piece(
            np.repeat(24 * np.arange(16), size + 1),
            np.full(16 * (size + 1), 24),
            np.tile([40, *range(60, 60 + 3 * size, 3)], 16) + np.repeat(np.arange(16) % 3, size + 1),
            part=np.tile([0] + [1] * size, 16),
            parts=(BASS, Part(0)),
        )
        for size in (4, 2)
    ]
    vocabulary = Vocabulary.build(chords)
    for piece, size in zip(chords, (4, 2)):
        outline = outline_of(vocabulary, vocabulary.encode(piece))
        assert outline is not None and sorted(outline.hands) == [1, size]
        facts = {"outlines": [stored(outline)], "part_notes_at_once": [1, 4] if vocabulary.parts[0] == BASS else [4, 1]}
        made = Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training=facts, name="two"))
        most = [sounding(*_times(tune, Part(0))).max() for tune in made.generate_many(6, seed=2, any_ending=True)]
        assert max(most) == size


def test_a_new_piece_closes_as_the_one_that_its_outline_is_from() -> None:
    """On the same degrees of its own key, as long, in the same place of the last bar, where no hand is full by then."""
    last = [(96 * 7 + 24, pitch, part) for pitch, part in ((40, 0), (60, 1), (64, 1), (67, 1))]
    onset, pitch, part = (np.append(own, more) for own, more in zip((SONG.onset, SONG.pitch, SONG.part), zip(*last)))
    kept = (onset < 96 * 7) | (np.arange(len(onset)) >= len(SONG.onset))
    piece = Piece(onset[kept], np.where(onset[kept] < 96 * 7, 6, 12), pitch[kept], part=part[kept], parts=SONG.parts)
    piece = replace(piece, keys=(Key(0, 0, "major"),))
    in_g = replace(all_steps(), duration=np.full(96, 6), keys=(Key(0, 1, "major"),))
    vocabulary = Vocabulary.build([piece, in_g, replace(in_g, pitch=36 + np.arange(96) % 48)])
    outline = outline_of(vocabulary, vocabulary.encode(piece))
    assert outline is not None and outline.close.place == 24
    chord = {vocabulary.parts[part]: (ticks, tones) for part, _, ticks, tones in outline.close.chord}
    assert chord == {BASS: (12, (4,)), FLUTE: (12, (0, 4, 7))}
    assert restored(stored(outline)) == outline
    made = Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training={"outlines": [stored(outline)]}))
    tonics = set()
    for tune in made.generate_many(6, bars=8, seed=3, any_ending=True):
        tonic = tune.keys[0].tonic if tune.keys else outline.frame.tonic
        tonics.add(tonic)
        end = tune.onset == tune.onset.max()
        assert tune.onset.max() == 96 * 7 + 24 and set(tune.duration[end].tolist()) == {12}
        begun = {tune.parts[n]: int((tune.part[end] == n).sum()) for n in np.unique(tune.part[end])}
        assert begun == {BASS: 1, FLUTE: 3}
        degrees = {part: ((tune.pitch[end & (tune.part == tune.parts.index(part))] - tonic) % 12).tolist() for part in begun}
        assert degrees == {BASS: [4], FLUTE: [0, 4, 7]}
        flute = np.sort(tune.pitch[end & (tune.part == tune.parts.index(FLUTE))])
        assert np.diff(flute).tolist() == [4, 3]
    assert tonics == {0, 7}


def test_the_last_notes_of_who_has_begun_them_before_are_those_of_the_outline_too() -> None:
    """The bass begins its last note with the last bar, the flute on its second quarter: both on the degrees of the piece."""
    song = band({BASS: "AABA", FLUTE: "ABCD"})
    late = (song.onset >= 96 * 3) & (song.onset > 96 * 3 + 24 * (song.part == song.parts.index(FLUTE)))
    song = replace(song.select(~late), keys=(Key(0, 2, "major"),))
    vocabulary = Vocabulary.build([song, replace(all_steps(), duration=np.full(96, 11))])
    outline = outline_of(vocabulary, vocabulary.encode(song))
    assert outline is not None
    places = {vocabulary.parts[part]: place for part, place, *_ in outline.close.chord}
    assert places == {BASS: 0, FLUTE: 24}
    wanted = {vocabulary.parts[part]: tones[0] for part, *_, tones in outline.close.chord}
    free = replace(
        outline,
        letters=(0, 1, 2, 3),
        players=tuple((Play(0, 0, 0, 4), Play(1, 0, 1, 4), Play(2, 0, 2, 4), Play(3, 0, 3, 4)) for _ in range(2)),
    )
    made = Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training={"outlines": [stored(free)]}))
    there = {BASS: 0, FLUTE: 0}
    for tune in made.generate_many(40, bars=4, seed=1, any_ending=True):
        tonic = tune.keys[0].tonic if tune.keys else outline.frame.tonic
        for part, place in places.items():
            pitch = tune.pitch[(tune.onset == 96 * 3 + place) & (tune.part == tune.parts.index(part))]
            there[part] += len(pitch)
            assert not len(pitch) or (pitch.min() - tonic) % 12 == wanted[part]
    assert all(there.values())


def test_no_hand_reaches_farther_and_no_drum_is_played_but_those_of_its_outline() -> None:
    """Of two pieces one has chords an octave wide and two drums, the other chords of a third and a drum of its own."""
    songs = []
    for width, drums in ((12, (36, 42)), (4, (50, 50))):
        onset = np.repeat(24 * np.arange(16), 3)
        pitch = np.stack([60 + np.arange(16) % 5, 60 + width + np.arange(16) % 5, np.resize(drums, 16)], axis=1).ravel()
        songs.append(Piece(onset, np.full(48, 12), pitch, part=np.tile([0, 0, 1], 16), parts=(Part(0), KIT)))
    vocabulary = Vocabulary.build(songs)
    for song, width, kit in zip(songs, (12, 4), ((36, 42), (50,))):
        outline = outline_of(vocabulary, vocabulary.encode(song))
        assert outline is not None and outline.kit == kit and dict(zip(outline.parts, outline.reach))[0] == width
        free = replace(outline, letters=tuple(range(4)), players=())
        made = Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training={"outlines": [stored(free)]}))
        for tune in made.generate_many(6, bars=4, seed=2, any_ending=True):
            assert set(np.unique(tune.pitch[tune.is_drum]).tolist()) <= set(kit)
            for tick in np.unique(tune.onset):
                hand = tune.pitch[(tune.onset == tick) & ~tune.is_drum]
                assert not len(hand) or np.ptp(hand) <= width


def test_who_lets_go_of_a_chord_before_the_next_one_does_so_in_new_music() -> None:
    """Chords as long as a bar under a flute whose notes sound on: no chord lasts into another, notes of the flute do."""
    onset = np.concatenate([np.repeat(96 * np.arange(8), 3), 24 * np.arange(32)])
    pitch = np.concatenate([np.tile([48, 52, 55], 8) + np.repeat(np.arange(8) % 3, 3), 72 + np.arange(32) % 5])
    duration = np.concatenate([np.full(24, 96), np.full(32, 72)])
    song = Piece(onset, duration, pitch, part=np.repeat([0, 1], [24, 32]), parts=(Part(0), FLUTE))
    vocabulary = Vocabulary.build([song, replace(all_steps(), duration=np.full(96, 6))])
    outline = outline_of(vocabulary, vocabulary.encode(song))
    assert outline is not None
    of_part = {vocabulary.parts[part]: lets_go for part, lets_go in zip(outline.parts, outline.lets_go)}
    assert of_part == {Part(0): True, FLUTE: False}
    made = Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training={"outlines": [stored(outline)]}))
    overlap = {Part(0): 0, FLUTE: 0}
    for tune in made.generate_many(6, bars=8, seed=2, any_ending=True):
        for part in overlap:
            begin, end = _times(tune, part)
            overlap[part] += sum(((begin < tick) & (end > tick)).any() for tick in np.unique(begin))
    assert not overlap[Part(0)] and overlap[FLUTE]


def test_what_parts_do_in_a_bar_is_not_said_where_nobody_comes_back_to_the_tick() -> None:
    """A performance: hands, reach and close are those of its piece, its bars are all new."""
    rng = np.random.default_rng(5)
    onset = np.cumsum(rng.integers(50, 97, 1500))
    part = np.arange(1500) % 2
    piece = Piece(
        onset,
        rng.integers(1, 97, 1500),
        50 + 20 * part + np.arange(1500) // 2 % 2,
        part=part,
        parts=(Part(0), BASS),
        ticks_per_quarter=96,
    )
    vocabulary = Vocabulary.build([piece])
    outline = outline_of(vocabulary, vocabulary.encode(piece))
    assert vocabulary.is_fine and outline is not None and not outline.players
    assert outline.hands and outline.reach and outline.close != NO_CLOSE and restored(stored(outline)) == outline


def _times(piece: Piece, part: Part) -> tuple[Ints, Ints]:
    own = piece.part == piece.parts.index(part)
    return piece.onset[own], piece.end[own]


def test_the_outlines_of_many_long_pieces_stay_small_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    most = MOST_LETTERS // 10
    monkeypatch.setattr(corpus_facts, "MOST_LETTERS", most)
    players, bars = tuple(Part(program) for program in range(8)), 500
    onset, part = np.tile(96 * np.arange(bars), 8), np.repeat(np.arange(8), bars)
    piece = Piece(onset, 12 + onset // 96 % 7, 60 + part, part=part, parts=players)
    vocabulary = Vocabulary.build([piece])
    rows = [vocabulary.encode(piece)] * (1 + most // (8 * bars))
    found = CorpusOutlines.of({"outlines": outlines(vocabulary, rows)}).outlines
    assert 0 < sum(len(each.letters) * len(each.players) for each in found) <= most


@given(st.lists(seeds | st.none(), min_size=1, max_size=4), st.data())
def test_outlines_side_by_side_say_of_the_parts_what_each_says_alone(numbers: list[int | None], data: st.DataObject) -> None:
    each = [None if number is None else some_outline(number) for number in numbers]
    bar = np.array(data.draw(st.lists(st.integers(-1, 12), min_size=len(each), max_size=len(each))))
    alone = [
        np.array(Outlines([outline], 9).playing_in(bar[[number]]))[:, 0].tolist() for number, outline in enumerate(each)
    ]
    together = Outlines(each, 9)
    some = np.array(data.draw(st.lists(st.integers(0, len(each) - 1), min_size=1, max_size=4)))
    joined = np.array(together.take(some).join(together).playing_in(np.concatenate([bar[some], bar])))
    assert np.moveaxis(joined, 1, 0).tolist() == [*(alone[number] for number in some), *alone]


def some_outline(number: int, bars: int | None = None) -> Outline:
    rng = np.random.default_rng(number)
    letters = rng.integers(0, 4, bars or rng.integers(1, 10)).tolist()
    parts = sorted(rng.choice(6, rng.integers(1, 4), replace=False).tolist())
    drawn = rng.integers((-1, 0), (3, 97), (len(parts), len(letters), 2)).tolist()
    players = tuple(
        tuple(REST if letter < 0 else Play(letter, place, letter, 4) for letter, place in each) for each in drawn
    )
    return Outline(tuple(letters), False, tuple(parts), players=players)


# What is read


@given(seeds)
def test_what_is_planned_comes_and_nothing_later_before_it(number: int) -> None:
    """Of a piece read with its own outline: the event that comes is never behind the one that is to come by it."""
    vocabulary, rows, found = read(random_band(number))
    kind, pitch = found["there planned kind"] - 1, found["there planned pitch"] - 1
    at_its_time = kind >= 0
    assert (rows[at_its_time, KIND] <= kind[at_its_time]).all()
    returns = pitch >= 0
    assert (rows[returns, KIND] == kind[returns]).all() and vocabulary.is_note(rows[returns]).all()
    assert np.array_equal(rows[returns, VALUE], pitch[returns] + vocabulary.first_pitch)
    coming = np.flatnonzero(found["length"] == OUTLINED)
    coming = coming[coming + 1 < len(rows)]
    assert (rows[coming + 1, TIME] <= found["repeated time"][coming] - 1).all()


@given(seeds)
def test_how_busy_a_part_is_to_be_is_known(number: int) -> None:
    """Counted by hand: where parts with a new bar have not begun yet, after each event, and of its own part from it on."""
    vocabulary, rows, found = read(random_band(number))
    outline = outline_of(vocabulary, vocabulary.encode(random_band(number)))
    assert outline is not None
    playing = outline.playing(vocabulary.sizes[KIND])
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    for event, (at, own) in enumerate(zip(tick.tolist(), rows[:, KIND].tolist())):
        bar, to_come = at // 96, 0
        for kind in range(FIRST_PART, vocabulary.sizes[KIND]):
            does, _, rhythm, onsets, *_ = playing[bar + 1, kind]
            places = np.unique(tick[(rows[:, KIND] == kind) & (tick // 96 == bar)])
            assert onsets == len(places)
            is_new = does == PLAYING and not rhythm
            begun = np.unique(tick[: event + 1][(rows[: event + 1, KIND] == kind) & (tick[: event + 1] // 96 == bar)])
            to_come += is_new * (len(places) - len(begun))
            if kind == own:
                assert found["there own later"][event] == is_new * (places >= at).sum()
        assert found["to come"][event] == 1 + min(to_come, 30)


def figures(number: int) -> tuple[Piece, list[int]]:
    """A bar of chords under a flute that plays other ones, three times on other notes; and by how far it is moved."""
    rng = np.random.default_rng(number)
    places, moved = np.sort(rng.choice(96, rng.integers(2, 8), replace=False)), [0, *rng.integers(-5, 6, 3).tolist()]
    chords = [np.sort(rng.choice(np.arange(45, 75), rng.integers(1, 4), replace=False)) for _ in places]
    notes = [(96 * bar + at, x + by, 0) for bar, by in enumerate(moved) for at, own in zip(places, chords) for x in own]
    notes += [(96 * bar + 12 * bar, 80, 1) for bar in range(4)]
    onset, pitch, part = np.array(notes).T
    return Piece(onset, np.ones_like(onset), pitch, part=part, parts=(BASS, FLUTE)), moved


@given(seeds)
def test_a_figure_on_other_notes_goes_on_as_it_did(number: int) -> None:
    """Moved by any interval, chords and all: each note but those of the first onset is the figure's, wherever it began."""
    piece, moved = figures(number)
    vocabulary, rows, found = read(piece)
    bass = FIRST_PART + vocabulary.parts.index(BASS)
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    own, figure = rows[:, KIND] == bass, found["there figure"] - 1
    pitch, is_new = rows[:, VALUE] - vocabulary.first_pitch, found["there own bar"] == NEW_TO_A_RHYTHM
    assert (figure[~is_new] == -1).all()
    for bar in range(1, 4):
        here = np.flatnonzero(own & is_new & (tick // 96 == bar))
        if len(here):
            begins = tick[here] == tick[here[0]]
            assert np.array_equal(figure[here[~begins]], pitch[here[~begins]])
            assert figure[here[0]] == pitch[here[0]] - moved[bar] + moved[bar - 1]


@given(seeds, st.booleans())
def test_event_by_event_the_same_is_planned(number: int, of_chords: bool) -> None:
    """Of one piece in numbers, and of it beside another one, which has no outline."""
    piece = figures(number)[0] if of_chords else random_band(number)
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    outline = outline_of(vocabulary, rows)
    alone, beside = Contexts(vocabulary, 1, [outline]), Contexts(vocabulary, 2, [None, outline])
    whole = context(vocabulary, rows, outline)
    for row, expected in zip(rows[:-1], whole):
        for contexts in (alone, beside):
            both = np.tile(row, (len(contexts), 1))
            conditions = Conditions(contexts)
            conditions.place(both)
            conditions.part(both)
            features = contexts.push(both)
            assert np.array_equal(np.concatenate([features[-1], conditions.array[-1]]), expected)


def test_a_part_returns_under_whatever_the_others_play() -> None:
    """The kit plays one bar seven times under a flute that never repeats itself: each of its notes is foretold."""
    vocabulary, rows, found = read(SONG)
    kit = FIRST_PART + vocabulary.parts.index(KIT)
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    own = np.flatnonzero((rows[:, KIND] == kit) & (tick >= 96) & (tick < 7 * 96))
    foretold = np.stack([found[f"repeated {field}"] for field in FIELDS], axis=1)[own - 1] - 1
    known = foretold[:, KIND] == kit
    assert np.array_equal(foretold[known][:, 1:3], rows[own][known][:, 1:3])
    without = np.stack([read(SONG, has_outline=False)[2][f"repeated {field}"] for field in FIELDS], axis=1)[own - 1] - 1
    assert known.mean() > 0.7 > (without == rows[own])[:, KIND].mean()


def test_new_notes_to_an_earlier_rhythm_are_announced_one_by_one() -> None:
    """Where and how long the same bar had them, whatever the others play; not at which pitch."""
    vocabulary, rows, found = read(band({BASS: "AAAB", FLUTE: "ABDD"}))
    flute = FIRST_PART + vocabulary.parts.index(FLUTE)
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    own = np.flatnonzero((rows[:, KIND] == flute) & (tick // 96 == 2))
    assert (found["there planned kind"][own] == 1 + flute).all() and not found["there planned pitch"][own].any()
    for field in (DURATION, VELOCITY):
        assert np.array_equal(found[f"there planned {FIELDS[field]}"][own], 1 + rows[own, field])
    again = np.flatnonzero((rows[:, KIND] == flute) & (tick // 96 == 3))
    assert np.array_equal(found["there planned pitch"][again] - 1, rows[again, VALUE] - vocabulary.first_pitch)
    assert found["there own bar"][own].tolist() == 4 * [NEW_TO_A_RHYTHM]


@given(seeds)
def test_who_may_play_is_who_does(number: int) -> None:
    """Of a piece read with its own outline: who plays is never one who rests, and nobody who begins something is bound."""
    vocabulary, rows, found = read(random_band(number))
    assert len(vocabulary.parts) <= GROUP
    does = [found["there may play"] >> STATE_BITS * part & 2**STATE_BITS - 1 for part in range(len(vocabulary.parts))]
    state = np.array(does)[np.maximum(rows[:, KIND] - FIRST_PART, 0), np.arange(len(rows))]
    own = rows[:, KIND] >= FIRST_PART
    is_new, repeats = found["there own bar"] == PLAYING, np.isin(found["there own bar"], (RETURNS, NEW_TO_A_RHYTHM))
    assert (state[own & is_new] >= MAY_PLAY).all() and (state[own & repeats] == IS_BOUND).all()
    assert (is_new | repeats)[own].all()
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    for part, states in enumerate(does):
        places = np.unique(tick[rows[:, KIND] == FIRST_PART + part])
        for at, each in zip(tick.tolist(), states.tolist()):
            left = int(((places >= at) & (places // 96 == at // 96)).sum())
            assert each == RESTS if at // 96 not in places // 96 else each != RESTS or not left
            assert each < MAY_PLAY or each - MAY_PLAY == sum(left >= many for many in URGENCY)


@given(seeds)
def test_how_often_a_part_plays_a_new_bar_again_is_read(number: int) -> None:
    """Of each event of a part with a new bar, and the most of them where the rhythm is new as well."""
    piece = random_band(number)
    vocabulary, rows, found = read(piece)
    outline = outline_of(vocabulary, vocabulary.encode(piece))
    assert outline is not None
    again: dict[tuple[int, int], int] = {}
    new_rhythms: dict[tuple[int, int], bool] = {}
    for part, plays in zip(outline.parts, outline.players):
        for bar, play in enumerate(plays):
            before, later = plays[:bar], plays[bar + 1 :]
            if play != REST and play.letter not in [each.letter for each in before]:
                count = [each.letter for each in later].count(play.letter)
                again[part, bar] = 1 + sum(count >= many for many in AGAIN)
                new_rhythms[part, bar] = play.rhythm not in [each.rhythm for each in before]
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    for event, (at, kind) in enumerate(zip(tick.tolist(), rows[:, KIND].tolist())):
        assert found["there own again"][event] == again.get((kind - FIRST_PART, at // 96), 0)
        here = [many for (part, bar), many in again.items() if bar == at // 96 and new_rhythms[part, bar]]
        assert found["again"][event] == max(here, default=0)


@given(seeds)
def test_of_a_parts_last_notes_in_a_bar_it_is_read_when_it_plays_again(number: int) -> None:
    """Of those that are new, also to their rhythm: as a time to its next notes, wherever these are; of others nothing."""
    vocabulary, rows, found = read(random_band(number))
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    for event, (at, kind) in enumerate(zip(tick.tolist(), rows[:, KIND].tolist())):
        later = tick[(rows[:, KIND] == kind) & (tick > at)]
        is_last = found["there own bar"][event] == PLAYING and not (later // 96 == at // 96).any()
        expected = as_time(vocabulary, later[:1] - at).tolist() if is_last else []
        assert found["there own next"][event] == (expected[0] if expected else 0)


def test_a_part_with_something_new_is_announced_where_it_begins() -> None:
    late = band({BASS: "AAAA", FLUTE: "ABCD"})
    late = Piece(late.onset + 12 * (late.part == 1), late.duration, late.pitch, late.velocity, late.part, parts=late.parts)
    vocabulary, rows, found = read(late)
    flute = FIRST_PART + vocabulary.parts.index(FLUTE)
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    first = np.flatnonzero((rows[:, KIND] == flute) & (tick % 96 == 12) & (tick > 96))
    assert len(first) == 3
    assert (found["repeated kind"][first - 1] == 1 + flute).all() and not found["repeated value"][first - 1].any()
    assert np.array_equal(found["repeated time"][first - 1], 1 + rows[first, TIME])
    assert found["there own bar"][rows[:, KIND] == flute].tolist() == 12 * [PLAYING] + 4 * [NEW_TO_A_RHYTHM]
    without = read(late, has_outline=False)[2]
    assert not without["there own bar"].any()


@given(seeds)
def test_the_tones_that_sound_are_those_of_the_piece(number: int) -> None:
    """Counted by definition: notes that came before and end later, in semitones above the last note of the part."""
    vocabulary, rows, found = read(random_piece(number))
    if not vocabulary.is_chordal or any(vocabulary.implied_duration):
        return
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    is_tone = vocabulary.is_note(rows) & ~np.append([True] * FIRST_PART, vocabulary.drums)[rows[:, KIND]]
    end = tick + np.array(vocabulary.durations)[rows[:, DURATION]]
    for event in np.flatnonzero(is_tone).tolist():
        before = np.flatnonzero(is_tone & (rows[:, KIND] == rows[event, KIND]) & (np.arange(len(rows)) < event))
        sounds = np.flatnonzero(is_tone & (np.arange(len(rows)) < event) & (end > tick[event]))
        bits = [found[f"there sounding {first}"][event] for first in range(0, 12, 3)]
        if not len(before):
            assert not any(bits)
            continue
        above = set(((rows[sounds, VALUE] - rows[before[-1], VALUE]) % 12).tolist())
        assert bits == [1 + sum(1 << k for k in range(3) if first + k in above) for first in range(0, 12, 3)]
        lowest = rows[sounds, VALUE].min(initial=10**6)
        assert found["there bass"][event] == (1 + (lowest - rows[before[-1], VALUE]) % 12 if len(sounds) else 0)


# What is made of it


@given(seeds, st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
def test_whoever_plays_an_outline_nobody_is_missed(number: int, parts: list[int]) -> None:
    outline, drums = some_outline(number), (False, False, True, False, True, False)
    found = played_by(outline, sorted(parts), drums)
    assert found.letters == outline.letters and found.parts == tuple(sorted(parts))
    assert all(len(own) == len(outline.letters) for own in found.players)
    before, after = ([set(bar) != {REST} for bar in zip(*each.players)] for each in (outline, found))
    assert after == before
    own = dict(zip(outline.parts, outline.players))
    for part, plays in zip(found.parts, found.players):
        assert all(was in (play, REST) for play, was in zip(plays, own.get(part, plays)))
    assert played_by(outline, outline.parts, drums) == outline


def test_a_kit_takes_the_place_of_a_kit_and_who_is_left_plays_all_along() -> None:
    drums = (False, True, False, True, False)
    one, two, late = Play(0, 0, 0, 2), Play(1, 0, 0, 3), Play(1, 6, 1, 1)
    plays = {0: (one, one, late, REST), 1: (one, two, one, two)}
    first, kit, other = cast(plays, (0, 1, 2, 3), (2, 3, 4), drums)
    assert (first, kit) == (plays[0], plays[1])
    assert REST not in other and len(set(other)) == 4


CORPUS = CorpusOutlines([some_outline(number, bars) for number, bars in ((1, 4), (2, 8), (3, 8), (4, 16))])


@given(seeds, st.none() | st.integers(1, 40), st.sampled_from([None, "A4B4A4"]))
def test_what_the_parts_play_goes_with_the_bars(seed: int, bars: int | None, form: str | None) -> None:
    wanted = Wanted(None if form else bars, parse_form(form) if form else ())
    found = CORPUS.sampled(np.random.default_rng(seed), wanted)
    assert found is not None and len(found.players) == len(found.parts)
    assert all(len(own) == len(found.letters) for own in found.players)
    if form == "A4B4A4":
        for own in found.players:
            letters = [play.letter for play in own]
            assert own[:4] == own[8:] and not set(letters[:4]) & set(letters[4:8]) - {REST.letter}


@given(seeds, seeds, st.none() | st.integers(1, 30))
def test_after_a_prompt_its_own_parts_go_on_from_what_they_played(seed: int, number: int, bars: int | None) -> None:
    begun = some_outline(number)
    found = CORPUS.sampled(np.random.default_rng(seed), Wanted(bars), begun)
    assert found is not None and found.parts == begun.parts and len(found.players) == len(begun.players)
    for own, before in zip(found.players, begun.players):
        assert own[: len(before)] == before and len(own) == len(found.letters)


# What is kept to


@cache
def model() -> Model:
    """A model that knows nothing but who plays in which bars."""
    songs = [SONG, band({BASS: "A-B-A-B-", FLUTE: "-A-A-B-B"}, 1), band({FLUTE: "AAAABBBB", KIT: "----AAAA"}, 2)]
    vocabulary = Vocabulary.build(songs)
    facts = {"outlines": outlines(vocabulary, [vocabulary.encode(song) for song in songs])}
    return Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training=facts, name="band"))


def test_drums_have_a_temperature_of_their_own() -> None:
    """Where pitches are the likeliest ones drums are struck as it happens, and the other way round.

    By a model that knows of no place where a drum is struck as a rule: any may be anywhere.
    """
    facts = [stored(replace(each, strokes=())) for each in map(restored, model().file.training["outlines"]) if each]
    made_by = Model(replace(model().file, training={"outlines": facts}))

    def commonest(is_drum: bool, **temperatures: float) -> float:
        """Which share of the notes of drums, or of pitches, the commonest has."""
        made = made_by.generate_many(6, bars=4, seed=1, any_ending=True, temperature=1, **temperatures)
        counts = sum(np.bincount(piece.pitch[piece.is_drum == is_drum], minlength=128) for piece in made)
        return float(counts.max() / counts.sum())

    sure, free = 1e-3, 100
    assert commonest(True, pitch_temperature=sure, drum_temperature=free) < 0.6 * commonest(True, pitch_temperature=sure)
    assert commonest(True, pitch_temperature=free, drum_temperature=sure) > 1.25 * commonest(True, pitch_temperature=free)


@pytest.mark.parametrize("bars", [None, 5])
def test_a_part_plays_in_the_bars_in_which_it_is_to_play(bars: int | None) -> None:
    known = [outline_of(model().vocabulary, model().vocabulary.encode(song)) for song in (SONG,)]
    assert known[0] is not None
    for piece in model().generate_many(9, bars=bars, seed=1, max_notes=None if bars else 200, any_ending=True):
        plays = {(piece.parts[part], int(tick) // 96) for part, tick in zip(piece.part.tolist(), piece.onset)}
        together = {frozenset(part for part, bar in plays if bar == number) for _, number in plays}
        allowed = [{BASS, KIT}, {BASS, FLUTE, KIT}, {FLUTE, KIT}, {BASS}, {FLUTE}]
        assert all(any(each <= some for some in allowed) for each in together)


def bars_of(piece: Piece, part: Part) -> list[list[tuple[int, int, int]]]:
    """Place, pitch and duration of each note of a part in each of eight bars."""
    found: list[list[tuple[int, int, int]]] = [[] for _ in range(8)]
    for onset, duration, pitch, number in zip(piece.onset, piece.duration, piece.pitch, piece.part):
        if piece.parts[number] == part:
            found[onset // 96].append((int(onset) % 96, int(pitch), int(duration)))
    return found


@pytest.mark.parametrize(
    "limits", [{"bars": 8}, {}, {"bars": 8, "scale": "C minor pentatonic"}, {"bars": 8, "max_polyphony": 2}]
)
def test_what_returns_returns_as_it_was(limits: dict[str, object]) -> None:
    """By a model that knows nothing but one outline: whatever a bar was, it comes again where it is to, and then the end.

    In the last bar it is the close that comes, in parts that are no drums.
    """
    vocabulary = Vocabulary.build([SONG, all_steps()])
    outline = outline_of(vocabulary, vocabulary.encode(SONG))
    assert outline is not None
    weights = untrained(vocabulary).file.weights
    made = Model(ModelFile(weights, vocabulary, {}, training={"outlines": [stored(outline)]}, name="band"))
    whole = 0
    for piece in made.generate_many(8, seed=1, any_ending=True, **limits):
        assert piece.onset.max() < 8 * 96
        ended = int(piece.onset.max()) // 96 + 1
        whole += ended == 8
        close = [final for final in outline.close.chord if final.place == outline.close.place]
        finals = {final.part: final for final in close if not vocabulary.drums[final.part]}
        assert finals
        for part, plays in zip(outline.parts, outline.players):
            bars = bars_of(piece, vocabulary.parts[part])
            if ended == 8 and part in finals and set(limits) <= {"bars"}:
                final = finals[part]
                assert max(note[0] for note in bars[7]) == final.place
                pitches = sorted(note[1] for note in bars[7] if note[0] == final.place)
                assert [pitch - pitches[0] for pitch in pitches] == [tone - final.tones[0] for tone in final.tones]
            for bar, play in list(enumerate(plays))[: 8 - (part in finals) if ended == 8 else ended - 1]:
                assert play != REST or not bars[bar]
                like = [each.rhythm for each in plays].index(play.rhythm)
                if play != REST and "max_polyphony" not in limits:
                    assert bars[bar][0][0] == play.place
                    assert bars[bar] == bars[plays.index(play)]
                    assert {note[0] for note in bars[bar]} == {note[0] for note in bars[like]}
                    if bar < 7:  # the last one is free to close
                        assert len({note[0] for note in bars[bar]}) <= play.onsets
                        assert max(note[0] for note in bars[bar]) == play.last
    assert whole or not limits


def test_a_note_lasts_until_the_next_one_of_its_part_even_beyond_the_bar_line() -> None:
    """A bass that begins two notes of two bars in every other bar, and lets go of it then."""
    beat = [(96 * bar + at, 12, 36, 1) for bar in range(8) for at in (0, 48)]
    chords = ((96 * bar, 192, pitch + bar, 0) for bar in range(0, 8, 2) for pitch in (40, 47))
    notes = [*chords, *beat, (0, 24, 60, 2), (0, 48, 62, 2), (72, 12, 62, 2)]
    onset, duration, pitch, part = np.array(notes).T
    order = np.lexsort((pitch, part, onset))
    song = Piece(onset[order], duration[order], pitch[order], part=part[order], parts=(BASS, KIT, FLUTE))
    vocabulary = Vocabulary.build([song])
    outline = outline_of(vocabulary, vocabulary.encode(song))
    assert outline is not None and outline.lets_go[outline.parts.index(vocabulary.parts.index(BASS))]
    weights = untrained(vocabulary).file.weights
    made = Model(ModelFile(weights, vocabulary, {}, training={"outlines": [stored(outline)]}, name="band"))
    lasting = [
        int(each)
        for piece in made.generate_many(8, seed=1, any_ending=True)
        for each in piece.duration[np.array([piece.parts[number] == BASS for number in piece.part])]
    ]
    assert max(lasting) == 192 and len(set(lasting)) > 1


@pytest.mark.parametrize("seed", range(3))
def test_endless_music_keeps_to_a_line_up_and_to_no_bars_and_to_no_close(seed: int) -> None:
    live = model().stream(endless=True, seed=seed)
    notes = list(islice(live, 400))
    assert len(notes) == 400
    per_bar = {(note.part, note.onset // 96) for note in notes}
    assert len({part for part, _ in per_bar}) > 1 and max(bar for _, bar in per_bar) > 8


def test_a_piece_of_two_parts_may_say_its_metre_and_tempo() -> None:
    """They are events of no part, of which the outline says nothing."""
    songs = [band({BASS: "ABAC", FLUTE: "ABCA"}, seed) for seed in range(2)]
    songs[1] = replace(
        songs[1], time_signatures=(TimeSignature(0, 3, 4),), tempi=(Tempo(0, 90.0),), duration=songs[1].duration - 3
    )
    vocabulary = Vocabulary.build(songs)
    assert vocabulary.is_chordal and any(vocabulary.is_encoded)
    facts = {"outlines": outlines(vocabulary, [vocabulary.encode(song) for song in songs])}
    made = Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training=facts, name="two"))
    pieces = made.generate_many(8, bars=4, seed=3, any_ending=True)
    assert len({piece.time_signatures for piece in pieces}) > 1
