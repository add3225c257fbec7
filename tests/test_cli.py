"""The commands as a user types them, each in a process of its own: real files in and out, one line for every error."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import mido
import pytest
from commands import melody, ran
from music import folk_tune

from melody import __version__, midi
from melody.cli import main
from melody.score import collections


def legal(path: Path) -> int:
    """Check a file with another library: every note has its end, lasts, and is in range; gives the number of notes."""
    notes = 0
    for track in mido.MidiFile(path).tracks:
        sounding: dict[tuple[int, int], int] = {}
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                assert (message.channel, message.note) not in sounding
                sounding[message.channel, message.note] = now
                notes += 1
            elif message.type in ("note_off", "note_on"):
                assert sounding.pop((message.channel, message.note)) < now
        assert not sounding
    return notes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: tunes, one in a subfolder, and what else lies about."""
    folder = tmp_path_factory.mktemp("songs")
    (folder / "more").mkdir()
    for n in range(24):
        midi.write(folk_tune(n), folder / ("more" if n == 3 else ".") / f"tune{n}.MID")
    (folder / "empty.mid").write_bytes(b"")
    (folder / "page.mid").write_text("<!DOCTYPE html><html></html>")
    (folder / "picture.mid").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (folder / "cut.mid").write_bytes((folder / "tune0.MID").read_bytes()[:50])
    (folder / "notes.txt").write_text("not music")
    return folder


def test_train_generate_continue(folder: Path, tmp_path: Path) -> None:
    """The three things people come for."""
    done = melody("train", folder, "--epochs", 2, "--out", "m.safetensors", cwd=tmp_path)
    assert done.stdout.strip() == "m.safetensors"
    for told in ("24", "nats per note", "unigram", "n-gram", "epoch", "minutes."):
        assert told in done.stderr
    files = melody("generate", "m.safetensors", "--count", 3, "--bars", 4, cwd=tmp_path).stdout.split()
    assert len(files) == 3 and all(legal(tmp_path / f) > 0 for f in files)
    prompt = folder / "tune1.MID"
    (longer,) = melody("continue", "m.safetensors", prompt, "--bars", 4, "--out", "longer.mid", cwd=tmp_path).stdout.split()
    assert legal(tmp_path / longer) > legal(prompt)
    written, given = midi.read(tmp_path / longer), midi.read(prompt)
    assert written.pitch[: given.num_notes].tolist() == given.pitch.tolist()


def test_a_folder_is_judged_and_a_store_is_trained_on(folder: Path, tmp_path: Path) -> None:
    done = melody("prepare", folder, "--out", "songs.store", "--report", "songs.json", cwd=tmp_path)
    assert done.stdout.split() == ["songs.store", "songs.json"]
    verdicts = {v["path"]: v for v in json.loads((tmp_path / "songs.json").read_text())}
    assert verdicts["more/tune3.MID"]["status"] == "kept"
    assert {name for name, v in verdicts.items() if v["status"] == "rejected"} >= {"empty.mid", "page.mid", "picture.mid"}
    assert all(v["reason"] for v in verdicts.values() if v["status"] == "rejected")
    assert "begins with" in melody("prepare", "--explain", folder / "page.mid", cwd=tmp_path).stdout
    melody("train", "songs.store", "--epochs", 1, "--out", "m.safetensors", cwd=tmp_path)
    melody("prepare", cwd=tmp_path, expect=2)
    melody("prepare", "nowhere", cwd=tmp_path, expect=2)
    assert "is not there; name a file" in melody("prepare", "--explain", "nowhere.mid", cwd=tmp_path, expect=2).stderr


def test_generate_writes_sound_roll_and_page(trained: Path, tmp_path: Path) -> None:
    done = melody("generate", trained, "--count", 2, "--bars", 2, "--wav", "--png", "--html", "--out", "new", cwd=tmp_path)
    suffixes = [Path(line).suffix for line in done.stdout.split()]
    assert suffixes == [".mid", ".wav", ".png", ".mid", ".wav", ".png", ".html", ".html"]
    *_, shown, listed = (tmp_path / line for line in done.stdout.split())
    page = shown.read_text()
    assert page.count("<audio") >= 2 and "rules" in page and "seed" in page
    assert listed.name == "index.html" and shown.name in listed.read_text()


