"""The laws of the table of features: whatever its rows, what is derived from them fits what is computed and learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from music import folk_tune, lines, random_piece

from melody.dataset import Transposer, with_features
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.network.voices import related
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.tokens import Vocabulary
from melody.tokens.inputs.context import Conditions, Contexts
from melody.tokens.inputs.features import context
from melody.tokens.inputs.meanings import TOKENS, Meaning
from melody.tokens.inputs.schema import (
    CONDITIONS,
    FEATURES,
    all_columns,
    columns,
    condition_sizes,
    feature_sizes,
    head_columns,
    head_sizes,
    parts_described,
    spans,
)
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE
from melody.training.adapting.transfer import Tables, carried

SMALL = ModelSettings(hidden_size=12, num_layers=1, embedding_size=10, head_size=8, dropout=0.0, intervals="parts")


def band(players: int, seed: int, drums: bool = True) -> Piece:
    """So many parts, each with its own notes, the last one drums; a key and its change."""
    rng = np.random.default_rng(seed)
    count = 30 * players
    part, pitch = np.arange(count) % players, rng.integers(48, 72, count)
    onset = np.arange(count) // players * 24 + rng.choice([0, 6, 12], count)
    instruments = tuple(Part(number, drums and number == players - 1) for number in range(players))
    keys = (Key(0, int(rng.integers(-3, 4)), "minor"), Key(240, 2, "major"))
    duration = rng.integers(3, 30, count) if drums else np.full(count, 6)
    for number in range(players):  # a pitch sounds once at a time in a part
        of_part = np.flatnonzero(part == number)
        gap = np.append(np.diff(onset[of_part]), 99)
        duration[of_part] = np.minimum(duration[of_part], gap)
    return Piece(onset, duration, pitch, part=part, parts=instruments, keys=keys)


def _corpora() -> dict[str, list[Piece]]:
    legato = [folk_tune(number) for number in range(6)]
    return {
        "one part of implied durations": legato,
        "no keys": [replace(tune, keys=()) for tune in legato],
        "three parts, one of drums": [band(3, number) for number in range(3)],
        "as many parts as have columns": [band(8, number) for number in range(2)],
        "more parts than have columns": [band(11, number) for number in range(2)],
        "four lines": [lines(number, rests=number == 0) for number in range(3)],
        "anything": [random_piece(number) for number in range(5)],
        "implied and stated durations": [band(2, 1), replace(folk_tune(3), parts=(Part(40),))],
    }


CORPORA = _corpora()
VOCABULARIES = {name: Vocabulary.build(pieces, transpositions=range(-5, 7)) for name, pieces in CORPORA.items()}
every = pytest.mark.parametrize("name", CORPORA)


def _full(vocabulary: Vocabulary, piece: Piece) -> np.ndarray:
    return with_features(vocabulary, vocabulary.encode(piece))


@every
def test_what_is_computed_fits_the_columns_of_the_table(name: str) -> None:
    """As many columns as the table says, and every value below its size."""
    vocabulary = VOCABULARIES[name]
    sizes = feature_sizes(vocabulary) + condition_sizes(vocabulary)
    assert len(all_columns(vocabulary)) == len(sizes)
    for piece in CORPORA[name]:
        values = context(vocabulary, vocabulary.encode(piece))
        assert values.shape[1] == len(sizes)
        assert (values >= 0).all() and (values < sizes).all()


@every
def test_event_by_event_the_columns_are_the_same(name: str) -> None:
    vocabulary, piece = VOCABULARIES[name], CORPORA[name][0]
    rows = vocabulary.encode(piece)
    one_by_one, got = Contexts(vocabulary, 1), []
    for row in rows[:-1]:
        conditions = Conditions(one_by_one)
        conditions.place(row[None])
        conditions.part(row[None])
        got.append([*one_by_one.push(row[None])[0], *conditions.array[0]])
    assert np.array_equal(got, context(vocabulary, rows)[:-1])


@every
def test_every_value_has_one_meaning_and_no_other_value_has_it(name: str) -> None:
    vocabulary = VOCABULARIES[name]
    for column in all_columns(vocabulary):
        meanings = column.row.values.meanings(vocabulary)
        assert len(meanings) == len(set(meanings)) == column.row.values.size(vocabulary), column.name
    for field, size in enumerate(vocabulary.sizes):
        assert len(set(TOKENS[field].meanings(vocabulary))) == len(TOKENS[field].meanings(vocabulary)) == size
    for table in (FEATURES, CONDITIONS):
        names = [column.name for column in columns(table, vocabulary)]
        assert len(set(names)) == len(names) and len({row.name for row in table}) == len(table)
        assert max(span.stop for span in spans(table, vocabulary).values()) == len(names)
        assert all(row.about for row in table)


def beyond(low: np.ndarray, high: np.ndarray, semitones: int, vocabulary: Vocabulary) -> np.ndarray:
    """Where a note + 1 that a line would go to is out of range before or after a transposition, and so there is none."""
    inside = range(1, vocabulary.num_pitches + 1)
    moved, back = np.isin(low + semitones, inside), np.isin(high - semitones, inside)
    return ((low > 0) & (high == 0) & ~moved) | ((low == 0) & (high > 0) & ~back)


@every
def test_features_transposed_are_those_of_the_transposed_piece(name: str) -> None:
    """Column by column, as each row says it moves, and some of each kind do; where a line would leave the range, nowhere."""
    vocabulary = VOCABULARIES[name]
    transposer, moved = Transposer(vocabulary, -5, 6), set()
    for piece in CORPORA[name]:
        full = _full(vocabulary, piece)
        for semitones in transposer.possible(full[1:, : len(FIELDS)]):
            found, expected = transposer(full, semitones), _full(vocabulary, piece.transpose(semitones))
            assert np.array_equal(found[:, : len(FIELDS)], expected[:, : len(FIELDS)])
            for number, column in enumerate(all_columns(vocabulary), len(FIELDS)):
                leaves = beyond(full[:, number], expected[:, number], semitones, vocabulary) * (column.name == ("twin",))
                assert np.array_equal(found[~leaves, number], expected[~leaves, number]), (column.name, semitones)
                if not np.array_equal(full[:, number], expected[:, number]):
                    moved.add(column.moves)
    assert moved - {"no"} and "no" not in moved


@every
def test_heads_read_a_first_part_of_the_conditions(name: str) -> None:
    """Behind the tokens of the match come those that the kind reads, those that only later fields do, then relations."""
    vocabulary = VOCABULARIES[name]
    conditions = [column.name for column in columns(CONDITIONS, vocabulary)]
    for field, size in enumerate(vocabulary.sizes):
        repeated, *others = (column.name for column in head_columns(vocabulary, field))
        assert repeated == conditions[field]
        assert others == conditions[len(FIELDS) : len(FIELDS) + len(others)]
        assert head_sizes(vocabulary, field)[: 1 + field] == (size + 1, *vocabulary.sizes[:field])
    assert len(head_columns(vocabulary, TIME)) == 1
    read = len(FIELDS) + len(head_columns(vocabulary, VALUE)) - 1
    assert not {name[0] for name in conditions[:read]} & {"against", "may play", "stands"}
    assert {name[0] for name in conditions[read:]} <= {"against", "may play", "stands"}
    assert all(column.moves != "own pitch" for column in head_columns(vocabulary, KIND))


@every
def test_intervals_are_to_pitches(name: str) -> None:
    vocabulary = VOCABULARIES[name]
    found = columns(CONDITIONS, vocabulary)
    for intervals in ("parts", "own"):
        to = [found[number].name[0] for number in related(vocabulary, intervals)]
        assert set(to) <= {"pitch", "own", "figure", "twin"}
        assert to.count("figure") == to.count("twin") == vocabulary.is_chordal
    assert related(vocabulary, "none") == () and len(related(vocabulary, "own")) == 1 + 2 * vocabulary.is_chordal


# Transfer


def _untrained(vocabulary: Vocabulary, seed: int) -> MelodyNetwork:
    torch.manual_seed(seed)
    return MelodyNetwork(vocabulary, SMALL).eval()


def _meant(vocabulary: Vocabulary) -> dict[tuple[Meaning, Meaning], int]:
    """The row of the embedding for each meaning of each column."""
    tables = Tables(vocabulary)
    pairs = [(column, meaning) for column, all_ in (tables.fields | tables.features).items() for meaning in all_]
    return {pair: number for number, pair in enumerate(pairs)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("three parts, one of drums", "anything"),
        ("anything", "three parts, one of drums"),
        ("one part of implied durations", "no keys"),
        ("more parts than have columns", "as many parts as have columns"),
    ],
)
def test_a_row_of_equal_meaning_keeps_its_weights(before: str, after: str) -> None:
    old, new = _untrained(VOCABULARIES[before], 0), _untrained(VOCABULARIES[after], 1)
    carried(old, VOCABULARIES[before], new, VOCABULARIES[after])
    known, wanted = _meant(VOCABULARIES[before]), _meant(VOCABULARIES[after])
    both = [pair for pair in wanted if pair in known]
    assert len(both) > 100
    both.remove((("time",), ("end",)))  # read before the first event alone, see the next test
    assert torch.equal(new.embedding.weight[[wanted[pair] for pair in both]], old.embedding.weight[[known[p] for p in both]])
    beginning = [model.embedding.weight[model.offsets].sum(dim=0) for model in (old, new)]
    assert torch.allclose(*beginning, atol=1e-6)


def test_a_permuted_vocabulary_gives_the_same_nats() -> None:
    """The numbers of metres, tempi and keys mean nothing by themselves."""
    tunes = [
        replace(
            folk_tune(number),
            tempi=(Tempo(0, 400_000 + 50_000 * (number % 3)),),
            time_signatures=(TimeSignature(0, *((6, 8), (3, 4), (12, 8))[number % 3]),),
        )
        for number in range(9)
    ]
    vocabulary = Vocabulary.build(tunes)
    permuted = replace(
        vocabulary,
        time_signatures=vocabulary.time_signatures[::-1],
        tempi=vocabulary.tempi[1:] + vocabulary.tempi[:1],
        keys=vocabulary.keys[::-1],
    )
    old, new = _untrained(vocabulary, 0), _untrained(permuted, 1)
    assert "all" in carried(old, vocabulary, new, permuted)
    for tune in tunes:
        nats = []
        for model, own in ((old, vocabulary), (new, permuted)):
            events = torch.from_numpy(_full(own, tune))[None]
            mask = torch.ones(1, events.shape[1] - 1, dtype=torch.bool)
            nats.append(model.nats(model(events[:, :-1])[0], events[:, 1:], mask).detach().numpy())
        np.testing.assert_allclose(nats[1], nats[0], atol=1e-5)


def test_more_than_eight_parts_have_no_columns_of_their_own() -> None:
    counts = {len(vocabulary.parts): parts_described(vocabulary) for vocabulary in VOCABULARIES.values()}
    assert max(counts) > 8
    assert all(described == (parts if parts <= 8 else 0) for parts, described in counts.items())


def test_a_part_is_read_with_what_it_played_bars_ago_whatever_the_others_do() -> None:
    drum, tune = Part(is_drum=True), Part(0)
    beat = [tick for bar in range(3) for tick in (96 * bar, 96 * bar, 96 * bar + 48)]
    pitches = [36, 42, 38] * 3
    onset, pitch = [*beat, 0, 96, 204, 216], [*pitches, 60, 67, 64, 65]
    piece = Piece(onset, [12] * 13, pitch, part=[0] * 9 + [1] * 4, parts=(drum, tune))
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    where = spans(CONDITIONS, vocabulary)
    names = (("own lookback", field, "bars", 1) for field in ("pitch", "duration"))
    wanted = [where[name].start + len(feature_sizes(vocabulary)) for name in names]
    read = context(vocabulary, rows)[: len(piece.onset), wanted]
    of_drums = (vocabulary.part_numbers(piece)[0] == rows[: len(piece.onset), KIND] - FIRST_PART).nonzero()[0]
    known, duration = of_drums[3:], rows[0, DURATION] + 1
    lowest = vocabulary.pitches[0]
    assert read[of_drums[:3]].tolist() == [[0, 0]] * 3
    assert read[known].tolist() == [[pitch - lowest + 1, duration] for pitch in pitches[3:]]
    others = np.setdiff1d(np.arange(len(piece.onset)), of_drums)
    assert read[others].tolist() == [[0, 0], [60 - lowest + 1, duration], [0, 0], [0, 0]]
