// Explorer of convolution arithmetic (an anywidget module): pick an output, its inputs light up,
// each with its weight, and the sum is written out. All the arithmetic is here: it needs no kernel.
// A state is {n, f, s, p, d, transposed, row, column, image, kernel}.

const minus = (x) => String(x).replace("-", "−");
const signed = (x) => (x < 0 ? `(${minus(x)})` : String(x));
const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;

/** Outputs along an axis; 0 if nothing comes out. */
export function outputSize({ n, f, s, p, d, transposed }) {
  const room = n + 2 * p - d * (f - 1) - 1;
  if (!transposed) return room < 0 ? 0 : Math.floor(room / s) + 1;
  return Math.max(0, (n - 1) * s - 2 * p + d * (f - 1) + 1);
}

/** What output `unit` reads along an axis: [place in the input, place in the kernel]. */
export function reads({ n, f, s, p, d, transposed }, unit) {
  const taps = Array.from({ length: f }, (_, tap) => tap);
  if (!transposed) return taps.map((tap) => [unit * s - p + tap * d, tap]);
  return taps.map((tap) => [(unit + p - tap * d) / s, tap])
    .filter(([at]) => Number.isInteger(at) && at >= 0 && at < n);
}

/** The products behind the chosen output; `inside` is false for the zeros of the padding. */
export function terms(state) {
  const { n, row, column, image, kernel } = state;
  return reads(state, row).flatMap(([r, a]) => reads(state, column).map(([c, b]) => {
    const inside = r >= 0 && r < n && c >= 0 && c < n;
    return { r, c, a, b, inside, x: inside ? image[r][c] : 0, w: kernel[a][b] };
  }));
}

/** The value of the chosen output. */
export const value = (state) => terms(state).reduce((sum, { x, w }) => sum + x * w, 0);

/** The whole output, row by row. */
export function outputs(state) {
  const m = outputSize(state), all = Array.from({ length: m }, (_, i) => i);
  return all.map((row) => all.map((column) => value({ ...state, row, column })));
}

/** The formula of the output size with the numbers in it, step by step. */
export function formula(state) {
  const { n, f, s, p, d, transposed } = state, m = outputSize(state);
  if (transposed) {
    return `(n − 1)·s − 2p + d(f − 1) + 1 = (${n} − 1)·${s} − 2·${p} + ${d}·(${f} − 1) + 1 = ` +
      minus((n - 1) * s - 2 * p + d * (f - 1) + 1);
  }
  const room = n + 2 * p - d * (f - 1) - 1;
  const steps = [
    "⌊(n + 2p − d(f − 1) − 1) / s⌋ + 1",
    `⌊(${n} + 2·${p} − ${d}·(${f} − 1) − 1) / ${s}⌋ + 1`,
    `⌊${minus(room)} / ${s}⌋ + 1`,
  ];
  if (room < 0) return steps.join(" = ");
  if (room % s) steps.push(`⌊${(room / s).toFixed(2)}⌋ + 1`);
  return [...steps, m].join(" = ");
}

/** What the size means: what the floor drops, or why nothing comes out. */
export function remark(state) {
  const { n, f, s, p, d, transposed } = state, span = d * (f - 1) + 1, room = n + 2 * p - span;
  if (!outputSize(state)) {
    return transposed
      ? "The padding cuts everything off. Take less padding."
      : `The kernel spans ${span} places and the padded input has ${n + 2 * p}: it fits nowhere. Take a smaller kernel or more padding.`;
  }
  if (transposed) {
    return s > 1
      ? `${many(s, "input size")} of the convolution lead to ${n} outputs. This is the way back to the smallest.`
      : "The way back from the outputs of the convolution to the size of its input.";
  }
  const left = room % s;
  return left
    ? `The floor drops a remainder: the kernel stops ${many(left, "row")} and ${many(left, "column")} short of the edge.`
    : "The kernel comes out exactly at the edge: nothing is dropped.";
}

