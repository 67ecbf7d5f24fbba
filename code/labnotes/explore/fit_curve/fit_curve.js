// Curve explorer (an anywidget module): a polynomial through noisy points, and its error on the points
// and on fresh ones, for every degree. All the arithmetic is here, so it needs no kernel.

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

/** The curve from which the points come. */
export const truth = (x) => Math.sin(Math.PI * x);

/** The places at which curves are drawn and compared, from -1 to 1. */
export const axis = (count) => Array.from({ length: count }, (_, i) => 2 * i / (count - 1) - 1);

/** Orthonormal columns q and the triangle r with: column j = sum over i of r[i][j] q[i]. */
function orthonormal(columns) {
  const q = [], r = columns.map(() => Array(columns.length).fill(0));
  columns.forEach((column, j) => {
    let v = column;
    for (let twice = 0; twice < 2; twice++) { // once more, for what rounding has left
      q.forEach((e, i) => { const f = dot(e, v); r[i][j] += f; v = v.map((a, k) => a - f * e[k]); });
    }
    r[j][j] = Math.sqrt(dot(v, v));
    q.push(v.map((a) => a / r[j][j]));
  });
  return { q, r };
}

/** The weights with the least squared error for these columns; there are no more columns than rows. */
export function leastSquares(columns, y) {
  const { q, r } = orthonormal(columns), w = Array(columns.length).fill(0);
  for (let j = w.length - 1; j >= 0; j--) {
    w[j] = (dot(q[j], y) - w.reduce((sum, a, k) => (k > j ? sum + r[j][k] * a : sum), 0)) / r[j][j];
  }
  return w;
}

/** The shortest weights that meet these rows exactly; there are no more rows than weights. */
export function shortest(rows, y) {
  const { q, r } = orthonormal(rows), z = []; // rows = (q r)^T: solve r^T z = y, then w = q z
  y.forEach((v, i) => z.push((v - z.reduce((sum, a, k) => sum + r[k][i] * a, 0)) / r[i][i]));
  return rows[0].map((_, k) => z.reduce((sum, a, i) => sum + a * q[i][k], 0));
}

/** The polynomial of a degree through points: ridge regression of the powers, the bias not penalized. */
export function fit(x, y, degree, penalty) {
  const n = x.length, powers = (v) => Array.from({ length: degree }, (_, k) => v ** (k + 1));
  const rows = x.map(powers), middle = rows[0].map((_, k) => mean(rows.map((row) => row[k]))), my = mean(y);
  let w;
  if (penalty === 0 && degree >= n) { // more weights than the n - 1 differences of points decide
    const last = rows[n - 1];
    w = shortest(rows.slice(0, -1).map((row) => row.map((v, k) => v - last[k])), y.slice(0, -1).map((v) => v - y[n - 1]));
  } else { // the penalty as further rows: the root of n times penalty, once for each weight
    const size = Math.sqrt(n * penalty), more = penalty ? degree : 0;
    const columns = middle.map((m, k) => [...rows.map((row) => row[k] - m), ...Array.from({ length: more }, (_, j) => (j === k ? size : 0))]);
    w = leastSquares(columns, [...y.map((v) => v - my), ...Array(more).fill(0)]);
  }
  const bias = my - dot(middle, w);
  return (v) => dot(powers(v), w) + bias;
}

/** Root mean squared errors: on the points, and expected on fresh points with noise of their own. */
export function errors(at, x, y, noise, grid) {
  const train = Math.sqrt(mean(x.map((v, i) => (at(v) - y[i]) ** 2)));
  return { train, fresh: Math.sqrt(mean(grid.map((v) => (at(v) - truth(v)) ** 2)) + noise ** 2) };
}

/** A number of about three digits, with a true minus sign. */
export const said = (value) => (value >= 1e4 ? value.toExponential(0) : value.toFixed(value >= 100 ? 0 : 2));

