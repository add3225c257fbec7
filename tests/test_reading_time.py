"""What is wrong with the time of a file is made right and told; what is not wrong stays as it is, to the tick."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tunes import by_path, polyphonic, tune

from melody import midi
from melody.corpus import PrepareSettings, prepare, settings
from melody.corpus.read import doubts
from melody.corpus.read.beat_phase import is_played
from melody.corpus.read.mending import mended
from melody.midi.file_events import END, PITCH, START, Source, source_of, to_piece
from melody.piece import Part, Piece, Tempo, TimeSignature

FOLK = Path(__file__).parents[2] / "shared" / "data" / "nottingham"


def _script():
    spec = importlib.util.spec_from_file_location("measure_time", Path(__file__).parents[1] / "scripts" / "measure_time.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


spoil = _script()


def song(seed: int, grid: int = 480) -> Source:
    """A tune whose beat can be heard, of quarters and eighths over a bass note in each bar, on a file's own grid."""
    rng = np.random.default_rng(seed)
    duration = rng.choice([24, 24, 24, 12, 48], 96)
    duration = np.repeat(duration, np.where(duration == 12, 2, 1))[:96]  # eighths come in pairs
    onset = np.concatenate([[0], np.cumsum(duration)[:-1]])
    bars = np.arange(0, onset[-1] + 24, 96)
    return source_of(
        Piece(
            np.concatenate([onset, bars]),
            np.concatenate([duration, np.full(len(bars), 96)]),
            np.concatenate([60 + rng.integers(0, 12, 96), np.full(len(bars), 48)]),
            parts=(Part(73),),
        ).resolution(grid)
    )


def read(source: Source) -> tuple[Piece, list[str]]:
    """The piece on the usual grid, and what was mended."""
    repairs: list[str] = []
    return to_piece(mended(source, repairs), 24, [])[0], repairs


@pytest.mark.parametrize("seed", range(8))
def test_what_raises_no_doubt_stays_as_it_is(seed: int) -> None:
    for source in (song(seed), source_of(tune(seed)), source_of(polyphonic(seed))):
        repairs: list[str] = []
        assert mended(source, repairs) is source or doubts.of_source(source)
        np.testing.assert_array_equal(mended(source, repairs).notes, source.notes)
        assert not repairs


SHIFTS = (
    1,
    7,
    40,
    60,
    119,
    160,
    240,
    240 + 13,
    437,
    460,
    480,
    480 * 3 + 7,
    480 * 4,
    2100,
    480 * 8 - 20,
    5000,
    480 * 33 + 80,
)


@pytest.mark.parametrize("ticks", SHIFTS)
def test_a_constant_offset_is_taken_away_and_told(ticks: int) -> None:
    for seed in range(4):
        piece, repairs = read(spoil.shifted(song(seed), ticks))
        assert piece == read(song(seed))[0]
        assert repairs or ticks < 10  # what rounds away is none


def dance(metre: tuple[int, int], ticks: tuple[int, ...], pickup: int = 0) -> Source:
    """A dance of 16 bars whose notes begin at those places of the bar, in a file of 480; before it a pick-up if asked."""
    bar = 96 * metre[0] // metre[1]
    onset = np.concatenate([np.array(ticks) + bar * number for number in range(16)])
    duration = np.diff(np.append(onset, 16 * bar))
    if pickup:
        onset = np.append(bar - pickup, onset + bar)
        duration = np.append(pickup, duration)
    pitch = 60 + (np.arange(len(onset)) * 5) % 11
    return source_of(Piece(onset, duration, pitch, time_signatures=(TimeSignature(0, *metre),)).resolution(480))


KINDS = {
    "cut time, by a sixteenth": (dance((2, 2), (0, 48, 72)), 120),
    "a jig, by a triplet": (dance((6, 8), (0, 24, 36, 60)), 160),
    "even eighths, by one": (dance((4, 4), (0, 12, 24, 36, 48, 72, 84), 12), 240),
    "a slip jig, by two beats": (dance((9, 8), (0, 24, 36, 48, 72, 84)), 480 * 3 + 60),
    "half a bar that is as strong, with a pick-up": (dance((4, 4), (0, 36, 48, 84), 24), 480 * 2 - 40),
    "three halves, by a quarter and a bit": (dance((3, 2), (0, 48, 72, 96, 120)), 480 + 31),
}


@pytest.mark.parametrize("kind", KINDS)
def test_metres_and_pick_ups_come_back(kind: str) -> None:
    source, ticks = KINDS[kind]
    for spoilt in (spoil.shifted, spoil.begun_later):
        for bars in (0, 3):
            late = ticks + bars * 4 * 480 * source.time_signatures[0][1] // source.time_signatures[0][2]
            assert read(spoilt(source, late))[0] == read(source)[0]


