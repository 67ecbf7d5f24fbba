// One element of HTML or SVG: its attributes (`onclick` and the like are listeners; false, null and undefined
// are left out) and what stands in it.
const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "path", "line", "circle", "rect", "text", "title", "clipPath"]);
const TYPED = new Set(["input", "select", "textarea", "button"]);
function h(tag, attributes = {}, ...children) {
  const e = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (value != null && value !== false) e.setAttribute(key, value === true ? "" : value);
  }
  // JupyterLab takes the arrow keys of a control that does not say so itself.
  if (TYPED.has(tag) || "tabindex" in attributes) e.setAttribute("data-lm-suppress-shortcuts", "true");
  e.append(...children);
  return e;
}

