// Boxes explorer (an anywidget module). Task "overlap": move two boxes and read their IoU. Task "nms":
// watch non-maximum suppression choose among scored boxes. The arithmetic is exported for the tests.

const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

/** Areas of the intersection and the union of two boxes [x1, y1, x2, y2], and their quotient, the IoU. */
export function overlap(a, b) {
  const wide = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]), 0);
  const tall = Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0);
  const common = wide * tall, union = area(a) + area(b) - common;
  return { common, union, iou: union ? common / union : 0 };
}

/** The steps of NMS: which box each one keeps, and which boxes go because they overlap it. */
export function suppress({ boxes, scores, labels, iou_threshold: limit, score_threshold: least, per_class: apart }) {
  let left = scores.map((_, i) => i).filter((i) => scores[i] >= least).sort((i, j) => scores[j] - scores[i] || i - j);
  const steps = [];
  while (left.length) {
    const [kept, ...rest] = left;
    const gone = rest.filter((i) => !(apart && labels[i] !== labels[kept]) && overlap(boxes[kept], boxes[i]).iou > limit);
    steps.push({ kept, gone });
    left = rest.filter((i) => !gone.includes(i));
  }
  return steps;
}

/** A box of the given size [w, h] at [x, y], moved so that it lies within the picture [w, h]. */
export function within([x, y], [w, h], [wide, tall]) {
  const left = Math.min(Math.max(Math.round(x), 0), wide - w), top = Math.min(Math.max(Math.round(y), 0), tall - h);
  return [left, top, left + w, top + h];
}

const LEAST = 10; // pixels: no side gets shorter
const NAMES = ["A", "B"];
const sizeOf = ([x1, y1, x2, y2]) => [x2 - x1, y2 - y1];
const rectangle = ([x1, y1, x2, y2]) => ({ x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) });

/** What the two boxes have in common, in words. */
export function told({ common, union, iou }) {
  const verdict = iou >= 0.5 ? "counts as found at a threshold of 0.5" : "too little for a threshold of 0.5";
  return `Intersection ${common}, union ${union} square pixels. IoU ${iou.toFixed(3)}: ${verdict}.`;
}

/** What the last step of NMS that is shown did, in words. */
export function narrated(steps, shown, { boxes, scores, labels, names }, waiting) {
  const all = `${steps.length} ${steps.length === 1 ? "box is" : "boxes are"} kept in the end.`;
  if (!shown) return `${waiting} boxes wait. ${all}`;
  const { kept, gone } = steps[shown - 1];
  const goes = gone.map((i) => `${i + 1} (IoU ${overlap(boxes[kept], boxes[i]).iou.toFixed(2)})`).join(", ");
  return `Step ${shown} of ${steps.length}: keep box ${kept + 1}, ${names[labels[kept]]} ${scores[kept].toFixed(2)}; ${goes ? `drop ${goes}` : "nothing to drop"}. ${all}`;
}

