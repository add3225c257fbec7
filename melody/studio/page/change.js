// The panel that changes: bars again in four ways, voices under a melody, and what the hand does.

import { element } from "./element.js";
import { Choices } from "./choices.js";
import { ask, job } from "./server.js";
import { MINE, ONSET, barAt, barsName, lastBar, sheetOf, spanOf, tuneOf } from "./tune.js";

export class ChangePanel {
  #stop = null;
  #step = 0;               // of the tune, when it was asked for

  constructor(studio) {
    this.studio = studio;
    studio.history.follow(() => studio.history.steps === this.#step || this.stop());   // of a tune that is no more
    this.choices = studio.choices = new Choices(document.getElementById("choices"), studio);
    this.which = element("p", { class: "words", id: "which" }, "Drag over the bar numbers to choose bars.");
    const shown = element("output", { for: "likeness" }, "free");
    this.likeness = element("input", { type: "range", id: "likeness", min: "0", max: "1", step: "0.1", value: "0.3", "aria-describedby": "likeness-hint" });
    const say = () => { shown.textContent = ["free", "free", "a little", "a little", "alike", "alike", "alike", "very like", "very like", "nearly", "nearly"][Math.round(this.likeness.value * 10)]; };
    this.likeness.addEventListener("input", say);
    say();
    this.button = element("button", { id: "again", class: "main big", title: "Write the chosen bars again (R)", onclick: () => this.again() }, "Bars again, four ways");
    this.up = element("input", { id: "semitones", inputmode: "numeric", value: "2", autocomplete: "off" });
    const pencil = () => studio.pencil;
    const button = (name, does, title) => element("button", { onclick: () => does(), title }, name);
    this.voicesButton = button("Set voices under it", () => this.voices(), "Three voices under the melody, by a model of several parts");
    this.frame = element("section", { class: "panel" },
      element("h2", {}, "Write bars again"), this.which,
      element("div", { class: "field" }, element("label", { for: "likeness" }, "How like the old ones"), element("div", { class: "row" }, this.likeness, shown),
        element("span", { class: "hint", id: "likeness-hint" }, "Each note that stays where it was makes an alternative so much likelier.")),
      element("div", { class: "buttons" }, this.button),
      element("p", { class: "words" }, "Hear them with 1 to 4, take one with Enter; Escape keeps the old bars. Locked notes are yours: unlock them first (K)."),
      element("h2", {}, "Harmonise"),
      element("p", { class: "words" }, "Voices in the style of the chosen model, one that knows several parts, such as chorales."),
      element("div", { class: "buttons" }, this.voicesButton),
      element("h2", {}, "By hand"),
      element("div", { class: "field" }, element("label", { for: "semitones" }, "Transpose by semitones"), element("div", { class: "row" }, this.up,
        button("Up", () => pencil().transpose(this.#semitones)), button("Down", () => pencil().transpose(-this.#semitones)))),
      element("div", { class: "buttons" }, button("Quantise", () => pencil().quantise(), "Q"), button("Lock", () => pencil().lock(), "K"), button("Delete", () => pencil().remove(), "Del")),
      element("p", { class: "words" }, "What is chosen, else the chosen bars, else all. Double-click the roll for a new note; drag notes and their ends."));
    studio.barsChosen = bars => {
      this.which.textContent = bars ? `Chosen: ${barsName(bars)}.` : "Drag over the bar numbers to choose bars.";
    };
  }

  get #semitones() { return Math.max(Math.min(Math.round(+this.up.value) || 0, 48), -48); }

  stop() {
    this.#stop?.abort();
    this.choices.close();
  }

  /** The chosen bars in four other ways. */
  async again() {
    const { studio } = this, { tune, roll, player } = studio;
    if (!tune.notes.length) return studio.say("write or open a tune first", true);
    const bars = roll.bars ?? [barAt(tune, player.tick), Math.min(barAt(tune, player.tick) + 1, lastBar(tune))];
    if (!roll.bars) studio.pencil.bars(bars);
    const [from, to] = spanOf(tune, ...bars);
    if (tune.notes.some(note => note[MINE] && note[ONSET] >= from && note[ONSET] < to))
      return studio.say("some notes of these bars are yours and locked; unlock them first (K)", true);
    this.stop();
    const stop = this.#stop = new AbortController(), order = studio.panels.get("Write").order;
    this.#step = studio.history.steps;
    studio.say(`writing ${barsName(bars)} again …`);
    this.choices.begin(tune, bars);
    await studio.attempt(async () => {
      const asked = { ...order, sheet: sheetOf(tune), between: bars, likeness: +this.likeness.value, bars: null };
      for await (const message of job("again", asked, stop.signal)) {
        this.choices.add(tuneOf(message.sheet, tune), message);
        studio.say(message.remarks.join("; ") || `alternative ${message.alternative + 1} is here: ${message.alternative + 1} plays it`);
      }
    });
    if (!this.choices.many) this.choices.close();
  }

  /** Voices under the melody. */
  async voices() {
    const { studio } = this, { tune } = studio, order = studio.panels.get("Write").order;
    if (!tune.notes.length) return studio.say("write or open a tune first", true);
    this.stop();
    const stop = this.#stop = new AbortController();
    this.#step = studio.history.steps;
    this.voicesButton.disabled = true;
    studio.say("setting voices under the melody …");
    await studio.attempt(async () => {
      const { sheet, remarks } = await ask("voices", { ...order, sheet: sheetOf(tune) }, stop.signal);
      studio.history.change({ ...tuneOf(sheet, tune), made: tune.made }, "voices");
      studio.say(remarks.join("; ") || "the voices are set");
    });
    this.voicesButton.disabled = false;
  }
}
