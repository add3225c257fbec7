"""Where in a bar parts begin notes and drums are struck, and who plays on: worked out, stored, and kept to."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_players import BASS, FLUTE, KIT, SONG, all_steps, band, random_band
from untrained import untrained

from melody.modelfile import ModelFile
from melody.piece import Part, Piece
from melody.sampling import Model
from melody.sampling.constraints.by_outline.in_compass import InCompass
from melody.sampling.constraints.by_outline.in_shape import InShape
from melody.sampling.constraints.by_outline.outlined import Plan
from melody.sampling.constraints.by_outline.planned import Planned
from melody.sampling.constraints.by_outline.struck import Struck
from melody.sampling.constraints.by_outline.varied import Varied
from melody.sampling.constraints.constraint import Masks
from melody.sampling.outlines.corpus_outlines import CorpusOutlines, Turn
from melody.sampling.outlines.forms import Wanted
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.context import Conditions
from melody.tokens.inputs.features import outline_of
from melody.tokens.inputs.outlines.grids import LONGEST_GRID, SELDOM, Grids, grid
from melody.tokens.inputs.outlines.outline import PLAYING, Outline, Play
from melody.tokens.inputs.outlines.storing import restored, stored
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, TIME, VALUE

LEAD = Part(80)
notes = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 99)), min_size=1, max_size=80)


def of_one(song: Piece, *others: Piece) -> tuple[Outline, Model]:
    """The outline of a song, and a model that knows nothing else."""
    vocabulary = Vocabulary.build([song, all_steps(), *others])
    outline = outline_of(vocabulary, vocabulary.encode(song))
    assert outline is not None
    weights = untrained(vocabulary).file.weights
    return outline, Model(ModelFile(weights, vocabulary, {}, training={"outlines": [stored(outline)]}, name="band"))


def triplets() -> Piece:
    """A flute in triplets over a bass on the beats; the bass drum on one and three, the snare on two and four, a fill."""
    rows = [(96 * bar + 8 * at, 8, 70 + (at * 5 + bar * bar) % 7, 1) for bar in range(16) for at in range(12)]
    rows += [(96 * bar + 24 * at, 24, 40 + (at + 2 * bar) % 5, 0) for bar in range(16) for at in range(4)]
    rows += [(96 * bar + 24 * at, 6, 38 if at % 2 else 36, 2) for bar in range(16) for at in range(4)]
    rows += [(96 * 12 + 84 + 6 * at, 6, 45, 2) for at in range(2)]
    rows += [(96 * bar, 24, 52, 0) for bar in range(16)] + [(96 * bar, 8, 82, 1) for bar in range(16)]  # chords
    onset, duration, pitch, part = np.array(sorted(rows, key=lambda row: (row[0], row[3], row[2]))).T
    return Piece(onset, duration, pitch, part=part, parts=(BASS, FLUTE, KIT))


def sequence(chords: bool) -> Piece:
    """A figure of four notes or of two chords and a note, on other notes in each of four bars, and a bar of its own."""
    figure = [(0, 0), (0, 4), (24, 7), (48, 5), (48, 9)] if chords else [(0, 0), (24, 4), (36, 7), (72, 2)]
    moved = [0, 5, 3, -2]
    rows = [(96 * bar + at, 60 + up + moved[bar % 4], 0) for bar in range(8) if bar != 6 for at, up in figure]
    rows += [(96 * 6 + 48 * at, 60 + at, 0) for at in range(2)] + [(96 * bar, 40 + bar, 1) for bar in range(8)]
    onset, pitch, part = np.array(sorted(rows, key=lambda row: (row[0], row[2], row[1]))).T
    return Piece(onset, np.full(len(onset), 12), pitch, part=part, parts=(Part(0), BASS))


@given(notes)
def test_a_grid_is_of_the_places_that_come_in_a_tenth_of_the_bars(notes: list[tuple[int, int]]) -> None:
    bar, place = np.array(notes).T
    bars = {number: {at for of, at in notes if of == number} for number, _ in notes}
    expected = [at for at in range(100) if sum(at in each for each in bars.values()) >= SELDOM * len(bars) and at in place]
    assert list(grid(bar, place)) == expected


@given(st.dictionaries(st.integers(0, 3), st.sets(st.integers(0, 30)).map(sorted).map(tuple)), st.integers(0, 40))
def test_tables_say_of_each_place_what_the_grids_say(grids: dict[int, tuple[int, ...]], place: int) -> None:
    table = Grids(grids, grids, 4, 4)
    has = [place in grids.get(number, ()) for number in range(4)]
    assert table.has(np.array([place]))[0].tolist() == has
    assert table.before(np.array([place])).tolist() == [sum(at < place for at in grids.get(n, ())) for n in range(4)]
    assert table.drums(place).tolist() == (has if any(has) else [True] * 4)
    assert table.is_known.tolist() == [bool(grids.get(number)) for number in range(4)]


def test_an_outline_has_the_grid_of_each_part_and_each_drum() -> None:
    outline, made = of_one(triplets())
    parts = [made.vocabulary.parts[part] for part in outline.parts]
    of_part = dict(zip(parts, outline.grids))
    assert of_part == {BASS: (0, 24, 48, 72), FLUTE: tuple(range(0, 96, 8)), KIT: (0, 24, 48, 72, 84, 90)}
    assert dict(zip(outline.kit, outline.strokes)) == {36: (0, 48), 38: (24, 72), 45: (84, 90)}  # of its only bar
    assert dict(zip(parts, outline.plays_on)) == {BASS: True, FLUTE: True, KIT: False}
    assert restored(stored(outline)) == outline


@pytest.mark.parametrize("grids", [None, 3, ["a"], [3], [[-1]], [[LONGEST_GRID + 1]], [[0.5]], [[True]], [[0], [0]]])
def test_damaged_grids_in_a_file_are_passed_over(grids: object) -> None:
    play = Play(0, 12, 0, 1)
    good = Outline((0,), False, (0,), players=((play,),), kit=(36,), grids=((12,),), strokes=((12,),))
    assert restored(stored(good)) == good
    for number in (-1, -2):
        damaged = stored(good)
        damaged[number] = grids
        assert restored(damaged) is None


@pytest.mark.parametrize("bars", [None, 6])
def test_new_notes_begin_where_their_part_begins_them_and_drums_are_struck_where_they_are(bars: int | None) -> None:
    """By a model that knows nothing else: in triplets where the corpus is, and the snare on two and four."""
    outline, made = of_one(triplets())
    of_part = dict(zip(outline.parts, outline.grids))
    strokes = dict(zip(outline.kit, outline.strokes))
    found = set()
    for tune in made.generate_many(3, bars=bars, seed=4, any_ending=True):
        last = int(tune.onset.max()) // 96
        for tick, pitch, number in zip(tune.onset.tolist(), tune.pitch.tolist(), tune.part.tolist()):
            if tick // 96 < last:
                part = made.vocabulary.parts.index(tune.parts[number])
                assert tick % 96 in of_part[part]
                assert not tune.parts[number].is_drum or tick % 96 in strokes[pitch]
                found.add((tune.parts[number], tick % 96))
    assert {place for part, place in found if part == FLUTE} == set(of_part[made.vocabulary.parts.index(FLUTE)])


def test_who_plays_on_is_hardly_silent_between_notes() -> None:
    """A lead that holds each note to the next one, and one that plays short notes on the same beats."""
    at = np.concatenate([[0, 48, 60, 84]] * 12) + 96 * np.repeat(np.arange(12), 4)
    pitch = 60 + np.arange(48) ** 2 % 11
    held = np.append(np.diff(at), 12)
    song = Piece(
        np.repeat(at, 2),
        np.stack([held, np.full(48, 6)], axis=1).ravel(),
        np.stack([pitch, pitch + 12], axis=1).ravel(),
        part=np.tile([0, 1], 48),
        parts=(LEAD, FLUTE),
    )
    outline, made = of_one(song, band({BASS: "AB"}))
    of_part = {made.vocabulary.parts[part]: on for part, on in zip(outline.parts, outline.plays_on)}
    assert of_part == {LEAD: True, FLUTE: False}
    silent, tunes = {}, made.generate_many(1, bars=12, seed=3, any_ending=True)
    for part in (LEAD, FLUTE):
        gaps, time = 0, 0
        for tune in tunes:
            own = np.array([tune.parts[number] == part for number in tune.part]) & (tune.onset < 96 * 11)
            onset, end = tune.onset[own], tune.end[own]
            gaps += int(np.maximum(onset[1:] - np.maximum.accumulate(end)[:-1], 0).sum())
            time += int(np.diff(onset).sum())
        silent[part] = gaps / time
    assert silent[LEAD] < 0.2 < 0.5 < silent[FLUTE]


def test_who_plays_on_begins_in_the_first_of_his_places_once_a_note_is_over() -> None:
    """A lead of a chord, a note in the second or third place, and one in the fourth, each held to the next."""
    rows = []
    for bar in range(12):
        middle = (24, 48)[bar % 2]
        notes = ((0, middle, 60 + bar % 5), (0, middle, 67), (middle, 72 - middle, 62 + bar % 7), (72, 24, 64))
        rows += [(96 * bar + at, held, pitch, 0) for at, held, pitch in notes] + [(96 * bar, 96, 40 + bar, 1)]
    onset, duration, pitch, part = np.array(rows).T
    outline, made = of_one(Piece(onset, duration, pitch, part=part, parts=(LEAD, BASS)))
    places = dict(zip(outline.parts, outline.grids))[made.vocabulary.parts.index(LEAD)]
    assert places == (0, 24, 48, 72)
    found = set()
    for tune in made.generate_many(16, bars=8, seed=3, any_ending=True):
        own = np.array([tune.parts[number] == LEAD for number in tune.part])
        for bar in (0, 1):  # later ones have the rhythm of these
            in_bar = own & (tune.onset // 96 == bar)
            first, *others = np.unique(tune.onset[in_bar] - 96 * bar).tolist()
            over = int((tune.end[in_bar & (tune.onset == 96 * bar)] - 96 * bar).max())
            if len(others) == 2:
                assert others[0] == min(place for place in places if place >= over and place > first)
                found.add(others[0])
    assert found == {24, 48}


@pytest.mark.parametrize("song", [SONG, triplets(), sequence(False), sequence(True)])
def test_a_plan_does_not_forbid_the_piece_that_it_is_of(song: Piece) -> None:
    vocabulary = Vocabulary.build([song, all_steps()])
    rows = vocabulary.encode(song)
    outline = outline_of(vocabulary, rows)
    assert outline is not None
    model = untrained(vocabulary)
    masks = Masks(
        Grammar(vocabulary, 1), [kept(Plan.of(outline, vocabulary)) for kept in (Planned, Struck, InShape, InCompass)]
    )
    frontier = model.decoder.begin(masks, outline)
    forbidden = []
    for row in rows[:-1]:
        chosen, there, encoded = row[None].copy(), Conditions(frontier.contexts), vocabulary.field_mask(row[None])[0]
        masks.expected = there.planned - 1
        for field in range(len(FIELDS)):
            there.place(chosen) if field == KIND else there.part(chosen) if field == VALUE else None
            mask = masks.of(field, chosen)
            forbidden += [(row.tolist(), field)] if encoded[field] and not mask[0, row[field]] else []
        model.decoder.push(frontier, row[None])
    assert not forbidden


@pytest.mark.parametrize("chords", [False, True])
def test_a_figure_on_other_notes_keeps_its_steps_and_its_chords(chords: bool) -> None:
    outline, made = of_one(sequence(chords))
    part = outline.parts.index(made.vocabulary.parts.index(Part(0)))
    shapes = [play.shape for play in outline.players[part]]
    assert shapes[:6] == [0] * 6 and shapes[6] not in (-1, 0)
    like = outline.shaped_like(len(made.vocabulary.parts))
    own = {bar: found for (number, bar), found in like.items() if number == outline.parts[part]}
    assert own == {1: (0, 5), 2: (0, 3), 3: (0, -2)}  # the fifth, sixth and eighth bars are as earlier ones were
    whole = 0
    for tune in made.generate_many(5, bars=8, seed=2, any_ending=True):
        bars: list[list[tuple[int, int]]] = [[] for _ in range(8)]
        for tick, pitch, number in zip(tune.onset.tolist(), tune.pitch.tolist(), tune.part.tolist()):
            if tune.parts[number] == Part(0):
                bars[tick // 96].append((tick % 96, pitch))
        lowest, highest = made.vocabulary.pitches[0], made.vocabulary.pitches[0] + made.vocabulary.num_pitches - 1
        for bar, (source, above) in own.items():
            moved = [(at, pitch + above) for at, pitch in bars[source]]
            if all(lowest <= pitch <= highest for _, pitch in moved):
                assert bars[bar] == moved
                whole += 1
    assert whole > 4


@pytest.mark.parametrize("seed", [1])
def test_side_by_side_streams_keep_to_figures_of_their_own(seed: int) -> None:
    """Streams that are taken, put and joined remember what each has played."""
    _, made = of_one(sequence(False))
    tunes = made.generate_many(5, bars=8, seed=seed, any_ending=True)
    alone = [next(iter(made.each_tune(1, bars=8, seed=seed, any_ending=True))).piece]
    assert tunes[0].pitch.tolist() == alone[0].pitch.tolist() and tunes[0].onset.tolist() == alone[0].onset.tolist()


@pytest.mark.parametrize(("number", "most"), [(number, 4 + 2 * number) for number in range(4)])
def test_who_would_play_one_pitch_for_ever_cannot(number: int, most: int) -> None:
    """Whoever chooses takes the last pitch of the part wherever he may.

    The end of one new bar and an earlier one that returns may add up; many that return do not.
    """
    song = random_band(number)
    vocabulary = Vocabulary.build([song, all_steps()])
    outline = outline_of(vocabulary, vocabulary.encode(song))
    assert outline is not None
    limits = np.full(len(vocabulary.parts), float(most))
    plan = Plan.of(outline, vocabulary)
    kept = [Planned(plan), Varied(plan, limits)]
    frontier = untrained(vocabulary).decoder.begin(Masks(Grammar(vocabulary, 1, bars=7), kept), outline)
    last: dict[int, int] = {}
    pitches: dict[int, list[int]] = {}
    for _ in range(300):
        row, there = np.zeros((1, len(FIELDS)), np.int64), Conditions(frontier.contexts)
        frontier.masks.expected = there.planned - 1
        for field in range(len(FIELDS)):
            there.place(row) if field == KIND else there.part(row) if field == VALUE else None
            allowed = np.flatnonzero(frontier.masks.of(field, row)[0])
            if field == TIME and not len(allowed[allowed > 0]):
                break
            allowed = allowed[allowed > 0] if field == TIME else allowed
            wanted = last.get(int(row[0, KIND]), -1) if field == VALUE else -1
            row[0, field] = wanted if wanted in allowed else allowed[0]
        if not row[0, TIME]:
            break
        row[~vocabulary.field_mask(row)] = 0
        kind, value = int(row[0, KIND]), int(row[0, VALUE])
        if vocabulary.is_note(row)[0] and not vocabulary.drums[kind - FIRST_PART]:
            last[kind] = value
            pitches.setdefault(kind, []).append(value)
        untrained(vocabulary).decoder.push(frontier, row)
    runs = [max(len(list(same)) for _, same in groupby(own)) for own in pitches.values()]
    assert runs and max(runs) <= 2 * most


def test_how_often_a_bar_comes_is_counted() -> None:
    outline, made = of_one(band({BASS: "AABAAB-B", FLUTE: "A-ABABC-", LEAD: "ABCDAAAB"}))
    most = np.full(len(made.vocabulary.parts), 24.0)
    found = Varied(Plan.of(outline, made.vocabulary), most)._in_bars[1:-1]
    of_part = {part: found[:, made.vocabulary.parts.index(part)].astype(int).tolist() for part in (BASS, FLUTE, LEAD)}
    assert of_part[BASS][0] == 24 // 2 and of_part[BASS][2] == 24 // 5  # A twice in a row; B and what returns to the end
    assert of_part[FLUTE][0] == 24 // 2 and of_part[FLUTE][3] == 24 // 3 and of_part[FLUTE][6] == 24
    assert of_part[LEAD][:4] == [24 // 3, 24, 24, 24 // 5]  # the first one comes three times in a row later


def test_a_part_stays_in_the_compass_of_its_outline() -> None:
    """An octave here, more in another piece of the same vocabulary; five semitones beside it are another key's."""
    song = triplets()
    high = replace(song, pitch=np.where(song.part == 2, song.pitch, 24 + np.arange(len(song.pitch)) % 80))
    outline, made = of_one(song, high)
    flute = outline.parts.index(made.vocabulary.parts.index(FLUTE))
    assert (outline.lowest[flute], outline.highest[flute]) == (70, 82)
    found: list[int] = []
    for tune in made.generate_many(3, bars=12, seed=1, any_ending=True):
        own = np.array([tune.parts[number] == FLUTE for number in tune.part]) & (tune.onset < 96 * 11)
        found += tune.pitch[own].tolist()
    assert min(found) >= 65 and max(found) <= 87 and len(set(found)) > 12


