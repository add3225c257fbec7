"""How a model reads a tune, as one self-contained HTML file in which a note can be clicked.

As on every page of ours, everything is inside the file, and its content security policy forbids every request and every
script but the page's own. Without a script the roll, the lists and the units can still be read.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from melody.files import write_bytes
from melody.inspection.inspecting import Inspection
from melody.inspection.words import note_name, place
from melody.report.browser import STYLE
from melody.report.inside.inspected import surprise_colours
from melody.report.page import check_page, framed, table
from melody.report.roll_layout import colours, facts
from melody.report.svg_roll import svg_roll
from melody.score.names import pitch_name
from melody.text import for_html

_STYLE = """
.notes rect { cursor: pointer } .notes .chosen { stroke: var(--ink); stroke-width: 2; stroke-opacity: 1 }
.notes .source { stroke: var(--fresh); stroke-opacity: 1; fill: var(--fresh) }
.notes .later { opacity: .25 }
#note { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 6px 28px; margin-top: 14px;
  min-height: 15em; font-size: .9375rem } #note h3 { margin: 8px 0 2px; font-size: 1rem }
#note p { margin: 0 } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9375rem }
td, th { padding: 2px 14px 2px 0; text-align: left; font-weight: 400; vertical-align: top }
#note td { white-space: nowrap } th { color: var(--soft) }
meter { width: 90px }
"""
_SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const boxes = [...document.querySelectorAll(".notes rect")], at = new Map(data.order.map((note, i) => [note, boxes[i]]));
const panel = document.getElementById("note");
const make = (tag, text) => { const made = document.createElement(tag); made.textContent = text; return made; };
const share = p => p >= .0995 ? p.toFixed(2) : p >= .001 ? p.toFixed(3) : "<0.001";
const block = (title, rows) => {
  const box = document.createElement("div"), table = document.createElement("table");
  for (const cells of rows) {
    const row = document.createElement("tr");
    for (const cell of cells) {
      const field = document.createElement("td");
      field.append(cell instanceof Node ? cell : String(cell));
      row.append(field);
    }
    table.append(row);
  }
  box.append(make("h3", title), table);
  return box;
};
const meter = (value, most) => {
  const made = document.createElement("meter");
  made.max = most; made.value = value;
  return made;
};
const show = number => {
  const note = data.notes[number];
  for (const [other, box] of at) {
    box.classList.toggle("chosen", other === number);
    box.classList.toggle("later", other > number);
    box.classList.remove("source");
    box.style.fillOpacity = "";
  }
  const most = note.from.length ? note.from[0][1] : 1;
  for (const [source, nats] of note.from) {
    at.get(source).classList.add("source");
    at.get(source).style.fillOpacity = Math.max(nats / most, .15).toFixed(2);
  }
  panel.replaceChildren(
    block(`${note.name}, ${note.place}`, [["surprise", `${note.nats.toFixed(2)} nats`],
      ...Object.entries(note.by_field).map(([name, nats]) => [name === "value" ? "pitch" : name, nats.toFixed(2)])]),
    ...Object.entries(note.expected).map(([name, rows]) => block(`${name}: what was expected`,
      rows.filter(([, p]) => p >= .005).map(([word, p]) => [word, share(p), meter(p, 1)]))),
    block("predicted from", note.from.map(([source, nats]) =>
      [`${data.notes[source].name}, ${data.notes[source].place}`, nats.toFixed(2), meter(nats, most)])),
    ...Object.entries(data.gates).map(([name, layers]) => block(`${name} gate, mean`,
      layers.map((values, i) => [`layer ${i + 1}`, values[number].toFixed(2), meter(values[number], 1)]))),
  );
};
data.order.forEach((note, i) => {
  boxes[i].setAttribute("tabindex", "0");
  boxes[i].setAttribute("role", "button");
  boxes[i].setAttribute("aria-label", `${data.notes[note].name}, ${data.notes[note].place}`);
  boxes[i].addEventListener("click", () => show(note));
  boxes[i].addEventListener("keydown", event => { if (event.key === "Enter") show(note); });
});
for (const link of document.querySelectorAll("[data-note]")) {
  link.addEventListener("click", () => { show(+link.dataset.note); at.get(+link.dataset.note).focus(); });
}
show(data.first);
"""


