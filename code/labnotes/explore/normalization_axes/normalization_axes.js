// Normalization explorer (an anywidget module): a block of numbers (N, C, H, W), a choice of
// normalization, and a unit whose mean and variance come from the cells that light up.
// All the arithmetic is here, so it needs no kernel.

export const KINDS = {
  batch: "batch normalization", layer: "layer normalization",
  group: "group normalization", instance: "instance normalization",
};
const MOVED = 0.005; // a change that two decimals show

/** [N, C, H, W] of nested lists. */
export const shapeOf = (block) => [block.length, block[0].length, block[0][0].length, block[0][0][0].length];

/** Place in the flattened block. */
export const placeOf = ([n, c, h, w], [, C, H, W]) => ((n * C + c) * H + h) * W + w;

/** All numbers of the block in a row, one sample multiplied by `scale`. */
export const flat = ({ block, sample, scale }) => block.flatMap((one, n) => one.flat(2).map((x) => (n === sample ? x * scale : x)));

/** The places that share a mean and a variance with sample n and channel c. */
export function members({ kind, groups }, [N, C, H, W], n, c) {
  const size = C / groups, first = Math.floor(c / size) * size;
  const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
  const samples = kind === "batch" ? range(0, N) : [n];
  const channels = kind === "layer" ? range(0, C) : kind === "group" ? range(first, first + size) : [c];
  return samples.flatMap((s) => channels.flatMap((k) => {
    const start = placeOf([s, k, 0, 0], [N, C, H, W]);
    return range(start, start + H * W);
  }));
}

/** Mean and variance (over the count, not one less). */
export function moments(values) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return { mean, var: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length };
}

const usesRunning = ({ kind, training }) => kind === "batch" && !training;

/** Mean and variance that sample n and channel c are normalized with, and the places they come from. */
export function statistics(state, x, n, c) {
  if (usesRunning(state)) return { members: [], mean: state.running_mean[c], var: state.running_var[c] };
  const places = members(state, shapeOf(state.block), n, c);
  return { members: places, ...moments(places.map((place) => x[place])) };
}

/** The whole normalized block, flat. */
export function normalized(state) {
  const x = flat(state), [N, C, H, W] = shapeOf(state.block), out = new Array(x.length);
  for (let n = 0; n < N; n++) for (let c = 0; c < C; c++) {
    const { mean, var: variance } = statistics(state, x, n, c), first = placeOf([n, c, 0, 0], [N, C, H, W]);
    for (let i = first; i < first + H * W; i++) out[i] = (x[i] - mean) / Math.sqrt(variance + state.eps);
  }
  return out;
}

/** Places whose result is not what it was before one sample was scaled. */
export function moved(state) {
  const before = normalized({ ...state, scale: 1 });
  return normalized(state).flatMap((x, place) => (Math.abs(x - before[place]) > MOVED ? [place] : []));
}

/** Set, mean, variance, input and result of the chosen unit. */
export function reading(state) {
  const place = placeOf(state.unit, shapeOf(state.block)), x = flat(state);
  return { ...statistics(state, x, state.unit[0], state.unit[1]), x: x[place], x_hat: normalized(state)[place] };
}

const minus = (text) => String(text).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");
const two = (x) => minus(x.toFixed(2));
const short = (x) => minus(Number.isInteger(x) ? x : x.toFixed(1));
const LETTER = 11.5, DIGIT = 0.66; // the size of the cells' numbers in pixels; how wide a digit is for its size
const ROOMY = 34; // pixels that hold a number such as −16.5

