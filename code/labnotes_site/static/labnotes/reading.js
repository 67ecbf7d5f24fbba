// What a page does for its reader besides the theme: nothing wide is cut without a sign, tables
// become cards on a phone, figures open at full size, and boxes that cover the page can be closed.
(() => {
  "use strict";
  const PHONE = matchMedia("(max-width: 600px)");
  const SCROLLS = ".katex-display, .pst-scrollable-table-container, .ln-figure, pre, .cell_output > .output";
  const SMALLEST = 0.75; // of a formula's usual size

  const MOST_LINES = 40; // that a table's cards may have

  const FITTED = [".katex-display", ".pst-scrollable-table-container"];

  const inside = (part, kind) => [...(part.matches(kind) ? [part] : []), ...part.querySelectorAll(kind)];
  const wide = (e) => e.scrollWidth > e.clientWidth + 1;

  /** A formula that no line break can help is made smaller, down to what is legible. */
  function fitFormula(box) {
    if (!wide(box)) return;
    box.style.fontSize = `${Math.max(SMALLEST, (box.clientWidth / box.scrollWidth) * 0.99)}em`;
  }

  /** A table too wide for a phone: each row a card, its first cell the card's title. */
  function fitTable(box) {
    const table = box.querySelector("table");
    if (!table || !PHONE.matches || !wide(box)) return;
    const heads = [...table.querySelectorAll("thead tr:last-child > *")];
    const rows = [...table.querySelectorAll("tbody tr, tfoot tr")];
    const long = rows.length * (heads.length - 1) > MOST_LINES;
    // It scrolls, its first column stays. (A syllabus has texts in its cells, which want the width.)
    if (long && !box.matches(".ln-syllabus")) return;
    const plain = heads.length > 1 && rows.every((row) => row.cells.length === heads.length);
    if (!plain || table.querySelector("[rowspan], [colspan]")) return;
    for (const row of rows) {
      [...row.cells].forEach((cell, i) => (cell.dataset.head = heads[i].textContent.trim()));
    }
    // As blocks its parts would be no table any more for a screen reader.
    table.setAttribute("role", "table");
    table.querySelectorAll("thead, tbody, tfoot").forEach((e) => e.setAttribute("role", "rowgroup"));
    table.querySelectorAll("tr").forEach((e) => e.setAttribute("role", "row"));
    table.querySelectorAll("td").forEach((e) => e.setAttribute("role", "cell"));
    heads.forEach((e) => e.setAttribute("role", "columnheader"));
    box.classList.add("ln-cards");
  }

  /** Fade the edge behind which there is more; what scrolls can be scrolled by key. */
  function mark(box) {
    const more = wide(box);
    box.classList.toggle("ln-more-right", more && box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
    box.classList.toggle("ln-more-left", more && box.scrollLeft > 2);
    if (more) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    if (more && !box.matches("pre") && !box.ariaLabel) {
      box.setAttribute("role", "group");
      box.ariaLabel = "Wide content: scroll sideways";
    }
  }

  /** Fit what stands in one section: first undo, then measure, so that it is laid out only twice. */
  function fitPart(part) {
    const [formulas, tables] = FITTED.map((kind) => inside(part, kind));
    formulas.forEach((e) => (e.style.fontSize = ""));
    tables.forEach((e) => e.classList.remove("ln-cards"));
    formulas.forEach(fitFormula);
    tables.forEach(fitTable);
    inside(part, SCROLLS).forEach((box) => {
      if (!box.dataset.watched) box.addEventListener("scroll", () => mark(box), { passive: true });
      box.dataset.watched = "yes";
      mark(box);
    });
  }

  const parts = [...document.querySelectorAll(".bd-article > :not(section), .bd-article > section > *")]
    .filter((part) => inside(part, `${FITTED}, ${SCROLLS}`).length);
  const waiting = new Set();
  const soon = window.requestIdleCallback ?? ((work) => setTimeout(work, 1));
  let due = 0;

  // A section far away has no layout yet (content-visibility), and measuring it would make one.
  const isLaidOut = (part) => part.localName !== "section"
    || part.firstElementChild.checkVisibility({ contentVisibilityAuto: true });

  /** One section after the other, what is seen first, with room between for what the reader does. */
  function fitNext() {
    due = 0; // whatever happens below, the next change is fitted
    const ready = [...waiting].filter(isLaidOut);
    const seen = ready.find((part) => {
      const { top, bottom } = part.getBoundingClientRect();
      return top < innerHeight && bottom > 0;
    });
    const next = seen ?? ready[0];
    if (next) {
      waiting.delete(next);
      fitPart(next);
    }
    due = ready.length > 1 ? soon(fitNext, { timeout: 300 }) : 0;
    document.documentElement.toggleAttribute("data-ln-fitting", due > 0);
  }

  /** Fit once, however much has changed: "open all" opens fifty boxes. */
  function fit(changed = parts) {
    for (const part of changed) waiting.add(part);
    due ||= requestAnimationFrame(fitNext);
    document.documentElement.toggleAttribute("data-ln-fitting", true);
  }
  // What comes near is fitted at once, before it is seen.
  addEventListener("contentvisibilityautostatechange", ({ skipped, target }) => {
    if (!skipped && waiting.delete(target)) fitPart(target);
  }, { capture: true });

  /** A figure opens at full size, over the page. */
  function zoom(image) {
    const dialog = document.createElement("dialog");
    dialog.className = "ln-zoom";
    dialog.setAttribute("aria-label", "Figure at full size");
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.onclick = () => dialog.close();
    const room = document.createElement("div");
    const large = image.cloneNode();
    large.removeAttribute("style");
    large.style.width = `${Math.max(image.naturalWidth, innerWidth)}px`;
    room.append(large);
    dialog.append(close, room);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("dialog[open] .bd-toc a[href*='#'], dialog[open] .page-toc a");
    link?.closest("dialog").close();
    const image = event.target.closest("article img[data-least]");
    if (image && PHONE.matches && !event.target.closest("a, dialog")) zoom(image);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.querySelector("dialog[open]")?.close();
  });
  // A link into a closed box opens it.
  function open() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let box = target; box; box = box.parentElement) if (box.localName === "details") box.open = true;
  }
  addEventListener("hashchange", open);

  // What was closed had no width.
  addEventListener("toggle", ({ target }) => fit(parts.filter((part) => part.contains(target))), { capture: true });

  let last = 0;
  addEventListener("resize", () => {
    if (innerWidth !== last) fit();
    last = innerWidth;
  });
  addEventListener("beforeprint", () => {
    waiting.forEach(fitPart);
    waiting.clear();
    document.querySelectorAll("details:not([open])").forEach((e) => {
      e.open = true;
      e.dataset.printed = "yes";
    });
  });
  addEventListener("afterprint", () => {
    document.querySelectorAll("details[data-printed]").forEach((e) => {
      e.open = false;
      delete e.dataset.printed;
    });
  });
  open();
  fit();
  last = innerWidth;
  // Letters that a formula needs may come after those of the first page: what they change is fitted.
  document.fonts.addEventListener("loadingdone", () => fit());
  // A formula asks for its letters when it comes near, and would be set anew before the reader's eyes.
  const letters = {
    ".katex": "1em KaTeX_Main", ".mathnormal": "italic 1em KaTeX_Math", ".mathbf": "bold 1em KaTeX_Main",
    ".mathbb, .amsrm": "1em KaTeX_AMS", ".mathcal": "1em KaTeX_Caligraphic",
    ".delimsizing.size1, .small-op": "1em KaTeX_Size1", ".delimsizing.size2, .large-op": "1em KaTeX_Size2",
    ".delimsizing.size3": "1em KaTeX_Size3", ".delimsizing.size4, .delim-size4": "1em KaTeX_Size4",
  };
  addEventListener("load", () => Object.entries(letters).forEach(([kind, font]) => {
    if (document.querySelector(kind)) document.fonts.load(font);
  }));

  // A long list of sections scrolls by itself: the section being read stays in sight.
  addEventListener("activate.bs.scrollspy", (event) => {
    const list = document.querySelector(".bd-sidebar-secondary");
    const entry = event.relatedTarget?.getBoundingClientRect(), box = list?.getBoundingClientRect();
    if (!entry || !box) return;
    if (entry.bottom > box.bottom || entry.top < box.top) list.scrollTop += entry.top - box.top - box.height / 3;
  });
})();

