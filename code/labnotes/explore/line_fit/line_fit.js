// Line explorer (an anywidget module): move weight and bias over the map of the loss, watch the line,
// then let gradient descent go on from there. All the arithmetic is here, so it needs no kernel.

/** The errors of the line with weight w and bias b. */
const errors = (x, y, [w, b]) => x.map((one, i) => w * one + b - y[i]);
const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** The loss of a line at the place [w, b]: "squared" or "absolute". */
export function lossAt(kind, x, y, place) {
  if (kind !== "squared" && kind !== "absolute") throw new Error(`unknown loss ${kind}`);
  return mean(errors(x, y, place).map((e) => (kind === "squared" ? e * e : Math.abs(e))));
}

/** Its derivatives by w and by b. */
export function slopeAt(kind, x, y, place) {
  const by = errors(x, y, place).map((e) => (kind === "squared" ? 2 * e : Math.sign(e)));
  return [mean(by.map((d, i) => d * x[i])), mean(by)];
}

/** Where gradient descent goes from a place: that place, then one for each step. */
export function descend(kind, x, y, place, rate, steps) {
  const path = [place];
  for (let n = 0; n < steps; n++) {
    const [w, b] = path.at(-1), [dw, db] = slopeAt(kind, x, y, [w, b]);
    path.push([w - rate * dw, b - rate * db]);
  }
  return path;
}

/** The place with the smallest loss; of several, one. */
export function best(kind, x, y) {
  if (kind === "squared") {
    const mx = mean(x), my = mean(y);
    const w = mean(x.map((one, i) => (one - mx) * (y[i] - my))) / mean(x.map((one) => (one - mx) ** 2));
    return [w, my - w * mx];
  }
  let found = null, least = Infinity; // a best line goes through two of the points
  x.forEach((one, i) => x.slice(0, i).forEach((other, j) => {
    if (one === other) return;
    const w = (y[i] - y[j]) / (one - other), place = [w, y[j] - w * other], loss = lossAt(kind, x, y, place);
    if (loss < least - 1e-12) [found, least] = [place, loss];
  }));
  return found;
}

/** Losses for contour lines, between the smallest and the largest of the map [[w, w], [b, b]]. */
export function levels(kind, x, y, [[w0, w1], [b0, b1]]) {
  const low = lossAt(kind, x, y, best(kind, x, y));
  const high = Math.max(...[[w0, b0], [w0, b1], [w1, b0], [w1, b1]].map((corner) => lossAt(kind, x, y, corner)));
  return Array.from({ length: 8 }, (_, k) => low + (high - low) * ((k + 1) / 9) ** 2);
}

/** A contour line. The loss is convex, so each ray from the best place meets it once. */
export function ring(kind, x, y, [[w0, w1], [b0, b1]], level, angles = 90) {
  const start = best(kind, x, y);
  return Array.from({ length: angles }, (_, k) => {
    const turn = 2 * Math.PI * k / angles;
    const along = (part) => [start[0] + part * Math.cos(turn) * (w1 - w0), start[1] + part * Math.sin(turn) * (b1 - b0)];
    let near = 0, far = 1;
    while (lossAt(kind, x, y, along(far)) < level) far *= 2;
    for (let n = 0; n < 24; n++) {
      const middle = (near + far) / 2;
      if (lossAt(kind, x, y, along(middle)) < level) near = middle; else far = middle;
    }
    return along(far);
  });
}

const BEYOND = 1e3; // a loss so many times the map's largest: gradient descent has run away
/** A number with a true minus sign, short however large it is. */
export const said = (value) => {
  const size = Math.abs(value);
  return (size >= 1e4 ? value.toExponential(1) : value.toFixed(size >= 100 ? 0 : 2)).replace("-", "−").replace("−0.00", "0.00");
};

/** What the numbers say, in words. */
export function summary(kind, x, y, place, path, rate) {
  const loss = lossAt(kind, x, y, place), least = lossAt(kind, x, y, best(kind, x, y));
  const [dw, db] = slopeAt(kind, x, y, place);
  const steps = Math.max(path.length - 1, 0);
  const before = steps ? lossAt(kind, x, y, path.at(-2)) : null;
  const went = !steps ? "" : `After ${steps} step${steps > 1 ? "s" : ""}: `;
  const grows = steps && loss > before * (1 + 1e-9) ? " The last step made the loss larger: the learning rate is too large here." : "";
  return `${went}${went ? "l" : "L"}oss ${said(loss)}, the smallest possible is ${said(least)}. Slope by weight ${said(dw)}, by bias ${said(db)}: ` +
    `a step of learning rate ${rate.toPrecision(2)} adds ${said(-rate * dw)} and ${said(-rate * db)}.${grows}`;
}

