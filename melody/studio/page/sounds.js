// The sound of single notes, as the server's renderer plays them, each fetched once.

import { job } from "./server.js";

const AT_ONCE = 6;       // notes in a request: what is needed now waits for no more than these
const MOST = 1500;       // sounds that are kept

export class Sounds {
  #kept = new Map();     // by address: an AudioBuffer, or the promise of one
  #wanted = [];
  #asking = false;

  constructor(context) { this.context = context; }

  static address(part, pitch, velocity, seconds) {
    return [part.program, part.drum ? 1 : 0, pitch, velocity, Math.max(Math.round(seconds * 1000), 10)].join(",");
  }

  /** The sound, if it is there. */
  get(address) {
    const found = this.#kept.get(address);
    return found instanceof AudioBuffer ? found : null;
  }

  /** The promise of the sound, fetched now if it is not there; `first` lets it come before all others. */
  want(address, first = false) {
    const found = this.#kept.get(address);
    if (found) {
      const waits = first ? this.#wanted.findIndex(each => each.address === address) : -1;
      if (waits >= 0) this.#wanted.unshift({ ...this.#wanted.splice(waits, 1)[0], first });
      return Promise.resolve(found);
    }
    let settle;
    const promise = new Promise((resolve, reject) => { settle = { resolve, reject }; });
    promise.catch(() => {});
    this.#kept.set(address, promise);
    this.#wanted[first ? "unshift" : "push"]({ address, first, ...settle });
    queueMicrotask(() => this.#fetch());
    return promise;
  }

  /** Forget what was wanted for later and is not asked for yet: the tune is another. */
  drop() {
    for (const each of this.#wanted.filter(each => !each.first)) {
      this.#kept.delete(each.address);
      each.reject(new Error("no longer wanted"));
    }
    this.#wanted = this.#wanted.filter(each => each.first);
  }

  async #fetch() {
    if (this.#asking) return;
    this.#asking = true;
    while (this.#wanted.length) {
      const asked = this.#wanted.splice(0, AT_ONCE);
      try {
        const notes = asked.map(({ address }) => address.split(",").map(Number));
        for await (const { number, bytes } of job("sound", { notes })) {
          const { address, resolve } = asked[number], buffer = this.#decoded(bytes);
          this.#kept.set(address, buffer);
          asked[number] = null;
          resolve(buffer);
        }
      } catch (error) {
        for (const each of asked.filter(Boolean)) {
          this.#kept.delete(each.address);
          each.reject(error);
        }
      }
    }
    while (this.#kept.size > MOST) this.#kept.delete(this.#kept.keys().next().value);
    this.#asking = false;
  }

  #decoded(bytes) {
    const words = new Int16Array(bytes.buffer), buffer = this.context.createBuffer(2, Math.max(words.length >> 1, 1), 44100);
    for (const side of [0, 1]) {
      const samples = buffer.getChannelData(side);
      for (let i = 0; i < samples.length; i++) samples[i] = words[2 * i + side] / 32767;
    }
    return buffer;
  }
}