// Glossary pop-ups: a key term shows its entry under a mouse, at focus, and at a tap.
(() => {
  "use strict";
  const LINGER = 250; // ms for the mouse to get from the term to its pop-up
  const EDGE = 12;
  if (!HTMLElement.prototype.showPopover) return; // the terms stay links to the glossary

  const part = (kind, text, language) => {
    const span = document.createElement("span");
    span.className = `ln-popup-${kind}`;
    span.textContent = text;
    if (language) span.lang = language;
    return span;
  };
  const box = document.createElement("span");
  box.className = "ln-popup";
  box.popover = "manual";
  let owner = null;
  let leaving = 0;
  let touched = false;

  function show(link) {
    clearTimeout(leaving);
    if (owner === link) return;
    hide();
    owner = link;
    const { term, zh, text } = link.dataset;
    const entry = part("text", text);
    entry.id = "ln-popup-text";
    const more = document.createElement("a");
    more.href = link.href;
    more.textContent = "Glossary";
    box.replaceChildren(part("name", term), " ", part("zh", zh, "zh-Hans"), entry, more);
    link.after(box); // so that the next Tab goes into it
    link.setAttribute("aria-describedby", entry.id);
    box.showPopover();
    const at = link.getClientRects()[0];
    const left = Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - EDGE);
    const above = at.bottom + box.offsetHeight + EDGE > innerHeight && at.top > box.offsetHeight + EDGE;
    box.style.left = `${Math.max(EDGE, left) + scrollX}px`;
    box.style.top = `${(above ? at.top - box.offsetHeight - 4 : at.bottom + 4) + scrollY}px`;
  }

  function hide() {
    clearTimeout(leaving);
    if (!owner) return;
    owner.removeAttribute("aria-describedby");
    owner = null;
    box.remove();
  }

  const termAt = (event) => event.target.closest?.("a.ln-term");
  const inBox = (event) => box.contains(event.target);

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return;
    // (A page that scrolls at a key moves its terms under a mouse that rests: where a key has brought
    // the reader into the pop-up, it stays.)
    if (termAt(event) && !box.contains(document.activeElement)) show(termAt(event));
    else if (inBox(event)) clearTimeout(leaving);
  });
  document.addEventListener("pointerout", (event) => {
    if (event.pointerType !== "mouse" || !(termAt(event) || inBox(event))) return;
    clearTimeout(leaving);
    leaving = setTimeout(() => {
      if (document.activeElement !== owner && !box.contains(document.activeElement)) hide();
    }, LINGER);
  });
  document.addEventListener("focusin", (event) => {
    if (termAt(event)) show(termAt(event));
    else if (!inBox(event)) hide();
  });
  document.addEventListener("pointerdown", (event) => (touched = event.pointerType !== "mouse"));
  document.addEventListener("click", (event) => {
    const link = termAt(event);
    if (link && touched && event.detail) { // a key's click has no detail, and follows the link
      event.preventDefault();
      show(link);
    } else if (!inBox(event)) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !owner) return;
    if (box.contains(document.activeElement)) owner.focus();
    hide();
  });
})();

