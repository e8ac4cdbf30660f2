// The conversation: turns, replies as they come, and what each was made with.

import { counted, make, one } from "./elements.js";
import { events, get, send, trying } from "./server.js";

const NAME = "session";
let model = "";
let controller;

export const session = () => one("#session").value.trim();

export function start(name) {
  model = name;
  one("#session").value = sessionStorage.getItem(NAME) || fresh();
  one("#session").addEventListener("change", open);
  one("#new").addEventListener("click", () => { one("#session").value = fresh(); open(); one("#question").focus(); });
  one("#stop").addEventListener("click", () => controller?.abort());
  one("#ask").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  one("#question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      one("#ask").requestSubmit();
    }
  });
  return open();
}

function fresh() {
  const parts = crypto.getRandomValues(new Uint8Array(4));
  return `talk-${[...parts].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Show the turns of the session. */
export async function open() {
  controller?.abort();
  if (!session()) one("#session").value = fresh();
  sessionStorage.setItem(NAME, session());
  const turns = await trying(() => get(`/memory/turns?session=${encodeURIComponent(session())}`));
  one("#turns").replaceChildren(...(turns ?? []).map((turn) => shown(turn.role, turn.text)));
  bottom();
}

function shown(role, text) {
  return make("li", { class: role }, make("p", { class: "text" }, text));
}

function bottom() {
  one("#turns").scrollTop = one("#turns").scrollHeight;
}

async function ask() {
  const text = one("#question").value.trim();
  if (!text || controller) return;
  one("#question").value = "";
  const turn = shown("assistant", "");
  turn.classList.add("waits");
  one("#turns").append(shown("user", text), turn);
  bottom();
  one("#stop").hidden = false;
  controller = new AbortController();
  await trying(() => reply(text, turn));
  controller = undefined;
  one("#stop").hidden = true;
  turn.classList.remove("waits");
  if (!turn.textContent) turn.remove();
  dispatchEvent(new Event("said"));
}

async function reply(text, turn) {
  const body = { model, stream: true, messages: [{ role: "user", content: text }] };
  const response = await send("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Session": encodeURIComponent(session()) },
    body: JSON.stringify(body),
    signal: controller.signal,
  });
  for await (const event of events(response)) {
    turn.firstChild.append(event.choices[0]?.delta.content ?? "");
    if (event.memory) turn.append(sources(event.memory));
    bottom();
  }
}

/** What a reply was made with: the passages in its context, and the adapters that were on. */
function sources(memory) {
  const on = memory.adapters.flatMap((adapter) => adapter.passages);
  const summary = make("summary", {},
    `read ${counted(memory.read.length, "passage")}, ${counted(memory.adapters.length, "adapter")} on`);
  const list = make("ul", { class: "sources" });
  const details = make("details", {}, summary, list);
  details.addEventListener("toggle", async () => {
    if (!details.open || list.children.length) return;
    const rows = await trying(() => get("/memory/passages")) ?? [];
    const read = memory.read.map((passage) => passage.id);
    for (const row of rows.filter((row) => read.includes(row.id) || on.includes(row.id))) {
      const how = [read.includes(row.id) && "in the context", on.includes(row.id) && "in an adapter"];
      list.append(make("li", {}, make("b", {}, `${row.document}, ${how.filter(Boolean).join(" and ")}: `), row.text));
    }
    if (!list.children.length) list.append(make("li", {}, "Nothing of the memory."));
  });
  const parts = [details];
  if (memory.warning) parts.push(make("p", { class: "warning" }, memory.warning));
  return make("div", { class: "made", "data-read": memory.read.map((passage) => passage.id).join(" ") }, ...parts);
}
