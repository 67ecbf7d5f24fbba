// Heads explorer (an anywidget module): where the heads of a trained encoder look. What a page shows first stands
// in its state; for masks, for heads that are off and for the reader's own sentence the network itself comes, in a
// notebook with the state, on a page from a script beside it. Then everything is computed here, with no kernel.

const PAD = 0, UNKNOWN = 1, END = 3, WORD_END = "</w>";

/** A network from its file: sizes, how words are cut, and the numbers (see `pack` in the Python). */
export function network(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)), view = new DataView(bytes.buffer);
  let at = 4 + view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, at)));
  const { heads, layers, width: d, hidden } = header;
  const vector = (n) => {
    const found = new Float32Array(n);
    for (let i = 0; i < n; i++, at += 4) found[i] = view.getFloat32(at, true);
    return found;
  };
  const matrix = (rows, columns) => { // whole numbers, each row times its scale
    const scales = vector(rows), found = new Float32Array(rows * columns);
    for (let i = 0; i < found.length; i++, at++) found[i] = view.getInt8(at) * scales[Math.floor(i / columns)];
    return found;
  };
  const linear = (rows, columns) => ({ weight: matrix(rows, columns), bias: vector(rows) });
  const norm = () => ({ weight: vector(d), bias: vector(d) });
  const embedding = matrix(header.tokens.length, d);
  const blocks = Array.from({ length: layers }, (_, i) => i < layers - 1
    ? { project: linear(3 * d, d), out: linear(d, d), linear1: linear(hidden, d), linear2: linear(d, hidden), norm1: norm(), norm2: norm() }
    : { project: linear(2 * d, d), norm1: norm() });
  if (at !== bytes.length) throw new Error(`the file has ${bytes.length} bytes, the network ${at}`);
  return {
    heads, d, embedding, blocks, tokens: header.tokens,
    ids: new Map(header.tokens.map((token, i) => [token, i])),
    ranks: new Map(header.merges.map((pair, i) => [pair.join(" "), i])),
    names: new Set(header.names),
  };
}

// Python's \s, \d and \w without the underscore
const SPACE = /[\p{White_Space}\x1c-\x1f]+/gu;
const TOKEN = /\p{Nd}+(?:[.,]\p{Nd}+)*(?![\p{L}\p{N}])|[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*|[^\p{L}\p{N}_\p{White_Space}\x1c-\x1f]|_/gu;

/** Words and marks; the first word loses its capital, unless it is a name. */
export function words({ names }, text) {
  const found = text.normalize("NFC").replaceAll("\u2019", "'").replace(SPACE, " ").match(TOKEN) ?? [];
  if (!found.length || names.has(found[0])) return found;
  const [first, ...rest] = found[0];
  return [first.toLowerCase() + rest.join(""), ...found.slice(1)];
}

/** A word cut by byte pairs: neighbours are joined, those first that were learned first. */
export function pieces({ ranks }, word) {
  let symbols = [...word, WORD_END];
  for (;;) {
    const pairs = symbols.slice(1).map((right, i) => [ranks.get(`${symbols[i]} ${right}`) ?? Infinity, symbols[i], right]);
    const [rank, left, right] = pairs.reduce((a, b) => (b[0] < a[0] ? b : a), [Infinity]);
    if (rank === Infinity) return symbols;
    const joined = [];
    for (const symbol of symbols) {
      if (symbol === right && joined.at(-1) === left) joined.push(joined.pop() + symbol);
      else joined.push(symbol);
    }
    symbols = joined;
  }
}

/** A sentence as the network reads it: token numbers, at most `most`, the end among them. */
export function read(net, text, most) {
  const all = words(net, text).flatMap((word) => pieces(net, word)), kept = all.slice(0, most - 1);
  const unknown = [...new Set(kept.filter((piece) => !net.ids.has(piece)).map(written))];
  return { ids: [...kept.map((piece) => net.ids.get(piece) ?? UNKNOWN), END], unknown, cut: all.length > kept.length };
}

/** A token as a reader sees it. */
export const shown = ({ tokens }, id) => ({ [PAD]: "pad", [UNKNOWN]: "?", [END]: "end" })[id] ?? written(tokens[id]);

const written = (piece) => (piece.endsWith(WORD_END) ? piece.slice(0, -WORD_END.length) || "·" : `${piece}-`);

const linear = (rows, { weight, bias }, count = bias.length) => rows.map((x) => Float64Array.from({ length: count }, (_, r) => {
  let sum = bias[r];
  for (let k = 0, i = r * x.length; k < x.length; k++) sum += weight[i + k] * x[k];
  return sum;
}));

const layerNorm = (rows, { weight, bias }) => rows.map((x) => {
  const mean = x.reduce((a, b) => a + b) / x.length;
  const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length + 1e-5);
  return x.map((v, i) => (v - mean) * scale * weight[i] + bias[i]);
});

