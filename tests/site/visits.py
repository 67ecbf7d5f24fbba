"""A page as a reader meets it, and everything that one visit finds.

Opening a page costs seconds, looking at an open one milliseconds. So a page is opened once for
each theme and width that a test asks for (`SCREENS`); `look` gathers every fact of `FACTS` in that visit, and
the tests compare facts. **A new check** is one entry in `FACTS` and one test that takes the
fixture `look`; no page is opened for it. Tests that click and type get the same pages lent, as
they are after loading: the fixture `touch`. What is left behind otherwise, or breaks something,
opens a page of its own: the fixture `visit`.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from built_site import HTML
from playwright.sync_api import BrowserContext, Page
from playwright.sync_api import TimeoutError as TooLong

PACKED = {".html", ".css", ".js", ".svg", ".json"}  # what any web server sends compressed
HEIGHT = 900
#: Milliseconds. What is expected is there at once; a machine that is busy may take its time.
PATIENCE = 120_000
#: How a page is looked at: both themes, a screen and a phone. Each costs a page load.
PHONE = 390
SCREENS = (("light", 1280), ("dark", PHONE))

#: What is looked up in every page, as JavaScript: with the page as the reader scrolled through it,
#: explorers started, boxes closed.
FACTS = {
    "formulas": """() => ({
        there: document.querySelectorAll(".math").length,
        set: document.querySelectorAll(".math .katex").length,
        faulty: document.querySelectorAll(".katex-error").length,
        spoken: document.querySelectorAll(".math math").length,
        cut: [...document.querySelectorAll(".katex-display")].filter((e) =>
            e.checkVisibility() && e.scrollWidth > e.clientWidth + 1
            && !e.matches(".ln-more-right, .ln-more-left")).map((e) => e.innerText.slice(0, 80)),
        smallest: Math.min(...[...document.querySelectorAll(".katex-display > .katex")]
            .filter((e) => e.checkVisibility()).map((e) => parseFloat(getComputedStyle(e).fontSize))),
    })""",
    # Pictures whose shape on the page is not their own.
    "out of shape": """() => [...document.querySelectorAll("article img")].filter((e) => {
        const box = e.getBoundingClientRect();
        return e.naturalWidth && box.width && e.checkVisibility()
            && Math.abs((box.width / box.height) / (e.naturalWidth / e.naturalHeight) - 1) > 0.03;
    }).map((e) => e.src)""",
    # Figures that are shown smaller than their smallest letters allow.
    "too small": """() => [...document.querySelectorAll("article img[data-least]")].filter((e) =>
        e.checkVisibility() && e.clientWidth && e.clientWidth < 0.97 * e.dataset.least
    ).map((e) => `${e.clientWidth} of ${e.dataset.least}: ${e.src}`)""",
    # Pictures: the colour they stand on, and how much brighter than drawn they are shown.
    # (An explorer's picture is for paper, which is white.)
    "pictures": """() => [...document.querySelectorAll("article img")].filter((e) =>
        document.documentElement.dataset.theme == "light" || !e.closest(".ln-explorer-still")
    ).map((e) => {
        let ground = "rgba(0, 0, 0, 0)";
        for (let on = e; on && ground == "rgba(0, 0, 0, 0)"; on = on.parentElement) {
            ground = getComputedStyle(on).backgroundColor;
        }
        const bright = getComputedStyle(e).filter.match(/^brightness\\(([\\d.]+)\\)$/);
        return { src: e.src, ground, bright: bright ? Number(bright[1]) : 1 };
    })""",
    # Tables that go on beyond the edge, with nothing that says so.
    "tables": """() => [...document.querySelectorAll("article table")].filter((e) => {
        const box = e.closest(".pst-scrollable-table-container");
        return e.checkVisibility() && (box ? box.scrollWidth > box.clientWidth + 1
            && !box.matches(".ln-more-right, .ln-more-left")
            : e.getBoundingClientRect().right > innerWidth + 1);
    }).map((e) => e.innerText.slice(0, 80))""",
    "width": "() => document.documentElement.scrollWidth",
    "too wide": """() => [...document.querySelectorAll("main *")].filter((e) => {
        const scrolls = e.closest(
            "pre, .pst-scrollable-table-container, .katex-display, .output, .ln-figure");
        return e.getBoundingClientRect().right > innerWidth + 1 && !scrolls;
    }).slice(0, 5).map((e) => e.outerHTML.slice(0, 150))""",
    "badges": '() => document.querySelector(".ln-badges")?.textContent.replace(/\\s+/g, " ")',
    # The icons that are shown: characters of the private use area.
    # (Formulas have thousands of elements, and fonts of their own.)
    "icons": r"""() => [...new Set(
        [...document.querySelectorAll(":not(.katex, .katex *)")].flatMap((e) =>
            ["::before", "::after"].flatMap(
                (part) => getComputedStyle(e, part).content.match(/[\ue000-\uf8ff]/g) ?? [])))]""",
    "icon fonts": r"""() => document.fonts.load('900 16px "Font Awesome 6 Free"', "\uf0c9")
        .then((fonts) => fonts.length)""",
    "explorers": """() => [...document.querySelectorAll(".ln-explorer")].map((place) => ({
        live: Boolean(place.querySelector(".ln-explorer-live")?.checkVisibility()),
        still: Boolean(place.querySelector(".ln-explorer-still")?.checkVisibility()),
        nameless: [...place.querySelectorAll("input, select, textarea, button")]
            .filter((e) => !(e.labels?.length || e.ariaLabel || e.getAttribute("aria-labelledby")
                || (e.tagName == "BUTTON" && e.innerText.trim()))).map((e) => e.outerHTML),
        // JupyterLab takes the arrow keys of a control that does not say so itself.
        robbed: [...place.querySelectorAll("input, select, textarea, button, [tabindex]")]
            .filter((e) => !e.dataset.lmSuppressShortcuts).map((e) => e.outerHTML),
        wide: [...place.querySelectorAll("button, input, select, svg, output")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => e.outerHTML.slice(0, 120)),
        height: place.getBoundingClientRect().height,
        room: parseFloat(getComputedStyle(place).minHeight),
        shows: Math.max(...[...place.querySelectorAll("output, .ln-explorer-live > svg, canvas")]
            .map((e) => e.getBoundingClientRect().bottom)),
        takes: Math.min(...[...place.querySelectorAll("input, select, textarea")]
            .map((e) => e.getBoundingClientRect().top)),
    }))""",
    # Each option of each question, chosen: what it tells then, and what of it does not fit. The last
    # of the facts, for it leaves options chosen; `RESET` takes that back.
    "options": """() => {
        const seen = (e) => e.checkVisibility({ visibilityProperty: true })
            && e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().height > 0;
        const misfits = (group) => [...group.querySelectorAll("label, .ln-reason-text")]
            .filter((e) => e.getClientRects().length)
            .flatMap((e) => [e, ...e.querySelectorAll("p, li, code, .katex-html")])
            .filter((e) => {
                const box = e.getBoundingClientRect(), edge = group.getBoundingClientRect();
                const scrolls = e.closest("pre, .katex-display, .pst-scrollable-table-container");
                return !box.width || !box.height
                    || (!scrolls && (box.right > edge.right + 1 || box.right > innerWidth + 1));
            }).map((e) => e.outerHTML.slice(0, 160));
        const groups = [...document.querySelectorAll(".ln-question")];
        const silent = groups.every((g) => ![...g.querySelectorAll(".ln-reason-text")].some(seen));
        const all = groups.flatMap((group) => [...group.querySelectorAll(".ln-option")].map((option) => {
            option.querySelector("label").click();
            const reason = option.querySelector(".ln-reason");
            const texts = [...group.querySelectorAll(".ln-reason-text")].filter(seen);
            return {
                checked: option.querySelector("input").checked,
                right: option.matches(".ln-right"),
                live: reason.getAttribute("aria-live"),
                text: seen(reason) ? reason.innerText : "",  // a formula alone has none
                formulas: reason.querySelectorAll(".katex").length,
                shown: texts.length,
                own: texts.filter((e) => option.contains(e)).length,
                misfits: misfits(group),
            };
        }));
        const chosen = document.querySelectorAll(".ln-question input:checked").length;
        const width = document.documentElement.scrollWidth;
        return { silent, all, width, each: chosen == groups.length };
    }""",
}

#: How far the page's parts have jumped while it was loaded and read, and which of them.
SHIFT = "() => ({ sum: lnShift.reduce((all, one) => all + one.value, 0), of: lnShift })"
#: Sections that are not on the screen are laid out too, so that they can be looked at.
EVERYTHING = "article section { content-visibility: visible !important; }"
#: Write down what jumps. (A scroll moves nothing; neither does what the reader has asked for.)
WATCH_SHIFTS = """window.lnShift = [];
new PerformanceObserver((list) => {
    for (const { hadRecentInput, value, sources } of list.getEntries()) {
        const of = sources.map(({ node }) => (node?.parentElement ?? node)?.outerHTML?.slice(0, 80));
        if (!hadRecentInput) lnShift.push({ value, of });
    }
}).observe({ type: "layout-shift", buffered: true });"""
#: The narrowest screen that a page has to fit, with nothing to scroll sideways (WCAG 2.2, 1.4.10).
NARROW = 320
FITS = """async () => {
    return {
        width: document.documentElement.scrollWidth,
        explorers: [...document.querySelectorAll(".ln-explorer")].flatMap((place) => {
            const edge = place.getBoundingClientRect().right;
            return [...place.querySelectorAll("*")].filter((e) =>
                !e.ownerSVGElement && e.checkVisibility() && e.getBoundingClientRect().right > edge + 1
            ).map((e) => e.outerHTML.slice(0, 120));
        }),
    };
}"""

#: Go through the page a screen at a time; three frames each, so that what waits to be seen starts.
SCROLL = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
        window.scrollTo(0, y);
        for (let n = 0; n < 3; n++) await frame();
    }
    window.scrollTo(0, 0);
}"""
#: Fonts and pictures that are on their way have arrived (or failed, which is an error of the page).
LOADED = """async () => {
    await document.fonts.ready;
    await Promise.all([...document.images].filter((i) => !i.complete && i.loading != "lazy")
        .map((i) => new Promise((done) => { i.onload = i.onerror = done; })));
}"""
#: What a key or the mouse has changed is laid out and drawn.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
#: Formulas, tables and figures have found their size, one section after the other.
FITTED = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    for (let n = 0; n < 600; n++) {  // ten seconds of frames; then what does not fit is a finding
        await frame();
        if (!document.documentElement.matches("[data-ln-fitting]")) break;
    }
}"""
#: Explorers start when they come near; one in a closed box waits, and one that failed never does.
STARTED = """() => [...document.querySelectorAll(".ln-explorer")]
    .every((e) => e.matches(".ln-explorer-on") || !e.checkVisibility())"""
OPEN = """() => document.querySelectorAll("details:not([open])").forEach((box) => {
    box.open = true;
    box.dataset.opened = "";
})"""
#: As the page was when it had been loaded: boxes closed, nothing chosen, at its beginning.
RESET = """() => {
    document.querySelectorAll("details[data-opened]").forEach((box) => { box.open = false; });
    document.querySelectorAll(".ln-question input").forEach((e) => { e.checked = e.defaultChecked; });
    document.activeElement?.blur();
    window.scrollTo(0, 0);
}"""
#: Boxes that open fade in, and so do themes: axe must see the colours at the end, not on the way.
#: (Those of a section that waits far away stand still, and never end.)
SETTLED = """async () => {
    await new Promise(requestAnimationFrame);
    const seen = (a) => a.effect?.target?.checkVisibility({ contentVisibilityAuto: true });
    await Promise.all(document.getAnimations().filter(seen).map((a) => a.finished.catch(() => {})));
}"""
#: Marks the texts whose contrast axe measures (measuring all takes a quarter of a minute a page):
#: the first and the last of those that look alike, in themselves and in what is behind them.
MARK_LOOKS = """() => {
    const numbers = new Map();
    const number = (look) => numbers.get(look) ?? (numbers.set(look, numbers.size), numbers.size - 1);
    const grounds = new Map([[null, 0]]);
    const ground = (e) => {  // a number for what is behind an element's words: that of its parent,
        if (!grounds.has(e)) {  // unless it has a ground of its own or may stand over another's
            const s = getComputedStyle(e);
            const own = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter, s.boxShadow];
            const through = own.join() == "rgba(0, 0, 0, 0),none,1,none,none"
                && (s.position == "static" || s.position == "relative");
            grounds.set(e, through ? ground(e.parentElement) : number(
                [ground(e.parentElement), e.localName, e.getAttribute("class"), ...own].join("|")));
        }
        return grounds.get(e);
    };
    const alike = new Map();
    document.querySelectorAll("[data-look]").forEach((e) => e.removeAttribute("data-look"));
    for (const e of document.body.querySelectorAll("*")) {
        const words = [...e.childNodes].filter((n) => n.nodeType == 3).map((n) => n.data).join("");
        if (!words.trim() && !e.matches("input, select, textarea, a[href]")) continue;
        if (!e.checkVisibility({ visibilityProperty: true })) continue;
        const s = getComputedStyle(e);
        const look = number([ground(e), e.localName, s.color, s.fontSize, s.fontWeight, s.textShadow,
            s.textIndent, s.clip, e.disabled, words.trim().length > 1].join("|"));
        alike.has(look) ? alike.get(look).push(e) : alike.set(look, [e]);
    }
    for (const all of alike.values()) {
        for (const e of [all[0], all.at(-1)]) e.setAttribute("data-look", "");
    }
}"""
#: Most elements of a page are coloured words of listings and parts of formulas, which axe would go
#: through rule by rule. So of listings the marked ones stay, as text in their boxes the rest; what
#: is drawn of a formula, and hidden from screen readers, gives way to its text in a box of its size.
#: (All sizes are read first, for each change would make the next one be computed anew.)
THIN = """() => {
    const drawn = [...document.querySelectorAll(".katex-html")];
    const sizes = drawn.map((e) => [e.scrollWidth, e.getBoundingClientRect().height]);
    window.lnThinned = [...drawn, ...document.querySelectorAll("article pre")].map((e, n) => {
        const kept = [...e.childNodes], style = e.getAttribute("style"), copy = e.cloneNode(true);
        if (n < drawn.length) {
            copy.textContent = e.textContent;
            const [width, height] = sizes[n];
            e.style.cssText =
                `display: inline-block; width: ${width}px; height: ${height}px; overflow: clip`;
        }
        for (const span of copy.querySelectorAll("span[class]:not([data-look], [id])")) {
            span.replaceWith(...span.childNodes);
        }
        e.replaceChildren(...copy.childNodes);
        return () => {
            e.replaceChildren(...kept);
            style === null ? e.removeAttribute("style") : e.setAttribute("style", style);
        };
    });
}"""
WHOLE = "() => lnThinned.forEach((restore) => restore())"
#: Rules on colours look at the marked texts, all others at the whole page. (No file is loaded for
#: the rules on style sheets and films: they are none of the serious ones.)
AXE = """async (coloursOnly) => {
    const colours = { "color-contrast": "[data-look]", "link-in-text-block": "a[href][data-look]" };
    axe.configure({ rules: Object.entries(colours).map(([id, selector]) => ({ id, selector })) });
    const options = { resultTypes: ["violations"], preload: false };
    if (coloursOnly) options.runOnly = Object.keys(colours);
    return (await axe.run("html", options)).violations;
}"""
#: Choose in each question an option with a right answer or a wrong one: one kind in the first, the
#: third, the fifth question, the other kind in those between.
ANSWER = """(first) => document.querySelectorAll(".ln-question").forEach((group, n) => {
    const right = (n % 2 == 0) == (first == "right");
    group.querySelector(`.ln-${right ? "right" : "wrong"} label`)?.click();
})"""


def ask(page: Page, script: str, arg=None):
    """What a function gives in the page, or its promise: `page.evaluate` that waits for `PATIENCE`.

    (`evaluate` itself waits for ever if a frame, a font or an animation's end never comes.)
    """
    given = f"async (arg) => ({{ value: await ({script})(arg) }})"
    return page.wait_for_function(given, arg=arg, timeout=PATIENCE).json_value()["value"]


@dataclass
class Visit:
    """One open page, and what happened in it so far."""

    page: Page
    base: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, path: str) -> Visit:
        """Open a page, wait for its formulas, and scroll through so that all explorers start."""
        self.page.goto(f"{self.base}/{path}")
        ask(self.page, SCROLL)
        ask(self.page, LOADED)
        ask(self.page, FITTED)
        return self

    def reset(self, theme: str) -> Visit:
        """Take back what `looked` and tests have opened and chosen. (Explorers stay as they are.)"""
        ask(self.page, RESET)
        switch(self.page, theme)
        return self

    @property
    def foreign(self) -> list[str]:
        """Requests to any other host."""
        return [
            u
            for u in self.requests
            if urlsplit(u).scheme in ("http", "https") and not u.startswith(self.base)
        ]

    def weight(self) -> dict[str, int]:
        """Bytes transferred for each file, compressed where a server compresses.

        What comes from another host, or is not there, is an error of the page, and weighs nothing.
        """
        paths = (
            unquote(urlsplit(url).path).lstrip("/") or "index.html"
            for url in self.requests
            if url.startswith(f"{self.base}/")
        )
        return {path: transferred(path) for path in paths}

    def axe(self, colours_only: bool = False) -> list[str]:
        """What axe-core calls serious or critical, one line for each element."""
        if not ask(self.page, "() => Boolean(window.axe)"):
            self.page.evaluate(AXE_SCRIPT)
        ask(self.page, MARK_LOOKS)
        ask(self.page, THIN)
        found = ask(self.page, AXE, colours_only)
        ask(self.page, WHOLE)
        return [
            f"{rule['id']}: {node['target']} {node['html'][:120]} {node['failureSummary']}"
            for rule in found
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]


@cache
def transferred(path: str) -> int:
    data = (HTML / path).read_bytes() if (HTML / path).is_file() else b""
    return len(gzip.compress(data)) if Path(path).suffix in PACKED else len(data)


def open_page(context: BrowserContext, base: str, theme: str, width: int) -> Visit:
    """An empty page that writes down errors and requests."""
    new = Visit(context.new_page(), base)
    new.page.set_default_timeout(PATIENCE)
    new.page.set_viewport_size({"width": width, "height": HEIGHT})
    new.page.emulate_media(color_scheme=theme)
    new.page.add_init_script(WATCH_SHIFTS)
    new.page.on("pageerror", lambda error: new.errors.append(f"uncaught: {error}"))
    new.page.on(
        "console",
        lambda m: new.errors.append(m.text) if m.type in ("error", "warning") else None,
    )
    new.page.on("request", lambda request: new.requests.append(request.url))
    new.page.on("requestfailed", lambda request: new.errors.append(f"failed: {request.url}"))
    return new


def switch(page: Page, theme: str) -> None:
    """Let the reader's machine ask for the other theme, and wait until all colours are there."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("(theme) => document.documentElement.dataset.theme == theme", arg=theme)
    ask(page, SETTLED)


def looked(seen: Visit, path: str, axe: bool) -> dict:
    """Open a page once and write down everything: `FACTS` and these keys.

    ``shift``: what jumped meanwhile.
    ``weight``: bytes of each file, as the page was read.
    ``narrow`` (on a phone): what does not fit the narrowest screen.
    ``axe`` (if asked for): what axe finds in each theme, with all boxes open and all questions
    answered, right in one theme and wrong in the other. The theme is switched in the open page;
    then only the rules on colours are run again, for nothing else that axe sees differs.
    ``notebook``: the name of the file that the download button saves, and its text.
    ``errors`` and ``foreign``: until now.
    """
    page = seen.go(path).page
    try:
        page.wait_for_function(STARTED)
    except TooLong:
        seen.errors.append("an explorer does not start")
    found = {"shift": ask(page, SHIFT)}
    page.add_style_tag(content=EVERYTHING)
    ask(page, FITTED)
    found |= {name: ask(page, fact) for name, fact in FACTS.items()}
    ask(page, RESET)
    found["weight"] = seen.weight()
    if page.viewport_size["width"] == PHONE:
        page.set_viewport_size({"width": NARROW, "height": HEIGHT})
        ask(page, FITTED)
        found["narrow"] = ask(page, FITS)
        page.set_viewport_size({"width": PHONE, "height": HEIGHT})
        ask(page, FITTED)
    if axe:
        ask(page, OPEN)
        found["axe"] = {}
        for theme, kind in (("light", "right"), ("dark", "wrong")):
            ask(page, ANSWER, kind)
            switch(page, theme)
            found["axe"][theme] = seen.axe(colours_only=theme == "dark")
    if axe and page.locator("a.ln-download").count():
        with page.expect_download() as download:
            page.locator("a.ln-download").click()
        file = download.value
        found["notebook"] = file.suggested_filename, file.path().read_text("utf8")
    return found | {"errors": list(seen.errors), "foreign": seen.foreign}
