// How the music is steered: one field for each keyword of the library, which explains itself; nothing is listed here twice.

import { element } from "./element.js";

const TITLES = { how: "Temperature and choice", form: "Form", keep: "Keep to" };
const SLIDERS = { temperature: [0, 1.5], rhythm_temperature: [0, 1.5], pitch_temperature: [0, 1.5] };
const BARS = 8;                                // boxes for chords

/** The fields as groups that fold, and what they say. */
export class Steer {
  #fields = new Map();                         // name: { read, write }

  constructor(fields) {
    this.groups = Object.entries(TITLES).map(([group, title]) => {
      const own = fields.filter(field => field.group === group);
      const set = element("span", { class: "set" });
      const box = element("div", {}, own.map(field => this.#made(field)));
      const details = element("details", { class: "group" }, element("summary", {}, title, set), box);
      box.addEventListener("input", () => {
        const many = own.filter(field => this.#fields.get(field.name).read() !== "").length;
        set.textContent = many ? `${many} set` : "";
      });
      return details;
    });
  }

  /** What is set, by name. */
  get values() {
    return Object.fromEntries([...this.#fields].map(([name, field]) => [name, field.read()]).filter(([, value]) => value !== "" && value !== false));
  }

  set values(values) {
    for (const [name, field] of this.#fields) field.write(values[name] ?? "");
    for (const group of this.groups) group.lastChild.dispatchEvent(new Event("input"));
  }

  #made(field) {
    if (field.name === "chords") return this.#chords(field);
    if (field.name in SLIDERS) return this.#slider(field);
    const id = `steer-${field.name}`, hint = element("span", { class: "hint", id: `${id}-hint` }, field.help);
    if (field.kind === "yes") {
      const box = element("input", { type: "checkbox", id, "aria-describedby": hint.id });
      this.#fields.set(field.name, { read: () => box.checked || "", write: value => { box.checked = !!value; } });
      return element("div", { class: "field check" }, box, element("label", { for: id }, field.label), hint);
    }
    const input = element("input", {
      id, placeholder: field.example || Steer.#between(field), "aria-describedby": hint.id, autocomplete: "off", spellcheck: "false",
      inputmode: field.kind === "text" ? "text" : field.kind === "whole" ? "numeric" : "decimal",
    });
    this.#fields.set(field.name, { read: () => input.value.trim(), write: value => { input.value = value; } });
    return element("div", { class: "field" }, element("label", { for: id }, field.label), input, hint);
  }

  /** Between which numbers a field lies, if it says so. */
  static #between({ least, most }) { return least === null || most === null ? "" : `${least.toLocaleString()} to ${most.toLocaleString()}`; }

  /** A slider that says nothing until it is moved: then the model's own temperature holds. */
  #slider(field) {
    const [low, high] = SLIDERS[field.name], id = `steer-${field.name}`;
    const input = element("input", { type: "range", id, min: `${low}`, max: `${high}`, step: "0.05", "aria-describedby": `${id}-hint` });
    const shown = element("output", { for: id }, "own"), back = element("button", { type: "button", hidden: true, "aria-label": `${field.label}: the model's own` }, "own");
    const hint = element("span", { class: "hint", id: `${id}-hint` }, field.help);
    let value = "";
    const write = next => {
      value = next === "" ? "" : +next;
      input.value = value === "" ? 1 : value;
      shown.textContent = value === "" ? "own" : value.toFixed(2);
      back.hidden = value === "";
    };
    write("");
    input.addEventListener("input", () => write(input.value));
    back.addEventListener("click", () => { write(""); back.dispatchEvent(new Event("input", { bubbles: true })); });
    this.#fields.set(field.name, { read: () => value, write });
    return element("div", { class: "field" }, element("label", { for: id }, field.label), element("div", { class: "row" }, input, shown, back), hint);
  }

  /** A box a bar; what is empty goes on with the chord before. */
  #chords(field) {
    const boxes = Array.from({ length: BARS }, (_, i) => element("input", { "aria-label": `Chords of bar ${i + 1}`, placeholder: `${i + 1}`, autocomplete: "off", spellcheck: "false" }));
    const read = () => {
      const words = boxes.map(box => box.value.trim()), last = words.findLastIndex(word => word);
      for (let i = 1; i <= last; i++) words[i] ||= words[i - 1];
      return words.slice(0, last + 1).filter(word => word).map(word => word.split(/\s+/).join(" ")).join(" | ");
    };
    const write = text => {
      const bars = text.includes("|") ? text.split("|") : text.split(/\s+/);
      boxes.forEach((box, i) => { box.value = (bars[i] ?? "").trim(); });
    };
    this.#fields.set(field.name, { read, write });
    return element("div", { class: "field", role: "group", "aria-label": "Chords over the bars" }, element("span", { class: "name" }, field.label),
      element("div", { class: "chords" }, boxes), element("span", { class: "hint" }, `${field.help} A bar left empty keeps the chord before it.`));
  }
}
