// RoIAlign explorer (an anywidget module): move a region over a feature map, and read what RoI pooling and
// RoIAlign make of it. The arithmetic is exported for the tests.

/** First and one past the last index of each of `parts` cells of RoI pooling, from corner `a` to corner `b`. */
export function bands(a, b, parts, size) {
  const first = Math.floor(a + 0.5), last = Math.floor(b + 0.5); // corners are rounded to whole cells
  const long = Math.max(last - first + 1, 1) / parts;
  const inside = (v) => Math.min(Math.max(v, 0), size);
  return Array.from({ length: parts }, (_, i) => [inside(first + Math.floor(i * long)), inside(first + Math.ceil((i + 1) * long))]);
}

/** The largest feature in each cell: rows of numbers. */
export function roiPool({ features, region: [x1, y1, x2, y2], output }) {
  const rows = bands(y1, y2, output, features.length), columns = bands(x1, x2, output, features[0].length);
  return rows.map(([top, bottom]) => columns.map(([left, right]) => {
    const values = features.slice(top, bottom).flatMap((row) => row.slice(left, right));
    return values.length ? Math.max(...values) : 0;
  }));
}

/** The feature at row y and column x, between four cells: each takes a share of it. */
export function bilinear(features, y, x) {
  const tall = features.length, wide = features[0].length;
  if (y < -1 || y > tall || x < -1 || x > wide) return 0;
  const clamp = (v, most) => Math.min(Math.max(v, 0), most);
  const [v, u] = [clamp(y, tall - 1), clamp(x, wide - 1)];
  const i = Math.min(Math.floor(v), tall - 2), j = Math.min(Math.floor(u), wide - 2), down = v - i, across = u - j;
  return (1 - down) * ((1 - across) * features[i][j] + across * features[i][j + 1])
    + down * ((1 - across) * features[i + 1][j] + across * features[i + 1][j + 1]);
}

/** Where RoIAlign reads along one axis: for each of `parts` cells, `ratio` points, counted in features. */
export function points(a, b, parts, ratio, aligned) {
  const shift = aligned ? 0.5 : 0, long = (aligned ? b - a : Math.max(b - a, 1)) / parts;
  return Array.from({ length: parts }, (_, i) => Array.from({ length: ratio }, (_, k) => a - shift + (i + (k + 0.5) / ratio) * long));
}

/** The mean of the points in each cell: rows of numbers. */
export function roiAlign({ features, region: [x1, y1, x2, y2], output, ratio, aligned }) {
  const rows = points(y1, y2, output, ratio, aligned), columns = points(x1, x2, output, ratio, aligned);
  return rows.map((ys) => columns.map((xs) => {
    const values = ys.flatMap((y) => xs.map((x) => bilinear(features, y, x)));
    return values.reduce((sum, v) => sum + v, 0) / values.length;
  }));
}

/** A region of the given sides at (x, y), in tenths of a cell and within the map of `size` cells. */
export function placed(x, y, wide, tall, size) {
  const tenth = (v) => Math.round(v * 10) / 10;
  const left = Math.min(Math.max(tenth(x), 0), tenth(size - wide)), top = Math.min(Math.max(tenth(y), 0), tenth(size - tall));
  return [left, top, tenth(left + wide), tenth(top + tall)];
}

/** What the region is and what becomes of its corners, in words. */
export function told({ features, region, aligned }) {
  const [x1, y1, x2, y2] = region, round = (v) => Math.floor(v + 0.5);
  const size = features.length, beyond = Math.max(round(x2), round(y2)) >= size ? `There is no number ${size} in the map: a cell without features is 0. ` : "";
  const moved = [x1, y1, x2, y2].some((v) => round(v) !== v) ? "rounds it to" : "takes";
  return `The region is ${(x2 - x1).toFixed(1)} x ${(y2 - y1).toFixed(1)} cells. RoI pooling ${moved} columns ${round(x1)} to ${round(x2)} and rows ${round(y1)} to ${round(y2)}. ${beyond}`
    + (aligned ? "RoIAlign reads at the dots." : "RoIAlign without the half cell reads half a cell too far.");
}

const CELL = 36, GAP = 26, LEAST = 1, NAMES = { pool: "RoI pooling", align: "RoIAlign" };

