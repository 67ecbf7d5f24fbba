// Receptive-field explorer (an anywidget module): build a stack of layers, pick an output unit,
// and its inputs light up layer by layer. All the arithmetic is here, so it needs no kernel.

export const PRESETS = {
  "three 3×3": [[3, 1, 1, 1], [3, 1, 1, 1], [3, 1, 1, 1]],
  "one 7×7": [[7, 1, 3, 1]],
  "VGG block: 3×3, 3×3, pool 2/2": [[3, 1, 1, 1], [3, 1, 1, 1], [2, 2, 0, 1]],
  "two VGG blocks": [[3, 1, 1, 1], [3, 1, 1, 1], [2, 2, 0, 1], [3, 1, 1, 1], [3, 1, 1, 1], [2, 2, 0, 1]],
  "dilation 1, 2, 4": [[3, 1, 1, 1], [3, 1, 2, 2], [3, 1, 4, 4]],
  "dilation 2, 2, 2 (holes)": [[3, 1, 2, 2], [3, 1, 2, 2], [3, 1, 2, 2]],
  "ResNet stem: 7×7/2, pool 3/2": [[7, 2, 3, 1], [3, 2, 1, 1]],
};
const MAX_LAYERS = 6;
const COLUMNS = [
  ["kernel", [1, 2, 3, 4, 5, 6, 7, 9, 11]],
  ["stride", [1, 2, 3, 4]],
  ["padding", [0, 1, 2, 3, 4, 5, 6]],
  ["dilation", [1, 2, 3, 4, 5, 6]],
];
const layer = ([kernel, stride, padding, dilation]) => ({ kernel, stride, padding, dilation });

/** Size, jump and start of the field after each layer; the first entry is the input's own. */
export function fields(layers) {
  let [size, jump, start] = [1, 1, 0];
  const all = [{ size, jump, start }];
  for (const { kernel, stride, padding, dilation } of layers) {
    size += dilation * (kernel - 1) * jump;
    start -= padding * jump;
    jump *= stride;
    all.push({ size, jump, start });
  }
  return all;
}

/** Units of each map, input first. A number below 1: a kernel does not fit. */
export function mapSizes(layers, size) {
  const all = [size];
  for (const { kernel, stride, padding, dilation } of layers) {
    size = Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
    all.push(size);
  }
  return all;
}

/**
 * For each map, input first: which of its places output `unit` reads, and by how many paths.
 * Places outside a map are padding: they are read, and no path goes on from them.
 */
export function paths(layers, unit, size) {
  const sizes = mapSizes(layers, size);
  const all = [new Map([[unit, 1]])];
  for (let i = layers.length - 1; i >= 0; i--) {
    const { kernel, stride, padding, dilation } = layers[i], below = new Map();
    for (const [place, count] of all[0]) {
      if (place < 0 || place >= sizes[i + 1]) continue;
      for (let tap = 0; tap < kernel; tap++) {
        const at = place * stride - padding + tap * dilation;
        below.set(at, (below.get(at) ?? 0) + count);
      }
    }
    all.unshift(new Map([...below].sort((a, b) => a[0] - b[0])));
  }
  return all;
}

/** Where the middle of a unit's field lies, in pixels. */
const middle = ({ size, jump, start }, unit) => start + unit * jump + (size - 1) / 2;

/** First and last pixel position that the drawing must have room for. */
function reach(sizes, all, lit) {
  const ends = lit.flatMap((places, map) => [...places.keys()].map((at) => middle(all[map], at)));
  return [Math.floor(Math.min(0, ...ends)), Math.ceil(Math.max(sizes[0] - 1, ...ends))];
}

/** What the numbers say, in words. */
export function describe(layers, size, unit) {
  const sizes = mapSizes(layers, size);
  const bad = sizes.findIndex((n) => n < 1);
  if (bad > 0) return `Layer ${bad} does not fit: its kernel spans more than its padded input. Make it smaller, or add padding.`;
  const field = fields(layers).at(-1), first = field.start + unit * field.jump, last = first + field.size - 1;
  const read = [...paths(layers, unit, size)[0].keys()].filter((p) => p >= 0 && p < size).length;
  const outside = Math.max(0, -first) + Math.max(0, last - size + 1), skipped = field.size - read - outside;
  const why = [outside && `${outside} lie outside the image`, skipped > 0 && `${skipped} are skipped`].filter(Boolean);
  return `The field of unit ${unit} (of 0 to ${sizes.at(-1) - 1}) is pixels ${first} to ${last}. ` +
    (why.length ? `It reads ${read} of these ${field.size}: ${why.join(", ")}.` : `It reads all ${read}.`);
}