/** What the numbers say, in words; `all` has the errors of degree 1, 2, ... */
export function summary(all, degree, points, penalty, noise) {
  const now = all[degree - 1], fresh = all.map((e) => e.fresh), best = fresh.indexOf(Math.min(...fresh)) + 1;
  const through = penalty === 0 && degree + 1 >= points ? ` ${degree + 1} parameters for ${points} points: the curve goes through all of them.` : "";
  const near = now.fresh <= 1.05 * fresh[best - 1];
  const word = near ? "No other degree does clearly better." :
    `Degree ${best} would have ${said(fresh[best - 1])}: this one is ${degree < best ? "too stiff, it underfits" : "too free, it overfits"}.`;
  return `Error ${said(now.train)} on these points, ${said(now.fresh)} on fresh ones; the noise alone makes ${said(noise)}.${through} ${word}`;
}

const WIDE = 330, HIGH = 168, LEFT = 34, RIGHT = 8, TOP = 8, BOTTOM = 22; // a panel in its own pixels
const across = (part) => LEFT + (WIDE - LEFT - RIGHT) * part;
const up = (part) => HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * part;
const held = (value, low, high) => Math.min(Math.max(value, low), high);
const TALL = 2.2; // the curve's axis goes from -TALL to TALL, that of errors over four powers of ten
const level = (error) => up((held(Math.log10(error || 1e-9), -2.1, 2.1) + 2) / 4);

