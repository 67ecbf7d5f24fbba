// The search page: looks through search-data.js (see search.py) and shows what it finds.
(() => {
  "use strict";
  const STOP = new Set(("a an and are as at be but by can do does for from has have how i if in is it its "
    + "not of on or so that the their then they this to was what when where which why will with you").split(" "));
  const KINDS = { page: "Chapter", section: "Section", term: "Glossary" };
  const MOST = 40;
  const WORDS = /\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{L}\p{N}])+(?:[-'’](?:(?!\p{Script=Han})[\p{L}\p{N}])+)*/gu;

  /** Lower case, × as x, Chinese in pairs of characters; "n-gram" is one word, and so are its parts. */
  function words(text) {
    const found = [];
    const parts = text.normalize("NFKC").toLowerCase().replaceAll("×", "x").match(WORDS) ?? [];
    for (const word of parts) {
      if (/\p{Script=Han}/u.test(word)) {
        if (word.length === 1) found.push(word);
        for (let i = 0; i + 1 < word.length; i++) found.push(word.slice(i, i + 2));
        continue;
      }
      found.push(word);
      if (/[-'’]/.test(word)) found.push(...word.split(/[-'’]/).filter((part) => part.length > 1));
    }
    return found;
  }

  const list = document.getElementById("search-results");
  const says = document.getElementById("ln-search-says");
  const field = document.querySelector(".bd-search-container input[name=q]");
  const query = new URLSearchParams(location.search).get("q")?.trim() ?? "";
  if (field) {
    field.value = query;
    if (!query) field.focus();
  }
  const root = new URL(document.documentElement.dataset.content_root ?? "./", location.href);

  /** Run one of the book's scripts. (One from a folder, file://, can be run, and not be fetched.) */
  function loaded(name) {
    const script = document.createElement("script");
    script.src = new URL(`_static/labnotes/${name}`, root);
    return new Promise((done, failed) => {
      script.addEventListener("load", done);
      script.addEventListener("error", () => failed(new Error(`${name} did not come`)));
      document.head.append(script);
    });
  }

  if (!query) return;  // the words of all pages are heavy: they come when there is something to look for
  says.textContent = "Searching ...";
  Promise.all(["minisearch.js", "search-data.js"].map(loaded)).then(search, (error) => {
    says.textContent = `The search could not begin: ${error.message}. Load the page again.`;
  });

  function search() {
    const index = new MiniSearch({
      fields: ["heading", "title", "terms", "text"],
      storeFields: ["heading", "title", "url", "kind", "text", "chapter"],
      tokenize: words,
      processTerm: (word) => (STOP.has(word) ? null : word),
    });
    globalThis.labnotesSearch.forEach((entry, id) => index.add({ id, ...entry }));

    const asked = words(query).filter((word) => !STOP.has(word));
    const text = asked.length ? query : "";
    const options = {
      boost: { terms: 5, heading: 6, title: 2 },
      // A short word stands alone; a longer one may go on (plurals), or have one letter wrong.
      prefix: (word) => word.length > 3,
      fuzzy: (word) => (word.length > 4 && !/\p{Script=Han}/u.test(word) ? 1 : false),
      weights: { fuzzy: 0.2, prefix: 0.6 },
      boostDocument: (id, word, stored) => (stored.chapter ? 4 : 1),
    };
    let found = index.search(text, { ...options, combineWith: "AND" });
    if (!found.length) found = index.search(text, options);

    says.textContent = found.length
      ? `${found.length > MOST ? `The best ${MOST} of ${found.length}` : found.length} `
        + `${found.length === 1 ? "place" : "places"} for “${query}”`
      : `Nothing was found for “${query}”. Fewer or shorter words may help.`;

    /** The words around the first hit, with the hits marked. */
    function snippet(hit) {
      const place = document.createElement("p");
      const pattern = new RegExp(
        `(${hit.terms.map((t) => t.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "giu",
      );
      const first = Math.max(0, hit.text.search(pattern));
      const start = first < 60 ? 0 : hit.text.lastIndexOf(" ", first - 50) + 1;
      const part = hit.text.slice(start, start + 180);
      place.append(start ? "… " : "");
      part.split(pattern).forEach((piece, i) => {
        if (i % 2 === 0) return place.append(piece);
        const mark = document.createElement("mark");
        mark.textContent = piece;
        place.append(mark);
      });
      place.append(start + 180 < hit.text.length ? " …" : "");
      return place;
    }

    for (const hit of found.slice(0, MOST)) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = new URL(hit.url, root);
      link.textContent = hit.heading;
      const where = document.createElement("span");
      where.className = "ln-found-in";
      where.textContent = hit.kind === "section" ? hit.title : hit.chapter ? KINDS.page : hit.kind === "term" ? KINDS.term : "Page";
      item.append(link, " ", where, snippet(hit));
      list.append(item);
    }
  }
})();