def test_render_plot_and_score(tmp_path: Path) -> None:
    midi.write(folk_tune(0), tmp_path / "tune.mid")
    for command, suffix in (("render", ".wav"), ("plot", ".png"), ("score", ".pdf")):
        (path,) = melody(command, "tune.mid", cwd=tmp_path).stdout.split()
        assert path == f"tune{suffix}" and (tmp_path / path).stat().st_size > 1000
    melody("score", "tune.mid", "--out", "tune.abc", cwd=tmp_path)
    melody("plot", ".", "--out", "sheet.svg", cwd=tmp_path)
    assert "<svg" in (tmp_path / "sheet.svg").read_text()[:500]


def test_a_score_can_be_the_prompt_and_only_some_of_its_bars(trained: Path, tmp_path: Path) -> None:
    midi.write(folk_tune(50), tmp_path / "tune.mid")
    melody("score", "tune.mid", "--out", "tune.abc", cwd=tmp_path)
    melody("continue", trained, "tune.abc", "--prompt-bars", "1-2", "--bars", 2, "--out", "out.mid", cwd=tmp_path)
    made = midi.read(tmp_path / "out.mid")
    assert made.num_bars == 4
    assert made.pitch[:12].tolist() == folk_tune(50).pitch[:12].tolist()


def test_the_same_seed_writes_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    for out in ("a.mid", "b.mid"):
        melody("generate", trained, "--seed", 5, "--out", out, cwd=tmp_path)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_collections_are_listed_and_unknown_ones_refused(tmp_path: Path) -> None:
    listed = melody("corpus", cwd=tmp_path).stdout
    assert all(name in listed for name in ("ryans", "oneills", "airds", "fiddle", "chorales", "4,248"))
    melody("corpus", "essen", cwd=tmp_path, expect=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "nowhere"),
        ("train", "empty"),
        ("train", "songs", "--max-minutes", "-1"),
        ("train", "songs", "--resume", "--out", "new.safetensors"),
        ("generate", "no-such-model"),
        ("generate", "tune.mid"),
        ("generate", "MODEL", "--temperature", "-1"),
        ("generate", "MODEL", "--temperature", "nan"),
        ("generate", "MODEL", "--top-k", "0"),
        ("generate", "MODEL", "--top-p", "2"),
        ("generate", "MODEL", "--bars", "0"),
        ("generate", "MODEL", "--bars", "10000000"),
        ("generate", "MODEL", "--count", "0"),
        ("generate", "MODEL", "--count", "2", "--out", "one.mid"),
        ("generate", "MODEL", "--out", "tune.wav"),
        ("generate", "MODEL", "--colour", "red"),
        ("generate",),
        ("continue", "MODEL", "nothing.mid"),
        ("continue", "MODEL", "page.mid"),
        ("continue", "MODEL", "tune.mid", "--prompt-bars", "8-2"),
        ("continue", "MODEL", "tune.mid", "--prompt-bars", "x"),
        ("continue", "MODEL", "march.mid"),
        ("render", "page.mid"),
        ("render", "tune.mid", "--soundfont", "page.mid"),
        ("plot", "empty"),
        ("plot", "tune.mid", "--out", "tune.bmp"),
        ("plot", "tune.mid", "--out", "nowhere/tune.png"),
        ("render", "tune.mid", "--out", "nowhere/tune.wav"),
        ("score", "tune.mid", "--out", "nowhere/tune.svg"),
        ("generate", "MODEL", "--out", "nowhere/tune.mid"),
        ("score", "tune.mid", "--out", "tune.doc"),
        ("frobnicate",),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_and_exit_code_2(trained: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "songs").mkdir()
    (tmp_path / "page.mid").write_text("<!DOCTYPE html>")
    midi.write(folk_tune(0), tmp_path / "tune.mid")
    midi.write(folk_tune(0), tmp_path / "songs" / "tune.mid")
    from melody.piece import Piece

    midi.write(Piece([0], [24], [60]), tmp_path / "march.mid")
    before = sorted(tmp_path.rglob("*"))
    melody(*(str(trained) if a == "MODEL" else a for a in arguments), cwd=tmp_path, expect=2)
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written


