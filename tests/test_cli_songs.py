"""Changing one part of a song with everything in it, on the command line: all else stays, as mido reads it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import mido
import pytest

from melody.cli import main

FIDDLE = str(Path(__file__).parents[1] / "checkpoints" / "fiddle.safetensors")
BAR = 4 * 480
TUNE = [62, 64, 66, 67, 69, 67, 66, 64, 62, 66, 69, 74, 73, 71, 69, 67]  # eighths


def band(path: Path, *, tune_bars: int = 8, chord_bars: int = 12, metre_change: int | None = None) -> Path:
    """A song by mido: a conductor, a tune with lyrics and bends, piano chords with pedal and markers, drums."""
    file = mido.MidiFile(ticks_per_beat=480)
    conductor = file.add_track("Song")
    conductor += [
        mido.MetaMessage("set_tempo", tempo=500_000),
        mido.MetaMessage("time_signature", numerator=4, denominator=4),
        mido.MetaMessage("key_signature", key="D"),
        mido.MetaMessage("marker", text="Verse", time=2 * BAR),
    ]
    if metre_change is not None:
        conductor.append(mido.MetaMessage("time_signature", numerator=3, denominator=4, time=(metre_change - 2) * BAR))
    tune = file.add_track("Fiddle")
    tune += [mido.Message("program_change", program=40), mido.Message("control_change", control=7, value=100)]
    for number in range(8 * tune_bars):
        pitch = TUNE[number % 16]
        tune += [
            mido.MetaMessage("lyrics", text="la"),
            mido.Message("note_on", note=pitch, velocity=83),
            mido.Message("pitchwheel", pitch=60, time=100),
            mido.Message("note_off", note=pitch, velocity=11, time=140),
        ]
    chords = file.add_track("Piano")
    chords.append(mido.Message("program_change", program=0, channel=1))
    for number in range(chord_bars):
        chords.append(mido.Message("control_change", channel=1, control=64, value=127 * (number % 2)))
        chords += [mido.Message("note_on", note=n, velocity=60, channel=1) for n in (50, 54, 57)]
        chords += [mido.Message("note_off", note=n, channel=1, time=BAR if n == 50 else 0) for n in (50, 54, 57)]
    drums = file.add_track("Drums")
    for _ in range(4 * chord_bars):
        drums += [
            mido.Message("note_on", note=36, velocity=90, channel=9),
            mido.Message("note_off", note=36, channel=9, time=480),
        ]
    file.save(path)
    return path


def events(track: mido.MidiTrack) -> list[tuple[int, mido.Message]]:
    """Each message but the end of the track at its tick."""
    found, now = [], 0
    for message in track:
        now += message.time
        found.append((now, message.copy(time=0)))
    return found[:-1]


def notes(track: mido.MidiTrack) -> list[tuple[int, int]]:
    """(tick, pitch) of each beginning."""
    return [(tick, m.note) for tick, m in events(track) if m.type == "note_on" and m.velocity]


def is_note(message: mido.Message) -> bool:
    return message.type in ("note_on", "note_off")


def written(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.mark.parametrize("part", [[], ["--part", "Fiddle"], ["--part", "1"]], ids=" ".join)
def test_a_song_gone_on_with_keeps_everything_it_had(tmp_path: Path, part: list[str]) -> None:
    song, out = band(tmp_path / "song.mid"), tmp_path / "longer.mid"
    written("continue", FIDDLE, song, "--bars", "4", "--seed", "0", "--out", out, *part)
    before, after = mido.MidiFile(song), mido.MidiFile(out)
    assert (after.type, after.ticks_per_beat, len(after.tracks)) == (before.type, before.ticks_per_beat, len(before.tracks))
    for number in (0, 2, 3):
        assert after.tracks[number] == before.tracks[number]
    old, new = events(before.tracks[1]), events(after.tracks[1])
    texts = [m.text for _, m in new if m.type == "text"]
    assert "model fiddle" in texts[0] and "seed 0" in texts[0] and "bars=4" in texts[0]
    rest = [event for event in new if event[1].type != "text"]
    assert rest[: len(old)] == old
    assert all(is_note(m) and m.velocity in (83, 0, 64) for _, m in rest[len(old) :])
    added = [tick for tick, m in rest[len(old) :] if m.type == "note_on" and m.velocity]
    assert added and min(added) >= 8 * BAR and max(added) < 12 * BAR


def test_limits_are_about_the_new_notes_of_the_part_and_hold_in_the_file(tmp_path: Path) -> None:
    song = band(tmp_path / "song.mid")
    asked = ["--key", "G", "--range", "G4:G5", "--max-leap", "5", "--end-on-tonic", "--grid", "1/8", "--max-polyphony", "1"]
    written("continue", FIDDLE, song, "--bars", "4", "--best-of", "4", "--count", "2", "--out", tmp_path / "out", *asked)
    for path in sorted((tmp_path / "out").glob("*.mid")):
        track = mido.MidiFile(path).tracks[1]
        new = [(tick, pitch) for tick, pitch in notes(track) if tick >= 8 * BAR]
        last_old = [pitch for tick, pitch in notes(track) if tick < 8 * BAR][-1]
        pitches = [pitch for _, pitch in new]
        assert {pitch % 12 for pitch in pitches} <= {7, 9, 11, 0, 2, 4, 6}
        assert min(pitches) >= 67 and max(pitches) <= 79 and pitches[-1] % 12 == 7
        assert all(abs(a - b) <= 5 for a, b in pairwise([last_old, *pitches]))
        assert all(tick % 240 == 0 for tick, _ in new)
        assert [(tick, m.key) for tick, m in events(track) if m.type == "key_signature"] == [(8 * BAR, "G")]
    assert len(list((tmp_path / "out").glob("*.mid"))) == 2


def test_a_beam_a_sound_and_a_page_go_with_a_song_too(tmp_path: Path) -> None:
    song, out = band(tmp_path / "song.mid", tune_bars=2, chord_bars=3), tmp_path / "longer.mid"
    written("continue", FIDDLE, song, "--bars", "1", "--beam", "2", "--wav", "--html", "--out", out)
    assert mido.MidiFile(out).tracks[2] == mido.MidiFile(song).tracks[2]
    assert out.with_suffix(".wav").stat().st_size > 10_000 and "<audio" in out.with_suffix(".html").read_text()


def test_some_bars_or_only_the_new_ones_are_a_file_of_their_own(tmp_path: Path) -> None:
    song = band(tmp_path / "song.mid")
    written("continue", FIDDLE, song, "--only-new", "--bars", "2", "--out", tmp_path / "new.mid")
    written("continue", FIDDLE, song, "--prompt-bars", "1-2", "--part", "Fiddle", "--bars", "2", "--out", tmp_path / "s.mid")
    new, some = (mido.MidiFile(tmp_path / name) for name in ("new.mid", "s.mid"))
    assert max(tick for track in new.tracks for tick, _ in notes(track)) < 2 * BAR
    assert [pitch for track in some.tracks for _, pitch in notes(track)][:16] == TUNE
    assert all(m.type != "lyrics" for track in some.tracks for m in track)


def test_a_song_that_changes_its_metre_later_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    song = band(tmp_path / "song.mid", metre_change=10)
    assert main(["continue", FIDDLE, str(song), "--out", str(tmp_path / "no.mid")]) == 2
    assert "changes its metre in bar 11" in capsys.readouterr().err
    assert not (tmp_path / "no.mid").exists()
    written("continue", FIDDLE, song, "--bars", "2", "--out", tmp_path / "before-it.mid")


def test_bars_varied_in_a_song_leave_all_else(tmp_path: Path) -> None:
    song, out = band(tmp_path / "song.mid"), tmp_path / "varied.mid"
    ways = ["--candidates", "8", "--rounds", "0", "--min-p", "0.02", "--pitch-temperature", "1.1"]
    written("vary", FIDDLE, song, "--bars", "3-4", "--out", out, "--wav", *ways)
    before, after = mido.MidiFile(song), mido.MidiFile(out)
    assert [after.tracks[n] == before.tracks[n] for n in (0, 2, 3)] == [True] * 3
    old, new = events(before.tracks[1]), events(after.tracks[1])
    (told,) = (m.text for _, m in new if m.type == "text")
    assert "model fiddle" in told and "bars 3-4 rewritten" in told
    assert [e for e in new if not is_note(e[1]) and e[1].type != "text"] == [e for e in old if not is_note(e[1])]
    outside = [[e for e in es if is_note(e[1]) and not 2 * BAR <= e[0] <= 4 * BAR] for es in (old, new)]
    assert outside[0] == outside[1] and out.with_suffix(".wav").exists()


def test_time_that_limits_leave_empty_is_not_filled_with_changes_of_key_nor_counted_as_notes(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """One note a bar of 13/8 is most unlikely; but the file has one key, and the nats told are those of the notes."""
    asked = ["--metre", "13/8", "--density", "1", "--bars", "2", "--count", "4", "--best-of", "4"]
    written("generate", FIDDLE, "--out", tmp_path / "sparse", *asked)
    for path in (tmp_path / "sparse").glob("*.mid"):
        changes = [m for track in mido.MidiFile(path).tracks for m in track if m.type == "key_signature"]
        assert len(changes) <= 1
    nats = [float(line.split(" nats a note")[0].split()[-1]) for line in capsys.readouterr().err.splitlines()[1:]]
    assert len(nats) == 4 and all(0 < each < 60 for each in nats)
