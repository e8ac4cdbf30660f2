// Every cell as a point: two figures across and up, a third as its size, a setting as its colour and shape.

const SHAPES = [
  (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  (r) => `M${-r * 0.9} ${-r * 0.9}H${r * 0.9}V${r * 0.9}H${-r * 0.9}Z`,
  (r) => `M0 ${-r * 1.2}L${r * 1.15} ${r * 0.85}H${-r * 1.15}Z`,
  (r) => `M0 ${-r * 1.25}L${r * 1.25} 0L0 ${r * 1.25}L${-r * 1.25} 0Z`,
  (r) => `M0 ${r * 1.2}L${r * 1.15} ${-r * 0.85}H${-r * 1.15}Z`,
  (r) => { const a = r * 0.42, b = r * 1.15; return `M${-a} ${-b}H${a}V${-a}H${b}V${a}H${a}V${b}H${-a}V${a}H${-b}V${-a}H${-a}Z`; },
];
const COLOURS = 6;

/** A colour and a shape by number; shapes move on with each round of colours, so that 36 groups differ. */
const look = (at) => ({ colour: at % COLOURS, shape: (at + Math.floor(at / COLOURS)) % SHAPES.length });

/** Cells that no other one beats in both figures. */
function front(cells, x, y) {
  const better = (name, a, b) => (lessIsBetter(name) ? value(a, name) < value(b, name) : value(a, name) > value(b, name));
  const asGood = (name, a, b) => better(name, a, b) || value(a, name) === value(b, name);
  return cells.filter((cell) => !cells.some((other) =>
    asGood(x, other, cell) && asGood(y, other, cell) && (better(x, other, cell) || better(y, other, cell))));
}

/** A scale onto pixels, with its ticks: shares from 0 to 1, costs by powers of ten where they span many. */
function axis(name, cells, from, to) {
  const all = cells.map((cell) => value(cell, name));
  let [low, high] = [Math.min(...all), Math.max(...all)];
  const share = !COSTS[name] && low >= 0 && high <= 1;
  const log = Boolean(COSTS[name]) && low > 0 && high / low > 20;
  if (log) [low, high] = [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))];
  else [low, high] = round(all, share);
  const at = (number) => (log ? Math.log(number / low) / Math.log(high / low) : (number - low) / (high - low));
  const edge = 12 * Math.sign(to - from); // points at either end lie within the frame
  const place = (number) => from + edge + at(Math.min(Math.max(number, low), high)) * (to - from - 2 * edge);
  return { name, place, ticks: log ? powers(low, high) : steps(low, high), log };
}

const powers = (low, high) =>
  Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, i) => low * 10 ** i);

function steps(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((s) => s * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function tick(name, number) {
  if (name.endsWith("_bytes")) return (number / 2 ** 20).toPrecision(2).replace(/e\+?/, "e");
  return String(Number(number.toPrecision(3)));
}

function axes(x, y, width, height, edge) {
  const grid = [
    ...x.ticks.map((number) => [draw("line", { x1: x.place(number), x2: x.place(number), y1: edge.top, y2: height - edge.bottom }),
      draw("text", { x: x.place(number), y: height - edge.bottom + 18, "text-anchor": "middle" }, tick(x.name, number))]),
    ...y.ticks.map((number) => [draw("line", { x1: edge.left, x2: width - edge.right, y1: y.place(number), y2: y.place(number) }),
      draw("text", { x: edge.left - 8, y: y.place(number) + 4, "text-anchor": "end" }, tick(y.name, number))]),
  ];
  const label = (axis) => words(axis.name) + (axis.log ? " (log)" : "");
  return [
    draw("g", { class: "grid", "aria-hidden": "true" }, ...grid.flat()),
    draw("text", { class: "label", x: width - edge.right, y: height - 6, "text-anchor": "end" }, label(x)),
    draw("text", { class: "label", x: 2, y: 12 }, label(y)),
  ];
}

function point(cell, spot, look, best, state, change, names) {
  const pin = () => change({ pinned: state.pinned === cell ? null : cell });
  const interval = (name, place, across) => {
    const share = figure(cell, name);
    if (share.length < 2) return null;
    const [a, b] = [place(share[1]), place(share[2])];
    return draw("line", across ? { x1: a, x2: b, y1: spot.y, y2: spot.y } : { x1: spot.x, x2: spot.x, y1: a, y2: b });
  };
  const [first, rest] = title(cell);
  const figures = names.map((name) => `${words(name)} ${withInterval(name, figure(cell, name))}`).join(", ");
  const classes = ["point", `c${look.colour}`, best && "best", state.pinned === cell && "pinned"].filter(Boolean).join(" ");
  const group = draw("g", { class: classes, role: "button", "data-key": `point ${cell.id}`,
    "aria-pressed": String(state.pinned === cell),
    "aria-label": `${first}, ${rest}: ${figures}${best ? ", on the Pareto front" : ""}`, onclick: pin,
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(); } } },
  draw("g", { class: "whiskers" }, interval(names[0], spot.xs, true), interval(names[1], spot.ys, false)),
  best ? draw("path", { class: "ring", d: SHAPES[0](look.radius + 4), transform: `translate(${spot.x} ${spot.y})` }) : null,
  draw("path", { class: "mark", d: SHAPES[look.shape](look.radius), transform: `translate(${spot.x} ${spot.y})` }),
  draw("circle", { class: "reach", cx: spot.x, cy: spot.y, r: Math.max(12, look.radius + 3) }));
  return explained(group, () => cellTip(cell, [...new Set([...names, "seconds"])].filter((name) => figure(cell, name))));
}

