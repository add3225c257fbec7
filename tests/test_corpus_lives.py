"""Whatever one file brings, the folder that it lies in can be used: prepared, prepared again, opened."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from midi_hex import END, file, track
from tunes import by_path, tune

from melody import midi
from melody.corpus import Corpus, PrepareSettings, prepare
from melody.tokens.vocabulary import Vocabulary

PLAIN = ("0.mid", "1.mid", "2.mid")


def varlen(number: int) -> str:
    """A delta time in hex."""
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits)).hex()


def metre(delta: int, numerator: int, power: int) -> str:
    return f"{varlen(delta)} FF 58 04 {numerator:02X} {power:02X} 18 08"


def note(delta: int, pitch: int, length: int) -> str:
    return f"{varlen(delta)} 90 {pitch:02X} 40 {varlen(length)} 80 {pitch:02X} 40"


@st.composite
def strange_files(draw: st.DrawFn) -> bytes:
    """Any grid, metres of any size at any place, tempi and keys that may be none, notes of any length between them."""
    times = st.one_of(st.integers(0, 60), st.integers(0, 2**21), st.integers(2**27, 2**28 - 1))
    events = st.one_of(
        st.builds(metre, times, st.integers(0, 255), st.one_of(st.integers(0, 7), st.integers(0, 255))),
        st.builds(lambda t, speed: f"{varlen(t)} FF 51 03 {speed:06X}", times, st.integers(0, 2**24 - 1)),
        st.builds(lambda t, f, m: f"{varlen(t)} FF 59 02 {f:02X} {m:02X}", times, st.integers(0, 255), st.integers(0, 3)),
        st.builds(note, times, st.integers(0, 127), times),
    )
    body = draw(st.lists(events, max_size=12)) + [note(1, 40 + i, 1 + i) for i in range(16)]
    division = draw(st.sampled_from([1, 7, 24, 96, 100, 480, 960, 32767]))
    return file(track(*draw(st.permutations(body)), END), division=division)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    for seed, name in enumerate(PLAIN):
        midi.write(tune(seed, 20, chords=False), folder / name)
    return folder


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strange_files(), grid=st.sampled_from(["auto", 1, 5, 24, 100, 480, 960]))
def test_whatever_one_file_brings_the_folder_lives(plain, data, grid):
    (plain / "strange.mid").write_bytes(data)
    corpus = prepare(plain, PrepareSettings(ticks_per_quarter=grid))
    assert [v.path for v in corpus.verdicts if v.status != "rejected"][:3] == list(PLAIN)
    kept = {name: rows for side in ("train", "valid", "test") for name, rows in zip(corpus.names(side), corpus.rows(side))}
    assert all(corpus.vocabulary.decode(rows).num_notes == 20 for name, rows in kept.items() if name in PLAIN)
    assert Vocabulary.from_dict(corpus.vocabulary.to_dict()) == corpus.vocabulary


def test_a_grid_finer_than_24_keeps_its_metres(plain):
    """25/64 is 750 ticks of 480 to the quarter, and no whole number of 24."""
    notes = [note(7 * i % 50, 60 + i, 31) for i in range(20)]
    (plain / "strange.mid").write_bytes(file(track(metre(0, 25, 6), *notes, END), division=480))
    corpus = prepare(plain, PrepareSettings(ticks_per_quarter=480))
    assert by_path(corpus)["strange.mid"].status == "kept" and (25, 64) in corpus.vocabulary.time_signatures


def test_many_durations_beside_a_very_long_one(plain):
    """A thousand durations, one after the other and each as long as the longest, are more ticks than a piece can have."""
    alone = note(0, 60, 9_000_000).replace(" 90 ", " 91 ").replace(" 80 ", " 81 ")  # in another part its end would be lost
    notes = [note(0, 60 + i % 9, 1 + i) for i in range(1000)] + [alone]
    chord = note(0, 40, 5) + "00 90 41 40 00 90 42 40 05 80 41 40 00 80 42 40"  # polyphony: durations are encoded
    fast = "00 FF 51 03 000400"  # the limit on hours is not what is tried here
    (plain / "strange.mid").write_bytes(file(track(fast, chord, *notes, END), division=24))
    corpus = prepare(plain, PrepareSettings(ticks_per_quarter=960))
    assert max(corpus.vocabulary.durations) > 1e8


def test_a_second_run_takes_what_cannot_be_read_as_it_is(plain, tmp_path):
    (plain / "strange.mid").unlink(missing_ok=True)
    for seed in range(3):
        midi.write(tune(seed), tmp_path / f"{seed}.mid")
    (tmp_path / "large.mid").write_bytes(bytes(9_000_000))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mid")
        (tmp_path / "gone.mid").symlink_to(tmp_path / "nothing")
    store = tmp_path / "a.store"
    first = prepare(tmp_path, store=store)
    bytes_of_first = store.read_bytes()
    again = prepare(tmp_path, store=store)
    assert tuple(again.verdicts) == tuple(first.verdicts) and store.read_bytes() == bytes_of_first
    midi.write(tune(4), tmp_path / "4.mid")
    changed = by_path(prepare(tmp_path, store=store))
    assert changed["large.mid"].cause == "over a limit" and changed["4.mid"].status == "kept"


def test_another_reason_not_to_be_read_is_seen(tmp_path):
    for seed in range(3):
        midi.write(tune(seed), tmp_path / f"{seed}.mid")
    (tmp_path / "odd.mid").write_bytes(bytes(9_000_000))
    prepare(tmp_path, store=tmp_path / "a.store")
    (tmp_path / "odd.mid").unlink()
    (tmp_path / "odd.mid").symlink_to(tmp_path / "nothing")
    prepare(tmp_path, store=tmp_path / "a.store")
    assert "is not there" in by_path(Corpus.open(tmp_path / "a.store"))["odd.mid"].reason
