// Playing: every note is laid on the clock of one AudioContext, a little ahead, and what is shown asks the same clock.

import { LENGTH, ONSET, PART, PITCH, VELOCITY, barStarts, beatTicks, endOf, secondsAt, soundingEnds, tickAt } from "./tune.js";
import { Sounds } from "./sounds.js";

const AHEAD = 0.35;          // seconds that are laid on the clock
const AHEAD_HIDDEN = 3;      // in a hidden tab, whose timers come once a second
const EVERY = 100;           // milliseconds
const SAME = 1e-4;           // seconds: times so near are one
const LATE = 0.02;           // seconds that nobody hears
export const ahead = () => document.hidden ? AHEAD_HIDDEN : AHEAD;
export const LEVEL = 1.6;    // of a single note at the soundfont's own level

export class Player {
  #tune = null;
  #notes = [];               // [seconds, seconds that it lasts, note], by onset
  #from = 0;                 // seconds of the tune at the clock's `#since`
  #since = 0;
  #known = 0;                // seconds: what is there up to here will not change, while the tune grows
  #next = 0;                 // the first note that is not laid on the clock
  #laps = 0;                 // seconds of the loops that are over
  #sources = new Set();
  #timer = 0;
  #laid = 0;                 // the clock's time up to which all is laid
  playing = false;
  rate = 1;
  loop = null;               // [tick, tick]
  metronome = false;
  growing = false;           // the tune is still being written: its end is not the end
  onstop = () => {};

  constructor() {
    this.context = new AudioContext({ sampleRate: 44100, latencyHint: "interactive" });
    this.out = this.context.createGain();
    this.out.gain.value = LEVEL;
    this.out.connect(this.context.destination);
    this.sounds = new Sounds(this.context);
    this.parts = [];
    for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, () => this.context.resume(), true);
    document.addEventListener("visibilitychange", () => this.playing && this.#lay());
  }

  /** The tune that is played, from now on; what sounds goes on. A note that may still become longer is not there yet. */
  set tune(tune) {
    const at = this.tick, sameTime = JSON.stringify(this.#tune?.tempi) === JSON.stringify(tune.tempi);
    const end = endOf(tune), open = note => this.growing && note[ONSET] + note[LENGTH] >= end;
    this.#tune = tune;
    this.#known = secondsAt(tune, Math.min(end, ...tune.notes.filter(open).map(note => note[ONSET])));
    const ends = soundingEnds(tune);
    this.#notes = tune.notes.map((note, i) => [note, ends[i]]).filter(([note]) => !open(note)).map(([note, end]) => {
      const begin = secondsAt(tune, note[ONSET]);
      return [begin, secondsAt(tune, end) - begin, note];
    });
    while (this.parts.length < tune.parts.length) this.parts.push(this.#part());
    if (this.playing) this.#begin(secondsAt(tune, at), sameTime);
    else this.#from = secondsAt(tune, Math.min(at, endOf(tune)));
    this.#fetch();
  }

  /** Where the playing is, in seconds of the tune. */
  get seconds() {
    if (!this.playing) return this.#from;
    const heard = this.context.currentTime - (this.context.outputLatency || 0);
    return this.#inLoop(Math.max(this.#from + (heard - this.#since) * this.rate, this.#from));
  }

