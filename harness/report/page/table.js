// The table of cells: a heading sorts, a name pins.

const GROUPS = { recall: "recall", measure: "measures", locality: "locality", cost: "cost" };

/** The interval as a small bar, on a scale from 0 to 1, or over all values of the column. */
function bar([estimate, low, high], [from, to]) {
  const place = (number) => `${(100 * (Math.min(Math.max(number, from), to) - from)) / (to - from || 1)}%`;
  return styled(make("span", { class: "bar", "aria-hidden": "true" }, make("i"), make("b")),
    { "--low": place(low ?? estimate), "--high": place(high ?? estimate), "--at": place(estimate) });
}

function scales(scenario) {
  const found = {};
  for (const { name, sort } of scenario.columns.filter((column) => column.sort !== "cost")) {
    const all = scenario.cells.flatMap((cell) => figure(cell, name) ?? []);
    const shares = all.every((number) => number >= 0 && number <= 1);
    found[name] = shares ? [0, 1] : [Math.min(0, ...all), Math.max(...all)];
  }
  return found;
}

function heading(column, state, change) {
  const mark = state.sort.name !== column.name ? "none" : state.sort.down ? "descending" : "ascending";
  const press = () => change({ sort: { name: column.name, down: mark === "none" ? !lessIsBetter(column.name) : mark === "ascending" } });
  return make("th", { scope: "col", "aria-sort": mark, class: column.sort },
    make("button", { type: "button", "data-key": `sort ${column.name}`, onclick: press }, column.name === "id" ? "cell" : words(column.name)));
}

function tableHead(scenario, state, change) {
  const groups = [];
  for (const { sort } of scenario.columns) {
    if (groups.at(-1)?.sort === sort) groups.at(-1).span++;
    else groups.push({ sort, span: 1 });
  }
  const name = { name: "id", sort: "name" };
  return make("thead", {},
    make("tr", { class: "groups" }, make("td"),
      groups.map(({ sort, span }) => make("th", { scope: "colgroup", colspan: span, class: sort }, GROUPS[sort])), make("td")),
    make("tr", {}, heading(name, state, change),
      scenario.columns.map((column) => heading(column, state, change)),
      make("th", { scope: "col", class: "status" }, "status")));
}

function row(cell, scenario, scale, state, change) {
  const [first, rest] = title(cell);
  const pinned = state.pinned === cell;
  const name = make("button", { type: "button", "data-key": `cell ${cell.id}`, "aria-pressed": String(pinned), title: cell.id,
    onclick: () => change({ pinned: pinned ? null : cell }) }, make("b", {}, first), make("small", {}, rest,
    cell.status === "diverged" ? make("span", { class: "no" }, " · diverged") : null));
  return make("tr", { class: pinned ? "pinned" : null, "data-cell": cell.id },
    make("th", { scope: "row" }, name),
    scenario.columns.map(({ name: own, sort }) => {
      const found = figure(cell, own);
      if (!found) return make("td", { class: `${sort} none` }, make("span", { "aria-label": "none" }, "–"));
      const text = make("span", { class: "figure" }, shown(own, found[0]));
      if (sort === "cost") return make("td", { class: sort }, text);
      return make("td", { class: sort, title: withInterval(own, found) }, text, bar(found, scale[own]));
    }),
    make("td", { class: `status ${cell.status}` }, cell.status));
}

/** Cells in the order that the headings ask for; those without the figure come last. */
function sorted(cells, { name, down }) {
  if (!name) return cells;
  const key = (cell) => (name === "id" ? cell.id : value(cell, name));
  return [...cells].sort((a, b) => {
    const [one, two] = [key(a), key(b)];
    if (one === null || two === null) return (one === null) - (two === null);
    const order = typeof one === "string" ? one.localeCompare(two, "en", { numeric: true }) : one - two;
    return down ? -order : order;
  });
}

function renderTable(scenario, state, cells, change) {
  const scale = scales(scenario);
  const [bare, own] = [cells.filter((cell) => !cell.adapted), cells.filter((cell) => cell.adapted)];
  const body = (rows, kind) => make("tbody", { class: kind }, ...rows.map((cell) => row(cell, scenario, scale, state, change)));
  anew(byId("table"), [make("caption", {}, scenario.title), tableHead(scenario, state, change), body(bare, "bare"), body(own, "own")]);
}
