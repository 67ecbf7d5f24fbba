// Fill-mask explorer: an anywidget front-end module. All numbers come with the page, computed by the chapter's
// network; what is made of them is exported, so that tests can compare it with the package's Python.

/** How much the hidden place looks at each token: the mean of all heads for 0, or head `head` - 1. */
export function looks(flat, tokens, head) {
  const rows = flat.length / tokens;
  const at = (row, i) => flat[row * tokens + i] / 10000;
  return Array.from({ length: tokens }, (_, i) => head ? at(head - 1, i) :
    Array.from({ length: rows }, (_, row) => at(row, i)).reduce((a, b) => a + b, 0) / rows);
}

/** The names of what can be looked at: the mean, then "block 1, head 1" and so on. */
export function heads(layers, count) {
  const one = (n) => `block ${Math.floor(n / count) + 1}, head ${(n % count) + 1}`;
  return ["mean of all heads", ...Array.from({ length: layers * count }, (_, n) => one(n))];
}

/** The same place in another sentence, or its last one. */
export const within = (place, tokens) => Math.max(0, Math.min(place, tokens - 3));

/** What the picture shows, in words. */
export function outcome(tokens, place, guesses, [chance, rank], weights) {
  const true_ = tokens[place + 1], at = tokens[weights.indexOf(Math.max(...weights))];
  const first = guesses[0];
  const verdict = rank === 1 ? `The first guess is right: “${true_}”, ${(chance / 10000).toFixed(2)}.` :
    `The first guess is “${first[0]}”, ${(first[1] / 10000).toFixed(2)}; “${true_}” has rank ${rank}, ${(chance / 10000).toFixed(3)}.`;
  return `${verdict} The hidden place looks most at “${at}”, ${Math.max(...weights).toFixed(2)}.`;
}

function render({ model, el }) {
  const id = `fm-${Math.random().toString(36).slice(2)}`; // one module may serve many views
  const get = (name) => model.get(name);
  const put = (changes) => { for (const [name, value] of Object.entries(changes)) model.set(name, value); model.save_changes(); };
  const names = heads(...get("shape"));
  let drawn = -1; // the sentence whose words stand there

  const strip = h("div", { class: "fm-words", role: "group", "aria-label": "Words of the sentence: choose one to hide" });
  const bars = h("div", { class: "fm-bars" });
  const said = h("output", { class: "fm-said", "aria-live": "polite" });
  const row = (label, control) => h("p", { class: "fm-row" }, h("label", { for: control.id }, label), control);
  const which = h("select", { id: `${id}-which`, onchange: (e) => {
    const to = +e.target.value;
    put({ sentence: to, place: within(get("place"), get("tokens")[to].length) });
  } }, ...get("sentences").map((text, i) => h("option", { value: i }, text)));
  const head = h("select", { id: `${id}-head`, onchange: (e) => put({ head: +e.target.value }) },
    ...names.map((name, i) => h("option", { value: i }, name)));
  el.classList.add("fm");
  el.append(strip, bars, said, row("Sentence", which), row("Attention", head),
    h("p", { class: "fm-note" }, "Press a word, or move with the arrow keys: it is hidden. Numbers below the words: how much the hidden place looks at them, in per cent."));

  const buttons = () => [...strip.querySelectorAll("button")];
  strip.addEventListener("keydown", (e) => {
    const last = get("tokens")[get("sentence")].length - 3, now = get("place");
    const to = { ArrowRight: Math.min(now + 1, last), ArrowLeft: Math.max(now - 1, 0), Home: 0, End: last }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    put({ place: to });
    buttons()[to].focus();
  });

  function words(sentence, tokens) { // they keep their elements while the sentence stays, and with them the focus
    if (sentence === drawn) return;
    drawn = sentence;
    strip.replaceChildren(...tokens.map((token, i) => {
      const inner = i > 0 && i < tokens.length - 1;
      const face = inner ? h("button", { type: "button", class: "fm-word", onclick: () => put({ place: i - 1 }) }, token) :
        h("span", { class: "fm-word" }, token);
      return h("span", { class: "fm-token" }, face, h("span", { class: "fm-share" }));
    }));
  }

  function draw() {
    const s = Math.min(get("sentence"), get("sentences").length - 1), tokens = get("tokens")[s];
    const place = within(get("place"), tokens.length), guesses = get("guesses")[s][place];
    const weights = looks(get("weights")[s][place], tokens.length, get("head"));
    words(s, tokens);
    [...strip.children].forEach((token, i) => {
      token.style.setProperty("--w", weights[i].toFixed(4));
      token.lastChild.textContent = Math.round(100 * weights[i]);
      token.classList.toggle("fm-hidden", i === place + 1);
    });
    buttons().forEach((button, i) => {
      button.setAttribute("aria-pressed", i === place);
      button.tabIndex = i === place ? 0 : -1;
    });
    bars.replaceChildren(...guesses.map(([token, tenths]) => h("div", { class: `fm-guess${token === tokens[place + 1] ? " fm-right" : ""}` },
      h("span", { class: "fm-name" }, token), h("span", { class: "fm-track" }, h("span", { class: "fm-bar", style: `width: ${tenths / 100}%` })),
      h("span", { class: "fm-number" }, (tenths / 10000).toFixed(2)))));
    const text = outcome(tokens, place, guesses, get("truths")[s][place], weights);
    if (said.textContent !== text) said.textContent = text;
    which.value = s;
    head.value = get("head");
  }

  const watched = ["sentence", "place", "head"];
  for (const name of watched) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of watched) model.off(`change:${name}`, draw); };
}

export default { render };
