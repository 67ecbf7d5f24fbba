// Beam explorer (an anywidget module): the tree of a beam search through the log-probabilities of a model, which
// come with the page. The search runs here and is exported for the tests.

/** What a log-probability is divided by, for a sequence of `length` tokens. */
export function divisor(rule, alpha, length) {
  return rule === "gnmt" ? ((5 + length) / 6) ** alpha : length ** alpha;
}

/** The beam after each step, the best first: [{ tokens, score, from }], `from` its place in the line before. */
export function search({ rows, end, length }, { width, rule, alpha }) {
  const rank = (h) => h.score / divisor(rule, alpha, h.tokens.length);
  const best = (some, by) => some.map((h) => [h, by(h)]).sort((a, b) => b[1] - a[1]).slice(0, width).map(([h]) => h);
  const lines = [];
  let line = [{ tokens: [], score: 0 }];
  for (let n = 0; n < length; n++) {
    const ended = [], grown = [];
    line.forEach(({ tokens, score }, from) => {
      if (tokens.at(-1) === end) return ended.push({ tokens, score, from });
      const row = [...rows[tokens.join(",")]].sort((a, b) => a[0] - b[0]); // equal ones stand in the order of tokens
      for (const [token, value] of row) grown.push({ tokens: [...tokens, token], score: score + value, from });
    });
    // Those that have ended stand in line with the others for the places in the beam.
    line = best([...best(grown, (h) => h.score), ...ended], rank);
    lines.push(line);
    if (line.every((h) => h.tokens.at(-1) === end)) break;
  }
  return lines;
}

/** The words of a hypothesis. */
export function words({ tokens: names, end }, { tokens }) {
  return tokens.filter((t) => t !== end).map((t) => names[t]).join("").trim() || "(nothing)";
}

/** What the search has found, or what is known of one beginning, in words. */
export function told(tree, lines, { width, rule, alpha }, node) {
  const score = (h) => {
    const n = h.tokens.length, by = divisor(rule, alpha, n);
    const share = alpha ? `, divided by ${by.toFixed(2)} for ${n} token${n > 1 ? "s" : ""}: ${(h.score / by).toFixed(2)}` : "";
    return `log-probability ${h.score.toFixed(2)}${share}`;
  };
  if (node) {
    const ended = node.tokens.at(-1) === tree.end, on = lines.at(-1)[0].tokens;
    const fate = node.tokens.every((t, i) => t === on[i]) ? "It belongs to the result." : ended ? "It has ended." : "";
    return `“${words(tree, node)}”: ${score(node)}. ${fate}`.trim();
  }
  const last = lines.at(-1), greedy = search(tree, { width: 1, rule, alpha }).at(-1)[0];
  const same = greedy.tokens.join() === last[0].tokens.join();
  const other = width === 1 ? "" : same ? " Greedy search finds the same." : ` Greedy search finds “${words(tree, greedy)}”: ${score(greedy)}.`;
  return `${width === 1 ? "Greedy search" : `A beam of ${width}`} finds “${words(tree, last[0])}”: ${score(last[0])}.${other}`;
}

const COLUMN = 68, ROW = 43, TOP = 26, RULES = { power: "length ^ exponent", gnmt: "((5 + length) / 6) ^ exponent" };

