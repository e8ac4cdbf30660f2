// The judge: its quality, recall by each grader, and where the two disagree. Only a page with a judge holds this file.

const SEEN = ["id", "kind", "fuzzy", "judge", "judge, corrected"];
const DISPUTED = ["kind", "question", "right answer", "answer", "fuzzy", "judge", "odds", "cells"];
const VERDICTS = { fuzzy: { 1: "right", 0: "wrong" }, judge: { 1: "same", 0: "differ", "?": "undecided" } };
const WHO = [
  ["", "all disagreements"], ["judge", "right for the judge only"], ["fuzzy", "right for the fuzzy grader only"],
  ["undecided", "the judge is undecided"],
];

const freshJudge = () => ({
  seen: { sort: { name: "", down: true }, kind: "", listed: PAGE },
  disputes: { sort: { name: "", down: true }, search: "", kind: "", who: "", listed: PAGE },
});

/** The verdict of a grader; nothing where the page does not hold it. */
function verdict(grader, mark) {
  const word = VERDICTS[grader][mark];
  return word && make("span", { class: { 1: "yes", 0: "no" }[mark] }, `${{ 1: "✓", 0: "✗" }[mark] ?? "?"} ${word}`);
}

/** Both graders' verdicts on answer number `at` of several, to stand below it; nothing where only one has graded. */
function graders({ by }, at) {
  if (!by) return "";
  const verdicts = Object.keys(VERDICTS).map((grader) => [grader, verdict(grader, by[grader][at])]).filter(([, text]) => text);
  return make("small", { class: "graders" }, ...verdicts.map(([grader, text]) => make("span", {}, `${grader} `, text)));
}

for (const { judge, cells, texts } of DATA.scenarios.filter((scenario) => scenario.judge)) {
  // A bare model that was asked several sets of questions is one name here, and several cells.
  const named = judge.cells.map((id) => cells.find((cell) => cell.id === id) ?? { id, model: id.replace(" (no adapter)", "") });
  judge.seen = judge.seen.map(([cell, kind, fuzzy, mark, corrected]) => ({
    cell: named[cell], kind, id: named[cell].id, cost: {},
    figures: { kind: [words(kind)], fuzzy, judge: mark, "judge, corrected": corrected },
  }));
  judge.disputes = judge.disputes.map(([kind, question, answer, accepted, fuzzy, mark, odds, by]) => ({
    cells: by.map((at) => named[at]), kind, marks: { fuzzy, judge: mark }, cost: {},
    who: mark === "?" ? "undecided" : fuzzy ? "fuzzy" : "judge",
    figures: {
      kind: [words(kind)], question: [texts[question].trim().split("\n").slice(-3).join("\n")], "right answer": [texts[accepted]],
      answer: [texts[answer].trim()], fuzzy: [VERDICTS.fuzzy[fuzzy]], judge: [VERDICTS.judge[mark]], odds: odds === null ? null : [odds],
    },
  }));
}

/** A function that changes parts of the state of `table`. */
const setJudge = (table, state, change) => (parts) => {
  const { judge } = state();
  change({ judge: { ...judge, [table]: { ...judge[table], ...parts } } });
};

/** Table `id` of the first of `rows`, in the order that its headings ask for, and the button for more of them. */
function renderSorted(id, names, caption, rows, drawn, view, set) {
  const listed = sorted(rows, view.sort).slice(0, view.listed).map(drawn);
  anew(byId(id), [make("caption", {}, caption),
    make("thead", {}, make("tr", {}, names.map((name) => heading({ name }, view, set)))), make("tbody", {}, ...listed)]);
  const more = byId(`more-${id}`);
  more.hidden = rows.length <= listed.length;
  more.textContent = `Show ${Math.min(PAGE, rows.length - listed.length)} more`;
  more.onclick = () => {
    set({ listed: view.listed + PAGE });
    fill(byId(id).querySelectorAll("tbody tr")[listed.length], { tabindex: "-1" }, []).focus();
  };
}

function seenRow(row, pinned) {
  const [first, rest] = title(row.cell);
  return make("tr", { class: row.cell === pinned ? "pinned" : null },
    make("th", { scope: "row" }, make("b", {}, first), make("small", {}, rest)), make("td", {}, words(row.kind)),
    SEEN.slice(2).map((name) =>
      make("td", {}, make("span", { class: "figure" }, withInterval(name, figure(row, name))), bar(figure(row, name), [0, 1]))));
}

/** How many cells gave the answer; a tooltip lists them. */
function givers(cells) {
  const listed = cells.slice(0, 8).map((cell) => make("div", {}, title(cell).join(" · ")));
  const more = cells.length > listed.length ? [make("div", { class: "muted" }, `and ${cells.length - listed.length} more`)] : [];
  return explained(make("span", { class: "count" }, String(cells.length)), () => [...listed, ...more]);
}

function disputeRow(row) {
  const shows = {
    kind: (text) => make("td", { class: "kind" }, text),
    fuzzy: () => make("td", { class: "by" }, verdict("fuzzy", row.marks.fuzzy)),
    judge: () => make("td", { class: "by" }, verdict("judge", row.marks.judge)),
    odds: (odds) => make("td", { class: "odds" }, odds === null ? "–" : (odds < 0 ? "−" : "+") + Math.abs(odds).toFixed(1)),
    cells: () => make("td", { class: "odds" }, givers(row.cells)),
  };
  const plainText = (text) => make("td", { class: "said" }, text || make("span", { class: "muted" }, "(nothing)"));
  return make("tr", {}, DISPUTED.map((name) => (shows[name] ?? plainText)(value(row, name))));
}

/** The disagreements that the choices ask for, with those of their cells for which `has` is true. */
function disputed({ judge }, { search, kind, who }, has) {
  const wanted = search.toLowerCase().trim();
  return judge.disputes.map((row) => {
    const cells = row.cells.filter(has);
    return { ...row, cells, figures: { ...row.figures, cells: [cells.length] } };
  }).filter((row) => row.cells.length && (!kind || row.kind === kind) && (!who || row.who === who)
    && (!wanted || ["question", "right answer", "answer"].some((name) => value(row, name).toLowerCase().includes(wanted))));
}

/** `cells` are those that the filter above leaves; bare models always stay. */
function renderJudge(state, cells, change) {
  const { scenario, pinned, judge: { seen, disputes } } = state();
  if (!scenario.judge) return;
  const left = new Set(cells), has = (cell) => !cell.adapted || left.has(cell);
  const rows = scenario.judge.seen.filter((row) => has(row.cell) && (!seen.kind || row.kind === seen.kind));
  renderSorted("seen", SEEN, "Recall by each grader", rows, (row) => seenRow(row, pinned), seen, setJudge("seen", state, change));
  const answers = disputed(scenario, disputes, has);
  renderSorted("disputes", DISPUTED, "Where the graders disagree", answers, disputeRow, disputes, setJudge("disputes", state, change));
  rove([...byId("disputes").querySelectorAll(".count")]);
  byId("disputed").textContent = `${answers.length.toLocaleString("en")} of ${scenario.judge.disputes.length.toLocaleString("en")} answers`
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
