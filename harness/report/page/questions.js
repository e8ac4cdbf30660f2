// Every question with every answer of every cell.

const PAGE = 50;
const SHOWS = [
  ["all", "all questions"], ["wrong", "answered wrong"], ["right", "answered right"],
  ["lost", "lost: right in the bare model only"], ["won", "won: wrong in the bare model"],
];
const AGAINST = [["lost baseline", "lost against the baseline"], ["won baseline", "won against the baseline"]];

/** Whether question `number` is one of those that `show` names, for `cell`. */
function holds(cell, number, show) {
  if (show === "all") return true;
  const [way, against] = show.split(" ");
  if (way === "lost" || way === "won") return flip(cell, number, against ?? "bare") === way;
  return answered(cell, number)?.right === (way === "right");
}

/** All text of a question, to search in: prompt, fact, accepted answers, and what the cells answered. */
function text(scenario, number, cells) {
  const { id, fact, prompt, accepted } = scenario.questions[number];
  const answers = cells.flatMap((cell) => answered(cell, number)?.texts ?? []);
  return [id, fact, prompt, ...accepted, ...answers].join("\n").toLowerCase();
}

function wanted(scenario, state, cells) {
  const { search, kind, show, cell } = state.questions;
  const needle = search.toLowerCase().trim();
  const selected = cell === "" ? cells.filter((each) => each.adapted) : [scenario.cells[Number(cell)]];
  const searched = selected.length ? selected : cells;
  return scenario.questions.map((_, at) => at).filter((at) =>
    (!kind || scenario.questions[at].kind === kind)
    && searched.some((each) => each.places.has(at) && holds(each, at, show))
    && (!needle || text(scenario, at, cells).includes(needle)));
}

const MARKS = { lost: "↓", won: "↑", "": "" };

/** One small square a cell: right, wrong, or not asked. */
function strip(number, cells, state) {
  const squares = cells.map((cell) => {
    const answer = answered(cell, number);
    return make("i", { class: [answer ? (answer.right ? "yes" : "no") : "void", cell.adapted ? "" : "bare", cell === state.pinned ? "pinned" : ""].join(" ").trim() });
  });
  return make("span", { class: "strip", "aria-hidden": "true" }, squares);
}

function answerRow(cell, number, state) {
  const answer = answered(cell, number);
  if (!answer) return null;
  const [first, rest] = title(cell);
  const lines = answer.texts.map((text, at) => make("div", { class: "said" },
    answer.texts.length > 1 ? make("span", { class: answer.verdicts[at] === "1" ? "yes" : "no" }, answer.verdicts[at] === "1" ? "✓ " : "✗ ") : null,
    text.trim() ? text : make("span", { class: "muted" }, "(nothing)")));
  for (const { below } of EXTRAS) lines.forEach((line, at) => line.append(below(answer, at)));
  const flips = [["bare", "bare model"], ["baseline", "baseline"]].map(([against, name]) => [flip(cell, number, against), name])
    .filter(([way]) => way).map(([way, name]) => make("span", { class: `flip ${way}` }, `${MARKS[way]} ${way} against the ${name}`));
  return make("tr", { class: cell === state.pinned ? "pinned" : null },
    make("td", { class: answer.right ? "verdict yes" : "verdict no" }, answer.right ? "✓" : "✗", make("span", { class: "hidden" }, answer.right ? "right" : "wrong")),
    make("th", { scope: "row" }, make("b", {}, first), make("small", {}, rest)),
    make("td", {}, lines, flips),
    make("td", { class: "number", title: "similarity to the nearest accepted answer" }, String(answer.score)));
}

function opened(scenario, number, cells, state) {
  const { id, prompt, accepted } = scenario.questions[number];
  return [
    make("pre", {}, prompt),
    make("p", {}, make("span", { class: "muted" }, "right answer: "), accepted.join(" or ")),
    make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": `answers to ${id}` },
      make("table", { class: "answers" },
        make("thead", {}, make("tr", {}, ["", "cell", "answer", "score"].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...cells.map((cell) => answerRow(cell, number, state)).filter(Boolean)))),
    make("p", { class: "muted id" }, id),
  ];
}

function question(scenario, number, cells, state) {
  const { id, kind, prompt } = scenario.questions[number];
  const adapted = cells.filter((cell) => cell.adapted && cell.places.has(number));
  const right = adapted.filter((cell) => answered(cell, number).right).length;
  const body = make("div", { class: "answer", id: `answers-${number}`, hidden: true });
  const set = (open) => {
    button.setAttribute("aria-expanded", String(open));
    body.hidden = !open;
    body.replaceChildren(...(open ? opened(scenario, number, cells, state) : []));
    if (open) state.open.add(id); else state.open.delete(id);
  };
  const button = make("button", { type: "button", class: "question", "data-key": `question ${id}`, "aria-expanded": "false", "aria-controls": body.id,
    onclick: () => set(body.hidden) },
  make("span", { class: "prompt" }, prompt.trim().split("\n").slice(-3).join(" ⏎ ")),
  make("span", { class: "kind" }, words(kind)),
  make("span", { class: "tally" }, strip(number, cells, state), make("span", { class: "number" }, `${right}/${adapted.length}`), make("span", { class: "hidden" }, "cells right")));
  if (state.open.has(id)) set(true);
  return make("li", {}, button, body);
}

function renderQuestions(scenario, state, cells) {
  const matches = wanted(scenario, state, cells);
  const listed = matches.slice(0, state.listed);
  byId("found").textContent = `${matches.length.toLocaleString("en")} of ${scenario.questions.length.toLocaleString("en")} questions`
    + (matches.length ? "; the squares are the cells in the order of the table" : "");
  anew(byId("questions"), listed.map((number) => question(scenario, number, cells, state)));
  byId("more").hidden = matches.length <= listed.length;
  byId("more").textContent = `Show ${Math.min(PAGE, matches.length - listed.length)} more`;
}

function questionChoices(scenario, state, change) {
  const kinds = [...new Set(scenario.questions.map(({ kind }) => kind))];
  const set = (part) => (chosen) => change({ questions: { ...state().questions, [part]: chosen }, listed: PAGE });
  const view = state().questions;
  const search = make("input", { id: "question-search", type: "search", placeholder: "in questions and answers", autocomplete: "off",
    oninput: () => set("search")(search.value) });
  const shows = scenario.cells.some((cell) => cell.was) ? [...SHOWS, ...AGAINST] : SHOWS;
  return [
    make("label", {}, make("span", {}, "search"), search),
    choice("question-kind", "kind", [["", "all kinds"], ...kinds.map((kind) => [kind, words(kind)])], view.kind, set("kind")),
    choice("question-show", "show", shows, view.show, set("show")),
    choice("question-cell", "in", [["", "any cell"], ...scenario.cells.map((cell, at) => [String(at), title(cell).join(" · ")])], view.cell, set("cell")),
  ];
}
