// Numbers, packed as a text: in a notebook they come with the widget's state, a page keeps them in a script beside
// it (which a browser also reads from a folder on the reader's own disk, where it may not fetch): it files them under
// its own name.
async function filed(packed, place) {
  if (packed) return packed;
  const name = place.split("/").at(-1), shelf = (globalThis.labnotesWeights ??= {});
  if (!(name in shelf)) {
    await new Promise((done, failed) => {
      document.head.append(h("script", { src: place, onload: done, onerror: () => failed(new Error(`${place} does not come`)) }));
    });
  }
  return shelf[name];
}

