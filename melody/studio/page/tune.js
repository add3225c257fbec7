// A tune is the server's sheet, never changed in place: notes are rows [onset, duration, pitch, velocity, part, mine].
// Times are ticks unless a name says seconds. `mine` marks notes that the user gave; the model leaves them as they are.

export const ONSET = 0, LENGTH = 1, PITCH = 2, VELOCITY = 3, PART = 4, MINE = 5;

const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
export const pitchName = pitch => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
export const isBlack = pitch => [1, 3, 6, 8, 10].includes(pitch % 12);

export const empty = () => ({
  title: "", ticks: 24, notes: [], parts: [{ program: 0, drum: false, name: "" }], metres: [[0, 4, 4]],
  tempi: [[0, 500000]], keys: [], texts: [], first_bar: 1,
});

export const endOf = tune => tune.notes.reduce((end, note) => Math.max(end, note[ONSET] + note[LENGTH]), 0);

const heldEnds = new WeakMap();                       // of tunes, which never change

/** Where each note ceases to sound: at its end, or later where the pedal holds it (`Piece.sounding_end`). */
export const soundingEnds = tune => {
  if (!heldEnds.has(tune)) heldEnds.set(tune, foundEnds(tune));
  return heldEnds.get(tune);
};

const foundEnds = tune => {
  const ends = tune.notes.map(note => note[ONSET] + note[LENGTH]), struck = new Map();
  if (!tune.pedals?.length) return ends;
  for (let i = ends.length - 1; i >= 0; i--) {
    const note = tune.notes[i], { program, drum } = tune.parts[note[PART]], key = `${note[PITCH]}:${note[PART]}`;
    const press = program < 8 && !drum && tune.pedals.find(([down, up]) => down < ends[i] && ends[i] <= up);
    if (press) ends[i] = Math.min(press[1], struck.get(key) ?? Infinity);
    struck.set(key, note[ONSET]);
  }
  return ends;
};

export const sorted = notes => [...notes].sort((a, b) => a[ONSET] - b[ONSET] || a[PART] - b[PART] || a[PITCH] - b[PITCH]);
export const withNotes = (tune, notes) => ({ ...tune, notes: sorted(notes) });
export const keyOf = note => `${note[ONSET]}:${note[PITCH]}:${note[PART]}`;

/** The ticks of a bar under a metre. */
const barTicks = (tune, [, numerator, denominator]) => Math.max(Math.round(tune.ticks * 4 * numerator / denominator), 1);

/** Where the bars begin, one more than there are, so that each has an end. */
export const barStarts = (tune, until = endOf(tune)) => {
  const starts = [];
  tune.metres.forEach((metre, i) => {
    const next = tune.metres[i + 1]?.[0] ?? Infinity, length = barTicks(tune, metre);
    for (let tick = metre[0]; tick < Math.min(next, Math.max(until, 1)); tick += length) starts.push(tick);
  });
  const last = starts.at(-1) ?? 0;
  starts.push(last + barTicks(tune, metreAt(tune, last)));
  return starts;
};

export const metreAt = (tune, tick) => tune.metres.filter(metre => metre[0] <= tick).at(-1) ?? tune.metres[0];
export const beatTicks = (tune, tick) => {
  const [, numerator, denominator] = metreAt(tune, tick), unit = tune.ticks * 4 / denominator;
  return denominator >= 8 && numerator % 3 === 0 ? 3 * unit : unit;
};

/** The number of the bar that a tick is in, as musicians count: a pick-up is bar 0. */
export const barAt = (tune, tick, starts = barStarts(tune, tick + 1)) => {
  let bar = 0;
  while (bar < starts.length - 2 && starts[bar + 1] <= tick) bar++;
  return bar + tune.first_bar;
};

/** First and last tick of bars, both numbers included. */
export const spanOf = (tune, first, last) => {
  const starts = barStarts(tune), low = first - tune.first_bar, high = last - tune.first_bar + 1;
  return [starts[Math.max(low, 0)] ?? 0, starts[Math.min(high, starts.length - 1)]];
};

/** Bars in words, both numbers included. */
export const barsName = ([first, last]) => first === last ? `bar ${first}` : `bars ${first} to ${last}`;

export const lastBar = tune => tune.first_bar + barStarts(tune).length - 2;

export const secondsAt = (tune, tick) => {
  let seconds = 0;
  for (let i = 0; i < tune.tempi.length; i++) {
    const [from, micros] = tune.tempi[i], to = Math.min(tune.tempi[i + 1]?.[0] ?? Infinity, tick);
    if (from >= tick) break;
    seconds += (to - from) * micros / 1e6 / tune.ticks;
  }
  return seconds;
};

export const tickAt = (tune, seconds) => {
  for (let i = tune.tempi.length - 1; i >= 0; i--) {
    const [from, micros] = tune.tempi[i], begun = secondsAt(tune, from);
    if (begun <= seconds || i === 0) return from + (seconds - begun) * 1e6 / micros * tune.ticks;
  }
  return 0;
};

/** Ticks of a part as a user reads them: quarters and their fractions. */
const LENGTHS = [
  [4, "whole"], [3, "dotted half"], [2, "half"], [1.5, "dotted quarter"], [1, "quarter"], [0.75, "dotted eighth"],
  [0.5, "eighth"], [1 / 3, "triplet eighth"], [2 / 3, "triplet quarter"], [0.25, "sixteenth"], [1 / 6, "triplet sixteenth"],
  [0.125, "thirty-second"],
];
export const lengthName = (tune, ticks) => {
  const quarters = ticks / tune.ticks, found = LENGTHS.find(([length]) => Math.abs(length - quarters) < 0.01);
  return found ? found[1] : `${Math.round(quarters * 100) / 100} quarters`;
};

/** The server's view of a tune: the page's own columns are left out. */
export const sheetOf = tune => ({ ...tune, notes: tune.notes.map(note => note.slice(0, 5)) });

/** A sheet of the server as a tune; notes that were the user's before stay so. */
export const tuneOf = (sheet, before = null, mine = () => false) => {
  const owned = new Set((before?.notes ?? []).filter(note => note[MINE]).map(keyOf));
  const notes = sheet.notes.map(note => [...note.slice(0, 5), owned.has(keyOf(note)) || mine(note) ? 1 : 0]);
  return { ...sheet, notes };
};

const MAJOR = ["C♭", "G♭", "D♭", "A♭", "E♭", "B♭", "F", "C", "G", "D", "A", "E", "B", "F♯", "C♯"];
const MINOR = ["A♭", "E♭", "B♭", "F", "C", "G", "D", "A", "E", "B", "F♯", "C♯", "G♯", "D♯", "A♯"];
export const keyName = ([, fifths, mode]) => `${(mode === "minor" ? MINOR : MAJOR)[fifths + 7] ?? "?"} ${mode}`;