function render({ model, el }) {
  const id = `btx-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => { for (const [name, value] of Object.entries(changes)) model.set(name, value); model.save_changes(); };
  const trees = get("sentences"), widest = 5;
  const tallest = Math.max(...trees.map((t) => t.length));
  const title = h("title", { id: `${id}-title` }), edges = h("g", { "aria-hidden": "true" }), nodes = h("g", { "aria-hidden": "true" });
  const picture = h("svg", { class: "btx-tree", role: "img", "aria-labelledby": `${id}-title`,
    viewBox: `0 0 ${COLUMN * widest} ${TOP + ROW * tallest + 6}` }, title, edges, nodes);
  const said = h("output", { class: "btx-said", "aria-live": "polite" });
  const controls = h("div", { class: "btx-controls" });
  const row = (control, label) => {
    const shown = h("span", { class: "btx-shown", "aria-hidden": "true" });
    controls.append(h("p", { class: "btx-row" }, h("label", { for: control.id }, label), control, shown));
    return shown;
  };
  const choice = (name, options, onchange) => h("select", { id: `${id}-${name}`, onchange: (e) => onchange(e.target.value) },
    ...options.map(([value, text]) => h("option", { value }, text)));
  const slider = (name, min, max, step, oninput) => h("input", { type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => oninput(+e.target.value) });
  const which = choice("which", trees.map((t, i) => [i, t.source]), (v) => put({ sentence: +v, looked: -1 }));
  const width = slider("width", 1, widest, 1, (v) => put({ width: v, looked: -1 }));
  const alpha = slider("alpha", 0, 2, 0.25, (v) => put({ alpha: v, looked: -1 }));
  const rule = choice("rule", Object.entries(RULES), (v) => put({ rule: v, looked: -1 }));
  const look = slider("look", -1, 0, 1, (v) => put({ looked: v }));
  row(which, "Sentence");
  const shown = { width: row(width, "Width"), alpha: row(alpha, "Exponent") };
  row(rule, "Divide by");
  row(look, "Look at");
  el.classList.add("btx");
  el.append(picture, said, controls);

  let drawn = []; // each beginning that is drawn, its place
  pointed(picture, (e) => { // the nearest beginning is looked at
    const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(picture.getScreenCTM().inverse());
    const away = drawn.map(({ x, y }) => Math.hypot(x - p.x, y - p.y)), nearest = Math.min(...away);
    const looked = nearest < 34 ? away.indexOf(nearest) : -1;
    if (looked !== get("looked")) put({ looked });
  });

  function draw() {
    const tree = trees[get("sentence")], now = { width: get("width"), rule: get("rule"), alpha: get("alpha") };
    const lines = search(tree, now), best = lines.at(-1)[0].tokens, left = (COLUMN * (widest - now.width)) / 2;
    const onBest = (h) => h.tokens.every((t, i) => t === best[i]);
    // A beginning lives on if one of those that are left at the end begins with it.
    const lives = (h) => lines.at(-1).some((last) => h.tokens.every((t, i) => t === last.tokens[i]));
    drawn = []; const lined = [], written = [];
    lines.forEach((line, n) => line.forEach((one, i) => {
      const x = left + COLUMN * (i + 0.5), y = TOP + ROW * n + 16;
      const from = n ? left + COLUMN * (one.from + 0.5) : (COLUMN * widest) / 2;
      const stays = n && one.tokens.length === lines[n - 1][one.from].tokens.length;
      const kind = onBest(one) ? "btx-best" : lives(one) ? "btx-lives" : "btx-dies";
      lined.push(h("path", { class: `btx-edge ${kind}${stays ? " btx-stays" : ""}`, d: `M${from} ${n ? y - ROW + 17 : TOP - 8}L${x} ${y - (stays ? -12 : 15)}` }));
      if (stays) return;
      const chosen = drawn.length === get("looked");
      const name = tree.tokens[one.tokens.at(-1)].trim(), end = one.tokens.at(-1) === tree.end;
      if (chosen) written.push(h("rect", { class: "btx-chosen", x: x - 33, y: y - 14, width: 66, height: 30, rx: 4 }));
      written.push(h("text", { class: `btx-token ${kind}${end ? " btx-end" : ""}`, x, y: y - 1 }, end ? "end" : name.length > 9 ? `${name.slice(0, 8)}…` : name),
        h("text", { class: `btx-score ${kind}`, x, y: y + 11 }, one.score.toFixed(2)));
      drawn.push({ x, y, one });
    }));
    edges.replaceChildren(...lined);
    nodes.replaceChildren(h("text", { class: "btx-token", x: (COLUMN * widest) / 2, y: 14 }, "beginning"), ...written);
    which.value = get("sentence"); width.value = shown.width.textContent = now.width;
    alpha.value = shown.alpha.textContent = now.alpha; rule.value = now.rule;
    look.max = drawn.length - 1; look.value = get("looked");
    const node = drawn[get("looked")]?.one;
    look.setAttribute("aria-valuetext", node ? words(tree, node) : "the result");
    title.textContent = `The beginnings that a beam of ${now.width} keeps at each step, the best at the left; thick: the result.`;
    said.textContent = told(tree, lines, now, node);
  }
  draw();
  for (const name of ["sentence", "width", "rule", "alpha", "looked"]) model.on(`change:${name}`, draw);
}

export default { render };
