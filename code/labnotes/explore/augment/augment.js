// Augmentation explorer (an anywidget module): a photo, and what cropping, flipping and changes of colour make
// of it. The formulas are those of torchvision.transforms.v2.functional on floats from 0 to 1.

const GREY = [0.2989, 0.587, 0.114]; // as labnotes.data.augment
const STEPS = ["brightness", "contrast", "saturation", "hue"]; // in this order
const FLIPS = { none: "none", sides: "left to right", upright: "top to bottom", both: "both (half a turn)" };
export const PLAIN = { side: 100, across: 50, down: 50, flip: "none", brightness: 100, contrast: 100, saturation: 100, hue: 0 };

const within = (x) => Math.min(Math.max(x, 0), 1);
const remainder = (x, n) => ((x % n) + n) % n;

/** The piece that is cut out, in pixels. */
export function cropBox({ side, across, down }, width, height) {
  const w = Math.max(1, Math.round(width * side / 100)), tall = Math.max(1, Math.round(height * side / 100));
  return { left: Math.round((width - w) * across / 100), top: Math.round((height - tall) * down / 100), width: w, height: tall };
}

/** For each of `length` pixels of the result: its two neighbours among `size` pixels, and the share of the second. */
export function places(length, size) {
  return Array.from({ length }, (_, i) => {
    const at = Math.max((i + 0.5) * size / length - 0.5, 0), first = Math.min(Math.floor(at), size - 1);
    return [first, Math.min(first + 1, size - 1), at - first];
  });
}

/** Cut a piece out and enlarge it to the size of the picture (bilinear). Values: red, green, blue of each pixel in turn. */
export function crop(values, width, height, box) {
  const columns = places(width, box.width), rows = places(height, box.height), out = new Float64Array(values.length);
  let n = 0;
  for (const [upper, lower, b] of rows) {
    for (const [left, right, a] of columns) {
      for (let c = 0; c < 3; c++) {
        const at = (row, column) => values[3 * ((box.top + row) * width + box.left + column) + c];
        out[n++] = (1 - b) * ((1 - a) * at(upper, left) + a * at(upper, right))
          + b * ((1 - a) * at(lower, left) + a * at(lower, right));
      }
    }
  }
  return out;
}

/** Exchange left and right ("sides"), top and bottom ("upright"), or both. */
export function flip(values, width, height, kind) {
  const x = kind === "sides" || kind === "both", y = kind === "upright" || kind === "both";
  if (!x && !y) return values;
  const out = new Float64Array(values.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = 3 * ((y ? height - 1 - row : row) * width + (x ? width - 1 - column : column));
      for (let c = 0; c < 3; c++) out[3 * (row * width + column) + c] = values[from + c];
    }
  }
  return out;
}

const grey = (values, i) => GREY[0] * values[i] + GREY[1] * values[i + 1] + GREY[2] * values[i + 2];

/** `factor` times the picture, the rest of another one, given by its value at the pixel that begins at i. */
function blend(values, factor, other) {
  const out = new Float64Array(values.length);
  for (let i = 0; i < values.length; i += 3) {
    const rest = (1 - factor) * other(i);
    for (let c = 0; c < 3; c++) out[i + c] = within(factor * values[i + c] + rest);
  }
  return out;
}
export const brightness = (values, factor) => blend(values, factor, () => 0);
export const saturation = (values, factor) => blend(values, factor, (i) => grey(values, i));
export function contrast(values, factor) {
  let sum = 0;
  for (let i = 0; i < values.length; i += 3) sum += grey(values, i);
  const mean = sum / (values.length / 3);
  return blend(values, factor, () => mean);
}

/** Turn the colours round their circle; 1 is once round. */
export function hue(values, turns) {
  const out = new Float64Array(values.length);
  for (let i = 0; i < values.length; i += 3) {
    const [r, g, b] = [values[i], values[i + 1], values[i + 2]];
    const top = Math.max(r, g, b), spread = top - Math.min(r, g, b), by = spread || 1;
    const own = top === r ? (g - b) / by : top === g ? (b - r) / by + 2 : (r - g) / by + 4;
    [5, 3, 1].forEach((start, c) => {
      const place = remainder(own + 6 * turns + start, 6);
      out[i + c] = top - spread * within(Math.min(place, 4 - place));
    });
  }
  return out;
}

