// Requests to the server. A mistake is an Error with the one line that the server says.

import { one } from "./elements.js";

const KEY = "token";

/** The response to a request; it asks for the token where the server does. */
export async function send(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    const said = await response.json().catch(() => ({}));
    if (response.status !== 401) throw new Error(said.error?.message ?? response.statusText);
    sessionStorage.setItem(KEY, await asked());
  }
}

/** The JSON at `path`. */
export async function get(path) {
  return (await send(path)).json();
}

/** The JSON that answers to a change. */
export async function change(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return (await send(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

let asking;

function asked() {
  asking ??= new Promise((resolve) => {
    const dialog = one("#token-dialog");
    dialog.showModal();
    dialog.addEventListener("close", () => {
      const value = one("#token").value;
      one("#token").value = "";
      asking = undefined;
      resolve(value);
    }, { once: true });
  });
  return asking;
}

/** The objects of a stream of server-sent events, until [DONE]. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const text = part.replace(/^data: /, "");
      if (text === "[DONE]") return;
      const event = JSON.parse(text);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

/** Show a line that needs attention; empty hides it. */
export function notice(line) {
  one("#notice").textContent = line;
  one("#notice").hidden = !line;
}

/** Run `work`; what goes wrong is shown. */
export async function trying(work) {
  try {
    notice("");
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") notice(error.message);
    return undefined;
  }
}
