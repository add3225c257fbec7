"""Names of instruments: those of General MIDI, in messages too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from music import folk_tune

from melody.general_midi import DRUMS, FAMILIES, PROGRAMS, drum_name, instrument_name
from melody.piece import Part
from melody.tokens import Vocabulary
from melody.tokens.fitting import fit


def test_there_are_128_programs_in_families_of_eight_and_47_drums() -> None:
    assert (len(PROGRAMS), len(FAMILIES), sorted(DRUMS)) == (128, 16, list(range(35, 82)))
    assert len(set(PROGRAMS)) == 128 and len(set(DRUMS.values())) == 47


@pytest.mark.parametrize(("program", "word"), [(0, "piano"), (24, "guitar"), (40, "violin"), (73, "flute")])
def test_a_program_has_the_name_of_the_standard(program: int, word: str) -> None:
    assert word in instrument_name(Part(program))


def test_a_drum_has_the_name_of_the_standard() -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    for pitch in (38, 42, 49, 51, 56):
        theirs = pretty_midi.note_number_to_drum_name(pitch).lower()
        assert set(drum_name(pitch).lower().replace("-", " ").split()) & set(theirs.replace("-", " ").split())


def test_messages_name_instruments_and_not_their_numbers_alone() -> None:
    piano, violin = (replace(folk_tune(0), parts=(Part(program),)) for program in (0, 40))
    _, changes = fit(Vocabulary.build([piano]), violin)
    assert any("violin (program 40) played as acoustic grand piano (program 0)" in change for change in changes)