@pytest.mark.parametrize("ticks", [40, 240, 480 * 3 + 7, 480 * 5 + 120])
def test_what_stands_in_a_late_file_is_late_with_it_or_by_itself(ticks: int) -> None:
    """Metre, keys and tempi have come later with the notes, or only the notes have."""
    source = replace(
        song(2),
        time_signatures=((0, 4, 4), (480 * 32, 4, 4)),
        keys=((0, 0, 0), (480 * 16, 1, 0)),
        tempi=((480 * 40, 400_000),),
    )
    assert read(spoil.begun_later(source, ticks))[0] == read(spoil.shifted(source, ticks))[0] == read(source)[0]


def test_a_single_tick_does_not_decide_what_is_rounded_up() -> None:
    """Grace notes nearly in the midst between two ticks of the grid go the same way, whatever all notes are late by."""
    source = song(3)
    graces = source.notes[:, 20:40].copy()
    graces[START] += 9
    graces[END], graces[PITCH] = graces[START] + 10, 90
    source = replace(source, notes=np.concatenate([source.notes, graces], 1))
    for ticks in (1, 2, 3):
        assert read(spoil.shifted(source, ticks))[0] == read(source)[0]


def test_bars_of_silence_in_front_are_left_out_and_told() -> None:
    source = replace(song(1), tempi=((0, 500_000), (480 * 8, 400_000)))
    piece, repairs = read(spoil.begun_later(source, 480 * 8))
    assert piece == read(source)[0]
    assert repairs == ["silence of 8 quarter notes in front, whole bars, left out"]
    counted_in = replace(spoil.shifted(song(1), 480 * 5), time_signatures=((0, 1, 4), (480, 4, 4)))
    assert read(counted_in)[0] == read(song(1))[0]


def test_music_that_begins_some_beats_late_stays_unless_its_bars_are_heard_elsewhere() -> None:
    """A pick-up of a beat is one; where all notes are alike, or some a little longer, nobody knows where the bars begin."""
    with_pickup, even = dance((4, 4), (0, 48, 72), 24), dance((4, 4), (0, 24, 48, 72))
    backbeat = dance((4, 4), (0, 12, 24, 48))
    for source in (with_pickup, spoil.shifted(even, 480), spoil.shifted(backbeat, 480 * 3)):
        repairs: list[str] = []
        assert mended(source, repairs) is source and not repairs


def test_changes_move_with_the_notes_that_they_stand_with() -> None:
    source = replace(song(1), tempi=((0, 500_000), (480 * 8 + 40, 400_000)), keys=((480 * 16, 1, 0),))
    piece, _ = read(spoil.shifted(source, 40))
    assert [tempo.onset for tempo in piece.tempi] == [0, 24 * 8] and [key.onset for key in piece.keys] == [24 * 16]


@pytest.mark.parametrize("deviation", [3, 6, 12, 20])
def test_jitter_is_no_performance_and_is_taken_away(deviation: int) -> None:
    rng = np.random.default_rng(0)
    for seed in range(3):
        source, right = spoil.jittered(song(seed), deviation, rng), read(song(seed))[0]
        assert not is_played(source)
        piece, repairs = read(source)
        same = np.isin(piece.onset << 7 | piece.pitch, right.onset << 7 | right.pitch)
        assert same.mean() > 0.97 and (repairs or deviation < 6)


