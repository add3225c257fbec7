// Elements in few words: element("button", { class: "main", onclick }, "Write").

export const element = (name, facts = {}, ...inside) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...inside.flat().filter(each => each !== null && each !== undefined));
  return made;
};

/** A field under its name, with a hint below it: a text, or an element of its own. */
export const named = (name, field, hint = null) => element("div", { class: "field" }, element("label", { for: field.id }, name), field,
  typeof hint === "string" ? element("span", { class: "hint" }, hint) : hint);

const SHAPES = {
  play: "M5 3.500v13l11-6.500z", pause: "M5 3.500h3.500v13H5zM11.500 3.500H15v13h-3.500z", stop: "M4.500 4.500h11v11h-11z",
};
export const icon = name => {
  const space = "http://www.w3.org/2000/svg", picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 20 20");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[name]);
  picture.append(path);
  return picture;
};
