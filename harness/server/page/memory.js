// What is in the memory, and what one can do with it.

import { session } from "./chat.js";
import { curve } from "./curve.js";
import { bytes, counted, make, one } from "./elements.js";
import { change, get, notice, send, trying } from "./server.js";

const STATES = {
  learnt: "in adapters",
  rolled_up: "rolled up",
  learning: "learning",
  pending: "pending",
  failed: "not learnt",
};
const EVERY = 1500;
let before = "";
const open = new Set();

export function start(first) {
  const drop = one("#drop");
  for (const kind of ["dragenter", "dragover"])
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add(event.dataTransfer.files);
  });
  one("#file").addEventListener("change", async () => { await add(one("#file").files); one("#file").value = ""; });
  one("#undo").addEventListener("click", () => changing("/memory/undo", {}, (said) => `Undone: ${said.undone}.`));
  one("#verify").addEventListener("click", () =>
    changing("/memory/verify", { repair: true }, (said) => said.faults.join("; ") || "The memory is whole."));
  one("#rollup").addEventListener("click", rollUp);
  one("#export").addEventListener("click", exported);
  addEventListener("said", refresh);
  show(first);
  setInterval(() => { if (!document.hidden) refresh(); }, EVERY);
}

/** Draw what has changed since the last time. */
export async function refresh() {
  try {
    await show(await get("/memory"));
  } catch {
    one("#learner").textContent = "The server does not answer.";
  }
}

async function show(overview) {
  status(overview);
  const now = JSON.stringify([overview.counts, overview.learner?.document, overview.learner?.state]);
  if (now === before || document.activeElement?.closest(".correcting")) return;
  before = now;
  const [documents, passages, adapters, events, sessions] = await Promise.all(
    ["documents", "passages", "adapters", "events", "sessions"].map((name) => get(`/memory/${name}`)));
  one("#documents").replaceChildren(...documents.map((row) =>
    document_(row, passages.filter((each) => each.document === row.name && each.session === row.session))));
  const on = adapters.filter((row) => row.state === "active" || row.state === "rolled_up");
  drawAdapters(on);
  if (on.length && !overview.learner.losses.length) await past(on.at(-1));
  one("#events").replaceChildren(...events.slice(0, 12).map((row) =>
    make("li", {}, make("time", { datetime: row.at }, row.at.slice(11, 16)), ` ${row.verb} ${row.detail}`)));
  one("#undo").disabled = !events.length;
  one("#sessions").replaceChildren(...sessions.map((name) => make("option", { value: name })));
}

function status(overview) {
  one("#model").textContent = `${overview.model}, ${overview.engine}, ${overview.format}; policy ${overview.policy}`;
  one("#size").textContent = `${bytes(overview.bytes)} on disk`;
  const learner = overview.learner;
  const busy = learner.state === "learning" ? learner.passages.length : 0;
  const of = (state) => overview.counts[`passages ${state}`] ?? 0;
  const counts = { ...Object.fromEntries(Object.keys(STATES).map((state) => [state, of(state)])),
    learning: busy, pending: Math.max(0, of("pending") + of("learning") - busy) };
  one("#legend").replaceChildren(...Object.entries(STATES)
    .map(([state, words]) => [state, words, counts[state]])
    .filter(([state, , count]) => count || state === "learnt" || state === "pending")
    .map(([state, words, count]) => make("li", { "data-state": state }, make("i", { class: state }), `${count} ${words}`)));
  one("#learner").textContent = learner.document && learner.state === "learning"
    ? `Learning ${learner.document}` : sentence(learner.state, learner.reason);
  one("#learner").className = learner.state;
  if (learner.losses.length) drawCurve(learner.document, learner.losses, learner.steps);
}

function sentence(state, reason) {
  const words = { idle: "Nothing to learn", learning: "Learning", paused: "Learning pauses", stopped: "The learner has ended", off: "Learns nothing" };
  return `${words[state] ?? state}${reason ? `: ${reason}` : ""}`;
}

function document_(row, passages) {
  const key = `${row.session}/${row.name}`;
  const kept = passages.filter((passage) => passage.state in STATES);
  const strip = make("span", { class: "strip", "aria-hidden": "true" },
    ...kept.slice(0, 60).map((passage) => make("i", { class: passage.state })));
  const about = `${counted(row.passages, "passage")}, ${row.learnt} in adapters, ${bytes(row.bytes)}`;
  const owner = row.session ? make("span", { class: "owner" }, `session ${row.session}`) : "";
  const list = make("ol", { class: "passages" }, ...kept.map(passage_));
  const details = make("details", { class: "document", "data-name": row.name, open: open.has(key) },
    make("summary", {}, make("b", {}, row.name), owner, strip, make("small", {}, about)),
    make("button", { type: "button", class: "quiet", onclick: () => forget(row.name, row.session) }, "Forget the document"),
    list);
  details.addEventListener("toggle", () => (details.open ? open.add(key) : open.delete(key)));
  return details;
}

