// Latent walk explorer (an anywidget module): a generator draws what lies between two points of its latent space,
// and what a step along a direction does. Its weights come when they are first needed; then all is computed here.

const MOST = 3, STEP = 0.25; // of a direction

/** Weights in the order of Python's pack: of each tensor a scale, float32, and whole numbers of 16 bits. */
export function generator(base64, [latent, wide, narrow]) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)), view = new DataView(bytes.buffer);
  const sizes = [wide * 49 * latent, wide, wide * narrow * 16, narrow, narrow * 16, 1];
  const total = sizes.reduce((sum, n) => sum + 4 + 2 * n, 0);
  if (bytes.length !== total) throw new Error(`there are ${bytes.length} bytes, the network has ${total}`);
  let at = 0;
  const [project, bias1, kernel1, bias2, kernel2, bias3] = sizes.map((size) => {
    const scale = view.getFloat32(at, true), from = at + 4;
    at = from + 2 * size;
    return Float32Array.from({ length: size }, (_, i) => scale * view.getInt16(from + 2 * i, true));
  });
  return { latent, wide, narrow, project, bias1, kernel1, bias2, kernel2, bias3 };
}

/** A transposed convolution, kernel 4, stride 2, padding 1: (ins, side, side) to (outs, 2 side, 2 side). */
export function grow(x, kernel, bias, ins, outs, side) {
  const wide = 2 * side, y = new Float32Array(outs * wide * wide);
  for (let o = 0; o < outs; o++) y.fill(bias[o], o * wide * wide, (o + 1) * wide * wide);
  for (let i = 0; i < ins; i++) for (let r = 0; r < side; r++) for (let c = 0; c < side; c++) {
    const value = x[(i * side + r) * side + c];
    if (value === 0) continue; // ReLU leaves many
    for (let a = 0; a < 4; a++) {
      const row = 2 * r + a - 1;
      if (row < 0 || row >= wide) continue;
      for (let b = 0; b < 4; b++) {
        const column = 2 * c + b - 1;
        if (column < 0 || column >= wide) continue;
        let k = (i * outs * 4 + a) * 4 + b, p = row * wide + column;
        for (let o = 0; o < outs; o++, k += 16, p += wide * wide) y[p] += value * kernel[k];
      }
    }
  }
  return y;
}

/** The picture of a latent vector: 784 numbers from -1 to 1. */
export function draw(net, z) {
  const x = new Float32Array(net.wide * 49);
  for (let row = 0; row < x.length; row++) {
    let sum = net.bias1[Math.floor(row / 49)];
    for (let k = 0; k < net.latent; k++) sum += net.project[row * net.latent + k] * z[k];
    x[row] = Math.max(sum, 0);
  }
  const middle = grow(x, net.kernel1, net.bias2, net.wide, net.narrow, 7).map((v) => Math.max(v, 0));
  return grow(middle, net.kernel2, net.bias3, net.narrow, 1, 14).map(Math.tanh);
}

const size = (z) => Math.hypot(...z);

/** A point on the arc from one latent vector to another. */
export function between([start, end], t) {
  const [a, b] = [size(start), size(end)], length = (1 - t) * a + t * b;
  const angle = Math.acos(Math.max(-1, Math.min(1, start.reduce((sum, v, i) => sum + v * end[i], 0) / (a * b))));
  if (angle < 1e-4) return start.map((v) => (length * v) / a);
  const [left, right] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  return start.map((v, i) => length * ((left * v) / a + (right * end[i]) / b));
}

/** A latent vector, moved along the directions. */
export const moved = (z, directions, offsets) => z.map((v, i) => directions.reduce((sum, d, k) => sum + offsets[k] * d[i], v));

/** Two latent vectors from uniform numbers. */
export const noise = (latent, random = Math.random) => Array.from({ length: latent }, () =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));

/** From -1..1 to 0..255. */
export const asBytes = (picture) => Uint8ClampedArray.from(picture, (v) => (v + 1) * 127.5);

/** The mean difference of two pictures of bytes, in per cent of the way from black to white. */
export const difference = (a, b) => (100 * a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0)) / (255 * a.length);

/** What is shown, in words. */
export function outcome({ part, change, offsets, names, length }) {
  const where = part === 0 ? "At the first end" : part === 1 ? "At the second end" : `${Math.round(100 * part)}\u00a0% of the way`;
  const along = names.map((name, k) => [name, offsets[k]]).filter(([, v]) => v).map(([name, v]) => `${name} ${v > 0 ? "+" : "\u2212"}${Math.abs(v)}`);
  const how = change == null ? "" : ` A pixel differs from the first picture by ${change.toFixed(1)}\u00a0% on average.`;
  return `${where}${along.length ? `, ${along.join(", ")}` : ""}.${how}${length == null ? "" : ` The latent vector is ${length.toFixed(1)} long.`}`;
}

