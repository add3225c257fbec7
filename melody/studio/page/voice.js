// For who does not see the page: notes and chords are spoken by a live region.

import { LENGTH, MINE, ONSET, PART, PITCH, barAt, lengthName, pitchName } from "./tune.js";

const spoken = pitch => pitchName(pitch).replace("♯", " sharp ").replace("♭", " flat ");

export class Voice {
  constructor(region, studio) {
    this.region = region;
    this.studio = studio;
  }

  say(words) { this.region.textContent = words; }

  /** A note as a musician says it. */
  note(note, bar) {
    const { tune } = this.studio, drum = tune.parts[note[PART]]?.drum;
    const name = drum ? `drum ${note[PITCH]}` : spoken(note[PITCH]), own = note[MINE] ? ", yours" : "";
    const part = new Set(tune.notes.map(each => each[PART])).size > 1 ? `, ${tune.parts[note[PART]].name || `part ${note[PART] + 1}`}` : "";
    this.say(`${bar ? `bar ${barAt(tune, note[ONSET])}, ` : ""}${name}, ${lengthName(tune, note[LENGTH])}${part}${own}`);
  }
}
