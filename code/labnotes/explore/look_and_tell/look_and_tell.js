// Look-and-tell explorer (an anywidget module): where a captioner looked for each word. All numbers come with the
// page, computed by the chapter's own network; here they are only shown.

const DARKEST = 0.85; // how black the picture is where the decoder does not look at all

/** How black each cell is drawn: 0 for the one that the decoder looks at most. */
export function opacities(weights) {
  const most = Math.max(...weights);
  return weights.map((w) => DARKEST * (1 - w / most));
}

/** What is known of a word of a caption, in a sentence or two. */
export function told({ words, maps, sure, gate, share, area }, n) {
  const weights = maps[n], cells = Math.sqrt(weights.length), best = weights.indexOf(Math.max(...weights));
  const text = `Word ${n + 1} of ${words.length}, “${words[n]}”, has a probability of ${sure[n]} %. The brightest square is `
    + `row ${Math.floor(best / cells) + 1}, column ${(best % cells) + 1}, with ${Math.round(weights[best] / 10)} % of the attention.`;
  const inside = share[n] < 0 ? "" : ` Inside the outlined shape are ${share[n]} %; it covers ${area[n]} % of the picture.`;
  return `${text}${inside} The gate is at ${gate[n]} %.`;
}

function render({ model, el }) {
  const id = `ltx-${Math.random().toString(36).slice(2)}`;
  const get = (name) => model.get(name);
  const put = (changes) => { for (const [name, value] of Object.entries(changes)) model.set(name, value); model.save_changes(); };
  const pictures = get("pictures"), side = pictures[0].side;
  const title = h("title", { id: `${id}-title` }), squares = h("g", { "aria-hidden": "true" });
  const frame = h("rect", { class: "ltx-frame", fill: "none" });
  const photo = h("img", { class: "ltx-photo", alt: "" });
  const map = h("svg", { class: "ltx-map", role: "img", "aria-labelledby": title.id, viewBox: `0 0 ${side} ${side}` }, title, squares, frame);
  const strip = h("div", { class: "ltx-words", role: "group", "aria-label": "Words of the caption" });
  const said = h("output", { class: "ltx-said", "aria-live": "polite" });
  const choice = (name, options, change) => h("select", { id: `${id}-${name}`, onchange: (e) => change(e.target.value) },
    ...options.map(([value, text]) => h("option", { value }, text)));
  const which = choice("which", pictures.map((_, i) => [i, `picture ${i + 1}`]), (v) => put({ picture: +v, word: 0 }));
  const width = choice("width", ["1", "3", "5"].map((w) => [w, w === "1" ? "1 (greedy)" : w]), (v) => {
    const words = pictures[get("picture")].captions[v].words.length;
    put({ width: v, word: Math.min(get("word"), words - 1) });
  });
  const row = (label, control) => h("p", { class: "ltx-row" }, h("label", { for: control.id }, label), control);
  el.classList.add("ltx");
  el.append(h("div", { class: "ltx-picture" }, photo, map), strip, said, h("div", { class: "ltx-controls" }, row("Picture", which), row("Beam width", width)));

  const caption = () => pictures[get("picture")].captions[get("width")];
  const choose = (word) => { if (word !== get("word")) put({ word }); };
  strip.addEventListener("keydown", (e) => {
    const last = caption().words.length - 1, now = Math.min(get("word"), last);
    const to = { ArrowRight: Math.min(now + 1, last), ArrowLeft: Math.max(now - 1, 0), Home: 0, End: last }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    choose(to);
    strip.children[to].focus();
  });

  let drawn = ""; // the words that have buttons
  function draw() {
    const now = caption(), n = Math.min(get("word"), now.words.length - 1), weights = now.maps[n];
    if (now.words.join(" ") !== drawn) {
      drawn = now.words.join(" ");
      strip.replaceChildren(...now.words.map((word, i) => h("button", { type: "button", class: "ltx-word", onclick: () => choose(i) }, word)));
    }
    [...strip.children].forEach((button, i) => {
      button.setAttribute("aria-pressed", i === n);
      button.tabIndex = i === n ? 0 : -1;
    });
    const uri = pictures[get("picture")].image;
    if (photo.getAttribute("src") !== uri) photo.setAttribute("src", uri);
    const cells = Math.sqrt(weights.length), wide = side / cells;
    squares.replaceChildren(...opacities(weights).map((o, i) => h("rect", { x: wide * (i % cells), y: wide * Math.floor(i / cells),
      width: wide, height: wide, fill: "#000", "fill-opacity": o.toFixed(3) })));
    const [x1, y1, x2, y2] = now.boxes[n].length ? now.boxes[n] : [0, 0, 0, 0];
    for (const [name, value] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 })) frame.setAttribute(name, value);
    which.value = get("picture"); width.value = get("width");
    title.textContent = `The picture, lit where the decoder looks for “${now.words[n]}”.`;
    const text = told(now, n);
    if (said.textContent !== text) said.textContent = text;
  }
  const watched = ["picture", "width", "word"];
  for (const name of watched) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of watched) model.off(`change:${name}`, draw); };
}

export default { render };
