// Map of the Transformer (an anywidget module): boxes to open, sizes to change, norms to move. Python
// reads what a box is from the package; here it is drawn and counted. The arithmetic is exported for tests.

/** The value of a sum of products, [[factor, [names of sizes]], …], at these sizes. */
export const count = (terms, sizes) =>
  terms.reduce((sum, [factor, names]) => sum + names.reduce((product, name) => product * sizes[name], factor), 0);

/** A sum of products in letters: "4 d² + 4 d". */
export const formula = (terms, letters) => terms.map(([factor, names]) => {
  const words = names.map((name) => letters[name]).join(" ").replace("d d", "d²");
  return factor === 1 ? words : `${factor} ${words}`;
}).join(" + ");

/** Parameters: each box's own by key, those of each group in all blocks, the total. */
export function counts(parts, sizes) {
  const each = {}, groups = {};
  for (const { key, terms, group, repeated } of parts) {
    each[key] = count(terms, sizes);
    groups[group] = (groups[group] ?? 0) + each[key] * (repeated ? sizes.blocks : 1);
  }
  return { each, groups, total: Object.values(groups).reduce((a, b) => a + b, 0) };
}

/** A shape, its names replaced by their numbers: "1×7×512". */
export const shape = (names, sizes) => names.map((name) => sizes[name]).join("×");

/** The box to show: the chosen one, or where it is missing the last norm of its column. */
export function opened(parts, chosen) {
  const [side] = chosen.split(".");
  return parts.find(({ key }) => key === chosen)
    ?? parts.filter(({ key }) => key.startsWith(`${side}.norm`)).at(-1) ?? parts[0];
}

const thousands = (n) => n.toLocaleString("en-US");

/** What a box holds, in words. */
export function held({ terms, repeated, shared }, sizes, letters) {
  if (!terms.length) return shared ? "None of its own: it uses the table of the source." : "No parameters.";
  const words = `${formula(terms, letters)} = ${thousands(count(terms, sizes))} parameters`;
  return `${words}${repeated ? ` (× ${sizes.blocks})` : ""}.`;
}

/** What the whole model holds, in words, beside the paper's table where it has these sizes. */
export function whole(total, sizes, paper) {
  const same = paper.find((row) => Object.keys(row).every((name) => name === "millions" || row[name] === sizes[name]));
  return `All: ${thousands(total)}${same ? `; the paper says ${same.millions} million` : ""}.`;
}

const NAMED = ["source", "target", "vocabulary", "d_model", "nhead", "dim_feedforward", "blocks", "norm_first"];
const QKV = { queries: "query", keys: "key", values: "value" };

