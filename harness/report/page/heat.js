// The heat map: means of one figure over the cells that share two settings.

const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));

function tile(cells, name, [low, high], pinned) {
  if (!cells.length) return make("td", { class: "tile empty", tabindex: "-1", "aria-label": "no cell" });
  const mean = cells.reduce((sum, cell) => sum + value(cell, name), 0) / cells.length;
  const part = high > low ? (mean - low) / (high - low) : 1;
  const element = make("td", { class: `tile${part > 0.55 ? " dark" : ""}${cells.includes(pinned) ? " pinned" : ""}` },
    shown(name, mean), cells.length > 1 ? make("small", {}, `×${cells.length}`) : null);
  styled(element, { "--part": `${Math.round(100 * (lessIsBetter(name) ? 1 - part : part))}%` });
  return explained(element, () => cells.length === 1 ? cellTip(cells[0], [name])
    : [make("b", {}, `mean of ${cells.length} cells`), make("table", {}, ...cells.slice(0, 8).map((cell) =>
      make("tr", {}, make("th", {}, title(cell).join(" · ")), make("td", {}, shown(name, value(cell, name)))))),
    cells.length > 8 ? make("div", { class: "muted" }, `and ${cells.length - 8} more`) : ""].filter(Boolean));
}

function renderHeat(scenario, state, cells) {
  const { rows: down, columns: across, figure: name } = state.heat;
  const measured = cells.filter((cell) => cell.adapted && figure(cell, name));
  const values = (setting) => [...new Set(measured.map((cell) => cell[setting]))].sort(order);
  const [rows, columns] = [values(down), values(across)];
  const all = measured.map((cell) => value(cell, name));
  const share = all.every((number) => number >= 0 && number <= 1) && !COSTS[name];
  const range = COSTS[name] ? [Math.min(...all), Math.max(...all)] : round(all, share);
  const tiles = [];
  const body = rows.map((first) => make("tr", {}, make("th", { scope: "row" }, plain(down, first) || "none"), columns.map((second) => {
    const inTile = measured.filter((cell) => cell[down] === first && cell[across] === second);
    tiles.push(tile(inTile, name, range, state.pinned));
    return tiles.at(-1);
  })));
  rove(tiles, Math.max(1, columns.length));
  tiles.forEach((element, at) => { element.dataset.key = `tile ${at}`; });
  anew(byId("heat"), [
    make("caption", {}, `${words(name)} by ${down} and ${across}`),
    make("thead", {},
      make("tr", {}, make("td"), make("th", { scope: "colgroup", colspan: Math.max(1, columns.length), class: "axis" }, across)),
      make("tr", {}, make("th", { scope: "col", class: "axis" }, down), columns.map((second) => make("th", { scope: "col" }, plain(across, second) || "none")))),
    make("tbody", {}, ...body)]);
  const others = SETTINGS.filter((s) => s !== down && s !== across && new Set(measured.map((cell) => cell[s])).size > 1);
  byId("heat-note").textContent = measured.length === 0 ? "No cell has this figure."
    : `Colours run from ${shown(name, range[0])} to ${shown(name, range[1])}.`
      + (others.length ? ` A tile is the mean over ${others.join(", ")}; the filter above narrows it.` : "");
}

function heatChoices(scenario, state, change) {
  const set = (part) => (chosen) => change({ heat: { ...state().heat, [part]: chosen } });
  const view = state().heat;
  return [
    choice("heat-rows", "down", settings(scenario), view.rows, set("rows")),
    choice("heat-columns", "across", settings(scenario), view.columns, set("columns")),
    choice("heat-figure", "figure", scenario.columns.map(({ name }) => [name, words(name)]), view.figure, set("figure")),
  ];
}
