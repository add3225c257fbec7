"""Files read together say what each says alone."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from midi_hex import END, file, track

from melody import midi
from melody.midi import packed, reading
from melody.midi.glance import MOST_TRACKS

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
    whole = reading._whole_together(list(PLAIN.values()), midi.ReadLimits())
    assert [name for name, source in zip(PLAIN, whole) if source is None] == []
    whole = reading._whole_together(list(ODD.values()), midi.ReadLimits())
    assert [name for name, source in zip(ODD, whole) if source is not None] == []


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_beside_a_file_changes_nothing(fuzz, seed):
    files = [*PLAIN.values(), *ODD.values()] * 3
    files = [files[i] for i in np.random.default_rng(seed).permutation(len(files))]
    assert fuzz.differing(files, midi.ReadLimits()) == []


def test_where_symusic_writes_itself_in_another_way_each_is_looked_at_alone(fuzz, monkeypatch):
    monkeypatch.setattr(packed, "layout_is_known", lambda: False)
    monkeypatch.setattr(reading, "_whole_together", None)
    assert fuzz.differing(list(PLAIN.values()), midi.ReadLimits()) == []


def test_damaged_files_are_told_as_they_are_alone(fuzz):
    seeds = [*fuzz.own_files(np.random.default_rng(5), 12), *PLAIN.values()]
    files = [fuzz.case(seeds, 5, number) for number in range(1500)] + seeds
    assert fuzz.differing(files, midi.ReadLimits()) == []


@pytest.mark.parametrize(
    "limit",
    [{"max_bytes": 40}, {"max_notes": 1}, {"max_tracks": 1}, {"max_changes": 1}, {"max_quarters": 1}, {"max_hours": 1e-4}],
)
def test_limits_hold_for_files_read_together(fuzz, limit):
    """Two notes, two tracks, two tempi, two quarters of 12 seconds: each file is over a limit."""
    two = file(track("00 FF 51 03 B7 1B 00 00 FF 51 03 B7 1B 00", NOTE, END), track("18 90 3C 40 18 80 3C 00", END))
    limits = midi.ReadLimits(**limit)
    assert all("the limit is" in str(found) for found in midi.skim_together([two] * 20, limits))
    assert fuzz.differing([two, *PLAIN.values()] * 2, limits) == []


def test_long_and_few_files_are_looked_at_alone(fuzz, monkeypatch):
    monkeypatch.setattr(reading, "LONG", 60)
    monkeypatch.setattr(reading, "RUN", 300)
    assert fuzz.differing(list(PLAIN.values()) * 4, midi.ReadLimits()) == []
    assert [len(run) for run in reading._runs([b"1" * 59] * 33 + [b"1" * 60])] == [6] * 5
    assert midi.skim_together([]) == []
