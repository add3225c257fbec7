"""What a browser needs to show a page of ours: its one style sheet, its one script, and files as addresses."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256


def data_address(data: bytes, mime: str) -> str:
    """A file as an address that holds it (RFC 2397)."""
    return f"data:{mime};base64,{b64encode(data).decode()}"


def content_policy(style: str, script: str) -> str:
    """A content security policy of a page that may show its own style, run its own script, if any, and make no request."""
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; media-src data:; style-src {_hash(style)}"
    )
    return f"{policy}; script-src {_hash(script)}" if script else policy


def _hash(code: str) -> str:
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"


STYLE = """
:root { --page: #faf8f4; --card: #fff; --ink: #1c1b19; --soft: #66625c; --rule: #e6e1d8; --link: #0b5f7d;
  --black: #f3f4f6; --beat: #e8eaee; --bar: #9ca3af; --tint: #fdf0d5; --tag: #92580a; --head: #b91c1c;
  --fresh: #1d4ed8; --new: #e3edff; --turn: none }
@media (prefers-color-scheme: dark) {
  :root { --page: #121318; --card: #1b1d24; --ink: #ecebe7; --soft: #a5a29b; --rule: #30333d; --link: #7cc4e0;
    --black: #22252e; --beat: #282b35; --bar: #59606f; --tint: #3a3220; --tag: #e9b765; --head: #ff7a7a;
    --fresh: #9cc2ff; --new: #1f3050; --turn: invert(.92) hue-rotate(180deg) }
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
.keyed text { fill: var(--soft) } .keyed .tag { fill: var(--tag) }
.keyed .tag.fresh { fill: var(--fresh) } .notes { stroke: var(--card) }
.black { fill: var(--black) } .prompt { fill: var(--tint) } .new { fill: var(--new) } .rest { fill: var(--bar) }
.beat { stroke: var(--beat) } .bar, .octave { stroke: var(--bar) } .octave { opacity: .6 } .cut { stroke: var(--fresh) }
.head { stroke: var(--head) } .notes .on { opacity: 1; stroke: var(--head); stroke-width: 1.5 }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 10px 0 0; padding: 0; list-style: none;
  font-size: .875rem }
.swatch { margin-right: 7px; vertical-align: -1px }
.score { margin-top: 18px; padding: 8px; border: 1px solid var(--rule); border-radius: 8px; overflow: auto;
  max-height: min(78vh, 900px); scrollbar-width: thin }
.sheet { display: grid; min-width: 620px } .sheet > * { grid-area: 1 / 1; width: 100%; height: auto }
.sheet img { filter: var(--turn) } .sheet + .sheet { border-top: 1px solid var(--rule) }
.sheet text { fill: var(--tag); font-size: 30px; font-weight: 600 } .sheet .fresh { fill: var(--fresh) }
.sheet .cut { stroke-width: 4; fill: none }
.line { fill: var(--head); opacity: .55 }
.heads circle { fill: var(--head); visibility: hidden; opacity: .5 } .heads .on { visibility: visible }
.playable .sheet { cursor: pointer }
.jumps { display: flex; flex-wrap: wrap; gap: 10px; margin: 0 0 16px } .jumps[hidden] { display: none }
button { font: inherit; font-size: .9375rem; padding: 5px 14px; border: 1px solid var(--rule); border-radius: 999px;
  background: none; color: var(--link); cursor: pointer } button:hover { border-color: currentColor }
.remarks { margin: 16px 0 0; padding-left: 1.2em; color: var(--soft) }
.files { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0 0 } .files [hidden] { display: none }
.files a { padding: 7px 16px; border: 1px solid var(--rule); border-radius: 999px; text-decoration: none;
  font-size: .9375rem }
.files a:hover { border-color: currentColor }
details { margin-top: 16px; font-size: .9375rem } summary { cursor: pointer; color: var(--soft); width: fit-content }
dl { display: grid; grid-template-columns: minmax(7em, max-content) 1fr; gap: 4px 20px; margin: 10px 0 0 }
dt { color: var(--soft) } dd { margin: 0; font-variant-numeric: tabular-nums }
.part { margin: 28px 0; padding: clamp(16px, 3vw, 30px); background: var(--card); border: 1px solid var(--rule);
  border-radius: 14px; overflow-x: auto } .part > p { max-width: 72ch }
.part img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 8px; margin: 12px 0 }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; margin: 12px 0 }
th, td { padding: 4px 12px 4px 0; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th { font-weight: 600; vertical-align: bottom } th:first-child, td:first-child, td.words { text-align: left }
p.missed, tr.missed td { color: var(--fresh) }
footer { padding: 12px 0 44px; color: var(--soft); font-size: .875rem }
.more ol { columns: 16em; padding-left: 2em } .more { margin: 36px 0 }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --turn: none; --tint: #fdf0d5; --new: #e3edff }
  audio, .files, .jumps, nav, .more { display: none } .tune { break-inside: avoid; border: 0 }
  .scroll { overflow: hidden } .score { max-height: none; border: 0 }
}
"""

SCRIPT = """
"use strict";
const players = [...document.querySelectorAll(".tune audio")];
const toggle = (thing, on) => { if (on !== !!thing.on) thing.box.classList.toggle("on", thing.on = on); };

// The roll of a tune: the line stands at x for a time, and at a time for x.
const rollOf = tune => {
  const frame = tune.querySelector(".scroll"), head = tune.querySelector(".head"), knots = JSON.parse(tune.dataset.times);
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
  return {
    frame,
    timeAt: event => along(event.clientX - head.ownerSVGElement.getBoundingClientRect().left, 1, 0),
    show: (time, over) => {
      const x = along(time, 0, 1);
      head.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
      head.setAttribute("visibility", "visible");
      const view = frame.clientWidth;
      if (x < frame.scrollLeft || x > frame.scrollLeft + view * .9) frame.scrollLeft = x - view * .1;
      for (const note of notes) toggle(note, !over && note.left <= x && x < note.right);
    },
  };
};

