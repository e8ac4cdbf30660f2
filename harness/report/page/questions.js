// Every question with every answer of every cell.

const PAGE = 50;
const SHOWS = [
  ["all", "all questions"], ["wrong", "answered wrong"], ["right", "answered right"],
  ["lost", "lost: right in the bare model only"], ["won", "won: wrong in the bare model"],
];
const AGAINST = [["lost baseline", "lost against the baseline"], ["won baseline", "won against the baseline"]];

/** Whether question number `asked` is one of those that `show` names, for `cell`. */
function holds(cell, asked, show) {
  if (show === "all") return true;
  const [way, against] = show.split(" ");
  if (way === "lost" || way === "won") return flip(cell, asked, against ?? "bare") === way;
  return answered(cell, asked)?.right === (way === "right");
}

/** All text of a question, to search in: prompt, fact, accepted answers, and what the cells answered. */
function text(scenario, asked, cells) {
  const { id, fact, prompt, accepted } = scenario.questions[asked];
  const answers = cells.flatMap((cell) => answered(cell, asked)?.texts ?? []);
  return [id, fact, prompt, ...accepted, ...answers].join("\n").toLowerCase();
}

function wanted(scenario, state, cells) {
  const { search, kind, show, cell } = state.questions;
  const sought = search.toLowerCase().trim();
  const looked = cell === "" ? cells.filter((own) => own.adapted) : [scenario.cells[Number(cell)]];
  const over = looked.length ? looked : cells;
  return scenario.questions.map((_, at) => at).filter((at) =>
    (!kind || scenario.questions[at].kind === kind)
    && over.some((own) => own.places.has(at) && holds(own, at, show))
    && (!sought || text(scenario, at, cells).includes(sought)));
}

const MARKS = { lost: "↓", won: "↑", "": "" };

/** One small square a cell: right, wrong, or not asked. */
function strip(asked, cells, state) {
  const squares = cells.map((cell) => {
    const own = answered(cell, asked);
    return make("i", { class: [own ? (own.right ? "yes" : "no") : "void", cell.adapted ? "" : "bare", cell === state.pinned ? "pinned" : ""].join(" ").trim() });
  });
  return make("span", { class: "strip", "aria-hidden": "true" }, squares);
}

function answerRow(cell, asked, state) {
  const own = answered(cell, asked);
  if (!own) return null;
  const [first, rest] = title(cell);
  const said = own.texts.map((one, at) => make("div", { class: "said" },
    own.texts.length > 1 ? make("span", { class: own.verdicts[at] === "1" ? "yes" : "no" }, own.verdicts[at] === "1" ? "✓ " : "✗ ") : null,
    one.trim() ? one : make("span", { class: "muted" }, "(nothing)")));
  for (const { below } of EXTRAS) said.forEach((one, at) => one.append(below(own, at)));
  const flips = [["bare", "bare model"], ["baseline", "baseline"]].map(([against, name]) => [flip(cell, asked, against), name])
    .filter(([way]) => way).map(([way, name]) => make("span", { class: `flip ${way}` }, `${MARKS[way]} ${way} against the ${name}`));
  return make("tr", { class: cell === state.pinned ? "pinned" : null },
    make("td", { class: own.right ? "verdict yes" : "verdict no" }, own.right ? "✓" : "✗", make("span", { class: "hidden" }, own.right ? "right" : "wrong")),
    make("th", { scope: "row" }, make("b", {}, first), make("small", {}, rest)),
    make("td", {}, said, flips),
    make("td", { class: "number", title: "similarity to the nearest accepted answer" }, String(own.score)));
}

function opened(scenario, asked, cells, state) {
  const { id, prompt, accepted } = scenario.questions[asked];
  return [
    make("pre", {}, prompt),
    make("p", {}, make("span", { class: "muted" }, "right would be "), accepted.join(" or ")),
    make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": `answers to ${id}` },
      make("table", { class: "answers" },
        make("thead", {}, make("tr", {}, ["", "cell", "answer", "score"].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...cells.map((cell) => answerRow(cell, asked, state)).filter(Boolean)))),
    make("p", { class: "muted id" }, id),
  ];
}

function question(scenario, asked, cells, state) {
  const { id, kind, prompt } = scenario.questions[asked];
  const own = cells.filter((cell) => cell.adapted && cell.places.has(asked));
  const right = own.filter((cell) => answered(cell, asked).right).length;
  const body = make("div", { class: "answer", id: `answers-${asked}`, hidden: true });
  const set = (open) => {
    button.setAttribute("aria-expanded", String(open));
    body.hidden = !open;
    body.replaceChildren(...(open ? opened(scenario, asked, cells, state) : []));
    if (open) state.open.add(id); else state.open.delete(id);
  };
  const button = make("button", { type: "button", class: "question", "data-key": `question ${id}`, "aria-expanded": "false", "aria-controls": body.id,
    onclick: () => set(body.hidden) },
  make("span", { class: "prompt" }, prompt.trim().split("\n").slice(-3).join(" ⏎ ")),
  make("span", { class: "kind" }, words(kind)),
  make("span", { class: "tally" }, strip(asked, cells, state), make("span", { class: "number" }, `${right}/${own.length}`), make("span", { class: "hidden" }, "cells right")));
  if (state.open.has(id)) set(true);
  return make("li", {}, button, body);
}

function renderQuestions(scenario, state, cells) {
  const found = wanted(scenario, state, cells);
  const listed = found.slice(0, state.listed);
  byId("found").textContent = `${found.length.toLocaleString("en")} of ${scenario.questions.length.toLocaleString("en")} questions`
    + (found.length ? "; the squares are the cells in the order of the table" : "");
  anew(byId("questions"), listed.map((asked) => question(scenario, asked, cells, state)));
  byId("more").hidden = found.length <= listed.length;
  byId("more").textContent = `Show ${Math.min(PAGE, found.length - listed.length)} more`;
}

function questionChoices(scenario, state, change) {
  const kinds = [...new Set(scenario.questions.map(({ kind }) => kind))];
  const set = (part) => (own) => change({ questions: { ...state().questions, [part]: own }, listed: PAGE });
  const own = state().questions;
  const search = make("input", { id: "question-search", type: "search", placeholder: "in questions and answers", autocomplete: "off",
    oninput: () => set("search")(search.value) });
  const shows = scenario.cells.some((cell) => cell.was) ? [...SHOWS, ...AGAINST] : SHOWS;
  return [
    make("label", {}, make("span", {}, "search"), search),
    choice("question-kind", "kind", [["", "all kinds"], ...kinds.map((kind) => [kind, words(kind)])], own.kind, set("kind")),
    choice("question-show", "show", shows, own.show, set("show")),
    choice("question-cell", "in", [["", "any cell"], ...scenario.cells.map((cell, at) => [String(at), title(cell).join(" · ")])], own.cell, set("cell")),
  ];
}
