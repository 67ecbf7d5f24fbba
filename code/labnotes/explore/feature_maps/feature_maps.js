// Feature-map explorer (an anywidget module): the maps of a network over a photo. A cursor shows
// what a unit computes and which part of the photo it sees. All values come from Python.

const LOW = [247, 251, 255], HIGH = [0, 62, 110]; // as feature_maps.py
const CURSOR = "#D55E00";
const TOP = 5;

/** The bytes in a base64 text. */
export const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** What a unit computes. `levels` are the layer's decoded bytes. */
export function value(layer, levels, channel, row, column) {
  const level = levels[(channel * layer.rows + row) * layer.columns + column];
  return layer.low[channel] + level * (layer.high[channel] - layer.low[channel]) / 255;
}

/** The field of a unit in pixels of the photo, ends included. */
export function seen(layer, row, column) {
  const left = layer.start + column * layer.jump, top = layer.start + row * layer.jump;
  return { left, top, right: left + layer.size - 1, bottom: top + layer.size - 1 };
}

/** How much of a field lies on the photo, from 0 to 1. */
export function inside({ left, top, right, bottom }, width, height) {
  const along = (first, last, end) => Math.max(0, Math.min(last, end - 1) - Math.max(first, 0) + 1);
  return along(left, right, width) * along(top, bottom, height) / ((right - left + 1) * (bottom - top + 1));
}

/** Where the cell of unit 0 begins along an axis: cells are as wide as the jump, each around the middle of its field. */
export const edge = (layer) => layer.start + (layer.size - layer.jump) / 2;

/** The unit of `count` whose cell holds the point `at`, in pixels of the photo. */
export function nearest(layer, at, count) {
  return Math.min(Math.max(Math.floor((at - edge(layer)) / layer.jump), 0), count - 1);
}

/** The channels with the greatest values at a place, greatest first; equal ones by their number. */
export function strongest(layer, levels, row, column, count) {
  return Array.from({ length: layer.channels }, (_, channel) => [channel, value(layer, levels, channel, row, column)])
    .sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count);
}

/** The mean of each channel's map. */
export function means(layer, levels) {
  const area = layer.rows * layer.columns;
  return layer.low.map((low, channel) => {
    let sum = 0;
    for (let i = channel * area; i < (channel + 1) * area; i++) sum += levels[i];
    return low + sum / area * (layer.high[channel] - low) / 255;
  });
}