// A page of its score: the line stands at the note that sounds, whose head lights up.
const sheetOf = over => {
  const way = JSON.parse(over.dataset.way), times = JSON.parse(over.dataset.heads), line = over.querySelector(".line");
  const box = over.closest(".score"), wide = over.viewBox.baseVal.width;
  const heads = [...over.querySelectorAll(".heads circle")].map((box, i) => ({ box, from: times[i][0], to: times[i][1] }));
  let row = null;
  const keepInView = knot => {
    const scale = over.clientWidth / wide, left = over.parentElement.offsetLeft - box.offsetLeft + knot[1] * scale;
    const view = box.clientWidth;
    if (left < box.scrollLeft + 20 || left > box.scrollLeft + view * .9) box.scrollLeft = left - view * .2;
    if (row === knot[2]) return;
    row = knot[2];
    const top = over.parentElement.offsetTop - box.offsetTop + knot[2] * scale, tall = (knot[3] - knot[2]) * scale;
    const inView = top >= box.scrollTop + 10 && top + tall <= box.scrollTop + box.clientHeight - 10;
    if (!inView) box.scrollTop = top - Math.min(60, box.clientHeight / 5);
  };
  return {
    over,
    timeAt: event => {
      const frame = over.getBoundingClientRect(), scale = frame.width / wide;
      const x = (event.clientX - frame.left) / scale, y = (event.clientY - frame.top) / scale;
      const far = knot => Math.abs(knot[1] - x) + 9 * Math.max(knot[2] - y, y - knot[3], 0);
      return way.reduce((best, knot) => far(knot) < far(best) ? knot : best)[0];
    },
    show: (time, over) => {
      let knot = null, next = null;
      for (const other of way) if (other[0] <= time + .01 && (!knot || other[0] >= knot[0])) knot = other;
      for (const other of way) if (other[0] > time + .01 && (!next || other[0] < next[0])) next = other;
      line.setAttribute("visibility", knot ? "visible" : "hidden");
      if (knot) {
        const same = next && next[2] === knot[2] && next[1] > knot[1];
        const x = same ? knot[1] + (next[1] - knot[1]) * (time - knot[0]) / (next[0] - knot[0]) : knot[1];
        line.setAttribute("x", Math.max(x, knot[1]) + 5);
        line.setAttribute("y", knot[2] - 20);
        line.setAttribute("height", knot[3] - knot[2] + 40);
        keepInView(knot);
      }
      for (const head of heads) toggle(head, !over && head.from <= time + .01 && time < head.to - .01);
    },
  };
};

// The sound of a page as WAV: 16 bits, decoded by the browser.
const wavOf = async address => {
  const bytes = Uint8Array.from(atob(address.split(",")[1]), c => c.charCodeAt(0));
  const sound = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(bytes.buffer);
  const channels = [...Array(sound.numberOfChannels).keys()].map(i => sound.getChannelData(i)), many = channels.length;
  const view = new DataView(new ArrayBuffer(44 + 2 * many * sound.length));
  const word = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  word(0, "RIFF"), word(8, "WAVEfmt "), word(36, "data");
  [[4, view.byteLength - 8], [16, 16], [24, sound.sampleRate], [28, 2 * many * sound.sampleRate],
    [40, view.byteLength - 44]].forEach(([at, n]) => view.setUint32(at, n, true));
  [[20, 1], [22, many], [32, 2 * many], [34, 16]].forEach(([at, n]) => view.setUint16(at, n, true));
  channels.forEach((samples, c) => samples.forEach((s, i) =>
    view.setInt16(44 + 2 * (i * many + c), Math.round(32767 * Math.max(-1, Math.min(1, s))), true)));
  return new Blob([view.buffer], { type: "audio/wav" });
};

for (const tune of document.querySelectorAll(".tune")) {
  const audio = tune.querySelector("audio"), roll = rollOf(tune), sheets = [...tune.querySelectorAll(".over")].map(sheetOf);
  const showAt = (time, over) => { for (const view of [roll, ...sheets]) view.show(time, over); };
  const begin = +tune.dataset.begin;
  if (begin) showAt(begin + .02, true);
  if (!audio) continue;
  const show = () => showAt(audio.currentTime, audio.ended);
  const follow = () => { show(); if (!audio.paused) requestAnimationFrame(follow); };
  const seek = time => { audio.currentTime = time; };
  if (begin) seek(begin);
  audio.addEventListener("play", () => {
    for (const other of players) if (other !== audio) other.pause();
    requestAnimationFrame(follow);
  });
  audio.addEventListener("seeked", show);
  audio.addEventListener("ended", show);
  roll.frame.addEventListener("click", event => seek(roll.timeAt(event)));
  for (const sheet of sheets) sheet.over.parentElement.addEventListener("click", event => seek(sheet.timeAt(event)));
  for (const button of tune.querySelectorAll("[data-at]")) {
    button.parentElement.hidden = false;
    button.addEventListener("click", () => { seek(+button.dataset.at); audio.play(); });
  }
  tune.classList.add("playable");
  const link = tune.querySelector(".sound"), wav = tune.querySelector(".wav");
  link.href = audio.src;
  link.hidden = false;
  if (!wav) continue;
  wav.hidden = false;
  wav.addEventListener("click", async event => {
    if (wav.href.startsWith("blob:")) return;
    event.preventDefault();
    wav.href = URL.createObjectURL(await wavOf(audio.src));
    wav.click();
  });
}
"""
