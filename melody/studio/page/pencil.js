// Editing by hand: with the mouse, a finger or the keys. Every edit is a step that can be undone; edited notes are the user's.

import { LENGTH, MINE, ONSET, PART, PITCH, VELOCITY, barAt, barStarts, barsName, endOf, lastBar, sorted, spanOf, withNotes } from "./tune.js";

const STEP = 4;                    // pixels, before a press is a drag

export class Pencil {
  #copied = null;                  // { notes, from 0 on; length, in ticks; whole: they are bars }

  constructor(studio) {
    this.studio = studio;
    const { frame } = studio.roll;
    frame.addEventListener("pointerdown", event => this.#press(event));
    frame.addEventListener("dblclick", event => this.#add(event));
    frame.addEventListener("pointermove", event => {
      const { x, y } = this.#place(event), kind = studio.roll.at(x, y).kind;
      frame.style.cursor = { end: "ew-resize", note: "grab", ruler: "pointer", keys: "pointer" }[kind] ?? "default";
    });
  }

  /** The shortest step in time: a sixteenth. */
  get step() { return Math.max(Math.round(this.studio.tune.ticks / 4), 1); }

  #place(event) {
    const box = this.studio.roll.frame.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #snap(tick) { return Math.round(tick / this.step) * this.step; }

  #touch(note) {
    const { player, tune } = this.studio, part = tune.parts[note[PART]];
    if (!player.playing) player.touch(part, note[PITCH], note[VELOCITY], 0.35);
  }

  /** Choose one note, or one more. */
  choose(note, more = false) {
    const { roll } = this.studio;
    if (!more) roll.selected.clear();
    roll.selected.has(note) && more ? roll.selected.delete(note) : roll.selected.add(note);
    roll.cursor = null;
    roll.draw();
    this.#touch(note);
  }

  // The mouse

  #press(event) {
    if (event.button) return;
    const { roll } = this.studio, { x, y } = this.#place(event), found = roll.at(x, y);
    const drag = { ruler: () => this.#ruler(found.tick), keys: () => this.#keys(found.pitch), note: () => this.#move(event, found.note),
      end: () => this.#stretch(found.note), empty: () => this.#sweep(event, x, y) }[found.kind]();
    if (!drag) return;
    roll.frame.setPointerCapture(event.pointerId);
    let far = false;
    const moved = next => {
      const at = this.#place(next);
      far ||= Math.hypot(at.x - x, at.y - y) > STEP;
      if (far) drag.move(at.x, at.y);
    };
    const ended = () => {
      roll.frame.removeEventListener("pointermove", moved);
      roll.frame.removeEventListener("pointerup", ended);
      roll.frame.removeEventListener("pointercancel", ended);
      drag.end(far);
    };
    roll.frame.addEventListener("pointermove", moved);
    roll.frame.addEventListener("pointerup", ended);
    roll.frame.addEventListener("pointercancel", ended);
  }

  /** A press on the ruler goes there; a drag chooses bars. */
  #ruler(tick) {
    const { roll, player, tune } = this.studio, from = barAt(tune, tick);
    return {
      move: x => this.bars([from, barAt(tune, Math.min(roll.tickAt(x), barStarts(tune).at(-1) - 1))]),
      end: far => {
        if (far) return;
        const starts = barStarts(tune);
        player.seek(starts.findLast(start => start <= tick) ?? 0);
        this.bars(null);
        this.studio.refresh();
      },
    };
  }

