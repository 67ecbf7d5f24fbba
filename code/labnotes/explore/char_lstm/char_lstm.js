// Writing explorer (an anywidget module): a trained LSTM goes on from what the reader types, character by
// character. Its weights, in half precision, come when they are asked for: in a notebook with the widget's
// state, on a page from a script beside it. Then everything is computed here, with no kernel.

/** Half-precision numbers, little-endian, in base64, as single precision. */
export function halves(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => {
    const bits = bytes[2 * i] | (bytes[2 * i + 1] << 8), power = (bits >> 10) & 31, part = bits & 1023;
    const size = power === 31 ? (part ? NaN : Infinity) : power ? (1 + part / 1024) * 2 ** (power - 15) : part * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
}

/**
 * The network from its numbers, in the order of torch's state dict: embedding, the LSTM's two matrices and two
 * biases, the last layer's matrix and bias.
 */
export function network(values, characters, embed, hidden) {
  const rows = 4 * hidden;
  const sizes = [characters * embed, rows * embed, rows * hidden, rows, rows, characters * hidden, characters];
  const total = sizes.reduce((a, b) => a + b);
  if (values.length !== total) throw new Error(`there are ${values.length} numbers, the network has ${total}`);
  let at = 0;
  const [embedding, wih, whh, bih, bhh, output, bias] = sizes.map((size) => values.subarray(at, (at += size)));
  // What each character brings to the gates is the same at every step: all of it is computed once.
  const read = new Float32Array(characters * rows);
  for (let c = 0; c < characters; c++) for (let row = 0; row < rows; row++) {
    let sum = bih[row] + bhh[row];
    for (let k = 0; k < embed; k++) sum += wih[row * embed + k] * embedding[c * embed + k];
    read[c * rows + row] = sum;
  }
  return { characters, hidden, read, whh, output, bias };
}

/** The state before the first character. */
export const empty = ({ hidden }) => ({ h: new Float32Array(hidden), c: new Float32Array(hidden) });

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** One step of the LSTM: the state after the character with this id. */
export function step({ hidden: n, read, whh }, state, id) {
  const before = state.h, h = new Float32Array(n), c = new Float32Array(n);
  for (let j = 0; j < n; j++) {
    const at = 4 * n * id + j, [rowI, rowF, rowG, rowO] = [j * n, (n + j) * n, (2 * n + j) * n, (3 * n + j) * n];
    let i = read[at], f = read[at + n], g = read[at + 2 * n], o = read[at + 3 * n];
    for (let k = 0; k < n; k++) { // four gates in one loop: that is faster than one after the other
      const x = before[k];
      i += whh[rowI + k] * x;
      f += whh[rowF + k] * x;
      g += whh[rowG + k] * x;
      o += whh[rowO + k] * x;
    }
    c[j] = sigmoid(f) * state.c[j] + sigmoid(i) * Math.tanh(g);
    h[j] = sigmoid(o) * Math.tanh(c[j]);
  }
  return { h, c };
}

/** The logits of the next character. */
export const logits = ({ hidden, output, bias }, { h }) => Array.from(bias, (sum, row) => {
  for (let k = 0; k < hidden; k++) sum += output[row * hidden + k] * h[k];
  return sum;
});

/** Softmax of the logits divided by the temperature. */
export function chances(values, temperature) {
  const most = Math.max(...values), powers = values.map((v) => Math.exp((v - most) / temperature));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / sum);
}

/** The id that a number between 0 and 1 draws. */
export function draw(probabilities, number) {
  let left = number;
  for (let i = 0; i < probabilities.length; i++) if ((left -= probabilities[i]) < 0) return i;
  return probabilities.indexOf(Math.max(...probabilities)); // rounding: the sum was a little below 1
}

/** Among how many equally likely characters the choice is as open: the exponential of the entropy. */
export const openness = (probabilities) =>
  Math.exp(-probabilities.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0));

/** The likeliest characters, [id, probability] each, the first ones first. */
export const likeliest = (probabilities, count) =>
  probabilities.map((p, id) => [id, p]).sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count);

/** `text` without what the alphabet lacks, and what that was. */
export function known(text, alphabet) {
  const all = [...text], has = new Set(alphabet);
  return { text: all.filter((c) => has.has(c)).join(""), unknown: [...new Set(all.filter((c) => !has.has(c)))] };
}

/** A character as a reader sees it. */
export const named = (character) => ({ " ": "space", "\n": "new line" })[character] ?? character;

const percent = (p) => (p >= 0.995 ? "over 99 %" : p < 0.005 ? "under 1 %" : `${Math.round(100 * p)} %`);

/** What comes next, in words. */
export function outcome(text, alphabet, probabilities, temperature) {
  const after = [...text].slice(-12).join("").replaceAll("\n", " ");
  const name = (c) => (named(c) === c ? `“${c}”` : named(c));
  const best = likeliest(probabilities, 3).map(([id, p]) => `${name(alphabet[id])} ${percent(p)}`).join(", ");
  return `${text ? `After “${after}”` : "At the beginning"}: ${best}. At temperature ${temperature.toFixed(2)} the choice is as ` +
    `open as one among ${openness(probabilities).toFixed(1)} equally likely characters.`;
}

const SHOWN = 7, AT_ONCE = 400, PAUSE = 35; // rows; characters for one press; milliseconds between two