const WIDE = 330, HIGH = 190, LEFT = 34, RIGHT = 8, TOP = 8, BOTTOM = 24; // a panel in its own pixels
const across = (part) => LEFT + (WIDE - LEFT - RIGHT) * part;
const up = (part) => HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * part;
const part = (value, [low, high]) => (value - low) / (high - low);
const tick = (value) => String(+value.toFixed(1)).replace("-", "−");
const held = (value, [low, high]) => Math.min(Math.max(value, low), high);

function render({ model, el }) {
  const id = `lfx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const here = () => get("path").at(-1) ?? [get("weight"), get("bias")];
  const byHand = (changes) => put({ path: [], ...changes });
  const onMap = () => get("reach").map((span, i) => held(here()[i], span)); // a slider's place
  const worst = () => Math.max(...levels(get("loss"), get("x"), get("y"), get("reach")));

  // --- panels: the line among the points, and the map of the loss

  const frame = `M${across(0)} ${up(1)}V${up(0)}H${across(1)}`;
  const size = { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" };
  const cut = (name) => h("clipPath", { id: `${id}-${name}` }, h("path", { d: `M${across(0) - 2} ${up(1)}V${up(0)}H${across(1) + 2}V${up(1)}Z` }));
  const inside = (name, ...kids) => h("g", { "clip-path": `url(#${id}-${name})` }, ...kids);
  const gaps = h("path", { class: "lfx-errors" }), line = h("path", { class: "lfx-line" });
  const points = h("g", { class: "lfx-points" }), lineTicks = h("g");
  const lineTitle = h("title"), mapTitle = h("title");
  const lines = h("svg", { ...size, class: "lfx-panel" }, lineTitle, cut("a"), h("path", { class: "lfx-frame", d: frame }),
    lineTicks, inside("a", gaps, line), points);
  const rings = h("path", { class: "lfx-rings" }), trail = h("path", { class: "lfx-trail" }), visited = h("path", { class: "lfx-visited" });
  const cross = h("path", { class: "lfx-best" }), dot = h("circle", { class: "lfx-here", r: 6.5 }), mapTicks = h("g");
  const map = h("svg", { ...size, class: "lfx-panel lfx-map" }, mapTitle, cut("b"), h("rect", { class: "lfx-ground",
    x: across(0), y: up(1), width: across(1) - across(0), height: up(0) - up(1) }),
    h("path", { class: "lfx-frame", d: frame }), mapTicks, inside("b", rings, cross, trail, visited), dot);

  const ticks = (group, name, spanX, spanY, labelX, labelY) => group.replaceChildren(
    ...spanX.map((v, i) => h("text", { x: across(i), y: HIGH - 8, "text-anchor": i ? "end" : "start" }, tick(v))),
    h("text", { x: across(0.5), y: HIGH - 8, "text-anchor": "middle" }, labelX),
    ...spanY.map((v, i) => h("text", { x: LEFT - 5, y: up(i) + (i ? 10 : 0), "text-anchor": "end" }, tick(v))),
    h("text", { "text-anchor": "middle", transform: `translate(${LEFT - 14} ${up(0.5)}) rotate(-90)` }, labelY));

  // --- what it says, and the controls below it

  const equation = h("b"), text = h("output", { class: "lfx-text", "aria-live": "polite" });
  const slider = (name, label, min, max, step, oninput) => {
    const input = h("input", { type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => oninput(+e.target.value) });
    const shown = h("span", { class: "lfx-shown", "aria-hidden": "true" });
    return { input, shown, row: h("p", { class: "lfx-row" }, h("label", { for: input.id }, label), input, shown) };
  };
  const [[w0, w1], [b0, b1]] = get("reach");
  const weight = slider("weight", "Weight", w0, w1, 0.05, (v) => byHand({ weight: v, bias: onMap()[1] }));
  const bias = slider("bias", "Bias", b0, b1, 0.05, (v) => byHand({ weight: onMap()[0], bias: v }));
  const rate = slider("rate", "Learning rate", -2, 0, 0.05, (v) => put({ learning_rate: +(10 ** v).toPrecision(2) }));
  const kind = h("select", { id: `${id}-loss`, onchange: (e) => put({ loss: e.target.value, path: get("path").slice(-1) }) },
    ...Object.entries(get("names")).map(([value, name]) => h("option", { value }, name)));

  const go = (steps) => {
    const path = get("path").length ? get("path") : [here()], loss = get("loss"), [x, y] = [get("x"), get("y")];
    const limit = BEYOND * worst();
    const next = descend(loss, x, y, path.at(-1), get("learning_rate"), steps).slice(1);
    const end = next.findIndex((place) => !(lossAt(loss, x, y, place) < limit));
    put({ path: [...path, ...(end < 0 ? next : next.slice(0, end + 1))].slice(-301) });
  };
  const button = (label, onclick) => h("button", { type: "button", onclick }, label);
  const one = button("1 step", () => go(1)), many = button(`${get("many")} steps`, () => go(get("many")));
  const back = button("Back", () => byHand(get("path").length ? { weight: held(get("path")[0][0], [w0, w1]), bias: held(get("path")[0][1], [b0, b1]) } : {}));
  back.setAttribute("aria-label", "Back to where gradient descent began");

  el.classList.add("lfx");
  el.append(h("div", { class: "lfx-panels" }, lines, map), h("p", { class: "lfx-said" }, equation, text),
    h("div", { class: "lfx-controls" },
      h("div", {}, weight.row, bias.row),
      h("div", {}, rate.row, h("p", { class: "lfx-row" }, h("label", { for: kind.id }, "Loss"), kind),
        h("p", { class: "lfx-buttons", role: "group", "aria-label": "Gradient descent" }, one, many, back))));

  pointed(map, (event) => {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    const parts = [(p.x - LEFT) / (WIDE - LEFT - RIGHT), (HIGH - BOTTOM - p.y) / (HIGH - TOP - BOTTOM)];
    if (event.type === "pointermove" && event.pointerType === "mouse" && !event.buttons) return; // only with the button down
    const [w, b] = get("reach").map((span, i) => +held(span[0] + parts[i] * (span[1] - span[0]), span).toFixed(2));
    byHand({ weight: w, bias: b });
  });

  let drawnRings = "";

  function draw() {
    const [x, y, loss, path, reach] = ["x", "y", "loss", "path", "reach"].map(get), now = here(), [w, b] = now;
    const spanX = [Math.min(...x), Math.max(...x)], room = 0.1 * (Math.max(...y) - Math.min(...y) || 1);
    const spanY = [Math.min(...y) - room, Math.max(...y) + room];
    const at = (px, py) => `${across(part(px, spanX)).toFixed(1)} ${up(held(part(py, spanY), [-9, 9])).toFixed(1)}`;
    gaps.setAttribute("d", x.map((px, i) => `M${at(px, y[i])}L${at(px, w * px + b)}`).join(""));
    line.setAttribute("d", `M${spanX.map((px) => at(px, w * px + b)).join("L")}`);
    points.replaceChildren(...x.map((px, i) => h("circle", { cx: across(part(px, spanX)), cy: up(part(y[i], spanY)), r: 4 })));
    ticks(lineTicks, "a", spanX, spanY, "input x", "target y");

    const spot = (place) => place.map((v, i) => held(part(v, reach[i]), [-9, 9]));
    const xy = (place) => { const [a, c] = spot(place); return `${across(a).toFixed(1)} ${up(c).toFixed(1)}`; };
    const key = JSON.stringify([loss, x, y]);
    if (key !== drawnRings) {
      drawnRings = key;
      rings.setAttribute("d", levels(loss, x, y, reach).map((level) => `M${ring(loss, x, y, reach, level).map(xy).join("L")}Z`).join(""));
      cross.setAttribute("d", `M${xy(best(loss, x, y))}m-9 -9l18 18m0 -18l-18 18`);
      ticks(mapTicks, "b", reach[0], reach[1], "weight", "bias");
    }
    trail.setAttribute("d", path.length > 1 ? `M${path.map(xy).join("L")}` : "");
    visited.setAttribute("d", path.map((place) => `M${xy(place)}h0`).join(""));
    const [a, c] = spot(now).map((v) => held(v, [0, 1]));
    dot.setAttribute("cx", across(a)); dot.setAttribute("cy", up(c));

    const rule = `y = ${said(w)} x ${b < 0 ? "−" : "+"} ${said(Math.abs(b))}`;
    equation.textContent = rule;
    text.textContent = summary(loss, x, y, now, path, get("learning_rate"));
    lineTitle.textContent = `${x.length} points and the line ${rule}`;
    mapTitle.textContent = `Contour lines of the loss over weight and bias; you are at ${said(w)} and ${said(b)}`;
    const [sw, sb] = onMap();
    weight.input.value = sw; weight.shown.textContent = said(w);
    bias.input.value = sb; bias.shown.textContent = said(b);
    rate.input.value = Math.log10(get("learning_rate"));
    rate.shown.textContent = get("learning_rate").toPrecision(2);
    rate.input.setAttribute("aria-valuetext", get("learning_rate").toPrecision(2));
    kind.value = loss;
    back.disabled = path.length < 2;
    one.disabled = many.disabled = !(lossAt(loss, x, y, now) < BEYOND * worst());
  }

  const watched = ["x", "y", "weight", "bias", "loss", "learning_rate", "path"];
  for (const name of watched) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of watched) model.off(`change:${name}`, draw); };
}

export default { render };
