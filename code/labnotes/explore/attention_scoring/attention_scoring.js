// Attention explorer: an anywidget front-end module. The maths is exported, so that tests can compare
// it with the package's Python, and runs here, so that the page needs no kernel.

/** The score of a query against a key, both [x, y]. */
export function score(kind, [q1, q2], [k1, k2]) {
  if (kind === "scaled") return (q1 * k1 + q2 * k2) / Math.SQRT2;
  if (kind === "dot") return q1 * k1 + q2 * k2;
  if (kind === "additive") return Math.tanh(q1 + k1) + Math.tanh(q2 + k2);
  if (kind === "gaussian") return -((q1 - k1) ** 2 + (q2 - k2) ** 2) / 2;
  throw new Error(`unknown score ${kind}`);
}

/** Softmax over the first `valid` scores; the others get weight 0, and so do all if `valid` is 0. */
export function maskedSoftmax(scores, valid) {
  const top = Math.max(...scores.slice(0, valid));
  const exps = scores.map((s, i) => (i < valid ? Math.exp(s - top) : 0));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => (total ? e / total : 0));
}

/** Scores, weights and output of a state. */
export function attend({ query, key_points: keys, values, score: kind, temperature, valid_len: valid }) {
  const scores = keys.map((key) => score(kind, query, key));
  const weights = maskedSoftmax(scores.map((s) => s / temperature), valid);
  return { scores, weights, output: weights.reduce((sum, w, i) => sum + w * values[i], 0) };
}

/** The result in a sentence. */
export function summary({ weights, output }, valid) {
  if (!valid) return "Every key is hidden: all weights are 0, and so is the output.";
  const top = weights.indexOf(Math.max(...weights));
  return `Key ${top + 1} has the largest weight, ${weights[top].toFixed(2)}. The output is ${output.toFixed(1)}.`;
}

const REACH = 3, UNIT = 50, HALF = REACH * UNIT + 20; // the plane in its own pixels

const clamp = (x) => Math.round(10 * Math.min(REACH, Math.max(-REACH, x))) / 10;
const place = ([x, y]) => [UNIT * x, -UNIT * y];

