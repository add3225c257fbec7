// The engraved score beside the roll: verovio's picture, whose notes are known by their number in the tune.

import { LENGTH, MINE, ONSET, sheetOf } from "./tune.js";
import { ask } from "./server.js";

const MOST_NOTES = 3000;   // of a tune that is engraved
const WAIT = 250;          // milliseconds after the last change

const STYLES = /<style[^>]*>([^]*?)<\/style>/g;
let dress = null;          // verovio's own styles and fonts, once for all pictures

/** A picture without its styles, which a page that trusts no inline styles adopts as a sheet of its own. */
const parsed = page => {
  if (!dress) {
    dress = new CSSStyleSheet();
    const words = [...page.matchAll(STYLES)].map(found => found[1]).join("");
    dress.replaceSync(words.replace(/#[\w-]+ (?=[a-z])/g, ".score "));
    document.adoptedStyleSheets.push(dress);
  }
  return new DOMParser().parseFromString(page.replace(STYLES, ""), "image/svg+xml").documentElement;
};

export class Score {
  #timer = 0;
  #asked = null;           // the request that is being made
  #heads = new Map();      // number of a note: its groups in the picture
  #on = new Set();
  #tune = null;
  ontouch = () => {};      // a note was clicked: (note)

  constructor(frame) {
    this.frame = frame;
    frame.addEventListener("click", event => {
      const head = event.target.closest("g.note"), number = head?.id.match(/^n(\d+)/)?.[1];
      if (number && this.#shown) this.ontouch(this.#shown.notes[+number]);
    });
    let wide = 0;
    new ResizeObserver(() => {
      if (Math.abs(frame.clientWidth - wide) > 60 && this.#tune) this.show(this.#tune);
      wide = frame.clientWidth;
    }).observe(frame);
  }

  #shown = null;           // the tune that the picture shows

  /** Engrave a tune, once nothing has changed for a moment. */
  show(tune) {
    this.#tune = tune;
    clearTimeout(this.#timer);
    this.#asked?.abort();
    if (!tune.notes.length || tune.notes.length > MOST_NOTES) {
      this.frame.replaceChildren();
      this.#heads.clear();
      return;
    }
    this.#timer = setTimeout(() => this.#engrave(tune), WAIT);
  }

  async #engrave(tune) {
    const asked = this.#asked = new AbortController();
    try {
      const answer = await ask("engrave", { sheet: sheetOf(tune), width: this.frame.clientWidth || 800 }, asked.signal);
      const pages = answer.pages.map(page => parsed(page));
      for (const page of pages) {
        page.removeAttribute("width");
        page.removeAttribute("height");
        page.setAttribute("aria-hidden", "true");
      }
      this.frame.replaceChildren(...pages);
      this.#shown = tune;
      this.#find();
    } catch (error) {
      if (error.name === "AbortError") return;
      const words = document.createElement("p");
      words.className = "words";
      words.textContent = error.message;
      this.frame.replaceChildren(words);
      this.#heads.clear();
    }
  }

  #find() {
    this.#heads.clear();
    this.#on.clear();
    for (const head of this.frame.querySelectorAll("g.note[id^=n]")) {
      const number = +head.id.match(/^n(\d+)/)[1];
      if (!this.#heads.has(number)) this.#heads.set(number, []);
      this.#heads.get(number).push(head);
      head.classList.toggle("mine", !!this.#shown.notes[number]?.[MINE]);
    }
  }

  /** Light what sounds at a tick; `follow` keeps it in view. */
  at(tick, follow) {
    if (!this.#shown || !this.#heads.size) return;
    const now = new Set();
    this.#shown.notes.forEach((note, i) => {
      if (follow && note[ONSET] <= tick && tick < note[ONSET] + note[LENGTH]) now.add(i);
    });
    for (const i of this.#on) if (!now.has(i)) for (const head of this.#heads.get(i) ?? []) head.classList.remove("on");
    for (const i of now) if (!this.#on.has(i)) {
      for (const head of this.#heads.get(i) ?? []) head.classList.add("on");
      if (follow) this.#reveal(this.#heads.get(i)?.[0]);
    }
    this.#on = now;
  }

  #reveal(head) {
    const system = head?.closest("g.system");
    if (!system) return;
    const box = system.getBoundingClientRect(), view = this.frame.getBoundingClientRect(), note = head.getBoundingClientRect();
    if (box.top < view.top - 4 || box.bottom > view.bottom + 4) this.frame.scrollTop += box.top - view.top - 16;
    if (note.left < view.left || note.right > view.right - 30) this.frame.scrollLeft += note.left - view.left - 60;
  }
}
