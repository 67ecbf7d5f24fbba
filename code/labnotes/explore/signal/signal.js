// Signal explorer (an anywidget module): how large a signal is after each layer of a network, and the
// gradient that comes back, as expected and as measured. All the arithmetic is here: no kernel.

const BATCH = 16; // examples that are sent through

/** Value and slope of each activation. */
export const ACTIVATIONS = {
  identity: [(z) => z, () => 1],
  relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
  tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2],
  sigmoid: [(z) => 1 / (1 + Math.exp(-z)), (z) => { const s = 1 / (1 + Math.exp(-z)); return s * (1 - s); }],
};

/** Mean squares of value and slope for normal z of mean 0 and the given size. */
export function meanSquares(activation, size) {
  const [phi, slope] = ACTIVATIONS[activation];
  let [value, squared, all] = [0, 0, 0];
  for (let i = 0; i < 320; i++) {
    const u = -8 + 0.025 + 0.05 * i, weight = Math.exp(-u * u / 2);
    value += weight * phi(size * u) ** 2;
    squared += weight * slope(size * u) ** 2;
    all += weight;
  }
  return { value: value / all, slope: squared / all };
}

/** Sizes at each layer by the formulas for wide layers: input and incoming gradient have size 1. */
export function expected(depth, gain, activation) {
  const signal = [], slopes = [];
  for (let l = 0, square = 1; l < depth; l++) {
    signal.push(gain * Math.sqrt(square));
    const found = meanSquares(activation, signal[l]);
    square = found.value;
    slopes.push(found.slope);
  }
  const gradient = [Math.sqrt(slopes[depth - 1])];
  for (let l = depth - 2; l >= 0; l--) gradient.unshift(gain * Math.sqrt(slopes[l]) * gradient[0]);
  return { signal, gradient };
}

/** Normal random numbers `from`, `from` + 1, ... of a seed: mulberry32, then Box and Muller. */
export function normals(seed, from, count) {
  const uniform = (k) => {
    const a = (seed + Math.imul(k + 1, 0x6d2b79f5)) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return Float64Array.from({ length: count }, (_, i) =>
    Math.sqrt(-2 * Math.log(uniform(2 * (from + i)))) * Math.cos(2 * Math.PI * uniform(2 * (from + i) + 1)));
}

/** What a network is made of, before the gain: inputs, incoming gradients, a matrix for each layer. */
export function draw(depth, width, seed) {
  const rows = BATCH * width, square = width * width;
  return {
    x: normals(seed, 0, rows), back: normals(seed, rows, rows),
    weights: Array.from({ length: depth }, (_, l) => normals(seed, 2 * rows + l * square, square)),
  };
}

const rms = (numbers) => Math.sqrt(numbers.reduce((sum, z) => sum + z * z, 0) / numbers.length);

/** Sizes at each layer of the drawn network: z = W h, then the activation; and the way back. */
export function measured({ x, back, weights }, width, gain, activation) {
  const [phi, slope] = ACTIVATIONS[activation], scale = gain / Math.sqrt(width);
  let h = x;
  const all = weights.map((w) => {
    const z = new Float64Array(h.length);
    for (let b = 0; b < h.length; b += width) {
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (let j = 0; j < width; j++) sum += w[i * width + j] * h[b + j];
        z[b + i] = scale * sum;
      }
    }
    h = z.map(phi);
    return z;
  });
  const gradient = [];
  let g = back;
  for (let l = weights.length - 1; l >= 0; l--) {
    const w = weights[l], delta = g.map((value, k) => value * slope(all[l][k]));
    gradient.unshift(rms(delta));
    g = new Float64Array(delta.length);
    for (let b = 0; b < g.length; b += width) {
      for (let i = 0; i < width; i++) {
        const d = scale * delta[b + i];
        for (let j = 0; j < width; j++) g[b + j] += w[i * width + j] * d;
      }
    }
  }
  return { signal: all.map(rms), gradient };
}

/** What has become of a size 1. */
export const fate = (size) => (size < 0.01 ? "vanishes" : size > 100 ? "explodes" : "keeps its size");

/** 10 to a whole power. */
export const ten = (power) =>
  `10${[...String(power)].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("")}`;

/** A number as a person writes it. */
export function say(number) {
  if (number === 0) return "0";
  if (number >= 0.01 && number < 100) return number.toPrecision(2);
  if (number >= 100 && number < 1000) return number.toFixed(0);
  const [digits, power] = number.toExponential(1).split("e");
  return `${digits}·${ten(+power)}`;
}

/** The result in words. */
export function describe({ signal, gradient }) {
  const depth = signal.length, last = signal[depth - 1], first = gradient[0];
  return `After ${depth} layers the signal has ${say(last)} times the size of the input: it ${fate(last)}. ` +
    `Back at layer 1 the gradient has ${say(first)} times its size: it ${fate(first)}.`;
}

