// What the reader has chosen, and the drawing of the page.

const FIRST = Math.max(0, DATA.scenarios.findIndex(({ name }) => name === location.hash.slice(1)));
let state = fresh(DATA.scenarios[FIRST]);

/** Where a scenario starts: its headline against locality, and the settings that tell most cells apart. */
function fresh(scenario) {
  const names = scenario.columns.map(({ name }) => name);
  const has = (...wished) => wished.find((name) => names.includes(name)) ?? names[0];
  const [one, two] = settings(scenario).map(([setting]) => setting);
  return {
    scenario, filter: "", sort: { name: "", down: true }, pinned: null, open: new Set(), listed: PAGE,
    scatter: { x: has("locality", "seconds"), y: has(scenario.headline), size: names.includes("seconds") ? "seconds" : "", colour: one },
    heat: { rows: one, columns: two, figure: has(scenario.headline) },
    questions: { search: "", kind: "", show: "all", cell: "" },
    ...Object.fromEntries(EXTRAS.map((extra) => [extra.name, extra.fresh()])),
  };
}

function change(parts) {
  state = { ...state, ...parts };
  const extra = EXTRAS.find(({ name }) => parts[name]);
  if (extra) return extra.render(() => state, chosen(), change);
  const only = Object.keys(parts).every((name) => ["questions", "listed"].includes(name));
  render(only);
}

/** The cells that the filter leaves, in the order of the table. */
function chosen() {
  const matches = matcher(state.filter);
  return sorted(state.scenario.cells.filter((cell) => !cell.adapted || matches(cell.id)), state.sort);
}

function render(questionsOnly = false) {
  const { scenario } = state;
  const cells = chosen();
  renderQuestions(scenario, state, cells);
  if (questionsOnly) return;
  const some = cells.filter((cell) => cell.adapted).length, all = scenario.cells.filter((cell) => cell.adapted).length;
  byId("shown").textContent = some === all ? `${all} cells` : `${some} of ${all} cells`;
  byId("unpin").hidden = !state.pinned;
  byId("unpin").textContent = state.pinned ? `Unpin ${title(state.pinned)[0]}` : "";
  renderTable(scenario, state, cells, change);
  renderScatter(scenario, state, cells, change);
  renderHeat(scenario, state, cells);
  renderAgainst(cells);
  for (const extra of EXTRAS) extra.render(() => state, cells, change);
}

/** Everything that changes with the scenario only. */
function open(scenario) {
  state = fresh(scenario);
  document.title = `${scenario.title} – results`;
  byId("title").textContent = scenario.title;
  byId("filter").value = "";
  const cells = scenario.cells.filter((cell) => cell.adapted);
  const answers = scenario.cells.reduce((sum, cell) => sum + cell.answers.length, 0);
  byId("counts").textContent = `${cells.length} cells, ${scenario.questions.length.toLocaleString("en")} questions, `
    + `${answers.toLocaleString("en")} answers`;
  byId("best").textContent = best(scenario, cells);
  const shared = settingsOf(scenario, false).map((setting) => put(setting, cells[0]?.[setting])).filter(Boolean);
  byId("shared").textContent = shared.length ? `All cells: ${shared.join(" · ")}` : "";
  byId("findings").replaceChildren(...scenario.findings.map(({ title: head, text, summary }) => make("details", {},
    make("summary", {}, make("b", {}, head), summary ? `: ${summary}` : ""), make("pre", { tabindex: "0", class: "scroll" }, text))));
  byId("scatter-choices").replaceChildren(...scatterChoices(scenario, () => state, change));
  byId("heat-choices").replaceChildren(...heatChoices(scenario, () => state, change));
  byId("question-choices").replaceChildren(...questionChoices(scenario, () => state, change));
  for (const extra of EXTRAS) extra.open(scenario, () => state, change);
  byId("how").replaceChildren(...scenario.how.flatMap(([what, value]) => [make("dt", {}, what), make("dd", {}, value)]));
  for (const tab of byId("scenarios").children) tab.setAttribute("aria-current", String(tab.dataset.name === scenario.name));
  render();
}

function best(scenario, cells) {
  const name = scenario.headline;
  const highest = cells.filter((cell) => figure(cell, name)).sort((a, b) => value(b, name) - value(a, name))[0];
  if (!highest) return "";
  const beside = figure(highest, "locality") ? `, at locality ${withInterval("locality", figure(highest, "locality"))}` : "";
  return `Highest ${words(name)}: ${withInterval(name, figure(highest, name))} by ${title(highest).join(" · ")}${beside}.`;
}

function renderAgainst(cells) {
  const compared = cells.filter((cell) => cell.changes);
  byId("against").hidden = !compared.length;
  if (!compared.length) return;
  byId("against-head").textContent = `Against baseline ${state.scenario.baseline}`;
  const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(3);
  const rows = compared.flatMap((cell) => cell.changes.map(([name, before, now, difference, low, high, p, worse, lost, won]) =>
    make("tr", { class: worse ? "worse" : null },
      make("th", { scope: "row" }, make("b", {}, title(cell)[0]), make("small", {}, title(cell)[1])),
      make("td", {}, words(name)), make("td", {}, before.toFixed(2)), make("td", {}, now.toFixed(2)),
      make("td", {}, `${signed(difference)} [${signed(low)}, ${signed(high)}]`), make("td", {}, String(p)),
      make("td", {}, `${lost} / ${won}`), make("td", { class: "status" }, worse ? "worse" : ""))));
  anew(byId("changes"), [make("thead", {}, make("tr", {},
    ["cell", "measure", "before", "now", "difference", "p", "lost / won", ""].map((name) => make("th", { scope: "col" }, name)))),
  make("tbody", {}, ...rows)]);
}

const THEMES = { auto: "dark", dark: "light", light: "auto" };

function theme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = { auto: "Theme: system", dark: "Theme: dark", light: "Theme: light" }[name];
  try { localStorage.setItem("harness theme", name); } catch { /* a page from a file may have no storage */ }
}

function stored() {
  try { return localStorage.getItem("harness theme"); } catch { return null; }
}

theme(stored() in THEMES ? stored() : "auto");
byId("theme").addEventListener("click", () => theme(THEMES[document.documentElement.dataset.theme]));
byId("filter").addEventListener("input", (event) => change({ filter: event.target.value, listed: PAGE }));
byId("unpin").addEventListener("click", () => { change({ pinned: null }); byId("filter").focus(); });
byId("more").addEventListener("click", () => {
  const first = state.listed;
  change({ listed: first + PAGE });
  byId("questions").children[first]?.querySelector("button").focus();
});
byId("scenarios").hidden = DATA.scenarios.length < 2;
byId("scenarios").append(...DATA.scenarios.map((scenario) => make("a", { href: `#${scenario.name}`, "data-name": scenario.name }, scenario.title)));
addEventListener("hashchange", () => {
  const linked = DATA.scenarios.find(({ name }) => name === location.hash.slice(1));
  if (linked && linked !== state.scenario) open(linked);
});
open(state.scenario);
new ResizeObserver(() => renderScatter(state.scenario, state, chosen(), change)).observe(byId("scatter-choices"));
