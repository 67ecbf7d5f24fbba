// Next-word explorer: an anywidget front-end module. It counts the text that the page brings, and all that
// it shows is of these counts; the maths is exported, so that tests can compare it with the package's Python.

/** The numbers of `size` different tokens in a packed text: the small ones have one sign, the others two. */
export function unpack(text, size, signs) {
  const base = signs.length;
  let leads = 0;
  while (base - leads + leads * base < size) leads++;
  const single = base - leads, ids = [];
  for (let i = 0; i < text.length; i++) {
    const first = signs.indexOf(text[i]);
    ids.push(first < single ? first : single + (first - single) * base + signs.indexOf(text[++i]));
  }
  return ids;
}

/** Lower-case words, numbers and punctuation marks. */
export function tokenize(text) {
  const token = /\p{N}+(?:[.,]\p{N}+)*(?![\p{L}\p{N}])|[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*|[^\p{L}\p{N}\s]/gu;
  return text.normalize("NFC").replaceAll("\u2019", "'").toLowerCase().match(token) ?? [];
}

/** Counts of a text, made when they are asked for: by context, how often each token was seen after it. */
export function counter(ids, size) {
  const base = size + 1, kinds = new Set(ids).size, made = {};
  const key = (context) => context.reduce((sum, i) => sum * base + i + 1, 0);
  const add = (table, at, token, times) => {
    if (!table.has(at)) table.set(at, new Map());
    table.get(at).set(token, (table.get(at).get(token) ?? 0) + times);
  };
  const once = (name, make) => (made[name] ??= make());
  // How often each n-gram was seen.
  const seen = (n) => once(`seen${n}`, () => {
    const table = new Map();
    for (let i = n - 1; i < ids.length; i++) add(table, key(ids.slice(i - n + 1, i)), ids[i], 1);
    return table;
  });
  // After how many different tokens each n-gram was seen.
  const after = (n) => once(`after${n}`, () => {
    const table = new Map();
    for (const [at, tokens] of seen(n + 1)) {
      for (const token of tokens.keys()) add(table, at % base ** (n - 1), token, 1);
    }
    const first = key(ids.slice(0, n - 1)); // nothing stands before the text's beginning
    if (!table.get(first)?.has(ids[n - 1])) add(table, first, ids[n - 1], 1);
    return table;
  });
  // Modified Kneser-Ney: what a count of 1, of 2 and of more gives up.
  const discounts = (name, table) => once(`discounts ${name}`, () => {
    const of = [0, 0, 0, 0, 0];
    for (const tokens of table.values()) for (const c of tokens.values()) if (c < 5) of[c]++;
    if (!(of[1] && of[2] && of[3] && of[4])) return [0.5, 0.75, 0.75];
    const y = of[1] / (of[1] + 2 * of[2]);
    return [1, 2, 3].map((c) => Math.min(Math.max(c - ((c + 1) * y * of[c + 1]) / of[c], 0), c));
  });
  const at = (n, order) => {
    const [name, table] = n === order ? [`seen${n}`, seen(n)] : [`after${n}`, after(n)];
    return [table, discounts(name, table)];
  };
  return { size, kinds, length: ids.length, key, seen, at };
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** The probability of each token after `context` (at most order - 1 numbers), and last that of anything new. */
export function predict(counts, context, order, smoothing) {
  const n = context.length + 1, all = counts.kinds + 1;
  if (smoothing !== "kneser-ney") {
    const k = smoothing === "none" ? 0 : Number(smoothing.slice("add-".length));
    const tokens = counts.seen(n).get(counts.key(context)) ?? new Map();
    const total = sum([...tokens.values()]) + k * all;
    return Array.from({ length: counts.size + 1 }, (_, i) => (total ? ((tokens.get(i) ?? 0) + k) / total : 0));
  }
  let chances = Array(counts.size + 1).fill(1 / all);
  for (let length = 1; length <= n; length++) {
    const [table, discounts] = counts.at(length, order);
    const tokens = table.get(counts.key(context.slice(n - length)));
    if (!tokens) break; // never seen, so no longer context was
    const off = (c) => discounts[Math.min(c, 3) - 1];
    const seen = [...tokens.values()], total = sum(seen), freed = sum(seen.map(off));
    chances = chances.map((shorter, i) => {
      const c = tokens.get(i);
      return ((c ? c - off(c) : 0) + freed * shorter) / total;
    });
  }
  return chances;
}

/** What the next word is drawn with: no nameless ones, then temperature, then the cut. */
export function drawable(chances, temperature, cut) {
  const named = chances.map((p, i) => (i && i < chances.length - 1 ? p : 0));
  const top = Math.max(...named);
  if (!top) return named;
  const powers = named.map((p) => (p ? Math.exp(Math.log(p / top) / temperature) : 0)), all = sum(powers);
  const [way, size] = cut.split("-"), kept = Array(chances.length).fill(0);
  const order = powers.map((_, i) => i).sort((a, b) => powers[b] - powers[a] || a - b);
  let before = 0;
  for (const [rank, i] of order.entries()) {
    if ((way === "top" && rank >= +size) || (way === "nucleus" && before >= +size)) break;
    kept[i] = powers[i] / all;
    before += kept[i];
  }
  return kept.map((p) => p / before);
}

/** The token that the number `u`, from 0 to 1, draws; -1 if there is none. */
export function draw(drawn, u) {
  let before = 0, last = -1;
  for (const [i, p] of drawn.entries()) {
    if (!p) continue;
    last = i;
    before += p;
    if (u < before) break;
  }
  return last;
}

/** How many of the last tokens of a context were seen together, and how often. */
export function known(counts, context) {
  for (let from = 0; from <= context.length; from++) {
    const part = context.slice(from), tokens = counts.seen(part.length + 1).get(counts.key(part));
    if (tokens) return { length: part.length, times: sum([...tokens.values()]) };
  }
  return { length: 0, times: 0 };
}

/** The result in a sentence. */
export function summary(words, context, found, model, drawn) {
  const named = context.map((i) => (i ? words[i] : "(a rare word)"));
  const times = (n) => `${n} ${n === 1 ? "time" : "times"}`;
  const place = !context.length ? "Whatever stands before"
    : found.length === context.length ? `After “${named.join(" ")}”, seen ${times(found.times)}`
      : `“${named.join(" ")}” was never seen before a word` + (found.length ? `, “${named.slice(-found.length).join(" ")}” ${times(found.times)}` : "");
  const best = model.indexOf(Math.max(...model.slice(1, words.length)), 1);
  if (!drawn.some((p) => p)) return `${place}: counts alone know no next word here.`;
  const many = drawn.filter((p) => p).length;
  return `${place}: “${words[best]}” is the likeliest word, ${model[best].toFixed(2)}. ${many === 1 ? "One word" : `${many} words`} can be drawn.`;
}

/** A text with one more token, set as a writer would. */
export const append = (text, token) => (!text || /\s$/.test(text) || /^[.,;:!?)\]]/.test(token) ? text + token : `${text} ${token}`);