@pytest.mark.parametrize("places", [(0, 3, 6, 12, 15, 18), (0, 4, 8, 12, 16, 20), (0, 8, 12, 16)])
def test_thirty_seconds_and_triplets_outlast_jitter(places: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    onset = (np.arange(40)[:, None] * 24 + np.array(places)).ravel()
    piece = Piece(onset, np.full(len(onset), 3), 60 + np.arange(len(onset)) % 12)
    found, repairs = read(spoil.jittered(source_of(piece.resolution(480)), 6, rng))
    assert np.mean(np.isin(onset << 7 | piece.pitch, found.onset << 7 | found.pitch)) > 0.95 and repairs


def test_swung_eighths_are_triplets() -> None:
    """Eighths off the beat come at .6 of the quarter, and each onset a little beside."""
    rng = np.random.default_rng(0)
    source = song(3)
    notes = source.notes.copy()
    off = notes[START] % 480 == 240
    assert off.sum() > 10
    notes[START, off] += 48
    swung = spoil.jittered(replace(source, notes=notes), 6, rng)
    assert not is_played(swung)
    piece, repairs = read(swung)
    assert "swings" in repairs[0]
    assert set(np.unique(piece.onset % 24).tolist()) == {0, 16}


def test_a_performance_stays_as_it_was_played() -> None:
    rng = np.random.default_rng(0)
    source = song(0)
    onset = np.sort(rng.integers(0, 480 * 60, source.notes.shape[1]))
    notes = np.stack([onset, onset + 200, *source.notes[2:]])
    played = replace(source, notes=notes)
    repairs: list[str] = []
    np.testing.assert_array_equal(mended(played, repairs).notes, notes)
    assert is_played(played) and not repairs


@pytest.mark.parametrize(("metre", "bar"), [((4, 4), 96), ((3, 4), 72), ((6, 8), 72)])
@pytest.mark.parametrize("pickup", [0, 1])
def test_bars_of_one_beat_get_the_length_that_the_music_has(metre: tuple[int, int], bar: int, pickup: int) -> None:
    """A waltz, a march and a jig: a bass note on each bar line and shorter notes where the metre has them."""
    inner = {(4, 4): [0, 24, 48, 60, 72, 84], (3, 4): [0, 24, 36, 48], (6, 8): [0, 12, 24, 36, 48, 60]}[metre]
    strong = {(4, 4): [0], (3, 4): [0], (6, 8): [0, 36]}[metre]
    ends = [*inner[1:], bar]
    onset = np.concatenate([np.array(inner) + bar * n for n in range(16)] + [np.array(strong) + bar * n for n in range(16)])
    long = np.tile(np.diff([*strong, bar]), 16)
    duration = np.concatenate([np.tile(np.array(ends) - inner, 16), long])
    pitch = np.concatenate([np.tile(60 + np.arange(len(inner)), 16), np.full(len(long), 40)])
    piece = Piece(onset + 24 * pickup, duration, pitch, time_signatures=(TimeSignature(0, 1, 4),))
    found, repairs = read(source_of(piece))
    assert found.time_signatures == (TimeSignature(0, *metre),)
    assert set(found.onset[found.pitch == 40] % bar) == set(strong)
    assert "1/4" in repairs[0] and f"{metre[0]}/{metre[1]}" in repairs[0] and ("pick-up" in repairs[0]) == bool(pickup)


@pytest.mark.parametrize("beats", [1, 2])
def test_a_pick_up_of_one_beat_is_no_metre_of_one_beat(beats: int) -> None:
    source = replace(song(0), time_signatures=((0, 1, 4), (480 * beats, 4, 4)))
    repairs: list[str] = []
    assert mended(source, repairs).time_signatures == source.time_signatures and not repairs


def test_notes_without_an_end_get_one_and_long_ones_keep_theirs() -> None:
    source = song(0)
    notes = source.notes.copy()
    notes[PITCH, [5, 7]] = 100, 101
    notes[END, 5] = notes[START, 5] + 480 * 80
    notes[END, 7] = notes[START, 7] + 480 * 38
    piece, repairs = read(replace(source, notes=notes))
    length = np.sort(piece.duration)
    assert length[-1] == 38 * 24 and length[-2] <= 96
    assert repairs[0].startswith("1 note of more than 32 quarter notes cut")
    start = np.arange(20) * 480 * 70
    drone = replace(source, notes=np.array([start, start + 480 * 70, *[np.full(20, 60)] * 2, np.zeros(20, int)]))
    assert read(drone)[0].duration.max() == 70 * 24


def test_the_last_note_of_a_figure_ends_where_the_others_do_and_a_pedal_point_stays() -> None:
    """A figure of eighths whose last note was never ended, until the part plays again ten bars on; a bass held as long."""
    eighths = np.concatenate([np.arange(32), np.arange(112, 144)]) * 240
    ends = eighths + 240
    ends[31] = eighths[32]
    held = np.arange(0, 144, 16) * 240
    held_ends = held + 240 * 16
    held_ends[-2] = held[-2] + 480 * 35
    parts = np.repeat([0, 1], [64, len(held)])
    pitch = np.append(60 + np.arange(64) % 12, np.full(len(held), 36))
    columns = [np.append(eighths, held), np.append(ends, held_ends), pitch, parts + 64, parts]
    source = replace(song(0), notes=np.array(columns), parts=(Part(46), Part(89)))
    piece, repairs = read(source)
    assert repairs == ["1 note of more than 32 quarter notes cut to what is long in the part: its end is lost"]
    assert piece.duration[piece.part == 0].max() == 12
    np.testing.assert_array_equal(np.sort(piece.onset[piece.part == 0]), eighths // 20)
    plain = read(replace(source, notes=np.delete(source.notes, 31, 1)))
    np.testing.assert_array_equal(piece.duration[piece.part == 1], plain[0].duration[plain[0].part == 1])
    assert not plain[1]
    onset = np.random.default_rng(0).integers(0, 480, len(parts)) * np.array([1, 1, 0, 0, 0])[:, None]
    for players, is_cut in (((Part(46), Part(89)), True), ((Part(0), Part(0)), False)):  # what a pianist holds is held
        performance = read(replace(source, notes=source.notes + onset, parts=players))[0]
        assert (performance.duration[performance.part == 0].max() < 900) == is_cut


def test_eight_tempi_stay_and_more_without_sections_become_the_median_one() -> None:
    eight = tuple((480 * i, 500_000 + 1000 * i) for i in range(8))
    assert read(replace(song(0), tempi=eight))[0].tempi == tuple(Tempo(24 * i, 500_000 + 1000 * i) for i in range(8))
    many = (*((480 * i, 300_000 + 40_000 * i) for i in range(9)), (480 * 9, 600_000))
    piece, repairs = read(replace(song(0), tempi=many))
    assert piece.tempi == (Tempo(0, 600_000),)
    assert repairs == ["10 tempi taken as one, 100 quarter notes a minute, the median of its music"]


def ramp(tick: int, first: int, last: int, steps: int = 30) -> list[tuple[int, int]]:
    """An accelerando or a ritardando as a sequencer writes it: tempi a 16th apart, in quarters a minute."""
    return [(tick + 120 * step, round(60e6 / qpm)) for step, qpm in enumerate(np.linspace(first, last, steps))]


def test_tempi_of_sections_stay_and_steps_between_them_go() -> None:
    """A faster middle section; a ritardando at the end; a waver of one tempo; a rubato, which has no section."""
    source = song(0)
    cases = {
        (0, 120, 20, 150, 50, 120): [0, *ramp(480 * 20, 120, 150), *ramp(480 * 50, 150, 120)],
        (0, 120): [0, *ramp(480 * 80, 120, 60, 40)],
        (0, 119): [0, *((480 * beat, round(60e6 / (118 + beat % 4))) for beat in range(90))],
        (0, 80): [0, *((480 * beat, round(60e6 / (60, 80, 100)[beat * beat % 3])) for beat in range(90))],
    }
    for right, tempi in cases.items():
        piece, repairs = read(replace(source, tempi=tuple(t if t else (0, 500_000) for t in tempi)))
        assert len(piece.tempi) == len(right) // 2
        for tempo, quarter, qpm in zip(piece.tempi, right[::2], right[1::2]):
            assert abs(tempo.onset - 24 * quarter) <= 24 * 8 and abs(60e6 / tempo[1] - qpm) < 2
        assert "tempi taken as" in repairs[0]


def test_a_piece_of_many_sections_keeps_the_longest_of_them() -> None:
    lengths = [8, 9, 8, 10, 8, 11, 8, 12, 8, 13, 8]
    starts = np.cumsum([0, *lengths[:-1]]) * 480
    source = replace(song(0), tempi=tuple((int(tick), 500_000 if i % 2 else 300_000) for i, tick in enumerate(starts)))
    assert 2 <= len(read(source)[0].tempi) <= 8


def test_the_verdict_says_it_and_a_store_made_before_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    for seed in range(4):
        midi.write(to_piece(spoil.shifted(song(seed), 40), 480, [])[0], folder / f"{seed}.mid")
        midi.write(to_piece(song(seed + 4), 480, [])[0], folder / f"plain{seed}.mid")
    store = tmp_path / "songs.store"
    monkeypatch.setattr(settings, "READING", 0)
    monkeypatch.setattr(doubts, "FEW_NOTES", 1000)
    before = prepare(folder, store=store)
    assert by_path(before)["0.mid"].repairs == ()
    monkeypatch.undo()
    corpus = prepare(folder, PrepareSettings(), store=store)
    verdicts = by_path(corpus)
    assert "off the beat" in verdicts["0.mid"].repairs[0] and verdicts["plain0.mid"].repairs == ()
    assert corpus.vocabulary.ticks_per_quarter == 24


@pytest.mark.skipif(not FOLK.is_dir(), reason="without the collection")
def test_real_tunes_come_back_from_any_offset_and_stay_without_one() -> None:
    named = spoil.sources_of(FOLK, 40)
    right = [read(source) for _, source in named]
    assert not [words for _, repairs in right for words in repairs if "lost" not in words and "silence" not in words]
    for fraction in (1 / 12, 1 / 4, 0.4, 0.8, 1.9, 6.5):
        equal = [
            read(spoil.shifted(source, round(fraction * source.ticks_per_quarter)))[0] == piece
            for (_, source), (piece, _) in zip(named, right)
        ]
        assert np.mean(equal) >= 0.95
