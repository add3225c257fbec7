// The panel that trains: drop a folder or an archive, watch it learn, hear it on the way, and use it.

import { element, named } from "./element.js";
import { get, send } from "./server.js";
import { tuneOf } from "./tune.js";

const EVERY = 1000;            // milliseconds between two looks
const MOST = 32 * 2 ** 20;     // bytes of a file

/** All files of what was dropped, folders gone through: [path, file]. */
const filesOf = async items => {
  const found = [], walk = async (entry, path) => {
    if (entry.isFile) found.push([path + entry.name, await new Promise((done, fail) => entry.file(done, fail))]);
    else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!some.length) return;
        for (const each of some) await walk(each, `${path}${entry.name}/`);
      }
    }
  };
  for (const entry of [...items].map(item => item.webkitGetAsEntry?.()).filter(Boolean)) await walk(entry, "");
  return found;
};

/** What there is still to wait for, once nothing is learnt any more. */
const finishing = (state, epoch) => state.stopping ? "Finishing: the best model so far is measured and kept …"
  : state.running && epoch?.number === epoch?.epochs && epoch ? "Finishing: temperatures that suit the model are chosen, and it is measured; Stop keeps it as it is …" : "";

export class TrainPanel {
  #records = [];
  #timer = 0;
  #samples = [];