def write_inspection_page(found: Inspection, path: str | os.PathLike[str], title: str) -> None:
    """Write the page, whole or not at all.

    Raises
    ------
    RenderError
        If the suffix is another or the tune cannot be drawn.
    melody.errors.FileError
        If the file cannot be written.
    """
    check_page(path)
    write_bytes(path, page(found, title).encode())


def page(found: Inspection, title: str) -> str:
    """The page as HTML."""
    reading = found.reading
    data = found.to_dict()
    order = [int(i) for part in range(len(colours(reading.piece))) for i in np.flatnonzero(reading.piece.part == part)]
    kept = {name: data[name] for name in ("notes", "gates")} | {"order": order, "first": found.anomalies[0].note}
    picture = svg_roll(reading.piece)
    top = (
        f'<p class="facts">{for_html(facts(reading.piece))} · {for_html(found.cell)} · '
        f"{data['nats_per_note']:.3f} nats a note</p>"
    )
    main = f"""<article class="tune">
<p>The redder a note, the less it was expected. Click one: the notes that it was predicted from turn blue, as far as another
pitch there would have made it less likely.</p>
<figure class="roll"><div class="keyed">{picture.keys}<div class="scroll">{picture.roll}</div></div></figure>
<div id="note" aria-live="polite"></div>
</article>
{_anomalies(found)}{_units(found)}<script type="application/json" id="data">{_json(kept)}</script>
"""
    heading = f"{title}, as {found.model} reads it"
    return framed(heading, top, main, style=STYLE + _STYLE + _fills(found), script=_SCRIPT)


def _json(data: dict[str, Any]) -> str:
    """JSON that ends no script."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _fills(found: Inspection) -> str:
    """The colour of each note as a rule of the style sheet; `svg_roll` draws part after part."""
    part, rules = found.reading.piece.part, []
    for note, (red, green, blue) in enumerate((255 * surprise_colours(found.reading.surprise)).round().astype(int).tolist()):
        number = int(np.sum(part[: note + 1] == part[note]))
        which = f".notes g:nth-child({part[note] + 1}) rect:nth-child({number})"
        rules.append(f"{which}:not(.source){{fill:#{red:02x}{green:02x}{blue:02x}}}")
    return "\n".join(rules)


def _anomalies(found: Inspection) -> str:
    """The notes most likely wrong, each a button that shows it."""
    piece = found.reading.piece
    rows = "".join(
        f'<tr><td><button type="button" data-note="{each.note}">{note_name(found.reading, each.note)}</button></td>'
        f"<td>{place(piece, int(piece.onset[each.note]))}</td><td>{each.score:.1f}</td><td>{each.pitch:.1f}</td>"
        f"<td>{each.rhythm:.1f}</td><td>{pitch_name(each.instead) if each.instead >= 0 else ''}</td></tr>"
        for each in found.anomalies
    )
    head = "<tr><th>note</th><th>where</th><th>nats</th><th>by pitch</th><th>by rhythm</th><th>likelier</th></tr>"
    return f'<article class="tune"><h2>Most likely wrong</h2><table>{head}{rows}</table></article>\n'


def _units(found: Inspection) -> str:
    rows = [
        (
            each.aspect.name,
            ", ".join(f"{unit.name} {unit.explained:.0%}" for unit in each.units),
            f"{each.chance:.0%}",
            f"{each.share:.0%} of {each.num_units:,}",
            f"{each.share_by_chance:.0%}",
        )
        for each in found.followers
    ]
    if not rows:
        return ""
    header = ("what", " units, and how much of each it explains", "the best by chance", "units that follow", "by chance")
    tunes = f"{found.tunes} tunes" if found.tunes > 1 else "this tune alone"
    title = f"Units that follow something musical, on {tunes}"
    return f'<article class="tune"><h2>{title}</h2>{table(header, rows)}</article>\n'