/** The n-th random number of a fixed sequence, from 0 to 1 (mulberry32). */
export function chance(n) {
  let t = (Math.imul(n, 0x6d2b79f5) + 0x6d2b79f5) | 0;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

const ROWS = 8;

function render({ model, el }) {
  const id = `nw-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const words = get("words"), numbers = new Map(words.map((word, i) => [word, i]));
  const counts = counter(unpack(get("text"), words.length, get("signs")), words.length);
  const first = get("beginning");

  const look = (text) => {
    const wanted = get("order") - 1, ids = tokenize(text).map((token) => numbers.get(token) ?? 0);
    const context = wanted ? ids.slice(-wanted) : [];
    const chances = predict(counts, context, get("order"), get("smoothing"));
    return { context, chances, drawn: drawable(chances, get("temperature"), get("cut")) };
  };
  const write = (howMany) => {
    let text = get("beginning"), draws = get("draws");
    for (let i = 0; i < howMany; i++) {
      const next = draw(look(text).drawn, chance(draws));
      if (next < 0) break;
      text = append(text, words[next]);
      draws++;
    }
    put({ beginning: text, draws });
  };

  // --- output: the likeliest words; a word that is pressed is written

  const said = h("output", { class: "nw-text", "aria-live": "polite" });
  const cell = (tag, kind, ...children) => h(tag, { class: `nw-${kind}` }, ...children);
  const rows = Array.from({ length: ROWS }, () => {
    const parts = { word: h("button", { type: "button", onclick: () => put({ beginning: append(get("beginning"), parts.word.textContent) }) }),
      model: cell("div", "model"), drawn: cell("div", "drawn"), p: cell("td", "number"), q: cell("td", "number") };
    parts.row = h("tr", {}, h("th", { scope: "row" }, parts.word), cell("td", "track", parts.model, parts.drawn), parts.p, parts.q);
    return parts;
  });
  const head = (text, kind) => h("th", { scope: "col", class: kind ?? false }, text);
  const rest = cell("td", "number"), restDrawn = cell("td", "number");
  const table = h("table", { class: "nw-table" },
    h("thead", {}, h("tr", {}, head("next word"), head(""), head("model", "nw-number"), head("drawn", "nw-number"))),
    h("tbody", {}, ...rows.map((r) => r.row),
      h("tr", { class: "nw-rest" }, h("th", { scope: "row", colspan: 2 }, "all others together"), rest, restDrawn)));

  // --- controls

  const field = (label, control, readout) => h("div", { class: "nw-field" },
    h("label", { for: control.id }, label), control, readout ?? "");
  const choice = (name, options, read = String) => h("select", { id: `${id}-${name}`, onchange: (e) => put({ [name]: read(e.target.value) }) },
    ...options.map(([value, text]) => h("option", { value }, text)));
  const typed = h("textarea", { id: `${id}-typed`, rows: 3, spellcheck: "false", oninput: (e) => put({ beginning: e.target.value }) });
  const order = choice("order", [[1, "n = 1: no word before"], [2, "n = 2: one word before"], ...[3, 4, 5].map((n) => [n, `n = ${n}: ${n - 1} words before`])], Number);
  const smoothing = choice("smoothing", Object.entries(get("smoothings")));
  const cut = choice("cut", Object.entries(get("cuts")));
  const heat = h("input", { type: "range", id: `${id}-heat`, min: -1, max: 1, step: 0.05,
    oninput: (e) => put({ temperature: +(10 ** e.target.value).toPrecision(3) }) });
  const heatShown = h("span", { class: "nw-readout", "aria-hidden": "true" });
  const button = (text, onclick) => h("button", { type: "button", onclick }, text);
  const writers = [button("Write a word", () => write(1)), button("Write 20", () => write(20))];
  const controls = h("div", { class: "nw-controls" },
    h("div", { class: "nw-typed" }, h("label", { for: typed.id }, "Beginning: type here"), typed),
    h("div", { class: "nw-buttons" }, ...writers, button("Begin again", () => put({ beginning: first, draws: 0 }))),
    field("Order", order), field("Smoothing", smoothing),
    field("Temperature", heat, heatShown), field("Draw from", cut),
    h("p", { class: "nw-title" }, `Counted: ${get("title") || "a text"}, ${counts.length.toLocaleString("en")} words. The ${words.length - 1} most frequent ones have names here; any other is a rare word, and is never written.`));

  el.classList.add("nw");
  el.append(said, table, controls);

  function show() {
    const { context, chances, drawn } = look(get("beginning"));
    said.textContent = summary(words, context, known(counts, context), chances, drawn);
    const best = chances.map((_, i) => i).filter((i) => i && i < words.length && chances[i] > 0)
      .sort((a, b) => chances[b] - chances[a] || a - b).slice(0, ROWS);
    const scale = Math.max(...best.flatMap((i) => [chances[i], drawn[i]]), 1e-9);
    rows.forEach(({ row, word, model: light, drawn: full, p, q }, r) => {
      const i = best[r], there = i !== undefined;
      row.classList.toggle("nw-none", !there);
      word.textContent = there ? words[i] : "–";
      word.disabled = !there;
      light.style.width = `${there ? (100 * chances[i]) / scale : 0}%`;
      full.style.width = `${there ? (100 * drawn[i]) / scale : 0}%`;
      p.textContent = there ? chances[i].toFixed(3) : "";
      q.textContent = there ? drawn[i].toFixed(3) : "";
    });
    const others = (values, all) => Math.max(0, all - sum(best.map((i) => values[i]))).toFixed(3);
    const any = drawn.some((x) => x);
    rest.textContent = any ? others(chances, 1) : "";
    restDrawn.textContent = any ? others(drawn, 1) : "";
    for (const b of writers) b.disabled = !any;
    if (typed.value !== get("beginning")) {
      typed.value = get("beginning");
      typed.scrollTop = typed.scrollHeight;
    }
    order.value = get("order"); smoothing.value = get("smoothing"); cut.value = get("cut");
    heat.value = Math.log10(get("temperature"));
    heatShown.textContent = get("temperature").toPrecision(2);
    heat.setAttribute("aria-valuetext", get("temperature").toPrecision(2));
  }

  show();
  for (const name of ["beginning", "order", "smoothing", "temperature", "cut"]) model.on(`change:${name}`, show);
}

export default { render };
