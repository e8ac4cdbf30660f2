// The loss of a training over its steps.

import { draw } from "./elements.js";

const WIDTH = 460;
const HEIGHT = 130;
const LEFT = 36;
const BOTTOM = 20;

/** A plot of [step, loss] pairs; `steps` is how many there will be. */
export function curve(losses, steps) {
  const most = Math.max(...losses.map(([, loss]) => loss), 0.1);
  const last = Math.max(steps, losses.at(-1)[0], 1);
  const x = (step) => LEFT + (WIDTH - LEFT - 8) * step / last;
  const y = (loss) => 8 + (HEIGHT - BOTTOM - 8) * (1 - loss / most);
  const points = losses.map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
  const label = `loss ${losses.at(-1)[1].toFixed(2)} after ${losses.at(-1)[0]} of ${last} steps`;
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    draw("line", { class: "axis", x1: LEFT, x2: WIDTH - 8, y1: y(0), y2: y(0) }),
    draw("line", { class: "axis", x1: LEFT, x2: LEFT, y1: y(most), y2: y(0) }),
    draw("text", { x: LEFT - 6, y: y(most) + 8, "text-anchor": "end" }, most.toFixed(1)),
    draw("text", { x: LEFT - 6, y: y(0), "text-anchor": "end" }, "0"),
    draw("text", { x: WIDTH - 8, y: HEIGHT - 4, "text-anchor": "end" }, `${last} steps`),
    draw("text", { x: LEFT, y: HEIGHT - 4 }, "nats a token"),
    draw("polyline", { class: "loss", points }));
}
