// Explorer of straight pieces: an anywidget front-end module. The maths is exported, so that tests can
// compare it with the package's Python, and runs here, so that the page needs no kernel.

const LEFT = -3, RIGHT = 3, GAP = 0.1, MOST = 10;
const CORNERS = [[-3, -1.5, 0, 1, 3], [0, 1, -1, 0.5, -0.5]];
const relu = (x) => Math.max(0, x);
const round = (x) => Math.round(10 * x) / 10;

/** Where the error is measured. */
export const grid = Array.from({ length: 121 }, (_, i) => i / 20 + LEFT);

/** The curve that is to be met, at x. */
export function curve(kind, x) {
  if (kind === "wave") return Math.sin(1.5 * x);
  if (kind === "bump") return Math.exp(-1.5 * x * x);
  if (kind === "step") return Math.tanh(5 * x);
  if (kind !== "zigzag") throw new Error(`unknown curve ${kind}`);
  const [xs, ys] = CORNERS;
  const i = Math.min(xs.length - 2, Math.max(0, xs.findLastIndex((c) => c <= x)));
  return ys[i] + ((ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])) * (x - xs[i]);
}

/** Hinges at equal distances, the first at the left end. */
export const evenHinges = (units) =>
  Array.from({ length: units }, (_, k) => round(LEFT + (k * (RIGHT - LEFT)) / units));

/** The weights of the columns whose sum comes nearest to y (least squares, by Gram-Schmidt). */
export function leastSquares(columns, y) {
  const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const minus = (a, f, b) => a.map((v, i) => v - f * b[i]);
  const n = columns.length, q = [], r = columns.map(() => Array(n).fill(0)), c = [];
  let rest = y;
  for (let j = 0; j < n; j++) {
    let v = columns[j];
    for (let twice = 0; twice < 2; twice++) { // once more, for what rounding has left
      q.forEach((e, i) => { const f = dot(e, v); r[i][j] += f; v = minus(v, f, e); });
    }
    r[j][j] = Math.sqrt(dot(v, v));
    q.push(v.map((a) => a / r[j][j]));
    c.push(dot(q[j], rest));
    rest = minus(rest, c[j], q[j]);
  }
  const w = Array(n).fill(0);
  for (let j = n - 1; j >= 0; j--) {
    w[j] = (c[j] - w.reduce((sum, a, k) => (k > j ? sum + r[j][k] * a : sum), 0)) / r[j][j];
  }
  return w;
}

/** The best curve with these hinges: bias, slopes, its value at x, and its root mean square error. */
export function fit(kind, hinges) {
  const y = grid.map((x) => curve(kind, x));
  const columns = [grid.map(() => 1), ...hinges.map((t) => grid.map((x) => relu(x - t)))];
  const [bias, ...slopes] = leastSquares(columns, y);
  const at = (x) => slopes.reduce((sum, v, k) => sum + v * relu(x - hinges[k]), bias);
  const error = Math.sqrt(grid.reduce((sum, x, i) => sum + (at(x) - y[i]) ** 2, 0) / grid.length);
  return { bias, slopes, at, error };
}

/** Hinge i as near to x as its neighbours allow. */
export function moved(hinges, i, x) {
  if (i < 1 || i >= hinges.length) return hinges;
  const most = i + 1 < hinges.length ? hinges[i + 1] - GAP : RIGHT - GAP;
  const place = round(Math.min(most, Math.max(hinges[i - 1] + GAP, x)));
  return hinges.map((t, j) => (j === i ? place : t));
}

/** Each hinge in turn one step to the side where the error is smaller, if there is one. */
export function sweep(kind, hinges) {
  let best = fit(kind, hinges).error;
  for (let i = 1; i < hinges.length; i++) {
    for (const step of [-GAP, GAP]) {
      const tried = moved(hinges, i, hinges[i] + step), error = fit(kind, tried).error;
      if (error < best - 1e-9) { hinges = tried; best = error; break; }
    }
  }
  return hinges;
}