function passage_(row) {
  const facts = [STATES[row.state]];
  if (row.loss !== null) facts.push(`loss ${row.loss.toFixed(2)}`);
  if (row.seconds !== null) facts.push(`${row.seconds.toFixed(1)} s`);
  if (row.when) facts.push(`said ${row.when}`);
  const text = make("p", { class: "text" }, row.text);
  const item = make("li", { "data-id": row.id },
    row.heading ? make("b", {}, row.heading) : "", text,
    make("p", { class: "facts" }, make("i", { class: row.state }), facts.join(", "),
      make("button", { type: "button", class: "link", onclick: () => correct(item, row) }, "Correct"),
      make("button", { type: "button", class: "link", onclick: () => forget(row.id) }, "Forget")));
  return item;
}

function correct(item, row) {
  const field = make("textarea", { rows: 5, "aria-label": "What it says instead" }, row.text);
  const form = make("form", { class: "correcting" }, field,
    make("button", { type: "submit", class: "main" }, "Save"),
    make("button", { type: "button", class: "quiet", onclick: () => form.replaceWith(...kept) }, "Cancel"));
  const kept = [...item.childNodes];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!await trying(() => change(`/memory/passages/${row.id}`, { text: field.value }))) return;
    document.activeElement.blur(); // nothing is redrawn while someone corrects
    before = "";
    await refresh();
    notice("Corrected: it will be learnt again.");
  });
  item.replaceChildren(form);
  field.focus();
}

function forget(what, session) {
  const body = session === undefined ? { what } : { what, session };
  return changing("/memory/forget", body, (said) => {
    const again = said.relearnt ? ` ${counted(said.relearnt, "other passage")} will be learnt again.` : "";
    return `Forgotten: ${counted(said.passages, "passage")}, ${counted(said.adapters, "adapter")}.${again}`;
  });
}

async function changing(path, body, words) {
  const said = await trying(() => change(path, body));
  before = "";
  await refresh();
  if (said) notice(words(said));
  return said;
}

async function rollUp() {
  one("#rollup").disabled = true;
  one("#rolled").textContent = "Rolling up: recall is measured before and after.";
  const body = { method: one("#method").value, session: one("#which").value };
  const row = await changing("/memory/rollup", body, () => "");
  one("#rollup").disabled = false;
  one("#rolled").textContent = !row ? "" :
    `${counted(row.adapters, "adapter")} by ${row.method}: recall ${share(row.before)} before, ${share(row.after)} after;`
    + ` ${bytes(row.bytes_before)} ${row.done ? "became" : "would become"} ${bytes(row.bytes_after)}.`
    + (row.done ? "" : " Nothing was changed, as too much would be lost.");
}

function share({ right, asked }) {
  return `${right} of ${asked}`;
}

function drawAdapters(rows) {
  const head = make("tr", {}, ...["Adapter", "Passages", "Size", "Loss", "Seconds"].map((name) => make("th", { scope: "col" }, name)));
  const body = rows.map((row) => make("tr", {},
    make("td", {}, make("button", { type: "button", class: "link", onclick: () => trying(() => past(row)) }, row.name), row.parts.length ? make("small", {}, ` of ${row.parts.length}`) : "",
      row.session ? make("small", {}, ` ${row.session}`) : ""),
    make("td", {}, String(row.passages.length)),
    make("td", {}, bytes(row.bytes)),
    make("td", {}, row.loss === null ? "" : row.loss.toFixed(2)),
    make("td", {}, row.seconds.toFixed(1))));
  one("#adapters").replaceChildren(...(rows.length ? [make("thead", {}, head), make("tbody", {}, ...body)] : []));
  const sessions = [...new Set(rows.map((row) => row.session))];
  const chosen = one("#which").value;
  one("#which").replaceChildren(...sessions.map((name) =>
    make("option", { value: name, selected: name === chosen }, name ? `session ${name}` : "of all sessions")));
  one("#rollup").disabled = rows.length < 2;
}

function drawCurve(name, losses, steps) {
  const [step, loss] = losses.at(-1);
  one("#curve-note").textContent = `${name}: step ${step} of ${steps}, loss ${loss.toFixed(2)}`;
  one("#curve").replaceChildren(curve(losses, steps));
}

/** The loss curve of an adapter that is trained already. */
async function past(row) {
  const losses = await get(`/memory/adapters/${row.number}/curve`);
  if (losses.length) drawCurve(row.name, losses, losses.at(-1)[0]);
}

async function add(files) {
  for (const file of files) {
    const own = one("#own").checked ? `&session=${encodeURIComponent(session())}` : "";
    const said = await trying(async () => {
      const path = `/memory/documents?name=${encodeURIComponent(file.name)}${own}`;
      return (await send(path, { method: "POST", body: file })).json();
    });
    if (!said) return;
    before = "";
    await refresh();
    notice(`${said.document}: ${counted(said.new, "new passage")}, ${said.unchanged} unchanged, ${said.superseded} replaced.`);
  }
}

async function exported() {
  const response = await trying(() => send("/memory/export"));
  if (!response) return;
  const address = URL.createObjectURL(await response.blob());
  make("a", { href: address, download: "memory.json" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
