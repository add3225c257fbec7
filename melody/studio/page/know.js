// The panel that knows: the surprise of each note, what the limits took away, and what the tune shares with the training pieces.

import { element } from "./element.js";
import { ask } from "./server.js";
import { barsName, sheetOf } from "./tune.js";

const MOST = 6;       // nats that are as dark as it gets

export class KnowPanel {
  #shown = null;      // the tune whose surprise is shown

  constructor(studio) {
    this.studio = studio;
    this.shade = element("input", { type: "checkbox", id: "shade" });
    this.shade.addEventListener("change", () => this.surprise());
    this.words = element("p", { class: "words" }, "How unlikely the model finds each note after all that stands before it.");
    this.removed = element("p", { class: "words" });
    this.found = element("div", { class: "panel" });
    this.frame = element("section", { class: "panel" },
      element("h2", {}, "Surprise"),
      element("div", { class: "field check" }, this.shade, element("label", { for: "shade" }, "Shade the notes by it")),
      element("div", { "aria-hidden": "true" }, element("div", { class: "scale" }), element("div", { class: "ends" }, element("span", {}, "expected"), element("span", {}, "surprising"))),
      this.words, this.removed,
      element("h2", {}, "Originality"),
      element("p", { class: "words" }, "What the tune shares with the pieces that the model was trained on, whatever the key and the speed."),
      element("div", { class: "buttons" }, element("button", { id: "compare", class: "main", onclick: () => this.compare() }, "Compare")),
      this.found);
    studio.history.follow(tune => this.#follow(tune));
  }

  opened() { this.#limits(); }

  #follow(tune) {
    this.#limits();
    if (this.shade.checked && tune !== this.#shown && !this.studio.player.growing) this.surprise();
    else if (tune !== this.#shown) this.studio.roll.shades = null;
  }

  #limits() {
    const { made } = this.studio.tune;
    this.removed.textContent = made?.removed ? `The limits took away ${Math.round(made.removed * 100)} % of what the model would have chosen from, on average.` : "";
  }

  async surprise() {
    const { studio } = this, { tune, roll } = studio;
    roll.shades = null;
    if (this.shade.checked && tune.notes.length) {
      const found = await studio.attempt(() => ask("surprise", { model: studio.panels.get("Write").model.value, sheet: sheetOf(tune) }));
      if (found && tune === studio.tune) {
        this.#shown = tune;
        roll.shades = found.nats.map(nats => nats === null ? 0 : nats / MOST);
        const [i, most] = found.nats.reduce((best, nats, at) => (nats ?? 0) > best[1] ? [at, nats] : best, [0, 0]);
        this.words.textContent = `${found.mean} nats a note on average; the most surprising is note ${i + 1}, with ${most.toFixed(1)}.`;
      }
    }
    roll.draw();
  }

  async compare() {
    const { studio } = this, { tune } = studio, model = studio.panels.get("Write").model.value;
    this.found.replaceChildren(element("p", { class: "words" }, "comparing …"));
    const found = await studio.attempt(() => ask("originality", { model, sheet: sheetOf(tune) }));
    this.found.replaceChildren();
    if (!found) return;
    const held = found.held_out, percent = share => `${Math.round(share * 100)} %`;
    const verdict = !found.certain ? "No verdict: too little is known of what is usual." : found.copy ? "A copy: it shares more with one piece than tunes of this kind do, and not by chance." : "No copy.";
    const rows = [["Longest run, notes", found.run ?? "under 9", held?.run], ["Agrees with one piece", percent(found.share), held?.share.map(percent)]];
    this.found.append(element("p", {}, element("b", {}, verdict), ` Against ${found.pieces.toLocaleString("en")} pieces of ${model}.`),
      element("table", { class: "numbers" }, element("caption", { class: "spoken" }, "What the tune shares, beside tunes that the model has not seen"),
        element("thead", {}, element("tr", {}, ...["", "this", "unseen: half", "limit"].map(name => element("th", { scope: "col" }, name)))),
        element("tbody", {}, rows.map(([name, own, others]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, `${own}`), ...[0, 1].map(i => element("td", {}, `${others?.[i] ?? ""}`)))))));
    if (found.excerpt) {
      const { excerpt } = found;
      this.found.append(element("p", { class: "words" }, "Nearest: ", element("b", {}, excerpt.piece), `, ${excerpt.notes} notes from its note ${excerpt.first} on, as in your ${barsName(excerpt.bars)}.`),
        element("div", { class: "buttons" }, element("button", { onclick: () => studio.pencil.bars(excerpt.bars) }, "Show the bars"), element("button", { onclick: () => this.#hear(excerpt.sheet) }, "Hear the excerpt")));
    }
  }

  /** The piece's own notes, by the tune's instrument. */
  async #hear(sheet) {
    const { player, tune } = this.studio, part = tune.parts[0], theirs = sheet.notes.filter(note => note[4] === 1), micros = tune.tempi[0][1];
    player.pause();
    for (const note of theirs) {
      player.touch(part, note[2], 90, note[1] * micros / 1e6 / sheet.ticks);
      await new Promise(done => setTimeout(done, note[1] * micros / 1e3 / sheet.ticks));
    }
  }
}
