// The filter of the notes map: words, and which verdicts to show. The list itself is plain HTML.
(() => {
  "use strict";
  const place = document.getElementById("ln-map-filter");
  const rows = [...document.querySelectorAll(".ln-note")];
  if (!place || !rows.length) return;

  const texts = rows.map((row) => row.textContent.toLowerCase());
  const settled = rows.map((row) => Boolean(row.querySelector("a")));
  const verdicts = [...new Set(rows.map((row) => row.dataset.verdict))];
  place.innerHTML = `
    <form role="search" aria-label="Filter the notes">
      <label for="ln-map-words">Words to look for</label>
      <input type="search" id="ln-map-words" autocomplete="off">
      <fieldset><legend>Verdict</legend>${verdicts.map((v) => `
        <label><input type="checkbox" value="${v}" checked> ${v}</label>`).join("")}
      </fieldset>
      <fieldset><legend>Statements</legend>
        <label><input type="radio" name="ln-map-show" value="settled"> settled</label>
        <label><input type="radio" name="ln-map-show" value="all"> all</label>
      </fieldset>
      <output aria-live="polite"></output>
    </form>`;
  const form = place.querySelector("form");
  const show = form.elements["ln-map-show"];
  // What the book has settled has a link to follow; the rest is on the way.
  show[settled.includes(true) ? 0 : 1].defaultChecked = true;
  const boxes = [...form.querySelectorAll("[type=checkbox]")];

  function filter() {
    const words = form.querySelector("[type=search]").value.toLowerCase().split(/\s+/);
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = wanted.has(row.dataset.verdict) && words.every((word) => texts[i].includes(word))
        && (show.value === "all" || settled[i]);
      row.hidden = !fits;
      shown += fits;
    });
    for (const list of document.querySelectorAll(".ln-notes")) {
      list.closest("section").hidden = !list.querySelector(".ln-note:not([hidden])");
    }
    form.querySelector("output").textContent = `${shown} of ${rows.length} statements`;
  }

  // A link to a row must find it, whatever the filter hides.
  function reveal() {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!row?.hidden) return;
    form.reset();
    if (!settled[rows.indexOf(row)]) show.value = "all";
    filter();
    row.scrollIntoView();
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", reveal);
  filter();
})();