/** The result in words. */
export function describe(state) {
  const { members: set, mean, var: variance, x, x_hat } = reading(state);
  const shape = shapeOf(state.block), [n, c, h, w] = state.unit;
  const own = set.length ? `${set.length} numbers share` : "the running averages of its channel are";
  const where = `Sample ${n + 1}, channel ${c + 1}, row ${h + 1}, column ${w + 1}: `;
  const sum = `${own} mean ${two(mean)} and variance ${two(variance)}, so ${short(x)} becomes ${two(x_hat)}.`;
  if (state.scale === 1) return where + sum;
  const size = shape[1] * shape[2] * shape[3], all = moved(state);
  const inside = all.filter((place) => Math.floor(place / size) === state.sample).length;
  return `${where}${sum} Scaling sample ${state.sample + 1} by ${state.scale} moves ${inside} of its own ${size} results ` +
    `and ${all.length - inside} of the ${size * (shape[0] - 1)} of the other samples.`;
}

const NAMES = ["block", "kind", "groups", "training", "unit", "sample", "scale", "running_mean", "running_var", "shows", "eps"];

function render({ model, el }) {
  const id = `nax-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const state = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const shape = () => shapeOf(model.get("block"));
  const divisors = () => Array.from({ length: shape()[1] }, (_, i) => i + 1).filter((g) => shape()[1] % g === 0);

  const field = (name, text, control) => {
    control.id = `${id}-${name}`;
    const readout = h("span", { class: "nax-readout" });
    return { row: h("p", { class: "nax-field" }, h("label", { for: control.id }, text), control, readout), control, readout };
  };
  const choice = (name, text, options, read, write) => field(name, text, h("select", {
    onchange: (e) => put(name, write ? write(e.target.value) : e.target.value),
  }, ...Object.entries(options).map(([value, label]) => h("option", { value }, label))));
  const slider = (name, text, change, attributes = {}) => field(name, text, h("input", {
    type: "range", step: 1, ...attributes, oninput: (e) => change(+e.target.value),
  }));
  const at = (axis) => (value) => put("unit", model.get("unit").map((old, i) => (i === axis ? value : old)));

  const kind = choice("kind", "Normalization", KINDS);
  const mode = choice("training", "Mode", { train: "training", eval: "evaluation" }, null, (value) => value === "train");
  const shows = choice("shows", "Cells show", { x: "the input x", x_hat: "the result x̂" });
  const groups = slider("groups", "Groups", (value) => put("groups", divisors()[value]), { min: 0 });
  const scale = slider("scale", "", (value) => put("scale", value), { min: 0.5, max: 3, step: 0.25 });
  const unit = ["sample", "channel", "row", "column"].map((name, axis) =>
    slider(name, `Unit: ${name}`, at(axis), { min: 0 }));
  const drawing = h("svg", { class: "nax-drawing", role: "img", "aria-labelledby": `${id}-text` });
  const text = h("output", { id: `${id}-text`, class: "nax-text", "aria-live": "polite" });
  el.classList.add("nax");
  el.append(
    drawing, text,
    h("p", { class: "nax-legend" }, h("span", { class: "nax-key nax-key-set" }), "share one mean and variance ",
      h("span", { class: "nax-key nax-key-moved" }), "result moved by the scaling"),
    h("div", { class: "nax-controls" }, kind.row, mode.row, groups.row, scale.row, ...unit.map((u) => u.row), shows.row));

  let layout = null; // where the drawing has its cells, for the pointer

  function draw() {
    const now = state(), dims = shape(), found = reading(now);
    kind.control.value = now.kind;
    mode.control.value = now.training ? "train" : "eval";
    mode.control.disabled = now.kind !== "batch";
    shows.control.value = now.shows;
    groups.control.max = divisors().length - 1;
    groups.control.value = divisors().indexOf(now.groups);
    groups.control.disabled = now.kind !== "group";
    groups.control.setAttribute("aria-valuetext", `${now.groups} groups`);
    groups.readout.textContent = now.groups;
    scale.row.firstChild.textContent = `Scale sample ${now.sample + 1}`;
    scale.control.value = now.scale;
    scale.readout.textContent = `× ${now.scale}`;
    unit.forEach(({ control, readout }, axis) => {
      control.max = dims[axis] - 1;
      control.value = now.unit[axis];
      control.setAttribute("aria-valuetext", now.unit[axis] + 1);
      readout.textContent = now.unit[axis] + 1;
    });
    text.textContent = describe(now);
    picture(now, dims, new Set(found.members), new Set(moved(now)));
  }

  function picture(now, [N, C, H, W], set, changed) {
    const width = Math.min(Math.max(el.clientWidth, 240), 620), values = now.shows === "x" ? flat(now) : normalized(now);
    const left = 16, gap = 6, tall = 21, top = 18;
    // Where not all channels fit side by side, half of them stand in a band below.
    const cellOf = (channels) => (width - left - gap * channels) / (channels * W);
    const across = divisors().findLast((channels) => cellOf(channels) >= ROOMY) ?? 1;
    const cell = cellOf(across), band = top + N * (H * tall + gap), bands = C / across;
    const corner = (n, c) => [left + (c % across) * (W * cell + gap), Math.floor(c / across) * band + top + n * (H * tall + gap)];
    // The longest number sets the size of all: scaling a sample makes numbers longer.
    const longest = Math.max(...values.map((value) => short(value).length));
    const letter = Math.min(LETTER, (cell - 2) / (longest * DIGIT));
    const marks = [], numbers = [], chosen = placeOf(now.unit, [N, C, H, W]);
    let ring = null;
    for (let n = 0; n < N; n++) for (let c = 0; c < C; c++) for (let r = 0; r < H; r++) for (let w = 0; w < W; w++) {
      const place = placeOf([n, c, r, w], [N, C, H, W]), [x0, y0] = corner(n, c);
      const x = x0 + w * cell, y = y0 + r * tall;
      marks.push(h("rect", { class: `nax-cell${set.has(place) ? " nax-in" : ""}`, x, y, width: cell, height: tall }));
      if (changed.has(place)) marks.push(h("path", { class: "nax-moved", d: `M${x} ${y}h8l-8 8z` }));
      if (place === chosen) ring = h("rect", { class: "nax-unit", x, y, width: cell, height: tall });
      numbers.push(h("text", { x: x + cell / 2, y: y + tall / 2 + 4, "text-anchor": "middle",
        style: `font-size: ${letter.toFixed(1)}px` }, short(values[place])));
    }
    const head = (x, y, words) => numbers.push(h("text", { class: "nax-head", x, y }, words));
    for (let c = 0; c < C; c++) head(corner(0, c)[0], corner(0, c)[1] - 6, `channel ${c + 1}`);
    for (let n = 0; n < N; n++) for (let c = 0; c < C; c += across) head(0, corner(n, c)[1] + H * tall / 2 + 4, String(n + 1));
    const height = bands * band;
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("width", width);
    drawing.setAttribute("height", height);
    drawing.replaceChildren(...marks, ring, ...numbers);
    layout = { left, gap, cell, tall, top, width, across, band, dims: [N, C, H, W] };
  }

  // The pointer takes the unit that it is over.
  const point = (event) => {
    const { left, gap, cell, tall, top, width, across, band, dims: [N, C, H, W] } = layout;
    const box = drawing.getBoundingClientRect(), zoom = width / box.width;
    const x = (event.clientX - box.left) * zoom - left, below = (event.clientY - box.top) * zoom;
    const column = Math.floor(x / (W * cell + gap)), c = Math.floor(below / band) * across + column;
    const y = below % band - top, n = Math.floor(y / (H * tall + gap));
    const w = Math.floor((x - column * (W * cell + gap)) / cell), r = Math.floor((y - n * (H * tall + gap)) / tall);
    const over = [n, c, r, w];
    if (column >= across || !over.every((place, axis) => place >= 0 && place < [N, C, H, W][axis])) return;
    if (String(over) !== String(model.get("unit"))) put("unit", over);
  };
  pointed(drawing, point);

  for (const name of NAMES) model.on(`change:${name}`, draw);
  let known = 0;
  const observer = new ResizeObserver(() => { if (el.clientWidth !== known) { known = el.clientWidth; draw(); } });
  observer.observe(el);
  draw();
  return () => { observer.disconnect(); for (const name of NAMES) model.off(`change:${name}`, draw); };
}

export default { render };
