// A selection of tiles, for verdicts on many at once, to compare two, or to save as a picture.
//
// Control or command click and the space bar toggle a tile, shift click takes a range; on a touch
// screen the button "Select" makes each tap toggle. Escape removes the selection.

const selected = new Set(); // jobs
let selecting = false;
let anchor = null;

function selectedJobs() {
  return jobs.filter((job) => selected.has(job));
}

/** Whether a click on a tile selects, instead of opening its job. */
function selectsByClick(event, job, list) {
  if (event.shiftKey && anchor && list.includes(anchor)) selectRange(job, list);
  else if (selecting || event.ctrlKey || event.metaKey || event.shiftKey) toggleSelected(job);
  else return false;
  return true;
}

function toggleSelected(job) {
  anchor = job;
  if (!selected.delete(job)) selected.add(job);
  renderSelection([job]);
}

function selectRange(job, list) {
  const [from, to] = [list.indexOf(anchor), list.indexOf(job)].sort((one, other) => one - other);
  selectAll(list.slice(from, to + 1));
}

function selectAll(list) {
  for (const job of list) selected.add(job);
  renderSelection(list);
}

function clearSelection() {
  const before = [...selected];
  selected.clear();
  anchor = null;
  renderSelection(before);
}

/** A selection has only what is shown: a verdict by key must not reach what a filter hides. */
function deselectHidden(list) {
  const shown = new Set(list);
  const hidden = [...selected].filter((job) => !shown.has(job));
  for (const job of hidden) selected.delete(job);
  if (hidden.length) renderSelection(hidden);
}

function setSelecting(on) {
  selecting = on;
  byId("stage").toggleAttribute("data-selecting", on);
  byId("select").setAttribute("aria-pressed", String(on));
  if (!on) clearSelection();
}

/** Shows what has changed in the tiles of these jobs, and the bar for the selection. */
function renderSelection(changed) {
  const names = new Set(changed.map((job) => job.output));
  for (const button of document.querySelectorAll(".tile")) {
    if (names.has(button.dataset.job)) markTile(button, jobNamed.get(button.dataset.job));
  }
  const bar = byId("selection");
  const focused = document.activeElement?.id;
  bar.hidden = !selected.size;
  bar.replaceChildren(...(selected.size ? selectionLine() : []));
  if (focused) byId(focused)?.focus();
  announce(`${selected.size} selected`);
}

function selectionLine() {
  const button = (id, text, onclick, attributes = {}) =>
    pushButton({ id: `selection-${id}`, onclick, ...attributes }, text);
  const verdicts = Object.entries(facts.picks.error ? {} : VERDICTS).map(([name, label]) =>
    button(name || "none", label, () => setVerdicts(selectedJobs(), name), { title: `${label} (${keyOf(name)})` }),
  );
  return [
    el("b", {}, `${selected.size.toLocaleString("en")} selected`),
    ...verdicts,
    selected.size === 2 && button("compare", "Compare", compareSelected, { title: "Compare (C)" }),
    button("sheet", "Save as picture", () => saveSheet(selectedJobs())),
    button("clear", "Clear", clearSelection, { class: "quiet", title: "Clear (Escape)" }),
  ].filter(Boolean);
}

function compareSelected() {
  const [one, other] = selectedJobs();
  neighbours = reading;
  change({ job: one.output, with: other.output });
}

/** Space toggles the tile with the focus; escape and control-A as everywhere. */
function selectionKeys(event) {
  if (byId("job").open || byId("help").open || isWriting(event)) return;
  const tile = event.target.closest?.("#grid .tile, #trouble .tile");
  const held = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (key === " " && tile) toggleSelected(jobNamed.get(tile.dataset.job));
  else if (key === "escape" && (selected.size || selecting)) setSelecting(false);
  else if (key === "a" && held && tile) selectAll(reading);
  else if (key === "c" && !held && selected.size === 2) compareSelected();
  else return;
  event.preventDefault();
}

/** A button would be clicked when the space bar is released, too. */
function noClickBySpace(event) {
  if (event.key === " " && event.target.closest?.(".tile")) event.preventDefault();
}
