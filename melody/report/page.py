"""The page of a run: one HTML file that a user sends to a friend.

Conventions
-----------
Everything is inside the file: it works from a disk without a network, and its content security policy forbids every request
and every script but the page's own, whose hash it names. Names and remarks come from strangers and are escaped; scores stand
in `<img>`, where a browser runs no script of theirs and keeps their ids apart. The same tunes give the same bytes.

The roll is `melody.report.strip`: one long system to scroll in, with a playhead that follows the sound.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from pathlib import Path

import numpy as np

from melody.errors import RenderError
from melody.files import write_bytes
from melody.piece import Piece
from melody.report.lanes import colours, facts, paint_of, part_label
from melody.report.strip import strip

# Firefox refuses data: addresses over 32 MB, and base64 makes four bytes of three.
MAX_SOUND = 24_000_000
MAX_NOTEBOOK_SECONDS = 180
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


def write_page(
    path: str | os.PathLike[str], tunes: Sequence[PageTune], *, heading: str, settings: Mapping[str, str] | None = None
) -> None:
    """Write one self-contained .html file, whole or not at all; arguments as for `page`.

    Raises
    ------
    RenderError
        If the suffix is another or a tune cannot be shown.
    FileError
        If the file cannot be written.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise RenderError(f"{Path(path).name!r} is no page; name it .html")
    write_bytes(path, page(tunes, heading=heading, settings=settings).encode())


def page(tunes: Sequence[PageTune], *, heading: str, settings: Mapping[str, str] | None = None) -> str:
    """The page as HTML.

    Parameters
    ----------
    tunes
        One or more; each gets a heading, player, piano roll, score, remarks and files to download.
    heading
        What stands at the top, as plain text.
    settings
        What holds for all tunes, name and value.

    Raises
    ------
    RenderError
        If there is no tune, a piece is empty or too long to draw, or a sound is too large or of an unknown kind.
    """
    if not tunes:
        raise RenderError("there are no tunes; a page shows one or more, so generate some first")
    contents = "".join(f'<li><a href="#tune-{i}">{_text(t.name)}</a></li>' for i, t in enumerate(tunes, 1))
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; media-src data:; "
        f"style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(heading)}</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<header class="top">
<h1>{_text(heading)}</h1>
{f'<nav aria-label="Tunes"><ol>{contents}</ol></nav>' if len(tunes) > 1 else ""}
{_settings("Settings", settings or {})}
</header>
<main>
{"".join(_tune(tune, i) for i, tune in enumerate(tunes, 1))}</main>
<footer>Made with melody. Everything on this page is inside this one file.</footer>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def repr_html(piece: Piece) -> str:
    """A piece as a notebook shows it: facts, piano roll, and a player where sound can be made; raises for no piece."""
    try:
        picture = strip(piece)
    except RenderError as error:
        return f"<p>{_text(str(error))}</p>"
    title = f"<strong>{_text(piece.title)}</strong> " if piece.title else ""
    card = "background:#fff;color:#1c1b19;padding:12px;border-radius:8px;max-width:1080px;font-family:system-ui,sans-serif"
    return (
        f'<div style="{card}"><p style="margin:0 0 8px">{title}<small>{_text(facts(piece))}</small></p>'
        f'<div style="display:flex"><div style="flex:none">{picture.keys}</div>'
        f'<div style="overflow-x:auto">{picture.roll}</div></div>{_sound(piece)}</div>'
    )


def _sound(piece: Piece) -> str:
    """A player, or the reason why there is none."""
    from melody.render import audio_bytes

    try:
        if piece.seconds(piece.length) > MAX_NOTEBOOK_SECONDS:
            raise RenderError(f"a notebook plays up to {MAX_NOTEBOOK_SECONDS} seconds; write a sound file instead")
        source = _data(*audio_bytes(piece))
    except RenderError as error:
        return f"<p><small>No sound: {_text(str(error))}</small></p>"
    return f'<audio controls style="width:100%;margin-top:8px" src="{source}"></audio>'