/** Factors as torchvision takes them: the sliders count percent. */
export const factors = (s) => Object.fromEntries(STEPS.map((name) => [name, s[name] / 100]));

/** All changes: crop, flip, brightness, contrast, saturation, hue. */
export function changed(values, width, height, settings) {
  const by = factors(settings), box = cropBox(settings, width, height);
  let out = flip(box.width === width && box.height === height ? values : crop(values, width, height, box), width, height, settings.flip);
  for (const [name, change] of Object.entries({ brightness, contrast, saturation, hue })) {
    if (settings[name] !== PLAIN[name]) out = change(out, by[name]);
  }
  return out;
}

/** The calls of torchvision that do the same. */
export function calls(settings, width, height) {
  const { left, top, width: w, height: tall } = cropBox(settings, width, height), by = factors(settings), lines = [];
  if (w !== width || tall !== height) lines.push(`x = F.resized_crop(x, ${top}, ${left}, ${tall}, ${w}, [${height}, ${width}])`);
  if (settings.flip === "sides" || settings.flip === "both") lines.push("x = F.horizontal_flip(x)");
  if (settings.flip === "upright" || settings.flip === "both") lines.push("x = F.vertical_flip(x)");
  for (const name of STEPS) if (settings[name] !== PLAIN[name]) lines.push(`x = F.adjust_${name}(x, ${by[name]})`);
  return lines;
}

/** Mean of the values, and the share that is shown as 0 or 255. */
export function measure(values) {
  let sum = 0, ends = 0;
  for (const v of values) {
    sum += v;
    ends += v < 0.5 / 255 || v > 254.5 / 255;
  }
  return { mean: sum / values.length, ends: ends / values.length };
}

/** What has become of the photo, in words. */
export function describe(settings, width, height, before, after) {
  const box = cropBox(settings, width, height), share = Math.round(100 * box.width * box.height / (width * height));
  const percent = (x) => `${(100 * x).toFixed(1)} %`;
  return `${share} % of the photo, flip: ${FLIPS[settings.flip]}. Mean value ${before.mean.toFixed(2)} → ${after.mean.toFixed(2)}; ` +
    `at 0 or 255: ${percent(before.ends)} → ${percent(after.ends)}.`;
}

/** Numbers as a training pipeline draws them; `random` gives numbers from 0 to 1. */
export function draw(random) {
  const from = (low, high) => Math.round(low + (high - low) * random());
  return { side: from(55, 100), across: from(0, 100), down: from(0, 100), flip: random() < 0.5 ? "sides" : "none",
    brightness: from(60, 140), contrast: from(60, 140), saturation: from(60, 140), hue: from(-10, 10) };
}

