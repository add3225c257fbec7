"""What a folder holds: tunebooks, archives in archives, bare names, single files; each is called what it is."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from tunes import by_path, tune

from melody import midi
from melody.cli import main
from melody.corpus import PrepareSettings, explain, prepare
from melody.corpus.discover import tunebooks
from melody.corpus.manifest import TrainedOn, columns_of, pieces_of
from melody.corpus.verdict import Verdict
from melody.errors import CorpusError, MidiError

JIG = "X:{number}\nT:Jig {number}\nK:{key}\n" + "cdec Gcec|fdBd cAGE|" * 4 + "\n\n"
BOOK = "M:4/4\nL:1/8\n\n" + "".join(JIG.format(number=number, key=key) for number, key in enumerate("CGD", 1))
WORDS = "X:9\nT:Words only\nK:C\nW:there is no music here\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "music").mkdir()
    for seed in range(3):
        midi.write(tune(seed, 30), tmp_path / "music" / f"{seed}.mid")
    return tmp_path / "music"


def test_a_tunebook_is_read_tune_by_tune(folder: Path) -> None:
    (folder / "book.abc").write_text(BOOK)
    verdicts = by_path(prepare(folder))
    names = ["book.abc/1.abc", "book.abc/2.abc", "book.abc/3.abc"]
    assert [name for name in verdicts if "abc" in name] == names
    assert all(verdicts[name].notes == 64 for name in names)
    assert len({verdicts[name].content for name in names}) == 3
    assert explain(folder / "book.abc" / "2.abc").content == verdicts["book.abc/2.abc"].content
    with pytest.raises(CorpusError, match="is several tunes, not one file"):
        explain(folder / "book.abc")
    assert prepare(folder / "book.abc").counts["files"] == 3


def test_the_header_of_a_tunebook_holds_for_every_tune(tmp_path: Path) -> None:
    (tmp_path / "book.abc").write_text(BOOK)
    found = list(tunebooks.read(str(tmp_path / "book.abc"), ["3.abc", "4.abc"], 10_000))
    assert isinstance(found[0], bytes) and found[0].startswith(b"M:4/4\nL:1/8\nX:3\n")
    assert isinstance(found[1], MidiError)
    assert "the limit is" in str(next(tunebooks.read(str(tmp_path / "book.abc"), ["1.abc"], 10)))


def test_one_tune_and_words_are_no_tunebook(tmp_path: Path) -> None:
    (tmp_path / "one.abc").write_text(JIG.format(number=1, key="C") + WORDS)
    (tmp_path / "folder.abc").mkdir()
    assert [v.path for v in prepare(tmp_path).verdicts] == ["one.abc"]
    assert not tunebooks.is_tunebook(str(tmp_path / "folder.abc")) and not tunebooks.is_tunebook(str(tmp_path / "none.abc"))


def test_a_tunebook_in_an_archive_is_called_what_it_is(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("book.abc", BOOK)
    verdict = by_path(prepare(folder))["a.zip/book.abc"]
    assert verdict.cause == "several tunes" and "it holds 3 tunes" in verdict.reason


def packed(inner: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("deep/inner.zip", inner)
    return target.getvalue()


def test_archives_within_archives_are_reported(folder: Path, tmp_path: Path) -> None:
    (folder / "outer.zip").write_bytes(packed(b"whatever it is"))
    expected = "1 archive within another was not opened (outer.zip/deep/inner.zip): unpack the outer one"
    assert prepare(folder).remarks == (expected,)
    with pytest.raises(CorpusError, match=r"no music in it but in outer\.zip/deep/inner\.zip, an archive within an archive"):
        prepare(folder / "outer.zip")


def test_members_of_a_tar_that_was_made_of_the_folder_itself_have_their_plain_names(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        archive.add(folder, "./")
        archive.add(folder / "0.mid", "./sub/./0.mid")
    paths = [v.path for v in prepare(tmp_path / "all.tar").verdicts]
    assert paths == ["all.tar/0.mid", "all.tar/1.mid", "all.tar/2.mid", "all.tar/sub/./0.mid"]
    assert explain(tmp_path / "all.tar" / "1.mid").status == "kept"


def test_a_file_is_found_by_its_bare_name(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    midi.write(tune(7, 30), folder / "sub" / "seven.mid")
    midi.write(tune(8, 30), folder / "sub" / "0.mid")
    assert explain("seven.mid", folder=folder).path == "sub/seven.mid"
    assert explain("0.mid", folder=folder).path == "0.mid"  # the verdict of exactly that name
    assert explain("sub/0.mid", folder=folder).path == "sub/0.mid"
    midi.write(tune(9, 30), folder / "seven.mid")
    (folder / "other").mkdir()
    (folder / "seven.mid").rename(folder / "other" / "seven.mid")
    with pytest.raises(CorpusError, match=r"2 files in .* are named seven\.mid: other/seven\.mid, sub/seven\.mid"):
        explain("seven.mid", folder=folder)
    with pytest.raises(CorpusError, match=r"has no music of the name none\.mid"):
        explain("none.mid", folder=folder)


def test_a_bare_name_will_do_at_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", str(folder), "--explain", "1.mid"]) == 0
    assert "1.mid: kept, " in capsys.readouterr().out


def test_a_single_file_is_not_called_a_folder(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"0\.mid is a file, not a folder; name its folder, or write: "):
        prepare(folder / "0.mid")
    (folder / "read.me").write_text("words")
    with pytest.raises(CorpusError, match=r"neither a folder nor an archive \(\.zip, "):
        prepare(folder / "read.me")


def test_of_copies_the_first_in_the_order_of_names_is_kept(folder: Path) -> None:
    (folder / "a copy.mid").write_bytes((folder / "1.mid").read_bytes())
    (folder / "sub").mkdir()
    (folder / "sub" / "0.mid").write_bytes((folder / "1.mid").read_bytes())
    copies = {v.path: v.reason for v in prepare(folder).verdicts if v.cause == "copy"}
    assert copies == {"a copy.mid": "has the same notes as 1.mid", "sub/0.mid": "has the same notes as 1.mid"}


def tarred(data: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("0.mid")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


@pytest.mark.parametrize("kind", ["a zip archive", "packed with gzip", "a tar archive"])
def test_an_archive_is_not_read_as_a_midi_file_behind_some_bytes(kind: str) -> None:
    data = midi.to_bytes(tune(0, 30))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("0.mid", data)
    contents = {"a zip archive": zipped.getvalue(), "packed with gzip": gzip.compress(data), "a tar archive": tarred(data)}
    with pytest.raises(MidiError, match=f"is no MIDI file but {kind}; unpack it and name a MIDI file"):
        midi.parse(contents[kind])
    assert midi.parse(bytes(128) + data).repairs  # other bytes before the header are passed over, and reported


# The manifest


def test_the_manifest_names_every_piece_once(folder: Path) -> None:
    midi.write(tune(1, 30), folder / "copy.mid")
    corpus = prepare(folder, PrepareSettings(test=0.3, valid=0.3))
    expected = {TrainedOn(v.path, v.content, v.split) for v in corpus.verdicts if v.status != "rejected"}
    found = list(pieces_of(corpus.manifest))
    assert set(found) == expected and len(found) == 3 and len({piece.split for piece in found}) == 3
    assert corpus.manifest["pieces"]["notes"] == "".join(f"{v.notes}\n" for v in corpus.verdicts if v.status != "rejected")


def test_the_manifest_of_an_earlier_model_is_read() -> None:
    files = [{"path": "a.mid", "content": "0" * 32, "split": "valid", "notes": 3}, {"content": "", "split": "test"}, 7]
    assert list(pieces_of({"files": files})) == [TrainedOn("a.mid", "0" * 32, "valid")]


@pytest.mark.parametrize("wrong", [7, {}, {"paths": "a\n"}, {"paths": "a\n", "contents": "0", "splits": "0"}, {"paths": 3}])
def test_a_manifest_that_makes_no_sense_names_nothing(wrong: object) -> None:
    assert list(pieces_of({"pieces": wrong})) == []


def test_pieces_without_a_split_are_left_out() -> None:
    columns = columns_of(
        [Verdict("a", "kept", split="odd", content="0" * 32), Verdict("b", "kept", split="test", content="1" * 32)]
    )
    assert list(pieces_of({"pieces": columns})) == [TrainedOn("b", "1" * 32, "test")]
