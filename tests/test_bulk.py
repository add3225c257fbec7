"""The fast twins of `melody.corpus.bulk` and the readable ones agree on every file."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import symusic
from midi_hex import END, file, track

from melody import midi
from melody.corpus import bulk
from melody.corpus.bulk import columns, parsing, states
from melody.corpus.bulk.glance import MOST_TRACKS
from melody.corpus.bulk.readable import events_of_each, parse_each
from melody.corpus.bulk.states import NOTE as RECORD_OF_NOTE
from melody.corpus.bulk.states import PackedSource, packed
from melody.corpus.read.doubts import of_source
from melody.corpus.read.two_hands import in_two_hands
from melody.errors import MidiError
from melody.midi.file_events import Source
from melody.piece import Part

SCRIPTS = Path(__file__).parents[1] / "scripts"
NOTE = "00 90 3C 40 18 80 3C 00"
LONG_TEXT = "00 FF 01 81 00" + "41" * 128  # its length takes two bytes

# What is plain, and is found without looking at a file alone.
PLAIN = {
    "a note": file(track(NOTE, END)),
    "running status": file(track("00 90 3C 40 18 3C 00", END)),
    "two tracks": file(track("00 FF 51 03 07 A1 20", END), track(NOTE, END)),
    "names": file(track("00 FF 03 02 41 42 00 FF 01 01 43", END), track("00 FF 03 01 44", NOTE, END)),
    "an empty name before another": file(track("00 FF 03 00 00 FF 03 01 41", NOTE, END)),
    "a text later": file(track(NOTE, "00 FF 01 01 41", END)),
    "F major": file(track("00 FF 59 02 FF 00", NOTE, END)),
    "a tempo with F0 and FF in it": file(track("00 FF 51 03 07 F0 01", NOTE, "00 FF 51 03 07 01 FF", END)),
    "programs": file(track("00 C0 05", NOTE, "00 C0 06 81 00 90 3C 40 18 80 3C 00", END)),
    "a program before a name": file(track("00 C0 05 00 FF 03 01 41", NOTE, END)),
    "pressure": file(track("00 D0 7F", NOTE, END)),
    "controllers and bends": file(track("00 B0 07 64 00 E0 00 40", NOTE, END)),
    "a pedal": file(track("00 B0 40 7F 06 B0 40 00 00 B0 40 7F 0C B0 40 00", NOTE, END)),
    "half-pedalling": file(track("00 B0 40 7F 06 B0 40 50 00 B0 40 50 0C B0 40 00", NOTE, END)),
    "a pedal that is never let go": file(track("00 B0 40 7F", NOTE, END), track("0C B0 79 00", NOTE, END)),
    "pedals of two pianos": file(track("00 B0 40 7F 06 B0 79 00", NOTE, END), track("03 B0 40 7F 09 B0 40 00", NOTE, END)),
    "a pedal of strings": file(track("00 C0 30 00 B0 40 7F 0C B0 40 00", NOTE, END)),
    "exclusive": file(track("00 F0 05 7E 7F 09 01 F7", NOTE, END)),
    "a sequence number": file(track("00 FF 00 02 00 01", NOTE, END)),
    "a long pause": file(track("BF 7F 90 3C 40 81 48 80 3C 00", END)),
    "a metre of another byte": file(track("00 FF 58 04 03 03 18 08", NOTE, END)),
}
# What has to be looked at alone, and why is in its name.
ODD = {
    "no note": file(track(END)),
    "empty": b"",
    "cut short": file(track(NOTE, END))[:-5],
    "more behind": file(track(NOTE, END)) + b"\0",
    "a lie about tracks": file(track(NOTE, END), count=2),
    "a lie about length": file(track(NOTE, END, length=500)),
    "format 2": file(track(NOTE, END), form=2),
    "SMPTE": file(track(NOTE, END), division=-7000 & 0xFFFF),
    "an end twice": file(track(NOTE, END, END)),
    "no end": file(track(NOTE)),
    "a note that never ends": file(track("00 90 3C 40", END)),
    "polyphonic pressure": file(track("00 A0 3C 40", NOTE, END)),
    "a name in Latin-1": file(track("00 FF 03 01 E9", NOTE, END)),
    "a name in UTF-8": file(track("00 FF 03 02 C3 A9", NOTE, END)),
    "lyrics": file(track("00 90 3C 40 00 FF 05 02 6C 61 18 80 3C 00", END)),
    "a text with a length of two bytes": file(track(LONG_TEXT, NOTE, END)),
    "an exclusive event without an end": file(track("00 F0 03 7E 7F 09", NOTE, END)),
    "FF in a delta time": file(track("00 90 3C 40 FF 7F 80 3C 00", END)),
    "F0 in a delta time": file(track("00 90 3C 40 F0 01 80 3C 00", END)),
    "a tempo of two bytes": file(track("00 FF 51 02 07 A1", NOTE, END)),
    "an unknown meta event": file(track("00 FF 60 01 00", NOTE, END)),
    "no delta time before a name": file(track("FF 03 01 41", NOTE, END)),
    "many tracks": file(*[track(NOTE, END)] * (MOST_TRACKS + 1)),
    "text": b"MThd is not enough",
    "other text": b"hello",
}


@pytest.fixture(scope="module")
def fuzz():
    """The script that mutates files."""
    spec = importlib.util.spec_from_file_location("fuzz_midi", SCRIPTS / "fuzz_midi.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_plain_files_are_found_together():
    whole = parsing._whole_together(list(PLAIN.values()), midi.ReadLimits())
    assert [name for name, source in zip(PLAIN, whole) if source is None] == []
    whole = parsing._whole_together(list(ODD.values()), midi.ReadLimits())
    assert [name for name, source in zip(ODD, whole) if source is not None] == []


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_beside_a_file_changes_nothing(fuzz, seed):
    files = [*PLAIN.values(), *ODD.values()] * 3
    files = [files[i] for i in np.random.default_rng(seed).permutation(len(files))]
    assert fuzz.differing(files, midi.ReadLimits()) == []


def test_where_symusic_writes_itself_in_another_way_each_is_looked_at_alone(fuzz, monkeypatch):
    monkeypatch.setattr(states, "layout_is_known", lambda: False)
    monkeypatch.setattr(parsing, "_whole_together", None)
    assert fuzz.differing(list(PLAIN.values()), midi.ReadLimits()) == []


def test_damaged_files_are_told_as_they_are_alone(fuzz):
    seeds = [*fuzz.own_files(np.random.default_rng(5), 12), *PLAIN.values()]
    files = [fuzz.case(seeds, 5, number) for number in range(400)] + seeds
    assert fuzz.differing(files, midi.ReadLimits()) == []


@pytest.mark.parametrize(
    "limit",
    [{"max_bytes": 40}, {"max_notes": 1}, {"max_tracks": 1}, {"max_changes": 1}, {"max_quarters": 1}, {"max_hours": 1e-4}],
)
def test_limits_hold_for_files_read_together(fuzz, limit):
    """Two notes, two tracks, two tempi, two quarters of 12 seconds: each file is over a limit."""
    two = file(track("00 FF 51 03 B7 1B 00 00 FF 51 03 B7 1B 00", NOTE, END), track("18 90 3C 40 18 80 3C 00", END))
    limits = midi.ReadLimits(**limit)
    assert all("the limit is" in str(found) for found in bulk.parse_many([two] * 20, limits))
    assert fuzz.differing([two, *PLAIN.values()] * 2, limits) == []


def test_long_and_few_files_are_looked_at_alone(fuzz, monkeypatch):
    monkeypatch.setattr(parsing, "LONG", 60)
    monkeypatch.setattr(parsing, "RUN", 300)
    assert fuzz.differing(list(PLAIN.values()) * 4, midi.ReadLimits()) == []
    assert [len(run) for run in parsing._runs([b"1" * 59] * 33 + [b"1" * 60])] == [6] * 5
    assert bulk.parse_many([]) == []


def test_a_score_as_it_is_pickled_is_what_its_lists_say() -> None:
    """Tracks with and without notes, names, controllers, bends, pedals, lyrics; markers; any number of changes."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        score = symusic.Score(int(rng.integers(1, 30000)))
        for number in range(rng.integers(0, 5)):
            drums, name = bool(rng.random() < 0.3), "né" * int(rng.integers(3))
            track = symusic.Track(name=name, program=int(rng.integers(128)), is_drum=drums)
            for tick in range(rng.integers(0, 9)):
                track.notes.append(symusic.Note(tick, int(rng.integers(1, 2**30)), int(rng.integers(128)), 1 + number))
            for some, event in (
                (track.controls, symusic.ControlChange(5, 64, 127)),
                (track.pitch_bends, symusic.PitchBend(6, -8192)),
                (track.pedals, symusic.Pedal(1, 2)),
                (track.lyrics, symusic.TextMeta(7, "la" * number)),
            ):
                for _ in range(rng.integers(0, 3)):
                    some.append(event)
            score.tracks.append(track)
        for tick in range(rng.integers(0, 4)):
            score.time_signatures.append(symusic.TimeSignature(tick, 7, 8))
            score.tempos.append(symusic.Tempo(tick, 100 + tick))
            score.key_signatures.append(symusic.KeySignature(tick, tick - 7, tick % 2))
            score.markers.append(symusic.TextMeta(tick, "A"))
        one, other = states.of_state(score.__getstate__()), states._of_lists(score)
        held = [np.frombuffer(found.records, states.NOTE).tolist() for found in (one, other)]
        turned = [[np.frombuffer(rows, states.CONTROL).tolist() for rows in found.controls] for found in (one, other)]
        assert held[0] == held[1] and turned[0] == turned[1]
        one, other = (found._replace(records=b"", controls=()) for found in (one, other))
        assert one == other


