// Beginnings: a file that is dropped, notes that are typed, notes that are played; all of them the user's own.

import { element } from "./element.js";
import { ask } from "./server.js";
import { tuneOf } from "./tune.js";

const MAX_BYTES = 5 * 2 ** 20;
const READS = ".mid,.midi,.musicxml,.xml,.mxl,.abc,.krn,.kar,.rmi";

const base64 = async file => {
  const address = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
  return address.slice(address.indexOf(",") + 1);
};

export class Beginning {
  constructor(studio, keyboard) {
    this.studio = studio;
    const file = element("input", { type: "file", accept: READS, class: "spoken", id: "file", "aria-label": "Open a tune" });
    file.addEventListener("change", () => { if (file.files[0]) this.open(file.files[0]); file.value = ""; });
    const drop = element("label", { class: "drop", for: "file" }, "Drop a tune here, or choose a file: MIDI, MusicXML, ABC, Humdrum", file);
    this.typed = element("textarea", { id: "typed", rows: "2", placeholder: "D4/8 E F# A r/4 B A", spellcheck: "false", "aria-describedby": "typed-hint" });
    const box = element("div", {},
      drop,
      element("div", { class: "field" }, element("label", { for: "typed" }, "Type notes"), this.typed,
        element("span", { class: "hint", id: "typed-hint" }, "A letter, an octave (C4 is middle C), a length: /4 a quarter, /8. dotted; r a rest; [C4 E G] a chord."),
        element("div", { class: "buttons" }, element("button", { id: "usetyped", onclick: () => this.type() }, "Use these notes"))),
      keyboard.controls);
    this.group = element("details", { class: "group" }, element("summary", {}, "Begin with"), box);
    const { frame } = studio.roll;
    document.body.addEventListener("dragover", event => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      frame.classList.add("over");
    });
    document.body.addEventListener("dragleave", event => { if (!event.relatedTarget) frame.classList.remove("over"); });
    document.body.addEventListener("drop", event => {
      frame.classList.remove("over");
      if (event.defaultPrevented || !event.dataTransfer.files.length) return;
      event.preventDefault();
      this.open(event.dataTransfer.files[0]);
    });
  }

  /** A file becomes the tune, its notes the user's own. */
  open(file) {
    const { studio } = this;
    return studio.attempt(async () => {
      if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than ${MAX_BYTES >> 20} MB; give a shorter piece`);
      studio.say(`reading ${file.name} …`);
      this.#use(await ask("read", { name: file.name, content: await base64(file) }), file.name);
    });
  }

  /** The typed notes become the tune, in the metre, key and tempo of the limits. */
  type() {
    const { studio } = this;
    return studio.attempt(async () => {
      const { key, metre, tempo } = studio.panels.get("Write").steer.values;
      this.#use(await ask("read", { notes: this.typed.value, key, metre, tempo }), "typed notes");
    });
  }

  #use({ sheet, remarks }, name) {
    const { studio } = this;
    studio.stop();
    studio.history.change(tuneOf(sheet, null, () => true), name);
    studio.say([`${name}: the notes are yours and locked; G goes on from them`, ...remarks].join("; "));
    studio.roll.frame.focus({ preventScroll: true });
  }
}
