"""What a browser needs to show a page of ours: its one style sheet and its one script."""

STYLE = """
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

SCRIPT = """
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