function render({ model, el }) {
  const id = `lwx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (changes) => { for (const [name, value] of Object.entries(changes)) model.set(name, value); model.save_changes(); };
  const first = Uint8ClampedArray.from(atob(get("frames")), (c) => c.charCodeAt(0)); // ten pictures of 784 bytes
  const count = first.length / 784, frame = (n) => first.subarray(784 * n, 784 * (n + 1));
  let net = null, coming = false, failed = "", ends = get("ends"), given = true, strip = null;

  // --- what is shown

  const canvas = (label) => h("canvas", { width: 28, height: 28, role: "img", "aria-label": label });
  const large = canvas("The picture at this point");
  const small = Array.from({ length: count }, (_, n) => canvas(`Frame ${n + 1} of ${count}`));
  const buttons = small.map((c, n) => h("button", { type: "button", class: "lwx-frame", "aria-label": `Frame ${n + 1} of ${count}`,
    onclick: () => put({ part: n / (count - 1) }) }, c));
  const said = h("output", { class: "lwx-said", "aria-live": "polite" });

  function paint(target, bytes) {
    const pixels = new ImageData(28, 28);
    bytes.forEach((v, i) => pixels.data.set([v, v, v, 255], 4 * i));
    target.getContext("2d").putImageData(pixels, 0, 0);
  }

  async function load() {
    coming = true;
    try {
      net = generator(await filed(get("weights")[0], get("places")[0]), get("sizes"));
    } catch (error) {
      failed = `The network could not be had (${error.message}). Reload the page and try again.`;
    }
    coming = false;
    renew();
  }

  // --- controls

  const slider = (name, label, attributes, act) => {
    const control = h("input", { type: "range", id: `${id}-${name}`, ...attributes, oninput: (e) => act(+e.target.value) });
    const shown = h("span", { class: "lwx-shown", "aria-hidden": "true" });
    return { control, shown, row: h("p", { class: "lwx-row" }, h("label", { for: control.id }, label), control, shown) };
  };
  const way = slider("way", "The way", { min: 0, max: 1, step: 1 / 36 }, (value) => put({ part: Math.round(36 * value) / 36 }));
  const along = get("names").map((name, k) => slider(`d${k}`, name, { min: -MOST, max: MOST, step: STEP }, (value) =>
    put({ offsets: get("offsets").map((v, j) => (j === k ? value : v)) })));
  const button = (label, onclick) => h("button", { type: "button", onclick }, label);
  const others = button("Two other ends", () => {
    ends = [noise(get("sizes")[0]), noise(get("sizes")[0])];
    given = false;
    strip = null;
    put({ part: 0 });
    renew();
  });
  const back = button("All sliders to 0", () => put({ part: 0, offsets: get("offsets").map(() => 0) }));
  const kilo = Math.round(get("byte_counts")[0] / 1000);
  el.classList.add("lwx");
  el.append(h("div", { class: "lwx-top" }, large, h("div", { class: "lwx-strip", role: "group", "aria-label": "Ten frames from one end to the other" }, ...buttons)),
    said, h("div", { class: "lwx-controls" }, way.row, ...along.map((s) => s.row), h("p", { class: "lwx-buttons" }, others, back),
      h("p", { class: "lwx-note" }, `The ten frames came with the page. All else is computed here, by the network: ${kilo} kB come when first needed.`)));

  // --- drawing

  function renew() {
    failed = net ? "" : failed;
    const part = get("part"), offsets = get("offsets");
    const n = Math.round(part * (count - 1)), still = offsets.every((v) => v === 0);
    const framed = given && still && Math.abs(part * (count - 1) - n) < 1e-6;
    if (!net && !coming && !failed && !framed) load();
    if (net && !strip) strip = given ? Array.from({ length: count }, (_, k) => frame(k)) : Array.from({ length: count }, (_, k) => asBytes(draw(net, between(ends, k / (count - 1)))));
    const z = moved(between(ends, part), get("directions"), offsets);
    const bytes = net ? asBytes(draw(net, z)) : framed ? frame(n) : null;
    const all = strip ?? (given ? Array.from({ length: count }, (_, k) => frame(k)) : null);
    if (bytes) paint(large, bytes);
    all?.forEach((one, k) => paint(small[k], one));
    buttons.forEach((b, k) => b.setAttribute("aria-pressed", String(k === n)));
    const text = bytes ? outcome({ part, offsets, names: get("names"), change: difference(bytes, all[0]), length: size(z) }) : failed || "The network is coming …";
    if (said.textContent !== text) said.textContent = text;
    way.control.value = part;
    way.control.setAttribute("aria-valuetext", `${Math.round(100 * part)} per cent of the way`);
    way.shown.textContent = `${Math.round(100 * part)} %`;
    along.forEach(({ control, shown }, k) => {
      control.value = offsets[k];
      control.setAttribute("aria-valuetext", String(offsets[k]));
      shown.textContent = offsets[k];
    });
  }

  const watched = ["part", "offsets"];
  for (const name of watched) model.on(`change:${name}`, renew);
  renew();
  return () => { for (const name of watched) model.off(`change:${name}`, renew); };
}

export default { render };