function render({ model, el }) {
  const id = `bxx-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const size = get("size");
  const title = h("title", { id: `${id}-title` }), drawn = h("g");
  const map = h("svg", { class: "bxx-map", viewBox: `-2 -2 ${size[0] + 4} ${size[1] + 4}`, role: "group", "aria-labelledby": `${id}-title` },
    title, h("rect", { class: "bxx-ground", width: size[0], height: size[1] }), drawn);
  const text = h("output", { class: "bxx-said", "aria-live": "polite" });
  const controls = h("div", { class: "bxx-controls" });
  const slider = (name, label, min, max, step, oninput) => {
    const input = h("input", { type: "range", id: `${id}-${name}`, min, max, step, oninput: (e) => oninput(+e.target.value) });
    const shown = h("span", { class: "bxx-shown", "aria-hidden": "true" });
    controls.append(h("p", { class: "bxx-row" }, h("label", { for: input.id }, label), input, shown));
    return (value, words = `${value}`, most) => {
      if (most != null) input.max = most;
      input.value = value; shown.textContent = words; input.setAttribute("aria-valuetext", words);
    };
  };
  el.classList.add("bxx");
  el.append(map, text, controls);
  const task = get("task") === "nms" ? suppression : twoBoxes;
  const [names, draw] = task();
  draw();
  for (const name of names) model.on(`change:${name}`, draw);

  function twoBoxes() {
    const box = (k) => get("pair")[k];
    const change = (k, value) => put({ selected: k, pair: get("pair").map((old, j) => (j === k ? value : old)) });
    const which = h("select", { id: `${id}-which`, onchange: (e) => put({ selected: +e.target.value }) },
      ...NAMES.map((name, k) => h("option", { value: k }, `box ${name}`)));
    controls.append(h("p", { class: "bxx-row" }, h("label", { for: which.id }, "Change"), which));
    const of = () => get("selected");
    const place = ["Left", "Top"].map((label, i) => slider(label, label, 0, size[i] - LEAST, 1, (v) => {
      const corner = box(of()).slice(0, 2); corner[i] = v;
      change(of(), within(corner, sizeOf(box(of())), size));
    }));
    const side = ["Width", "Height"].map((label, i) => slider(label, label, LEAST, size[i], 1, (v) => {
      const sides = sizeOf(box(of())); sides[i] = v;
      change(of(), within(box(of()), sides, size));
    }));
    // The boxes keep their elements while one is dragged: a finger's target must not vanish.
    const common = h("rect", { class: "bxx-common" });
    const groups = NAMES.map((name, k) => {
      const shape = h("rect"), label = h("text", { "aria-hidden": "true" }, name);
      const handle = h("rect", { class: "bxx-handle", width: 14, height: 14, "data-handle": true });
      const group = h("g", { class: `bxx-box bxx-${k}`, tabindex: 0, role: "slider", "aria-label": `Box ${name}, arrow keys move it`,
        "aria-valuemin": 0, "aria-valuemax": size[0] }, shape, handle, label);
      const moved = (dx, dy, from) => change(k, within([from[0] + dx, from[1] + dy], sizeOf(from), size));
      group.addEventListener("keydown", (e) => {
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
        if (!way) return;
        e.preventDefault();
        moved(...way.map((v) => v * (e.shiftKey ? 10 : 2)), box(k));
      });
      let held = null;
      const here = (e) => new DOMPoint(e.clientX, e.clientY).matrixTransform(map.getScreenCTM().inverse());
      group.addEventListener("pointerdown", (e) => {
        held = { at: here(e), from: box(k), sized: "handle" in e.target.dataset };
        group.setPointerCapture(e.pointerId);
        put({ selected: k });
      });
      group.addEventListener("pointermove", (e) => {
        if (!held) return;
        const p = here(e), dx = p.x - held.at.x, dy = p.y - held.at.y, from = held.from;
        if (!held.sized) return moved(dx, dy, from);
        const sides = sizeOf(from).map((s, i) => Math.round(Math.min(Math.max(s + [dx, dy][i], LEAST), size[i] - from[i])));
        change(k, within(from, sides, size));
      });
      for (const end of ["pointerup", "pointercancel"]) group.addEventListener(end, () => { held = null; });
      return { group, shape, handle, label };
    });
    drawn.append(common, ...groups.map(({ group }) => group));
    return [["pair", "selected"], () => {
      const [a, b] = get("pair"), found = overlap(a, b);
      const both = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
      for (const [name, value] of Object.entries(rectangle(both))) common.setAttribute(name, value);
      groups.forEach(({ group, shape, handle, label }, k) => {
        const [x1, y1, x2, y2] = box(k);
        for (const [name, value] of Object.entries(rectangle(box(k)))) shape.setAttribute(name, value);
        handle.setAttribute("x", x2 - 12); handle.setAttribute("y", y2 - 12);
        label.setAttribute("x", k ? x2 - 14 : x1 + 5); label.setAttribute("y", k ? y1 + 17 : y1 + 17);
        group.classList.toggle("bxx-chosen", k === of());
        group.setAttribute("aria-valuenow", x1);
        group.setAttribute("aria-valuetext", `left ${x1}, top ${y1}, IoU ${found.iou.toFixed(2)}`);
      });
      const sides = sizeOf(box(of()));
      which.value = of();
      [0, 1].forEach((i) => { place[i](box(of())[i], undefined, size[i] - sides[i]); side[i](sides[i]); });
      title.textContent = `Two boxes in a picture, A blue and B orange; what they share is green.`;
      text.textContent = told(found);
    }];
  }

  function suppression() {
    const step = slider("step", "Step", 0, 1, 1, (v) => put({ step: v }));
    const limit = slider("limit", "IoU threshold", 0, 1, 0.05, (v) => put({ iou_threshold: v }));
    const least = slider("least", "Least score", 0, 1, 0.05, (v) => put({ score_threshold: v }));
    const apart = h("input", { type: "checkbox", id: `${id}-apart`, onchange: (e) => put({ per_class: e.target.checked }) });
    controls.append(h("p", { class: "bxx-check" }, apart, h("label", { for: apart.id }, "Each class for itself")));
    return [["step", "iou_threshold", "score_threshold", "per_class"], () => {
      const state = Object.fromEntries(["boxes", "scores", "labels", "names", "iou_threshold", "score_threshold", "per_class"].map((n) => [n, get(n)]));
      const steps = suppress(state), shown = Math.min(get("step"), steps.length);
      const fate = state.scores.map((s) => (s < state.score_threshold ? "below" : "waits"));
      steps.slice(0, shown).forEach(({ kept, gone }) => { fate[kept] = "kept"; gone.forEach((i) => { fate[i] = "gone"; }); });
      if (shown) fate[steps[shown - 1].kept] = "kept bxx-now";
      const order = state.scores.map((_, i) => i).sort((i, j) => state.scores[i] - state.scores[j]);
      drawn.replaceChildren(...order.filter((i) => fate[i] !== "below").map((i) => {
        const [x1, y1] = state.boxes[i];
        return h("g", { class: `bxx-found bxx-${state.labels[i]} bxx-${fate[i]}` }, h("rect", rectangle(state.boxes[i])),
          h("text", { x: x1 + 4, y: y1 + 14 }, `${i + 1}`));
      }));
      const count = fate.filter((f) => f !== "below").length;
      step(shown, `${shown} of ${steps.length}`, steps.length);
      limit(state.iou_threshold, state.iou_threshold.toFixed(2));
      least(state.score_threshold, state.score_threshold.toFixed(2));
      apart.checked = state.per_class;
      title.textContent = `Boxes with scores: ${state.names.map((n, k) => `${n} ${["blue", "orange"][k]}`).join(", ")}. Thick ones are kept, dashed ones dropped.`;
      text.textContent = narrated(steps, shown, state, count);
    }];
  }
}

export default { render };
