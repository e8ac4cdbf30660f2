// The heat map: means of one figure over the cells that share two settings.

const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));

function tile(own, name, [low, high], pinned) {
  if (!own.length) return make("td", { class: "tile empty", tabindex: "-1", "aria-label": "no cell" });
  const mean = own.reduce((sum, cell) => sum + value(cell, name), 0) / own.length;
  const part = high > low ? (mean - low) / (high - low) : 1;
  const found = make("td", { class: `tile${part > 0.55 ? " dark" : ""}${own.includes(pinned) ? " pinned" : ""}` },
    shown(name, mean), own.length > 1 ? make("small", {}, `×${own.length}`) : null);
  styled(found, { "--part": `${Math.round(100 * (lessIsBetter(name) ? 1 - part : part))}%` });
  return explained(found, () => own.length === 1 ? told(own[0], [name])
    : [make("b", {}, `mean of ${own.length} cells`), make("table", {}, ...own.slice(0, 8).map((cell) =>
      make("tr", {}, make("th", {}, title(cell).join(" · ")), make("td", {}, shown(name, value(cell, name)))))),
    own.length > 8 ? make("div", { class: "muted" }, `and ${own.length - 8} more`) : ""].filter(Boolean));
}

function renderHeat(scenario, state, cells) {
  const { rows: down, columns: across, figure: name } = state.heat;
  const found = cells.filter((cell) => cell.adapted && figure(cell, name));
  const values = (setting) => [...new Set(found.map((cell) => cell[setting]))].sort(order);
  const [rows, columns] = [values(down), values(across)];
  const all = found.map((cell) => value(cell, name));
  const share = all.every((number) => number >= 0 && number <= 1) && !COSTS[name];
  const range = COSTS[name] ? [Math.min(...all), Math.max(...all)] : round(all, share);
  const tiles = [];
  const body = rows.map((one) => make("tr", {}, make("th", { scope: "row" }, plain(down, one) || "none"), columns.map((two) => {
    const own = found.filter((cell) => cell[down] === one && cell[across] === two);
    tiles.push(tile(own, name, range, state.pinned));
    return tiles.at(-1);
  })));
  rove(tiles, Math.max(1, columns.length));
  tiles.forEach((element, at) => { element.dataset.key = `tile ${at}`; });
  anew(byId("heat"), [
    make("caption", {}, `${words(name)} by ${down} and ${across}`),
    make("thead", {},
      make("tr", {}, make("td"), make("th", { scope: "colgroup", colspan: Math.max(1, columns.length), class: "axis" }, across)),
      make("tr", {}, make("th", { scope: "col", class: "axis" }, down), columns.map((two) => make("th", { scope: "col" }, plain(across, two) || "none")))),
    make("tbody", {}, ...body)]);
  const others = SETTINGS.filter((s) => s !== down && s !== across && new Set(found.map((cell) => cell[s])).size > 1);
  byId("heat-note").textContent = found.length === 0 ? "No cell has this figure."
    : `Colours run from ${shown(name, range[0])} to ${shown(name, range[1])}.`
      + (others.length ? ` A tile is the mean over ${others.join(", ")}; the filter above narrows it.` : "");
}

function heatChoices(scenario, state, change) {
  const set = (part) => (own) => change({ heat: { ...state().heat, [part]: own } });
  const own = state().heat;
  return [
    choice("heat-rows", "down", settings(scenario), own.rows, set("rows")),
    choice("heat-columns", "across", settings(scenario), own.columns, set("columns")),
    choice("heat-figure", "figure", scenario.columns.map(({ name }) => [name, words(name)]), own.figure, set("figure")),
  ];
}
