// Softmax explorer: an anywidget front-end module. The maths is exported, so that tests can compare
// it with the package's Python, and runs here, so that the page needs no kernel.

/** Probabilities of logits at a temperature. */
export function softmax(logits, temperature = 1) {
  const top = Math.max(...logits);
  const exps = logits.map((z) => Math.exp((z - top) / temperature));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => e / total);
}

/** Minus the logarithm of the label's probability: from logits, so that it stays finite. */
function crossEntropy(logits, label) {
  const top = Math.max(...logits);
  return Math.log(logits.reduce((sum, z) => sum + Math.exp(z - top), 0)) + top - logits[label];
}

/** From a gradient by probabilities `p` to the one by the logits that they came from. */
function throughSoftmax(p, gradient) {
  const mean = gradient.reduce((sum, g, i) => sum + p[i] * g, 0);
  return p.map((pi, i) => pi * (gradient[i] - mean));
}

/** Probabilities, loss and gradient (by the logits) of a state. */
export function judge({ logits, label, temperature, loss }) {
  const scaled = logits.map((z) => z / temperature), p = softmax(scaled);
  const missing = (q) => q.map((qi, i) => qi - (i === label ? 1 : 0)); // probability minus one-hot
  let value, gradient;
  if (loss === "cross_entropy") {
    value = crossEntropy(scaled, label);
    gradient = missing(p);
  } else if (loss === "squared") {
    value = missing(p).reduce((sum, d) => sum + d * d, 0);
    gradient = throughSoftmax(p, missing(p).map((d) => 2 * d));
  } else if (loss === "twice") {
    value = crossEntropy(p, label);
    gradient = throughSoftmax(p, missing(softmax(p)));
  } else throw new Error(`unknown loss ${loss}`);
  return { probabilities: p, loss: value, gradient: gradient.map((g) => g / temperature) };
}

const REACH = 10;
const clamp = (z) => Math.min(REACH, Math.max(-REACH, z));

/** The logits after one step of gradient descent, learning rate 1. */
export function step(state) {
  const { gradient } = judge(state);
  return state.logits.map((z, i) => clamp(z - gradient[i]));
}

/** A number that may be very small, in few characters. */
export function short(x) {
  if (x === 0) return "0";
  if (Math.abs(x) >= 0.001) return x.toFixed(3).replace("-", "−");
  const [digit, power] = x.toExponential(0).split("e-");
  return `${digit.replace("-", "−")}·10⁻${[...power].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`;
}

/** The result in a sentence. */
export function summary({ probabilities: p, loss, gradient }, names, label) {
  const top = p.indexOf(Math.max(...p));
  const verdict = top === label ? `rightly guesses ${names[top]}` : `guesses ${names[top]}, the label is ${names[label]}`;
  return `The model ${verdict}, whose probability is ${short(p[label])}. Loss ${short(loss)}; slope at the label's logit ${short(gradient[label])}.`;
}

// Three lanes in a drawing 360 wide: [centre or left end, length]; rows of 46.
const LOGIT = [56, 50], CHANCE = [126, 104], SLOPE = [300, 50], TOP = 24, ROW = 46;

