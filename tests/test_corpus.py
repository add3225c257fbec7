"""Folder -> corpus: verdicts, copies, versions, split, parts, grid."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tunes import by_path, fill, polyphonic, tune

from melody import midi
from melody.corpus import SPLITS, PrepareSettings, explain, prepare
from melody.corpus import events as ev
from melody.corpus.deduplicate.fingerprint import EMPTY, NGRAM, SKETCH, Notes, Voices
from melody.corpus.deduplicate.versions import CONTAINMENT, RESEMBLANCE, connect, found, link_lines, resemble, song_name
from melody.corpus.encode.encoder import Encoder, count, decode
from melody.corpus.external_sort import DiskColumn, numbered
from melody.corpus.read.part_selection import melodiousness, selected
from melody.errors import CorpusError, MidiError
from melody.piece import Part, Piece, Tempo
from melody.tokens.usage import Parts, Usage
from melody.tokens.vocabulary import Vocabulary

NOTTINGHAM = Path(__file__).parent.parent.parent / "shared" / "data" / "nottingham"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("tunes"))


# Verdicts


def test_every_file_gets_a_verdict_with_its_reason(folder):
    corpus = prepare(folder)
    verdicts = by_path(corpus)
    assert set(verdicts) == {p.relative_to(folder).as_posix() for p in folder.rglob("*.[mM][iI][dD]")}
    assert verdicts["tune00.mid"].status == "kept" and verdicts["tune00.mid"].notes == tune(0).num_notes
    assert {verdicts[p].cause for p in ("more/copy.MID",)} | {verdicts["tune03.mid"].cause} == {"copy", ""}
    assert verdicts["short.mid"].cause == "too short" and "has 5 notes; at least 16" in verdicts["short.mid"].reason
    assert verdicts["broken.mid"].cause == verdicts["empty.mid"].cause == "damaged"
    assert all(v.reason for v in corpus.verdicts if v.status == "rejected")
    assert all((v.split in SPLITS) == (v.status != "rejected") for v in corpus.verdicts)
    assert corpus.summary()[0].startswith("kept 13 of 17 files") and "1 copy" in corpus.summary()[0]
    assert corpus.remarks == ("1 other file is no music and was not looked at",)
    assert [r["path"] for r in corpus.report()] == [v.path for v in corpus.verdicts]


def test_explain_says_the_same_of_one_file(folder):
    whole = by_path(prepare(folder))
    for name, verdict in whole.items():
        assert explain(folder / name, folder=folder) == verdict
    assert explain(folder / "tune04.mid").explained()[-1].endswith(", with other versions of the piece: more/higher.mid")
    assert explain(folder / "tune00.mid").versions == ()
    assert {whole[name].cause for name in ("tune03.mid", "more/copy.MID")} == {"", "copy"}
    assert explain(folder / "more" / "copy.MID").path == "copy.MID"
    with pytest.raises(CorpusError, match="does not lie in"):
        explain(folder / "tune00.mid", folder=folder / "more")
    assert "damaged" in explain(folder / "broken.mid").cause and "rejected" in explain(folder / "broken.mid").explained()[0]
    assert explain(folder / "not there.mid").status == "rejected"


def test_explain_is_on_the_grid_of_the_folder(tmp_path):
    """Performances among which one file is on a grid: all lie on the grid of the performances, this one, too."""
    rng = np.random.default_rng(0)
    for number in range(8):
        piece = Piece(np.cumsum(rng.integers(20, 300, 60)), [20] * 60, rng.integers(40, 80, 60), ticks_per_quarter=480)
        midi.write(piece, tmp_path / f"{number}.mid")
    midi.write(tune(0), tmp_path / "score.mid")
    corpus = prepare(tmp_path)
    assert corpus.manifest["ticks_per_quarter"] > 24
    for name, verdict in by_path(corpus).items():
        assert explain(tmp_path / name) == verdict


def test_rows_are_what_the_vocabulary_makes_of_each_file(folder):
    corpus = prepare(folder)
    names = [name for side in SPLITS for name in corpus.names(side)]
    pieces = {name: midi.read(folder / name) for name in names}
    assert corpus.vocabulary == Vocabulary.build(pieces.values(), transpositions=range(-5, 7))
    for side in SPLITS:
        rows = corpus.rows(side)
        assert len(rows) == len(corpus.names(side)) and rows.sizes.tolist() == [len(r) for r in rows]
        for name, encoded in zip(corpus.names(side), rows):
            np.testing.assert_array_equal(encoded, corpus.vocabulary.encode(pieces[name]))


def test_a_limit_is_told_as_such(folder):
    limits = midi.ReadLimits(max_notes=50)
    with pytest.raises(CorpusError, match="nothing could be kept of 17 files"):
        prepare(folder, PrepareSettings(limits=limits))
    assert explain(folder / "tune00.mid", PrepareSettings(limits=limits)).cause == "over a limit"


def test_pieces_with_rare_values_are_fitted_and_told(folder):
    corpus = prepare(folder, PrepareSettings(max_values=6))
    fitted = [v for v in corpus.verdicts if any("moved or lengthened" in r for r in v.repairs)]
    assert fitted and all(v.status == "repaired" for v in fitted)
    assert len(corpus.vocabulary.shifts) == 6
    assert not any("model" in line for v in corpus.verdicts for line in (*v.repairs, v.reason))  # there is none


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere", "is not there"), ("tune00.mid", "is a file"), ("none", "no music in it")]
)
def test_folders_without_music_are_one_clear_line(folder, tmp_path, name, reason):
    (tmp_path / "none").mkdir()
    where = folder / name if name == "tune00.mid" else tmp_path / name
    with pytest.raises(CorpusError, match=reason):
        prepare(where)


@pytest.mark.parametrize(
    "wrong",
    [{"min_notes": 0}, {"valid": 0.6}, {"test": -0.1}, {"transpositions": (1,)}, {"ticks_per_quarter": 0}, {"part": " "}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(CorpusError):
        PrepareSettings(**wrong)


# Encoding together = encoding one by one


@pytest.mark.parametrize("seeds", [range(6), (0,), (1, 3)])
def test_encoding_together_is_encoding_one_by_one(seeds):
    pieces = [polyphonic(seed) for seed in seeds]
    events = ev.joined(ev.of_piece(piece) for piece in pieces)
    parts, voices = Parts(), Voices.of(Notes.of(events))
    columns = (voices.kind, voices.monophonic, voices.notes, voices.rests)
    for kind, monophonic, notes, rests in zip(*(column.tolist() for column in columns)):
        key = ev.part_of(kind)
        names = {"Melody": (0, False, 0), "Chords": (24, False, 0), "": (0, True, 0)}
        parts.add_part(key, next(n for n, k in names.items() if k == key), monophonic, notes, rests)
    usage = Usage(parts)
    usage.grids.add(24)
    count(usage, events)
    vocabulary = Vocabulary.build(pieces)
    assert Vocabulary.of_usage(usage) == vocabulary
    rows, starts, exact = Encoder(vocabulary).encode(events)
    assert exact.all()
    for i, piece in enumerate(pieces):
        np.testing.assert_array_equal(rows[starts[i] : starts[i + 1]], vocabulary.encode(piece))
        unnamed = replace(piece, parts=tuple(replace(p, name="") for p in piece.parts))
        assert ev.to_piece(events, i, 24) == unnamed
    back = decode(vocabulary, rows, starts)
    for one, other in zip((back.starts, *back.columns), (events.starts, *events.columns)):
        np.testing.assert_array_equal(one, other)


def test_what_a_vocabulary_cannot_say_is_found():
    vocabulary = Vocabulary.build([tune(0)])
    events = ev.joined([ev.of_piece(tune(0)), ev.of_piece(tune(0).transpose(30)), ev.of_piece(polyphonic(1))])
    assert Encoder(vocabulary).encode(events)[2].tolist() == [True, False, False]


# Versions and copies


def ngrams(piece: Piece) -> set:
    """The n-grams of a monophonic piece, the slow way."""
    steps = []
    for i in range(1, piece.num_notes - 1):
        before, after = piece.onset[i] - piece.onset[i - 1], piece.onset[i + 1] - piece.onset[i]
        rhythm = 1 if after > before * 2**0.5 else -1 if after * 2**0.5 < before else 0
        steps.append((int(piece.pitch[i + 1] - piece.pitch[i]), rhythm))
    windows = [tuple(steps[i : i + NGRAM]) for i in range(len(steps) - NGRAM + 1)]
    return {w for w in windows if sum(interval != 0 for interval, _ in w) >= 3}


def sketch(piece: Piece) -> np.ndarray:
    return Voices.of(Notes.of(ev.of_piece(piece))).sketches()[1]


def test_a_sketch_of_a_short_line_has_one_hash_for_each_ngram():
    piece = tune(1, 50, chords=False)
    assert (sketch(piece) != EMPTY).sum() == len(ngrams(piece))


@pytest.mark.parametrize("kept", [0.9, 0.6, 0.3, 0.1, 0.0])
def test_resemblance_is_told_as_the_sets_of_ngrams_say(kept):
    one, other = tune(1, 200, chords=False), tune(2, 200, chords=False)
    cut = int(200 * kept)
    steps = np.concatenate([np.diff(one.pitch[: cut + 1]), np.diff(other.pitch[cut:])])
    mixed = Piece(
        np.where(np.arange(200) < cut, one.onset, other.onset - other.onset[cut] + one.onset[cut]),
        np.ones(200, int),
        np.concatenate([[60], 60 + np.cumsum(steps)])[:200] % 128,
    )
    a, b = ngrams(one), ngrams(mixed)
    resemblance, containment = len(a & b) / len(a | b), len(a & b) / min(len(a), len(b))
    told = resemble(sketch(one), sketch(mixed))[0]
    if resemblance > RESEMBLANCE + 0.1 or containment > CONTAINMENT + 0.15:
        assert told
    if resemblance < RESEMBLANCE - 0.1 and containment < CONTAINMENT - 0.15:
        assert not told


def _sketch_pair(first: int, second: int, shared: int) -> bool:
    """Whether two lines of so many n-grams each, so many of them in both, count as versions of one another."""
    rows = np.full((2, SKETCH), EMPTY, np.uint32)
    rows[0, :first] = np.arange(first)
    rows[1, :second] = first - shared + np.arange(second)
    return bool(resemble(rows[:1], rows[1:])[0])


@pytest.mark.parametrize(
    ("first", "second", "shared", "alike"),
    [
        (30, 30, 10, True),  # 10 of the 50 that are in either: a fifth
        (30, 30, 9, False),
        (63, 30, 12, True),  # two fifths of the shorter
        (63, 30, 11, False),
        (10, 10, 5, True),  # five are enough,
        (10, 9, 4, False),  # four are chance, whatever their share
    ],
)
def test_where_resemblance_begins(first: int, second: int, shared: int, alike: bool):
    """The thresholds themselves, a pair on either side of each."""
    assert _sketch_pair(first, second, shared) == _sketch_pair(second, first, shared) == alike


VERSIONS = {
    "transposed": lambda p: p.transpose(5),
    "other tempo": lambda p: replace(p, tempi=(Tempo(0, 300_000),)),
    "twice as long": lambda p: replace(p, onset=p.onset * 2, duration=p.duration * 2),
    "melody alone": lambda p: selected(p, "1", True)[0],
    "other instrument": lambda p: replace(p, parts=(Part(40), Part(0))),
    "with drums": lambda p: replace(
        p,
        **{
            n: np.concatenate([getattr(p, n), [v] * 8])
            for n, v in (("duration", 3), ("pitch", 36), ("velocity", 80), ("part", 2))
        },
        onset=np.concatenate([p.onset, np.arange(8) * 24]),
        parts=(*p.parts, Part(0, True)),
    ),
    "beginning only": lambda p: p.select(p.onset < p.length // 2),
    "all on one track": lambda p: replace(p, part=p.part * 0, parts=p.parts[:1]),
}


def test_versions_of_a_tune_are_one_group_and_others_are_not(tmp_path):
    for seed in range(20):
        midi.write(tune(seed, 120), tmp_path / f"other{seed}.mid")
    original = tune(100, 120)
    midi.write(original, tmp_path / "original.mid")
    for i, (name, change) in enumerate(VERSIONS.items()):
        version = change(original)
        if name == "all on one track":
            version = version.select(version.pitch > 52)
        midi.write(version, tmp_path / f"{i} {name}.mid")
    verdicts = by_path(prepare(tmp_path))
    rejected = [v for v in verdicts.values() if v.status == "rejected"]
    assert [(v.path, v.cause) for v in rejected] == [("original.mid", "copy")]  # of the one in another tempo
    assert len({verdicts[f"{i} {name}.mid"].group for i, name in enumerate(VERSIONS)}) == 1
    assert len({v.group for v in verdicts.values() if v.group}) == 21


def test_names_of_versions():
    assert (
        song_name("a/Song.mid")
        == song_name("a/song_v2.kar")
        == song_name("a/song (3).xml")
        == song_name("a/versions/song.mid")
    )
    assert len({song_name(n) for n in ("a/jig1.mid", "a/jig2.mid", "b/jig1.mid", "a/live.mid", "a/ashover4.mid")}) == 5


def test_names_tie_what_sounds_different(tmp_path):
    midi.write(tune(1), tmp_path / "song.mid")
    midi.write(tune(2), tmp_path / "song (1).mid")
    midi.write(tune(3), tmp_path / "sing.mid")
    verdicts = by_path(prepare(tmp_path))
    assert verdicts["song.mid"].group == verdicts["song (1).mid"].group != verdicts["sing.mid"].group


def test_connected_is_what_a_walk_along_the_links_reaches():
    rng = np.random.default_rng(0)
    chain = np.stack([np.arange(300, 399), np.arange(301, 400)], 1)
    links = rng.permutation(np.concatenate([rng.integers(0, 300, (200, 2)), chain]))
    reach = {i: {i} for i in range(400)}
    for a, b in links.tolist():
        whole = reach[a] | reach[b]
        for i in whole:
            reach[i] = whole
    root = numbered(400)
    for some in np.array_split(links, 7):
        connect(root, some)
    assert found(root, np.arange(400)).tolist() == [min(reach[i]) for i in range(400)]


def test_a_common_line_costs_no_more_than_its_neighbours():
    many = DiskColumn(("<u4", (64,)))
    many.extend(np.repeat(sketch(tune(1, chords=False)), 3000, axis=0))
    start = time.process_time()
    root = numbered(3000)
    link_lines(root, np.arange(3000), np.ones(3000, bool), many)
    assert not found(root, np.arange(3000)).any() and time.process_time() - start < 5


# Split


def test_one_piece_alone_is_for_training_and_that_is_told(tmp_path):
    midi.write(tune(0), tmp_path / "a.mid")
    corpus = prepare(tmp_path)
    assert (len(corpus.rows("train")), len(corpus.rows("valid"))) == (1, 0)
    assert "nothing is left to choose the model on" in corpus.summary()[1]


def test_the_result_does_not_depend_on_where_the_folder_is(folder, tmp_path):
    other = tmp_path / "elsewhere" / folder.name
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            (other / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (other / path.relative_to(folder)).write_bytes(path.read_bytes())
    one, two = prepare(folder, store=tmp_path / "1"), prepare(other, store=tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert one.manifest == two.manifest and str(tmp_path) not in str(one.manifest)


# Parts and grid


def test_parts_by_number_name_height_and_rule():
    piece = tune(3)
    for part in ("1", "melody", "highest", "melodic"):
        chosen, told = selected(piece, part, True)
        assert chosen.pitch.tolist() == piece.pitch[piece.part == 0].tolist() and "part 1 of 2 'Melody'" in told
    unnamed = replace(piece, parts=(Part(0), Part(24)))
    assert selected(unnamed, "melodic", True)[1] == "part 1 of 2, the most melodic"
    assert 1 >= melodiousness(piece, 0) > melodiousness(piece, 1) >= 0
    assert selected(piece, "2", True)[0].parts == (Part(24, False, "Chords"),)
    for part in ("3", "flute"):
        with pytest.raises(CorpusError):
            selected(piece, part, True)


def test_drums_stay_out_if_so_asked():
    piece = polyphonic(0)
    assert not selected(piece, "all", False)[0].is_drum.any()
    assert selected(piece, "all", True)[0] is piece


def test_the_part_taken_is_told(folder):
    corpus = prepare(folder, PrepareSettings(part="melodic"))
    assert "of each piece, the most melodic part is taken" in corpus.remarks
    verdict = by_path(corpus)["tune00.mid"]
    assert verdict.part.startswith("part 1 of 2 'Melody'") and verdict.notes == 80
    assert by_path(corpus)["short.mid"].cause == "too short"


def test_performances_get_a_finer_grid_and_scores_do_not(tmp_path):
    rng = np.random.default_rng(0)
    for seed in range(6):
        piece = tune(seed, chords=False).resolution(480)
        onset = np.cumsum(rng.integers(60, 400, piece.num_notes))
        played = replace(piece, onset=onset, duration=np.full(piece.num_notes, 50))
        (tmp_path / "played").mkdir(exist_ok=True)
        midi.write(played, tmp_path / "played" / f"{seed}.mid")
        (tmp_path / "scores").mkdir(exist_ok=True)
        midi.write(piece, tmp_path / "scores" / f"{seed}.mid")
    played, scores = prepare(tmp_path / "played"), prepare(tmp_path / "scores")
    assert scores.vocabulary.ticks_per_quarter == 24 and not scores.remarks
    assert played.vocabulary.ticks_per_quarter == 96 and "are performances: kept as played" in played.remarks[0]
    fixed = prepare(tmp_path / "played", PrepareSettings(ticks_per_quarter=12))
    assert fixed.vocabulary.ticks_per_quarter == 12


# A real collection


@pytest.fixture(scope="module")
def nottingham():
    if not NOTTINGHAM.is_dir():
        pytest.skip("the Nottingham collection is not beside the checkout")
    return prepare(NOTTINGHAM)


# Pairs whose melodies share most n-grams, found by comparing all pairs of sets of n-grams outright.
NEAR = """reelsa-c63 reelsa-c64, reelsu-z8 reelsu-z9, reelsa-c74 reelsa-c75, jigs13 jigs330, reelsa-c56 reelsa-c57,
reelsa-c43 reelsr-t14, reelsm-q15 reelsm-q80, hpps57 reelsr-t22, jigs253 jigs257, jigs68 jigs69, reelsd-g47 reelsd-g48,
reelsh-l58 reelsh-l60, playford8 reelsm-q39, jigs34 jigs37, hpps15 reelsd-g65, jigs114 jigs116, jigs262 jigs55,
reelsh-l36 reelsr-t85, jigs134 jigs135, reelsm-q23 reelsr-t27, jigs326 jigs327, jigs209 jigs335, reelsr-t82 reelsr-t84"""


def test_near_duplicates_stand_on_one_side(nottingham):
    verdicts = by_path(nottingham)
    for pair in NEAR.split(","):
        one, other = (verdicts[f"{name}.mid"] for name in pair.split())
        assert one.group == other.group and one.split == other.split
    sizes = np.unique([v.group for v in nottingham.verdicts if v.group], return_counts=True)[1]
    assert sizes.max() <= 5  # and the jigs are not all one


def test_melodies_alone_stand_with_their_tunes(tmp_path, nottingham):
    names = [v.path for v in nottingham.verdicts if v.status != "rejected"][::20]
    for name in names:
        piece = midi.read(NOTTINGHAM / name)
        midi.write(piece, tmp_path / name)
        midi.write(selected(piece, "1", True)[0].transpose(-2), tmp_path / f"melody of {name}")
    verdicts = by_path(prepare(tmp_path))
    for name in names:
        assert verdicts[name].group == verdicts[f"melody of {name}"].group


def test_the_store_is_smaller_than_the_midi(tmp_path, nottingham):
    prepare(NOTTINGHAM, store=tmp_path / "store")
    assert (tmp_path / "store").stat().st_size < sum(p.stat().st_size for p in NOTTINGHAM.iterdir())
    with pytest.raises(MidiError):
        midi.parse((tmp_path / "store").read_bytes())