const plus = (rows, others) => rows.map((x, i) => x.map((v, k) => v + others[i][k]));

/** Softmax over the scores that are not hidden (`null`); hidden ones get 0. */
export function softmax(scores) {
  const most = Math.max(...scores.filter((s) => s !== null));
  const powers = scores.map((s) => (s === null ? 0 : Math.exp(s - most)));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / sum);
}

/** The weights of all heads, [layer][head][query][key]. Heads in `silent` (layer * heads + head) bring nothing. */
export function look({ heads, d, embedding, blocks }, ids, { hidePadding = false, causal = false, silent = [] } = {}) {
  const size = d / heads;
  let x = ids.map((id, place) => Float64Array.from({ length: d }, (_, i) => {
    const angle = place / 10000 ** ((i - (i % 2)) / d);
    return Math.sqrt(d) * embedding[id * d + i] + (i % 2 ? Math.cos(angle) : Math.sin(angle));
  }));
  return blocks.map((block, layer) => {
    const projected = linear(layerNorm(x, block.norm1), block.project); // queries, keys and values, side by side
    const pooled = x.map(() => new Float64Array(d));
    const weights = Array.from({ length: heads }, (_, head) => ids.map((_, q) => {
      const row = softmax(ids.map((id, k) => {
        if ((hidePadding && id === PAD) || (causal && k > q)) return null;
        let sum = 0;
        for (let i = head * size; i < (head + 1) * size; i++) sum += projected[q][i] * projected[k][d + i];
        return sum / Math.sqrt(size);
      }));
      if (block.out && !silent.includes(layer * heads + head)) row.forEach((weight, k) => {
        for (let i = head * size; i < (head + 1) * size; i++) pooled[q][i] += weight * projected[k][2 * d + i];
      });
      return row;
    }));
    if (block.out) {
      x = plus(x, linear(pooled, block.out));
      const hidden = linear(layerNorm(x, block.norm2), block.linear1).map((row) => row.map((v) => Math.max(v, 0)));
      x = plus(x, linear(hidden, block.linear2));
    }
    return weights;
  });
}

/** The entropy of a row in nats. */
export const entropy = (row) => row.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);

/** How much of a row's weight has moved, the mean of all rows of the layers after the first: total variation. */
export function moved(weights, before) {
  const rows = (all) => all.slice(1).flat(2), old = rows(before);
  const shares = rows(weights).map((row, i) => row.reduce((sum, p, k) => sum + Math.abs(p - old[i][k]), 0) / 2);
  return shares.reduce((a, b) => a + b, 0) / shares.length;
}

const named = (head, heads) => `${Math.floor(head / heads) + 1}.${(head % heads) + 1}`;
const percent = (p) => `${p > 0 && p < 0.005 ? "under 1" : Math.round(100 * p)}\u00a0%`;

/** What a word does, in words. */
export function outcome({ tokens, weights, word, padding = "none", pads = 0, causal = false, silent = [], change = 0 }) {
  const heads = weights[0].length, said = [];
  const all = weights.flat().map((rows, head) => ({ head, row: rows[word], entropy: entropy(rows[word]) })); // in one list
  const on = all.filter(({ head }) => !silent.includes(head)).sort((a, b) => a.entropy - b.entropy);
  const sharp = on[0], wide = on.at(-1), best = sharp.row.indexOf(Math.max(...sharp.row));
  const there = tokens.length - (padding === "hidden" ? pads : 0), seen = causal ? Math.min(there, word + 1) : there;
  said.push(`“${tokens[word]}” looks most sharply in head ${named(sharp.head, heads)}: ${sharp.row[best].toFixed(2)} at ` +
    `“${tokens[best]}”, entropy ${sharp.entropy.toFixed(2)} nats. Head ${named(wide.head, heads)} spreads most: ` +
    `${wide.entropy.toFixed(2)} of at most ${Math.log(seen).toFixed(2)}.`);
  if (causal) said.push("Later words are hidden.");
  if (padding === "hidden") said.push("Padding is hidden.");
  if (padding === "seen") {
    const share = ({ row }) => row.slice(-pads).reduce((a, b) => a + b);
    said.push(`Padding takes ${percent(all.reduce((sum, one) => sum + share(one), 0) / all.length)} of its weight (mean of all heads).`);
  }
  if (silent.length) {
    said.push(`With ${silent.map((head) => named(head, heads)).join(", ")} off, ${percent(change)} of a row's weight in ` +
      `layer ${weights.length > 2 ? `2 to ${weights.length}` : "2"} has moved (mean).`);
  }
  return said.join(" ");
}

