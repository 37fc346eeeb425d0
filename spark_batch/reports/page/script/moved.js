// Pictures that replace earlier ones, each beside the one that it replaced, those that changed most first.

const MOVES = 6;

/** The last earlier picture of a job; null without one. */
function replacedBy(job) {
  return job.earlier[0] ?? null;
}

/** The jobs whose pictures replace others; those whose change cannot be measured come last. */
function movedJobs() {
  const far = (job) => replacedBy(job).moved ?? -1;
  return jobs.filter(replacedBy).sort((one, other) => far(other) - far(one) || one.number - other.number);
}

function renderMoved() {
  const found = movedJobs();
  const gone = jobs.filter((job) => job.gone && !replacedBy(job)).length;
  const root = byId("moved");
  root.hidden = !found.length && !gone;
  if (root.hidden) return;
  const list = el("ul", { class: "moves" }, found.slice(0, MOVES).map((job) => move(job, found)));
  const rest = () => found.slice(MOVES).map((job) => move(job, found));
  const lost = gone && `${plural(gone, "replaced picture")} ${gone === 1 ? "is" : "are"} no longer kept.`;
  root.replaceChildren(
    el("h2", {}, found.length ? `${plural(found.length, "replaced picture")}, changed most first` : "Replaced pictures"),
    list,
    ...(found.length > MOVES ? [restButton(list, rest, `${found.length - MOVES} more`, "moved-rest")] : []),
    ...(lost ? [el("p", { class: "next" }, lost)] : []),
  );
}

/** Before and after, how far apart they are, and what the request changed; opens both side by side. */
function move(job, found) {
  const version = replacedBy(job);
  const image = (number) => (thumbnail(number) ? el("img", { src: thumbnail(number), alt: "", loading: "lazy" }) : el("span"));
  const button = pushButton(
    { class: "move", "data-job": job.output, onclick: () => openMove(job, found) },
    el("span", { class: "both" }, image(version.thumbnail), image(job.thumbnail)),
    el("b", {}, movedWords(version)),
    el("span", { class: "words", dir: "auto" }, `${caption(job, []) || job.output} · ${changeWords(version)}`),
  );
  return el("li", {}, button);
}

function openMove(job, found) {
  neighbours = found;
  change({ job: job.output, with: `${EARLIER}0` });
}

function movedWords({ moved }) {
  return moved === null ? "cannot be compared" : `moved ${moved.toFixed(2)}`;
}

function changeWords({ changes, number }) {
  return number === null ? `another ${changes.join(", ")}` : "the same request, made again";
}
