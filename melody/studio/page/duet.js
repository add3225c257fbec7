// A jam as the page has it: what you play goes to the server, what the model is about to play comes before it sounds.
// Times of a jam are seconds, 0 at the first beat of bar 1; here they are laid on the clock of the player's AudioContext.

import { ahead } from "./player.js";
import { send } from "./server.js";
import { sorted } from "./tune.js";

const BEAT = 3000, SOON = 30, LAY = 100;    // milliseconds: a word to the server at least, after a key, between two looks
const MOST = 128;                           // keys in a request
const GRID = 4;                             // your notes are written down by so many steps a quarter

export class Duet {
  #zero = null;            // the clock's time of the first beat of bar 1
  #given;                  // how the server has begun it
  #waiting = [];           // keys that the server has not heard yet
  #sending = Promise.resolve();
  #timers = [];
  #soon = 0;
  #next = null;            // the beat that is clicked next
  #clicks = [];
  #held = new Map();       // pitch: your note that sounds
  #mine = [];              // your notes: { begins, ends, pitch, velocity }
  #planned = [];           // the model's: { begins, ends, pitch, velocity, part, sound }
  #silenced = null;        // the round in which the model is to be silent
  onlost = () => {};       // the server does not answer: (error)

  constructor(player, given) {
    this.player = player;
    this.#given = given;
  }

  /** Bring both clocks together by one round trip, and begin to count in. */
  async begin() {
    const sent = this.#clock, { now } = await this.#post("played", { played: [] }), came = this.#clock;
    this.#zero = (sent + came) / 2 - now;
    this.#next = -Math.round(this.#given.bar / this.#given.beat);
    this.#timers = [setInterval(() => this.#lay(), LAY), setInterval(() => this.#flush(), BEAT)];
    this.#lay();
  }

  get #clock() { return this.player.context.currentTime; }
  /** The time of the jam as it is heard; null before the clocks have met. */
  get now() { return this.#zero === null ? null : this.#clock - (this.player.context.outputLatency || 0) - this.#zero; }
  #ticks(seconds) { return seconds * this.#given.tempo / 60 * this.#given.ticks; }
  get tick() { return Math.max(this.#ticks(this.now ?? 0), 0); }

  /** Whose bars these are, bar and beat, counted from 1: [whose, bar, beat]; before them 'ready', then 'count-in' in bar 0. */
  get turn() {
    const now = this.now ?? -this.#given.bar, { bar, beat, bars } = this.#given, at = Math.floor(now / bar);
    const whose = at < -1 ? "ready" : at < 0 ? "count-in" : Math.floor(at / bars) % 2 ? "model" : "you";
    return [whose, Math.max(at + 1, 0), Math.floor((now - at * bar) / beat) + 1];
  }

  /** Your bars and those of the model after them are a round, the first one 0. */
  #round(time) { return Math.max(Math.floor((time + 1e-3) / (2 * this.#given.bars * this.#given.bar)), 0); }

  /** A key of yours goes down, or with velocity 0 up. */
  key(pitch, velocity) {
    if (this.now === null) return;
    const at = this.now, held = this.#held.get(pitch);
    if (held) held.ends = at;
    this.#held.delete(pitch);
    if (velocity) {
      const note = { begins: at, ends: null, pitch, velocity };
      this.#held.set(pitch, note);
      this.#mine.push(note);
    }
    this.#waiting.push([at, pitch, velocity]);
    this.#soon ||= setTimeout(() => this.#flush(), SOON);
  }

  /** A plan, or a piece of one: what it replaces does not sound, its own notes are laid on the clock. */
  plan({ now, notes, bars, replaces_from: from }) {
    if (this.#round((bars[0] - 1) * this.#given.bar) === this.#silenced) return;     // it was on its way
    if (from !== null) this.#drop(now + from - 1e-3);
    const laid = notes.map(note => ({ ...note, part: note.part - 1, begins: now + note.begins, ends: now + note.begins + note.lasts }));
    for (const note of [...laid].reverse())               // what is wanted last comes first
      note.sound = this.player.lay(note.begins + this.#zero, this.#given.parts[note.part], note.pitch, note.velocity, note.ends - note.begins);
    this.#planned.push(...laid);
  }

  /** Silence, until your next turn. */
  panic() {
    this.#silenced = this.#round(this.now);
    this.#silence();
    return this.#post("panic", {});
  }

  /** End it, here and there. */
  end() {
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#soon);
    this.#silence();
    for (const click of this.#clicks) click.stop();
    for (const note of this.#held.values()) note.ends = this.now;
    this.#held.clear();
    this.#post("stop", {}).catch(() => {});
  }

  /** What has been played so far, as a tune. */
  tune(title) {
    const { ticks, metre, tempo, parts } = this.#given, step = ticks / GRID, now = this.now ?? 0;
    const mine = this.#mine.map(({ begins, ends, pitch, velocity }) => {
      const from = Math.round(this.#ticks(begins) / step) * step;
      return [from, Math.max(Math.round(this.#ticks(ends ?? now) / step) * step - from, step), pitch, velocity, 0, 1];
    }).filter(([from]) => from >= 0);  // what is tried while it is counted in is no music
    const notes = sorted([...mine, ...this.#planned.filter(note => note.begins <= now).map(note => this.#row(note))]);
    return { title, ticks, notes, parts, metres: [[0, ...metre]], tempi: [[0, Math.round(60e6 / tempo)]], keys: [], texts: [], first_bar: 1 };
  }

  /** What is about to be played. */
  get ghosts() { return this.#planned.filter(note => note.begins > (this.now ?? 0)).map(note => this.#row(note)); }

  #row({ begins, ends, pitch, velocity, part }) {
    const from = Math.round(this.#ticks(begins));
    return [from, Math.max(Math.round(this.#ticks(ends)) - from, 1), pitch, velocity, part, 0];
  }

  #drop(from) {
    for (const note of this.#planned) if (note.begins >= from) note.sound.stop();
    this.#planned = this.#planned.filter(note => note.begins < from);
  }

  #silence() {
    const now = this.now ?? 0;
    this.#drop(now);
    for (const note of this.#planned.filter(note => note.ends > now)) {
      note.sound.stop();
      note.ends = now;
    }
  }

  /** The beats that come next. */
  #lay() {
    const { beat, bar } = this.#given, now = this.#clock, many = Math.round(bar / beat);
    for (; this.#zero + this.#next * beat < now + ahead(); this.#next++) {
      const time = this.#zero + this.#next * beat;
      if (time >= now) this.#clicks.push(this.player.click(time, this.#next % many === 0));
    }
    this.#clicks = this.#clicks.slice(-32);
  }

  #flush() {
    clearTimeout(this.#soon);
    this.#soon = 0;
    const played = this.#waiting.splice(0, MOST);
    this.#sending = this.#sending.then(() => this.#post("played", { played })).catch(error => this.onlost(error));
    if (this.#waiting.length) this.#flush();
  }

  #post(what, order) { return send(`/api/jam/${what}`, { jam: this.#given.jam, ...order }); }
}