/** The result in a sentence. */
export function summary(units, error, even) {
  const said = error < 5e-4 ? "The curve is met exactly" : `Root mean square error ${error.toFixed(3)}`;
  const other = Math.abs(error - even) < 5e-4 ? "as with hinges spread evenly" : `with hinges spread evenly ${even.toFixed(3)}`;
  return `${units} unit${units > 1 ? "s" : ""}. ${said}; ${other}.`;
}

const W = 360, H = 206, SMALL = 104; // the pictures in their own pixels

const across = (x) => 15 + ((x - LEFT) / (RIGHT - LEFT)) * (W - 30);
const up = (y) => H / 2 - 68 * Math.max(-1.45, Math.min(1.45, y));
const line = (points) => "M" + points.map((p) => p.map((v) => v.toFixed(1)).join(" ")).join("L");

function render({ model, el }) {
  const id = `rp-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) {
      if (JSON.stringify(value) !== JSON.stringify(get(name))) model.set(name, value);
    }
    model.save_changes();
  };
  const chosen = () => Math.min(Math.max(1, get("selected")), get("hinges").length - 1); // 0: none
  const move = (i, x) => put({ selected: i, hinges: moved(get("hinges"), i, x) });

  // --- pictures, above what changes them

  const plot = h("svg", { class: "rp-plot", role: "img", "aria-labelledby": `${id}-title`, viewBox: `0 0 ${W} ${H}` });
  const target = h("path", { class: "rp-target" }), ours = h("path", { class: "rp-ours" }), dots = h("g");
  plot.append(h("title", { id: `${id}-title` }, "The curve, and the straight pieces that come nearest to it."),
    h("path", { class: "rp-axis", d: `M15 ${H / 2}H${W - 15}M${W / 2} 8V${H - 8}` }), target, ours, dots,
    h("text", { x: 18, y: H - 8 }, "grey: the curve, blue: the network"));
  const here = (e) => {
    const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(plot.getScreenCTM().inverse());
    return round(LEFT + ((p.x - 15) / (W - 30)) * (RIGHT - LEFT));
  };
  // Drag a hinge; or press with the mouse, or tap, where the chosen one shall go.
  let held = null, dragged = false;
  plot.addEventListener("pointerdown", (e) => {
    const dot = e.target.closest("[data-hinge]");
    dragged = Boolean(dot);
    if (!dot || +dot.dataset.hinge === 0) return;
    held = +dot.dataset.hinge;
    plot.setPointerCapture(e.pointerId);
    put({ selected: held });
  });
  plot.addEventListener("pointermove", (e) => { if (held !== null) move(held, here(e)); });
  for (const end of ["pointerup", "pointercancel"]) plot.addEventListener(end, () => { held = null; });
  plot.addEventListener("click", (e) => { if (!dragged && chosen()) move(chosen(), here(e)); });

  const errors = h("svg", { class: "rp-errors", role: "img", "aria-labelledby": `${id}-errors`, viewBox: `0 0 ${W} ${SMALL}` });
  const series = h("path", { class: "rp-even" }), marks = h("g");
  errors.append(h("title", { id: `${id}-errors` }, "Error against the number of units."), series, marks,
    h("text", { x: W - 15, y: 16, "text-anchor": "end" }, "error against units, grey: evenly spread"));
  const said = h("output", { class: "rp-summary", "aria-live": "polite" });

  // --- controls

  const field = (label, control, readout) => h("div", { class: "rp-field" },
    h("label", { for: control.id }, label), control, readout ?? "");
  const readout = () => h("span", { class: "rp-readout", "aria-hidden": "true" });
  const shown = { units: readout(), place: readout() };
  const kind = h("select", { id: `${id}-curve`, onchange: (e) => put({ curve: e.target.value }) },
    ...Object.entries(get("names")).map(([value, text]) => h("option", { value }, text)));
  const units = h("input", { type: "range", id: `${id}-units`, min: 1, max: MOST, step: 1,
    oninput: (e) => put({ hinges: evenHinges(+e.target.value) }) });
  const which = h("select", { id: `${id}-which`, onchange: (e) => put({ selected: +e.target.value }) });
  const place = h("input", { type: "range", id: `${id}-place`, min: LEFT + GAP, max: RIGHT - GAP, step: GAP,
    oninput: (e) => { move(chosen(), +e.target.value); place.value = get("hinges")[chosen()]; } });
  const button = (text, onclick) => h("button", { type: "button", onclick }, text);
  const search = button("Let hinges search", () => put({ hinges: sweep(get("curve"), get("hinges")) }));
  const spread = button("Spread evenly", () => put({ hinges: evenHinges(get("hinges").length) }));
  el.classList.add("rp");
  el.append(h("div", { class: "rp-pictures" }, plot, errors), h("div", { class: "rp-side" }, said,
    field("Curve", kind), field("Units", units, shown.units), field("Hinge", which),
    field("Its place", place, shown.place), h("div", { class: "rp-buttons" }, search, spread)));

  function draw() {
    const hinges = get("hinges"), now = chosen(), found = fit(get("curve"), hinges);
    target.setAttribute("d", line(grid.map((x) => [across(x), up(curve(get("curve"), x))])));
    ours.setAttribute("d", line([...new Set([...hinges, RIGHT])].map((x) => [across(x), up(found.at(x))])));
    const spots = hinges.map((t, i) => ({ class: `rp-dot${i === now ? " rp-chosen" : ""}${i ? "" : " rp-fixed"}`,
      transform: `translate(${across(t).toFixed(1)} ${up(found.at(t)).toFixed(1)})`, "data-hinge": i }));
    // Dots keep their elements while one of them is dragged: a finger's target must not vanish.
    if (dots.children.length !== spots.length) {
      dots.replaceChildren(...spots.map((s) => h("g", s, h("circle", { class: "rp-hand", r: 20 }), h("circle", { r: 7 }))));
    } else spots.forEach((s, i) => Object.entries(s).forEach(([k, v]) => dots.children[i].setAttribute(k, v)));

    const even = Array.from({ length: MOST }, (_, k) => fit(get("curve"), evenHinges(k + 1)).error);
    const spot = (n, e) => [30 + ((n - 1) / (MOST - 1)) * (W - 60), SMALL - 24 - (46 * e) / Math.max(...even)];
    series.setAttribute("d", line(even.map((e, k) => spot(k + 1, e))));
    const circle = (name, r, [cx, cy]) => h("circle", { class: name, r, cx: cx.toFixed(1), cy: cy.toFixed(1) });
    marks.replaceChildren(...even.map((e, k) => circle("rp-even-dot", 3, spot(k + 1, e))),
      ...even.map((_, k) => h("text", { x: spot(k + 1, 0)[0], y: SMALL - 5, "text-anchor": "middle" }, `${k + 1}`)),
      circle("rp-now", 6, spot(hinges.length, found.error)));
    said.textContent = summary(hinges.length, found.error, even[hinges.length - 1]);

    kind.value = get("curve");
    units.value = shown.units.textContent = hinges.length;
    if (which.options.length !== Math.max(1, hinges.length - 1)) {
      which.replaceChildren(...(hinges.length > 1 ? hinges.slice(1).map((_, i) =>
        h("option", { value: i + 1 }, `number ${i + 2}`)) : [h("option", { value: 0 }, "the first one is fixed")]));
    }
    which.value = now;
    place.disabled = search.disabled = spread.disabled = !now;
    place.value = now ? hinges[now] : LEFT + GAP;
    shown.place.textContent = now ? hinges[now].toFixed(1) : "";
  }

  draw();
  for (const name of ["curve", "hinges", "selected"]) model.on(`change:${name}`, draw);
}

export default { render };
