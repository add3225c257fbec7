// The panel that writes: model, length, one button; steering and beginnings below it.

import { element, named } from "./element.js";
import { Beginning } from "./begin.js";
import { count } from "./keep.js";
import { ask, job } from "./server.js";
import { Steer } from "./steer.js";
import { empty, endOf, lastBar, sheetOf, tuneOf } from "./tune.js";

const MAX_SEED = 1_000_000;

export class WritePanel {
  #stop = null;                    // ends what is being written
  #step = 0;                       // of the tune, when it was begun

  constructor(studio) {
    this.studio = studio;
    studio.history.follow(() => studio.history.steps === this.#step || this.stop());   // the hand has the last word
    const { models, fields } = studio.state;
    this.model = element("select", { id: "model" }, models.map(name => element("option", { value: name }, name)));
    this.model.value = models.includes("fiddle") ? "fiddle" : models[0] ?? "";
    this.card = element("p", { class: "hint", id: "card" });
    this.model.addEventListener("change", () => this.describe());
    this.bars = element("input", { id: "bars", inputmode: "numeric", value: "16", autocomplete: "off" });
    this.seed = element("input", { id: "seed", inputmode: "numeric", placeholder: "new each time", autocomplete: "off" });
    this.button = element("button", { id: "write", class: "main big", title: "Write a tune (W)", onclick: () => this.write() }, "Write a tune");
    this.onButton = element("button", { id: "goon", title: "Go on after the chosen bars, or after the end (G)", onclick: () => this.goOn() }, "Go on from here");
    this.asItEnds = element("input", { type: "checkbox", id: "asitends" });
    this.steer = new Steer(fields);
    this.beginning = new Beginning(studio, studio.keyboard);
    this.frame = element("section", { class: "panel" },
      named("Model", this.model, this.card),
      element("div", { class: "two" }, named("Bars", this.bars, "Empty: as many as it likes."), named("Seed", this.seed, "The same one, the same tune.")),
      element("div", { class: "buttons column" }, this.button, this.onButton),
      element("div", { class: "field check" }, this.asItEnds, element("label", { for: "asitends" }, "As it ends"), element("span", { class: "hint" }, "Otherwise its last bars are drawn again where it does not close.")),
      this.beginning.group, ...this.steer.groups);
  }

  /** Say what the chosen model is. */
  async describe() {
    const name = this.model.value, found = await ask("card", { model: name }).catch(error => ({ lines: [error.message] }));
    if (name === this.model.value) this.card.textContent = found.lines.join(" ");
  }

  /** Ask for the same again, as a link does. */
  set order({ model, bars, seed, steer, as_it_ends: asItEnds }) {
    if (this.studio.state.models.includes(model)) this.model.value = model;
    this.bars.value = bars ?? "";
    this.seed.value = seed ?? "";
    this.asItEnds.checked = !!asItEnds;
    this.steer.values = steer ?? {};
  }

  /** What is asked for, in the server's words. */
  get order() {
    const seed = this.seed.value.trim() || Math.floor(Math.random() * MAX_SEED);
    return { model: this.model.value, bars: this.bars.value.trim() || null, seed, steer: this.steer.values, as_it_ends: this.asItEnds.checked };
  }

  write() { return this.#run("write", this.order, empty(), "writing"); }

  /** Go on after the chosen bars, or after the end; without a tune, write one. */
  goOn() {
    const { tune, roll } = this.studio;
    if (!tune.notes.length) return this.write();
    const after = roll.bars ? roll.bars[1] : lastBar(tune);
    return this.#run("go_on", { ...this.order, sheet: sheetOf(tune), after }, tune, `going on after bar ${after}`);
  }

  stop() { this.#stop?.abort(); }

  async #run(kind, order, base, what) {
    this.stop();
    const { studio } = this, stop = this.#stop = new AbortController();
    const messages = job(kind, order, stop.signal);   // first of all: the rest is done while the server thinks
    studio.stop();
    studio.say(`${what} …`);
    studio.player.growing = true;
    this.#step = studio.history.steps;
    this.button.disabled = true;
    const result = await studio.attempt(async () => {
      let draft = null, plays = false, start = 0;
      for await (const message of messages) {
        if (message.begun) [draft, start] = [tuneOf(message.begun, base), message.since];
        else if (message.notes) {
          const kept = draft.notes.filter(note => note[0] < message.since);
          draft = { ...draft, notes: [...kept, ...message.notes.map(note => [...note, 0])] };
          studio.history.show(draft, what);
          if (!plays && studio.player.hasFrom(start)) {
            plays = true;
            if (kind === "go_on") studio.player.seek(start);
            studio.play();
          }
        } else if (message.sheet) return { ...message, plays };
      }
      return null;
    });
    if (this.#stop !== stop) return;                  // another is being written in its place
    studio.player.growing = false;
    this.button.disabled = false;
    if (!result) {
      studio.history.show(studio.history.own, "given up");   // whole: of a draft there is no score
      return;
    }
    this.#stop = null;
    const tune = { ...tuneOf(result.sheet, base), made: { ...order, sheet: undefined, seed: result.seed, removed: result.removed } };
    if (kind === "write") count("written");
    studio.history.change(tune, kind === "write" ? "a new tune" : what);
    studio.say([`seed ${result.seed}`, ...result.remarks].join("; "));
    if (!result.plays) studio.play();
    return endOf(tune);
  }
}
