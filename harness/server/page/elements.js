// Elements. Text is always set as text: an answer or a document must not become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

/** An HTML element; `on...` attributes are listeners, children are elements or texts. */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An element of SVG. */
export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

export function one(selector) {
  return document.querySelector(selector);
}

/** Bytes in words. */
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let place = 0;
  while (count >= 1000 && place < units.length - 1) {
    count /= 1024;
    place += 1;
  }
  return `${place ? count.toFixed(1) : count} ${units[place]}`;
}

/** `1 passage`, `3 passages`. */
export function counted(count, thing) {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
