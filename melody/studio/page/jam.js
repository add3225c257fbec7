// The panel to play along: you some bars, the model as many; what it is about to play stands in the roll before it sounds.

import { element, named } from "./element.js";
import { Duet } from "./duet.js";
import { streamed } from "./server.js";
import { pitchName } from "./tune.js";

const SAID = 8;                // notes of a plan that are named
const WHOSE = { ready: "Ready", "count-in": "Count-in", you: "Your bars", model: "The model's bars" };
const MAX_SEED = 1_000_000;
const MOST_NOTES = 5000;       // of a jam

export class JamPanel {
  #duet = null;                // that is played
  #stop = null;                // ends what the server sends
  #seen = "";                  // what the roll shows
  #whose = "";

  constructor(studio) {
    this.studio = studio;
    const { models } = studio.state;
    this.model = element("select", { id: "jammodel" }, models.map(name => element("option", { value: name }, name)));
    this.model.value = models.includes("fiddle") ? "fiddle" : models[0] ?? "";
    this.bars = element("input", { id: "jambars", inputmode: "numeric", value: "4", autocomplete: "off" });
    this.tempo = element("input", { id: "jamtempo", inputmode: "decimal", value: "100", autocomplete: "off" });
    this.limits = element("p", { class: "hint", id: "jamlimits" });
    this.button = element("button", { id: "jam", class: "main big", title: "Start, stop (J)", onclick: () => this.toggle() }, "Start");
    this.panicButton = element("button", { id: "panic", class: "big", title: "Silence until your next bars (Esc)", disabled: true, onclick: event => this.#pressed(event) }, "Panic");
    this.turn = element("p", { class: "turn", id: "turn", "aria-hidden": "true" }, "");
    this.frame = element("section", { class: "panel" },
      element("p", { class: "words" }, "One bar is counted in. Then you play some bars, and the model answers with as many. What it is about to play stands dashed in the roll."),
      named("Who answers", this.model),
      element("div", { class: "two" }, named("Bars each", this.bars, "1 to 32."), named("Quarters a minute", this.tempo)),
      element("div", { class: "buttons" }, this.button, this.panicButton), this.turn, this.limits,
      element("p", { class: "hint" }, "Play on the piano below, on the letters A to L of the keyboard (Z and X change the octave), or on a MIDI keyboard (Write, Begin with, Listen to a MIDI keyboard). The model plays its other parts beside you in melody jam --accompany."));
  }

  get on() { return this.#duet !== null; }
  /** Where a jam is, in ticks. */
  get tick() { return this.#duet?.tick ?? 0; }

  /** The panel is turned to: it says what the model keeps to. */
  opened() {
    const steer = Object.entries(this.#steer).map(([name, value]) => `${name.replaceAll("_", " ")} ${value === true ? "" : value}`.trim());
    this.limits.textContent = steer.length ? `It keeps to: ${steer.join("; ")} (set under Write).` : "What is set under Write, Keep to, holds for its answers: a key, a range, chords …";
  }

  get #steer() {
    const { form, parallels, tempo, ...rest } = this.studio.panels.get("Write").steer.values;
    return rest;
  }

  toggle() { return this.on || this.#stop ? this.stop() : this.start(); }

  async start() {
    const { studio } = this, stop = new AbortController();
    studio.stop();
    this.opened();
    this.#stop = stop;
    this.#dress("Getting ready …");
    studio.say(`${this.model.value} is getting ready …`);
    const over = await studio.attempt(async () => {
      await studio.player.context.resume();
      const seed = Math.floor(Math.random() * MAX_SEED), order = { model: this.model.value, seed, bars: this.bars.value.trim(), steer: { ...this.#steer, tempo: this.tempo.value.trim() } };
      for await (const message of streamed("/api/jam", order, stop.signal)) {
        if (this.#stop !== stop) return null;
        if (message.jam) await this.#begin(message);
        else if (message.over !== undefined) return message.over;
        else this.#plan(message);
      }
      throw new Error("the jam broke off; is melody studio still running?");
    });
    if (this.#stop !== stop) return;                 // it was ended here
    this.stop();
    if (over) studio.say(over);
  }

  async #begin(given) {
    const { studio } = this, { keyboard } = studio, duet = new Duet(studio.player, given);
    duet.onlost = error => { if (this.#duet === duet) { this.stop(); studio.say(error.message, true); } };
    await duet.begin();
    if (!this.#stop) return duet.end();              // it was ended meanwhile
    this.#duet = duet;
    this.#piano = keyboard.on;
    keyboard.show(true);
    keyboard.onkey = (pitch, velocity) => duet.key(pitch, velocity);
    studio.player.growing = true;
    studio.roll.following = true;
    this.#seen = this.#whose = "";
    this.#dress("Stop");
    studio.say(`${this.model.value} listens; one bar is counted in (seed ${given.seed})`);
    studio.history.show(duet.tune(this.#title), "playing along");
    studio.roll.frame.focus({ preventScroll: true });
    const follow = () => {
      if (this.#duet !== duet) return;
      this.#show();
      requestAnimationFrame(follow);
    };
    requestAnimationFrame(follow);
  }

  #piano = false;              // whether the keys were open before

  get #title() { return `Played with ${this.model.value}`; }

  #plan(message) {
    const { studio } = this, duet = this.#duet;
    if (!duet) return;
    duet.plan(message);
    if (message.remark) studio.say(message.remark, true);
    this.#show();
    if (!message.is_whole || !duet.ghosts.length) return;
    const names = duet.ghosts.map(note => pitchName(note[2])), [first, last] = message.bars;
    studio.say(`bars ${first} to ${last}, about to be played: ${names.slice(0, SAID).join(" ")}${names.length > SAID ? " …" : ""}`);
  }

  /** The roll as it is now: what has been played, and dashed what is about to be. */
  #show() {
    const { roll, history, transport, voice } = this.studio, duet = this.#duet, tune = duet.tune(this.#title), ghosts = duet.ghosts;
    const seen = `${tune.notes.length}:${ghosts}`;
    if (seen !== this.#seen || tune.notes.some((note, i) => note[1] !== roll.tune.notes[i]?.[1])) {
      this.#seen = seen;
      roll.ghost = ghosts;
      roll.frame.dataset.ghosts = ghosts.length;
      history.show(tune, "playing along");
    }
    roll.head = duet.tick;
    transport.at(tune, duet.tick);
    const [whose, bar, beat] = duet.turn, words = `${WHOSE[whose]} · ${bar > 0 ? `${bar}.` : ""}${beat}`;
    if (words !== this.turn.textContent) this.turn.textContent = words;
    this.turn.dataset.whose = whose;
    if (whose !== this.#whose) {
      this.#whose = whose;
      voice.say(WHOSE[whose].toLowerCase());
    }
    if (tune.notes.length > MOST_NOTES) this.stop();
  }

  /** With the mouse: the keys are the jam's again. */
  #pressed(event) {
    this.panic();
    if (event.detail) this.studio.roll.frame.focus({ preventScroll: true });
  }

  /** Silence until your next bars. */
  panic() {
    const { studio } = this;
    if (!this.on) return null;
    studio.voice.say("silence until your next bars");
    studio.say("silence until your next bars");
    const done = studio.attempt(() => this.#duet.panic());
    this.#show();
    return done;
  }

  /** End it; what was played is the tune now, and can be undone. */
  stop() {
    const { studio } = this, duet = this.#duet;
    const stop = this.#stop;
    if (!stop) return;
    this.#stop = this.#duet = null;
    this.#dress("Start");
    this.turn.textContent = "";
    if (!duet) return stop.abort();                  // it had not begun
    duet.end();
    stop.abort();
    studio.keyboard.onkey = () => {};
    studio.keyboard.show(this.#piano);
    studio.player.growing = false;
    studio.roll.following = false;
    studio.roll.ghost = [];
    delete studio.roll.frame.dataset.ghosts;
    const tune = duet.tune(this.#title);
    if (tune.notes.length) studio.history.change(tune, "what you played together");
    else studio.history.back("nothing was played");
    studio.say(tune.notes.length ? "the jam has ended; what you played together is the tune now (P keeps it)" : "the jam has ended; nothing was played");
    studio.voice.say("the jam has ended");
  }

  #dress(words) {
    this.button.textContent = words;
    this.panicButton.disabled = !this.on;
  }
}
