"""Performances and scores of one piece are versions of it, whatever the time; other pieces are none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tunes import by_path, tune

from melody import midi
from melody.corpus import events as ev
from melody.corpus import prepare
from melody.corpus.deduplicate import untimed
from melody.corpus.deduplicate.fingerprint import EMPTY, Notes
from melody.corpus.deduplicate.versions import UNTIMED, resemble
from melody.piece import Piece

PIANO = Path(__file__).parents[2] / "shared" / "data" / "piano"


def performed(piece: Piece, seed: int) -> Piece:
    """The piece with a tempo that wanders, notes of a chord one after the other, some left out, all of other lengths."""
    rng = np.random.default_rng(seed)
    piece = piece.resolution(960)
    speed = np.exp(np.cumsum(rng.normal(0, 0.05, piece.length // 960 + 2)).clip(-0.6, 0.6))
    at = np.concatenate([[0], np.cumsum(speed)]) * 960
    onset = np.interp(piece.onset, np.arange(len(at)) * 960, at) + rng.integers(0, 30, piece.num_notes)
    kept = rng.random(piece.num_notes) < 0.97
    piece = replace(piece, onset=onset.astype(np.int64), duration=rng.integers(30, 90, piece.num_notes))
    return piece.select(kept).resolution(96)


def sketch(piece: Piece) -> np.ndarray:
    return untimed.sketches(Notes.of(ev.of_piece(piece)), 96)[1]


@pytest.mark.parametrize("seed", range(6))
def test_performances_resemble_their_score_in_any_key_and_no_other(seed: int) -> None:
    score = tune(seed, 400)
    one, other = sketch(performed(score, 1)), sketch(performed(score.transpose(3), 2))
    mine, another = sketch(score.resolution(96)), sketch(performed(tune(seed + 50, 400), 3))
    assert resemble(one, other, UNTIMED)[0] and resemble(one, mine, UNTIMED)[0]
    assert not resemble(one, another, UNTIMED)[0] and not resemble(mine, another, UNTIMED)[0]


@pytest.mark.parametrize(
    ("first", "second", "shared", "alike"),
    [
        (100, 100, 11, False),
        (100, 100, 12, True),
        (241, 256, 12, False),
        (240, 256, 12, True),
        (247, 247, 12, False),
        (246, 246, 12, True),
    ],
)
def test_where_resemblance_without_time_begins(first: int, second: int, shared: int, alike: bool) -> None:
    """Twelve in common, and .05 of the shorter or .025 of both."""
    rows = np.full((2, untimed.SKETCH), EMPTY, np.uint32)
    rows[0, :first] = np.arange(first)
    rows[1, :second] = np.arange(first - shared, first - shared + second)
    assert bool(resemble(rows[:1], rows[1:], UNTIMED)[0]) == alike


def test_the_line_has_the_highest_note_of_each_chord_and_no_time() -> None:
    """Chords whose notes follow one another within a tenth of a quarter are as chords that begin at once; drums are none."""
    score = tune(0, 60)
    spread = replace(score.resolution(96), onset=score.resolution(96).onset + np.where(score.part == 1, 8, 0))
    np.testing.assert_array_equal(sketch(score.resolution(96)), sketch(spread))
    drums = replace(score, parts=(replace(score.parts[0], is_drum=True), replace(score.parts[1], is_drum=True)))
    assert not len(sketch(drums.resolution(96)))


def test_on_the_grid_of_scores_lines_have_a_rhythm() -> None:
    assert not len(untimed.sketches(Notes.of(ev.of_piece(tune(0))), 24)[0])


def test_runs_do_not_go_from_one_piece_into_the_next() -> None:
    pieces = [performed(tune(seed, 100), seed) for seed in range(3)]
    together = untimed.sketches(Notes.of(ev.joined([ev.of_piece(piece) for piece in pieces])), 96)
    assert together[0].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(together[1], np.concatenate([sketch(piece) for piece in pieces]))


def test_a_folder_of_performances_keeps_versions_on_one_side(tmp_path: Path) -> None:
    for seed in range(6):
        for version in range(3):
            midi.write(performed(tune(seed, 200), version), tmp_path / f"{seed}{'abc'[version]}.mid")
        midi.write(tune(seed, 200).transpose(seed), tmp_path / f"{seed}.score.mid")
    verdicts = by_path(prepare(tmp_path))
    groups = {path[0]: {v.group for p, v in verdicts.items() if p[0] == path[0]} for path in verdicts}
    assert all(len(group) == 1 for group in groups.values()) and len(set().union(*groups.values())) == 6
    assert all(len({v.split for p, v in verdicts.items() if p[0] == piece}) == 1 for piece in groups)


@pytest.mark.skipif(not PIANO.is_dir(), reason="without the collection")
def test_real_performances_stand_with_their_score(tmp_path: Path) -> None:
    """Eight pieces by ASAP, each in a folder: a group a folder."""
    folders = sorted(path for path in PIANO.iterdir() if path.is_dir())[::5]
    for folder in folders:
        for path in folder.glob("*.mid"):
            (tmp_path / f"{folder.name}-{path.name}").write_bytes(path.read_bytes())
    verdicts = prepare(tmp_path).verdicts
    found = {(next(f.name for f in folders if v.path.startswith(f.name)), v.group) for v in verdicts}
    assert len(found) == len({group for _, group in found}) == len(folders)
