"""Public-domain collections that music21 carries inside its package, as pieces, without a download.

Conventions
-----------
Fiddle tunes have one monophonic part; how they are read from ABC stands in `melody.score.abc.from_abc`. Chorales have four
parts, Soprano to Bass. They are read from the MusicXML files directly, some fifteen times quicker than through music21's
streams. Fermatas, words and grace notes are left out, and repeats are not played out. The last bass note is taken as the
tonic, and the mode is minor if the signature has a minor third above it. How bars are formed stands in
`melody.score.bars`. Velocity is 90; times between the 24 ticks of a quarter are rounded.
"""

from __future__ import annotations

import logging
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from melody.errors import CorpusError, MelodyError, ScoreError
from melody.extras import need
from melody.piece import TICKS_PER_QUARTER, Key, Part, Piece, Tempo
from melody.score.abc.from_abc import read_tune, title_of
from melody.score.bars import UNITS, Note, Segment, to_piece

CHOIR = tuple(Part(52, name=name) for name in ("Soprano", "Alto", "Tenor", "Bass"))
CHORALE_QPM = 80


@dataclass(frozen=True)
class Collection:
    """What can be loaded.

    Parameters
    ----------
    name
        The argument of `load`.
    title, years
        Of the printed book, or what and when.
    source
        Who encoded it, and on what terms the encoding is passed on.
    pieces, notes
        How many `load` yields with music21 10.5.
    """

    name: str
    title: str
    years: str
    source: str
    pieces: int
    notes: int


_TERMS = "the music is in the public domain; for the encoding see corpus/license.txt in music21"


def _table(*collections: Collection) -> dict[str, Collection]:
    return {c.name: c for c in collections}


# Pieces and notes as music21 10.5 has them
COLLECTIONS: dict[str, Collection] = _table(
    Collection(
        "ryans", "Ryan's Mammoth Collection", "1883", f"Ray Davies, John Chambers and others; {_TERMS}", 1059, 120578
    ),
    Collection("oneills", "O'Neill's Music of Ireland", "1903", f"John Chambers and others; {_TERMS}", 2009, 214952),
    Collection("airds", "Aird's Selection of Airs", "1778-1801", f"Jack Campin; {_TERMS}", 1180, 108089),
    Collection("fiddle", "Ryan's, O'Neill's and Aird's", "1778-1903", f"as for each; {_TERMS}", 4248, 443619),
    Collection("chorales", "Bach's chorales in four parts", "1707-1750", f"Margaret Greentree; {_TERMS}", 365, 84914),
)
_FOLDERS = {"ryans": "ryansMammoth", "oneills": "oneills1850", "airds": "airdsAirs", "chorales": "bach"}


def load(
    name: str,
    on_progress: Callable[[int, int], None] | None = None,
    on_skip: Callable[[str, str], None] | None = None,
) -> Iterator[tuple[str, Piece]]:
    """The pieces of a collection, each with a name for its file.

    Parameters
    ----------
    name
        A key of `COLLECTIONS`.
    on_progress
        Called after each piece with the number done and the number there are.
    on_skip
        Called with the name and the reason for each piece left out: chorales in other than four parts, and whatever a
        `Piece` cannot hold. Without it they are logged as warnings of the logger `melody.score.collections`.

    Yields
    ------
    tuple of str and Piece
        The name has no suffix, is of letters, digits and hyphens, and is given once only; always in the same order.

    Raises
    ------
    CorpusError
        If there is no such collection, or if music21 has been installed without its corpus.

    Examples
    --------
    >>> name, piece = next(load("airds"))
    >>> name, piece
    ('airds-0001-the-ranting-highlandman', <Piece 'The Ranting Highlandman.', 84 notes, 17 bars of 2/2, G, 1 part>)
    """
    if name not in COLLECTIONS:
        raise CorpusError(f"there is no collection {name!r}; there are {', '.join(COLLECTIONS)}")
    return _load(name, on_progress, on_skip or _log_skip)


def _load(
    name: str, on_progress: Callable[[int, int], None] | None, on_skip: Callable[[str, str], None]
) -> Iterator[tuple[str, Piece]]:
    sources = list(_sources(name))
    for done, (stem, read) in enumerate(sources, 1):
        try:
            piece = read()
        except (MelodyError, ElementTree.ParseError) as error:
            on_skip(stem, str(error))
        else:
            yield stem, piece
        if on_progress is not None:
            on_progress(done, len(sources))


