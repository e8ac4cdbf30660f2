// Elements. Text is always set as text: an answer comes from the model, and must not become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);

/** Sets custom properties by the object model, as the page's policy forbids style attributes. */
function styled(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
  return element;
}

/** A labelled choice; `options` are [value, words]. */
function choice(id, label, options, chosen, onchange) {
  const select = make("select", { id, onchange: () => onchange(select.value) },
    options.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
  return make("label", {}, make("span", {}, label), select);
}

/** Replaces the children, and puts the focus back on the element with the same data-key. */
function anew(container, children) {
  const key = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...children);
  if (key !== undefined) [...container.querySelectorAll("[data-key]")].find((e) => e.dataset.key === key)?.focus();
}

/** The arrow keys move within `elements`, of which one is in the tab order. `columns` is 1 for a single line. */
function rove(elements, columns = 1) {
  elements.forEach((element, at) => {
    element.setAttribute("tabindex", at ? "-1" : "0");
    element.addEventListener("focus", () => {
      elements.forEach((other) => other.setAttribute("tabindex", other === element ? "0" : "-1"));
    });
    element.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
      const goal = { Home: 0, End: elements.length - 1 }[event.key] ?? at + (steps[event.key] ?? NaN);
      if (Number.isNaN(goal)) return;
      event.preventDefault();
      elements[goal]?.focus();
    });
  });
}

const tip = byId("tip");
let place = () => {};

/** Shows `children` beside `element` while the pointer is on it, or the focus. */
function explained(element, children) {
  const show = () => {
    tip.replaceChildren(...children());
    tip.hidden = false;
    place = beside;
    beside();
  };
  const beside = () => {
    const box = element.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left + box.width / 2 - size.width / 2), innerWidth - size.width - 8);
    const above = box.top - size.height - 8;
    styled(tip, { left: `${left}px`, top: `${above < 8 ? box.bottom + 8 : above}px` });
  };
  const hide = () => { tip.hidden = true; };
  for (const name of ["pointerenter", "focus"]) element.addEventListener(name, show);
  for (const name of ["pointerleave", "blur"]) element.addEventListener(name, hide);
  return element;
}

addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
addEventListener("scroll", () => { if (!tip.hidden) place(); }, { passive: true });

/** The inside of a tooltip on `cell`. */
function cellTip(cell, names) {
  const [first, rest] = title(cell);
  const rows = names.map((name) =>
    make("tr", {}, make("th", {}, words(name)), make("td", {}, withInterval(name, figure(cell, name)))));
  return [make("b", {}, first), make("div", { class: "muted" }, rest), make("table", {}, ...rows)];
}
