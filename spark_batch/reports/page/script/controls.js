// The toolbar: which axes make the grid, which filter it, which kinds, and a search.

function renderControls() {
  byId("controls").replaceChildren(
    el("div", { class: "line" }, searchField(), axisChoice("rows"), swapButton(), axisChoice("columns"), filterChoices(), tileChoice(), viewButtons()),
    el("div", { class: "line" }, kindChips(), chips("Show only verdicts", verdictChips(), "verdict-chips"), el("p", { class: "count", id: "count" }), clearButton()),
  );
}

/** Updates the toolbar, and keeps the search field as it is while the reader writes into it. */
function updateControls() {
  const focused = document.activeElement?.id;
  const field = byId("search");
  renderControls();
  if (focused === "search") {
    byId("search").replaceWith(field);
    field.focus();
  } else if (focused) byId(focused)?.focus();
}

function searchField() {
  let waiting = 0;
  const later = (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({ search: event.target.value.trim() }), 120);
  };
  return el("input", {
    type: "search",
    id: "search",
    placeholder: "Search  /",
    "aria-label": "Search prompts, names, task ids, messages",
    "aria-keyshortcuts": "/",
    value: state.search,
    oninput: later,
  });
}

function choice(label, id, options, chosen, onchange) {
  const select = el(
    "select",
    { id, onchange: (event) => onchange(event.target.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)),
  );
  return el("span", { class: "choice" }, el("label", { for: id }, label), select);
}

function axisChoice(side) {
  const options = [[NONE, "—"], ...axes.map(({ name }) => [name, name])];
  const other = side === "rows" ? "columns" : "rows";
  return choice(side, `choice-${side}`, options, state[side], (value) => {
    // The same axis cannot make both sides: then they change places.
    const swapped = value !== NONE && value === state[other];
    change(swapped ? { [side]: value, [other]: state[side] } : { [side]: value });
  });
}

function swapButton() {
  const swap = () => change({ rows: state.columns, columns: state.rows });
  return iconButton("swap", "swap", "Swap rows and columns", swap);
}

function filterChoices() {
  const names = wide.filter((name) => name !== state.rows && name !== state.columns);
  return names.map((name) => {
    const values = axisNamed.get(name).values.map((value, place) => [String(place), value.label]);
    const chosen = String(state.filters[name] ?? "");
    return choice(name, `filter-${name}`, [["", "all"], ...values], chosen, (value) => {
      const { [name]: _, ...others } = state.filters;
      change({ filters: value === "" ? others : { ...others, [name]: Number(value) } });
    });
  });
}

function tileChoice() {
  const options = Object.keys(TILES).map((name) => [name, name]);
  return choice("tiles", "choice-tile", options, state.tile, (value) => change({ tile: value }));
}

function kindChips() {
  const all = Object.keys(KINDS).map((kind) => {
    const count = jobs.filter((job) => job.kind === kind).length;
    return count ? chip("kinds", kind, KINDS[kind].label, count) : null;
  });
  return chips("Show only", all, "kind-chips");
}

/** Chips by verdict, once there is one. A tile that is judged stays until a filter is changed. */
function verdictChips() {
  const counts = verdictCounts();
  if (!(counts.pick + counts.reject) && !state.verdicts.length) return [];
  // As many as a press shows: a job on two lines of the recipe has one verdict and two tiles.
  const tiles = (name) => jobs.filter((job) => (verdictOf(job).verdict || "open") === name).length;
  return Object.entries(VERDICT_CHIPS).map(([name, label]) => chip("verdicts", name, label, tiles(name)));
}

function chips(label, all, id) {
  return el("div", { class: "chips", role: "group", "aria-label": label, id }, all);
}

/** A button for a kind or a verdict: the page shows only the jobs of those that are pressed. */
function chip(list, name, label, count) {
  const on = state[list].includes(name);
  const toggled = on ? state[list].filter((other) => other !== name) : [...state[list], name];
  return pushButton(
    {
      class: `chip is-${name}`,
      id: `chip-${name}`,
      "aria-pressed": String(on),
      onclick: () => change({ [list]: toggled }),
    },
    el("span", { class: "dot" }),
    `${label} `,
    el("b", {}, count.toLocaleString("en")),
  );
}

/** Buttons for the pictures that are shown: select some, also by touch, or save all as one file. */
function viewButtons() {
  const pressed = { "aria-pressed": String(selecting), title: "Every click selects, until you press this again" };
  const select = pushButton({ class: "quiet", id: "select", ...pressed, onclick: () => setSelecting(!selecting) }, "Select");
  const title = "Save the pictures of this view as one PNG file";
  const sheet = pushButton({ class: "quiet", id: "sheet", title, onclick: () => saveSheet(reading) }, "Contact sheet");
  return el("div", { class: "tools" }, select, sheet);
}

function clearButton() {
  const clear = () => {
    change({ filters: {}, kinds: [], verdicts: [], search: "" });
    byId("search").value = "";
  };
  if (!isFiltered()) return null;
  return pushButton({ class: "quiet", id: "clear", onclick: clear }, "Clear filters");
}
