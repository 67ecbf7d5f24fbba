// GAN explorer (an anywidget module): two small networks play for a density on a line, step by step, in the page.
// All the arithmetic is here, so it needs no kernel. Networks are flat lists of numbers in torch's order.

export const SIZES = [1, 8, 8, 1]; // of both networks: tanh after each layer but the last
export const BATCH = 64;
const BETAS = [0.5, 0.9], LOW = -4, TOP = 4, WIDTH = 0.1, CELLS = 80; // the line, and the density's grid on it

// --- chance: mulberry32, and normal numbers by Box and Muller

/** The next number from 0 to 1; `chance` is {state}, a whole number. */
export function uniform(chance) {
  chance.state = (chance.state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(chance.state ^ (chance.state >>> 15), chance.state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
export function normal(chance) {
  const size = Math.sqrt(-2 * Math.log(1 - uniform(chance)));
  return size * Math.cos(2 * Math.PI * uniform(chance));
}
const noise = (chance) => Array.from({ length: BATCH }, () => normal(chance));
/** A batch of real numbers: a centre by chance, and noise around it. */
export function real({ centres, std }, chance) {
  return Array.from({ length: BATCH }, () => centres[Math.floor(uniform(chance) * centres.length)] + std * normal(chance));
}

// --- a network of one number, its gradient, and a step of Adam

/** The activations of all layers, [x] first. */
export function forward(net, x) {
  const all = [[x]];
  for (let layer = 0, at = 0; layer + 1 < SIZES.length; layer++) {
    const [n, m] = [SIZES[layer], SIZES[layer + 1]], before = all[layer], after = [];
    for (let i = 0; i < m; i++) {
      let sum = net[at + n * m + i];
      for (let j = 0; j < n; j++) sum += net[at + i * n + j] * before[j];
      after.push(layer + 2 < SIZES.length ? Math.tanh(sum) : sum);
    }
    all.push(after);
    at += n * m + m;
  }
  return all;
}
export const output = (net, x) => forward(net, x).at(-1)[0];

/** Adds a loss's gradient to `gradient`, given its slope in the output; the slope in the input comes back. */
export function backward(net, all, slope, gradient) {
  let slopes = [slope];
  for (let layer = SIZES.length - 2, at = net.length; layer >= 0; layer--) {
    const [n, m] = [SIZES[layer], SIZES[layer + 1]], before = new Array(n).fill(0);
    at -= n * m + m;
    for (let i = 0; i < m; i++) {
      gradient[at + n * m + i] += slopes[i];
      for (let j = 0; j < n; j++) {
        gradient[at + i * n + j] += slopes[i] * all[layer][j];
        before[j] += slopes[i] * net[at + i * n + j];
      }
    }
    slopes = layer ? before.map((s, j) => s * (1 - all[layer][j] ** 2)) : before;
  }
  return slopes[0];
}

function adam(net, gradient, memory, rate) {
  const [b1, b2] = BETAS, t = ++memory.steps;
  gradient.forEach((g, i) => {
    memory.mean[i] = b1 * memory.mean[i] + (1 - b1) * g;
    memory.square[i] = b2 * memory.square[i] + (1 - b2) * g * g;
    net[i] -= rate * memory.mean[i] / (1 - b1 ** t) / (Math.sqrt(memory.square[i] / (1 - b2 ** t)) + 1e-8);
  });
}

// --- the two players

const sigmoid = (v) => 1 / (1 + Math.exp(-v));
const softplus = (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
const zeros = (net) => new Array(net.length).fill(0);

/** D learns to tell real numbers from generated ones; its loss before the step comes back. */
export function discriminatorStep(game, reals, noises, rate) {
  const { G, D } = game, gradient = zeros(D), n = reals.length;
  let loss = 0;
  for (const x of reals) {
    const all = forward(D, x), says = all.at(-1)[0];
    loss += softplus(-says) / n;
    backward(D, all, (sigmoid(says) - 1) / n, gradient);
  }
  for (const z of noises) {
    const all = forward(D, output(G, z)), says = all.at(-1)[0];
    loss += softplus(says) / n;
    backward(D, all, sigmoid(says) / n, gradient);
  }
  adam(D, gradient, game.ofD, rate);
  return loss;
}

/** G learns to be taken for real by D as it stands. */
export function generatorStep(game, noises, rate, kind) {
  const { G, D } = game, gradient = zeros(G), unused = zeros(D), n = noises.length;
  let loss = 0;
  for (const z of noises) {
    const all = forward(G, z), judged = forward(D, all.at(-1)[0]), says = judged.at(-1)[0];
    loss += (kind === "saturating" ? -softplus(says) : softplus(-says)) / n;
    const slope = (kind === "saturating" ? -sigmoid(says) : sigmoid(says) - 1) / n;
    backward(G, all, backward(D, judged, slope, unused), gradient);
  }
  adam(G, gradient, game.ofG, rate);
  return loss;
}

/** A game before its first step. */
export function begin(G, D, seed) {
  const memory = (net) => ({ mean: zeros(net), square: zeros(net), steps: 0 });
  return { G: [...G], D: [...D], ofG: memory(G), ofD: memory(D), chance: { state: seed }, steps: 0, losses: null };
}

/** One step of the game: D learns k times, then G. */
export function step(game, { data, k, rateG, rateD, loss }) {
  let d = 0;
  for (let i = 0; i < k; i++) d = discriminatorStep(game, real(data, game.chance), noise(game.chance), rateD);
  game.losses = [d, generatorStep(game, noise(game.chance), rateG, loss)];
  game.steps++;
}

/** A batch of real and of generated numbers, to look at. Their chance is their own: the game goes on as without them. */
export function samples(game, data) {
  const chance = { state: game.steps };
  return { real: real(data, chance), made: noise(chance).map((z) => output(game.G, z)) };
}

// --- densities on the grid LOW, LOW + WIDTH, ...

const bell = (x, centre, std) => Math.exp(-(((x - centre) / std) ** 2) / 2) / (std * Math.sqrt(2 * Math.PI));
export const places = Array.from({ length: CELLS + 1 }, (_, i) => LOW + WIDTH * i);
/** The density of the data at a place. */
export const truth = ({ centres, std }, x) => centres.reduce((sum, c) => sum + bell(x, c, std), 0) / centres.length;

/** The density of the generator on the grid: noise from -4 to 4, each value with its weight, shared by two neighbours. */
export function density(G) {
  const found = new Array(CELLS + 1).fill(0), part = 0.01;
  for (let i = 0; i <= 800; i++) {
    const z = -4 + part * i, place = (output(G, z) - LOW) / WIDTH, left = Math.floor(place);
    const weight = bell(z, 0, 1) * part / WIDTH;
    if (left >= 0 && left <= CELLS) found[left] += weight * (1 - (place - left));
    if (left >= -1 && left < CELLS) found[left + 1] += weight * (place - left);
  }
  return found;
}

/** How much of the two densities lies on each other, from 0 to 1. */
export const overlap = (data, q) => WIDTH * q.reduce((sum, v, i) => sum + Math.min(v, truth(data, places[i])), 0);

/** Where the game stands, in words. */
export function summary(game, data) {
  const share = `The generated density lies on ${Math.round(100 * overlap(data, density(game.G)))} % of the real one.`;
  if (!game.losses) return `Step ${game.steps}. ${share}`;
  const [d, g] = game.losses.map((v) => v.toFixed(2).replace("-", "−"));
  return `Step ${game.steps}. Loss of D ${d} (1.39 if it always says one half), of G ${g}. ${share}`;
}

const WIDE = 360, HIGH = 254, FLOOR = 164, ROOF = 12, NOISE = 234; // the picture in its own pixels
const LANES = { real: FLOOR + 4, made: FLOOR + 14 }, TALL = 7; // samples, each a stroke
const across = (x) => 10 + (WIDE - 36) * (Math.min(Math.max(x, LOW), TOP) - LOW) / (TOP - LOW);
const MARKS = Array.from({ length: 17 }, (_, i) => -2 + i / 4); // noise values whose way is drawn

function render({ model, el }) {
  const id = `glx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const data = () => get("worlds")[get("data")];
  const rules = () => ({ data: data(), k: get("k"), rateG: get("rate_g"), rateD: get("rate_d"), loss: get("loss") });
  const fresh = () => begin(get("weights").G, get("weights").D, get("seed"));
  let game = fresh(), playing = 0;
  const forth = (steps) => { for (let i = 0; i < steps; i++) step(game, rules()); };
  forth(get("steps"));

  // --- the picture: densities and D above the line; samples below it, and the generator's arrows

  const curve = (name) => h("path", { class: `glx-curve glx-${name}` });
  const [best, says, data_, made, arrows] = ["best", "d", "real", "made", "arrows"].map(curve);
  const strokes = Object.fromEntries(Object.keys(LANES).map((name) => [name, h("path", { class: `glx-samples glx-${name}` })]));
  const title = h("title");
  const words = [["x", WIDE - 14, FLOOR + 4], ["z", WIDE - 14, NOISE + 4], ["1", WIDE - 18, ROOF + 4], ["½", WIDE - 18, (ROOF + FLOOR) / 2 + 4]];
  const frame = `M${across(LOW)} ${FLOOR}H${across(TOP)}M${across(LOW)} ${NOISE}H${across(TOP)}M${across(LOW)} ${(ROOF + FLOOR) / 2}h4m${WIDE - 44} 0h4`;
  const picture = h("svg", { class: "glx-picture", role: "img", viewBox: `0 0 ${WIDE} ${HIGH}` }, title,
    h("path", { class: "glx-frame", d: frame }), best, data_, says, made, arrows, ...Object.values(strokes),
    ...words.map(([text, x, y]) => h("text", { x, y }, text)));
  const key = (name, word) => h("span", { class: "glx-one" },
    h("svg", { class: "glx-key", viewBox: "0 0 26 10", width: 26, height: 10, "aria-hidden": "true" },
      h("path", { class: `glx-curve glx-${name}`, d: "M1 5H25" })), word);
  const keys = h("p", { class: "glx-keys" }, key("real", "real"), " ", key("made", "generated"), " ", key("d", "D says"), " ", key("best", "best D"));
  const text = h("output", { class: "glx-said", "aria-live": "polite" });

  // --- the controls

  const choose = (name, label, options) => {
    const select = h("select", { id: `${id}-${name}`, onchange: (e) => put(name, options.find(([v]) => String(v) === e.target.value)[0]) },
      ...options.map(([value, word]) => h("option", { value }, word)));
    return { name, select, row: h("p", { class: "glx-row" }, h("label", { for: select.id }, label), select) };
  };
  const numbers = (name) => get(name).map((v) => [v, String(v)]);
  const chosen = [
    choose("data", "Data", [["one", "one bump"], ["two", "two bumps"]]),
    choose("loss", "Loss of G", [["non-saturating", "non-saturating"], ["saturating", "saturating"]]),
    choose("k", "Steps of D, k", numbers("ks")),
    choose("rate_g", "Rate of G", numbers("rates")),
    choose("rate_d", "Rate of D", numbers("rates")),
  ];
  const button = (label, onclick) => h("button", { type: "button", onclick }, label);
  const go = (steps) => { stop(); forth(steps); draw(); };
  const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
  const run = button("Play", () => (playing ? stop() : play()));
  const restart = () => { stop(); game = fresh(); draw(); };
  const buttons = [button("1 step", () => go(1)), button("50 steps", () => go(50)), ...(still ? [] : [run]), button("Start again", restart)];

  function play() {
    run.textContent = "Pause";
    text.setAttribute("aria-live", "off"); // nobody wants to hear every step
    const frame = () => { forth(2); draw(); playing = requestAnimationFrame(frame); };
    playing = requestAnimationFrame(frame);
  }
  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
    run.textContent = "Play";
    text.setAttribute("aria-live", "polite");
  }

  el.classList.add("glx");
  el.append(picture, keys, text, h("p", { class: "glx-buttons", role: "group", "aria-label": "Training" }, ...buttons),
    h("div", { class: "glx-controls" }, ...chosen.map((c) => c.row)));

  function draw() {
    const q = density(game.G), p = places.map((x) => truth(data(), x));
    const line = (values) => `M${values.map((v, i) => `${across(places[i]).toFixed(1)} ${(FLOOR - (FLOOR - ROOF) * Math.min(v, 1.05)).toFixed(1)}`).join("L")}`;
    data_.setAttribute("d", line(p));
    made.setAttribute("d", line(q));
    says.setAttribute("d", line(places.map((x) => sigmoid(output(game.D, x)))));
    best.setAttribute("d", line(p.map((v, i) => (v + q[i] > 0 ? v / (v + q[i]) : 0.5))));
    arrows.setAttribute("d", MARKS.map((z) => `M${across(z).toFixed(1)} ${NOISE}L${across(output(game.G, z)).toFixed(1)} ${LANES.made + TALL + 2}`).join(""));
    const drawn = samples(game, data());
    for (const [name, top] of Object.entries(LANES))
      strokes[name].setAttribute("d", drawn[name].map((x) => `M${across(x).toFixed(1)} ${top}v${TALL}`).join(""));
    text.textContent = summary(game, data());
    title.textContent = `Real and generated density and the discriminator on the line from ${LOW} to ${TOP}. ${text.textContent}`.replaceAll("-", "−");
    for (const { name, select } of chosen) select.value = String(get(name));
  }

  const watched = { data: restart, loss: draw, k: draw, rate_g: draw, rate_d: draw };
  for (const [name, listen] of Object.entries(watched)) model.on(`change:${name}`, listen);
  draw();
  return () => {
    stop();
    for (const [name, listen] of Object.entries(watched)) model.off(`change:${name}`, listen);
  };
}

export default { render };
