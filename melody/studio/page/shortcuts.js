// The keys: each once, with what it does in the words that the help shows.

import { element } from "./element.js";
import { barStarts } from "./tune.js";

const bar = (studio, by) => {
  const { player, tune } = studio, starts = barStarts(tune).slice(0, -1), at = starts.findLastIndex(start => start <= player.tick + 1);
  const inside = by < 0 && player.tick - starts[Math.max(at, 0)] > tune.ticks / 2 ? 0 : by;
  player.seek(starts[Math.max(Math.min(at + inside, starts.length - 1), 0)]);
  studio.refresh();
};
/** Arrows move what is chosen, and walk where nothing is. */
const arrow = (studio, steps, up, far) => {
  const { pencil, roll } = studio;
  if (roll.selected.size) pencil.shift(up * (far ? 12 : 1), steps * (far ? 4 : 1));
  else pencil.walk(steps, up);
};

export const KEYS = [
  [" ", "Space", "play, pause", studio => studio.toggle()],
  ["Enter", "Enter", "stop; end the jam; take the alternative that plays", studio => studio.choices?.open ? studio.choices.take() : studio.stop()],
  ["a", "A", "a bar back", studio => bar(studio, -1)],
  ["d", "D", "a bar on", studio => bar(studio, 1)],
  ["ArrowLeft", "←", "to the chord before; move a step", (studio, far) => arrow(studio, -1, 0, far)],
  ["ArrowRight", "→", "to the next chord; move a step", (studio, far) => arrow(studio, 1, 0, far)],
  ["ArrowUp", "↑", "to the note above; move a semitone, with Shift an octave", (studio, far) => arrow(studio, 0, 1, far)],
  ["ArrowDown", "↓", "to the note below; move a semitone, with Shift an octave", (studio, far) => arrow(studio, 0, -1, far)],
  ["s", "S", "choose the note where the arrows are", studio => studio.pencil.chooseAtCursor()],
  ["Escape", "Esc", "let go; end what is being written; silence the jam", studio => studio.escape()],
  ["Delete", "Del", "take the chosen notes out", studio => studio.pencil.remove()],
  ["Backspace", null, "", studio => studio.pencil.remove()],
  ["q", "Q", "quantise", studio => studio.pencil.quantise()],
  ["k", "K", "lock or unlock: the model leaves locked notes as they are", studio => studio.pencil.lock()],
  ["w", "W", "write a tune", studio => studio.panels.get("Write").write()],
  ["g", "G", "go on after the chosen bars or the end", studio => studio.panels.get("Write").goOn()],
  ["j", "J", "play along: start, stop", studio => { studio.turnTo("Jam"); studio.panels.get("Jam").toggle(); }],
  ["r", "R", "write the chosen bars again, four ways", studio => { studio.turnTo("Change"); studio.panels.get("Change").again(); }],
  ["1", "1 – 4", "hear an alternative", studio => studio.choices.hear(0)],
  ["2", null, "", studio => studio.choices.hear(1)],
  ["3", null, "", studio => studio.choices.hear(2)],
  ["4", null, "", studio => studio.choices.hear(3)],
  ["p", "P", "put the tune on the shelf", studio => studio.panels.get("Keep").keep()],
  ["l", "L", "loop", studio => studio.transport.loopButton.click()],
  ["m", "M", "metronome", studio => studio.transport.clickButton.click()],
  ["+", "+", "closer", studio => studio.roll.zoom(1.25)],
  ["-", "−", "farther", studio => studio.roll.zoom(0.8)],
  ["?", "?", "these keys", () => document.getElementById("keys").showModal()],
];
export const WITH_CONTROL = [
  ["z", "Ctrl-Z", "undo", studio => document.getElementById("undo").click()],
  ["y", "Ctrl-Y, Ctrl-Shift-Z", "do again", studio => document.getElementById("redo").click()],
  ["c", "Ctrl-C", "copy the chosen notes or bars", studio => studio.pencil.copy()],
  ["v", "Ctrl-V", "put them in where the playing is", studio => studio.pencil.paste()],
  ["a", "Ctrl-A", "choose all notes, or those of the chosen bars", studio => studio.pencil.chooseAll()],
];

/** Whether a key belongs to what has the focus, such as a letter to a field. */
const isTaken = (target, key) => {
  if (target.closest("dialog[open]")) return true;
  if (target.closest("input:not([type=checkbox], [type=range]), textarea, select")) return true;
  if (target.matches("input[type=range]")) return key.startsWith("Arrow");
  return target.closest("button, a, summary, input, [role=tab]") !== null && (key === " " || key === "Enter");
};

export const listen = studio => {
  document.addEventListener("keydown", event => {
    if (event.defaultPrevented || event.altKey || isTaken(event.target, event.key)) return;
    const control = event.ctrlKey || event.metaKey;
    let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (control && key === "z" && event.shiftKey) key = "y";
    if (control && key === "c" && String(getSelection())) return;      // words of the page
    const found = (control ? WITH_CONTROL : KEYS).find(([name]) => name === key);
    if (!found) return;
    event.preventDefault();
    found[3](studio, event.shiftKey);
  });
  // A button that was clicked with the mouse gives the keys back to the tune.
  document.addEventListener("click", event => {
    if (event.detail && event.target.closest(".stage button, .top button, #write, #goon, #again")) studio.roll.frame.focus({ preventScroll: true });
  });
  const close = element("button", { class: "main", onclick: () => document.getElementById("keys").close() }, "Close");
  document.getElementById("keys").append(
    element("h2", { id: "keystitle" }, "Keys"),
    element("ul", { class: "keylist" }, [...KEYS, ...WITH_CONTROL].filter(each => each[1]).map(([, name, what]) => element("li", {}, element("span", {}, what), element("kbd", {}, name)))),
    close);
};
