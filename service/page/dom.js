// Builds nodes. Strings become text nodes and nothing else: no tag, link or script can come out of a document.

/** An element. `given`: its properties; names with a hyphen are set as attributes. Children that are missing are left out. */
export function h(name, given = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.includes("-") || key === "role") node.setAttribute(key, value === true ? "" : value);
    else node[key] = value;
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== ""));
  return node;
}

export function at(id) {
  return document.getElementById(id);
}

/** A drawing of the page's own, by its paths. */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 20 20");
  drawing.setAttribute("aria-hidden", "true");
  drawing.append(document.createElementNS(space, "path"));
  drawing.firstChild.setAttribute("d", path);
  return drawing;
}

/** Where each offset in Unicode characters stands in the string, which counts in UTF-16. Offsets in rising order. */
export function positions(text, offsets) {
  const found = [];
  let position = 0;
  let characters = 0;
  for (const offset of offsets) {
    while (characters < offset && position < text.length) {
      position += text.codePointAt(position) > 0xffff ? 2 : 1;
      characters += 1;
    }
    found.push(position);
  }
  return found;
}
