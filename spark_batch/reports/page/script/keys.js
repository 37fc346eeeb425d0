// The keyboard: the slash on the whole page, arrows in the grid and in the view of a job.

/** The slash goes to the search, unless something is being written. */
function pageKeys(event) {
  const writing = event.target.matches?.("input:not([type=range]), select, textarea");
  if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
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

/** In the view of a job left and right go to its neighbours, unless they move the slider. */
function jobKeys(event) {
  const inSlider = event.target.type === "range";
  const keys = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 };
  const arrow = event.key.startsWith("Arrow");
  if (!(event.key in keys) || (arrow && inSlider) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  go(keys[event.key]);
}

/** Arrows go from tile to tile: left and right as they are read, up and down as they stand. */
function gridKeys(event) {
  const from = event.target.closest(".tile");
  const ways = { ArrowLeft: beside(-1), ArrowRight: beside(1), ArrowUp: across(-1), ArrowDown: across(1) };
  const way = ways[event.key];
  if (!from || !way || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  way(from, [...document.querySelectorAll("#grid .tile")])?.focus();
}

function beside(by) {
  return (from, tiles) => tiles[tiles.indexOf(from) + by];
}

/** The tile of the nearest line above or below that lies nearest across. */
function across(by) {
  return (from, tiles) => {
    const here = from.getBoundingClientRect();
    const places = tiles.map((each) => ({ each, at: each.getBoundingClientRect() }));
    const there = places.filter(({ at }) => (at.top - here.top) * by > 1);
    const gap = Math.min(...there.map(({ at }) => Math.abs(at.top - here.top)));
    const line = there.filter(({ at }) => Math.abs(at.top - here.top) < gap + 1);
    const far = ({ at }) => Math.abs(at.left + at.width / 2 - here.left - here.width / 2);
    return line.sort((one, other) => far(one) - far(other))[0]?.each;
  };
}
