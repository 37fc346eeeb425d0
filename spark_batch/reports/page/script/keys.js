// The keyboard: on the whole page, in the grid and in the view of a job.

/** Whether a key is typed into a text field or a list. */
function isWriting(event) {
  return Boolean(event.target.matches?.("input:not([type=range]), select, textarea"));
}

function isHeld(event) {
  return event.ctrlKey || event.metaKey || event.altKey;
}

/** The slash goes to the search and the question mark to the keys, unless something is being written. */
function pageKeys(event) {
  if (byId("help").open) return;
  if (event.key === "?" && !isWriting(event) && !isHeld(event)) {
    event.preventDefault();
    openHelp();
  }
  if (event.key === "/" && !isWriting(event) && !isHeld(event)) {
    event.preventDefault();
    if (byId("job").open) byId("job").close();
    change({ view: "pictures" });
    byId("search").focus();
    byId("search").select();
  }
  if (event.key === "Escape" && event.target.id === "search") {
    event.target.value = "";
    change({ search: "" });
    event.target.blur();
  }
}

/** In the view of a job, arrows, Home and End go to its neighbours or move the slider; others zoom. */
function jobKeys(event) {
  if (isWriting(event) || isHeld(event)) return;
  const inSlider = event.target.type === "range";
  const ends = { Home: -neighbours.length, End: neighbours.length };
  const keys = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1, ...ends };
  const page = event.key.startsWith("Page");
  if (event.key in keys && (page || !inSlider)) go(keys[event.key]);
  else if (event.key.toLowerCase() === "c") toggleCompare();
  else if (!zoomKey(event.key)) return;
  event.preventDefault();
}

/** Arrows go from tile to tile: left and right in reading order, up and down by their places. */
function gridKeys(event) {
  const from = event.target.closest(".tile");
  const ways = {
    ...{ ArrowLeft: beside(-1), ArrowRight: beside(1), ArrowUp: across(-1), ArrowDown: across(1) },
    ...{ Home: (_, tiles) => tiles[0], End: (_, tiles) => tiles.at(-1) },
  };
  const way = ways[event.key];
  if (!from || !way || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  way(from, [...document.querySelectorAll("#grid .tile")])?.focus();
}

function beside(by) {
  return (from, tiles) => tiles[tiles.indexOf(from) + by];
}

/** The tile nearest across, of the nearest line above or below. */
function across(by) {
  return (from, tiles) => {
    const here = from.getBoundingClientRect();
    const places = tiles.map((tile) => ({ tile, at: tile.getBoundingClientRect() }));
    const there = places.filter(({ at }) => (at.top - here.top) * by > 1);
    const gap = Math.min(...there.map(({ at }) => Math.abs(at.top - here.top)));
    const line = there.filter(({ at }) => Math.abs(at.top - here.top) < gap + 1);
    const far = ({ at }) => Math.abs(at.left + at.width / 2 - here.left - here.width / 2);
    return line.sort((one, other) => far(one) - far(other))[0]?.tile;
  };
}
