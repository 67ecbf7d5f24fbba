// Calls `point(event)` where a mouse is, and where a finger taps or is drawn sideways. A finger that
// scrolls the page passes over and changes nothing.
function pointed(element, point) {
  let down = null;
  element.addEventListener("pointerdown", (e) => { down = e; });
  element.addEventListener("pointermove", (e) => {
    if (e.pointerType === "mouse") return point(e);
    const across = down ? Math.abs(e.clientX - down.clientX) : 0, along = down ? Math.abs(e.clientY - down.clientY) : 0;
    if (e.buttons && across > 6 && across > along) point(e);
  });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => { down = null; });
  element.addEventListener("click", point);
}

