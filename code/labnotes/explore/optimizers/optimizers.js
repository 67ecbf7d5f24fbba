// Optimizer explorer (an anywidget module): choose optimizers, their learning rate and beta, and watch
// where each has come on the map of a landscape. All the arithmetic is here, so it needs no kernel.

/** The landscapes: height and slope at [x, y], how far the map reaches to each side, where to start. */
export const SURFACES = {
  ravine: {
    reach: [6, 3], start: [-5, -2], height: ([x, y]) => 0.1 * x * x + 2 * y * y,
    slope: ([x, y]) => [0.2 * x, 4 * y],
  },
  saddle: {
    reach: [3, 1.5], start: [-2.5, 0.02], height: ([x, y]) => x * x / 2 - y * y / 2 + y ** 4 / 4,
    slope: ([x, y]) => [x, y ** 3 - y],
  },
  wells: {
    reach: [4, 2], start: [-3.6, 1.2], height: ([x, y]) => (x * x / 4 - 1) ** 2 - 0.15 * x + y * y / 2,
    slope: ([x, y]) => [(x * x / 4 - 1) * x - 0.15, y],
  },
  plateau: {
    reach: [6, 3], start: [-4.5, 1.5], height: ([x, y]) => 1 - Math.exp(-(x * x + 2 * y * y) / 4),
    slope: ([x, y]) => [x / 2, y].map((v) => v * Math.exp(-(x * x + 2 * y * y) / 4)),
  },
};

/** How far each optimizer moves a coordinate with the slope g at step t; s is what it remembers. */
export const RULES = {
  sgd: (g, s, t, rate) => -rate * g,
  momentum: (g, s, t, rate, beta) => -rate * (s.v = beta * s.v + g),
  nesterov: (g, s, t, rate, beta) => -rate * (g + beta * (s.v = beta * s.v + g)),
  adagrad: (g, s, t, rate) => -rate * g / (Math.sqrt(s.s += g * g) + 1e-10),
  rmsprop: (g, s, t, rate, beta) => -rate * g / (Math.sqrt(s.s = beta * s.s + (1 - beta) * g * g) + 1e-8),
  adam: (g, s, t, rate, beta) => {
    s.v = beta * s.v + (1 - beta) * g;
    s.s = 0.999 * s.s + 0.001 * g * g;
    return -rate * s.v / (1 - beta ** t) / (Math.sqrt(s.s / (1 - 0.999 ** t)) + 1e-8);
  },
};

const BEYOND = 10; // a walk ends where it is so many times farther out than the map reaches
const away = (name, place) => place.some((p, i) => !(Math.abs(p) <= BEYOND * SURFACES[name].reach[i]));

/** The places that an optimizer visits, the start first. */
export function walk(name, optimizer, start, rate, beta, steps) {
  const { slope } = SURFACES[name], memory = start.map(() => ({ v: 0, s: 0 })), path = [start];
  for (let t = 1; t <= steps && !away(name, path.at(-1)); t++) {
    const g = slope(path.at(-1));
    path.push(path.at(-1).map((p, i) => p + RULES[optimizer](g[i], memory[i], t, rate, beta)));
  }
  return path;
}

/** The map as a grid: x across, y upwards, and the heights row by row. */
export function grid(name, columns = 101) {
  const { reach: [rx, ry], height } = SURFACES[name], rows = Math.floor(columns / 2) + 1;
  const spread = (r, n) => Array.from({ length: n }, (_, k) => r * (2 * k / (n - 1) - 1));
  const x = spread(rx, columns), y = spread(ry, rows);
  return { x, y, heights: y.map((v) => x.map((u) => height([u, v]))) };
}

/** The heights whose contour lines are drawn, closer together near the lowest. */
export function levels(name) {
  const all = grid(name).heights.flat(), low = Math.min(...all), high = Math.max(...all);
  return Array.from({ length: 8 }, (_, k) => low + (high - low) * ((k + 1) / 9) ** 2);
}

