// Playing notes: keys on the screen, the computer's keyboard and a MIDI keyboard. Recording puts them into the tune.

import { element } from "./element.js";
import { isBlack, pitchName } from "./tune.js";

// The rows of letters as a piano: A is C, W the black key beside it, as in the DAWs; Z and X change the octave.
const LETTERS = ["KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP", "Semicolon"];
const LOW = 48, HIGH = 84;

export class Keyboard {
  on = false;                  // the letters play
  onkey = () => {};            // (pitch, velocity) of a key that goes down, 0 of one that comes up
  #octave = 60;
  #down = new Map();           // pitch: [tick, velocity] of notes that are held
  #keys = new Map();
  #begun = null;               // the clock's time when recording began
  #from = 0;

  constructor(frame, studio) {
    this.frame = frame;
    this.studio = studio;
    const box = (id, name, hint, set) => {
      const input = element("input", { type: "checkbox", id });
      input.addEventListener("change", () => set(input.checked, input));
      return element("div", { class: "field check" }, input, element("label", { for: id }, name), element("span", { class: "hint" }, hint));
    };
    this.recordButton = element("button", { id: "record", "aria-pressed": "false", onclick: () => this.record() }, "Record what I play");
    this.controls = element("div", { class: "panel" },
      box("pianokeys", "Play on the keyboard", "Shows a piano. The letters A to L play, Z and X change the octave; the other keys come back when it is off.", on => this.show(on)),
      box("midi", "Listen to a MIDI keyboard", "By the browser's Web MIDI, which asks you first.", (on, input) => this.#midi(on, input)),
      element("div", { class: "buttons" }, this.recordButton),
      element("span", { class: "hint" }, "From where the playing is; the metronome clicks if it is on. Press again to end."));
    this.#draw();
    document.addEventListener("keydown", event => this.#letter(event, true), true);
    document.addEventListener("keyup", event => this.#letter(event, false), true);
    window.addEventListener("blur", () => { for (const pitch of [...this.#down.keys()]) this.release(pitch); });
  }

  show(on) {
    this.on = on;
    this.frame.classList.toggle("open", on);
  }

  #draw() {
    const white = [];
    for (let pitch = LOW; pitch <= HIGH; pitch++) if (!isBlack(pitch)) white.push(pitch);
    const wide = 100 / white.length;
    for (let pitch = LOW; pitch <= HIGH; pitch++) {
      const ebony = isBlack(pitch), before = white.filter(other => other < pitch).length;
      const key = element("div", { class: ebony ? "key ebony" : "key", "aria-hidden": "true" }, ebony || pitch % 12 ? "" : pitchName(pitch));
      key.style.left = `${ebony ? before * wide - wide * 0.3 : before * wide}%`;
      key.style.width = `${ebony ? wide * 0.6 : wide}%`;
      key.addEventListener("pointerdown", event => { event.preventDefault(); key.releasePointerCapture?.(event.pointerId); this.press(pitch); });
      for (const end of ["pointerup", "pointerleave", "pointercancel"]) key.addEventListener(end, () => this.release(pitch));
      this.#keys.set(pitch, key);
      this.frame.append(key);
    }
  }

  #letter(event, down) {
    if (!this.on || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox], [type=range]), textarea, select, dialog")) return;
    const at = LETTERS.indexOf(event.code);
    if (at < 0 && event.code !== "KeyZ" && event.code !== "KeyX") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.repeat) return;
    if (at < 0) {
      if (down) this.#octave = Math.max(Math.min(this.#octave + (event.code === "KeyX" ? 12 : -12), 96), 24);
      return;
    }
    down ? this.press(this.#octave + at) : this.release(this.#octave + at);
  }

  async #midi(on, input) {
    try {
      if (!navigator.requestMIDIAccess) throw new Error("this browser has no Web MIDI; Chromium and Firefox have");
      this.access ??= await navigator.requestMIDIAccess();
      const listen = on ? ({ data: [status, pitch, velocity] }) => {
        const kind = status & 0xf0;
        if (kind === 0x90 && velocity) this.press(pitch, velocity);
        else if (kind === 0x80 || kind === 0x90) this.release(pitch);
      } : null;
      const attach = () => { for (const port of this.access.inputs.values()) port.onmidimessage = listen; };
      attach();
      this.access.onstatechange = attach;
      const names = [...this.access.inputs.values()].map(port => port.name);
      if (on) this.studio.say(names.length ? `listening to ${names.join(", ")}` : "no MIDI keyboard is connected yet; connect one, and play");
    } catch (error) {
      input.checked = false;
      this.studio.say(error.message, true);
    }
  }

  #tick() {
    const { player, tune } = this.studio;
    if (player.playing) return player.tick;
    const seconds = player.context.currentTime - this.#begun;
    return this.#from + seconds * 1e6 / tune.tempi[0][1] * tune.ticks;
  }

  press(pitch, velocity = 90) {
    if (pitch < 0 || pitch > 127) return;
    const { player, tune } = this.studio;
    player.touch(tune.parts[0], pitch, velocity, 0.8);
    this.#keys.get(pitch)?.classList.add("on");
    this.onkey(pitch, velocity);
    this.#down.set(pitch, [this.#begun === null ? 0 : this.#tick(), velocity]);
  }

  release(pitch) {
    this.#keys.get(pitch)?.classList.remove("on");
    const held = this.#down.get(pitch);
    this.#down.delete(pitch);
    if (held) this.onkey(pitch, 0);
    if (!held || this.#begun === null) return;
    const step = this.studio.pencil.step, from = Math.round(held[0] / step) * step, length = Math.max(Math.round((this.#tick() - held[0]) / step) * step, step);
    this.studio.pencil.add(from, pitch, length, 0, held[1], false);
  }

  /** Begin to put what is played into the tune, or end it. */
  record() {
    const { studio } = this, { player } = studio, on = this.#begun === null;
    player.context.resume();
    this.#begun = on ? player.context.currentTime : null;
    this.#from = player.tick;
    this.recordButton.setAttribute("aria-pressed", `${on}`);
    this.recordButton.textContent = on ? "End the recording" : "Record what I play";
    studio.say(on ? "recording: play" : "the recording has ended; its notes are yours");
    if (on && studio.tune.notes.length) studio.play();
    if (!on) studio.stop();
  }
}
