// The judge: what it is worth, recall as each grader sees it, and where the two disagree. Only a page with a judge holds
// this file.

const SEEN = ["id", "kind", "fuzzy", "judge", "judge, corrected"];
const DISPUTED = ["kind", "question", "right would be", "answer", "fuzzy", "judge", "odds", "cells"];
const SAID = { fuzzy: { 1: "right", 0: "wrong" }, judge: { 1: "same", 0: "differ", "?": "undecided" } };
const WHO = [
  ["", "all disagreements"], ["judge", "right for the judge only"], ["fuzzy", "right for the fuzzy grader only"],
  ["undecided", "the judge is undecided"],
];

const freshJudge = () => ({
  seen: { sort: { name: "", down: true }, kind: "", listed: PAGE },
  disputes: { sort: { name: "", down: true }, search: "", kind: "", who: "", listed: PAGE },
});

/** What a grader said of an answer; nothing where that is not kept. */
function verdict(grader, mark) {
  const word = SAID[grader][mark];
  return word && make("span", { class: { 1: "yes", 0: "no" }[mark] }, `${{ 1: "✓", 0: "✗" }[mark] ?? "?"} ${word}`);
}

/** Both graders' verdicts on answer number `at` of several, to stand below it; nothing where one alone has graded. */
function graders({ by }, at) {
  if (!by) return "";
  const own = Object.keys(SAID).map((grader) => [grader, verdict(grader, by[grader][at])]).filter(([, said]) => said);
  return make("small", { class: "graders" }, ...own.map(([grader, said]) => make("span", {}, `${grader} `, said)));
}

for (const { judge, cells, texts } of DATA.scenarios.filter((scenario) => scenario.judge)) {
  // A bare model that was asked several sets of questions is one for the judge, and several cells.
  const named = judge.cells.map((id) => cells.find((cell) => cell.id === id) ?? { id, model: id.replace(" (no adapter)", "") });
  judge.seen = judge.seen.map(([cell, kind, fuzzy, own, corrected]) => ({
    cell: named[cell], kind, id: named[cell].id, cost: {},
    figures: { kind: [words(kind)], fuzzy, judge: own, "judge, corrected": corrected },
  }));
  judge.disputes = judge.disputes.map(([kind, question, answer, accepted, fuzzy, own, odds, by]) => ({
    cells: by.map((at) => named[at]), kind, marks: { fuzzy, judge: own }, cost: {},
    who: own === "?" ? "undecided" : fuzzy ? "fuzzy" : "judge",
    figures: {
      kind: [words(kind)], question: [texts[question].trim().split("\n").slice(-3).join("\n")], "right would be": [texts[accepted]],
      answer: [texts[answer].trim()], fuzzy: [SAID.fuzzy[fuzzy]], judge: [SAID.judge[own]], odds: odds === null ? null : [odds],
    },
  }));
}

/** A function that changes parts of the state of `table`. */
const setJudge = (table, state, change) => (parts) => {
  const { judge } = state();
  change({ judge: { ...judge, [table]: { ...judge[table], ...parts } } });
};

/** Table `id` of the first of `rows`, in the order that its headings ask for, and the button for more of them. */
function renderSorted(id, names, caption, rows, drawn, own, set) {
  const listed = sorted(rows, own.sort).slice(0, own.listed).map(drawn);
  anew(byId(id), [make("caption", {}, caption),
    make("thead", {}, make("tr", {}, names.map((name) => heading({ name }, own, set)))), make("tbody", {}, ...listed)]);
  const more = byId(`more-${id}`);
  more.hidden = rows.length <= listed.length;
  more.textContent = `Show ${Math.min(PAGE, rows.length - listed.length)} more`;
  more.onclick = () => {
    set({ listed: own.listed + PAGE });
    fill(byId(id).querySelectorAll("tbody tr")[listed.length], { tabindex: "-1" }, []).focus();
  };
}

function seenRow(found, pinned) {
  const [first, rest] = title(found.cell);
  return make("tr", { class: found.cell === pinned ? "pinned" : null },
    make("th", { scope: "row" }, make("b", {}, first), make("small", {}, rest)), make("td", {}, words(found.kind)),
    SEEN.slice(2).map((name) =>
      make("td", {}, make("span", { class: "figure" }, withInterval(name, figure(found, name))), bar(figure(found, name), [0, 1]))));
}

