// Explorer of an LSTM's gates: an anywidget front-end module. The maths is exported, so that tests can
// compare it with the package's Python, and runs here, so that the page needs no kernel.

const STEPS = 16;
const GATES = ["i", "f", "o"];
const LABELS = { g: "Candidate g", i: "Input gate i", f: "Forget gate f", o: "Output gate o" };

/** Candidates and gates of a named example. */
export function preset(name) {
  const all = (value) => Array(STEPS).fill(value);
  const each = (value) => Array.from({ length: STEPS }, (_, t) => value(t));
  const g = [0.8, -0.5, 0.3, 0.6, -0.7, 0.2, -0.4, 0.9, 0.7, -0.6, 0.1, -0.3, 0.5, -0.8, 0.4, -0.2];
  const first = each((t) => (t ? 0 : 1));
  const hold = { g, i: first, f: all(1), o: all(1) };
  const count = { ...hold, g: each((t) => (t % 3 === 2 ? 0 : 1)), i: all(1) };
  const found = { hold, count,
    fade: { g: first, i: all(1), f: all(0.8), o: all(1) },
    empty: { ...count, f: each((t) => (t === 8 ? 0 : 1)) },
    hide: { ...hold, o: each((t) => (t >= 11 ? 1 : 0)) } }[name];
  if (!found) throw new Error(`unknown preset ${name}`);
  return found;
}

/** The cell after each step, what it shows, and the share of the first cell that is left. */
export function overTime({ g, i, f, o }) {
  const cells = [], hidden = [], left = [];
  let c = 0, share = 1;
  for (let t = 0; t < g.length; t++) {
    c = f[t] * c + i[t] * g[t];
    if (t) share *= f[t];
    cells.push(c);
    hidden.push(o[t] * Math.tanh(c));
    left.push(share);
  }
  return { cells, hidden, left };
}

/** One number set at a step, or at all steps. */
export const changed = (values, t, value, every) => values.map((v, k) => (every || k === t ? value : v));

/** The step in a sentence. */
export function sentence(state, t) {
  const { cells, hidden, left } = overTime(state);
  const n = (v) => (Object.is(Math.round(v * 100), -0) ? 0 : v).toFixed(2);
  const before = t ? cells[t - 1] : 0;
  const sum = `c = ${n(state.f[t])} · ${n(before)} + ${n(state.i[t])} · ${n(state.g[t])} = ${n(cells[t])}`;
  const kept = t ? ` Of the cell after step 1, ${Math.round(100 * left[t])} % is left.` : "";
  return `Step ${t + 1}: ${sum}. Shown: h = ${n(state.o[t])} · tanh ${n(cells[t])} = ${n(hidden[t])}.${kept}`;
}

const W = 360, X0 = 50, DX = 19, G = 26, ROW = 52, PLOT = 112, TALL = 62, H = 212; // pixels of the picture
const across = (t) => X0 + DX * (t + 0.5);

