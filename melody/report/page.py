"""The page of a run: one HTML file that a user sends to a friend.

Conventions
-----------
Everything is inside the file: it works from a disk without a network, and its content security policy forbids every request
and every script but the page's own, whose hash it names. Names and remarks come from strangers and are escaped; scores stand
in `<img>`, where a browser runs no script of theirs and keeps their ids apart. The same tunes give the same bytes.

The roll is `melody.report.svg_roll`: one long system to scroll in, with a playhead that follows the sound.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np

from melody.errors import RenderError
from melody.files import write_bytes
from melody.piece import Piece
from melody.report.browser import SCRIPT, STYLE, content_policy, data_address
from melody.report.engraved import score_figure
from melody.report.roll_layout import colours, facts, paint_of, part_label
from melody.report.svg_roll import svg_roll
from melody.text import for_html

# Firefox refuses data: addresses over 32 MB, and base64 makes four bytes of three.
MAX_SOUND = 24_000_000
MAX_NOTEBOOK_SECONDS = 180
MXL = "application/vnd.recordare.musicxml"
_WORDS, _MISSED = ' class="words"', ' class="missed"'
SOUNDS = {"audio/wav": ".wav", "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "audio/flac": ".flac"}


@dataclass(frozen=True)
class PageTune:
    """A tune on a page.

    Parameters
    ----------
    name
        The heading, and the name of the files to download.
    piece
        One note or more.
    midi
        The MIDI file to download.
    audio, audio_mime
        The sound, up to 24 MB of one of `SOUNDS`, beginning at tick 0; None: no player.
    score_svgs
        The pages of the score as SVG documents.
    remarks
        Sentences to stand under the tune.
    prompt_end
        The tick at which the continuation begins; 0: no prompt.
    settings
        What holds for this tune alone, such as its seed.
    musicxml, pdf
        Its score to download, as compressed MusicXML (.mxl) and as PDF.
    """

    name: str
    piece: Piece
    midi: bytes
    audio: bytes | None = None
    audio_mime: str = "audio/wav"
    score_svgs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    prompt_end: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    musicxml: bytes | None = None
    pdf: bytes | None = None


def write_page(
    path: str | os.PathLike[str],
    tunes: Sequence[PageTune],
    *,
    heading: str,
    settings: Mapping[str, str] | None = None,
    more: Sequence[tuple[str, str]] = (),
) -> None:
    """Write one self-contained .html file, whole or not at all; arguments as for `page`.

    Raises
    ------
    RenderError
        If the suffix is another or a tune cannot be shown.
    FileError
        If the file cannot be written.
    """
    check_page(path)
    write_bytes(path, page(tunes, heading=heading, settings=settings, more=more).encode())


def check_page(path: str | os.PathLike[str]) -> None:
    """Refuse what is no page."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise RenderError(f"{Path(path).name!r} is no page; name it .html")


def page(
    tunes: Sequence[PageTune],
    *,
    heading: str,
    settings: Mapping[str, str] | None = None,
    more: Sequence[tuple[str, str]] = (),
) -> str:
    """The page as HTML.

    Parameters
    ----------
    tunes
        One or more; each gets a heading, player, piano roll, score, remarks and files to download.
    heading
        What stands at the top, as plain text.
    settings
        What holds for all tunes, name and value.
    more
        Tunes that are only linked to: name, and file name beside the page.

    Raises
    ------
    RenderError
        If there is no tune, a piece is empty or too long to draw, or a sound is too large or of an unknown kind.
    """
    if not tunes:
        raise RenderError("there are no tunes; a page shows one or more, so generate some first")
    contents = "".join(f'<li><a href="#tune-{i}">{for_html(t.name)}</a></li>' for i, t in enumerate(tunes, 1))
    links = f'<nav aria-label="Tunes"><ol>{contents}</ol></nav>' if len(tunes) > 1 else ""
    return framed(heading, f"{links}\n{_settings('Settings', settings or {})}", f"{articles(tunes)}{_more(more)}")


