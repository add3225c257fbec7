"""Originality: what a tune shares with a corpus is found whole; copies are found, and tunes of the kind are none."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from math import log10
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import random_piece
from tunes import tune

from melody import midi
from melody.errors import ModelFileError, PieceError
from melody.originality.chance import ORDER, PLAIN, STRENGTH, expected
from melody.originality.finding import IMPROBABLE, compare, versions
from melody.originality.index import Index, Norm, load_index
from melody.originality.lines import END, lines_of, symbols_by_table, symbols_of
from melody.originality.norm import FEWEST, norm_of
from melody.originality.runs import FREQUENT, SEED, SHORTEST, Sorted
from melody.piece import Part, Piece, TimeSignature

ROOT = Path(__file__).parents[1]


def melody(seed: int, notes: int = 80) -> Piece:
    """A melody that has nothing to do with others."""
    return tune(seed, notes, chords=False)


@pytest.fixture(scope="module")
def index() -> Index:
    """Of sixty melodies, with the norm of a hundred others."""
    found = Index.of([melody(seed) for seed in range(60)], [f"melody {seed}" for seed in range(60)], "a corpus")
    return found.with_norm(norm_of(found, [melody(seed) for seed in range(100, 200)]))


# Symbols


@given(st.integers(0, 10_000), st.integers(-20, 20), st.sampled_from([1, 2, 3, 8]))
def test_neither_key_nor_speed_changes_the_symbols(seed: int, semitones: int, times: int) -> None:
    piece = random_piece(seed, changes=False)
    moved = piece.transpose(semitones)
    moved = replace(moved, onset=moved.onset * times, duration=moved.duration * times)
    for one, other in zip(lines_of(piece), lines_of(moved), strict=True):
        assert np.array_equal(symbols_of(one.pitch, one.spacing), symbols_of(other.pitch, other.spacing))


def test_an_altered_pitch_or_rhythm_changes_them_and_what_is_held_does_not() -> None:
    piece = Piece([0, 24, 48, 96], [24, 24, 48, 24], [60, 62, 64, 65])
    (line,) = lines_of(piece)
    symbols = symbols_of(line.pitch, line.spacing)
    for pitch, spacing, differ in (
        ([60, 63, 64, 65], [24, 24, 48, 24], [True, True, False]),
        ([60, 62, 64, 65], [24, 12, 48, 24], [True, True, False]),
    ):
        assert (symbols != symbols_of(np.array(pitch), np.array(spacing))).tolist() == differ
    (staccato,) = lines_of(replace(piece, duration=[6, 6, 6, 24]))
    assert np.array_equal(symbols, symbols_of(staccato.pitch, staccato.spacing))


def test_a_line_is_the_highest_of_what_begins_together_and_drums_have_none() -> None:
    parts = (Part(0), Part(40), Part(0, is_drum=True))
    piece = Piece([0, 0, 24, 0, 24, 24], [24] * 6, [60, 64, 62, 70, 40, 72], part=[0, 0, 0, 1, 2, 1], parts=parts)
    assert [(line.part, line.pitch.tolist()) for line in lines_of(piece)] == [(0, [64, 62]), (1, [70, 72])]


@given(st.lists(st.tuples(st.integers(0, 127), st.integers(0, 9)), min_size=2, max_size=40))
def test_symbols_by_table_are_the_symbols(notes: list[tuple[int, int]]) -> None:
    spacings = np.array([1, 3, 6, 8, 12, 16, 18, 24, 36, 500])
    pitch, spacing = (np.array(column) for column in zip(*notes))
    fast = symbols_by_table(pitch.astype(np.uint8), spacing.astype(np.uint8), spacings)
    assert np.array_equal(fast, symbols_of(pitch, spacings[spacing]))


# Runs


def by_definition(corpus: np.ndarray, line: np.ndarray) -> set[tuple[int, int, int]]:
    """Every run of `SEED` symbols or more that cannot be made longer, one place against each other."""
    found = set()
    for start in range(len(line)):
        for at in range(len(corpus)):
            if start and at and line[start - 1] == corpus[at - 1]:
                continue
            length = 0
            while start + length < len(line) and at + length < len(corpus) and line[start + length] == corpus[at + length]:
                length += 1
            if length >= SEED:
                found.add((start, at, length))
    return found


@given(st.integers(0, 10_000), st.sampled_from([2, 3, 300]))
def test_runs_are_those_of_the_definition(seed: int, different: int) -> None:
    """With 300 symbols some share a code: their windows seem to be equal and are not."""
    rng = np.random.default_rng(seed)
    corpus = rng.integers(0, different, 150).astype(np.uint16)
    corpus[rng.integers(0, 150, 4)] = END
    corpus[-1] = END
    line = rng.integers(0, different, 40).astype(np.uint16)
    line[5:30] = np.where(corpus[60:85] == END, 0, corpus[60:85])
    runs = Sorted(corpus).shared(line)
    assert set(zip(runs.start.tolist(), runs.at.tolist(), runs.length.tolist())) == by_definition(corpus, line)


def test_a_run_goes_on_through_what_is_frequent_and_what_is_frequent_alone_is_nobodys() -> None:
    rng = np.random.default_rng(0)
    common = np.arange(1, 13)
    own = rng.integers(20, 200, 30)
    parts = [np.append(common, END)] * (FREQUENT + 1)
    corpus = np.concatenate([*parts, common, own, common, [END]]).astype(np.uint16)
    found = Sorted(corpus)
    assert len(found.shared(common.astype(np.uint16)).start) == 0
    line = np.concatenate([common, own, common]).astype(np.uint16)
    assert found.shared(line).length.max() == len(line)


@given(st.integers(0, 1_000))
def test_figures_are_counted_as_they_stand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corpus = np.append(rng.integers(0, 3, 60), END).astype(np.uint16)
    line = rng.integers(0, 4, 12).astype(np.uint16)  # 3 is not in the corpus
    first, lengths = rng.integers(0, 8, 20), rng.integers(0, 5, 20)
    counts = Sorted(corpus).counts(line, first, lengths)
    for begin, length, count in zip(first.tolist(), lengths.tolist(), counts.tolist()):
        figure = line[begin : begin + length].tolist()
        places = [corpus[at : at + length].tolist() == figure for at in range(len(corpus) - length + 1)]
        assert count == (sum(places) if length else len(corpus))


# How probable


def test_what_is_expected_by_chance_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(5)
    lines = [rng.integers(0, 3, 40).astype(np.uint16) for _ in range(6)]
    corpus = np.concatenate([part for line in lines for part in (line, [END])]).astype(np.uint16)
    run, kept = lines[0][4:20], [line.tolist() for line in lines[2:]]

    def count(figure: list[int]) -> int:
        return sum(line[i : i + len(figure)] == figure for line in kept for i in range(len(line) - len(figure) + 1))

    logarithm = 0.0
    for n, symbol in enumerate(run.tolist()):
        seen = sum(map(len, kept))
        plain = probability = (count([symbol]) + 3 / 1_000) / (seen + 3)
        for back in range(1, min(n, ORDER) + 1):
            context = run[n - back : n].tolist()
            probability = (count([*context, symbol]) + STRENGTH * probability) / (count(context) + STRENGTH)
        logarithm += log10((1 - PLAIN) * probability + PLAIN * plain)
    found = expected(Sorted(corpus), run, lines[:2], 77)
    assert log10(found) == pytest.approx(logarithm + log10(77) + log10(sum(map(len, kept))), rel=1e-9)


# Copies


def altered(piece: Piece, seed: int) -> Piece:
    rng = np.random.default_rng(seed)
    which = rng.random(piece.num_notes) < 0.1
    return replace(piece, pitch=piece.pitch + which * rng.choice([-2, -1, 1, 2], piece.num_notes))


def spliced(piece: Piece, other: Piece) -> Piece:
    """Its first half, then the second of another."""
    half = piece.num_notes // 2
    at = int(piece.onset[half])
    rest = other.select(other.onset >= other.onset[half])
    begin = int(rest.onset[0])
    return Piece(
        np.concatenate([piece.onset[:half], rest.onset - begin + at]),
        np.concatenate([piece.duration[:half], rest.duration]),
        np.concatenate([piece.pitch[:half], rest.pitch]),
    )


PLANTED = {
    "verbatim": lambda seed: melody(seed),
    "transposed": lambda seed: melody(seed).transpose(5),
    "altered": lambda seed: altered(melody(seed), seed),
    "double time": lambda seed: replace(melody(seed), onset=melody(seed).onset * 2, duration=melody(seed).duration * 2),
    "spliced": lambda seed: spliced(melody(seed), melody(seed + 5_000)),
    "among other parts": lambda seed: tune(seed, chords=True),
}


@pytest.mark.parametrize("how", PLANTED)
def test_planted_copies_are_found_and_named(index: Index, how: str) -> None:
    for seed in range(0, 60, 6):
        found = compare(index, PLANTED[how](seed))
        assert found.is_copy and found.run is not None and found.sharer is not None
        assert found.run.name == found.sharer.name == f"melody {seed}"
        assert found.expected is not None and found.expected < IMPROBABLE
        yours, theirs = found.run.yours[0], found.run.theirs[0]
        assert np.array_equal(np.diff(yours), np.diff(theirs)) and len(yours) == found.run.notes


def test_a_whole_copy_is_shared_whole(index: Index) -> None:
    found = compare(index, melody(7).transpose(-3))
    assert found.run is not None and found.interval_run is not None
    assert found.run.notes == found.interval_run.notes == found.notes == 80 and found.share == found.covered == 1
    assert found.run.first == 1 and found.run.bars == (1, melody(7).num_bars)


def test_tunes_of_the_kind_are_called_copies_no_more_often_than_is_stated(index: Index) -> None:
    assert index.norm is not None
    new = [compare(index, melody(seed), in_full=False) for seed in range(1_000, 1_400)]
    assert np.mean([bool(each.is_longer) for each in new]) <= index.norm.rate + 2 * np.sqrt(index.norm.rate / 400)
    assert sum(each.is_copy for each in new) <= sum(bool(each.is_longer) for each in new)


def test_at_most_the_stated_share_of_the_measured_tunes_goes_beyond_a_limit() -> None:
    pieces = [melody(seed) for seed in range(10)]
    found = Index.of(pieces, [str(n) for n in range(10)])
    tunes = [spliced(melody(n % 10), melody(500 + n)) if n % 9 == 0 else melody(500 + n) for n in range(250)]
    norm = norm_of(found, tunes)
    assert norm is not None and norm.tunes == 250 and norm.rate == 0.01
    beyond = [compare(found.with_norm(norm), piece, in_full=False).is_longer for piece in tunes]
    assert 0 <= np.mean(beyond) <= norm.rate and norm.run[0] <= norm.run[1] and norm.share[0] <= norm.share[1]


def test_a_figure_of_the_style_is_no_copy_though_it_is_long(index: Index) -> None:
    """Twenty pieces have the same twenty notes: without any one of them they are as probable as before."""
    pieces = [spliced(melody(900, 40), melody(2_000 + n, 120)) for n in range(20)]
    new = spliced(melody(900, 40), melody(3_001, 120))
    shared = compare(Index.of(pieces, [f"piece {n}" for n in range(20)]).with_norm(index.norm), new)
    assert shared.is_longer and not shared.is_copy and shared.run is not None and shared.run.notes >= 20
    alone = Index.of([pieces[0], *(melody(n) for n in range(20))], [str(n) for n in range(21)]).with_norm(index.norm)
    assert compare(alone, new).is_copy


def test_versions_of_a_piece_do_not_make_its_copy_probable(index: Index) -> None:
    pieces = [melody(seed) for seed in range(20)] + [altered(melody(3), 1).transpose(2)]
    found = Index.of(pieces, [str(n) for n in range(21)]).with_norm(index.norm)
    assert versions(found, 3) == [3, 20] and versions(found, 4) == [4]
    assert compare(found, melody(3)).is_copy


# Edges


def test_a_corpus_of_five_pieces_gives_numbers_and_no_verdict() -> None:
    found = Index.of([melody(n) for n in range(5)], [str(n) for n in range(5)])
    found = found.with_norm(norm_of(found, [melody(100)] * (FEWEST - 1)))
    finding = compare(found, melody(2))
    assert found.norm is None and finding.is_longer is None and not finding.is_copy
    assert finding.run is not None and finding.run.notes == 80
    assert "too few held-out tunes" in finding.remarks[0] and "5 training pieces" in finding.remarks[0]


def test_an_empty_corpus_shares_nothing() -> None:
    assert compare(Index.of([], []), melody(1)).run is None


def test_three_notes_are_too_few(index: Index) -> None:
    with pytest.raises(PieceError, match=f"longest line has 3 notes; the shortest run that says anything has {SHORTEST}"):
        compare(index, melody(1).select(range(3)))
    assert compare(index, melody(1).select(range(SHORTEST))).run is not None
    with pytest.raises(PieceError, match="has 0 notes"):
        compare(index, Piece([], [], []))
    with pytest.raises(PieceError, match="nothing but drums"):
        compare(index, replace(melody(1), parts=(Part(0, is_drum=True),)))


@pytest.mark.parametrize("pitches", [1, 12])
def test_fifty_thousand_notes_are_compared_at_once(index: Index, pitches: int) -> None:
    rng = np.random.default_rng(0)
    long = Piece(np.arange(50_000) * 12, np.full(50_000, 12), 60 + rng.integers(0, pitches, 50_000))
    begun = time.process_time()
    found = compare(index, long)
    assert time.process_time() - begun < 10
    assert any("50,000 notes" in remark and "cut it into tunes" in remark for remark in found.remarks)


def test_what_the_index_leaves_out_is_reported(index: Index) -> None:
    assert any("60 of 120" in remark for remark in compare(replace(index, whole=120), melody(1)).remarks)


# The file


def test_an_index_is_read_as_it_was_written(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path / "a.index")
    again = load_index(tmp_path / "a.index")
    for name in ("pitch", "spacing", "spacings", "line_starts", "line_piece"):
        assert np.array_equal(getattr(index, name), getattr(again, name))
    facts = ("names", "ticks_per_quarter", "corpus", "whole", "norm")
    assert all(getattr(index, name) == getattr(again, name) for name in facts)
    assert not np.array_equal(np.diff(again.pitch), 0) and isinstance(again.norm, Norm)


def test_more_spacings_than_a_byte_holds_are_taken_to_the_nearest() -> None:
    spacing = np.concatenate([np.arange(1, 400), np.full(50, 24)])
    onset = np.cumsum(spacing) - spacing
    found = Index.of([Piece(onset, spacing, np.full(len(onset), 60))], ["one"])
    assert len(found.spacings) == 256 and (np.abs(found.spacings[found.spacing] - spacing) <= 200).all()
    assert (found.spacings[found.spacing[-50:]] == 24).all()


BROKEN = {
    "pitch": lambda a: np.full_like(a, 200),
    "spacing": lambda a: np.full_like(a, 255),
    "spacings": lambda a: np.zeros_like(a),
    "line_starts": lambda a: a[::-1].copy(),
    "line_piece": lambda a: np.full_like(a, 2**31),
}


@pytest.mark.parametrize("name", BROKEN)
def test_numbers_that_make_no_sense_are_refused(index: Index, tmp_path: Path, name: str) -> None:
    replace(index, **{name: BROKEN[name](getattr(index, name))}).save(tmp_path / "a.index")
    with pytest.raises(ModelFileError, match="make no sense"):
        load_index(tmp_path / "a.index")


@pytest.mark.parametrize(
    "facts",
    [{"names": ("x" * 5_000,)}, {"ticks_per_quarter": 0}, {"whole": -1}, {"corpus": 3}, {"names": tuple(range(60))}],
    ids=str,
)
def test_facts_that_make_no_sense_are_refused(index: Index, tmp_path: Path, facts: dict) -> None:
    replace(index, **facts).save(tmp_path / "a.index")
    with pytest.raises(ModelFileError, match="make no sense"):
        load_index(tmp_path / "a.index")


@pytest.mark.parametrize("field", ["run", "rate", "tunes"])
def test_a_norm_that_makes_no_sense_is_refused(index: Index, tmp_path: Path, field: str) -> None:
    assert index.norm is not None
    replace(index, norm=replace(index.norm, **{field: float("nan")})).save(tmp_path / "a.index")
    with pytest.raises(ModelFileError, match="is no index, or is damaged"):
        load_index(tmp_path / "a.index")


def test_a_file_that_is_cut_short_or_of_another_kind_is_one_line(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path / "a.index")
    data = (tmp_path / "a.index").read_bytes()
    for damaged in (data[:-100], data[:50], b"", b"\x80\x04pickle", data.replace(b"melody-index 1", b"melody-index 9")):
        (tmp_path / "b.index").write_bytes(damaged)
        with pytest.raises(ModelFileError, match="is no index, or is damaged") as caught:
            load_index(tmp_path / "b.index")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["fiddle", "chorales"])
def test_the_shipped_indexes_are_of_the_shipped_models_and_small(name: str) -> None:
    from melody import modelfile
    from melody.originality.index import beside, index_of

    path = ROOT / "checkpoints" / f"{name}.safetensors"
    found = index_of(modelfile.load(path), path)
    assert beside(path).stat().st_size < 4 * found.num_notes
    assert found.norm is not None and found.whole == len(found.names)


# The commands


def test_a_training_writes_an_index_that_the_commands_use(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from melody.cli import main

    found = load_index(trained.with_suffix(".index"))
    assert len(found.names) == 192 and found.norm is not None and found.norm.tunes == 48
    arguments = ["generate", str(trained), "--seed", "3", "--original", "--html"]
    assert main([*arguments, "--out", str(tmp_path / "new.mid")]) == 0
    err = capsys.readouterr().err
    assert "tunes were copies and were drawn again" in err
    found_on = compare(found, midi.read(tmp_path / "new.mid"), in_full=False)
    if found_on.run is not None:
        assert f"has {found_on.run.notes} notes ({found_on.run.name})" in err
        assert f"has {found_on.run.notes} notes" in (tmp_path / "new.html").read_text()


def test_a_copy_is_exit_code_1_and_stands_in_the_json(
    index: Index, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from melody import modelfile
    from melody.cli import main
    from melody.originality.index import fingerprint

    model = tmp_path / "model.safetensors"
    model.write_bytes(trained.read_bytes())
    replace(index, corpus=fingerprint(modelfile.load(model).manifest)).save(tmp_path / "model.index")
    midi.write(melody(9).transpose(2), tmp_path / "copy.mid")
    midi.write(melody(777), tmp_path / "new.mid")
    asked = ["--model", str(model), "--json"]
    assert main(["originality", str(tmp_path / "copy.mid"), *asked, str(tmp_path / "copy.json")]) == 1
    out = capsys.readouterr().out
    assert "verdict: a copy" in out and "melody 9 from its note 1 on" in out
    data = json.loads((tmp_path / "copy.json").read_text())
    assert data["is_copy"] is True and data["longest_run"]["piece"] == "melody 9" and data["longest_run"]["notes"] == 80
    assert main(["originality", str(tmp_path / "new.mid"), *asked, str(tmp_path / "new.json")]) == 0
    assert "verdict: no copy" in capsys.readouterr().out
    assert json.loads((tmp_path / "new.json").read_text())["is_copy"] is False


def test_what_cannot_be_compared_is_one_line_and_exit_code_2(
    index: Index, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from melody.cli import main

    model = tmp_path / "alone.safetensors"
    model.write_bytes(trained.read_bytes())
    midi.write(melody(1).select(range(3)), tmp_path / "three.mid")
    cases = [
        (tmp_path / "three.mid", trained, "longest line has 3 notes"),
        (ROOT / "data" / "ode-to-joy.mid", model, "has no index of its training pieces"),
    ]
    for tune_path, of, message in cases:
        assert main(["originality", str(tune_path), "--model", str(of)]) == 2
        err = capsys.readouterr().err.strip()
        assert message in err and "\n" not in err
    assert main(["generate", str(model), "--original", "--out", str(tmp_path / "x.mid")]) == 2
    assert "has no index" in capsys.readouterr().err and not (tmp_path / "x.mid").exists()
    index.save(tmp_path / "alone.index")
    assert main(["originality", str(ROOT / "data" / "ode-to-joy.mid"), "--model", str(model)]) == 2
    assert "is of other training pieces than alone" in capsys.readouterr().err


def test_both_excerpts_are_drawn_one_under_the_other(index: Index) -> None:
    run = compare(index, melody(4).transpose(4)).run
    assert run is not None
    picture = run.as_piece()
    assert picture.num_notes == 160 and (picture.onset[picture.part == 0] == picture.onset[picture.part == 1]).all()
    assert (picture.pitch[picture.part == 0] - picture.pitch[picture.part == 1] == 4).all()
    assert picture.time_signatures == (TimeSignature(0, 4, 4),)