function render({ model, el }) {
  const id = `ax-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) {
      if (JSON.stringify(value) !== JSON.stringify(get(name))) model.set(name, value);
    }
    model.save_changes();
  };

  // What the sliders and the mouse move: 0 is the query, i is key i.
  const chosen = () => Math.min(get("selected"), get("key_points").length);
  const pointOf = (i) => (i ? get("key_points")[i - 1] : get("query"));
  const move = (i, point) => put(i
    ? { selected: i, key_points: get("key_points").map((key, j) => (j === i - 1 ? point : key)) }
    : { selected: 0, query: point });

  // --- controls

  const field = (label, control, readout) => h("div", { class: "ax-field" },
    h("label", { for: control.id }, label), control, readout ?? "");
  const choice = (name, onchange) => h("select", { id: `${id}-${name}`, onchange });
  const slider = (name, min, max, step, oninput) => h("input", {
    type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => oninput(+e.target.value),
  });
  const readout = () => h("span", { class: "ax-readout", "aria-hidden": "true" });

  const kind = choice("score", (e) => put({ score: e.target.value }));
  kind.append(...Object.entries(get("names")).map(([value, text]) => h("option", { value }, text)));
  const which = choice("which", (e) => put({ selected: +e.target.value }));
  const axis = (name, i) => slider(name, -REACH, REACH, 0.1, (v) =>
    move(chosen(), pointOf(chosen()).map((old, j) => (j === i ? clamp(v) : old))));
  const sx = axis("x", 0), sy = axis("y", 1);
  const heat = slider("temperature", -1, 1, 0.05, (v) => put({ temperature: +(10 ** v).toPrecision(3) }));
  const valid = slider("valid", 0, 1, 1, (v) => put({ valid_len: v }));
  const shown = { x: readout(), y: readout(), heat: readout(), valid: readout() };
  const controls = h("div", { class: "ax-controls" }, field("Score", kind),
    h("div", {}, field("Move", which), field("Position x", sx, shown.x), field("Position y", sy, shown.y)),
    h("div", {}, field("Temperature", heat, shown.heat), field("Valid length", valid, shown.valid)));

  // --- plane: drag a point, or press anywhere with the mouse to put the chosen one there

  const plane = h("svg", { class: "ax-plane", role: "img", "aria-labelledby": `${id}-title`,
    viewBox: `${-HALF} ${-HALF} ${2 * HALF} ${2 * HALF}` });
  const here = (e) => {
    const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(plane.getScreenCTM().inverse());
    return [clamp(p.x / UNIT), clamp(-p.y / UNIT)];
  };
  let held = null;
  plane.addEventListener("pointerdown", (e) => {
    const point = e.target.closest("[data-point]");
    if (!point && e.pointerType !== "mouse") return; // a finger on the ground scrolls the page
    held = point ? +point.dataset.point : chosen();
    plane.setPointerCapture(e.pointerId);
    move(held, here(e));
  });
  plane.addEventListener("pointermove", (e) => { if (held !== null) move(held, here(e)); });
  for (const end of ["pointerup", "pointercancel"]) plane.addEventListener(end, () => { held = null; });

  const title = h("title", { id: `${id}-title` }, "The query and the keys in the plane; the thicker a line, the larger the weight.");
  const ground = h("path", { class: "ax-axes", d: `M${-HALF + 10} 0H${HALF - 10}M0 ${-HALF + 10}V${HALF - 10}` });
  const lines = h("g"), dots = h("g");
  plane.append(title, ground, lines, dots);

  // --- table

  const body = h("tbody");
  const total = h("td", { class: "ax-output" });
  const table = h("table", { class: "ax-table" },
    h("thead", {}, h("tr", {}, ...["Key", "Score", "Weight", "Value"].map((text, i) =>
      h("th", { scope: "col", colspan: i === 2 ? 2 : false }, text)))),
    body,
    h("tfoot", {}, h("tr", {}, h("th", { scope: "row", colspan: 4 }, "Output: weights × values"), total)));
  const said = h("output", { class: "ax-summary", "aria-live": "polite" });

  el.classList.add("ax");
  el.append(plane, h("div", { class: "ax-result" }, table, said), controls);

  function dot(i, hidden) {
    const [x, y] = place(pointOf(i));
    const name = i ? `${i}` : "q";
    const shape = i ? h("circle", { r: 12 }) : h("rect", { x: -12, y: -12, width: 24, height: 24, rx: 4 });
    return h("g", { class: `ax-dot ${i ? "ax-key" : "ax-query"}${hidden ? " ax-hidden" : ""}${i === chosen() ? " ax-chosen" : ""}`,
      "data-point": i, transform: `translate(${x} ${y})` },
      h("circle", { class: "ax-hand", r: 22 }), shape, h("text", { y: 5 }, name));
  }

  function draw() {
    const keys = get("key_points"), length = Math.min(get("valid_len"), keys.length), now = chosen();
    const state = Object.fromEntries(["query", "key_points", "values", "score", "temperature"].map((n) => [n, get(n)]));
    const pooled = attend({ ...state, valid_len: length });

    if (which.options.length !== keys.length + 1) {
      which.replaceChildren(...[0, ...keys.map((_, i) => i + 1)].map((i) =>
        h("option", { value: i }, i ? `key ${i}` : "the query")));
    }
    kind.value = state.score; which.value = now;
    [sx.value, sy.value] = pointOf(now);
    shown.x.textContent = pointOf(now)[0].toFixed(1); shown.y.textContent = pointOf(now)[1].toFixed(1);
    heat.value = Math.log10(state.temperature);
    shown.heat.textContent = state.temperature.toPrecision(2);
    heat.setAttribute("aria-valuetext", state.temperature.toPrecision(2));
    valid.max = keys.length; valid.value = shown.valid.textContent = length;

    const [qx, qy] = place(state.query);
    lines.replaceChildren(...keys.map((key, i) => h("path", {
      class: "ax-line", "stroke-width": (14 * pooled.weights[i]).toFixed(2),
      d: `M${qx} ${qy}L${place(key).join(" ")}` })));
    // Points keep their elements while one of them is dragged: a finger's target must not vanish.
    const drawn = [...keys.map((_, i) => i + 1), 0].map((i) => dot(i, i > length));
    if (dots.children.length === drawn.length) {
      drawn.forEach((fresh, i) => {
        for (const name of ["class", "transform"]) dots.children[i].setAttribute(name, fresh.getAttribute(name));
      });
    } else dots.replaceChildren(...drawn);

    body.replaceChildren(...keys.map((_, i) => h("tr", { class: i < length ? "" : "ax-hidden" },
      h("th", { scope: "row" }, h("span", { class: "ax-chip", "aria-hidden": "true" }), `${i + 1}${i < length ? "" : " hidden"}`),
      h("td", {}, pooled.scores[i].toFixed(2)), h("td", {}, pooled.weights[i].toFixed(2)),
      h("td", { class: "ax-track" }, h("div", { class: "ax-bar", style: `width: ${(100 * pooled.weights[i]).toFixed(1)}%` })),
      h("td", { class: "ax-value" }, `${state.values[i]}`))));
    total.textContent = pooled.output.toFixed(1);
    said.textContent = summary(pooled, length);
  }

  draw();
  for (const name of ["query", "key_points", "values", "score", "temperature", "valid_len", "selected"]) {
    model.on(`change:${name}`, draw);
  }
}

export default { render };