function render({ model, el }) {
  const id = `rax-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const state = () => Object.fromEntries(["features", "region", "output", "ratio", "aligned", "shown"].map((n) => [n, get(n)]));
  const size = get("features").length, side = size * CELL;
  const title = h("title", { id: `${id}-title` }), cells = h("g", { "aria-hidden": "true" }), tables = h("g");
  const grid = h("path", { class: "rax-grid", d: Array.from({ length: size + 1 }, (_, k) => `M${k * CELL} 0V${side}M0 ${k * CELL}H${side}`).join("") });
  const values = get("features").flatMap((row, i) => row.map((v, j) => h("text", { class: "rax-value", x: (j + 0.5) * CELL, y: (i + 0.5) * CELL + 5, "aria-hidden": "true" }, `${v}`)));
  const box = h("rect", { class: "rax-region", tabindex: 0, role: "slider", "aria-label": "Region, arrow keys move it", "aria-valuemin": 0, "aria-valuemax": size });
  const map = h("svg", { class: "rax-map", viewBox: `-2 -2 ${side + 4} ${side + GAP + 76}`, role: "group", "aria-labelledby": `${id}-title` },
    title, h("rect", { class: "rax-ground", width: side, height: side }), ...values, grid, cells, box, tables);
  const text = h("output", { class: "rax-said", "aria-live": "polite" });
  const controls = h("div", { class: "rax-controls" });
  const slider = (name, label, min, max, step, oninput) => {
    const input = h("input", { type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => oninput(+e.target.value) });
    const shown = h("span", { class: "rax-shown", "aria-hidden": "true" });
    controls.append(h("p", { class: "rax-row" }, h("label", { for: input.id }, label), input, shown));
    return (value, most) => {
      if (most != null) input.max = most;
      input.value = value; shown.textContent = `${value}`;
    };
  };
  const sides = () => { const [x1, y1, x2, y2] = get("region"); return [x2 - x1, y2 - y1]; };
  const move = (x, y) => put("region", placed(x, y, ...sides(), size));
  const left = slider("left", "Left", 0, size, 0.1, (v) => move(v, get("region")[1]));
  const top = slider("top", "Top", 0, size, 0.1, (v) => move(get("region")[0], v));
  const wide = slider("wide", "Width", LEAST, size, 0.1, (v) => put("region", placed(get("region")[0], get("region")[1], v, sides()[1], size)));
  const tall = slider("tall", "Height", LEAST, size, 0.1, (v) => put("region", placed(get("region")[0], get("region")[1], sides()[0], v, size)));
  const output = slider("output", "Result", 1, 3, 1, (v) => put("output", v));
  const which = h("select", { id: `${id}-which`, onchange: (e) => put("shown", e.target.value) },
    ...Object.entries(NAMES).map(([value, name]) => h("option", { value }, name)));
  const half = h("input", { type: "checkbox", id: `${id}-half`, onchange: (e) => put("aligned", e.target.checked) });
  controls.append(h("p", { class: "rax-row" }, h("label", { for: which.id }, "Draw"), which),
    h("p", { class: "rax-check" }, half, h("label", { for: half.id }, "Half a cell is subtracted (aligned)")));
  el.classList.add("rax");
  el.append(map, text, controls);

  box.addEventListener("keydown", (e) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (!way) return;
    e.preventDefault();
    const [x, y] = get("region"), step = e.shiftKey ? 1 : 0.1;
    move(x + way[0] * step, y + way[1] * step);
  });
  let held = null;
  const here = (e) => new DOMPoint(e.clientX, e.clientY).matrixTransform(map.getScreenCTM().inverse());
  box.addEventListener("pointerdown", (e) => { held = { at: here(e), from: get("region") }; box.setPointerCapture(e.pointerId); });
  box.addEventListener("pointermove", (e) => {
    if (!held) return;
    const p = here(e);
    move(held.from[0] + (p.x - held.at.x) / CELL, held.from[1] + (p.y - held.at.y) / CELL);
  });
  for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => { held = null; });

  map.addEventListener("click", (e) => { // a tap beside the region brings it there
    const p = here(e), [w, t] = sides();
    if (e.target !== box && p.y <= side) move(p.x / CELL - w / 2, p.y / CELL - t / 2);
  });

  const table = (name, rows, k) => h("g", { class: `rax-${name}` },
    h("text", { class: "rax-name", x: k * (side / 2 + 4), y: side + GAP - 8 }, NAMES[name]),
    ...rows.flatMap((row, i) => row.map((v, j) => h("text", { class: "rax-result", x: k * (side / 2 + 4) + j * 46, y: side + GAP + 14 + i * 22 }, v.toFixed(2)))));
  const middle = (v) => (Math.min(Math.max(v, 0), size - 1) + 0.5) * CELL; // beyond the map its edge is read
  function draw() {
    const now = state(), [x1, y1, x2, y2] = now.region;
    const at = { x: x1 * CELL, y: y1 * CELL, width: (x2 - x1) * CELL, height: (y2 - y1) * CELL };
    for (const [name, value] of Object.entries(at)) box.setAttribute(name, value);
    box.setAttribute("aria-valuenow", x1);
    box.setAttribute("aria-valuetext", `left ${x1}, top ${y1}`);
    if (now.shown === "pool") {
      const rows = bands(y1, y2, now.output, size), columns = bands(x1, x2, now.output, size);
      cells.replaceChildren(...rows.flatMap(([a, b], i) => columns.map(([c, d], j) => {
        const inset = 2 * (i + j) + 2; // cells may share a row or a column: frames side by side show it
        return h("rect", { class: "rax-cell", x: c * CELL + inset, y: a * CELL + inset, width: Math.max((d - c) * CELL - 2 * inset, 0), height: Math.max((b - a) * CELL - 2 * inset, 0) });
      })));
    } else {
      const rows = points(y1, y2, now.output, now.ratio, now.aligned), columns = points(x1, x2, now.output, now.ratio, now.aligned);
      const lines = Array.from({ length: now.output - 1 }, (_, k) => (k + 1) / now.output).map((t) =>
        `M${at.x + t * at.width} ${at.y}v${at.height}M${at.x} ${at.y + t * at.height}h${at.width}`).join("");
      cells.replaceChildren(h("path", { class: "rax-lines", d: lines }),
        ...rows.flat().flatMap((y) => columns.flat().map((x) => h("circle", { class: "rax-dot", cx: middle(x), cy: middle(y), r: 3.5 }))));
    }
    tables.replaceChildren(table("pool", roiPool(now), 0), table("align", roiAlign(now), 1));
    const [w, t] = sides().map((v) => Math.round(v * 10) / 10);
    left(x1, Math.round((size - w) * 10) / 10); top(y1, Math.round((size - t) * 10) / 10); wide(w); tall(t); output(now.output);
    which.value = now.shown; half.checked = now.aligned;
    title.textContent = `A map of ${size}x${size} features with a region on it, and the values that two kinds of pooling give.`;
    text.textContent = told(now);
  }
  draw();
  for (const name of ["region", "output", "ratio", "aligned", "shown"]) model.on(`change:${name}`, draw);
}

export default { render };