def articles(tunes: Sequence[PageTune]) -> str:
    """The tunes, one under the other, for `framed`; raises as `page` does."""
    return "".join(_tune(tune, i) for i, tune in enumerate(tunes, 1))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], missed: Sequence[bool] = ()) -> str:
    """A table, for `framed`.

    Parameters
    ----------
    header
        A heading a column; in a column whose heading begins with a space stand words.
    rows
        The cells, as plain text.
    missed
        Which rows stand out.
    """
    is_words = [name.startswith(" ") for name in header]
    head = "".join(f"<th>{for_html(name.strip())}</th>" for name in header)
    body = ""
    for number, row in enumerate(rows):
        cells = "".join(f"<td{_WORDS * words}>{for_html(cell)}</td>" for cell, words in zip(row, is_words))
        body += f"<tr{_MISSED if missed and missed[number] else ''}>{cells}</tr>\n"
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>\n"


def framed(heading: str, top: str, main: str, *, style: str = STYLE, script: str = SCRIPT) -> str:
    """A page of ours, as HTML.

    Parameters
    ----------
    heading
        What stands at the top, as plain text.
    top, main
        HTML to stand below the heading, and below that.
    style, script
        All that it has, if these are not those of every page; an empty script for none.
    """
    own = f"<script>{script}</script>\n" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{content_policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{for_html(heading)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header class="top">
<h1>{for_html(heading)}</h1>
{top}
</header>
<main>
{main}</main>
<footer>Made with melody. Everything on this page is inside this one file.</footer>
{own}</body>
</html>
"""


def repr_html(piece: Piece) -> str:
    """A piece as a notebook shows it: facts, piano roll, and a player where sound can be made; raises for no piece."""
    try:
        picture = svg_roll(piece)
    except RenderError as error:
        return f"<p>{for_html(str(error))}</p>"
    title = f"<strong>{for_html(piece.title)}</strong> " if piece.title else ""
    card = "background:#fff;color:#1c1b19;padding:12px;border-radius:8px;max-width:1080px;font-family:system-ui,sans-serif"
    return (
        f'<div style="{card}"><p style="margin:0 0 8px">{title}<small>{for_html(facts(piece))}</small></p>'
        f'<div style="display:flex"><div style="flex:none">{picture.keys}</div>'
        f'<div style="overflow-x:auto">{picture.roll}</div></div>{_sound(piece)}</div>'
    )


def _sound(piece: Piece) -> str:
    """A player, or the reason why there is none."""
    from melody.render import audio_bytes

    try:
        if piece.seconds(piece.length) > MAX_NOTEBOOK_SECONDS:
            raise RenderError(f"a notebook plays up to {MAX_NOTEBOOK_SECONDS} seconds; write a sound file instead")
        source = data_address(*audio_bytes(piece))
    except RenderError as error:
        return f"<p><small>No sound: {for_html(str(error))}</small></p>"
    return f'<audio controls style="width:100%;margin-top:8px" src="{source}"></audio>'


def _tune(tune: PageTune, number: int) -> str:
    """One tune's article."""
    picture = svg_roll(tune.piece, prompt_end=tune.prompt_end)
    name = for_html(tune.name)
    seconds = int(_seconds(tune))  # a browser's player rounds down, too
    line = f"{facts(tune.piece)} · {seconds // 60}:{seconds % 60:02d}"
    label = f'tabindex="0" role="group" aria-label="Piano roll of {name}"'
    remarks = "".join(f"<li>{for_html(remark)}</li>" for remark in tune.remarks)
    remarks = f'<ul class="remarks">{remarks}</ul>' if remarks else ""
    times = (
        f'data-times="{for_html(json.dumps(picture.times))}" data-new="{tune.prompt_end}" data-begin="{_begin(tune):.2f}"'
    )
    return f"""<article class="tune" id="tune-{number}" {times}>
<h2>{name}</h2>
<p class="facts">{for_html(line)}</p>
{_player(tune, name)}<figure class="roll">
<div class="keyed">{picture.keys}<div class="scroll" {label}>{picture.roll}</div></div>
{_legend(tune.piece)}</figure>
{score_figure(tune.score_svgs, tune.piece, tune.name, tune.prompt_end)}{remarks}
{_downloads(tune)}
{_settings("How it was made", tune.settings)}
</article>
"""


def _seconds(tune: PageTune) -> float:
    """How long the tune lasts: its sound, to the end of the last note's decay, or without a sound its notes."""
    from melody.render.output import duration_of

    lasts = duration_of(tune.audio, tune.audio_mime) if tune.audio else None
    return float(tune.piece.seconds(tune.piece.length)) if lasts is None else lasts


def _begin(tune: PageTune) -> float:
    """Where the page opens a tune: at the first bar of a continuation, in seconds."""
    if not 0 < tune.prompt_end < tune.piece.length:
        return 0.0
    bars = tune.piece.bar_starts()
    return float(tune.piece.seconds(bars[bars <= tune.prompt_end][-1]))


def _player(tune: PageTune, name: str) -> str:
    if tune.audio is None:
        return ""
    if tune.audio_mime not in SOUNDS:
        raise RenderError(f"the sound of {tune.name!r} is {tune.audio_mime!r}; a page plays {', '.join(SOUNDS)}")
    if len(tune.audio) > MAX_SOUND:
        raise RenderError(
            f"the sound of {tune.name!r} has {len(tune.audio)} bytes; a page holds up to {MAX_SOUND} for each tune, "
            "so give mp3 or ogg"
        )
    source = data_address(tune.audio, tune.audio_mime)
    player = f'<audio controls preload="metadata" aria-label="Play {name}" src="{source}"></audio>\n'
    if not 0 < tune.prompt_end < tune.piece.length:
        return player
    jump = '<button type="button" data-at="{}">{}</button>'
    both = jump.format(0, "From the beginning") + jump.format(f"{_begin(tune):.2f}", "From the new music")
    return f'{player}<p class="jumps" hidden>{both}</p>\n'


def _legend(piece: Piece) -> str:
    parts = np.unique(piece.part).tolist()
    if len(parts) < 2:
        return ""
    paint = colours(piece)
    swatch = '<svg class="swatch" width="12" height="12" aria-hidden="true"><rect width="12" height="12" rx="3" '
    items = "".join(f"<li>{swatch}{paint_of(paint[p])}/></svg>{for_html(part_label(piece, p))}</li>" for p in parts)
    return f'<figcaption><ul class="legend">{items}</ul></figcaption>\n'


def _downloads(tune: PageTune) -> str:
    stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in tune.name).strip("-.")[:80] or "tune"
    forms = (
        (tune.midi, "audio/midi", ".mid", "MIDI"),
        (tune.musicxml, MXL, ".mxl", "MusicXML"),
        (tune.pdf, "application/pdf", ".pdf", "PDF"),
    )
    links = [
        f'<a download="{stem}{end}" href="{data_address(data, mime)}">{label}</a>'
        for data, mime, end, label in forms
        if data
    ]
    # The script gives these links the player's sound, so that the file holds it once, and makes WAV of it.
    if tune.audio is not None:
        suffix = SOUNDS[tune.audio_mime]
        links.append(f'<a class="sound" download="{stem}{suffix}" hidden>{suffix[1:].upper()}</a>')
        links += [f'<a class="wav" download="{stem}.wav" href="#" hidden>WAV</a>'] if suffix != ".wav" else []
    return f'<p class="files">{"".join(links)}</p>'


def _more(files: Sequence[tuple[str, str]]) -> str:
    """Links to files beside the page; `./` keeps a name such as `javascript:x` from being an address."""
    rows = "".join(
        f'<li><a href="./{quote(file, errors="surrogateescape")}">{for_html(name)}</a></li>' for name, file in files
    )
    return f'<section class="more"><h2>More tunes in this folder</h2><ol>{rows}</ol></section>\n' if rows else ""


def _settings(title: str, settings: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{for_html(str(k))}</dt><dd>{for_html(str(v))}</dd>" for k, v in settings.items())
    return f"<details><summary>{title}</summary><dl>{rows}</dl></details>" if rows else ""
