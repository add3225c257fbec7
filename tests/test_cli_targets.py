"""Where commands write: what is there stays unless --force is given, names count up, and a seed that was drawn is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from music import folk_tune

from melody import midi
from melody.cli import main, targets
from melody.errors import MelodyError
from melody.files import FileError

GENERATE = ["generate", "fiddle", "--any-ending", "--bars", "1"]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    midi.write(folk_tune(0), "tune.mid")
    return tmp_path


def printed(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[list[str], str]:
    """The paths that a command prints, and what it says."""
    capsys.readouterr()
    assert main(list(arguments)) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    return out.splitlines(), err


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """What a command says that writes nothing."""
    capsys.readouterr()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert not out and {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    return err


@pytest.mark.usefixtures("seeds_are_drawn")
def test_without_a_seed_one_is_drawn_that_writes_the_same_again(capsys: pytest.CaptureFixture) -> None:
    (one,), said = printed(capsys, *GENERATE)
    (other,), _ = printed(capsys, *GENERATE)
    assert one != other
    number, again = re.match(r"seed ([0-9]+): melody (.*) writes it again\n", said).groups()  # type: ignore[union-attr]
    assert one == f"tunes/fiddle-{number}-01.mid" and f"seed {number}," in midi.read(one).texts[0]
    data = Path(one).read_bytes()
    (same,), said = printed(capsys, *shlex.split(again))
    assert same == f"tunes/fiddle-{number}-v2-01.mid" and Path(same).read_bytes() == data and "seed" not in said


def test_the_command_for_a_file_that_was_named_writes_it_again(capsys: pytest.CaptureFixture) -> None:
    (one,), said = printed(capsys, *GENERATE, "--out", "a tune.mid")
    data = Path(one).read_bytes()
    Path(one).write_bytes(b"")
    (same,), _ = printed(capsys, *shlex.split(said.partition("melody ")[2].removesuffix(" writes it again\n")))
    assert same == one == "a tune.mid" and Path(same).read_bytes() == data


def test_names_of_a_folder_count_up_and_with_force_they_do_not(capsys: pytest.CaptureFixture) -> None:
    seed = [*GENERATE, "--count", "2", "--seed", "3", "--out", "new"]
    first, _ = printed(capsys, *seed)
    second, _ = printed(capsys, *seed)
    assert first == ["new/fiddle-3-01.mid", "new/fiddle-3-02.mid"]
    assert second == ["new/fiddle-3-v2-01.mid", "new/fiddle-3-v2-02.mid"]
    assert printed(capsys, *seed, "--force")[0] == first
    Path("new/fiddle-4-02.png").write_bytes(b"mine")
    assert printed(capsys, *GENERATE, "--count", "2", "--seed", "4", "--out", "new")[0][0] == "new/fiddle-4-01.mid"
    targets_ = targets.for_tunes(Path("new"), "fiddle-4", 2, [".png"], False)
    assert targets_.paths[0] == Path("new/fiddle-4-v2-01.mid")


@pytest.mark.parametrize("beside", [".mid", ".wav", ".png", ".html"])
def test_a_file_that_is_there_is_refused_and_stays(capsys: pytest.CaptureFixture, beside: str) -> None:
    Path(f"mine{beside}").write_bytes(b"mine")
    command = [*GENERATE, "--out", "mine.mid", *([f"--{beside[1:]}"] if beside != ".mid" else [])]
    assert f"mine{beside} is there already; name another file, or replace it with --force" in refused(capsys, *command)
    if beside == ".mid":
        assert printed(capsys, *command, "--force")[0] == ["mine.mid"] and midi.read("mine.mid").num_notes


@pytest.mark.parametrize(
    "command",
    [
        ["render", "tune.mid", "--out", "mine.wav"],
        ["plot", "tune.mid", "--out", "mine.png"],
        ["score", "tune.mid", "--out", "mine.abc"],
        ["prepare", ".", "--report", "mine.json"],
        ["evaluate", "fiddle", ".", "--json", "mine.json"],
        ["export", "fiddle", "--out", "mine.onnx"],
        ["train", ".", "--out", "mine.safetensors"],
        ["continue", "fiddle", "tune.mid", "--out", "mine.mid"],
        ["vary", "fiddle", "tune.mid", "--bars", "1", "--out", "mine.mid"],
        ["harmonize", "chorales", "tune.mid", "--out", "mine.mid"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_writes_a_named_file_refuses_one_that_is_there(
    capsys: pytest.CaptureFixture, command: list[str]
) -> None:
    Path(command[-1]).write_bytes(b"mine")
    assert "is there already" in refused(capsys, *command)


def test_training_replaces_no_file_beside_the_model(capsys: pytest.CaptureFixture) -> None:
    Path("new.csv").write_bytes(b"my own table")
    assert "new.csv is there already" in refused(capsys, "train", ".", "--out", "new.safetensors")


def test_a_trained_model_keeps_its_name_and_the_next_one_counts_up(tmp_path: Path) -> None:
    from melody.training.paths import target

    folder = tmp_path / "songs"
    first = Path("checkpoints/songs.safetensors")
    assert target(folder, None) == first
    first.parent.mkdir()
    first.write_bytes(b"")
    second = Path("checkpoints/songs-2.safetensors")
    assert target(folder, None) == second and target(folder, None, force=True) == first
    second.write_bytes(b"")
    assert target(folder, None, resume=True) == first
    second.with_name("songs-2.safetensors.resume").write_bytes(b"")
    assert target(folder, None, resume=True) == second


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("command", ["render", "plot", "score"])
def test_no_command_replaces_what_it_reads_by_another_format(
    capsys: pytest.CaptureFixture, command: str, force: list[str]
) -> None:
    refused(capsys, command, "tune.mid", "--out", "tune.mid", *force)
    Path("link.wav").symlink_to("tune.mid")
    assert "the file that is read" in refused(capsys, "render", "tune.mid", "--out", "link.wav", *force)


def test_default_names_beside_a_tune_count_up(capsys: pytest.CaptureFixture) -> None:
    for expected in ("tune.wav", "tune-2.wav", "tune-3.wav"):
        assert printed(capsys, "render", "tune.mid")[0] == [expected]
    assert printed(capsys, "render", "tune.mid", "--force")[0] == ["tune.wav"]


def test_a_folder_of_tunes_keeps_all_its_pages_and_lists_them(capsys: pytest.CaptureFixture) -> None:
    for seed in ("1", "2"):
        paths, _ = printed(capsys, *GENERATE, "--seed", seed, "--html", "--out", "new")
        assert paths == [f"new/fiddle-{seed}-01.mid", f"new/fiddle-{seed}-01.html", "new/index.html"]
    printed(capsys, *GENERATE, "--seed", "3", "--out", "new")
    printed(capsys, *GENERATE, "--seed", "4", "--count", "2", "--html", "--out", "new")
    listed = Path("new/index.html").read_text()
    names = [f"fiddle-{name}" for name in ("1-01.html", "2-01.html", "4.html", "1-01.mid", "3-01.mid", "4-02.mid")]
    assert all(f'href="./{name}"' in listed for name in names)
    assert listed.index("fiddle-4-02.mid") < listed.index("Other tunes") < listed.index("fiddle-3-01.mid")


def test_a_page_of_somebody_else_stays(capsys: pytest.CaptureFixture) -> None:
    Path("new").mkdir()
    Path("new/index.html").write_text("my own site")
    paths, said = printed(capsys, *GENERATE, "--seed", "1", "--html", "--out", "new")
    assert paths == ["new/fiddle-1-01.mid", "new/fiddle-1-01.html"] and "stays as it is" in said
    assert Path("new/index.html").read_text() == "my own site"


def test_names_in_the_list_of_a_folder_are_text() -> None:
    from melody.report.contents import contents

    Path("x<script>&\"'.html").write_text("<title>&lt;b&gt; one</title>")
    Path("#a%41?.mid").write_bytes(b"")
    listed = contents(Path())
    assert "<script>" not in listed and "&lt;b&gt; one" in listed and 'href="./%23a%2541%3F.mid"' in listed


@pytest.mark.parametrize("out", ["ff.gen", "gen/fiddle-0.8", "v1.2.3", "tunes.mid.d"])
def test_only_mid_names_a_file_and_any_other_name_a_folder(capsys: pytest.CaptureFixture, out: str) -> None:
    assert printed(capsys, *GENERATE, "--seed", "1", "--out", out)[0] == [f"{out}/fiddle-1-01.mid"]


@pytest.mark.parametrize(
    ("out", "hint"),
    [
        ("a.wav", "add --wav"),
        ("a.PNG", "add --png"),
        ("a.musicxml", "melody score"),
        ("a.html", "add --html"),
        ("a.txt", ""),
    ],
)
def test_a_name_of_another_format_is_refused_with_a_hint(capsys: pytest.CaptureFixture, out: str, hint: str) -> None:
    said = refused(capsys, *GENERATE, "--out", out)
    assert "a tune is written as .mid" in said and hint in said
    Path(out).mkdir()
    assert printed(capsys, *GENERATE, "--seed", "1", "--out", out)[0] == [f"{out}/fiddle-1-01.mid"]


def test_a_folder_that_was_named_for_a_collection_is_not_mixed_with_what_is_there() -> None:
    from melody.cli.learn import _folder

    Path("bach").mkdir()
    assert _folder(Path("bach"), "chorales", False) == Path("bach")
    Path("bach/mine.mid").write_bytes(b"")
    with pytest.raises(FileError, match="holds files; name another folder, or replace them with --force"):
        _folder(Path("bach"), "chorales", False)
    assert _folder(Path("bach"), "chorales", True) == Path("bach")
    assert _folder(None, "chorales", False) == Path("data/chorales")
    Path("data/chorales").mkdir(parents=True)
    assert _folder(None, "chorales", False) == Path("data/chorales-2")


def test_one_file_for_several_tunes_is_refused_and_a_long_name_is_made_short() -> None:
    with pytest.raises(MelodyError, match="name a folder"):
        targets.for_tunes(Path("a.mid"), "x", 2, [], False)
    assert len(targets.short("é" * 250).encode()) <= 120 and targets.short("Song [live]") == "Song [live]"


@pytest.mark.parametrize("command", [["continue", "fiddle"], ["vary", "fiddle", "--bars", "1"], ["harmonize", "chorales"]])
def test_the_tune_that_is_read_is_never_replaced(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even with --force, nor by another name of the same file."""
    tune, link = tmp_path / "tune.mid", tmp_path / "link.mid"
    tune.write_bytes((Path(__file__).parents[1] / "data" / "ode-to-joy.mid").read_bytes())
    link.symlink_to(tune)
    before = tune.read_bytes()
    for out in (tune, link):
        assert main([*command[:2], str(tune), *command[2:], "--out", str(out), "--force"]) == 2
        assert "which is the file that is read" in capsys.readouterr().err
        assert tune.read_bytes() == before
