// What has happened to the tune: every change, whoever made it, can be undone and done again.

const MOST = 300;

export class History {
  #past = [];
  #future = [];
  #now;
  #followers = [];

  constructor(tune) { this.#now = tune; }

  get tune() { return this.#now; }
  get undoable() { return this.#past.at(-1)?.what; }
  get redoable() { return this.#future.at(-1)?.what; }

  /** Call `follower(tune, what)` after every change. */
  follow(follower) { this.#followers.push(follower); }

  /** The tune becomes another; `what` names the change. */
  change(tune, what) {
    if (tune === this.#now) return;
    this.#past.push({ tune: this.#now, what });
    if (this.#past.length > MOST) this.#past.shift();
    this.#future = [];
    this.#become(tune, what);
  }

  /** Show a tune that is not there yet, such as one that is being written: it is no step of its own. */
  show(tune, what) { this.#become(tune, what); }

  /** A tune shown by `show` becomes a step, from `before`. */
  settle(before, tune, what) {
    this.#now = before;
    this.change(tune, what);
  }

  undo() { return this.#step(this.#past, this.#future, "undone"); }
  redo() { return this.#step(this.#future, this.#past, "done again"); }

  #step(from, to, word) {
    const step = from.pop();
    if (!step) return null;
    to.push({ tune: this.#now, what: step.what });
    this.#become(step.tune, `${step.what} ${word}`);
    return `${step.what} ${word}`;
  }

  #become(tune, what) {
    this.#now = tune;
    for (const follower of this.#followers) follower(tune, what);
  }
}
