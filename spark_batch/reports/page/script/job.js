// The view of one job, or of two side by side. Left and right go to the neighbours, escape closes it.

let neighbours = [];

function openJob(job, list) {
  neighbours = list.includes(job) ? list : [job];
  change({ job: job.output, with: "" });
}

/** Shows what the state says: the job, or the page without one. */
function renderJob() {
  const dialog = byId("job");
  const job = jobNamed.get(state.job);
  if (!job) {
    if (dialog.open) dialog.close();
    return;
  }
  if (!neighbours.includes(job)) neighbours = reading.includes(job) ? reading : [job];
  const focused = document.activeElement?.id;
  const other = partnerOf(job);
  const content = other ? pair(job, other) : [el("div", { class: "stand" }, compare(job)), panel(job)];
  dialog.replaceChildren(titleLine(job, other), ...content);
  dialog.className = `job is-${job.kind}${other ? " paired" : ""}`;
  if (!dialog.open) dialog.showModal();
  changeView({});
  // What had the focus keeps it; else the dialog itself, so that arrows go to the neighbours.
  const heir = dialog.contains(byId(focused)) && !byId(focused).disabled;
  (heir ? byId(focused) : dialog).focus();
}

function titleLine(job, other) {
  const [shown, place] = [other?.job ?? job, neighbours.indexOf(other && !other.version ? other.job : job)];
  const title = other ? `${job.output} beside ${other.version ? "an earlier version" : shown.output}` : job.output;
  return el(
    "header",
    {},
    el("span", { class: "mark" }, KINDS[job.kind].label),
    el("h2", { id: "job-title", dir: "auto" }, title),
    zoomBar(),
    compareChoice(job),
    place >= 0 && el("span", { class: "place" }, `${place + 1} of ${neighbours.length}`),
    step("previous", -1),
    step("next", 1),
    iconButton("close", "job-close", "Close", () => byId("job").close()),
    el("p", { class: "unsaved", id: "job-warning", role: "status", dir: "auto" }, warningText()),
  );
}

function step(name, by) {
  const button = iconButton(name, `job-${name}`, name === "next" ? "Next job" : "Previous job", () => go(by));
  button.disabled = !nextBy(by);
  return button;
}

/** The neighbour `by` places away, or the last one in that direction; never the job it stands beside. */
function nextBy(by) {
  const moving = jobNamed.get(state.with) ?? jobNamed.get(state.job);
  const place = neighbours.indexOf(moving);
  if (place < 0) return undefined;
  const others = state.with ? neighbours.filter((job) => job.output !== state.job || job === moving) : neighbours;
  const from = others.indexOf(moving);
  const to = Math.min(Math.max(from + by, 0), others.length - 1);
  return to === from ? undefined : others[to];
}

function go(by) {
  const next = nextBy(by);
  if (!next) return;
  const moves = jobNamed.has(state.with);
  const again = state.with.startsWith(EARLIER) && replacedBy(next) ? `${EARLIER}0` : "";
  change(moves ? { with: next.output } : { job: next.output, with: again });
}

/** Puts the focus on the tile of the last job shown, which need not be the one that was clicked. */
function jobClosed() {
  const name = state.job;
  change({ job: "", with: "" });
  // Unless the reader has gone elsewhere already, as with the slash.
  if (!document.activeElement.matches("body, .tile")) return;
  const tiles = [...document.querySelectorAll("#grid .tile")];
  tiles.find((tile) => tile.dataset.job === name)?.focus();
}