def _tune(tune: PageTune, number: int) -> str:
    """One tune's article."""
    picture = strip(tune.piece, prompt_end=tune.prompt_end)
    name = _text(tune.name)
    seconds = round(float(tune.piece.seconds(tune.piece.length)))
    line = f"{facts(tune.piece)} · {seconds // 60}:{seconds % 60:02d}"
    label = f'tabindex="0" role="group" aria-label="Piano roll of {name}"'
    remarks = "".join(f"<li>{_text(remark)}</li>" for remark in tune.remarks)
    return f"""<article class="tune" id="tune-{number}" data-times="{_text(json.dumps(picture.times))}">
<h2>{name}</h2>
<p class="facts">{_text(line)}</p>
{_player(tune, name)}<figure class="roll">
<div class="keyed">{picture.keys}<div class="scroll" {label}>{picture.roll}</div></div>
{_legend(tune.piece)}</figure>
{_score(tune.score_svgs, name)}{f'<ul class="remarks">{remarks}</ul>' if remarks else ""}
{_downloads(tune)}
{_settings("How it was made", tune.settings)}
</article>
"""


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
    return (
        f'<audio controls preload="metadata" aria-label="Play {name}" src="{_data(tune.audio, tune.audio_mime)}"></audio>\n'
    )


def _legend(piece: Piece) -> str:
    parts = np.unique(piece.part).tolist()
    if len(parts) < 2:
        return ""
    paint = colours(piece)
    swatch = '<svg class="swatch" width="12" height="12" aria-hidden="true"><rect width="12" height="12" rx="3" '
    items = "".join(f"<li>{swatch}{paint_of(paint[p])}/></svg>{_text(part_label(piece, p))}</li>" for p in parts)
    return f'<figcaption><ul class="legend">{items}</ul></figcaption>\n'


def _score(pages: Sequence[str], name: str) -> str:
    if not pages:
        return ""
    sources = [_data(svg.encode("utf-8", "replace"), "image/svg+xml") for svg in pages]
    images = "".join(
        f'<img src="{source}" alt="Score of {name}, page {i} of {len(pages)}">' for i, source in enumerate(sources, 1)
    )
    return f'<figure class="score" tabindex="0" role="group" aria-label="Score of {name}">{images}</figure>\n'


def _downloads(tune: PageTune) -> str:
    stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in tune.name).strip("-.")[:80] or "tune"
    midi = f'<a download="{_text(stem)}.mid" href="{_data(tune.midi, "audio/midi")}">MIDI file</a>'
    # The script gives this link the player's sound, so that the file holds it once.
    sound = ""
    if tune.audio is not None:
        sound = f'<a class="sound" download="{_text(stem)}{SOUNDS[tune.audio_mime]}" hidden>Sound file</a>'
    return f'<p class="files">{midi}{sound}</p>'


