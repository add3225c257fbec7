// The panel that keeps: a shelf that survives, files to save or to drag away, a link that makes the tune again, honest counts.

import { element } from "./element.js";
import { get, send } from "./server.js";
import { sheetOf, tuneOf } from "./tune.js";

const FORMS = [["mid", "MIDI"], ["musicxml", "MusicXML"], ["pdf", "PDF"], ["wav", "WAV"], ["png", "PNG"], ["abc", "ABC"]];
const WAIT = 600;     // milliseconds after a change, before the draft is kept
const COMPARED = "compared";

export const count = what => send("/api/counts", { what }).catch(() => {});

export class KeepPanel {
  #timer = 0;
  #other = null;      // the tune that is compared with

  constructor(studio) {
    this.studio = studio;
    this.files = element("div", { class: "files" }, FORMS.map(([form, name]) => {
      const link = element("a", { href: `/api/files/0.${form}`, download: "", draggable: true, title: `Save as ${name}${form === "mid" ? ", or drag it into another program" : ""}` }, name);
      link.addEventListener("click", async event => {
        event.preventDefault();
        if (!studio.history.own.notes.length) return studio.say("write or open a tune first", true);
        await this.draft();
        const save = element("a", { href: link.href, download: "" });
        save.click();
      });
      link.addEventListener("dragstart", event => {
        const title = (studio.history.own.title || "tune").replace(/[^\p{L}\p{N} _-]/gu, "-");
        event.dataTransfer.setData("DownloadURL", `application/octet-stream:${title}.${form}:${link.href}`);
        event.dataTransfer.effectAllowed = "copy";
        this.draft().catch(() => {});        // which is fetched when it is dropped
      });
      return link;
    }));
    this.list = element("ul", { class: "list", "aria-label": "The shelf" });
    this.counts = element("p", { class: "words" });
    this.back = element("button", { hidden: true, onclick: () => this.compare(null) }, "Back to the tune");
    this.frame = element("section", { class: "panel" },
      element("div", { class: "buttons" }, element("button", { id: "keep", class: "main big", title: "Put it on the shelf (P)", onclick: () => this.keep() }, "Put on the shelf"), this.back),
      element("h2", {}, "Save or drag away"), this.files,
      element("div", { class: "buttons" }, element("button", { id: "link", onclick: () => this.link() }, "Copy a link that makes it again")),
      element("h2", {}, "The shelf"), this.list, this.counts);
    studio.history.follow((_, what) => {
      clearTimeout(this.#timer);
      if (this.#other && what !== COMPARED) this.#compared(null);   // it was taken, or another
      this.#timer = setTimeout(() => this.draft().catch(() => {}), WAIT);
    });
    window.addEventListener("pagehide", () => {             // what was done in the last moment is kept, too
      if (this.#timer) navigator.sendBeacon("/api/draft", new Blob([JSON.stringify(this.#drafted())], { type: "application/json" }));
    });
  }

  opened() { this.studio.attempt(() => this.#list()); }

  /** Keep what is worked on, so that it is there again after a restart. */
  async draft() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    await send("/api/draft", this.#drafted());
  }

  #drafted() {
    const { own: tune } = this.studio.history;
    return { sheet: sheetOf(tune), facts: this.#facts(tune) };
  }

  /** What was worked on when the page was left. */
  async restore() {
    const kept = await get("/api/draft").catch(() => null);
    if (kept?.sheet?.notes.length && !this.studio.tune.notes.length) this.studio.history.begin(this.#opened(kept), "the draft");
  }

  #facts(tune) { return { made: tune.made ?? null, mine: tune.notes.map(note => note[5] ? 1 : 0).join("").slice(0, 15_000) }; }

  #opened({ sheet, facts }) {
    const tune = tuneOf(sheet);
    tune.notes.forEach((note, i) => { note[5] = +(facts.mine?.[i] ?? 0); });
    return { ...tune, made: facts.made ?? undefined };
  }

  async keep() {
    const { studio } = this, { own: tune } = studio.history;
    if (!tune.notes.length) return studio.say("write or open a tune first", true);
    await studio.attempt(async () => {
      await send("/api/shelf", { sheet: sheetOf(tune), facts: this.#facts(tune) });
      count("kept");
      studio.say(`"${tune.title || "untitled"}" is on the shelf`);
      await this.#list();
    });
  }

  async #list() {
    const { tunes, counts } = await get("/api/shelf");
    this.list.replaceChildren(...(tunes.length ? tunes.map(tune => this.#row(tune)) : [element("li", { class: "words" }, "Nothing yet. What you put here stays on this machine.")]));
    this.counts.textContent = `For your eyes alone: ${counts.written} written, ${counts.kept} kept; of alternatives ${counts.taken} taken, ${counts.dropped} dropped.`;
  }

  #row({ number, name, changed, bars, notes }) {
    const { studio } = this, date = new Date(changed).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const button = (word, does) => element("button", { "aria-label": `${word} ${name}`, onclick: () => studio.attempt(does) }, word);
    return element("li", {}, element("span", { class: "name" }, name), element("div", { class: "row" }, element("span", { class: "words" }, `${bars} bars · ${notes} notes · ${date}`),
      element("span", {}, button("Open", async () => studio.history.change(this.#opened(await get(`/api/shelf/${number}`)), "a tune of the shelf")), " ",
        button("Compare", async () => this.compare(this.#opened(await get(`/api/shelf/${number}`)))), " ",
        button("Take down", async () => {
          await send(`/api/shelf/${number}`, {}, "application/json", "DELETE");
          await this.#list();
        }))));
  }

  /** Play and see another tune in the place of this one, which stands faintly behind; null to come back. */
  compare(other) {
    const { studio } = this;
    this.#compared(other);
    other ? studio.history.show(other, COMPARED) : studio.history.back(COMPARED);
    studio.say(other ? "the other tune; yours stands faintly behind it" : "your tune");
  }

  #compared(other) {
    const { roll, history } = this.studio;
    this.#other = other;
    roll.ghost = other ? history.own.notes : [];
    this.back.hidden = !other;
  }

  /** Copy an address that makes the tune again: model, seed, settings. */
  async link() {
    const { made } = this.studio.history.own;
    if (!made) return this.studio.say("only a tune that was written here as a whole can be made again by a link", true);
    const words = new URLSearchParams({ write: JSON.stringify({ model: made.model, bars: made.bars, seed: made.seed, steer: made.steer, as_it_ends: made.as_it_ends }) });
    const address = `${location.origin}/#${words}`;
    await navigator.clipboard?.writeText(address).catch(() => {});
    history.replaceState(null, "", address);
    this.studio.say("the link is in the clipboard and in the address bar");
  }

  /** What a link asks for, once. */
  static asked() {
    try {
      return JSON.parse(new URLSearchParams(location.hash.slice(1)).get("write"));
    } catch {
      return null;
    }
  }
}