/** How many cells gave the answer; which, is told on it. */
function givers(cells) {
  const listed = cells.slice(0, 8).map((cell) => make("div", {}, title(cell).join(" · ")));
  const more = cells.length > listed.length ? [make("div", { class: "muted" }, `and ${cells.length - listed.length} more`)] : [];
  return explained(make("span", { class: "count" }, String(cells.length)), () => [...listed, ...more]);
}

function disputeRow(found) {
  const shows = {
    kind: (text) => make("td", { class: "kind" }, text),
    fuzzy: () => make("td", { class: "by" }, verdict("fuzzy", found.marks.fuzzy)),
    judge: () => make("td", { class: "by" }, verdict("judge", found.marks.judge)),
    odds: (odds) => make("td", { class: "odds" }, odds === null ? "–" : (odds < 0 ? "−" : "+") + Math.abs(odds).toFixed(1)),
    cells: () => make("td", { class: "odds" }, givers(found.cells)),
  };
  const said = (text) => make("td", { class: "said" }, text || make("span", { class: "muted" }, "(nothing)"));
  return make("tr", {}, DISPUTED.map((name) => (shows[name] ?? said)(value(found, name))));
}

/** The disagreements on answers that `has` left cells gave, with these cells, as the choices want them. */
function disputed({ judge }, { search, kind, who }, has) {
  const sought = search.toLowerCase().trim();
  return judge.disputes.map((found) => {
    const cells = found.cells.filter(has);
    return { ...found, cells, figures: { ...found.figures, cells: [cells.length] } };
  }).filter((found) => found.cells.length && (!kind || found.kind === kind) && (!who || found.who === who)
    && (!sought || ["question", "right would be", "answer"].some((name) => value(found, name).toLowerCase().includes(sought))));
}

/** `cells` are those that the filter above leaves; bare models always stay. */
function renderJudge(state, cells, change) {
  const { scenario, pinned, judge: { seen, disputes } } = state();
  if (!scenario.judge) return;
  const left = new Set(cells), has = (cell) => !cell.adapted || left.has(cell);
  const rows = scenario.judge.seen.filter((found) => has(found.cell) && (!seen.kind || found.kind === seen.kind));
  renderSorted("seen", SEEN, "Recall as each grader sees it", rows, (row) => seenRow(row, pinned), seen, setJudge("seen", state, change));
  const found = disputed(scenario, disputes, has);
  renderSorted("disputes", DISPUTED, "Where the graders disagree", found, disputeRow, disputes, setJudge("disputes", state, change));
  rove([...byId("disputes").querySelectorAll(".count")]);
  byId("disputed").textContent = `${found.length.toLocaleString("en")} of ${scenario.judge.disputes.length.toLocaleString("en")} answers`
    + (disputes.sort.name ? "" : "; those of which the judge is surest come first");
}

/** Everything of the judge that changes with the scenario only. */
function openJudge({ judge }, state, change) {
  byId("judge").hidden = !judge;
  if (!judge) return;
  byId("judge-text").replaceChildren(...judge.sentences.map((text) => make("p", {}, text)));
  const kinds = (rows) => [["", "all kinds"], ...[...new Set(rows.map(({ kind }) => kind))].map((kind) => [kind, words(kind)])];
  const set = setJudge("disputes", state, change), listed = PAGE;
  const search = make("input", { id: "dispute-search", type: "search", placeholder: "in questions and answers", autocomplete: "off",
    oninput: () => set({ search: search.value, listed }) });
  byId("seen-choices").replaceChildren(choice("seen-kind", "kind", kinds(judge.seen), "", (kind) => setJudge("seen", state, change)({ kind, listed })));
  byId("dispute-choices").replaceChildren(
    make("label", {}, make("span", {}, "search"), search),
    choice("dispute-kind", "kind", kinds(judge.disputes), "", (kind) => set({ kind, listed })),
    choice("dispute-who", "show", WHO, "", (who) => set({ who, listed })));
}

EXTRAS.push({ name: "judge", fresh: freshJudge, open: openJudge, render: renderJudge, below: graders });