def test_a_target_that_cannot_be_written_is_told(trained: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    done = melody("generate", trained, "--out", blocked / "tunes", cwd=tmp_path, expect=2)
    assert "cannot make the folder" in done.stderr
    assert blocked.read_text() == "in the way"


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot limit the size of files to stand for a full disk")
def test_a_full_disk_in_training_is_told_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from melody.cli import main\n"
        f"sys.exit(main(['train', {str(folder)!r}, '--epochs', '1', '--out', 'm.safetensors']))"
    )
    done = ran(code, cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot write" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("vary", "fiddle"), "melody: Missing argument 'TUNE'. (see melody vary --help)"),
        (("plot", "--size", "3"), "(see melody plot --help)"),
        (("generat",), "(see melody --help)"),
    ],
)
def test_what_the_parser_refuses_names_the_help_to_read(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    (line,) = melody(*arguments, cwd=tmp_path, expect=2).stderr.splitlines()
    assert line.endswith(told)


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    assert "continue" in melody("--help", cwd=tmp_path).stdout
    assert melody("--version", cwd=tmp_path).stdout == f"melody {__version__}\n"
    for command in ("corpus", "prepare", "train", "generate", "continue", "render", "plot", "score"):
        assert f"melody {command}" in melody(command, "--help", cwd=tmp_path).stdout


def test_python_in_five_lines(folder: Path, tmp_path: Path) -> None:
    """The README's lines."""
    code = (
        "import melody\n"
        f"model = melody.train({str(folder)!r}, out='m.safetensors', minutes=0.02)\n"
        "tune = model.generate(bars=4, seed=1)\n"
        "longer = model.continue_(tune, bars=4)\n"
        "longer.write('longer.mid')\n"
        "assert melody.load('m.safetensors').generate(bars=4, seed=1) == tune\n"
    )
    done = ran(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert legal(tmp_path / "longer.mid") > 0


def test_a_plain_script_prepares_many_files(tmp_path: Path) -> None:
    """Without `if __name__ == "__main__"`: the library starts no processes unless it is asked to."""
    (tmp_path / "songs").mkdir()
    data = midi.to_bytes(folk_tune(0))
    for n in range(3000):
        (tmp_path / "songs" / f"{n}.mid").write_bytes(data)
    script = tmp_path / "script.py"
    script.write_text("from melody.corpus import prepare\nprint(prepare('songs').counts)")
    done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("matplotlib", ("plot", "tune.mid")),
        ("verovio", ("score", "tune.mid")),
        ("typst", ("score", "tune.mid")),
    ],
)
def test_without_an_extra_the_command_says_what_to_install(tmp_path: Path, package: str, arguments: tuple[str, ...]) -> None:
    """The package is hidden from the process as if it were not installed."""
    midi.write(folk_tune(0), tmp_path / "tune.mid")
    code = (
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {package!r}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        f"from melody.cli import main; sys.exit(main({list(arguments)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "pip install" in done.stderr and package in done.stderr


def test_a_collection_becomes_a_folder_of_legal_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One chorale in nine; what is there already is kept."""
    whole = collections._sources
    monkeypatch.setattr(collections, "_sources", lambda name: islice(whole(name), 0, None, 9))
    monkeypatch.chdir(tmp_path)
    assert main(["corpus", "chorales", "--out", "bach"]) == 0
    assert capsys.readouterr().out.strip() == "bach"
    written = sorted((tmp_path / "bach").iterdir())
    assert 30 < len(written) <= 46 and [p.name for p in tmp_path.iterdir()] == ["bach"]
    assert all(legal(path) > 0 for path in written[::5])
    assert midi.read(written[0]).title and len(midi.read(written[0]).parts) == 4


def test_some_bars_are_drawn_and_engraved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted as in a score: a pick-up is bar 0; what is asked for and not there is refused with what there is."""
    from melody.piece import Piece

    tune = Piece([72, 96, 192, 288], [24, 96, 96, 96], [67, 72, 74, 76])
    midi.write(tune, tmp_path / "tune.mid")
    for command, out in (("score", "some.abc"), ("plot", "some.png")):
        assert main([command, str(tmp_path / "tune.mid"), "--bars", "1-2", "--out", str(tmp_path / out)]) == 0
        assert main([command, str(tmp_path / "tune.mid"), "--bars", "1-4", "--out", str(tmp_path / f"x{out}")]) == 2
        assert "the piece has bars 0 to 3" in capsys.readouterr().err
    text = (tmp_path / "some.abc").read_text("utf-8")
    assert "c" in text and "d" in text and "e4" not in text and "e8" not in text
