"""Parts of a folder that are the same role are the same part; which became which is reported, and no note is lost by it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from melody.corpus import Corpus, prepare
from melody.corpus.encode.merging import ENOUGH, FEW
from melody.piece import Part, Piece
from melody.tokens.vocabulary import END, TIME

FLUTE, OCARINA, BASS, FRETLESS, GUITAR = 73, 79, 33, 35, 24
BAND = ((FLUTE, False), (BASS, False), (0, True))
Players = tuple[tuple[int, bool], ...]  # program and drum


def song(players: Players, seed: int) -> Piece:
    """Each plays 24 notes; kits strike one another's drums, now and then at the same tick."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, (_, is_drum) in enumerate(players):
        onset = 12 * np.sort(rng.choice(64, 24, replace=False))
        pitch = rng.integers(36, 38, 24) if is_drum else 60 + rng.integers(0, 12, 24)
        rows.append((onset, np.full(24, 12), pitch, rng.integers(60, 100, 24), np.full(24, number)))
    return Piece(*(np.concatenate(c) for c in zip(*rows)), parts=tuple(Part(program, drum) for program, drum in players))


def corpus(root: Path, odd: list[Players], common: int) -> tuple[Corpus, dict[str, Piece]]:
    songs = [song(BAND, seed) for seed in range(common)] + [song(one, 100 + n) for n, one in enumerate(odd)]
    for number, one in enumerate(songs):
        one.write(root / f"{number:03}.mid")
    return prepare(root), {f"{number:03}.mid": one for number, one in enumerate(songs)}


def decoded(found: Corpus) -> dict[str, Piece]:
    pieces = {}
    for split in ("train", "valid", "test"):
        for name, rows in zip(found.names(split), found.rows(split)):
            rows = np.asarray(rows, np.int64)
            assert rows[-1, TIME] == END
            pieces[name] = found.vocabulary.decode(rows[:-1])
    return pieces


def by_player(piece: Piece) -> Counter[tuple[Part, int]]:
    """How many notes each part plays of each pitch."""
    return Counter(zip([piece.parts[number] for number in piece.part.tolist()], piece.pitch.tolist()))


def strokes(piece: Piece) -> set[tuple[int, int]]:
    """Ticks since the first note and pitch of all drums: bar lines are found anew where nothing says where they are."""
    return set(zip((piece.onset - piece.onset.min())[piece.is_drum].tolist(), piece.pitch[piece.is_drum].tolist()))


def tones(piece: Piece) -> set[tuple[int, ...]]:
    """The same of all notes that are no drums, whoever plays them."""
    return set(zip((piece.onset - piece.onset.min())[~piece.is_drum].tolist(), piece.pitch[~piece.is_drum].tolist()))


def test_a_rare_instrument_is_the_common_one_of_its_family_and_kits_are_one(tmp_path: Path) -> None:
    odd: list[Players] = [
        ((OCARINA, False), (BASS, False), (0, True)),
        ((FLUTE, False), (OCARINA, False), (FRETLESS, False)),
        ((GUITAR, False), (FLUTE, False), (0, True), (8, True)),
    ]
    found, songs = corpus(tmp_path, odd, ENOUGH)
    assert {(part.program, part.is_drum) for part in found.vocabulary.parts} == {*BAND, (GUITAR, False)}
    assert sum(part.is_drum for part in found.vocabulary.parts) == 1
    pieces = decoded(found)
    for name, piece in pieces.items():
        assert tones(piece) == tones(songs[name]) and strokes(piece) == strokes(songs[name])
        kit = piece.select(piece.is_drum)
        assert len(strokes(piece)) == kit.num_notes
        assert all(
            np.all(np.diff(kit.onset[kit.pitch == drum]) >= kit.duration[kit.pitch == drum][:-1]) for drum in (36, 37)
        )
    reported = {verdict.path: " ".join(verdict.repairs) for verdict in found.verdicts}
    assert {name for name, words in reported.items() if "merged" in words} == {f"{ENOUGH + n:03}.mid" for n in range(3)}
    assert "ocarina as flute" in reported[f"{ENOUGH:03}.mid"]
    lost = {name: songs[name].num_notes - piece.num_notes for name, piece in pieces.items()}
    for name, notes in lost.items():
        assert (f"{notes} note{'s' if notes > 1 else ''} that two of them play at once" in reported[name]) == (notes > 0)
    assert sum(notes > 0 for notes in lost.values()) == 2
    assert any("different parts are taken as" in remark for remark in found.remarks)


def test_who_is_common_stays_and_whoever_joins_stands_behind(tmp_path: Path) -> None:
    """Two flutes where an ocarina was beside one: the flute is still the first."""
    odd: list[Players] = [((OCARINA, False), (FLUTE, False))] * FEW
    found, songs = corpus(tmp_path, odd, ENOUGH)
    for name, piece in decoded(found).items():
        first = [(part.program, part.is_drum) for part in piece.parts].index((FLUTE, False))
        of_flute = [(part.program, part.is_drum) for part in songs[name].parts].index((FLUTE, False))
        pitches = [one.pitch[one.part == number].tolist() for one, number in ((piece, first), (songs[name], of_flute))]
        assert pitches[0] == pitches[1]


@pytest.mark.parametrize("common", [ENOUGH - 2, 3])
def test_in_a_small_folder_every_part_is_as_it_was(tmp_path: Path, common: int) -> None:
    found, songs = corpus(tmp_path, [((OCARINA, False), (0, True), (8, True))], common)
    assert not any("merged" in repair for verdict in found.verdicts for repair in verdict.repairs)
    for name, piece in decoded(found).items():
        assert by_player(piece) == by_player(songs[name])