/** The sum behind the chosen output, term by term: input · weight. */
export function arithmetic(state) {
  const all = terms(state);
  const sum = all.map(({ x, w }) => `${signed(x)}·${signed(w)}`).join(" + ") || "nothing";
  return `y[${state.row}, ${state.column}] = ${sum} = ${minus(value(state))}`;
}

/** What is lit, in a sentence. */
export function describe(state) {
  const m = outputSize(state);
  if (!m) return remark(state);
  const all = terms(state), inside = all.filter((t) => t.inside).length, zeros = all.length - inside;
  const unit = `Output row ${state.row}, column ${state.column} of ${m}×${m}`;
  const verb = state.transposed ? "adds up what" : "reads";
  const what = state.transposed
    ? `${many(inside, "input")} ${inside === 1 ? "writes" : "write"} there`
    : many(inside, "input") + (zeros ? ` and ${many(zeros, "zero")} of the padding` : "");
  return `${unit} ${verb} ${what}. Its value is ${minus(value(state))}.`;
}

const SLIDERS = [
  ["input_size", "input side n", 1, 8], ["kernel_size", "kernel side f", 1, 5], ["stride", "stride s", 1, 3],
  ["padding", "padding p", 0, 3], ["dilation", "dilation d", 1, 3],
  ["row", "output row", 0, 0], ["column", "output column", 0, 0],
];