  /** Whether a note from there on can be played. */
  hasFrom(tick) { return this.#notes.some(([, , note]) => note[ONSET] >= tick); }

  get tick() { return this.#tune ? tickAt(this.#tune, this.seconds) : 0; }

  seek(tick) {
    const seconds = this.#tune ? secondsAt(this.#tune, Math.max(tick, 0)) : 0;
    if (this.playing) this.#begin(seconds);
    else this.#from = seconds;
  }

  async play() {
    if (!this.#notes.length || this.playing) return;
    this.context.resume();
    let from = this.#from;
    const end = this.#end();
    if (from >= end - 0.01) from = this.loop ? secondsAt(this.#tune, this.loop[0]) : 0;
    if (from === 0) from = this.#notes[0][0];       // a pick-up: nobody waits for its rest
    const first = this.#notes.find(([begin]) => begin >= from - 0.01);
    if (first) await this.sounds.want(this.#address(first), true).catch(() => {});
    if (this.playing) return;
    this.playing = true;
    this.#begin(from);
    this.#timer = setInterval(() => this.#lay(), EVERY);
  }

  pause() { if (this.playing) this.#halt(this.seconds); }

  stop() {
    const start = this.loop && this.#tune ? secondsAt(this.#tune, this.loop[0]) : 0;
    if (this.playing) this.#halt(start);
    else this.#from = start;
  }

  #halt(seconds) {
    this.playing = false;
    this.#from = seconds;
    clearInterval(this.#timer);
    this.#silence();
    this.onstop();
  }

  set speed(rate) {
    const at = this.seconds;
    this.rate = rate;
    if (this.playing) this.#begin(at);
    this.#fetch();
  }

  /** One note now, such as one that is touched. */
  async touch(part, pitch, velocity = 90, seconds = 0.4) {
    this.context.resume();
    const sound = await this.sounds.want(Sounds.address(part, pitch, velocity, seconds), true).catch(() => null);
    if (sound) this.#start(sound, this.context.currentTime, this.out);
  }

  /** A note at a time of the clock; if its sound comes after that, it is not played. Its `stop` ends it, or leaves it out. */
  lay(time, part, pitch, velocity, seconds) {
    const laid = { source: null, over: false, stop() { this.over = true; this.source?.stop(); } };
    this.sounds.want(Sounds.address(part, pitch, velocity, seconds), true).then(sound => {
      if (!laid.over && this.context.currentTime <= time + LATE) laid.source = this.#start(sound, time, this.out);
    }).catch(() => {});
    return laid;
  }

  /** The level of a part, 0 or 1: muted, or beside one that plays solo. */
  level(part, gain) {
    while (this.parts.length <= part) this.parts.push(this.#part());
    this.parts[part].gain.setTargetAtTime(gain, this.context.currentTime, 0.01);
  }

  /** The tune as samples, by the same sounds at the same times; for comparing. */
  async rendered(seconds) {
    const context = new OfflineAudioContext(2, Math.ceil(seconds * 44100), 44100);
    for (const note of this.#notes) {
      const source = context.createBufferSource();
      source.buffer = await this.sounds.want(this.#address(note));
      source.connect(context.destination);
      source.start(Math.round(note[0] / this.rate * 44100) / 44100);
    }
    return (await context.startRendering()).getChannelData(0);
  }

  #part() {
    const gain = this.context.createGain();
    gain.connect(this.out);
    return gain;
  }

  #address([, lasts, note]) {
    return Sounds.address(this.#tune.parts[note[PART]], note[PITCH], note[VELOCITY], lasts / this.rate);
  }

  /** Fetch the sounds of the tune, what comes next first. */
  #fetch() {
    this.sounds.drop();
    const from = this.seconds;
    const later = this.#notes.filter(note => note[0] >= from - 0.1), earlier = this.#notes.filter(note => note[0] < from - 0.1);
    for (const note of [...later, ...earlier].slice(0, 1200)) this.sounds.want(this.#address(note)).catch(() => {});
  }

  #begin(seconds, going = false) {
    if (!going) this.#silence();
    const now = this.context.currentTime;
    if (going) {
      this.#next = this.#notes.findIndex(([begin]) => this.#time(begin) >= this.#laid - SAME);
      if (this.#next < 0) this.#next = this.#notes.length;
    } else {
      this.#from = seconds;
      this.#since = now + 0.01;
      this.#laps = 0;
      this.#laid = this.#since;
      this.#next = this.#notes.findIndex(([begin]) => begin >= seconds - 1e-4);
      if (this.#next < 0) this.#next = this.#notes.length;
    }
    this.#lay();
  }

  /** The clock's time of a moment of the tune, in the lap that is being laid. */
  #time(seconds) { return this.#since + (seconds + this.#laps - this.#from) / this.rate; }

  #end() { return this.loop ? secondsAt(this.#tune, this.loop[1]) : secondsAt(this.#tune, endOf(this.#tune)); }

  #inLoop(seconds) {
    if (!this.loop) return seconds;
    const [from, to] = this.loop.map(tick => secondsAt(this.#tune, tick));
    return seconds < to || to - from < 0.05 ? seconds : from + (seconds - from) % (to - from);
  }

  /** Lay what comes next on the clock. */
  #lay() {
    const now = this.context.currentTime, known = this.growing ? this.#time(this.#known) : Infinity, end = this.#end();
    const until = Math.min(now + ahead(), known);
    for (;;) {
      const note = this.#notes[this.#next], over = !note || note[0] >= end - 1e-6;
      if (over) {
        if (!this.loop) break;
        const begin = secondsAt(this.#tune, this.loop[0]), lap = end - begin;
        if (lap < 0.05 || this.#time(end) > until) break;
        this.#clicks(Math.min(until, this.#time(end)));
        this.#laps += lap;
        this.#next = Math.max(this.#notes.findIndex(each => each[0] >= begin - 1e-4), 0);
        continue;
      }
      if (this.#time(note[0]) >= until - SAME) break;
      this.#sound(note, this.#time(note[0]));
      this.#next++;
    }
    this.#clicks(until);
    if (this.loop || this.#next < this.#notes.length) return;
    if (this.growing) {                              // the clock waits for what is not known yet
      const wait = Math.max(now - (known - 0.05), 0);
      this.#since += wait;
      this.#laid += wait;
    } else if (now > this.#time(end) + 0.2) this.stop();
  }

  #sound(note, time) {
    const part = this.parts[note[2][PART]], address = this.#address(note), sound = this.sounds.get(address);
    if (sound) {
      this.#start(sound, time, part);
      return;
    }
    this.sounds.want(address, true).then(late => {
      const by = Math.max(this.context.currentTime - time, 0);
      if (this.playing && by < note[1]) this.#start(late, time + by, part, by);
    }).catch(() => {});
  }

  #start(sound, time, out, skipped = 0) {
    const source = this.context.createBufferSource();
    source.buffer = sound;
    source.connect(out);
    source.onended = () => this.#sources.delete(source);
    source.start(Math.max(time, this.context.currentTime), skipped);
    this.#sources.add(source);
    return source;
  }

  #silence() {
    for (const source of this.#sources) source.stop();
    this.#sources.clear();
  }

  /** The beats up to a time of the clock. */
  #clicks(until) {
    if (this.metronome) {
      const starts = barStarts(this.#tune), last = starts.at(-1);
      for (let bar = 0; bar < starts.length - 1; bar++) {
        for (let tick = starts[bar]; tick < Math.min(starts[bar + 1], last); tick += beatTicks(this.#tune, tick)) {
          const time = this.#time(secondsAt(this.#tune, tick));
          if (time >= this.#laid - SAME && time < until - SAME) this.click(time, tick === starts[bar]);
        }
      }
    }
    this.#laid = Math.max(this.#laid, until);
  }

  /** A click of the metronome at a time of the clock. */
  click(time, strong) {
    const tone = this.context.createOscillator(), gain = this.context.createGain();
    tone.frequency.value = strong ? 1568 : 1047;
    gain.gain.setValueAtTime(strong ? 0.16 : 0.09, time);
    gain.gain.exponentialRampToValueAtTime(0.0005, time + 0.06);
    tone.connect(gain).connect(this.context.destination);
    tone.start(time);
    tone.stop(time + 0.07);
    tone.onended = () => this.#sources.delete(tone);
    this.#sources.add(tone);
    return tone;
  }
}