function render({ model, el }) {
  const id = `smx-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (name, value) => {
    if (JSON.stringify(value) !== JSON.stringify(get(name))) model.set(name, value);
    model.save_changes();
  };
  const state = () => Object.fromEntries(["logits", "label", "temperature", "loss"].map((n) => [n, get(n)]));
  const setLogit = (i, z) => put("logits", get("logits").map((old, j) => (j === i ? z : old)));

  // --- output: three bars for each class; the lanes of the logits can be tapped and drawn along

  const names = get("names");
  const drawing = h("svg", { class: "smx-drawing", role: "img", "aria-labelledby": `${id}-title`,
    viewBox: `0 0 360 ${TOP + ROW * names.length}` });
  // The lanes keep their elements while a finger draws along one of them: its target must not vanish.
  const rows = h("g", { "pointer-events": "none" }), lanes = names.map((_, i) => h("rect", { class: "smx-lane",
    x: LOGIT[0] - LOGIT[1], y: TOP + ROW * i + 18, width: 2 * LOGIT[1], height: 18, rx: 3 }));
  drawing.append(h("title", { id: `${id}-title` }, "For each class: its logit, its probability, and the gradient of the loss by its logit."),
    ...[["logit", 6], ["probability", CHANCE[0]], ["gradient", SLOPE[0] - SLOPE[1]]].map(([text, x]) =>
      h("text", { class: "smx-head", x, y: 14 }, text)), ...lanes, rows);
  pointed(drawing, (e) => {
    if (e.type === "pointermove" && e.pointerType === "mouse" && !e.buttons) return;
    const at = new DOMPoint(e.clientX, e.clientY).matrixTransform(drawing.getScreenCTM().inverse());
    const row = Math.floor((at.y - TOP) / ROW);
    if (at.x > LOGIT[0] + LOGIT[1] + 8 || row < 0 || row >= names.length) return;
    setLogit(row, Math.round(10 * clamp((REACH * (at.x - LOGIT[0])) / LOGIT[1])) / 10);
  });
  const said = h("output", { class: "smx-text", "aria-live": "polite" });

  // --- controls

  const field = (label, control, readout) => h("div", { class: "smx-field" },
    h("label", { for: control.id }, label), control, readout ?? "");
  const choice = (name, options, onchange) => h("select", { id: `${id}-${name}`, onchange },
    ...options.map(([value, text]) => h("option", { value }, text)));
  const slider = (name, min, max, size, oninput) => h("input", {
    type: "range", id: `${id}-${name}`, min, max, step: size, oninput: (e) => oninput(+e.target.value),
  });
  const readout = () => h("span", { class: "smx-readout", "aria-hidden": "true" });

  const kind = choice("loss", Object.entries(get("losses")), (e) => put("loss", e.target.value));
  const right = choice("label", names.map((name, i) => [i, name]), (e) => put("label", +e.target.value));
  const heat = slider("temperature", -1, 1, 0.05, (v) => put("temperature", +(10 ** v).toPrecision(3)));
  const heatShown = readout();
  const sliders = names.map((_, i) => slider(`logit${i}`, -REACH, REACH, 0.1, (v) => setLogit(i, v)));
  const shown = names.map(readout);
  const down = h("button", { type: "button", onclick: () => put("logits", step(state())) }, "One step of gradient descent");
  const controls = h("div", { class: "smx-controls" },
    ...sliders.map((s, i) => field(`Logit of ${names[i]}`, s, shown[i])),
    field("Temperature", heat, heatShown), field("Label", right), field("Loss", kind), down);

  el.classList.add("smx");
  el.append(drawing, said, controls);

  const bar = (kind, from, length, y) => h("rect", { class: `smx-${kind}`, y: y + 20,
    x: Math.min(from, from + length), width: Math.max(1, Math.abs(length)), height: 14 });
  const line = (x, y) => h("path", { class: "smx-axis", d: `M${x} ${y + 17}v20` });

  function draw() {
    const now = state(), found = judge(now);
    rows.replaceChildren(...names.map((name, i) => {
      const y = TOP + ROW * i, z = now.logits[i], p = found.probabilities[i], g = found.gradient[i];
      const length = SLOPE[1] * Math.max(-1, Math.min(1, g));
      return h("g", {},
        h("text", { class: i === now.label ? "smx-label" : "", x: 6, y: y + 13 }, `${name} ${z.toFixed(1).replace("-", "−")}${i === now.label ? " (label)" : ""}`),
        h("text", { x: CHANCE[0], y: y + 13 }, short(p)),
        h("text", { x: SLOPE[0] - SLOPE[1], y: y + 13 }, short(g)),
        bar("logit", LOGIT[0], (LOGIT[1] * z) / REACH, y), line(LOGIT[0], y),
        bar("chance", CHANCE[0], CHANCE[1] * p, y), line(CHANCE[0], y),
        bar(g > 0 ? "up" : "down", SLOPE[0], length, y), line(SLOPE[0], y));
    }));
    said.textContent = summary(found, names, now.label);
    sliders.forEach((s, i) => {
      s.value = now.logits[i];
      shown[i].textContent = now.logits[i].toFixed(1);
    });
    heat.value = Math.log10(now.temperature);
    heatShown.textContent = now.temperature.toPrecision(2);
    heat.setAttribute("aria-valuetext", now.temperature.toPrecision(2));
    right.value = now.label;
    kind.value = now.loss;
  }

  draw();
  for (const name of ["logits", "label", "temperature", "loss"]) model.on(`change:${name}`, draw);
}

export default { render };