# Reading together = reading one by one


def random_source(rng: np.random.Generator) -> Source:
    """Anything a file may say: overlaps, empty notes, signatures in mid-bar, several parts of one instrument."""
    notes, parts = int(rng.integers(1, 40)), int(rng.integers(1, 4))
    grid = int(rng.choice([24, 96, 120, 480]))
    exact = rng.random() < 0.6
    start = np.sort(rng.integers(0, 400, notes)) * (grid // 24 if exact else 1)
    length = rng.integers(0 if rng.random() < 0.2 else 1, 30, notes) * (grid // 24 if exact else 1)
    pitch = rng.integers(40, 44 if rng.random() < 0.3 else 90, notes)
    columns = np.stack([start, start + length, pitch, rng.integers(1, 128, notes), rng.integers(0, parts, notes)])
    columns[4, :parts] = np.arange(parts)[:notes]
    parts = int(columns[4].max()) + 1
    ticks = [0, int(rng.integers(0, 5)) * grid, int(rng.integers(0, 1000))]
    return Source(
        ticks_per_quarter=grid,
        notes=columns[:, np.argsort(columns[4], kind="stable")].astype(np.int64),
        parts=[Part(int(rng.integers(0, 2)), bool(rng.random() < 0.2)) for _ in range(parts)],
        time_signatures=[(t, int(rng.integers(1, 8)), int(rng.choice([3, 4, 8]))) for t in ticks[: rng.integers(0, 4)]],
        tempi=[(t, int(rng.choice([0, 400_000, 500_000]))) for t in ticks[: rng.integers(0, 4)]],
        keys=[(t, int(rng.integers(-9, 8)), int(rng.integers(0, 2))) for t in ticks[: rng.integers(0, 3)]],
    )


def is_odd(source: Source) -> bool:
    """Whether a source has to be looked at closely, by the functions that look at one."""
    return of_source(source) or in_two_hands(source, []) is not source


def differing_events(sources: list[Source], ticks_per_quarter: int) -> tuple[list[int], int]:
    """Which sources `bulk.read_together` makes other events of than its readable twin; and how many go the fast way."""
    together, words = bulk.read_together([bulk.packed(source) for source in sources], ticks_per_quarter)
    wrong, place = [], 0
    for number, (slow, repairs) in enumerate(zip(events_of_each(sources, ticks_per_quarter), words)):
        if repairs is None:  # goes the careful way: only what has to be repaired, refused or looked at closely does
            wrong += [] if isinstance(slow, MidiError) or slow[1] or is_odd(sources[number]) else [number]
            continue
        wrong += [number] if is_odd(sources[number]) else []
        fast = together.choose([place]).columns
        place += 1
        if isinstance(slow, MidiError) or slow[1] != repairs or not all(map(np.array_equal, slow[0].columns, fast)):
            wrong.append(number)
    assert place == len(together)
    return wrong, place


@pytest.mark.parametrize("grid", [24, 96])
def test_notes_of_many_files_become_the_events_of_each(grid: int) -> None:
    rng = np.random.default_rng(0)
    wrong, fast = differing_events([random_source(rng) for _ in range(200)], grid)
    assert not wrong and fast > 25


def test_damaged_and_strange_files_become_the_events_of_each(fuzz) -> None:
    """From the bytes to the events: whatever either way reads, both read."""
    seeds = [*fuzz.own_files(np.random.default_rng(7), 12), *PLAIN.values()]
    files = [*seeds, *ODD.values(), *[fuzz.case(seeds, 7, number) for number in range(200)]]
    found = [one[0] for one in parse_each(files) if not isinstance(one, MidiError)]
    packable = [source for source in found if bulk.packed(source) is not None]
    wrong, fast = differing_events(packable, 24)
    assert not wrong and fast > 50


@pytest.mark.parametrize("bits", [3, 12, 20, 31])
def test_rows_are_sorted_by_all_columns_and_equals_stay_in_order(bits):
    """Three columns of 31 bits are more than one number of 64 holds."""
    rng = np.random.default_rng(bits)
    for size in (1, 2, 1000):
        numbers = rng.integers(0, 2**bits, (3, size)).astype(np.int32)
        assert columns._order(*[(c, 2**bits) for c in numbers]).tolist() == np.lexsort(numbers[::-1]).tolist()


def test_a_file_out_of_range_changes_nothing_of_those_beside_it():
    """Its notes begin before 0, as ticks beyond 32 bits come to lie, or end after the last tick that a piece has."""
    rng = np.random.default_rng(3)
    plain = [packed(random_source(rng)) for _ in range(12)]
    alone, told = bulk.read_together(plain, 24)
    notes = np.zeros(1, RECORD_OF_NOTE)
    notes["velocity"] = 64
    for start, duration, grid in ((-5000, 100, 24), (-50_000, 9000, 24_000), (2**31 - 10, 2**31 - 1, 24)):
        notes["time"], notes["duration"] = start, duration
        wrong = PackedSource(grid, 0, notes.tobytes(), [1], [Part()])
        together, words = bulk.read_together([*plain[:5], wrong, *plain[5:]], 24)
        assert words == [*told[:5], None, *told[5:]]
        for one, other in zip(together.columns, alone.columns):
            np.testing.assert_array_equal(one, other)
