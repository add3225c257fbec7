// The bar under the roll: play, stop, where it is, tempo, loop, metronome, and the parts with mute and solo.

import { element, icon } from "./element.js";
import { barAt, barStarts, beatTicks, spanOf } from "./tune.js";

export class Transport {
  muted = new Set();
  solo = new Set();

  constructor(frame, studio) {
    this.studio = studio;
    this.playButton = element("button", { class: "play", id: "play", "aria-label": "Play", title: "Play, pause (Space)", onclick: () => studio.toggle() }, icon("play"));
    this.stopButton = element("button", { class: "tool", "aria-label": "Stop", title: "Stop (Enter)", onclick: () => studio.stop() }, icon("stop"));
    this.where = element("span", { class: "where" }, "1.1");
    this.loopButton = this.#toggle("Loop", "Loop the chosen bars, or all (L)", on => studio.loop(on));
    this.clickButton = this.#toggle("Metronome", "Click on the beats (M)", on => { studio.player.metronome = on; });
    const shown = element("output", { for: "speed" }, "100 %");
    this.speed = element("input", { type: "range", id: "speed", min: "40", max: "160", step: "5", value: "100" });
    this.speed.addEventListener("input", () => {
      shown.textContent = `${this.speed.value} %`;
      studio.player.speed = this.speed.value / 100;
    });
    this.parts = element("div", { class: "parts", role: "group", "aria-label": "Parts" });
    frame.append(this.playButton, this.stopButton, this.where, this.loopButton, this.clickButton,
      element("label", { class: "tempo", for: "speed" }, "Tempo", this.speed, shown), this.parts);
  }

  #toggle(name, title, set) {
    const button = element("button", { class: "small", title, "aria-pressed": "false" }, name);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", `${on}`);
      set(on);
    });
    return button;
  }

  /** Whether it plays. */
  set playing(on) {
    this.playButton.replaceChildren(icon(on ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", on ? "Pause" : "Play");
  }

  at(tune, tick) {
    const starts = barStarts(tune, tick + 1), bar = barAt(tune, tick, starts), begin = starts[bar - tune.first_bar] ?? 0;
    const text = `${bar}.${Math.floor((tick - begin) / beatTicks(tune, tick)) + 1}`;
    if (text !== this.where.textContent) this.where.textContent = text;
  }

  /** The parts of a tune that play, each with its colour, mute and solo. */
  show(tune) {
    const used = [...new Set(tune.notes.map(note => note[4]))].sort((a, b) => a - b);
    const names = used.map(part => `${part}:${tune.parts[part]?.name}`).join();
    if (names === this.names) return;
    this.names = names;
    this.muted.clear();
    this.solo.clear();
    this.parts.replaceChildren(...(used.length < 2 ? [] : used.map(part => this.#part(part, tune.parts[part].name || `Part ${part + 1}`))));
    this.#apply();
  }

  #part(part, name) {
    const swatch = element("i");
    swatch.style.background = `var(--p${part % 6})`;
    const button = (letter, word, set) => {
      const made = element("button", { "aria-pressed": "false", "aria-label": `${word} ${name}`, title: `${word} ${name}` }, letter);
      made.addEventListener("click", () => {
        set.has(part) ? set.delete(part) : set.add(part);
        made.setAttribute("aria-pressed", `${set.has(part)}`);
        this.#apply();
      });
      return made;
    };
    return element("span", { class: "part" }, swatch, name, button("M", "Mute", this.muted), button("S", "Play only", this.solo));
  }

  #apply() {
    const silent = new Set();
    this.studio.tune.parts.forEach((_, part) => {
      const sounds = this.solo.size ? this.solo.has(part) : !this.muted.has(part);
      if (!sounds) silent.add(part);
      this.studio.player.level(part, sounds ? 1 : 0);
    });
    this.studio.roll.muted = silent;
    this.studio.roll.draw();
  }

  /** The ticks that are looped. */
  static span(tune, bars) {
    return bars ? spanOf(tune, bars[0], bars[1]) : [0, barStarts(tune).at(-1)];
  }
}