/** A contour line in short pieces [[x, y], [x, y]], one or two for each cell of the grid that it crosses. */
export function contour({ x, y, heights }, level) {
  const pieces = [];
  for (let j = 0; j + 1 < y.length; j++) for (let i = 0; i + 1 < x.length; i++) {
    const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
    const crossings = corners.flatMap((a, k) => {
      const b = corners[(k + 1) % 4], ha = heights[a[1]][a[0]], hb = heights[b[1]][b[0]];
      if ((ha > level) === (hb > level)) return [];
      const part = (level - ha) / (hb - ha);
      return [[x[a[0]] + part * (x[b[0]] - x[a[0]]), y[a[1]] + part * (y[b[1]] - y[a[1]])]];
    });
    for (let k = 0; k + 1 < crossings.length; k += 2) pieces.push([crossings[k], crossings[k + 1]]);
  }
  return pieces;
}

/** A number in three digits, with a true minus sign. */
export const said = (value) => {
  const size = Math.abs(value);
  const text = size && (size < 1e-3 || size >= 1e4) ? value.toExponential(1) : String(+value.toPrecision(3));
  return text.replaceAll("-", "−");
};

/** Where one optimizer has come, in words. */
export function outcome(name, path) {
  const now = SURFACES[name].height(path.at(-1));
  if (away(name, path.at(-1))) return `ran away after ${path.length - 1} step${path.length > 2 ? "s" : ""}`;
  return said(now);
}

const WIDE = 360, HIGH = 180; // the map in its own pixels
const DASHES = { sgd: null, momentum: null, nesterov: "6 3", adagrad: "2 3", rmsprop: "9 3 2 3", adam: null };
const held = (value, most) => Math.min(Math.max(value, -most), most);
const MOST = 200;

