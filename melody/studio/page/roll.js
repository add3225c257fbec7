// The piano roll: what stands where, drawn on a canvas. `pencil.js` edits it.

import {
  LENGTH, MINE, ONSET, PART, PITCH, barStarts, beatTicks, endOf, isBlack, keyName, pitchName, soundingEnds,
} from "./tune.js";

const RULER = 24, KEYS = 46, LEAST_ROWS = 20;
const COLOURS = 6;

export class Roll {
  tune = null;
  selected = new Set();      // notes
  cursor = null;             // the note where the arrows are
  bars = null;               // [first, last] that are selected
  ghost = [];                // notes of another tune, shown faintly
  shades = null;             // surprise of each note, 0 to 1
  muted = new Set();         // parts
  loop = null;               // [tick, tick]
  #scroll = 0;               // ticks at the left
  #zoom = null;              // pixels a tick; null to fit
  #head = 0;
  #asked = false;

  constructor(frame) {
    this.frame = frame;
    this.canvas = frame.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    new ResizeObserver(() => this.draw()).observe(frame);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    frame.addEventListener("wheel", event => this.#wheel(event), { passive: false });
  }

  show(tune) {
    const grew = this.tune && endOf(tune) > endOf(this.tune);
    this.tune = tune;
    const there = new Set(tune.notes);
    this.selected = new Set([...this.selected].filter(note => there.has(note)));
    if (!there.has(this.cursor)) this.cursor = null;
    if (!grew) this.#scroll = Math.min(this.#scroll, Math.max(this.#length - this.#view, 0));
    this.frame.classList.toggle("full", tune.notes.length > 0);
    this.frame.dataset.notes = tune.notes.length;
    this.frame.setAttribute("aria-label", `Piano roll, ${tune.notes.length || "no"} notes`);
    this.draw();
  }

  /** Where the music is, in ticks; while it plays the roll follows. */
  set head(tick) {
    if (tick === this.#head) return;
    this.#head = tick;
    if (this.following) this.reveal(tick);
    this.draw();
  }

  reveal(tick) {
    if (tick < this.#scroll || tick > this.#scroll + this.#view * 0.88) this.#scroll = Math.max(tick - this.#view * 0.12, 0);
  }

  // Where things stand

  get #wide() { return Math.max(this.frame.clientWidth - KEYS, 50); }
  get #starts() { return barStarts(this.tune, Math.max(endOf(this.tune), endOf({ notes: this.ghost }))); }
  get #length() { return this.#starts.at(-1); }
  get #fit() { return this.#wide / Math.max(this.#length, this.tune.ticks * 16); }
  get #scale() { return this.#zoom ?? Math.max(this.#fit, 12.5 / this.tune.ticks); }
  get #view() { return this.#wide / this.#scale; }
  get #rows() {
    const pitches = this.tune.notes.concat(this.ghost).map(note => note[PITCH]);
    let low = Math.min(...pitches, 72) - 2, high = Math.max(...pitches, 64) + 2;
    while (high - low + 1 < LEAST_ROWS) { low--; high++; }
    return [Math.max(low, 0), Math.min(high, 127)];
  }
  get #row() { const [low, high] = this.#rows; return (this.frame.clientHeight - RULER) / (high - low + 1); }
  x(tick) { return KEYS + (tick - this.#scroll) * this.#scale; }
  y(pitch) { return RULER + (this.#rows[1] - pitch) * this.#row; }
  tickAt(x) { return Math.max(this.#scroll + (x - KEYS) / this.#scale, 0); }
  pitchAt(y) { return this.#rows[1] - Math.floor((y - RULER) / this.#row); }

  /** What is at a place: the ruler, the keys, a note or its end, or nothing. */
  at(x, y) {
    if (y < RULER) return { kind: "ruler", tick: this.tickAt(x) };
    if (x < KEYS) return { kind: "keys", pitch: this.pitchAt(y) };
    const row = this.#row;
    for (const note of [...this.tune.notes].reverse()) {
      const left = this.x(note[ONSET]), right = this.x(note[ONSET] + note[LENGTH]), top = this.y(note[PITCH]);
      if (x >= left - 2 && x <= Math.max(right, left + 6) + 2 && y >= top && y < top + row)
        return { kind: x > right - 6 && right - left > 14 ? "end" : "note", note };
    }
    return { kind: "empty", tick: this.tickAt(x), pitch: this.pitchAt(y) };
  }

  // Moving the view

  #wheel(event) {
    if (!this.tune) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.offsetX);
      return;
    }
    const by = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    if (!by) return;
    event.preventDefault();
    this.scroll(by);
  }

  scroll(pixels) {
    this.#scroll = Math.max(Math.min(this.#scroll + pixels / this.#scale, Math.max(this.#length - this.#view, 0)), 0);
    this.draw();
  }

  zoom(factor, x = KEYS) {
    const tick = this.tickAt(x);
    this.#zoom = Math.max(Math.min(this.#scale * factor, 12), this.#fit);      // the whole tune, and no smaller
    this.#scroll = tick - (x - KEYS) / this.#zoom;
    this.scroll(0);
  }

  // Drawing, once a frame

  draw() {
    if (this.#asked || !this.tune) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  #paint() {
    const { pen, canvas, frame } = this, style = getComputedStyle(frame), dots = devicePixelRatio || 1;
    const wide = frame.clientWidth, tall = frame.clientHeight;
    if (canvas.width !== Math.round(wide * dots) || canvas.height !== Math.round(tall * dots)) {
      canvas.width = Math.round(wide * dots);
      canvas.height = Math.round(tall * dots);
    }
    const colour = name => style.getPropertyValue(`--${name}`).trim();
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, wide, tall);
    pen.save();
    pen.beginPath();
    pen.rect(KEYS, 0, wide - KEYS, tall);
    pen.clip();
    this.#paintPaper(colour, wide, tall);
    this.#paintNotes(colour);
    this.#paintHead(colour, tall);
    pen.restore();
    this.#paintKeys(colour, tall);
  }

  #paintPaper(colour, wide, tall) {
    const { pen, tune } = this, [low, high] = this.#rows, row = this.#row, starts = this.#starts;
    pen.fillStyle = colour("black");
    for (let pitch = low; pitch <= high; pitch++) if (isBlack(pitch)) pen.fillRect(KEYS, this.y(pitch), wide, row);
    const tint = (from, to, name) => {
      pen.fillStyle = colour(name);
      pen.fillRect(this.x(from), RULER, (to - from) * this.#scale, tall);
    };
    if (this.loop) tint(...this.loop, "loop");
    if (this.bars) {
      const first = this.bars[0] - tune.first_bar, last = this.bars[1] - tune.first_bar + 1;
      tint(starts[Math.max(first, 0)], starts[Math.min(last, starts.length - 1)], "chosen");
    }
    pen.strokeStyle = colour("octave");
    for (let pitch = low; pitch <= high; pitch++) if (pitch % 12 === 0) this.#line(KEYS, this.y(pitch) + row, wide, this.y(pitch) + row);
    pen.font = "500 11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    let written = -99;
    starts.forEach((start, i) => {
      const x = this.x(start), next = starts[i + 1] ?? start;
      if (this.#scale * tune.ticks > 9) {
        pen.strokeStyle = colour("beat");
        for (let tick = start + beatTicks(tune, start); tick < next; tick += beatTicks(tune, start)) this.#line(this.x(tick), RULER, this.x(tick), tall);
      }
      pen.strokeStyle = colour("bar");
      this.#line(x, RULER - 5, x, tall);
      if (i < starts.length - 1 && x - written > 26) {
        pen.fillStyle = colour("soft");
        pen.fillText(String(i + tune.first_bar), x + 4, RULER / 2 + 1);
        written = x;
      }
    });
    for (const key of tune.keys.slice(1)) {
      pen.fillStyle = colour("link");
      pen.fillText(keyName(key), this.x(key[0]) + 22, RULER / 2 + 1);
    }
  }

  #paintNotes(colour) {
    const { pen, tune } = this, row = this.#row, gap = Math.min(row * 0.12, 1.5), round = Math.min(row * 0.3, 4);
    const box = note => {
      const left = this.x(note[ONSET]), wide = Math.max(note[LENGTH] * this.#scale - 1, 3);
      pen.beginPath();
      pen.roundRect(left + 0.5, this.y(note[PITCH]) + gap, wide, row - 2 * gap, round);
    };
    pen.strokeStyle = colour("soft");
    pen.setLineDash([3, 2]);
    for (const note of this.ghost) { box(note); pen.stroke(); }
    pen.setLineDash([]);
    pen.globalAlpha = 0.3;
    soundingEnds(tune).forEach((end, i) => {          // what the pedal holds: a pale bar of half the height
      const note = tune.notes[i], from = note[ONSET] + note[LENGTH];
      pen.fillStyle = colour(`p${note[PART] % COLOURS}`);
      if (end > from) pen.fillRect(this.x(from), this.y(note[PITCH]) + row / 4, (end - from) * this.#scale, row / 2);
    });
    pen.globalAlpha = 1;
    tune.notes.forEach((note, i) => {
      const sounds = this.following && note[ONSET] <= this.#head && this.#head < note[ONSET] + note[LENGTH];
      box(note);
      pen.globalAlpha = this.muted.has(note[PART]) ? 0.25 : 1;
      pen.fillStyle = this.shades ? this.#shade(this.shades[i] ?? 0, colour) : colour(`p${note[PART] % COLOURS}`);
      pen.fill();
      if (note[MINE]) {                                  // the user's own: a lighter heart, so that it needs no colour
        pen.save();
        pen.clip();
        pen.strokeStyle = colour("paper");
        pen.lineWidth = 1.5;
        const left = this.x(note[ONSET]), top = this.y(note[PITCH]), end = left + note[LENGTH] * this.#scale;
        for (let x = left - row; x < end; x += 6) this.#line(x, top + row, x + row, top);
        pen.restore();
      }
      if (sounds || this.selected.has(note) || this.cursor === note) {
        box(note);
        pen.lineWidth = this.cursor === note ? 3 : 2;
        pen.strokeStyle = colour(sounds ? "head" : "ink");
        pen.stroke();
        pen.lineWidth = 1;
      }
      pen.globalAlpha = 1;
    });
  }

  #shade(surprise, colour) {
    const mix = Math.round(Math.max(Math.min(surprise, 1), 0) * 100);
    return `color-mix(in oklab, ${colour("calm")} ${100 - mix}%, ${colour("wild")})`;
  }

  #paintHead(colour, tall) {
    const { pen } = this, x = Math.round(this.x(this.#head)) + 0.5;
    pen.strokeStyle = pen.fillStyle = colour("head");
    pen.lineWidth = 1.5;
    this.#line(x, 10, x, tall);
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x - 5, 4);
    pen.lineTo(x + 5, 4);
    pen.lineTo(x, 12);
    pen.fill();
  }

  #paintKeys(colour, tall) {
    const { pen, tune } = this, [low, high] = this.#rows, row = this.#row;
    const now = new Set(this.following ? tune.notes.filter(note => note[ONSET] <= this.#head && this.#head < note[ONSET] + note[LENGTH]).map(note => note[PITCH]) : []);
    pen.fillStyle = colour("card");
    pen.fillRect(0, 0, KEYS, tall);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (let pitch = low; pitch <= high; pitch++) {
      const top = this.y(pitch), ebony = isBlack(pitch);
      pen.fillStyle = now.has(pitch) ? colour("head") : ebony ? colour("ebony") : colour("ivory");
      pen.fillRect(0, top, ebony ? KEYS * 0.62 : KEYS - 1, Math.max(row - 0.6, 0.6));
      if (pitch % 12 === 0) {
        pen.fillStyle = colour("name");
        pen.fillText(pitchName(pitch), KEYS - 22, top + row / 2);
      }
    }
    pen.fillStyle = colour("card");
    pen.fillRect(0, 0, KEYS, RULER);
  }

  #line(x1, y1, x2, y2) {
    this.pen.beginPath();
    this.pen.moveTo(x1, y1);
    this.pen.lineTo(x2, y2);
    this.pen.stroke();
  }
}
