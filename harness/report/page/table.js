// The table of cells: a heading sorts, a name pins.

const GROUPS = { recall: "recall", measure: "measures", locality: "locality", cost: "cost" };

/** The interval as a small bar, on a scale from 0 to 1, or over all values of the column. */
function bar([estimate, low, high], [from, to]) {
  const place = (number) => `${(100 * (Math.min(Math.max(number, from), to) - from)) / (to - from || 1)}%`;
  return styled(make("span", { class: "bar", "aria-hidden": "true" }, make("i"), make("b")),
    { "--low": place(low ?? estimate), "--high": place(high ?? estimate), "--at": place(estimate) });
}

function scales(scenario) {
  const scale = {};
  for (const { name, sort } of scenario.columns.filter((column) => column.sort !== "cost")) {
    const all = scenario.cells.flatMap((cell) => figure(cell, name) ?? []);
    const shares = all.every((number) => number >= 0 && number <= 1);
    scale[name] = shares ? [0, 1] : [Math.min(0, ...all), Math.max(...all)];
  }
  return scale;
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
    scenario.columns.map(({ name: column, sort }) => {
      const share = figure(cell, column);
      if (!share) return make("td", { class: `${sort} none` }, make("span", { "aria-label": "none" }, "–"));
      const text = make("span", { class: "figure" }, shown(column, share[0]));
      if (sort === "cost") return make("td", { class: sort }, text);
      return make("td", { class: sort, title: withInterval(column, share) }, text, bar(share, scale[column]));
    }),
    make("td", { class: `status ${cell.status}` }, cell.status));
}

/** Cells in the order that the headings ask for; those without the figure come last. */
function sorted(cells, { name, down }) {
  if (!name) return cells;
  const key = (cell) => (name === "id" ? cell.id : value(cell, name));
  return [...cells].sort((a, b) => {
    const [first, second] = [key(a), key(b)];
    if (first === null || second === null) return (first === null) - (second === null);
    const order = typeof first === "string" ? first.localeCompare(second, "en", { numeric: true }) : first - second;
    return down ? -order : order;
  });
}

function renderTable(scenario, state, cells, change) {
  const scale = scales(scenario);
  const [bare, adapted] = [cells.filter((cell) => !cell.adapted), cells.filter((cell) => cell.adapted)];
  const body = (rows, kind) => make("tbody", { class: kind }, ...rows.map((cell) => row(cell, scenario, scale, state, change)));
  anew(byId("table"), [make("caption", {}, scenario.title), tableHead(scenario, state, change), body(bare, "bare"), body(adapted, "own")]);
}