function render({ model, el }) {
  const id = `opx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const surface = () => SURFACES[get("surface")];
  const spot = ([x, y]) => [WIDE / 2 * (1 + held(x / surface().reach[0], 3)), HIGH / 2 * (1 - held(y / surface().reach[1], 3))]
    .map((v) => v.toFixed(1)).join(" ");

  // --- the map, and below it what each optimizer has reached

  const title = h("title"), rings = h("path", { class: "opx-rings" }), paths = h("g");
  const begin = h("circle", { class: "opx-start", r: 5 });
  const map = h("svg", { class: "opx-map", role: "img", viewBox: `0 0 ${WIDE} ${HIGH}` }, title,
    h("clipPath", { id: `${id}-map` }, h("rect", { width: WIDE, height: HIGH })),
    h("rect", { class: "opx-ground", width: WIDE, height: HIGH }),
    h("g", { "clip-path": `url(#${id}-map)` }, rings, paths, begin));
  const text = h("output", { class: "opx-said", "aria-live": "polite" });

  // --- the controls

  const choose = (name, label, options, onchange) => {
    const select = h("select", { id: `${id}-${name}`, onchange: (e) => onchange(e.target.value) },
      ...options.map(([value, word]) => h("option", { value }, word)));
    return { select, row: h("p", { class: "opx-row" }, h("label", { for: select.id }, label), select) };
  };
  const slider = (name, label, min, max, step, oninput) => {
    const input = h("input", { type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => oninput(+e.target.value) });
    const shown = h("span", { class: "opx-shown", "aria-hidden": "true" });
    return { input, shown, row: h("p", { class: "opx-row" }, h("label", { for: input.id }, label), input, shown) };
  };
  const show = (control, value, words) => {
    control.input.value = value;
    control.shown.textContent = words;
    control.input.setAttribute("aria-valuetext", words);
  };
  const where = choose("surface", "Landscape", Object.keys(SURFACES).map((name) => [name, get("surfaces")[name]]), (name) => put({ surface: name, start: [...SURFACES[name].start] }));
  const steps = slider("steps", "Steps", 0, MOST, 1, (v) => put({ steps: v }));
  const rate = slider("rate", "Learning rate", -3, 0, 0.05, (v) => put({ learning_rate: +(10 ** v).toPrecision(2) }));
  const beta = slider("beta", "Beta", 0, 0.99, 0.01, (v) => put({ beta: v }));
  const from = ["x", "y"].map((axis, i) => slider(`start-${axis}`, `Start ${axis}`, -1, 1, 0.01,
    (v) => put({ start: get("start").map((p, k) => (k === i ? +(v * surface().reach[i]).toFixed(3) : p)) })));
  // In the order of the rules: the state of a page has its keys sorted.
  const boxes = Object.keys(RULES).map((name) => {
    const box = h("input", { type: "checkbox", id: `${id}-is-${name}`, onchange: (e) => {
      const others = get("chosen").filter((other) => other !== name);
      put({ chosen: Object.keys(RULES).filter((n) => others.includes(n) || (n === name && e.target.checked)) });
    } });
    return { name, box, label: h("label", { for: box.id }, box, key(name), get("names")[name]) };
  });

  function key(name) { // a short piece of an optimizer's line
    const line = h("path", { d: "M1 5H25", stroke: get("colors")[name], "stroke-width": 3.5, "stroke-dasharray": DASHES[name] });
    return h("svg", { class: "opx-key", viewBox: "0 0 26 10", width: 26, height: 10, "aria-hidden": "true" }, line);
  }

  el.classList.add("opx");
  el.append(map, text, h("div", { class: "opx-controls" },
    h("div", { class: "opx-boxes", role: "group", "aria-label": "Optimizers" }, ...boxes.map((b) => b.label)),
    where.row, steps.row, rate.row, beta.row, ...from.map((f) => f.row)));

  pointed(map, (event) => {
    if (event.type === "pointermove" && event.pointerType === "mouse" && !event.buttons) return; // only with the button down
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    put({ start: [2 * p.x / WIDE - 1, 1 - 2 * p.y / HIGH].map((v, i) => +(held(v, 1) * surface().reach[i]).toFixed(3)) });
  });

  let drawn = "";

  function draw() {
    const name = get("surface"), start = get("start");
    if (name !== drawn) {
      drawn = name;
      rings.setAttribute("d", levels(name).flatMap((level) => contour(grid(name), level)).map(([a, b]) => `M${spot(a)}L${spot(b)}`).join(""));
    }
    const walks = get("chosen").map((n) => [n, walk(name, n, start, get("learning_rate"), get("beta"), get("steps"))]);
    paths.replaceChildren(...walks.flatMap(([n, path]) => {
      const stroke = get("colors")[n];
      return [h("path", { class: "opx-trail", stroke, "stroke-dasharray": DASHES[n], d: `M${path.map(spot).join("L")}` }),
        h("path", { class: "opx-visited", stroke, d: path.map((p) => `M${spot(p)}h0`).join("") }),
        h("circle", { class: "opx-end", fill: stroke, r: 5, transform: `translate(${spot(path.at(-1))})` })];
    }));
    begin.setAttribute("transform", `translate(${spot(start)})`);
    const first = `Loss at the start ${said(SURFACES[name].height(start))}; after ${get("steps")} step${get("steps") === 1 ? "" : "s"}:`;
    text.replaceChildren(`${first} `, ...(walks.length ? walks.flatMap(([n, path], i) => // a space: a line may end there
      [h("span", { class: "opx-one" }, key(n), `${get("names")[n]} ${outcome(name, path)}${i + 1 < walks.length ? "," : "."}`), " "])
      : ["no optimizer is chosen."]));
    title.textContent = `Contour lines of ${get("surfaces")[name]}, and the paths of ${walks.length} optimizers from ${start.map(said).join(", ")}`;
    where.select.value = name;
    show(steps, get("steps"), String(get("steps")));
    show(rate, Math.log10(get("learning_rate")), String(get("learning_rate")));
    show(beta, get("beta"), get("beta").toFixed(2));
    from.forEach((f, i) => show(f, start[i] / surface().reach[i], said(start[i])));
    for (const { name: n, box } of boxes) box.checked = get("chosen").includes(n);
  }

  const watched = ["surface", "chosen", "learning_rate", "beta", "steps", "start"];
  for (const name of watched) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of watched) model.off(`change:${name}`, draw); };
}

export default { render };