function render({ model, el }) {
  const id = `tmx-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const letters = get("letters"), order = () => Number(get("norm_first"));

  const map = h("svg", { class: "tmx-map", role: "group", "aria-labelledby": `${id}-title` });
  const name = h("b"), said = h("span"), own = h("p", { class: "tmx-own" }), all = h("p");
  const shapes = h("span");
  const text = h("output", { class: "tmx-said", "aria-live": "polite", "aria-atomic": "false" }, h("p", { class: "tmx-what" }, name, " ", said), own, all);
  const code = h("pre", { class: "tmx-code", tabindex: 0, role: "region", "aria-label": "Code of the chosen box" });
  const more = h("button", { class: "tmx-more", type: "button", "aria-expanded": "false", onclick: () => {
    const on = el.classList.toggle("tmx-whole");
    more.setAttribute("aria-expanded", on);
    more.textContent = on ? "less code" : "all code";
  } }, "all code");
  const controls = h("div", { class: "tmx-controls" });
  el.classList.add("tmx");
  el.append(map, h("div", { class: "tmx-box" }, text, h("p", { class: "tmx-shapes" }, shapes, more), code), controls);

  // --- controls

  const row = (label, control, ...more) => controls.append(h("p", { class: "tmx-row" }, h("label", { for: control.id }, label), control, ...more));
  const select = (trait, label, onchange) => {
    const made = h("select", { id: `${id}-${trait}`, onchange: (e) => onchange(e.target.value) });
    row(label, made);
    return made;
  };
  const number = (trait, label) => {
    const made = select(trait, label, (v) => {
      const d = trait === "d_model" ? +v : get("d_model");
      put({ [trait]: +v, ...(d % get("nhead") ? { nhead: 1 } : {}) });
    });
    return () => {
      const now = get(trait), fits = (n) => trait !== "nhead" || get("d_model") % n === 0;
      const offered = [...new Set([...get("choices")[trait], now])].filter(fits).sort((a, b) => a - b);
      if (made.dataset.offered !== `${offered}`) {
        made.replaceChildren(...offered.map((n) => h("option", { value: n }, thousands(n))));
        made.dataset.offered = `${offered}`;
      }
      made.value = now;
    };
  };
  const blocks = h("input", { type: "range", id: `${id}-blocks`, min: 1, max: 12, step: 1, oninput: (e) => put({ blocks: +e.target.value }) });
  const shown = h("span", { class: "tmx-shown", "aria-hidden": "true" });
  const others = [number("d_model", "Features d"), number("nhead", "Heads h"), number("dim_feedforward", "Hidden f"), number("vocabulary", "Tokens V")];
  row("Blocks N", blocks, shown);
  const norms = select("norms", "Norms", (v) => put({ norm_first: v === "pre" }));
  norms.append(h("option", { value: "post" }, "post-norm"), h("option", { value: "pre" }, "pre-norm"));

  // --- the drawing: made anew when the norms move, else only marked

  let groups = {}, arrows = [], notes = {}, bars = [], drawn = null;

  function build() {
    const plan = get("drawings")[order()], [wide, tall] = plan.size;
    const choose = (key) => ({
      onclick: () => put({ chosen: key }),
      onkeydown: (e) => {
        if (e.key !== "Enter" && e.key !== " ") return;
        e.preventDefault();
        put({ chosen: key });
      },
    });
    groups = {};
    for (const { key, label, title } of get("parts")[order()]) {
      const [x, y, width, height] = plan.boxes[key];
      groups[key] = h("g", { class: "tmx-part", role: "button", tabindex: 0, "aria-label": `${key.split(".")[0]}: ${title}`, ...choose(key) },
        h("rect", { x, y, width, height, rx: 4 }), h("text", { x: x + width / 2, y: y + 15.5 }, label));
    }
    arrows = plan.arrows.map((arrow) => ({ ...arrow, e: h("path", { d: arrow.d }) }));
    const note = (x, y, kind = "") => h("text", { x, y, class: `tmx-note ${kind}` });
    const [[x1, y1, w1, h1], [x2, y2, w2, h2]] = plan.frames;
    notes = { source: note(x1 + w1 / 2 + 5, tall - 3), target: note(x2 + w2 / 2 - 3, tall - 3),
      left: note(9, y1 + h1 / 2 + 4), right: note(wide - 9, y2 + h2 / 2 + 4), total: note(0, 14, "tmx-total"), unit: note(0, 29, "tmx-start") };
    bars = [...new Set(get("parts")[0].map(({ group }) => group))].map((group, i) => ({ group,
      bar: h("rect", { class: "tmx-bar", x: 82, y: 38 + 16 * i, height: 11 }), part: note(156, 48 + 16 * i, "tmx-end"),
      label: h("text", { x: 0, y: 48 + 16 * i, class: "tmx-note tmx-start" }, group) }));
    map.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    map.replaceChildren(h("title", { id: `${id}-title` }, "The Transformer, its encoder left, its decoder right. Each box can be opened."),
      ...plan.frames.map(([x, y, width, height]) => h("rect", { class: "tmx-frame", x, y, width, height, rx: 6 })),
      ...bars.flatMap(({ bar, label, part }) => [bar, label, part]), ...arrows.map(({ e }) => e),
      ...plan.signs.map(([x, y]) => h("g", { class: "tmx-sign" }, h("circle", { cx: x, cy: y, r: 5 }), h("path", { d: `M${x - 3} ${y}h6M${x} ${y - 3}v6` }))),
      ...Object.values(notes), ...Object.values(groups));
    drawn = order();
  }

  function draw() {
    if (drawn !== order()) build();
    const parts = get("parts")[order()], now = opened(parts, get("chosen"));
    const sizes = { batch: 1, ...Object.fromEntries(NAMED.map((n) => [n, get(n)])) };
    const found = counts(parts, sizes);
    for (const [key, e] of Object.entries(groups)) {
      e.setAttribute("aria-pressed", key === now.key);
      e.classList.toggle("tmx-chosen", key === now.key);
    }
    for (const { e, kind, from, to } of arrows) {
      const lit = from === now.key || to === now.key;
      e.setAttribute("class", `tmx-arrow${lit ? ` tmx-lit tmx-${now.group === "attention" && to === now.key ? kind : "data"}` : ""}`);
    }
    notes.source.textContent = `source: ${sizes.source} tokens`;
    notes.target.textContent = `target: ${sizes.target} tokens`;
    notes.left.textContent = `${sizes.blocks}×`; notes.right.textContent = `×${sizes.blocks}`;
    notes.total.textContent = thousands(found.total); notes.unit.textContent = "parameters";
    const most = Math.max(...Object.values(found.groups));
    for (const { group, bar, part } of bars) {
      const share = found.groups[group] / found.total;
      bar.setAttribute("width", Math.max(1, 42 * found.groups[group] / most).toFixed(1));
      part.textContent = `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
    }

    name.textContent = `${now.title[0].toUpperCase()}${now.title.slice(1)}.`;
    said.textContent = now.said;
    own.textContent = held(now, sizes, letters);
    all.textContent = whole(found.total, sizes, get("paper"));
    shapes.replaceChildren(...now.shapes.flatMap(([what, names]) => [
      h("span", { class: "tmx-shape" }, ...what.split(/(, )/).map((word) => h("b", { class: `tmx-${QKV[word] ?? "none"}` }, word)), ` ${shape(names, sizes)}`), " "]));
    const listing = now.code.map((place) => `# ${place}\n${get("listings")[place]}`).join("\n\n\n");
    if (code.textContent !== listing) { code.textContent = listing; code.scrollTop = code.scrollLeft = 0; }

    others.forEach((renew) => renew());
    blocks.value = shown.textContent = sizes.blocks;
    blocks.setAttribute("aria-valuetext", `${sizes.blocks}`);
    norms.value = order() ? "pre" : "post";
  }

  draw();
  for (const trait of [...NAMED, "chosen"]) model.on(`change:${trait}`, draw);
}

export default { render };