export function softmax(logits) {
  const most = Math.max(...logits), powers = logits.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** A number with a true minus sign. */
export const number = (x, digits = 2) => (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "−");

/** What the cursor shows, in words. */
export function describe(layer, channelName, got, place, width, height) {
  const { left, top, right, bottom } = place, part = inside(place, width, height);
  return `${layer.name}, channel ${channelName}: ${number(got)}. The unit sees columns ${number(left, 0)} to ${number(right, 0)} ` +
    `and rows ${number(top, 0)} to ${number(bottom, 0)} of the photo` +
    (part < 1 ? `; ${Math.round(100 * (1 - part))} % of that is padding.` : ".");
}

/** The colour of a part of the way from a channel's least value to its greatest. */
export const colour = (part) => LOW.map((low, i) => Math.round(low + part * (HIGH[i] - low)));

function render({ model, el }) {
  const id = `fmx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const all = model.get("layers"), levels = all.map((layer) => decode(layer.levels));
  const classes = model.get("classes"), last = all.length - 1;
  const width = model.get("width"), height = model.get("height");
  const logits = model.get("logits"), chances = softmax(logits);
  const put = (change) => { for (const [k, v] of Object.entries(change)) model.set(k, v); model.save_changes(); };
  const now = () => {
    const at = Math.min(Math.max(model.get("layer"), 0), last), layer = all[at];
    const within = (name, count) => Math.min(Math.max(model.get(name), 0), count - 1);
    return { at, layer, bytes: levels[at], channel: within("channel", layer.channels),
      row: within("row", layer.rows), column: within("column", layer.columns) };
  };
  const named = (at, channel) => (at === last && classes.length ? `“${classes[channel]}”` : String(channel));

  // Controls
  const choose = h("select", { id: `${id}-layer`, onchange: (e) => move(+e.target.value) },
    ...all.map((layer, i) => h("option", { value: i },
      `${layer.name} (${layer.channels} × ${layer.rows} × ${layer.columns})`)));
  const slider = (name, label, max) => {
    const input = h("input", { type: "range", id: `${id}-${name}`, min: 0, max: max ?? 0, step: 1, oninput: (e) => put({ [name]: +e.target.value }) });
    const shown = h("span", { class: "fmx-shown" });
    return { input, shown, line: h("p", { class: "fmx-line" }, h("label", { for: `${id}-${name}` }, label), input, shown) };
  };
  const sliders = { channel: slider("channel", "Channel"), row: slider("row", "Row"), column: slider("column", "Column"),
    opacity: slider("opacity", "Map over photo", 100) };

  // Another layer: stay at the same place of the photo, and take the channel that answers most there.
  function move(to) {
    const { layer, row, column } = now(), next = all[to];
    const middle = (unit) => edge(layer) + (unit + 0.5) * layer.jump;
    const place = { row: nearest(next, middle(row), next.rows), column: nearest(next, middle(column), next.columns) };
    put({ layer: to, ...place, channel: strongest(next, levels[to], place.row, place.column, 1)[0][0] });
  }

  // The two pictures: the photo with the map over it, and the map alone.
  const zoom = Math.max(1, Math.round(384 / width));
  const canvas = (label) => h("canvas", { width: width * zoom, height: height * zoom, role: "img", "aria-label": label });
  const photoBox = canvas("The photo, the map over it, and a frame around what the unit sees"), mapBox = canvas("The map alone, the unit framed");
  const arrows = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const pictures = h("div", {
    class: "fmx-pictures", tabindex: 0, role: "group", "aria-label": "Photo and map: the arrow keys move the unit", "aria-describedby": `${id}-text`,
    onkeydown: (e) => {
      const step = arrows[e.key];
      if (!step || e.altKey || e.ctrlKey || e.metaKey) return;
      e.preventDefault();
      e.stopPropagation();
      const { layer, row, column } = now();
      put({ row: Math.min(Math.max(row + step[0], 0), layer.rows - 1), column: Math.min(Math.max(column + step[1], 0), layer.columns - 1) });
    },
  }, h("figure", {}, photoBox, h("figcaption", {}, "the photo, and what the unit sees")), h("figure", {}, mapBox, h("figcaption", {})));
  const mapCaption = pictures.querySelectorAll("figcaption")[1];
  const text = h("output", { id: `${id}-text`, class: "fmx-text", for: `${id}-row ${id}-column`, "aria-live": "polite" });
  const list = h("div", { class: "fmx-list" });

  el.classList.add("fmx");
  el.append(pictures, text, list, h("p", { class: "fmx-line" }, h("label", { for: `${id}-layer` }, "Layer"), choose),
    sliders.channel.line, sliders.row.line, sliders.column.line, sliders.opacity.line);

  const image = new Image();
  image.onload = () => draw();
  image.src = model.get("photo");

  function paint(context, { layer, bytes, channel }, alpha) {
    const first = edge(layer) * zoom, side = layer.jump * zoom, base = channel * layer.rows * layer.columns;
    const range = layer.high[channel] - layer.low[channel];
    context.globalAlpha = alpha;
    for (let row = 0; row < layer.rows; row++) {
      for (let column = 0; column < layer.columns; column++) {
        const part = range > 0 ? bytes[base + row * layer.columns + column] / 255 : 0;
        context.fillStyle = `rgb(${colour(part)})`;
        context.fillRect(first + column * side, first + row * side, side, side);
      }
    }
    context.globalAlpha = 1;
  }
  function frame(context, x, y, w, height_) {
    for (const [style, line] of [["#fff", 4], [CURSOR, 2]]) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.strokeRect(x * zoom, y * zoom, w * zoom, height_ * zoom);
    }
  }

  // The channels that answer most here; over class maps all classes, with their means.
  function rows({ at, layer, bytes, channel, row, column }) {
    const whole = at === last && classes.length > 0;
    const found = whole ? classes.map((_, i) => [i, value(layer, bytes, i, row, column)]) : strongest(layer, bytes, row, column, TOP);
    const most = Math.max(...found.map(([, v]) => Math.abs(v)), 1e-9);
    const heads = whole ? ["class", "here", "mean", "softmax"] : ["channel", "value here", ""];
    const bar = (share) => h("span", { class: "fmx-bar", style: `width:${(100 * share).toFixed(1)}%` });
    return h("table", {},
      h("caption", {}, whole ? "Each class: its map here, its map’s mean (the logit), and the softmax" : `The ${found.length} channels with the greatest values at this place`),
      h("thead", {}, h("tr", {}, ...heads.map((name) => (name ? h("th", { scope: "col" }, name) : h("td"))))),
      h("tbody", {}, ...found.map(([i, v]) => h("tr", { class: i === channel ? "fmx-on" : null },
        h("th", { scope: "row" }, h("button", { type: "button", "aria-pressed": String(i === channel), "data-channel": i,
          onclick: () => put({ channel: i }) }, whole ? classes[i] : `channel ${i}`)),
        h("td", {}, number(v)),
        ...(whole ? [h("td", {}, number(logits[i])), h("td", { class: "fmx-share" }, bar(chances[i]), `${(100 * chances[i]).toFixed(1)} %`)]
          : [h("td", { class: "fmx-share" }, bar(Math.max(v, 0) / most))])))));
  }

  function draw() {
    const state = now(), { at, layer, bytes, channel, row, column } = state;
    choose.value = at;
    const ends = { channel: layer.channels, row: layer.rows, column: layer.columns };
    for (const [name, count] of Object.entries(ends)) {
      sliders[name].input.max = count - 1;
      sliders[name].input.disabled = count < 2;
      sliders[name].input.value = state[name];
      sliders[name].shown.textContent = name === "channel" ? named(at, channel) : `${state[name]} (0 to ${count - 1})`;
    }
    const opacity = Math.min(Math.max(model.get("opacity"), 0), 100);
    sliders.opacity.input.value = opacity;
    sliders.opacity.shown.textContent = `${opacity} %`;
    const place = seen(layer, row, column), unit = edge(layer);
    const over = photoBox.getContext("2d"), alone = mapBox.getContext("2d");
    for (const context of [over, alone]) context.clearRect(0, 0, width * zoom, height * zoom);
    if (image.complete && image.naturalWidth) over.drawImage(image, 0, 0, width * zoom, height * zoom);
    paint(over, state, opacity / 100);
    frame(over, place.left, place.top, layer.size, layer.size);
    paint(alone, state, 1);
    frame(alone, unit + column * layer.jump, unit + row * layer.jump, layer.jump, layer.jump);
    mapCaption.textContent = `the map, ${number(layer.low[channel])} (light) to ${number(layer.high[channel])} (dark)`;
    text.textContent = describe(layer, named(at, channel), value(layer, bytes, channel, row, column), place, width, height);
    const held = list.contains(document.activeElement) ? document.activeElement.dataset.channel : null;
    list.replaceChildren(rows(state));
    if (held != null) list.querySelector(`[data-channel="${held}"]`)?.focus();
  }

  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect(), { layer, row, column } = now();
    const x = (event.clientX - box.left) * width / box.width, y = (event.clientY - box.top) * height / box.height;
    const to = { row: nearest(layer, y, layer.rows), column: nearest(layer, x, layer.columns) };
    if (to.row !== row || to.column !== column) put(to);
  };
  for (const box of [photoBox, mapBox]) {
    pointed(box, point);
  }
  // Several changes at once (another layer) are one picture.
  let due = false;
  const later = () => { if (!due) { due = true; queueMicrotask(() => { due = false; draw(); }); } };
  const names = ["layer", "channel", "row", "column", "opacity"];
  for (const name of names) model.on(`change:${name}`, later);
  draw();
  return () => { image.onload = null; for (const name of names) model.off(`change:${name}`, later); };
}

export default { render };