function render({ model, el }) {
  const id = `rfx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const edit = (change) => { const copy = model.get("layers").map((l) => ({ ...l })); change(copy); put("layers", copy); };

  const preset = h("select", { id: `${id}-preset`, onchange: (e) => {
    if (e.target.value) put("layers", PRESETS[e.target.value].map(layer));
  } }, h("option", { value: "" }, "your own"), ...Object.keys(PRESETS).map((name) => h("option", { value: name }, name)));
  const rows = h("tbody");
  const add = h("button", { type: "button", class: "rfx-add", onclick: () => {
    edit((l) => l.push(layer([3, 1, 1, 1])));
    rows.lastElementChild.querySelector("select").focus();
  } }, "Add a layer");
  const unit = h("input", { type: "range", id: `${id}-unit`, min: 0, step: 1, oninput: (e) => put("unit", +e.target.value) });
  const drawing = h("svg", { class: "rfx-drawing", role: "img", "aria-labelledby": `${id}-text` });
  const numbers = h("p", { class: "rfx-numbers" });
  const text = h("output", { id: `${id}-text`, class: "rfx-text", for: `${id}-unit`, "aria-live": "polite" });
  el.classList.add("rfx");
  el.append(
    drawing, numbers, text,
    h("p", { class: "rfx-line" }, h("label", { for: `${id}-unit` }, "Output unit"), unit),
    h("p", { class: "rfx-line" }, h("label", { for: `${id}-preset` }, "Stack"), preset),
    h("table", { class: "rfx-layers" },
      h("caption", {}, "Layers, from the input up"),
      h("thead", {}, h("tr", {}, ...["", ...COLUMNS.map(([name]) => name), ""].map((name) =>
        name ? h("th", { scope: "col" }, name) : h("td")))), rows),
    add);

  function buildRows(count) {
    const only = count === 1;
    rows.replaceChildren(...Array.from({ length: count }, (_, i) => h("tr", {},
      h("th", { scope: "row" }, String(i + 1)),
      ...COLUMNS.map(([name, values]) => h("td", {}, h("select", {
        "aria-label": `${name} of layer ${i + 1}`, "data-name": name,
        onchange: (e) => edit((l) => { l[i][name] = +e.target.value; }),
      }, ...values.map((v) => h("option", { value: v }, String(v)))))),
      h("td", {}, h("button", {
        type: "button", "aria-label": `Remove layer ${i + 1}`, disabled: only,
        onclick: () => { edit((l) => l.splice(i, 1)); add.focus(); },
      }, "×")))));
  }

  function syncControls(layers, units) {
    if (rows.children.length !== layers.length) buildRows(layers.length);
    [...rows.children].forEach((row, i) => row.querySelectorAll("select").forEach((select) => {
      const value = String(layers[i][select.dataset.name]);
      if (![...select.options].some((o) => o.value === value)) select.append(h("option", { value }, value));
      select.value = value;
    }));
    const same = Object.keys(PRESETS).find((name) => JSON.stringify(PRESETS[name].map(layer)) ===
      JSON.stringify(layers.map((l) => layer(COLUMNS.map(([key]) => l[key])))));
    preset.value = same ?? "";
    add.disabled = layers.length >= MAX_LAYERS;
    unit.max = Math.max(units - 1, 0);
    unit.disabled = units < 1;
    unit.value = model.get("unit");
  }

  let place = null; // where the drawing has its output units, for the pointer

  function draw() {
    const layers = model.get("layers"), size = model.get("input_size");
    const sizes = mapSizes(layers, size), units = Math.min(...sizes) < 1 ? 0 : sizes.at(-1);
    const chosen = Math.min(Math.max(model.get("unit"), 0), Math.max(units - 1, 0));
    if (units && chosen !== model.get("unit")) return put("unit", chosen); // draws again
    syncControls(layers, units);
    text.textContent = describe(layers, size, chosen);
    if (!units) { drawing.replaceChildren(); numbers.replaceChildren(); place = null; return; }
    const all = fields(layers), field = all.at(-1);
    numbers.replaceChildren(...Object.entries({ ...field, units }).map(([name, value]) =>
      h("span", {}, `${name} `, h("b", {}, String(value).replace("-", "−")))));
    picture(layers, sizes, all, paths(layers, chosen, size));
  }

  function picture(layers, sizes, all, lit) {
    const [first, last] = reach(sizes, all, lit);
    const width = Math.max(el.clientWidth, 280), cell = Math.min(width / (last - first + 1), 26);
    const left = (width - cell * (last - first + 1)) / 2, gap = 46, bars = 44;
    const x = (pixel) => left + (pixel - first + 0.5) * cell;
    const top = (map) => 18 + (sizes.length - 1 - map) * gap;
    const side = Math.min(cell - 1, 16);
    const lines = [], cells = [], labels = [];
    sizes.forEach((count, map) => {
      const most = Math.max(...lit[map].values());
      const what = map === 0 ? "input" : map === sizes.length - 1 ? "output" : `after layer ${map}`;
      labels.push(h("text", { x: 0, y: top(map) - 5 }, `${what}: ${count}`));
      const places = new Set([...Array(count).keys(), ...lit[map].keys()]);
      for (const at of places) {
        const paths = lit[map].get(at), inside = at >= 0 && at < count;
        cells.push(h("rect", {
          class: `${inside ? "rfx-in" : "rfx-pad"}${paths ? " rfx-lit" : ""}`, rx: 2, width: side, height: side,
          x: x(middle(all[map], at)) - side / 2, y: top(map),
          "fill-opacity": paths ? 0.35 + 0.65 * paths / most : null,
        }));
        if (!paths || !inside || map === 0) continue;
        const { kernel, stride, padding, dilation } = layers[map - 1];
        for (let tap = 0; tap < kernel; tap++) {
          lines.push(h("line", {
            x1: x(middle(all[map], at)), y1: top(map) + side,
            x2: x(middle(all[map - 1], at * stride - padding + tap * dilation)), y2: top(map - 1),
          }));
        }
      }
    });
    const base = top(0) + side + 4, read = [...lit[0]].filter(([p]) => p >= 0 && p < sizes[0]);
    const most = Math.max(0, ...read.map(([, count]) => count));
    for (const [pixel, count] of read) {
      cells.push(h("rect", { class: "rfx-bar", x: x(pixel) - side / 2, y: base, width: side, height: (bars - 18) * count / most }));
    }
    labels.push(h("text", { x: 0, y: base + bars - 2 }, `paths to each pixel, at most ${most.toLocaleString("en")}`));
    const height = base + bars + 4;
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("height", height);
    drawing.replaceChildren(h("g", { class: "rfx-lines" }, ...lines), ...cells, ...labels);
    place = { x, field: all.at(-1), units: sizes.at(-1), width };
  }

  // The pointer takes the unit that is nearest to it.
  const point = (event) => {
    if (!place) return;
    const box = drawing.getBoundingClientRect();
    const at = (event.clientX - box.left) * place.width / box.width;
    const step = place.x(1) - place.x(0);
    const nearest = Math.round((at - place.x(middle(place.field, 0))) / (step * place.field.jump));
    const chosen = Math.min(Math.max(nearest, 0), place.units - 1);
    if (chosen !== model.get("unit")) put("unit", chosen);
  };
  pointed(drawing, point);

  const names = ["layers", "unit", "input_size"];
  for (const name of names) model.on(`change:${name}`, draw);
  let known = 0;
  const observer = new ResizeObserver(() => { if (el.clientWidth !== known) { known = el.clientWidth; draw(); } });
  observer.observe(el);
  draw();
  return () => { observer.disconnect(); for (const name of names) model.off(`change:${name}`, draw); };
}

export default { render };
