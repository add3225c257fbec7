// Alternatives side by side: small pictures, the keys 1 to 4 play them, Enter takes one.

import { element } from "./element.js";
import { LENGTH, ONSET, PART, PITCH, keyOf, spanOf } from "./tune.js";
import { count } from "./keep.js";

export class Choices {
  #old = null;
  #bars = null;
  #tunes = [];
  #buttons = [];
  #at = -1;
  #row;                    // what can be done with them

  constructor(frame, studio) {
    this.frame = frame;
    this.studio = studio;
    this.#row = element("div", { class: "buttons whole" }, element("button", { class: "main", onclick: () => this.take() }, "Take it"),
      element("button", { onclick: () => this.leave() }, "Keep the old bars"), element("span", { class: "words" }, "Keys 1 to 4 play them, Enter takes the one that plays."));
  }

  get open() { return !this.frame.hidden; }
  get many() { return this.#tunes.length; }

  begin(tune, bars) {
    this.#old = tune;
    this.#bars = bars;
    this.#tunes = [];
    this.#buttons = [];
    this.#at = -1;
    this.frame.replaceChildren(this.#row);
    this.frame.hidden = false;
  }

  add(tune, facts) {
    const number = this.#tunes.push(tune), canvas = element("canvas", { "aria-hidden": "true" });
    const button = element("button", { class: "choice", "aria-pressed": "false", title: `Hear it (${number}); Enter takes it`, onclick: () => this.hear(number - 1), ondblclick: () => this.take() },
      element("b", {}, `Alternative ${number}`), canvas, element("small", {}, `${Math.round(facts.kept * 100)} % of its notes are the old ones`));
    this.#buttons.push(button);
    this.#row.before(button);
    this.#draw(canvas, tune);
  }

  /** Play one of them, from the bar before. */
  hear(number) {
    const tune = this.#tunes[number], { history, player, roll } = this.studio;
    if (!tune) return;
    this.#at = number;
    this.#buttons.forEach((button, i) => button.setAttribute("aria-pressed", `${i === number}`));
    const [from] = spanOf(this.#old, ...this.#bars), [before] = spanOf(this.#old, Math.max(this.#bars[0] - 1, this.#old.first_bar), this.#bars[0]);
    history.show(tune, `alternative ${number + 1}`);
    const there = new Set(tune.notes.map(keyOf));
    roll.ghost = this.#old.notes.filter(note => !there.has(keyOf(note)));
    roll.draw();
    player.seek(Math.min(before, from));
    this.studio.refresh();
    this.studio.play();
    this.studio.voice.say(`alternative ${number + 1}`);
  }

  /** Take the one that plays. */
  take() {
    if (this.#at < 0) return;
    const number = this.#at, tune = { ...this.#tunes[number], made: this.#old.made };
    count("taken");
    this.#end();
    this.studio.history.change(tune, "bars written again");
    this.studio.say(`alternative ${number + 1} is taken`);
  }

  /** Keep the old bars. */
  leave() {
    if (this.#at >= 0) this.studio.history.back("the old bars");
    if (this.#tunes.length) count("dropped");
    this.#end();
  }

  close() { if (this.open) this.leave(); }

  #end() {
    this.#at = -1;
    this.#tunes = [];
    this.frame.hidden = true;
    this.studio.roll.ghost = [];
    this.studio.roll.draw();
  }

  #draw(canvas, tune) {
    const [from, to] = spanOf(tune, ...this.#bars), notes = tune.notes.filter(note => note[ONSET] >= from && note[ONSET] < to);
    const dots = devicePixelRatio || 1, wide = 180, tall = 62, style = getComputedStyle(this.studio.roll.frame);
    canvas.width = wide * dots;
    canvas.height = tall * dots;
    const pen = canvas.getContext("2d");
    pen.scale(dots, dots);
    const low = Math.min(...notes.map(note => note[PITCH])) - 1, high = Math.max(...notes.map(note => note[PITCH])) + 1, row = Math.min(tall / (high - low + 1), 6);
    const old = new Set(this.#old.notes.map(keyOf));
    for (const note of notes) {
      pen.fillStyle = style.getPropertyValue(`--p${note[PART] % 6}`);
      pen.globalAlpha = old.has(keyOf(note)) ? 0.35 : 1;
      pen.beginPath();
      pen.roundRect((note[ONSET] - from) / (to - from) * wide, (high - note[PITCH]) * tall / (high - low + 1), Math.max(note[LENGTH] / (to - from) * wide - 1, 2), row, 2);
      pen.fill();
    }
  }
}
