// The grid: one axis down, one across; a cell has all of its jobs.

/** The jobs of the grid, row by row: the neighbours of an opened job. */
let reading = [];

/** The longest text under a tile, in letters by its ratio: small tiles need a second line for it. */
let longest = 0;

/** Pixels beside the tiles: the page's edges, the heads of rows, and the gaps between tiles. */
const GAPS = { edge: 20, head: 146, column: 20, tile: 8 };
/** The average width of a letter under a tile, in pixels. */
const LETTER = 6;
/** How far tiles of a size grow; a thumbnail has 240 lines. */
const GROWN = { small: 120, medium: 240, large: 320 };

function renderGrid() {
  const found = visible();
  const root = byId("grid");
  forget(root);
  const all = el("b", {}, plural(jobs.length, "job"));
  byId("count").replaceChildren(found.length === jobs.length ? all : `${found.length} of ${jobs.length} jobs`);
  deselectHidden(found);
  announce(`${plural(found.length, "job")} shown`);
  if (!found.length) {
    reading = [];
    widest = null;
    root.replaceChildren(el("p", { class: "empty" }, jobs.length ? "No job matches." : "There are no jobs yet."));
    return;
  }
  const cells = sorted(found);
  reading = cells.rows.flatMap((row) => cells.columns.flatMap((column) => cells.at(row, column)));
  widest = widestLines(cells);
  longest = 0;
  const whole = table(cells);
  fitTiles();
  root.replaceChildren(whole);
}

/** The room of the widest line of every column: the sum of its tiles' ratios, and their number. */
let widest = null;

function widestLines({ rows, columns, at }) {
  const lines = columns.map((column) =>
    rows.reduce((most, row) => {
      const found = at(row, column);
      const ratios = found.reduce((sum, job) => sum + ratio(job), 0);
      return ratios > most.ratios ? { ratios, count: found.length } : most;
    }, { ratios: 0, count: 0 }),
  );
  return { ratios: sum(lines, "ratios"), count: sum(lines, "count"), columns: columns.length };
}

function sum(items, name) {
  return items.reduce((all, item) => all + item[name], 0);
}

/** Tiles grow to fill the width where one line holds all of a cell, up to what thumbnails allow. */
function fitTiles() {
  const least = TILES[state.tile];
  const stage = byId("stage");
  let height = least;
  if (widest) {
    const room = stage.clientWidth - 2 * GAPS.edge - (state.rows === NONE ? 0 : GAPS.head);
    const gaps = widest.columns * GAPS.column + widest.count * GAPS.tile;
    height = Math.min(Math.max((room - gaps) / widest.ratios, least), Math.max(least, GROWN[state.tile]));
  }
  stage.style.setProperty("--tile", `${Math.floor(height)}px`);
  stage.toggleAttribute("data-long", longest * LETTER > height);
}

/** The jobs by row and column, without empty rows and columns. */
function sorted(found) {
  const byCell = new Map();
  const rows = new Set();
  const columns = new Set();
  for (const job of found) {
    const [row, column] = [placeOn(job, state.rows), placeOn(job, state.columns)];
    const name = `${row}/${column}`;
    if (!byCell.has(name)) byCell.set(name, []);
    byCell.get(name).push(job);
    rows.add(row);
    columns.add(column);
  }
  const inOrder = (places) => [...places].sort((one, other) => one - other);
  return {
    rows: inOrder(rows),
    columns: inOrder(columns),
    at: (row, column) => byCell.get(`${row}/${column}`) ?? [],
  };
}

function table(cells) {
  const besides = [state.rows, state.columns];
  const lines = cells.rows.map((row) =>
    el(
      "tr",
      {},
      state.rows === NONE ? null : header("row", state.rows, row),
      cells.columns.map((column) => cell(cells.at(row, column), besides)),
    ),
  );
  return el(
    "table",
    {},
    el("caption", { class: "unseen" }, `Pictures by ${besides.filter((name) => name !== NONE).join(" and ") || "nothing"}`),
    state.columns === NONE ? null : headLine(cells.columns),
    el("tbody", {}, lines),
  );
}

function headLine(columns) {
  const corner = el("td", { class: "corner" }, `${state.rows} ↓  ${state.columns} →`);
  const heads = columns.map((column) => header("col", state.columns, column));
  return el("thead", {}, el("tr", {}, state.rows === NONE ? null : corner, heads));
}

function header(scope, name, place) {
  const { label, note } = axisNamed.get(name).values[place];
  const job = name === "input" ? jobs.find((other) => placeOn(other, name) === place) : null;
  const source = job && thumbnail(job.input.thumbnail);
  return el(
    "th",
    { scope },
    el(
      "div",
      { class: "head" },
      source && el("img", { src: source, alt: "", loading: "lazy" }),
      el("span", { class: "label", dir: "auto" }, named(name, label)),
      note && el("span", { class: "note", dir: "auto", title: note }, note),
    ),
  );
}

function cell(found, besides) {
  const tiles = found.map((job) => {
    const words = caption(job, besides);
    longest = Math.max(longest, words.length / ratio(job));
    return tile(job, { words, list: () => reading });
  });
  return el("td", {}, el("div", { class: "cell" }, tiles));
}
