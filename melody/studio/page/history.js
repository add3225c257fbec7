// What has happened to the tune: every change, whoever made it, can be undone and done again.

const MOST = 300;

export class History {
  #past = [];
  #future = [];
  #own;                    // the tune as it is
  #shown;                  // what is looked at: the tune, or another for a while
  #followers = [];
  #steps = 0;

  constructor(tune) { this.#own = this.#shown = tune; }

  /** What is looked at: the tune, or what is shown in its place. */
  get tune() { return this.#shown; }
  /** The tune as it is, whatever is shown. */
  get own() { return this.#own; }
  /** How often the tune has become another: by a change, undone or done again. */
  get steps() { return this.#steps; }
  get undoable() { return this.#past.at(-1)?.what; }
  get redoable() { return this.#future.at(-1)?.what; }

  /** Call `follower(tune, what)` after every change of what is looked at. */
  follow(follower) { this.#followers.push(follower); }

  /** The tune becomes another; `what` names the change. */
  change(tune, what) {
    if (tune === this.#own) return this.back(what);
    this.#past.push({ tune: this.#own, what });
    if (this.#past.length > MOST) this.#past.shift();
    this.#future = [];
    this.#steps++;
    this.#become(tune, what);
  }

  /** Begin with a tune: what was there before is no step. */
  begin(tune, what) { this.#become(tune, what); }

  /** Look at a tune that is not taken (yet), such as one that is being written: it is no step. */
  show(tune, what) {
    this.#shown = tune;
    this.#tell(what);
  }

  /** Look at the tune again. */
  back(what) { if (this.#shown !== this.#own) this.show(this.#own, what); }

  undo() { return this.#step(this.#past, this.#future, "undone"); }
  redo() { return this.#step(this.#future, this.#past, "done again"); }

  #step(from, to, word) {
    const step = from.pop();
    if (!step) return null;
    to.push({ tune: this.#own, what: step.what });
    this.#steps++;
    this.#become(step.tune, `${step.what} ${word}`);
    return `${step.what} ${word}`;
  }

  #become(tune, what) {
    this.#own = this.#shown = tune;
    this.#tell(what);
  }

  #tell(what) { for (const follower of this.#followers) follower(this.#shown, what); }
}
