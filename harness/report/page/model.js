// The data of the page, read from the JSON in it, and how figures are written.

const DATA = JSON.parse(document.getElementById("data").textContent);

/** Sections that only some reports have: `name` of its part of the state, `fresh` state, what to do as a scenario is
 *  opened and rendered, and what stands `below` an answer. */
const EXTRAS = [];

const COSTS = {
  seconds: ["train s", "less"],
  steps_per_second: ["steps/s", "more"],
  mfu: ["MFU", "more"],
  tokens_per_second: ["tokens/s", "more"],
  load_seconds: ["load s", "less"],
  peak_rss_bytes: ["train RSS MiB", "less"],
  peak_vram_bytes: ["train VRAM MiB", "less"],
  answering_rss_bytes: ["answer RSS MiB", "less"],
  answering_vram_bytes: ["answer VRAM MiB", "less"],
  stack_seconds: ["swap s", "less"],
  adapter_bytes: ["adapter MiB", "less"],
  model_bytes: ["model MiB", "less"],
};
const SETTINGS = ["dataset", "label", "rank", "alpha", "lr", "epochs", "replay", "engine", "model", "seed"];

/** The name of a measure as headings show it. */
const words = (name) => (COSTS[name] ? COSTS[name][0] : name.replaceAll("_", " "));

/** Whether a lower value of a figure is the better one. */
const lessIsBetter = (name) => COSTS[name]?.[1] === "less";

/** [estimate, low, high] of a cell, [value] of a cost, or null. */
const figure = (cell, name) => cell.figures[name] ?? (name in cell.cost ? [cell.cost[name]] : null);

const value = (cell, name) => figure(cell, name)?.[0] ?? null;

/** A figure in few digits, in the unit of its heading. */
function shown(name, number) {
  if (number === null) return "";
  if (name.endsWith("_bytes")) return (number / 2 ** 20).toFixed(1);
  if (!COSTS[name]) return Math.abs(number) < 10 ? number.toFixed(2) : number.toFixed(1);
  return number >= 100 ? number.toFixed(0) : number.toPrecision(2);
}

const withInterval = (name, share) =>
  share === null ? "–" : shown(name, share[0]) + (share.length > 1 ? ` [${shown(name, share[1])}, ${shown(name, share[2])}]` : "");

/** A learning rate as people write it: 1e-3. */
const plain = (setting, number) =>
  setting === "lr" && number < 0.1 ? number.toExponential().replace(/\.?0*e/, "e") : String(number ?? "");

const TRAINED = ["rank", "alpha", "lr", "epochs", "replay", "seed", "engine", "model"];

/** Settings in which the adapted cells of a scenario differ, or those that they share. */
function settingsOf(scenario, differ) {
  const cells = scenario.cells.filter((cell) => cell.adapted);
  return TRAINED.filter((setting) => (new Set(cells.map((cell) => cell[setting])).size > 1) === differ);
}

function put(setting, chosen) {
  if (chosen === undefined || chosen === null) return "";
  if (setting === "engine" || setting === "model") return chosen;
  if (setting === "epochs") return `${chosen} ${chosen === 1 ? "epoch" : "epochs"}`;
  return `${setting === "alpha" ? "α" : setting} ${plain(setting, chosen)}`;
}

/** What tells a cell apart, in two parts: what it is, and with which settings it was trained. */
function title(cell) {
  if (cell.dataset === undefined) return [cell.model, cell.id.replace(cell.model, "").replace("(no adapter)", "no adapter").trim()];
  const first = [cell.dataset, cell.label].filter(Boolean).join(" · ");
  const external = cell.external ? [cell.external] : [];
  const factors = Object.entries(cell.factors ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  return [first, [...external, ...factors, ...settingsOf(cell.scenario, true).map((setting) => put(setting, cell[setting]))].filter(Boolean).join(" · ")];
}

/** A range of round numbers that holds all of `numbers`; within 0 to 1 where they are shares. */
function round(numbers, share) {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  if (share) return [Math.max(0, Math.floor((low - 0.04) * 10) / 10), Math.min(1, Math.ceil((high + 0.02) * 10) / 10)];
  return [Math.min(0, low), high <= 0 ? 1 : high * 1.05];
}

/** Words as pytest's -k takes them, without brackets: `rank64 and not aug or lr1e_3`. */
function matcher(text) {
  const groups = text.toLowerCase().split(/\bor\b/).map((group) => {
    const tokens = group.split(/\s+/).filter((token) => token && token !== "and");
    const terms = [];
    for (let at = 0; at < tokens.length; at++) {
      const not = tokens[at] === "not";
      if (not && at + 1 === tokens.length) continue; // still being typed
      terms.push({ not, word: not ? tokens[++at] : tokens[at] });
    }
    return terms;
  });
  return (id) => groups.some((terms) => terms.every(({ not, word }) => id.toLowerCase().includes(word) !== not));
}

/** The answers of a cell to question `number`; null where it was not asked. */
function answered(cell, number) {
  const at = cell.places.get(number);
  if (at === undefined) return null;
  const texts = [cell.answers[at]].flat();
  return {
    texts: texts.map((text) => cell.scenario.texts[text]),
    right: cell.right[at] === "1",
    verdicts: cell.verdicts?.[at] ?? cell.right[at],
    by: cell.by && Object.fromEntries(Object.entries(cell.by).map(([grader, marks]) => [grader, marks[at]])),
    score: cell.scores[at],
    was: cell.was ? { 1: true, 0: false }[cell.was[at]] : undefined,
  };
}

/** Whether an answer flipped: "lost", "won" or "", against the bare model or against the baseline. */
function flip(cell, number, against) {
  const now = answered(cell, number);
  if (!now) return "";
  const before = against === "baseline" ? now.was : cell.bare && answered(cell.bare, number)?.right;
  if (before === undefined || before === null || before === now.right) return "";
  return now.right ? "won" : "lost";
}

for (const scenario of DATA.scenarios) {
  const places = scenario.sets.map((set) => new Map(set.map((number, at) => [number, at])));
  scenario.cells.forEach((cell) => {
    cell.scenario = scenario;
    cell.places = places[cell.asked];
    cell.bare = cell.bare === null ? null : scenario.cells[cell.bare];
  });
}