function render({ model, el }) {
  const id = `hx-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (changes) => { for (const [name, value] of Object.entries(changes)) model.set(name, value); model.save_changes(); };
  const [layers, heads] = get("shape");
  let net = null, coming = false, failed = "", drawn = null; // drawn: the words that have columns
  const own = () => get("own").trim();
  const chosen = () => Math.min(get("sentence"), get("sentences").length - 1);

  // --- what is shown

  /** Weights that stood in the state: one list, in tenths of thousandths. */
  function plain() {
    const tokens = get("tokens")[chosen()], n = tokens.length, flat = get("plain")[chosen()];
    const row = (at) => flat.slice(at * n, (at + 1) * n).map((w) => w / 10000);
    const weights = Array.from({ length: layers }, (_, l) => Array.from({ length: heads }, (_, j) =>
      tokens.map((_, q) => row((l * heads + j) * n + q))));
    return { tokens, weights };
  }

  function computed() {
    const { ids, unknown, cut } = read(net, own() || get("sentences")[chosen()], get("most_tokens"));
    const all = [...ids, ...Array(get("padding") === "none" ? 0 : get("pads")).fill(PAD)];
    const options = { hidePadding: get("padding") === "hidden", causal: get("causal") };
    const weights = look(net, all, { ...options, silent: get("silent") });
    const change = get("silent").length ? moved(weights, look(net, all, options)) : 0;
    const notes = [cut && `Only the first ${get("most_tokens") - 1} pieces are read.`,
      unknown.length && `Not in its vocabulary, so “?”: ${unknown.join(" ")}`];
    return { tokens: all.map((token) => shown(net, token)), weights, change, note: notes.filter(Boolean).join(" ") };
  }

  function result() {
    const asked = own() || get("padding") !== "none" || get("causal") || get("silent").length;
    return asked ? net && computed() : plain();
  }

  async function load() {
    coming = true;
    try {
      net = network(await filed(get("weights")[0], get("places")[0]));
    } catch (error) {
      failed = `The network could not be had (${error.message}). Reload the page and try again.`;
    }
    coming = false;
    draw();
  }

  // --- the table: a column for each word, a row for each head

  const strip = h("tr", { class: "hx-words" });
  const rows = Array.from({ length: layers * heads }, (_, n) => {
    const name = named(n, heads), last = n >= (layers - 1) * heads; // what the last layer finds is not looked at here
    const toggle = () => put({ silent: get("silent").includes(n) ? get("silent").filter((m) => m !== n) : [...get("silent"), n].sort((a, b) => a - b) });
    const label = last ? name : h("button", { type: "button", class: "hx-head", "aria-label": `${name} off`, title: `Head ${name} off`, onclick: toggle }, name);
    return h("tr", { class: n && n % heads === 0 ? "hx-layer" : "" }, h("th", { scope: "row" }, label));
  });
  const table = h("table", { class: "hx-table" }, h("caption", {}, "Weights in per cent; 1.2 is layer 1, head 2. Hover or tap a word. Press a framed head to switch it off."),
    h("thead", {}, strip), h("tbody", {}, ...rows));
  const said = h("output", { class: "hx-said", "aria-live": "polite" });

  const choose = (word) => { if (word !== get("word")) put({ word }); };
  const buttons = () => [...strip.querySelectorAll("button")];
  pointed(strip, (e) => {
    const word = buttons().findIndex((b) => { const { left, right } = b.getBoundingClientRect(); return e.clientX >= left && e.clientX < right; });
    if (word >= 0) choose(word);
  });
  strip.addEventListener("keydown", (e) => {
    const last = drawn.length - 1, now = Math.min(get("word"), last);
    const to = { ArrowRight: Math.min(now + 1, last), ArrowLeft: Math.max(now - 1, 0), Home: 0, End: last }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    choose(to);
    buttons()[to].focus();
  });

  // --- controls

  const row = (label, control) => h("p", { class: "hx-row" }, h("label", { for: control.id }, label), control);
  const which = h("select", { id: `${id}-which`, onchange: (e) => put({ own: "", sentence: +e.target.value }) },
    ...get("sentences").map((text, i) => h("option", { value: i }, text)));
  const typed = h("input", { type: "text", id: `${id}-own`, maxlength: 80, autocomplete: "off", spellcheck: "false", oninput: (e) => put({ own: e.target.value }) });
  const fill = h("select", { id: `${id}-fill`, onchange: (e) => put({ padding: e.target.value }) },
    ...Object.entries(get("paddings")).map(([value, text]) => h("option", { value }, text)));
  const ahead = h("input", { type: "checkbox", id: `${id}-ahead`, onchange: (e) => put({ causal: e.target.checked }) });
  const size = Math.round(get("byte_counts")[0] / 1000);
  el.classList.add("hx");
  el.append(table, said, h("div", { class: "hx-controls" }, row("Sentence", which), row("Your own", typed), row("Padding", fill),
    h("p", { class: "hx-check" }, ahead, h("label", { for: ahead.id }, "Hide later words (causal mask)")),
    h("p", { class: "hx-note" }, `All but the first picture of each sentence is computed here, by the network: ${size} kB come when first needed.`)));

  // --- drawing

  function columns(tokens) { // they keep their elements while the words stay, and with them the focus
    if (JSON.stringify(tokens) === JSON.stringify(drawn)) return;
    drawn = tokens;
    strip.replaceChildren(h("th", { scope: "col" }, "head"), ...tokens.map((token, i) => h("th", { scope: "col" },
      h("button", { type: "button", class: "hx-word", "aria-label": token, onclick: () => choose(i) }, h("span", {}, token)))),
    h("th", { scope: "col", class: "hx-entropy", title: "entropy in nats" }, h("span", {}, "entropy")));
  }

  const cell = (weight, away) => h("td", { class: `hx-cell${away ? " hx-away" : ""}`, style: `--w: ${weight.toFixed(4)}` },
    h("span", { class: "hx-number" }, weight >= 0.095 ? `${Math.round(100 * weight)}` : ""), h("span", { class: "hx-bar" }));

  function draw() {
    const found = result();
    if (!found && !coming && !failed) load();
    const words = found?.tokens ?? drawn ?? get("tokens")[chosen()], word = Math.min(get("word"), words.length - 1);
    columns(words);
    buttons().forEach((button, i) => {
      button.setAttribute("aria-pressed", i === word);
      button.tabIndex = i === word ? 0 : -1;
    });
    const pads = get("padding") === "none" ? 0 : get("pads");
    const away = (k) => (get("causal") && k > word) || (get("padding") === "hidden" && k >= words.length - pads);
    rows.forEach((line, n) => {
      const weights = found?.weights[Math.floor(n / heads)][n % heads][word], off = get("silent").includes(n);
      while (line.children.length > 1) line.lastChild.remove();
      line.append(...words.map((_, k) => cell(weights?.[k] ?? 0, away(k))), h("td", { class: "hx-entropy" }, weights ? entropy(weights).toFixed(2) : "·"));
      line.classList.toggle("hx-off", off);
      line.querySelector("button")?.setAttribute("aria-pressed", off);
    });
    const state = { word, padding: get("padding"), pads, causal: get("causal"), silent: get("silent") };
    const text = found ? [outcome({ ...found, ...state }), found.note].filter(Boolean).join(" ") : failed || "The network is coming …";
    if (said.textContent !== text) said.textContent = text;
    which.value = chosen();
    if (typed.value !== get("own")) typed.value = get("own");
    fill.value = get("padding");
    ahead.checked = get("causal");
  }

  const renew = () => { failed = ""; draw(); };
  const watched = ["sentence", "own", "word", "padding", "causal", "silent"];
  for (const name of watched) model.on(`change:${name}`, renew);
  draw();
  return () => { for (const name of watched) model.off(`change:${name}`, renew); };
}

export default { render };
