// Brings a page's explorers to life without a kernel.
//
// MyST-NB leaves two kinds of script element in a page: the state of all widgets (one), and a
// view for each place where one is shown. Every widget of the book is an anywidget: an ES module
// with `render({ model, el })`. This file plays its host (https://anywidget.dev/en/afm/): it
// keeps the state in the page and tells the views what changed. A still picture stands at each
// place until the explorer has drawn itself, and stays if it cannot.
(() => {
  "use strict";
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

  const equal = (a, b) => Object.is(a, b) || JSON.stringify(a) === JSON.stringify(b);

  /** The traits of one widget, shared by all its views. */
  class Model {
    constructor(state) {
      this.state = state;
      this.listeners = [];
    }

    get(name) {
      return this.state[name];
    }

    set(name, value) {
      const wanted = typeof name === "object" ? name : { [name]: value };
      const changed = Object.keys(wanted).filter((key) => !equal(this.state[key], wanted[key]));
      for (const key of changed) this.state[key] = wanted[key];
      for (const key of changed) this.emit(`change:${key}`, this, wanted[key]);
      if (changed.length) this.emit("change", this);
    }

    on(events, callback) {
      for (const event of events.split(/\s+/)) this.listeners.push({ event, callback });
    }

    off(events, callback) {
      const names = events?.split(/\s+/);
      this.listeners = this.listeners.filter(
        (l) => (names && !names.includes(l.event)) || (callback && callback !== l.callback),
      );
    }

    emit(event, ...details) {
      // A listener may add or remove others: go through those that were there.
      for (const l of [...this.listeners]) if (l.event === event) l.callback(...details);
    }

    save_changes() {} // there is no kernel to save to

    send() {
      console.info("[labnotes] this page has no kernel: the message went nowhere");
    }
  }

  const modules = new Map();
  function load(source) {
    if (!modules.has(source)) {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      modules.set(source, import(url).finally(() => URL.revokeObjectURL(url)));
    }
    return modules.get(source);
  }

  const styles = new Set();
  function addStyle(css) {
    if (!css || styles.has(css)) return;
    styles.add(css);
    document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  }

  const prepared = new Map();
  /** A model's module, with `initialize` called once however many views there are. */
  function prepare(model) {
    if (!prepared.has(model)) {
      prepared.set(model, (async () => {
        const module = await load(model.get("_esm"));
        const made = typeof module.default === "function" ? await module.default() : module.default;
        await made.initialize?.({ model });
        addStyle(model.get("_css"));
        return made;
      })());
    }
    return prepared.get(model);
  }

  /**
   * A finger that goes down on a slider moves its knob at once, in Chromium, also when it is about to
   * scroll the page. So an explorer hears of it when the finger has gone sideways or is lifted; if
   * the browser takes the finger for a scroll, the knob goes back and nothing has been said.
   */
  function passOver(el) {
    let held = null;
    const heard = () => {
      const { slider, moved } = held;
      held = null;
      if (moved) slider.dispatchEvent(new Event("input", { bubbles: true }));
    };
    el.addEventListener("pointerdown", (e) => {
      const slider = e.target.closest?.("input[type=range]"), { clientX: x, clientY: y } = e;
      held = slider && e.pointerType === "touch" ? { slider, value: slider.value, x, y } : null;
    }, true);
    el.addEventListener("input", (e) => {
      if (e.target !== held?.slider) return;
      held.moved = true;
      e.stopImmediatePropagation();
    }, true);
    el.addEventListener("pointermove", (e) => {
      const across = held ? Math.abs(e.clientX - held.x) : 0;
      if (across > 6 && across > Math.abs(e.clientY - held.y)) heard();
    }, true);
    el.addEventListener("pointerup", () => { if (held) heard(); }, true);
    el.addEventListener("pointercancel", () => {
      if (held) held.slider.value = held.value;
      held = null;
    }, true);
  }

  /**
   * What can be grabbed says `touch-action: none`. Chromium overlooks that on a part of a drawing, and
   * scrolls the page away under the finger that drags it.
   */
  function grab(el) {
    el.addEventListener("touchstart", (e) => {
      for (let part = e.target; part && part !== el; part = part.parentElement) {
        if (getComputedStyle(part).touchAction === "none") return e.preventDefault();
      }
    }, { passive: false });
  }

  async function mount(models, script) {
    const place = script.closest(".ln-explorer");
    const el = document.createElement("div");
    el.className = "ln-explorer-live";
    try {
      const model = models.get(JSON.parse(script.textContent).model_id);
      const widget = await prepare(model);
      script.after(el);
      await widget.render({ model, el });
      passOver(el);
      grab(el);
      place.classList.add("ln-explorer-on");
    } catch (error) {
      el.remove();
      place.style.minHeight = "0"; // no room for what does not come
      console.error("[labnotes] an explorer could not start; its picture stays.", error);
    }
  }

  function start() {
    const models = new Map();
    for (const script of document.querySelectorAll(STATE)) {
      for (const [id, { state }] of Object.entries(JSON.parse(script.textContent).state)) {
        models.set(id, new Model(state));
      }
    }
    // An explorer below the fold, in a closed box or a hidden tab waits until it comes near.
    const near = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        for (const script of target.querySelectorAll(VIEW)) mount(models, script);
      }
    }, { rootMargin: "400px" });
    for (const script of document.querySelectorAll(VIEW)) near.observe(script.closest(".ln-explorer"));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