def _sources(name: str) -> Iterator[tuple[str, Callable[[], Piece]]]:
    """What there is to read, each with its file name."""
    if name == "fiddle":
        for book in ("ryans", "oneills", "airds"):
            yield from _sources(book)
    elif name == "chorales":
        for path in sorted(p for p in _folder(name).iterdir() if re.fullmatch(r"bwv.*\.(mxl|xml)", p.name)):
            yield f"chorales-{path.stem.replace('.', '-')}", partial(_read_chorale, path)
    else:
        texts = [path.read_text("utf-8") for path in sorted(_folder(name).glob("*.abc"))]
        tunes = [tune for text in texts for tune in re.split(r"(?m)^(?=X:)", text)[1:]]
        for i, tune in enumerate(tunes, 1):
            yield f"{name}-{i:04d}-{_slug(title_of(tune))}", partial(read_tune, tune, _texts(name))


def _folder(name: str) -> Path:
    """Where music21 keeps a book. Only its files are needed: to import it takes longer than to read them."""
    found = find_spec("music21")
    need("a collection of music21's", "music21", error=CorpusError)
    assert found and found.origin
    folder = Path(found.origin).parent / "corpus" / _FOLDERS[name]
    if not folder.is_dir():
        raise CorpusError(f"music21 has no folder {folder}; install it with its corpus: pip install music21")
    return folder


def _texts(name: str) -> tuple[str, ...]:
    return (f"{COLLECTIONS[name].title}, {COLLECTIONS[name].years}",)


def _slug(title: str) -> str:
    """Letters, digits and hyphens that every file system takes.

    >>> _slug("Paddy O'Rafferty -- Jig")
    'paddy-orafferty-jig'
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower().replace("'", "")
    return re.sub("[^a-z0-9]+", "-", plain)[:48].strip("-") or "untitled"


def _log_skip(stem: str, reason: str) -> None:
    logging.getLogger(__name__).warning("%s is left out: %s", stem, reason)


# From MusicXML to segments


def _read_chorale(path: Path) -> Piece:
    score = ElementTree.fromstring(_xml(path))
    parts = score.findall("part")
    if len(parts) != len(CHOIR):
        names = ", ".join(part.text or "" for part in score.iterfind("part-list/score-part/part-name"))
        raise ScoreError(f"{len(parts)} parts ({names}); a chorale of this collection has {len(CHOIR)}")
    segments = _measures(parts)
    last_bass = next(note.pitch for note in reversed(segments[-1].voices[-1]) if note.pitch is not None)
    for segment in segments:
        segment.key = segment.key._replace(mode=_mode(segment.key.fifths, last_bass))
    sound = score.find(".//sound[@tempo]")
    tempo = Tempo.from_qpm(0, CHORALE_QPM if sound is None else float(sound.attrib["tempo"]))
    return to_piece(segments, CHOIR, tempo, f"BWV {path.stem[3:]}", _texts("chorales"))


def _xml(path: Path) -> bytes:
    if path.suffix == ".xml":
        return path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        return packed.read(next(n for n in packed.namelist() if n.endswith("xml") and not n.startswith("META-INF")))


def _mode(fifths: int, tonic: int) -> Literal["major", "minor"]:
    """Minor if the signature has a minor third above the tonic.

    >>> _mode(0, 62), _mode(0, 60)
    ('minor', 'major')
    """
    scale = {7 * step % 12 for step in range(fifths - 1, fifths + 6)}
    return "minor" if (tonic + 3) % 12 in scale else "major"


def _measures(parts: list[ElementTree.Element]) -> list[Segment]:
    """The measures of all parts side by side; metre and key are the first part's. Any short measure may be part of a bar."""
    segments = []
    metre, key = (4, 4), Key(0, 0, "major")
    divisions = [1] * len(parts)
    for measures in zip(*(part.iterfind("measure") for part in parts)):
        for i, measure in enumerate(measures):
            divisions[i] = int(measure.findtext("attributes/divisions") or divisions[i])
        if beats := measures[0].findtext("attributes/time/beats"):
            metre = (int(beats), int(measures[0].findtext("attributes/time/beat-type", "4")))
        if fifths := measures[0].findtext("attributes/key/fifths"):
            key = Key(0, int(fifths), "major")
        voices = [_voice(m, TICKS_PER_QUARTER * UNITS // d) for m, d in zip(measures, divisions)]
        segments.append(Segment(metre, key, voices, True))
    return segments


def _voice(measure: ElementTree.Element, scale: int) -> list[Note]:
    notes = []
    for element in measure:
        if element.tag not in ("note", "forward") or element.find("grace") is not None:
            continue
        tied = any(tie.get("type") == "stop" for tie in element.iterfind("tie"))
        notes.append(Note(int(element.findtext("duration", "0")) * scale, _xml_pitch(element.find("pitch")), tied))
    return notes


def _xml_pitch(pitch: ElementTree.Element | None) -> int | None:
    if pitch is None:
        return None
    step, octave = pitch.findtext("step", "C"), int(pitch.findtext("octave", "4"))
    return 12 * (octave + 1) + dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11)))[step] + int(pitch.findtext("alter", "0"))
