// Starts the page.

import * as chat from "./chat.js";
import * as memory from "./memory.js";
import { get, trying } from "./server.js";

const overview = await trying(() => get("/memory"));
if (overview) {
  memory.start(overview);
  await chat.start(overview.model);
}
