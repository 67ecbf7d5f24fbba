// BLEU explorer: an anywidget front-end module. The maths is exported, so that tests can compare
// it with labnotes.metrics.bleu, and runs here, so that the page needs no kernel.

/** The words of a text: split at white space, as Python's str.split. */
export const tokenize = (text) => text.split(/\s+/u).filter(Boolean);

/** How often each n-gram occurs; the key joins its words with blanks. */
export function countNgrams(tokens, n) {
  const counts = new Map();
  for (let i = 0; i + n <= tokens.length; i++) {
    const key = tokens.slice(i, i + n).join(" ");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** How often each n-gram may be matched: its count in the reference that has it most often. */
export function allowedNgrams(references, n) {
  const allowed = new Map();
  for (const reference of references) {
    for (const [key, count] of countNgrams(reference, n)) {
      allowed.set(key, Math.max(count, allowed.get(key) ?? 0));
    }
  }
  return allowed;
}

/** [matches, total] of one order. */
export function clippedCounts(candidate, references, n) {
  const allowed = allowedNgrams(references, n);
  let matches = 0, total = 0;
  for (const [key, count] of countNgrams(candidate, n)) {
    matches += Math.min(count, allowed.get(key) ?? 0);
    total += count;
  }
  return [matches, total];
}

/** Length of the reference closest in length; of two as close, the shorter. */
export function closestLength(length, references) {
  return references.map((r) => r.length)
    .sort((a, b) => Math.abs(a - length) - Math.abs(b - length) || a - b)[0];
}

export const brevityPenalty = (c, r) => (c === 0 ? 0 : Math.exp(Math.min(0, 1 - r / c)));

/** The paper's BLEU of one sentence, without smoothing. */
export function bleu(candidate, references, maxN = 4) {
  const counts = Array.from({ length: maxN }, (_, i) => clippedCounts(candidate, references, i + 1));
  const precisions = counts.map(([m, t]) => (t ? m / t : 0));
  const c = candidate.length, r = closestLength(c, references);
  const penalty = brevityPenalty(c, r);
  const mean = Math.exp(precisions.reduce((sum, p) => sum + Math.log(p), 0) / maxN);
  return { score: penalty * mean, precisions, penalty, c, r,
    matches: counts.map(([m]) => m), totals: counts.map(([, t]) => t) };
}

/** The notes' variant: exponents 1/2, 1/4, 1/8 ... and one reference. */
export function bleuD2l(candidate, reference, k) {
  let score = brevityPenalty(candidate.length, reference.length);
  for (let n = 1; n <= Math.min(k, candidate.length); n++) {
    const [m, t] = clippedCounts(candidate, [reference], n);
    score *= (m / t) ** (0.5 ** n);
  }
  return score;
}

/**
 * How n-grams that begin at the places 0, 1, ... cover a text of `length` words. `words` holds what
 * becomes of each word: "hit" if an n-gram that counts covers it, "clipped" if only n-grams do
 * whose matches are used up, or "". `joined[i]` is true if one that counts covers word i and the next.
 */
function cover(length, n, kindAt) {
  const words = Array(length).fill(""), joined = Array(Math.max(0, length - 1)).fill(false);
  for (let i = 0; i + n <= length; i++) {
    const kind = kindAt(i);
    if (kind === "hit") joined.fill(true, i, i + n - 1);
    for (let j = i; j < i + n; j++) if (kind === "hit" || !words[j]) words[j] = kind;
  }
  return { words, joined };
}

/** What counts in a candidate whose n-grams are matched from left to right. */
export function marks(candidate, references, n) {
  const left = allowedNgrams(references, n), known = new Set(left.keys());
  return cover(candidate.length, n, (i) => {
    const key = candidate.slice(i, i + n).join(" ");
    if (!known.has(key)) return "";
    left.set(key, left.get(key) - 1);
    return left.get(key) >= 0 ? "hit" : "clipped";
  });
}

/** Which n-grams of a reference the candidate has. */
export function known(reference, candidate, n) {
  const have = countNgrams(candidate, n);
  return cover(reference.length, n, (i) => (have.has(reference.slice(i, i + n).join(" ")) ? "hit" : ""));
}

const number = (value) => value.toFixed(3);

function render({ model, el }) {
  const id = `bx-${Math.random().toString(36).slice(2)}`; // one for each view
  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const reference = (i) => model.get("references")[i] ?? "";

  const area = (name, label, read, write) => {
    const input = h("textarea", { id: `${id}-${name}`, rows: 2, spellcheck: "false",
      oninput: () => write(input.value) });
    const row = h("div", { class: "bx-field" }, h("label", { for: input.id }, label), input);
    // Never write back what the reader is typing: the caret would jump to the end.
    return { row, sync: () => { if (input.value !== read()) input.value = read(); } };
  };
  const slider = (name, label, top) => {
    const readout = h("span", { class: "bx-readout", "aria-hidden": "true" });
    const input = h("input", { type: "range", id: `${id}-${name}`, min: 1, max: top(), step: 1,
      oninput: () => put(name, Number(input.value)) });
    const row = h("div", { class: "bx-slider" }, h("label", { for: input.id }, label), input, readout);
    return { row, sync: () => {
      input.max = top();
      input.value = model.get(name);
      readout.textContent = model.get(name);
    } };
  };
  const setReference = (i) => (text) =>
    put("references", [0, 1].map((j) => (j === i ? text : reference(j))));

  const controls = [
    area("candidate", "Candidate", () => model.get("candidate"), (text) => put("candidate", text)),
    area("reference", "Reference", () => reference(0), setReference(0)),
    area("second", "Second reference, or nothing", () => reference(1), setReference(1)),
    slider("max_n", "Longest n-gram, N", () => 4),
    slider("shown", "Mark n-grams with n =", () => model.get("max_n")),
  ];
  const examples = model.get("examples");
  const choice = h("select", { id: `${id}-example`, onchange: () => {
    const example = examples[Number(choice.value)];
    if (!example) return;
    model.set("candidate", example.candidate);
    model.set("references", [...example.references]);
    model.save_changes();
  } }, h("option", { value: "" }, "your own sentences"),
  ...examples.map((example, i) => h("option", { value: i }, example.name)));

  const texts = h("div", { class: "bx-texts" });
  const bars = h("table", { class: "bx-bars" });
  const summary = h("output", { class: "bx-summary", "aria-live": "polite" });
  el.classList.add("bx");
  el.append(
    h("div", { class: "bx-result" }, texts, bars, summary),
    h("div", { class: "bx-controls" },
      h("div", { class: "bx-field" }, h("label", { for: choice.id }, "Start from"), choice),
      ...controls.map((control) => control.row)),
  );

  // Words that one counted n-gram holds together share a mark.
  const line = (label, tokens, { words, joined }) => {
    const paragraph = h("p", {}, h("span", { class: "bx-name" }, label));
    tokens.forEach((token, i) => {
      if (i && joined[i - 1]) return paragraph.lastChild.append(` ${token}`);
      paragraph.append(" ", words[i] ? h("mark", { class: `bx-${words[i]}` }, token) : h("span", {}, token));
    });
    return paragraph;
  };
  const bar = (label, detail, value, kind) => h("tr", {},
    h("th", { scope: "row" }, label), h("td", { class: "bx-detail" }, detail),
    h("td", { class: "bx-track" },
      h("div", { class: `bx-bar bx-${kind}`, style: `width: ${100 * value}%` })),
    h("td", { class: "bx-value" }, number(value)));

  function draw() {
    const N = model.get("max_n"), n = Math.min(model.get("shown"), N);
    if (n !== model.get("shown")) return put("shown", n); // comes back here
    controls.forEach((control) => control.sync());
    choice.value = String(examples.findIndex((e) => e.candidate === model.get("candidate") &&
      [0, 1].every((i) => (e.references[i] ?? "") === reference(i)))).replace("-1", "");
    const candidate = tokenize(model.get("candidate"));
    const references = [0, 1].map((i) => tokenize(reference(i))).filter((r) => r.length);
    if (!references.length) {
      texts.replaceChildren(); bars.replaceChildren();
      summary.textContent = "Type at least one reference.";
      return;
    }
    const result = bleu(candidate, references, N), variant = bleuD2l(candidate, references[0], N);
    texts.replaceChildren(
      line("Candidate:", candidate, marks(candidate, references, n)),
      ...references.map((r, i) => line(`Reference ${i + 1}:`, r, known(r, candidate, n))),
      h("p", { class: "bx-legend" }, h("mark", { class: "bx-hit" }, "matched"), " ",
        h("mark", { class: "bx-clipped" }, "clipped: matches used up")));
    bars.replaceChildren(
      h("caption", {}, "Precisions, penalty and score"),
      ...result.precisions.map((p, i) =>
        bar(`p${i + 1}`, `${result.matches[i]} of ${result.totals[i]}`, p, "precision")),
      bar("BP", `length ${result.c} to ${result.r}`, result.penalty, "penalty"),
      bar(`BLEU-${N}`, "the paper's", result.score, "score"),
      bar("variant", "the notes'", variant, "variant"));
    summary.textContent = `BLEU-${N} is ${number(result.score)}: ` +
      `precisions ${result.matches.map((m, i) => `${m}/${result.totals[i]}`).join(", ")}, ` +
      `brevity penalty ${number(result.penalty)}. ` +
      `The notes' variant${references.length > 1 ? ", which knows only reference 1," : ""} ` +
      `gives ${number(variant)}.`;
  }

  draw();
  for (const name of ["candidate", "references", "max_n", "shown"]) model.on(`change:${name}`, draw);
}

export default { render };