// Which chapters have been read: a button at a chapter's end, ticks in the list of chapters.
(() => {
  "use strict";
  const KEY = "labnotes-read";
  const root = new URL(document.documentElement.dataset.content_root ?? "./", location.href).pathname;
  const name = (path) => path.slice(root.length).replace(/\.html$/, "");

  /** The names of the chapters read; none where the browser keeps nothing. */
  function stored() {
    try {
      const names = JSON.parse(localStorage.getItem(KEY));
      return new Set(Array.isArray(names) ? names : []);
    } catch {
      return new Set();
    }
  }
  let read = stored();

  function tick() {
    for (const link of document.querySelectorAll(".bd-links li > a")) {
      link.querySelector(".ln-tick")?.remove();
      if (!read.has(name(link.pathname))) continue;
      const mark = document.createElement("span");
      mark.className = "ln-tick";
      const word = document.createElement("span");
      word.className = "visually-hidden";
      word.textContent = " (read)";
      mark.append(word);
      link.append(mark);
    }
    button?.setAttribute("aria-pressed", read.has(name(location.pathname)));
  }

  const button = document.querySelector(".ln-progress button");
  if (button) {
    button.parentElement.hidden = false;
    button.addEventListener("click", () => {
      read = stored(); // another tab may have added to it
      const here = name(location.pathname);
      if (!read.delete(here)) read.add(here);
      try {
        localStorage.setItem(KEY, JSON.stringify([...read]));
      } catch {
        // Private windows may refuse: the tick lasts as long as the page.
      }
      tick();
    });
  }
  tick();
})();