  constructor(studio) {
    this.studio = studio;
    const pick = element("input", { type: "file", id: "music", multiple: true, class: "spoken", "aria-label": "Music to train on" });
    pick.addEventListener("change", () => this.upload([...pick.files].map(file => [file.name, file])));
    const drop = element("label", { class: "drop", for: "music" }, "Drop a folder or an archive of music here, or choose files", pick);
    drop.addEventListener("dragover", event => { event.preventDefault(); event.stopPropagation(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", async event => {
      event.preventDefault();
      drop.classList.remove("over");
      await studio.attempt(async () => this.upload(await filesOf(event.dataTransfer.items)));
    });
    this.files = element("p", { class: "words", role: "status" });
    this.name = element("input", { id: "trainname", placeholder: "my-songs", autocomplete: "off", spellcheck: "false" });
    this.minutes = element("input", { id: "trainminutes", inputmode: "decimal", value: "20", autocomplete: "off" });
    this.base = element("select", { id: "trainbase" }, element("option", { value: "" }, "nothing"), studio.state.models.map(name => element("option", { value: name }, name)));
    const act = what => () => studio.attempt(() => this.act(what));
    this.startButton = element("button", { id: "train", class: "main big", onclick: act("start") }, "Train");
    this.stopButton = element("button", { id: "stoptrain", hidden: true, onclick: act("stop") }, "Stop, keep the best");
    this.resumeButton = element("button", { id: "resume", hidden: true, onclick: act("resume") }, "Go on");
    this.useButton = element("button", { id: "use", class: "main", hidden: true, onclick: () => this.use() }, "Use this model");
    this.bar = element("progress", { hidden: true, max: 1, value: 0, "aria-label": "How far the training is" });
    this.curve = element("canvas", { class: "curve", hidden: true, role: "img", "aria-label": "Losses" });
    this.legend = element("p", { class: "words" });
    this.words = element("div", { class: "panel", "aria-live": "polite" });
    this.tunes = element("div", { class: "buttons" });
    this.verdicts = element("details", { class: "group", hidden: true });
    this.frame = element("section", { class: "panel" }, drop, this.files, named("Name of the model", this.name),
      element("div", { class: "two" }, named("Minutes", this.minutes, "It plans to end within them."), named("Begin from", this.base, "A model to adapt, for small folders.")),
      element("div", { class: "buttons" }, this.startButton, this.stopButton, this.resumeButton, this.useButton),
      this.bar, this.curve, this.legend, this.tunes, this.words, this.verdicts);
  }

  opened() {
    clearInterval(this.#timer);
    this.#look();
    this.#timer = setInterval(() => this.frame.hidden || this.#look(), EVERY);
  }

  /** Send files to be trained on, in the place of those of before. */
  async upload(files) {
    const { studio } = this, usable = files.filter(([, file]) => file.size <= MOST && !file.name.startsWith("."));
    await studio.attempt(async () => {
      await send("/api/training/uploads", {}, "application/json", "DELETE");
      let done = 0;
      for (const [path, file] of usable) {
        await send(`/api/training/uploads?name=${encodeURIComponent(path)}`, file, "application/octet-stream");
        this.files.textContent = `${++done} of ${usable.length} files are here`;
      }
      const folder = usable[0]?.[0].split("/")[0].split(".")[0].replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 40);
      if (!this.name.value && folder) this.name.value = folder;
    });
  }

  async act(what) {
    if (what !== "stop") this.#records = [];
    await send(`/api/training/${what}`, { name: this.name.value.trim(), minutes: this.minutes.value, base: this.base.value || null });
    await this.#look();
  }

  async #look() {
    const state = await get("/api/training").catch(() => null);
    if (!state) return;
    this.#records = state.records;
    this.startButton.hidden = state.running;
    this.stopButton.hidden = !state.running;
    this.stopButton.disabled = state.stopping;
    this.resumeButton.hidden = !state.resumable;
    const last = kind => this.#records.findLast(record => record.kind === kind), done = last("done");
    this.useButton.hidden = !done;
    this.useButton.dataset.model = done?.model ?? "";
    const reading = last("reading"), epochs = this.#records.filter(record => record.kind === "epoch"), epoch = epochs.at(-1);
    this.bar.hidden = !state.running;
    this.bar.value = epoch ? epoch.number / epoch.epochs : reading ? 0.1 * reading.done / Math.max(reading.files, 1) : 0;
    const alarms = this.#records.filter(record => record.kind === "alarm");
    this.#say(last("verdicts"), [...(last("plan")?.lines ?? []), ...alarms.map(alarm => alarm.sentence), done?.sentence ?? last("refused")?.sentence ?? finishing(state, epoch)]);
    this.#draw(epochs, last("ngram"));
    if (state.samples.join() !== this.#samples.join()) {
      this.#samples = state.samples;
      this.tunes.replaceChildren(...state.samples.map(name => element("button", { onclick: () => this.#hear(name) }, name.replace("epoch-", "Sample of epoch ").replace(/ 0+/, " "))));
    }
  }

  #say(verdicts, sentences) {
    const lines = [...(verdicts?.lines ?? []), ...sentences].filter(Boolean);
    const text = lines.join("\n");
    if (this.words.dataset.text === text) return;
    this.words.dataset.text = text;
    this.words.replaceChildren(...lines.map(line => element("p", { class: "words" }, line)));
    this.verdicts.hidden = !verdicts;
    if (verdicts) this.verdicts.replaceChildren(element("summary", {}, "Verdicts"), element("ul", { class: "list" }, verdicts.verdicts.map(each =>
      element("li", {}, element("span", { class: "name" }, each.path), element("span", { class: "words" }, each.reason ? `${each.status}: ${each.reason}` : `${each.status}, ${each.notes} notes`)))));
  }

  /** Losses by epoch: training, validation, and the n-gram's line that has to be beaten. */
  #draw(epochs, ngram) {
    this.curve.hidden = !epochs.length;
    if (!epochs.length) { this.legend.textContent = ""; return; }
    const dots = devicePixelRatio || 1, wide = this.curve.clientWidth || 300, tall = 120, pen = this.curve.getContext("2d"), style = getComputedStyle(this.frame);
    this.curve.width = wide * dots;
    this.curve.height = tall * dots;
    pen.scale(dots, dots);
    const colour = name => style.getPropertyValue(`--${name}`), many = Math.max(epochs[0].epochs, 2);
    const values = [...epochs.flatMap(each => [each.train, each.valid]), ngram?.nats].filter(Number.isFinite), low = Math.min(...values) * 0.96, high = Math.max(...values) * 1.02;
    const x = number => 6 + (number - 1) / (many - 1) * (wide - 12), y = nats => 8 + (high - nats) / (high - low || 1) * (tall - 16);
    const line = (points, name, dash = []) => {
      pen.strokeStyle = colour(name);
      pen.lineWidth = 2;
      pen.setLineDash(dash);
      pen.beginPath();
      points.forEach(([a, b], i) => i ? pen.lineTo(a, b) : pen.moveTo(a, b));
      if (points.length === 1) pen.arc(...points[0], 2, 0, 7);
      pen.stroke();
    };
    if (ngram) line([[6, y(ngram.nats)], [wide - 6, y(ngram.nats)]], "soft", [5, 4]);
    line(epochs.map(each => [x(each.number), y(each.train)]), "p1");
    line(epochs.filter(each => Number.isFinite(each.valid)).map(each => [x(each.number), y(each.valid)]), "p0");
    const now = epochs.at(-1), beats = ngram && now.valid < ngram.nats ? ", beaten" : "";
    this.legend.textContent = `Epoch ${now.number} of ${now.epochs}: ${now.valid?.toFixed(3) ?? "no"} nats a note on pieces it has not seen (blue), ${now.train?.toFixed(3)} on its own (brown)${ngram ? `; the n-gram's line (dashed) is ${ngram.nats}${beats}` : ""}.`;
    this.curve.setAttribute("aria-label", this.legend.textContent);
  }

  async #hear(name) {
    const { studio } = this;
    await studio.attempt(async () => {
      const { sheet } = await get(`/api/training/samples/${encodeURIComponent(name)}`);
      studio.stop();
      studio.history.change(tuneOf(sheet), "a sample tune");
      await studio.play();
    });
  }

  /** Write with the new model. */
  async use() {
    const { model } = this.useButton.dataset, { model: select } = this.studio.panels.get("Write");
    if (![...select.options].some(option => option.value === model)) select.append(element("option", { value: model }, model));
    select.value = model;
    this.studio.turnTo("Write");
    this.studio.say(`${model} writes now`);
  }
}