function render({ model, el }) {
  const id = `cax-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const put = (name, content) => { model.set(name, content); model.save_changes(); };
  const read = () => ({
    n: model.get("input_size"), f: model.get("kernel_size"), s: model.get("stride"), p: model.get("padding"),
    d: model.get("dilation"), transposed: model.get("transposed"), row: model.get("row"), column: model.get("column"),
    image: model.get("image"), kernel: model.get("kernel"),
  });

  const kind = h("select", { id: `${id}-kind`, onchange: (e) => put("transposed", e.target.value === "transposed") },
    h("option", { value: "plain" }, "convolution"), h("option", { value: "transposed" }, "transposed convolution"));
  const most = { input_size: model.get("image").length, kernel_size: model.get("kernel").length };
  const sliders = {}, readouts = {};
  const fields = SLIDERS.map(([name, label, min, max]) => {
    sliders[name] = h("input", { type: "range", id: `${id}-${name}`, min, step: 1,
      max: Math.min(max, most[name] ?? max), oninput: (e) => put(name, +e.target.value) });
    readouts[name] = h("b", {});
    return h("div", { class: "cax-field" }, h("label", { for: `${id}-${name}` }, label), sliders[name], readouts[name]);
  });
  const drawings = ["input", "kernel", "output"].map((what) =>
    [h("p", {}), h("svg", { class: `cax-${what}`, role: "img", "aria-labelledby": `${id}-text` })]);
  const size = h("p", { class: "cax-formula" }), note = h("p", {}), sum = h("p", { class: "cax-sum" });
  const text = h("output", { id: `${id}-text`, class: "cax-text", "aria-live": "polite" });
  const maps = h("div", { class: "cax-maps" }, h("div", {}, ...drawings[0]), h("div", {}, ...drawings[1], ...drawings[2]));
  el.classList.add("cax");
  el.append(
    maps,
    text, sum,
    h("p", { class: "cax-head" }, "Output size"), size, note,
    h("div", { class: "cax-controls" },
      h("div", { class: "cax-field cax-kind" }, h("label", { for: `${id}-kind` }, "layer"), kind), ...fields));

  let place = null; // how large the output's cells are, for the pointer

  function grid(index, title, side, first, cell, look) {
    const [head, svg] = drawings[index], cells = [];
    head.textContent = title;
    for (let r = first; r < first + side; r++) {
      for (let c = first; c < first + side; c++) {
        const { x, lit, pad, weight } = look(r, c), left = (c - first) * cell, top = (r - first) * cell;
        cells.push(h("rect", { x: left + 0.5, y: top + 0.5, width: cell - 1, height: cell - 1, rx: 2,
          class: `${lit ? "cax-lit" : ""}${pad ? " cax-pad" : ""}` }));
        if (cell >= 15) {
          const small = weight != null && cell >= 24; // room for the weight beside the value
          cells.push(h("text", { x: left + cell * (small ? 0.34 : 0.5), y: top + cell * (small ? 0.5 : 0.66),
            "font-size": Math.min(14, cell * 0.52), class: pad ? "cax-soft" : null }, minus(x)));
          if (small) cells.push(h("text", { x: left + cell * 0.93, y: top + cell * 0.9, class: "cax-weight", style: "text-anchor: end",
            "font-size": Math.min(11, cell * 0.38) }, `×${minus(weight)}`));
        }
      }
    }
    const width = side * cell;
    for (const [key, content] of Object.entries({ width, height: width, viewBox: `0 0 ${width} ${width}` })) svg.setAttribute(key, content);
    svg.replaceChildren(...cells);
  }

  function draw() {
    const state = read();
    const m = outputSize(state);
    for (const name of ["row", "column"]) {
      const chosen = Math.min(Math.max(state[name], 0), Math.max(m - 1, 0));
      if (m && chosen !== state[name]) return put(name, chosen); // draws again
      sliders[name].max = Math.max(m - 1, 0);
      sliders[name].disabled = m < 2;
    }
    kind.value = state.transposed ? "transposed" : "plain";
    for (const [name, slider] of Object.entries(sliders)) {
      slider.value = model.get(name);
      readouts[name].textContent = model.get(name);
    }
    size.textContent = formula(state);
    note.textContent = m ? remark(state) : "";
    text.textContent = describe(state);
    sum.textContent = m ? arithmetic(state) : "";
    for (const [title, svg] of drawings) { title.textContent = ""; svg.replaceChildren(); svg.setAttribute("height", 0); }
    place = null;
    if (!m) return;

    const edge = state.transposed ? 0 : state.p, wide = state.n + 2 * edge, all = terms(state);
    const weights = new Map(all.map(({ r, c, w }) => [`${r},${c}`, w]));
    const used = new Set(all.map(({ a, b }) => `${a},${b}`));
    // The kernel and the output stand beside the input, where that leaves room for a digit.
    const width = Math.max(el.clientWidth, 240), beside = Math.floor((width - 26) / (wide + Math.max(state.f, m)));
    maps.classList.toggle("cax-beside", beside >= 15);
    const cellOf = (side) => Math.min(31, beside >= 15 ? beside : Math.floor(width / side));
    const cell = cellOf(m);
    grid(0, `input ${state.n}×${state.n}${edge ? `, padded ${wide}×${wide}` : ""}`, wide, -edge, cellOf(wide), (r, c) => {
      const pad = r < 0 || c < 0 || r >= state.n || c >= state.n;
      return { x: pad ? 0 : state.image[r][c], pad, lit: weights.has(`${r},${c}`), weight: weights.get(`${r},${c}`) };
    });
    grid(1, `kernel ${state.f}×${state.f}`, state.f, 0, cellOf(state.f), (a, b) => ({ x: state.kernel[a][b], lit: used.has(`${a},${b}`) }));
    const made = outputs(state);
    grid(2, `output ${m}×${m}`, m, 0, cell, (r, c) => ({ x: made[r][c], lit: r === state.row && c === state.column }));
    place = { cell, m };
  }

  // The pointer takes the output under it.
  const [, output] = drawings[2];
  const point = (event) => {
    if (!place) return;
    const box = output.getBoundingClientRect();
    const at = (from, length) => Math.min(place.m - 1, Math.max(0, Math.floor(from * place.m / length)));
    const row = at(event.clientY - box.top, box.height), column = at(event.clientX - box.left, box.width);
    if (row !== model.get("row")) put("row", row);
    if (column !== model.get("column")) put("column", column);
  };
  pointed(output, point);

  const names = ["transposed", "image", "kernel", ...SLIDERS.map(([name]) => name)];
  for (const name of names) model.on(`change:${name}`, draw);
  let known = 0;
  const observer = new ResizeObserver(() => { if (el.clientWidth !== known) { known = el.clientWidth; draw(); } });
  observer.observe(el);
  draw();
  return () => { observer.disconnect(); for (const name of names) model.off(`change:${name}`, draw); };
}

export default { render };