function render({ model, el }) {
  const id = `fcx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const { degrees, points: most, grid: places } = get("reach"), grid = axis(places);
  const step = (degree) => (degree - 0.5) / degrees; // where a degree stands on its axis

  // --- panels: the curve among its points, and the errors of every degree

  const frame = `M${across(0)} ${up(1)}V${up(0)}H${across(1)}`, size = { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" };
  const cut = (name) => h("clipPath", { id: `${id}-${name}` }, h("path", { d: `M${across(0)} ${up(1)}V${up(0)}H${across(1)}V${up(1)}Z` }));
  const inside = (name, ...kids) => h("g", { "clip-path": `url(#${id}-${name})` }, ...kids);
  const word = (x, y, anchor, text) => h("text", { x, y, "text-anchor": anchor }, text);
  const real = h("path", { class: "fcx-truth" }), curve = h("path", { class: "fcx-curve" }), dots = h("path", { class: "fcx-dots" });
  const curveTitle = h("title"), errorTitle = h("title");
  const curves = h("svg", { ...size, class: "fcx-panel" }, curveTitle, cut("a"), h("path", { class: "fcx-frame", d: frame }),
    inside("a", real, curve, dots), word(across(0), HIGH - 6, "start", "−1"), word(across(1), HIGH - 6, "end", "1"),
    word(across(0.5), HIGH - 6, "middle", "x: grey the truth, blue the fit"),
    ...[-2, 0, 2].map((v) => word(LEFT - 5, up((v + TALL) / 2 / TALL) + 4, "end", String(v).replace("-", "−"))));
  const here = h("path", { class: "fcx-here" }), train = h("path", { class: "fcx-curve" }), fresh = h("path", { class: "fcx-fresh" });
  const marks = h("path", { class: "fcx-marks" });
  const chart = h("svg", { ...size, class: "fcx-panel fcx-chart" }, errorTitle, cut("b"), h("rect", { class: "fcx-ground",
    x: across(0), y: up(1), width: across(1) - across(0), height: up(0) - up(1) }), h("path", { class: "fcx-frame", d: frame }),
    inside("b", here, train, fresh, marks),
    ...[1, 5, 10, degrees].map((d) => word(across(step(d)), HIGH - 6, "middle", String(d))),
    word(across(step(7.5)), HIGH - 6, "middle", "degree"),
    ...[0.01, 1, 100].map((v) => word(LEFT - 5, level(v) + (v === 100 ? 9 : v === 1 ? 4 : 0), "end", String(v))));
  const key = h("p", { class: "fcx-key" }, h("span", { class: "fcx-blue" }, "error on these points"), " · ",
    h("span", { class: "fcx-red" }, "error on fresh points"));

  // --- what it says, and the controls below it

  const text = h("output", { class: "fcx-text", "aria-live": "polite" });
  const slider = (name, label, min, max, by, oninput) => {
    const input = h("input", { type: "range", id: `${id}-${name}`, min, max, step: by, oninput: (e) => oninput(+e.target.value) });
    const shown = h("span", { class: "fcx-shown", "aria-hidden": "true" });
    return { input, shown, row: h("p", { class: "fcx-row" }, h("label", { for: input.id }, label), input, shown) };
  };
  const degree = slider("degree", "Degree", 1, degrees, 1, (v) => put({ degree: v }));
  const penalty = slider("penalty", "Ridge penalty", 0, get("penalties").length - 1, 1, (v) => put({ penalty: get("penalties")[v] }));
  const points = slider("points", "Points", 5, most, 1, (v) => put({ points: v }));
  const noise = slider("noise", "Noise", 0, 1, 0.05, (v) => put({ noise: v }));
  const other = h("button", { type: "button", onclick: () => put({ sample: (get("sample") + 1) % get("noises").length }) }, "Draw other noise");

  el.classList.add("fcx");
  el.append(h("div", { class: "fcx-panels" }, curves, h("div", {}, chart, key)), h("p", { class: "fcx-said" }, text),
    h("div", { class: "fcx-controls" }, h("div", {}, degree.row, penalty.row), h("div", {}, points.row, noise.row)), h("p", { class: "fcx-buttons" }, other));

  pointed(chart, (event) => {
    if (event.type === "pointermove" && event.pointerType === "mouse" && !event.buttons) return; // only with the button down
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    put({ degree: held(Math.round((p.x - LEFT) / (WIDE - LEFT - RIGHT) * degrees + 0.5), 1, degrees) });
  });

  function draw() {
    const [d, strength, n, loud] = ["degree", "penalty", "points", "noise"].map(get);
    const x = get("places").slice(0, n), y = x.map((v, i) => truth(v) + loud * get("noises")[get("sample")][i]);
    const fits = Array.from({ length: degrees }, (_, k) => fit(x, y, k + 1, strength));
    const all = fits.map((at) => errors(at, x, y, loud, grid)), now = fits[d - 1];
    const spot = (v, value) => `${across((v + 1) / 2).toFixed(1)} ${up((held(value, -50, 50) + TALL) / 2 / TALL).toFixed(1)}`;
    real.setAttribute("d", `M${grid.map((v) => spot(v, truth(v))).join("L")}`);
    curve.setAttribute("d", `M${grid.map((v) => spot(v, now(v))).join("L")}`);
    dots.setAttribute("d", x.map((v, i) => `M${spot(v, held(y[i], -TALL, TALL))}h0`).join(""));
    const at = (value, k) => `${across(step(k + 1)).toFixed(1)} ${level(value).toFixed(1)}`;
    train.setAttribute("d", `M${all.map((e, k) => at(e.train, k)).join("L")}`);
    fresh.setAttribute("d", `M${all.map((e, k) => at(e.fresh, k)).join("L")}`);
    marks.setAttribute("d", [all[d - 1].train, all[d - 1].fresh].map((v) => `M${at(v, d - 1)}h0`).join(""));
    here.setAttribute("d", `M${across(step(d))} ${up(0)}V${up(1)}`);
    text.textContent = summary(all, d, n, strength, loud);
    curveTitle.textContent = `${n} points and the polynomial of degree ${d} fitted to them`;
    errorTitle.textContent = `Errors for degree 1 to ${degrees}, on a logarithmic axis; degree ${d} has ${said(all[d - 1].train)} on the points and ${said(all[d - 1].fresh)} on fresh ones`;
    const place = get("penalties").indexOf(strength), told = strength === 0 ? "none" : `1e${Math.round(Math.log10(strength))}`.replace("-", "−");
    for (const [control, value, shown] of [[degree, d, d], [penalty, place, told], [points, n, n], [noise, loud, loud.toFixed(2)]]) {
      control.input.value = value; control.shown.textContent = shown;
      control.input.setAttribute("aria-valuetext", shown);
    }
  }

  const watched = ["degree", "penalty", "points", "noise", "sample"];
  for (const name of watched) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of watched) model.off(`change:${name}`, draw); };
}

export default { render };