  #keys(pitch) {
    const { player, tune } = this.studio;
    player.touch(tune.parts[0], pitch);
    return null;
  }

  #move(event, note) {
    const { roll, tune } = this.studio;
    if (!roll.selected.has(note) || event.shiftKey) this.choose(note, event.shiftKey);
    const chosen = new Set(roll.selected), start = this.#place(event), tick = roll.tickAt(start.x), pitch = roll.pitchAt(start.y);
    let by = [0, 0];
    return {
      move: (x, y) => {
        by = [this.#snap(roll.tickAt(x) - tick), roll.pitchAt(y) - pitch];
        roll.ghost = [...chosen].map(each => [each[ONSET] + by[0], each[LENGTH], each[PITCH] + by[1], each[VELOCITY], each[PART]]);
        roll.draw();
      },
      end: far => {
        roll.ghost = [];
        if (far && (by[0] || by[1])) this.#shift(tune, chosen, ...by);
        roll.draw();
      },
    };
  }

  #stretch(note) {
    const { roll, tune } = this.studio;
    let length = note[LENGTH];
    return {
      move: x => {
        length = Math.max(this.#snap(roll.tickAt(x) - note[ONSET]), this.step);
        roll.ghost = [[note[ONSET], length, ...note.slice(2)]];
        roll.draw();
      },
      end: far => {
        roll.ghost = [];
        if (far && length !== note[LENGTH]) this.#replace(tune, new Map([[note, [note[ONSET], length, ...note.slice(2)]]]), "a length");
        roll.draw();
      },
    };
  }

  /** A drag over the paper chooses the notes in it; a press lets go. */
  #sweep(event, x, y) {
    const { roll, tune } = this.studio, kept = event.shiftKey ? [...roll.selected] : [];
    roll.selected = new Set(kept);
    roll.cursor = null;
    roll.draw();
    return {
      move: (to, down) => {
        const [a, b] = [roll.tickAt(Math.min(x, to)), roll.tickAt(Math.max(x, to))], [low, high] = [roll.pitchAt(Math.max(y, down)), roll.pitchAt(Math.min(y, down))];
        roll.selected = new Set([...kept, ...tune.notes.filter(n => n[ONSET] + n[LENGTH] > a && n[ONSET] < b && n[PITCH] >= low && n[PITCH] <= high)]);
        roll.draw();
      },
      end: () => {},
    };
  }

  #add(event) {
    const { roll, tune } = this.studio, { x, y } = this.#place(event), found = roll.at(x, y);
    if (found.kind === "empty") this.add(Math.floor(found.tick / this.step) * this.step, found.pitch, tune.ticks / 2);
  }

  /** One more note. */
  add(onset, pitch, length, part = 0, velocity = 90, sounds = true) {
    const { tune, history } = this.studio, note = [onset, Math.max(Math.round(length), 1), pitch, velocity, part, 1];
    history.change(withNotes(tune, this.#apart([...tune.notes, note], new Set([note]))), "a note");
    if (sounds) this.choose(note);
    return note;
  }

  // What the keys do

  /** Go to the chord `by` chords on, or in the chord `up` notes; the note is spoken and sounds. */
  walk(by, up) {
    const { roll, tune, voice, player } = this.studio, notes = sorted(tune.notes);
    if (!notes.length) return voice.say("there are no notes yet");
    const onsets = [...new Set(notes.map(note => note[ONSET]))];
    const now = roll.cursor ?? notes.find(note => note[ONSET] >= player.tick) ?? notes[0];
    const begun = roll.cursor !== null;
    const at = onsets.indexOf(now[ONSET]), next = Math.max(Math.min(at + (begun ? by : 0), onsets.length - 1), 0);
    const chord = notes.filter(note => note[ONSET] === onsets[next]).sort((a, b) => a[PITCH] - b[PITCH]);
    const row = by ? chord.length - 1 : Math.max(Math.min(chord.indexOf(now) + (begun ? up : 0), chord.length - 1), 0);
    roll.cursor = chord[row];
    roll.reveal(roll.cursor[ONSET]);
    if (!player.playing) player.seek(roll.cursor[ONSET]);
    this.studio.refresh();
    roll.draw();
    voice.note(roll.cursor, by !== 0);
    for (const note of by ? chord : [roll.cursor]) this.#touch(note);
    return roll.cursor;
  }

  /** Choose the note at the cursor, or all. */
  chooseAtCursor() {
    const { roll, voice } = this.studio;
    if (!roll.cursor) return;
    roll.selected.add(roll.cursor);
    roll.cursor = null;
    roll.draw();
    voice.say(`${roll.selected.size} chosen; arrows move, Escape lets go`);
  }

  chooseAll() {
    const { roll, tune } = this.studio;
    roll.selected = new Set(this.inBars());
    roll.draw();
    return tune.notes.length;
  }

  letGo() {
    const { roll } = this.studio;
    roll.selected.clear();
    roll.cursor = null;
    this.bars(null);
    roll.draw();
  }

  /** Choose bars: [first, last], or null for none. */
  bars(bars) {
    const { roll, voice, tune } = this.studio;
    if (bars) bars = [Math.max(Math.min(...bars), tune.first_bar), Math.min(Math.max(...bars), lastBar(tune))];
    roll.bars = bars;
    roll.draw();
    if (bars) voice.say(barsName(bars));
    this.studio.barsChosen?.(bars);
  }

  /** The chosen notes; else those of the chosen bars; else all. */
  inBars() {
    const { roll, tune } = this.studio;
    if (!roll.bars) return tune.notes;
    const [from, to] = spanOf(tune, ...roll.bars);
    return tune.notes.filter(note => note[ONSET] >= from && note[ONSET] < to);
  }

  get chosen() { return this.studio.roll.selected.size ? [...this.studio.roll.selected] : this.inBars(); }

  /** Move the chosen notes by semitones and steps in time. */
  shift(semitones, steps) { this.#shift(this.studio.tune, new Set(this.studio.roll.selected), steps * this.step, semitones); }

  transpose(semitones) { this.#shift(this.studio.tune, new Set(this.chosen), 0, semitones, true); }

  remove() {
    const { tune, history, roll } = this.studio, gone = roll.selected;
    if (!gone.size) return;
    history.change(withNotes(tune, tune.notes.filter(note => !gone.has(note))), gone.size === 1 ? "a note taken out" : `${gone.size} notes taken out`);
  }

  /** Bring the chosen notes to the nearest step. */
  quantise() {
    const moved = new Map(this.chosen.map(note => [note, [this.#snap(note[ONSET]), Math.max(this.#snap(note[LENGTH]), this.step), ...note.slice(2)]]));
    this.#replace(this.studio.tune, moved, "quantised");
  }

  /** The chosen notes are the user's, whom the model leaves alone; or are no longer. */
  lock() {
    const { tune, history, voice } = this.studio, chosen = new Set(this.chosen), mine = [...chosen].some(note => !note[MINE]) ? 1 : 0;
    history.change(withNotes(tune, tune.notes.map(note => chosen.has(note) ? [...note.slice(0, 5), mine] : note)), mine ? "locked" : "unlocked");
    voice.say(`${chosen.size} notes ${mine ? "locked" : "unlocked"}`);
  }

  /** Keep the chosen notes, or else the chosen bars, to put them in elsewhere. */
  copy() {
    const { roll, tune } = this.studio, whole = !roll.selected.size && !!roll.bars, notes = roll.selected.size ? [...roll.selected] : whole ? this.inBars() : [];
    if (!notes.length) return this.studio.say("choose notes or bars to copy", true);
    const [from, to] = whole ? spanOf(tune, ...roll.bars) : [Math.min(...notes.map(note => note[ONSET])), endOf({ notes })];
    this.#copied = { notes: notes.map(note => [note[ONSET] - from, ...note.slice(1)]), length: to - from, whole };
    this.studio.say(whole ? `copied ${barsName(roll.bars)}` : `copied ${notes.length} notes`);
  }

  /** Put in what was copied where the playing is; bars take the place of what is there. */
  paste() {
    const { tune, history, player } = this.studio, copied = this.#copied;
    if (!copied) return this.studio.say("nothing is copied yet", true);
    const from = this.#snap(player.tick), to = from + copied.length;
    const there = !copied.whole ? tune.notes : tune.notes.filter(note => note[ONSET] < from || note[ONSET] >= to)
      .map(note => note[ONSET] < from && note[ONSET] + note[LENGTH] > from ? [note[ONSET], from - note[ONSET], ...note.slice(2)] : note);
    const put = copied.notes.map(note => [from + note[ONSET], ...note.slice(1, 5), 1]);
    history.change(withNotes(tune, this.#apart([...there, ...put], new Set(put))), "put in");
    player.seek(to);
    this.studio.refresh();
    this.studio.say(`${put.length} notes put in at ${barsName([barAt(tune, from), barAt(tune, Math.max(to - 1, from))])}`);
  }

  #shift(tune, notes, ticks, semitones, withKeys = false) {
    const moved = new Map([...notes].map(note => {
      const up = tune.parts[note[PART]]?.drum && withKeys ? 0 : semitones;
      return [note, [note[ONSET] + ticks, note[LENGTH], note[PITCH] + up, ...note.slice(3)]];
    }));
    if ([...moved.values()].some(note => note[ONSET] < 0 || note[PITCH] < 0 || note[PITCH] > 127)) return this.studio.say("there is nothing beyond that", true);
    const all = withKeys && notes.size === tune.notes.length;
    const fifths = (n, by) => { const f = (((n + 7 * by + 6) % 12) + 12) % 12 - 6; return f === -6 ? 6 : f; };
    const keys = all ? tune.keys.map(([tick, f, mode]) => [tick, fifths(f, semitones), mode]) : tune.keys;
    this.#replace({ ...tune, keys }, moved, withKeys ? "transposed" : "moved", withKeys);
    const first = [...moved.values()][0];
    if (first && !withKeys) { this.#touch(first); this.studio.voice.note(first, !!ticks); }
  }

  /** Exchange notes for others, which are the user's own then. */
  #replace(tune, moved, what, keepOwner = false) {
    const { roll, history } = this.studio, selected = roll.selected;
    const made = new Map([...moved].map(([note, next]) => [note, [...next.slice(0, 5), keepOwner ? note[MINE] : 1]]));
    const notes = this.#apart(tune.notes.map(note => made.get(note) ?? note), new Set(made.values()));
    roll.selected = new Set([...selected].map(note => made.get(note) ?? note));
    history.change(withNotes(tune, notes), what);
  }

  /** Notes of which none of a part and pitch overlap: the changed ones cut the others. */
  #apart(notes, changed) {
    const kept = [];
    for (const note of notes) {
      if (changed.has(note)) { kept.push(note); continue; }
      const over = [...changed].find(other => other[PART] === note[PART] && other[PITCH] === note[PITCH] && other[ONSET] < note[ONSET] + note[LENGTH] && note[ONSET] < other[ONSET] + other[LENGTH]);
      if (!over) kept.push(note);
      else if (over[ONSET] > note[ONSET]) kept.push([note[ONSET], over[ONSET] - note[ONSET], ...note.slice(2)]);
    }
    return kept;
  }
}
