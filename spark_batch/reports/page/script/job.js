// The view of one job. Left and right go to its neighbours, escape closes it.

let neighbours = [];

function openJob(job, list) {
  neighbours = list.includes(job) ? list : [job];
  change({ job: job.output });
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
  dialog.replaceChildren(titleLine(job), el("div", { class: "stand" }, compare(job)), panel(job));
  dialog.className = `job is-${job.kind}`;
  if (!dialog.open) dialog.showModal();
  // What had the focus keeps it; else the dialog itself, so that arrows go to the neighbours.
  const heir = dialog.contains(byId(focused)) && !byId(focused).disabled;
  (heir ? byId(focused) : dialog).focus();
}

function titleLine(job) {
  const place = neighbours.indexOf(job);
  return el(
    "header",
    {},
    el("span", { class: "mark" }, KINDS[job.kind].label),
    el("h2", { id: "job-title", dir: "auto" }, job.output),
    el("span", { class: "place" }, `${place + 1} of ${neighbours.length}`),
    step("previous", -1, place > 0),
    step("next", 1, place < neighbours.length - 1),
    iconButton("close", "Close", () => byId("job").close()),
  );
}

function step(name, by, possible) {
  const button = iconButton(name, name === "next" ? "Next job" : "Previous job", () => go(by));
  button.disabled = !possible;
  return button;
}

function iconButton(name, label, onclick) {
  const attributes = { type: "button", id: `job-${name}`, class: "quiet", "aria-label": label, title: label };
  return el("button", { ...attributes, onclick }, icon(name));
}

/** To the neighbour `by` places away, if there is one. */
function go(by) {
  const next = neighbours[neighbours.indexOf(jobNamed.get(state.job)) + by];
  if (next) change({ job: next.output });
}

/** Back to the tile that the reader came to, which need not be the one that was clicked. */
function jobClosed() {
  const name = state.job;
  change({ job: "" });
  // Unless the reader has gone elsewhere already, as with the slash.
  if (!document.activeElement.matches("body, .tile")) return;
  const tiles = [...document.querySelectorAll("#grid .tile")];
  tiles.find((each) => each.dataset.job === name)?.focus();
}