function render({ model, el }) {
  const id = `aug-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const width = model.get("width"), height = model.get("height"), names = Object.keys(PLAIN);
  const now = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const put = (change) => { for (const [k, v] of Object.entries(change)) model.set(k, v); model.save_changes(); };
  let values = null, before = null; // once the photo has been decoded

  // The two pictures, and on the first the frame of the piece.
  const canvas = (label) => h("canvas", { width, height, role: "img", "aria-label": label });
  const first = canvas("The photo; a frame shows the piece that is cut out"), second = canvas("The photo after all changes");
  const frame = ["white", "lit"].map((kind) => h("rect", { class: `aug-${kind}` }));
  const arrows = { ArrowLeft: ["across", -5], ArrowRight: ["across", 5], ArrowUp: ["down", -5], ArrowDown: ["down", 5] };
  const move = (name, by) => ({ [name]: Math.min(Math.max(model.get(name) + by, 0), 100) });
  const photo = h("div", {
    class: "aug-photo", tabindex: 0, role: "group", "aria-label": "Photo: the arrow keys move the piece", "aria-describedby": `${id}-text`,
    onkeydown: (e) => {
      const step = arrows[e.key];
      if (!step || e.altKey || e.ctrlKey || e.metaKey) return;
      e.preventDefault();
      e.stopPropagation();
      put(move(...step));
    },
  }, first, h("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...frame));
  const text = h("output", { id: `${id}-text`, class: "aug-text", "aria-live": "polite" });
  const code = h("pre", { class: "aug-code", "aria-label": "The same in torchvision" });

  // Controls
  const slider = (name, label, min, max) => {
    const input = h("input", { type: "range", id: `${id}-${name}`, min, max, step: 1, oninput: (e) => put({ [name]: +e.target.value }) });
    const shown = h("span", { class: "aug-shown" });
    return { name, input, shown, line: h("p", { class: "aug-line" }, h("label", { for: input.id }, label), input, shown) };
  };
  const sliders = [slider("side", "Crop, side", 20, 100), slider("across", "Crop, across", 0, 100), slider("down", "Crop, down", 0, 100),
    slider("brightness", "Brightness", 0, 200), slider("contrast", "Contrast", 0, 200), slider("saturation", "Saturation", 0, 200), slider("hue", "Hue", -50, 50)];
  const choose = h("select", { id: `${id}-flip`, onchange: (e) => put({ flip: e.target.value }) },
    ...Object.entries(FLIPS).map(([value, label]) => h("option", { value }, label)));
  const button = (label, change) => h("button", { type: "button", onclick: () => put(change()) }, label);

  el.classList.add("aug");
  el.append(h("div", { class: "aug-pictures" }, photo, h("div", {}, second)), text, code,
    h("div", { class: "aug-controls" }, ...sliders.slice(0, 3).map((s) => s.line),
      h("p", { class: "aug-line" }, h("label", { for: choose.id }, "Flip"), choose), ...sliders.slice(3).map((s) => s.line)),
    h("p", { class: "aug-buttons" }, button("Draw at random", () => draw(Math.random)), button("As photographed", () => PLAIN)));

  const image = new Image();
  image.onload = () => {
    const context = first.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    values = new Float64Array(3 * width * height);
    for (let i = 0; i < width * height; i++) for (let c = 0; c < 3; c++) values[3 * i + c] = data[4 * i + c] / 255;
    before = measure(values);
    show();
  };
  image.src = model.get("photo");

  function show() {
    const settings = now(), box = cropBox(settings, width, height);
    for (const { name, input, shown } of sliders) {
      input.value = settings[name];
      const percent = ["side", "across", "down"].includes(name);
      shown.textContent = percent ? `${settings[name]} %` : (settings[name] / 100).toFixed(2).replace("-", "−");
      input.disabled = (name === "across" || name === "down") && settings.side === 100;
    }
    choose.value = settings.flip;
    for (const rect of frame) for (const [k, v] of Object.entries({ x: box.left, y: box.top, width: box.width, height: box.height })) rect.setAttribute(k, v);
    code.textContent = calls(settings, width, height).join("\n") || "x = photo  # nothing changed";
    if (!values) return;
    const out = changed(values, width, height, settings), pixels = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(255 * out[3 * i + c]);
      pixels.data[4 * i + 3] = 255;
    }
    second.getContext("2d").putImageData(pixels, 0, 0);
    text.textContent = describe(settings, width, height, before, measure(out));
  }

  // A tap or a drag puts the middle of the piece there.
  pointed(first, (event) => {
    const on = first.getBoundingClientRect(), box = cropBox(now(), width, height);
    const share = (at, whole, piece) => (whole > piece ? Math.round(100 * within((at * whole - piece / 2) / (whole - piece))) : 50);
    put({ across: share((event.clientX - on.left) / on.width, width, box.width), down: share((event.clientY - on.top) / on.height, height, box.height) });
  });

  // Several changes at once (a draw) are one picture.
  let due = false;
  const later = () => { if (!due) { due = true; queueMicrotask(() => { due = false; show(); }); } };
  for (const name of names) model.on(`change:${name}`, later);
  show();
  return () => { image.onload = null; for (const name of names) model.off(`change:${name}`, later); };
}

export default { render };