function render({ model, el }) {
  const id = `clx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const nets = new Map(); // those that have come
  let written = get("written"), state = null, timer = null, note = "", coming = false;
  const chosen = () => Math.min(Math.max(get("network"), 0), get("titles").length - 1);
  const alphabet = () => [...get("alphabets")[chosen()]];
  const beginning = () => known(get("beginning"), alphabet());
  const first = () => get("network") === get("sampled")[0] && get("beginning") === get("sampled")[1] && written === get("written");

  // --- the text, and what may come next

  const begun = h("span", { class: "clx-begun" }), own = h("span", { class: "clx-own" });
  const page = h("div", { class: "clx-page", tabindex: 0, role: "group", "aria-label": "The text" }, begun, own);
  const body = h("tbody");
  const bars = h("table", { class: "clx-bars" }, h("caption", {}, "The next character"), body);
  const said = h("output", { class: "clx-said", "aria-live": "polite" });

  // --- the controls

  const row = (label, control, shown) => h("p", { class: "clx-row" }, h("label", { for: control.id }, label), control, shown ?? "");
  const begin = h("input", { type: "text", id: `${id}-begin`, maxlength: 80, autocomplete: "off", spellcheck: "false",
    oninput: (e) => put("beginning", e.target.value) });
  const heat = h("input", { type: "range", id: `${id}-heat`, min: 0.1, max: 1.5, step: 0.05, oninput: (e) => put("temperature", +e.target.value) });
  const heatShown = h("span", { class: "clx-shown", "aria-hidden": "true" });
  const which = h("select", { id: `${id}-which`, onchange: (e) => put("network", +e.target.value) },
    ...get("titles").map((title, i) => h("option", { value: i }, title)));
  const button = (label, onclick) => h("button", { type: "button", onclick }, label);
  const go = button("Write", () => (timer ? stop() : withNetwork(write)));
  const one = button("One more", () => { stop(); withNetwork(add); });
  const again = button("Start again", () => { stop(); forget(); });

  el.classList.add("clx");
  el.append(page, bars, said, h("div", { class: "clx-controls" }, row("Beginning", begin), row("Temperature", heat, heatShown),
    get("titles").length > 1 ? row("Has read", which) : "", h("p", { class: "clx-buttons" }, go, one, again)));

  // --- writing

  async function withNetwork(act) {
    const asked = chosen();
    if (coming) return;
    if (!nets.has(asked)) {
      coming = true;
      note = "The network is coming …";
      show();
      try {
        const [embed, hidden] = get("sizes")[asked];
        nets.set(asked, network(halves(await filed(get("weights")[asked], get("places")[asked])), alphabet().length, embed, hidden));
        note = "";
      } catch (error) {
        note = `The network could not be had (${error.message}). Reload the page and try again.`;
      }
      coming = false;
    }
    if (asked === chosen() && nets.has(asked)) act();
    else show();
  }

  // The state after the whole text: read anew after a change, else carried on.
  function reach() {
    const net = nets.get(chosen());
    if (!net) return null;
    if (!state) {
      const ids = new Map(alphabet().map((c, i) => [c, i]));
      state = empty(net);
      for (const c of beginning().text + written) state = step(net, state, ids.get(c));
    }
    return net;
  }

  function next() {
    const net = reach();
    if (net) return chances(logits(net, state), get("temperature"));
    return first() ? chances(get("logits"), get("temperature")) : null;
  }

  function add() {
    const net = reach(), drawn = draw(next(), Math.random());
    state = step(net, state, drawn);
    written += alphabet()[drawn];
    show();
  }

  function write() {
    let left = AT_ONCE;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      while (left--) { const net = reach(), drawn = draw(next(), Math.random()); state = step(net, state, drawn); written += alphabet()[drawn]; }
      return show();
    }
    timer = setInterval(() => { left -= 1; if (left < 1) stop(); add(); }, PAUSE);
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    show();
  }

  function forget() {
    written = "";
    state = null;
    note = "";
    show();
  }

  // --- drawing

  function table(probabilities) {
    const letters = alphabet();
    const found = probabilities ? likeliest(probabilities, SHOWN) : Array(SHOWN).fill([null, 0]);
    return found.map(([c, p]) => h("tr", {},
      h("th", { scope: "row" }, c == null ? "·" : named(letters[c])),
      h("td", { class: "clx-track" }, h("div", { class: "clx-bar", style: `width: ${(100 * p).toFixed(1)}%` })),
      h("td", { class: "clx-value" }, c == null ? "" : percent(p))));
  }

  function sentence(probabilities) {
    const { text, unknown } = beginning();
    const out = unknown.length ? ` Left out, for it has never read them: ${unknown.join(" ")}` : "";
    if (note) return note + out;
    if (timer) return `Writing.${out}`;
    if (probabilities) return outcome(text + written, alphabet(), probabilities, get("temperature")) + out;
    const size = Math.round(get("byte_counts")[chosen()] / 1000);
    return `Press “Write”: the network (${size} kB) comes, and goes on from “${text}” at temperature ${get("temperature").toFixed(2)}.${out}`;
  }

  function show() {
    const probabilities = next();
    begun.textContent = beginning().text;
    own.textContent = written;
    page.scrollTop = page.scrollHeight;
    body.replaceChildren(...table(probabilities));
    const words = sentence(probabilities);
    if (said.textContent !== words) said.textContent = words;
    if (begin.value !== get("beginning")) begin.value = get("beginning");
    const warm = get("temperature").toFixed(2);
    heat.value = get("temperature");
    heat.setAttribute("aria-valuetext", warm);
    heatShown.textContent = warm;
    which.value = chosen();
    go.textContent = timer ? "Stop" : "Write";
  }

  const renew = () => { clearInterval(timer); timer = null; forget(); };
  const changes = { network: renew, beginning: renew, temperature: show };
  for (const [name, act] of Object.entries(changes)) model.on(`change:${name}`, act);
  show();
  return () => {
    clearInterval(timer);
    for (const [name, act] of Object.entries(changes)) model.off(`change:${name}`, act);
  };
}

export default { render };