function render({ model, el }) {
  const id = `lg-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) {
      if (JSON.stringify(value) !== JSON.stringify(get(name))) model.set(name, value);
    }
    model.save_changes();
  };
  const state = () => ({ g: get("g"), i: get("i"), f: get("f"), o: get("o") });

  // --- the picture, above what changes it

  const svg = h("svg", { class: "lg-plot", role: "img", "aria-labelledby": `${id}-title`, viewBox: `0 0 ${W} ${H}` });
  const frame = h("rect", { class: "lg-frame", y: 2, width: DX, height: H - 20, rx: 3 });
  const bars = h("g"), line = h("path", { class: "lg-cell" }), dots = h("g");
  const label = (y, text) => h("text", { x: 2, y }, text);
  svg.append(h("title", { id: `${id}-title` }, "Candidates, gates, and the cell over sixteen steps."),
    label(G + 4, "g"), label(ROW + 11, "input"), label(ROW + 27, "forget"), label(ROW + 43, "output"),
    label(PLOT + 12, "cell,"), label(PLOT + 27, "shown"),
    h("path", { class: "lg-axis", d: `M${X0} ${G}H${W - 4}` }), frame, bars, line, dots,
    ...[1, 4, 8, 12, 16].map((n) => h("text", { x: across(n - 1), y: H - 4, "text-anchor": "middle" }, `${n}`)));
  pointed(svg, (e) => {
    if (e.type === "pointermove" && !e.buttons) return; // a mouse that only passes chooses nothing
    const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(svg.getScreenCTM().inverse());
    put({ step: Math.min(STEPS - 1, Math.max(0, Math.floor((p.x - X0) / DX))) });
  });
  const said = h("output", { class: "lg-summary", "aria-live": "polite" });

  // --- controls

  const readouts = {};
  const field = (name, text, control) => {
    readouts[name] = h("span", { class: "lg-readout", "aria-hidden": "true" });
    return h("div", { class: `lg-field lg-${name}` }, h("label", { for: control.id }, text), control, readouts[name]);
  };
  const slider = (name, min, max, step, oninput) =>
    h("input", { type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => oninput(+e.target.value) });
  const set = (name) => (value) => put({ [name]: changed(get(name), get("step"), value, get("every") && name !== "g") });
  const example = h("select", { id: `${id}-preset`, onchange: (e) => e.target.value && put(preset(e.target.value)) },
    h("option", { value: "" }, "your own"), ...Object.entries(get("names")).map(([value, text]) => h("option", { value }, text)));
  const step = slider("step", 1, STEPS, 1, (value) => put({ step: value - 1 }));
  const sliders = { g: slider("g", -1, 1, 0.05, set("g")) };
  for (const name of GATES) sliders[name] = slider(name, 0, 1, 0.05, set(name));
  const every = h("input", { type: "checkbox", id: `${id}-every`, onchange: (e) => put({ every: e.target.checked }) });
  el.classList.add("lg");
  el.append(h("div", { class: "lg-picture" }, svg, said), h("div", { class: "lg-side" },
    field("preset", "Example", example), field("step", "Step", step),
    ...["g", ...GATES].map((name) => field(name, LABELS[name], sliders[name])),
    h("div", { class: "lg-every" }, every, h("label", { for: every.id }, "Gates of all steps at once"))));

  function draw() {
    const now = state(), t = get("step"), { cells, hidden } = overTime(now);
    const most = Math.max(1.2, ...cells.map(Math.abs)), low = Math.min(0, ...cells, ...hidden);
    const scale = TALL / (most - low), zero = PLOT + TALL + 12 + low * scale;
    const up = (v) => zero - v * scale;
    const bar = (k, value, base, size, width, name) => h("rect", { class: name, x: (across(k) - width / 2).toFixed(1),
      y: (base - Math.max(0, value) * size).toFixed(1), width, height: (Math.abs(value) * size).toFixed(1) });
    bars.replaceChildren(h("path", { class: "lg-axis", d: `M${X0} ${zero.toFixed(1)}H${W - 4}` }),
      ...now.g.map((v, k) => bar(k, v, G, 20, 10, "lg-candidate")),
      ...GATES.flatMap((name, row) => now[name].map((v, k) => h("rect", { class: `lg-gate lg-gate-${name}`,
        x: X0 + DX * k + 1, y: ROW + 16 * row, width: DX - 2, height: 13, rx: 2, "fill-opacity": v }))),
      ...hidden.map((v, k) => bar(k, v, zero, scale, 9, "lg-shown")));
    line.setAttribute("d", "M" + cells.map((v, k) => `${across(k).toFixed(1)} ${up(v).toFixed(1)}`).join("L"));
    dots.replaceChildren(h("circle", { class: "lg-dot", r: 4.5, cx: across(t).toFixed(1), cy: up(cells[t]).toFixed(1) }));
    frame.setAttribute("x", X0 + DX * t);
    said.textContent = sentence(now, t);
    step.value = readouts.step.textContent = t + 1;
    for (const [name, control] of Object.entries(sliders)) {
      control.value = now[name][t];
      readouts[name].textContent = now[name][t].toFixed(2);
    }
    every.checked = get("every");
    example.value = Object.keys(get("names")).find((name) => JSON.stringify(preset(name)) === JSON.stringify(now)) ?? "";
  }

  draw();
  for (const name of ["g", "i", "f", "o", "step", "every"]) model.on(`change:${name}`, draw);
}

export default { render };
