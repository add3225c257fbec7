"""A tune on its way in and out: read from a file, engraved for the page, written in every form there is."""

from __future__ import annotations

import tempfile
from base64 import b64decode
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from melody.errors import StudioError
from melody.piece import TICKS_PER_QUARTER, Piece
from melody.signatures import Key
from melody.studio.sheets import MAX_NOTES, piece_of, sheet_of

if TYPE_CHECKING:
    from melody.studio.bench import Bench, Message, Send

MAX_UPLOAD = 5 * 2**20  # bytes of a tune
FORMS = {
    "mid": "audio/midi",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "abc": "text/vnd.abc",
    "pdf": "application/pdf",
    "png": "image/png",
    "wav": "audio/wav",
}
MAX_WAV_SECONDS = 900


def read(bench: Bench, order: Message, send: Send) -> None:
    """The tune in a file: its `name`, and its `content` in base64; or the `notes` that were typed, and their `key`."""
    if "notes" in order:
        send({"sheet": sheet_of(_typed(order)), "remarks": []})
        return
    name, content = order.get("name"), order.get("content")
    if not isinstance(name, str) or not isinstance(content, str):
        raise StudioError("a file needs a name and a content; drop it again")
    if len(content) > MAX_UPLOAD * 4 // 3 + 4:
        raise StudioError(f"the file is larger than {MAX_UPLOAD // 2**20} MB; give a shorter piece")
    try:
        data = b64decode(content, validate=True)
    except ValueError:
        raise StudioError("the content of the file came damaged; drop it again") from None
    piece, repairs = _read(PurePath(name.replace("\\", "/")).name[:200], data)
    if piece.num_notes > MAX_NOTES:
        raise StudioError(f"{name[:80]} has {piece.num_notes:,} notes; the studio takes at most {MAX_NOTES:,}")
    send({"sheet": sheet_of(piece), "remarks": list(repairs)})


def _read(name: str, data: bytes) -> tuple[Piece, tuple[str, ...]]:
    """The music in a file of any kind that is read, with what had to be repaired.

    A MIDI file is read as one of a training folder is: what the page shows and changes is a tune of its own, not the file.
    """
    from melody.errors import MelodyError
    from melody.sampling.tasks.file_prompt import FilePrompt
    from melody.score import bounded
    from melody.score.formats import READS

    suffix = PurePath(name).suffix.lower()
    try:
        if suffix in READS:
            found = bounded.read(data, suffix, one_of_many=False)
            piece, repairs = found.piece, tuple(found.repairs)
        else:
            prompt = FilePrompt.of_bytes(data, TICKS_PER_QUARTER)
            piece, repairs = prompt.read, prompt.repairs
    except MelodyError as error:
        raise StudioError(f"{name}: {error}") from error
    if not piece.num_notes:
        raise StudioError(f"{name} holds no notes; give a file that has some")
    return (piece if piece.title else replace(piece, title=PurePath(name).stem[:200])), repairs


def _typed(order: Message) -> Piece:
    """Notes that were typed, by the instrument, tempo and metre that the page names."""
    from melody.limits.numbers import parse_metre, parse_tempo
    from melody.limits.scales import parse_key
    from melody.score.notes_text import read_notes

    text = str(order.get("notes"))
    metre = parse_metre(str(order["metre"])) if order.get("metre") else (4, 4)
    tempo = parse_tempo(str(order["tempo"])) if order.get("tempo") else 120.0
    key: Key | None = parse_key(str(order["key"])) if order.get("key") else None
    return read_notes(text, metre=metre, tempo_qpm=tempo, key=key)


def engrave(bench: Bench, order: Message, send: Send) -> None:
    """The score of a `sheet` as pictures whose notes have the ids n0, n1 ...; `width` in pixels of the page."""
    from melody.score.engraving import EngravingSettings, to_svg

    width = order.get("width")
    pixels = width if isinstance(width, int) and not isinstance(width, bool) else 800
    settings = EngravingSettings(width_mm=min(max(pixels / 4.2, 85), 330), single_page=True)
    send({"pages": to_svg(replace(piece_of(order.get("sheet")), title=""), settings=settings)})


def export(bench: Bench, order: Message, send: Send) -> None:
    """A `sheet` as a file of the `form` mid, musicxml, abc, pdf, png (the score) or wav: its `bytes`."""
    form, piece = order.get("form"), piece_of(order.get("sheet"))
    if form not in FORMS:
        raise StudioError(f"the studio writes {', '.join(FORMS)}")
    if not piece.num_notes:
        raise StudioError("the tune has no notes yet; write or open one first")
    send({"bytes": _written(str(form), piece)})


def _written(form: str, piece: Piece) -> bytes:
    from melody import midi
    from melody.render import render_wav
    from melody.score.engraving import score_bytes, write_score

    if form == "mid":
        return midi.to_bytes(piece)
    if form not in ("png", "wav"):
        return score_bytes(piece, f".{form}")
    if form == "wav" and float(piece.seconds(piece.length)) > MAX_WAV_SECONDS:
        raise StudioError(f"the tune lasts over {MAX_WAV_SECONDS // 60} minutes; render its MIDI file: melody render")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tune.{form}"
        if form == "wav":
            render_wav(piece, path)
        else:
            write_score(piece, path)
        return path.read_bytes()


def get_ready(bench: Bench) -> None:
    """Load the engraver."""
    from melody.score.notes_text import read_notes

    engrave(bench, {"sheet": sheet_of(read_notes("C4"))}, lambda _: None)