/** Points from the second number on, joined by steps that no cell lies beyond. */
function frontLine(best, x, y) {
  const spots = best.map((cell) => [x.place(value(cell, x.name)), y.place(value(cell, y.name))]).sort((a, b) => a[0] - b[0]);
  const path = spots.map(([across, up], at) => {
    if (!at) return `M${across} ${up}`;
    return lessIsBetter(x.name) ? `H${across}V${up}` : `V${up}H${across}`;
  });
  return draw("path", { class: "front", d: path.join("") || "M0 0" });
}

function renderScatter(scenario, state, cells, change) {
  const { x: xName, y: yName, size, colour } = state.scatter;
  const names = [xName, yName, size].filter(Boolean);
  const points = cells.filter((cell) => cell.adapted && names.every((name) => figure(cell, name)));
  const holder = byId("scatter");
  if (!points.length) {
    anew(holder, [make("p", { class: "note" }, "No cell has all of these figures.")]);
    byId("legend").replaceChildren();
    return;
  }
  const width = Math.max(300, holder.clientWidth), height = Math.min(440, Math.max(300, width * 0.62));
  const edge = { left: 44, right: 16, top: 24, bottom: 40 };
  const x = axis(xName, points, edge.left, width - edge.right), y = axis(yName, points, height - edge.bottom, edge.top);
  const groups = [...new Set(scenario.cells.filter((cell) => cell.adapted).map((cell) => plain(colour, cell[colour])))];
  const most = Math.max(...points.map((cell) => (size ? value(cell, size) : 1))) || 1;
  const looks = (cell) => ({
    ...look(groups.indexOf(plain(colour, cell[colour]))),
    radius: 4.5 + 8.5 * Math.sqrt(size ? Math.max(0, value(cell, size)) / most : 0.1),
  });
  const best = front(points, xName, yName);
  const order = [...points].sort((a, b) => value(a, xName) - value(b, xName) || value(a, yName) - value(b, yName));
  const drawn = order.map((cell) => point(cell,
    { x: x.place(value(cell, xName)), y: y.place(value(cell, yName)), xs: x.place, ys: y.place },
    looks(cell), best.includes(cell), state, change, names));
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": `${words(yName)} against ${words(xName)}, ${points.length} cells; arrow keys move between them` },
  ...axes(x, y, width, height, edge), frontLine(best, x, y), ...drawn);
  rove(drawn);
  anew(holder, [picture]);
  byId("legend").replaceChildren(...legend(groups, size));
}

function legend(groups, size) {
  const sample = (at) => draw("svg", { class: `point c${look(at).colour}`, width: 14, height: 14, viewBox: "-8 -8 16 16", "aria-hidden": "true" },
    draw("path", { class: "mark", d: SHAPES[look(at).shape](6) }));
  return [
    ...groups.map((group, at) => make("span", {}, sample(at), group || "none")),
    make("span", {}, make("i", { class: "ring" }), "Pareto front"),
    size ? make("span", { class: "muted" }, `area: ${words(size)}`) : "",
  ].filter(Boolean);
}

function scatterChoices(scenario, state, change) {
  const names = scenario.columns.map((column) => [column.name, words(column.name)]);
  const set = (part) => (chosen) => change({ scatter: { ...state().scatter, [part]: chosen } });
  const view = state().scatter;
  return [
    choice("scatter-x", "across", names, view.x, set("x")),
    choice("scatter-y", "up", names, view.y, set("y")),
    choice("scatter-size", "size", [["", "all alike"], ...names.filter(([name]) => COSTS[name])], view.size, set("size")),
    choice("scatter-colour", "colour", settings(scenario), view.colour, set("colour")),
  ];
}

/** Settings as options, those that tell cells apart first. */
function settings(scenario) {
  const cells = scenario.cells.filter((cell) => cell.adapted);
  const count = (setting) => new Set(cells.map((cell) => cell[setting])).size;
  return [...SETTINGS].sort((a, b) => (count(b) > 1) - (count(a) > 1)).map((setting) => [setting, setting]);
}