def test_all_outlines_have_their_turn_before_one_comes_again() -> None:
    songs = [random_band(number) for number in range(6)]
    vocabulary = Vocabulary.build([*songs, all_steps()])
    known = [outline for song in songs if (outline := outline_of(vocabulary, vocabulary.encode(song)))]
    outlines = CorpusOutlines(known, vocabulary.drums.tolist())
    assert len(known) == 6
    for seed in range(5):
        random = np.random.default_rng(seed)
        found = [outlines.sampled(random, Wanted(), turn=Turn(seed, number)) for number in range(12)]
        assert found[:6] == found[6:] and all(each in found for each in found[:6])
        assert len({id(each.close) if each else 0 for each in found[:6]}) == 6
    orders = {tuple(map(str, (outlines.sampled(random, Wanted(), turn=Turn(seed, 0)),))) for seed in range(20)}
    assert len(orders) > 1


def test_in_the_grid_of_another_piece_new_music_is_different() -> None:
    """The same song with its grids left out begins notes elsewhere: it is the grids that keep it there."""
    outline, made = of_one(triplets())
    free = replace(outline, grids=(), strokes=(), plays_on=())
    others = Model(replace(made.file, training={"outlines": [stored(free)]}))
    places = {
        name: {
            int(tick) % 96
            for tune in each.generate_many(4, bars=8, seed=1, any_ending=True)
            for tick, part in zip(tune.onset, tune.part)
            if tune.parts[part] == FLUTE and tick < 7 * 96
        }
        for name, each in (("kept", made), ("free", others))
    }
    assert places["kept"] <= set(range(0, 96, 8)) and not places["free"] <= set(range(0, 96, 8))


def test_what_a_part_is_told_of_does_not_hang_on_grids() -> None:
    """They are for what is kept to: a network reads nothing of them, so that models need not be trained again."""
    outline, made = of_one(triplets())
    free, kinds = replace(outline, grids=(), strokes=(), plays_on=()), made.vocabulary.sizes[KIND]
    assert np.array_equal(outline.playing(kinds), free.playing(kinds)) and np.array_equal(outline.table, free.table)
    assert (outline.playing(kinds)[1:-1, FIRST_PART:, 0] >= PLAYING).any()
