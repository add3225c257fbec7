"""The page of a folder of tunes, which grows: what this run made, what earlier runs made, and links to the rest.

Conventions
-----------
The MIDI files in the folder are what counts: a tune whose file is gone leaves the page, one that was replaced is shown as
it is now. The page is also where sounds and scores are kept: a tune whose bytes have not changed is taken from the page
that is there, so that a run costs what it adds. Only data is taken from it, never markup.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

from melody import midi
from melody.errors import MelodyError
from melody.report.page import MXL, SOUNDS, PageTune, write_page
from melody.report.tunes import page_tune

NAME = "index.html"
MAX_EARLIER = 24  # tunes of earlier runs shown whole; the others are links
MAX_BYTES = 48_000_000  # of sounds and scores on the page; beyond it earlier tunes are links
MAX_LINKS = 2_000
MAX_PAGE = 200_000_000  # bytes of a page that is there; a larger one is made anew


def write_folder_page(
    folder: str | os.PathLike[str],
    tunes: Sequence[PageTune] = (),
    *,
    heading: str = "Tunes",
    settings: Mapping[str, str] | None = None,
) -> Path:
    """Write `index.html` into a folder: `tunes` first, then the other MIDI files in the folder, newest first.

    Parameters
    ----------
    folder
        Where the MIDI files are; those in folders within it are not shown.
    tunes
        What was made just now, all shown whole; their files `NAME.mid` are in the folder already.
    heading
        What stands at the top, as plain text.
    settings
        What holds for all of `tunes`, name and value; it is shown with each of them.

    Returns
    -------
    Path
        The page, which holds sound, roll and score of `tunes` and of up to 24 earlier ones (as far as 48 MB go).

    Raises
    ------
    RenderError
        If there is no tune that can be shown.
    FileError
        If the page cannot be written.
    """
    folder = Path(folder)
    path = folder / NAME
    new = [replace(tune, settings={**(settings or {}), **tune.settings}) for tune in tunes]
    made = {tune.name for tune in new}
    files = [file for file in _midi_files(folder) if file.stem not in made]
    earlier, linked = _earlier(files, {tune.midi: tune for tune in read_page(path)}, sum(map(_size, new)))
    write_page(path, [*new, *earlier], heading=heading, more=[(file.stem, file.name) for file in linked[:MAX_LINKS]])
    return path


def _midi_files(folder: Path) -> list[Path]:
    """Newest first, by whole seconds, so that tunes of one run keep the order of their names."""
    try:
        entries = [e for e in os.scandir(folder) if Path(e.name).suffix.lower() in midi.SUFFIXES and e.is_file()]
        return [Path(e.path) for e in sorted(entries, key=lambda e: (-int(e.stat().st_mtime), e.name))]
    except OSError:  # the folder, or a file in it, has just gone: writing will say so
        return []


def _earlier(files: Sequence[Path], known: Mapping[bytes, PageTune], size: int) -> tuple[list[PageTune], list[Path]]:
    """Tunes to show whole, and files to link to."""
    shown: list[PageTune] = []
    for i, file in enumerate(files):
        if len(shown) >= MAX_EARLIER or size > MAX_BYTES:
            return shown, list(files[i:])
        tune = _tune_of(file, known)
        if tune is not None:
            shown.append(tune)
            size += _size(tune)
    return shown, []


def _tune_of(file: Path, known: Mapping[bytes, PageTune]) -> PageTune | None:
    """The tune in a file, from the page if it is there already; None if it cannot be read or drawn."""
    try:
        data = file.read_bytes()
        if data in known:
            return replace(known[data], name=file.stem)
        piece = midi.parse(data).piece
        return page_tune(file.stem, piece, remarks=piece.texts) if piece.num_notes else None
    except (MelodyError, OSError):
        return None


def _size(tune: PageTune) -> int:
    score = sum(map(len, tune.score_svgs))
    return len(tune.midi) + len(tune.audio or b"") + score + len(tune.pdf or b"") + len(tune.musicxml or b"")


# The page as a store


def read_page(path: str | os.PathLike[str]) -> list[PageTune]:
    """The tunes on a page of ours, whole; what is missing, damaged or not ours is left out, down to an empty list.

    `read_page` after `write_page` gives the same tunes, but for what cannot be printed in their texts.
    """
    try:
        path = Path(path)
        if path.stat().st_size > MAX_PAGE:
            return []
        reader = _Reader()
        reader.feed(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return []
    return list(_whole(reader.tunes))


@dataclass
class _Found:
    """What stands in one article of a page."""

    words: dict[str, list[str]] = field(default_factory=dict)
    data: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)  # tag -> (MIME type, bytes)
    prompt_end: int = 0


class _Reader(HTMLParser):
    """Collects, for each article, the words of a few elements and the files within."""

    def __init__(self) -> None:
        super().__init__()
        self.tunes: list[_Found] = []
        self._tune: _Found | None = None
        self._list = ""
        self._words: list[str] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "article":
            prompt_end = given.get("data-new", "")
            self._tune = _Found(prompt_end=int(prompt_end) if re.fullmatch("[0-9]{1,9}", prompt_end) else 0)
            self.tunes.append(self._tune)
        self._words = None
        if self._tune is None:
            return
        if found := _decoded(given.get("href") or given.get("src") or ""):
            self._tune.data.setdefault(tag, []).append(found)
        self._list = given.get("class", "") if tag == "ul" else self._list
        if tag in ("h2", "dt", "dd") or (tag == "li" and self._list == "remarks"):
            self._words = self._tune.words.setdefault(tag, [])
            self._words.append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        self._words = None
        if tag == "article":
            self._tune = None

    def handle_data(self, data: str) -> None:
        if self._words is not None:
            self._words[-1] += data


def _decoded(address: str) -> tuple[str, bytes] | None:
    match = re.match(r"data:([a-z0-9.+/-]+);base64,", address)
    try:
        return (match[1], b64decode(address[match.end() :], validate=True)) if match else None
    except ValueError:
        return None


def _whole(found: Sequence[_Found]) -> Iterator[PageTune]:
    for tune in found:
        links = dict(tune.data.get("a", []))
        sounds = [(mime, data) for mime, data in tune.data.get("audio", []) if mime in SOUNDS]
        pages = [data for mime, data in tune.data.get("img", []) if mime == "image/svg+xml"]
        try:
            piece = midi.parse(links["audio/midi"]).piece
            yield PageTune(
                name="".join(tune.words.get("h2", [])[:1]),
                piece=piece,
                midi=links["audio/midi"],
                audio=sounds[0][1] if sounds else None,
                audio_mime=sounds[0][0] if sounds else "audio/wav",
                score_svgs=tuple(page.decode() for page in pages),
                remarks=tuple(tune.words.get("li", [])),
                prompt_end=tune.prompt_end,
                settings=dict(zip(tune.words.get("dt", []), tune.words.get("dd", []))),
                musicxml=links.get(MXL),
                pdf=links.get("application/pdf"),
            )
        except (KeyError, MelodyError, UnicodeDecodeError):
            continue
