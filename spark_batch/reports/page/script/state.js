// What the reader has chosen. The address has it after the #, so that a view can be shared.

const NONE = "-"; // no variable has this name
/** The names of verdicts on the chips that filter by them. */
const VERDICT_CHIPS = { pick: "picked", reject: "rejected", open: "no verdict" };
const TILES = { small: 84, medium: 132, large: 220 };

const SIDES = firstSides();
const state = fresh();
const listeners = [];

function fresh() {
  const [rows, columns] = SIDES;
  return {
    view: "pictures",
    rows,
    columns,
    filters: {},
    kinds: [],
    verdicts: [],
    search: "",
    tile: "medium",
    job: "",
    with: "",
  };
}

/**
 * The rows and columns of a page at first: the first axis, and the first other one that it does not
 * decide. All columns of a table of products follow from the product: its pictures then wrap.
 */
function firstSides() {
  const [rows = NONE, ...others] = wide;
  const columns = others.find((name) => variesWithin(rows, name));
  return columns || !others.length ? [rows, columns ?? NONE] : [NONE, NONE];
}

/** Whether jobs with the same value of the axis `outer` differ on the axis `name`. */
function variesWithin(outer, name) {
  const first = new Map();
  return jobs.some((job) => {
    const place = placeOn(job, outer);
    if (!first.has(place)) first.set(place, placeOn(job, name));
    return first.get(place) !== placeOn(job, name);
  });
}

/** Calls `listener` with the names of what has changed. */
function onChange(listener) {
  listeners.push(listener);
}

/** Takes the changes over, writes the address and notifies all listeners. */
function change(changes) {
  const names = Object.keys(changes).filter(
    (name) => JSON.stringify(changes[name]) !== JSON.stringify(state[name]),
  );
  if (!names.length) return;
  Object.assign(state, changes);
  dropFiltersOfTheGrid();
  writeAddress();
  for (const listener of listeners) listener(names);
}

/** An axis is either a side of the grid or a filter. */
function dropFiltersOfTheGrid() {
  const { [state.rows]: _, [state.columns]: __, ...kept } = state.filters;
  state.filters = kept;
}

function writeAddress() {
  try {
    history.replaceState(null, "", address());
  } catch {
    // Some browsers limit how often the address may change: the page works without.
  }
}

function address() {
  const plain = fresh();
  const parts = new URLSearchParams();
  for (const name of ["view", "rows", "columns", "search", "tile", "job", "with"]) {
    if (state[name] !== plain[name]) parts.set(name, state[name]);
  }
  if (state.kinds.length) parts.set("kinds", state.kinds.join(" "));
  if (state.verdicts.length) parts.set("verdicts", state.verdicts.join(" "));
  for (const [axis, place] of Object.entries(state.filters)) {
    parts.set(`axis.${axis}`, axisNamed.get(axis).values[place].label);
  }
  return `#${parts}`;
}

/** Takes over the address, but for unknown axes, values and jobs. */
function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const read = { ...fresh(), filters: {} };
  const taken = (name, known) => {
    const value = parts.get(name);
    if (value !== null && known(value)) read[name] = value;
  };
  taken("view", (value) => ["pictures", "money"].includes(value));
  taken("rows", (value) => value === NONE || axisNamed.has(value));
  taken("columns", (value) => value === NONE || axisNamed.has(value));
  taken("tile", (value) => Object.hasOwn(TILES, value));
  taken("search", () => true);
  taken("job", (value) => jobNamed.has(value));
  taken("with", (value) => read.job !== "" && (value.startsWith(EARLIER) || jobNamed.has(value)));
  const kinds = (parts.get("kinds") ?? "").split(" ");
  read.kinds = kinds
    .map((kind) => (kind === "suspect" ? "flagged" : kind)) // as addresses of earlier versions say
    .filter((kind) => Object.hasOwn(KINDS, kind));
  read.verdicts = (parts.get("verdicts") ?? "").split(" ").filter((name) => Object.hasOwn(VERDICT_CHIPS, name));
  for (const name of wide) {
    const place = axisNamed.get(name).values.findIndex(
      (value) => value.label === parts.get(`axis.${name}`),
    );
    if (place >= 0) read.filters[name] = place;
  }
  change(read);
}

/** The jobs that pass the filters, the kinds and the search. */
function visible() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const filters = Object.entries(state.filters);
  return jobs.filter(
    (job) =>
      (!state.kinds.length || state.kinds.includes(job.kind)) &&
      (!state.verdicts.length || state.verdicts.includes(verdictOf(job).verdict || "open")) &&
      filters.every(([name, place]) => placeOn(job, name) === place) &&
      words.every((word) => haystack(job).includes(word)),
  );
}

function isFiltered() {
  return Boolean(state.search || state.kinds.length || state.verdicts.length || Object.keys(state.filters).length);
}
