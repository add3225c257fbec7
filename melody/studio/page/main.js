// The studio: what the parts of the page have in common, and how they hear of one another.

import { History } from "./history.js";
import { Player } from "./player.js";
import { Roll } from "./roll.js";
import { Score } from "./score.js";
import { Transport } from "./transport.js";
import { ChangePanel } from "./change.js";
import { KeepPanel } from "./keep.js";
import { Keyboard } from "./keyboard.js";
import { KnowPanel } from "./know.js";
import { JamPanel } from "./jam.js";
import { TrainPanel } from "./train.js";
import { WritePanel } from "./write.js";
import { listen } from "./shortcuts.js";
import { Pencil } from "./pencil.js";
import { Voice } from "./voice.js";
import { element } from "./element.js";
import { get } from "./server.js";
import { empty, keyName, lastBar, metreAt } from "./tune.js";

const of = id => document.getElementById(id);

class Studio {
  constructor(state) {
    this.state = state;
    this.history = new History(empty());
    this.player = new Player();
    this.roll = new Roll(of("roll"));
    this.score = new Score(of("score"));
    this.transport = new Transport(document.querySelector(".transport"), this);
    this.voice = new Voice(of("live"), this);
    this.pencil = new Pencil(this);
    this.player.onstop = () => this.#stopped();
    this.score.ontouch = note => { this.player.seek(note[0]); this.pencil.choose(note); };
    this.history.follow(tune => this.#show(tune));
    this.#bindTop();
    this.keyboard = new Keyboard(of("piano"), this);
    this.#panels([["Write", new WritePanel(this)], ["Change", new ChangePanel(this)], ["Know", new KnowPanel(this)],
      ["Jam", new JamPanel(this)], ["Keep", new KeepPanel(this)], ["Train", new TrainPanel(this)]]);
    listen(this);
    this.#show(this.tune);
  }

  get tune() { return this.history.tune; }

  // Playing

  async toggle() { this.player.playing ? this.player.pause() : await this.play(); }

  async play() {
    if (this.panels.get("Jam").on) return this.say("you are playing together; Enter ends it");
    await this.player.play();
    if (!this.player.playing) return;
    this.roll.following = true;
    this.transport.playing = true;
    const follow = () => {
      this.#follow();
      if (this.player.playing) requestAnimationFrame(follow);
    };
    requestAnimationFrame(follow);
  }

  stop() {
    this.panels.get("Jam").stop();
    this.player.stop();
    this.refresh();
  }

  loop(on) {
    this.player.loop = on ? Transport.span(this.tune, this.roll.bars) : null;
    this.roll.loop = this.player.loop;
    this.roll.draw();
  }

  /** Show where the playing is, after it was moved. */
  refresh() {
    this.roll.reveal(this.player.tick);
    this.#follow();
  }

  escape() {
    this.panels.get("Jam").panic();
    for (const name of ["Write", "Change"]) this.panels.get(name).stop();
    this.pencil.letGo();
  }

  #stopped() {
    this.roll.following = false;
    this.transport.playing = false;
    this.refresh();
  }

  #follow() {
    const tick = this.player.tick;
    this.roll.head = tick;
    this.score.at(tick, this.player.playing);
    this.transport.at(this.tune, tick);
  }

  // Saying

  /** A sentence for the user, on the page and spoken. */
  say(sentence, wrong = false) {
    const status = of("status");
    status.textContent = sentence;
    status.classList.toggle("wrong", wrong);
  }

  /** Do something that may be refused, and say why if it is. */
  async attempt(what) {
    try {
      return await what();
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message, true);
      return null;
    }
  }

  // Showing

  #show(tune) {
    this.roll.show(tune);
    this.player.tune = tune;
    this.transport.show(tune);
    if (!this.player.growing) this.score.show(tune);
    const metre = metreAt(tune, 0), bars = lastBar(tune);
    of("facts").textContent = tune.notes.length
      ? [`${bars} ${bars === 1 ? "bar" : "bars"}`, `${metre[1]}/${metre[2]}`, tune.keys[0] && keyName(tune.keys[0]), `${Math.round(60e6 / tune.tempi[0][1])} to the minute`, `${tune.notes.length} notes`].filter(Boolean).join(" · ")
      : "";
    if (document.activeElement !== of("title")) of("title").value = tune.title;
    of("undo").disabled = !this.history.undoable;
    of("redo").disabled = !this.history.redoable;
    if (this.roll.loop) this.loop(true);
    this.#follow();
  }

  #bindTop() {
    of("undo").onclick = () => this.say(this.history.undo() ?? "nothing to undo");
    of("redo").onclick = () => this.say(this.history.redo() ?? "nothing to do again");
    of("title").onchange = event => this.history.change({ ...this.tune, title: event.target.value }, "the name");
    of("help").onclick = () => of("keys").showModal();
    const themes = matchMedia("(prefers-color-scheme: dark)");
    const theme = () => localStorage.getItem("theme") ?? (themes.matches ? "dark" : "light");
    const dress = () => { document.documentElement.dataset.theme = theme(); this.roll.draw(); };
    of("theme").onclick = () => { localStorage.setItem("theme", theme() === "dark" ? "light" : "dark"); dress(); };
    themes.addEventListener("change", dress);
    dress();
    window.addEventListener("beforeunload", () => this.player.pause());
  }

  #panels(panels) {
    const tabs = document.querySelector(".tabs"), place = of("panels");
    panels.forEach(([name, panel], i) => {
      const id = name.toLowerCase();
      const tab = element("button", { role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, onclick: () => this.turnTo(name) }, name);
      panel.frame.id = `panel-${id}`;
      panel.frame.setAttribute("role", "tabpanel");
      panel.frame.setAttribute("aria-labelledby", tab.id);
      tabs.append(tab);
      place.append(panel.frame);
      tab.addEventListener("keydown", event => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        const next = panels[(i + by + panels.length) % panels.length][0];
        this.turnTo(next);
        of(`tab-${next.toLowerCase()}`).focus();
        event.preventDefault();
        event.stopPropagation();
      });
    });
    this.panels = new Map(panels);
    this.turnTo(panels[0][0]);
  }

  /** Show one of the panels. */
  turnTo(name) {
    for (const [other, panel] of this.panels) {
      const tab = of(`tab-${other.toLowerCase()}`), is = other === name;
      tab.setAttribute("aria-selected", `${is}`);
      tab.tabIndex = is ? 0 : -1;
      panel.frame.hidden = !is;
    }
    this.panels.get(name).opened?.();
  }
}

/** A link that makes a tune again, or else what was worked on when the page was left. */
const begin = async studio => {
  const asked = KeepPanel.asked();
  if (!asked) return studio.panels.get("Keep").restore();
  studio.panels.get("Write").order = asked;
  return studio.panels.get("Write").write();
};

export const studio = await get("/api/state").then(state => new Studio(state)).catch(error => {
  of("status").textContent = error.message;
  of("status").classList.add("wrong");
  return null;
});
document.documentElement.dataset.ready = studio ? "yes" : "no";
if (studio) begin(studio).then(() => studio.panels.get("Write").describe());
