"""What the head of the value adds for keys, chords and what sounds: the same of a tone at every pitch, by every engine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_players import random_band, read
from untrained import SMALL

from melody.network import Engine
from melody.network.network import MelodyNetwork
from melody.network.voices import DEGREES, OCTAVE, Sounding, above, degree, of_parts
from melody.piece import Part, Piece
from melody.tokens.inputs.features import context, outline_of
from melody.tokens.inputs.schema import CONDITIONS, feature_sizes, spans
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, VALUE, Vocabulary


def test_a_degree_is_the_same_when_all_is_raised() -> None:
    keys, pitches = np.arange(1, 1 + DEGREES)[:, None], np.arange(40, 80)
    raised = 1 + 12 * (keys > 12) + keys % 12
    assert np.array_equal(degree(keys, pitches), degree(raised, pitches + 1))
    assert degree(1, 60) == 0 and degree(13, 63) == 15 and degree(3, 60) == 10


@pytest.mark.parametrize("field", [KIND, VALUE])
@pytest.mark.parametrize("number", range(3))
def test_torch_and_numpy_read_keys_chords_players_and_what_sounds_alike(number: int, field: int) -> None:
    """One stream and several, with an outline; where nothing of it is read the logits are others."""
    piece = random_band(number)
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    events = np.concatenate([rows, context(vocabulary, rows, outline_of(vocabulary, rows))], axis=1)[:60]
    torch.manual_seed(0)
    model, width = MelodyNetwork(vocabulary, SMALL).eval(), len(FIELDS) + len(feature_sizes(vocabulary))
    hidden, _ = model(torch.from_numpy(events[None, :-1]))
    expected = model.logits(hidden, torch.from_numpy(events[None, 1:]))[field][0].detach().numpy()
    engine = Engine(vocabulary, {name: value.numpy() for name, value in model.state_dict().items()})
    trunks = engine.head_layers(hidden[0].detach().numpy())
    chosen, conditions = events[1:, : len(FIELDS)], events[1:, width:]
    together = engine.logits(field, trunks, chosen, conditions)
    alone = [engine.logits(field, *(each[[n]] for each in (trunks, chosen, conditions)))[0] for n in range(len(trunks))]
    assert np.abs(together - expected).max() < 1e-5 and np.abs(np.stack(alone) - expected).max() < 1e-5
    others = conditions.copy()
    others[:, list(of_parts(vocabulary, "all")[0])] = 0
    moved = np.abs(engine.logits(KIND, trunks, chosen, others) - engine.logits(KIND, trunks, chosen, conditions))
    assert (moved[:, FIRST_PART:].max(axis=1) > 1e-3).mean() > 0.9 and not moved[:, :FIRST_PART].any()
    sounds = Sounding.of(vocabulary, "own")
    assert sounds is not None
    columns = [*above(vocabulary, "own").values(), *range(sounds.columns.start, sounds.columns.stop)]
    is_tone = ~np.append(np.zeros(FIRST_PART, bool), vocabulary.drums)[chosen[:, KIND]] & (chosen[:, KIND] >= FIRST_PART)
    assert conditions[is_tone][:, columns].any(axis=0).all() and not conditions[~is_tone][:, columns].any()


def test_the_chord_of_a_half_bar_is_the_triad_that_sounds_in_it() -> None:
    """A flute over a bass: C, F, A minor, G, each as a triad."""
    roots, triads = (36, 41, 45, 43), ((60, 64, 67), (60, 65, 69), (60, 64, 69), (59, 62, 67))
    onset = np.repeat(48 * np.arange(4), 4)
    pitch = np.array([note for root, triad in zip(roots, triads) for note in (root, *triad)])
    part = np.tile([1, 0, 0, 0], 4)
    piece = Piece(onset, np.full(16, 48), pitch, part=part, parts=(Part(0), Part(32)))
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    table = context(vocabulary, rows, outline_of(vocabulary, rows))[:-1, len(feature_sizes(vocabulary)) :]
    chords = table[vocabulary.is_note(rows[:-1])][4:, spans(CONDITIONS, vocabulary)[("own chord",)]]
    assert chords[:, 0].tolist() == np.repeat([1 + 5, 13 + 9, 1 + 7], 4).tolist()
    assert OCTAVE * 2 == DEGREES


def test_what_a_part_stands_in_is_said_of_tones_alone() -> None:
    vocabulary, rows, found = read(random_band(1))
    kit = FIRST_PART + np.flatnonzero(vocabulary.drums)
    drums = np.isin(rows[:, KIND], kit)
    assert drums.any() and not found["there own chord"][drums].any() and not found["there own key"][drums].any()
    assert found["there own chord"][~drums & (rows[:, KIND] >= FIRST_PART)][1:].all()