def _settings(title: str, settings: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{_text(str(k))}</dt><dd>{_text(str(v))}</dd>" for k, v in settings.items())
    return f"<details><summary>{title}</summary><dl>{rows}</dl></details>" if rows else ""


def _text(text: str) -> str:
    """Text from strangers as HTML: escaped, without control characters, direction marks and broken surrogates."""
    return escape("".join(c if c.isprintable() else " " for c in text), quote=True)


def _data(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{b64encode(data).decode()}"


def _hash(code: str) -> str:
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"


_STYLE = """
:root { --page: #faf8f4; --card: #fff; --ink: #1c1b19; --soft: #66625c; --rule: #e6e1d8; --link: #0b5f7d;
  --black: #f3f4f6; --beat: #e8eaee; --bar: #9ca3af; --tint: #fdf0d5; --tag: #92580a; --head: #b91c1c; }
@media (prefers-color-scheme: dark) {
  :root { --page: #121318; --card: #1b1d24; --ink: #ecebe7; --soft: #a5a29b; --rule: #30333d; --link: #7cc4e0;
    --black: #22252e; --beat: #282b35; --bar: #59606f; --tint: #3a3220; --tag: #e9b765; --head: #ff7a7a; }
  .p0 { fill: #4ba3e3 } .p1 { fill: #f28444 } .p2 { fill: #2fc49a } .p3 { fill: #e39cc4 } .p4 { fill: #f0b53c }
  .p5 { fill: #86cdf5 } .drum { fill: #a3adbd }
}
* { box-sizing: border-box }
html { color-scheme: light dark; -webkit-text-size-adjust: 100% }
body { margin: 0 auto; max-width: 1160px; padding: 0 clamp(14px, 4vw, 40px); background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; overflow-wrap: anywhere }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", Georgia, serif;
  font-weight: 600; line-height: 1.2; letter-spacing: -.01em; margin: 0; text-wrap: balance }
h1 { font-size: clamp(2rem, 5vw, 2.9rem) } h2 { font-size: clamp(1.35rem, 3vw, 1.7rem) }
a { color: var(--link); text-underline-offset: .18em }
:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; border-radius: 4px }
.top { padding: clamp(28px, 6vw, 64px) 0 8px }
nav ol { display: flex; flex-wrap: wrap; gap: 4px 40px; margin: 18px 0 0; padding-left: 1.3em }
nav li { padding-left: 2px } nav li::marker { color: var(--soft) }
.tune { margin: 28px 0; padding: clamp(16px, 3vw, 30px); background: var(--card); border: 1px solid var(--rule);
  border-radius: 14px; scroll-margin-top: 12px }
.facts { margin: 4px 0 16px; color: var(--soft); font-variant-numeric: tabular-nums }
audio { display: block; width: 100%; height: 44px; margin: 0 0 16px }
figure { margin: 0 }
.keyed { display: flex; border: 1px solid var(--rule); border-radius: 8px; overflow: hidden }
.scroll { flex: 1; overflow-x: auto; scrollbar-width: thin }
.keyed svg { display: block; flex: none } .keyed > svg { border-right: 1px solid var(--rule) }
.playable .scroll { cursor: pointer }
.keyed svg { font-family: inherit; font-variant-numeric: tabular-nums }
.keyed text { fill: var(--soft) } .keyed .tag { fill: var(--tag) } .notes { stroke: var(--card) }
.black { fill: var(--black) } .prompt { fill: var(--tint) } .rest { fill: var(--bar) }
.beat { stroke: var(--beat) } .bar, .octave { stroke: var(--bar) } .octave { opacity: .6 } .cut { stroke: var(--tag) }
.head { stroke: var(--head) } .on { opacity: 1; stroke: var(--head); stroke-width: 1.5 }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 10px 0 0; padding: 0; list-style: none;
  font-size: .875rem }
.swatch { margin-right: 7px; vertical-align: -1px }
.score { margin-top: 18px; padding: 8px; background: #fff; border: 1px solid var(--rule); border-radius: 8px;
  overflow-x: auto }
.score img { display: block; width: 100%; min-width: 620px; height: auto }
.score img + img { border-top: 1px solid #e6e1d8 }
.remarks { margin: 16px 0 0; padding-left: 1.2em; color: var(--soft) }
.files { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0 0 } .files [hidden] { display: none }
.files a { padding: 7px 16px; border: 1px solid var(--rule); border-radius: 999px; text-decoration: none;
  font-size: .9375rem }
.files a:hover { border-color: currentColor }
details { margin-top: 16px; font-size: .9375rem } summary { cursor: pointer; color: var(--soft); width: fit-content }
dl { display: grid; grid-template-columns: minmax(7em, max-content) 1fr; gap: 4px 20px; margin: 10px 0 0 }
dt { color: var(--soft) } dd { margin: 0; font-variant-numeric: tabular-nums }
footer { padding: 12px 0 44px; color: var(--soft); font-size: .875rem }
@media print { audio, .files, nav { display: none } .tune { break-inside: avoid; border: 0 } .scroll { overflow: hidden } }
"""

_SCRIPT = """
"use strict";
const players = [...document.querySelectorAll(".tune audio")];
for (const audio of players) {
  const tune = audio.closest(".tune"), frame = tune.querySelector(".scroll"), head = tune.querySelector(".head");
  const knots = JSON.parse(tune.dataset.times);
  const notes = [...tune.querySelectorAll(".notes rect")].map(box => {
    const left = +box.getAttribute("x");
    return { box, left, right: left + +box.getAttribute("width") };
  });
  const along = (value, from, to) => {
    let i = 1;
    while (i < knots.length - 1 && knots[i][from] < value) i++;
    const a = knots[i - 1], b = knots[i];
    return a[to] + (Math.min(value, b[from]) - a[from]) / (b[from] - a[from] || 1) * (b[to] - a[to]);
  };
  const show = () => {
    const x = along(audio.currentTime, 0, 1), view = frame.clientWidth;
    head.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
    head.setAttribute("visibility", "visible");
    if (x < frame.scrollLeft || x > frame.scrollLeft + view * .9) frame.scrollLeft = x - view * .1;
    for (const note of notes) {
      const on = !audio.ended && note.left <= x && x < note.right;
      if (on !== !!note.on) note.box.classList.toggle("on", note.on = on);
    }
  };
  const follow = () => { show(); if (!audio.paused) requestAnimationFrame(follow); };
  audio.addEventListener("play", () => {
    for (const other of players) if (other !== audio) other.pause();
    requestAnimationFrame(follow);
  });
  audio.addEventListener("seeked", show);
  audio.addEventListener("ended", show);
  frame.addEventListener("click", event => {
    audio.currentTime = along(event.clientX - head.ownerSVGElement.getBoundingClientRect().left, 1, 0);
  });
  tune.classList.add("playable");
  const link = tune.querySelector(".sound");
  link.href = audio.src;
  link.hidden = false;
}
"""