function render({ model, el }) {
  const id = `sgx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (name, value) => { model.set(name, value); model.save_changes(); };

  const shown = {};
  const field = (name, label, control) => {
    shown[name] = h("span", { class: "sgx-value", "aria-hidden": "true" });
    return h("div", { class: "sgx-field" }, h("label", { for: control.id }, label), control, shown[name]);
  };
  const range = (name, min, max, step) => h("input", {
    type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => put(name, +e.target.value),
  });
  const kind = h("select", { id: `${id}-activation`, onchange: (e) => put("activation", e.target.value) },
    ...Object.keys(ACTIVATIONS).map((name) => h("option", { value: name }, name === "relu" ? "ReLU" : name)));
  const controls = {
    gain: range("gain", 0.1, 5, 0.05), depth: range("depth", 2, 40, 1),
    width: range("width", 4, 64, 4), layer: range("layer", 1, 40, 1),
  };
  const again = h("button", { type: "button", onclick: () => put("seed", get("seed") + 1) }, "Draw other weights");
  const plot = h("svg", { class: "sgx-plot", role: "img", "aria-labelledby": `${id}-said` });
  const said = h("output", { id: `${id}-said`, class: "sgx-said", "aria-live": "polite" });
  const here = h("output", { class: "sgx-here", for: `${id}-layer` });
  el.classList.add("sgx");
  el.append(
    h("p", { class: "sgx-legend" }, h("span", { class: "sgx-key sgx-signal" }), "signal, forward ",
      h("span", { class: "sgx-key sgx-gradient" }), "gradient, back"),
    plot, said, here,
    h("div", { class: "sgx-controls" },
      field("activation", "Activation", kind), field("gain", "Gain g", controls.gain),
      field("depth", "Layers", controls.depth), field("width", "Width n", controls.width),
      field("layer", "Look at layer", controls.layer), h("div", { class: "sgx-field" }, again)));

  let made = {}; // the network of the last drawing; only some controls make another
  const network = () => {
    const [depth, width, seed] = [get("depth"), get("width"), get("seed")], key = `${depth} ${width} ${seed}`;
    if (made.key !== key) made = { key, ...draw(depth, width, seed) };
    return made;
  };

  let scale = null; // where the drawing has its layers, for the pointer

  function update() {
    const [activation, gain, depth, width] = ["activation", "gain", "depth", "width"].map(get);
    const layer = Math.min(Math.max(get("layer"), 1), depth);
    kind.value = activation;
    controls.layer.max = depth;
    for (const name of ["gain", "depth", "width"]) controls[name].value = shown[name].textContent = get(name);
    controls.layer.value = shown.layer.textContent = layer;
    shown.gain.textContent = gain.toFixed(2);
    const theory = expected(depth, gain, activation), found = measured(network(), width, gain, activation);
    said.textContent = describe(found);
    const [s, g] = [found.signal[layer - 1], found.gradient[layer - 1]];
    const [es, eg] = [theory.signal[layer - 1], theory.gradient[layer - 1]];
    here.textContent = `At layer ${layer}: signal ${say(s)} (formula ${say(es)}), gradient ${say(g)} (formula ${say(eg)}).`;
    picture(theory, found, depth, layer);
  }

  function picture(theory, found, depth, layer) {
    const width = Math.max(el.clientWidth, 280), height = 250, left = 46, right = 10, top = 12, bottom = 34;
    const logs = [...theory.signal, ...theory.gradient, ...found.signal, ...found.gradient]
      .filter((v) => v > 0 && Number.isFinite(v)).map(Math.log10);
    const low = Math.min(-2, Math.floor(Math.min(...logs))), high = Math.max(2, Math.ceil(Math.max(...logs)));
    const x = (l) => left + (l - 1) * (width - left - right) / Math.max(depth - 1, 1);
    const y = (v) => top + (high - Math.max(Math.log10(v), low)) * (height - top - bottom) / (high - low);
    const parts = [h("rect", { class: "sgx-band", x: left, width: width - left - right, y: y(100), height: y(0.01) - y(100) })];
    const step = [1, 2, 5, 10, 20].find((s) => (high - low) / s <= 6);
    for (let power = Math.ceil(low / step) * step; power <= high; power += step) {
      const at = y(10 ** power);
      parts.push(h("line", { class: "sgx-grid", x1: left, x2: width - right, y1: at, y2: at }),
        h("text", { x: left - 5, y: at + 4, "text-anchor": "end" }, power ? ten(power) : "1"));
    }
    parts.push(h("line", { class: "sgx-mark", x1: x(layer), x2: x(layer), y1: top, y2: height - bottom }));
    for (const l of new Set([1, Math.round((depth + 1) / 2), depth])) {
      parts.push(h("text", { x: x(l), y: height - bottom + 15, "text-anchor": l === depth ? "end" : "middle" }, String(l)));
    }
    parts.push(h("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "layer"));
    for (const name of ["signal", "gradient"]) {
      const path = theory[name].map((v, i) => `${i ? "L" : "M"}${x(i + 1).toFixed(1)} ${y(v).toFixed(1)}`).join("");
      parts.push(h("path", { class: `sgx-line sgx-${name}`, d: path }));
      parts.push(...found[name].map((v, i) => h("circle", { class: `sgx-dot sgx-${name}`, cx: x(i + 1).toFixed(1), cy: y(v).toFixed(1), r: 3 })));
    }
    plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plot.setAttribute("height", height);
    plot.replaceChildren(...parts);
    scale = { left, width, step: (width - left - right) / Math.max(depth - 1, 1), depth };
  }

  // The pointer takes the layer that is nearest to it.
  pointed(plot, (event) => {
    if (!scale) return;
    const box = plot.getBoundingClientRect();
    const at = 1 + Math.round(((event.clientX - box.left) * scale.width / box.width - scale.left) / scale.step);
    const layer = Math.min(Math.max(at, 1), scale.depth);
    if (layer !== get("layer")) put("layer", layer);
  });

  const names = ["activation", "gain", "depth", "width", "seed", "layer"];
  for (const name of names) model.on(`change:${name}`, update);
  let known = 0;
  const observer = new ResizeObserver(() => { if (el.clientWidth !== known) { known = el.clientWidth; update(); } });
  observer.observe(el);
  update();
  return () => { observer.disconnect(); for (const name of names) model.off(`change:${name}`, update); };
}

export default { render };
