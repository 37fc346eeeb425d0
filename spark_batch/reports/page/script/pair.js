// Two pictures side by side with one zoom: of two jobs, or of a job and an earlier version of it.

const EARLIER = "~"; // begins no output name; the number of an earlier version follows
const MOST_OFFERED = 40;

/** What the state puts beside a job: a job, and the version if it is an earlier one. */
function partnerOf(job) {
  if (state.with.startsWith(EARLIER)) {
    const version = job.earlier[Number(state.with.slice(1))];
    return version ? { job, version } : null;
  }
  const other = jobNamed.get(state.with);
  return other && other !== job ? { job: other, version: null } : null;
}

/** The jobs of the same input and prompt, with the job itself: its variants. */
function variantsOf(job) {
  const alike = jobs.filter((other) =>
    ["input", "prompt"].every((name) => placeOn(other, name) === placeOn(job, name)),
  );
  const from = Math.max(0, Math.min(alike.indexOf(job) - MOST_OFFERED / 2, alike.length - MOST_OFFERED));
  return alike.slice(from, from + MOST_OFFERED);
}

/** What a job can be compared with: pairs of the state's value and words, the likeliest first. */
function partnersOf(job) {
  const place = neighbours.indexOf(job);
  const near = [neighbours[place + 1], neighbours[place - 1]];
  const others = [...new Set([...variantsOf(job), ...near])].filter((other) => other && other !== job);
  return [
    ...job.earlier.map((version, number) => [`${EARLIER}${number}`, `earlier: ${versionWords(version)}`]),
    ...others.map((other) => [other.output, caption(other, sameAxes(job, other)) || other.output]),
  ];
}

function versionWords({ number, changes, completed }) {
  const which = number === null ? `another ${changes.join(", ")}` : `attempt ${number}`;
  return completed ? `${which}, ${moment(completed)}` : which;
}

function sameAxes(one, other) {
  return wide.filter((name) => placeOn(one, name) === placeOn(other, name));
}

function compareChoice(job) {
  const offered = partnersOf(job);
  const other = partnerOf(job);
  if (!other && !offered.length) return null;
  if (other && !offered.some(([value]) => value === state.with)) {
    offered.unshift([state.with, caption(other.job, sameAxes(job, other.job)) || other.job.output]);
  }
  const beside = (value) => change({ with: value });
  return choice("beside", "compare-with", [["", "—"], ...offered], state.with, beside);
}

/** C: beside the likeliest other one, and back. */
function toggleCompare() {
  const [first] = partnersOf(jobNamed.get(state.job));
  change({ with: state.with ? "" : (first?.[0] ?? "") });
}

function pair(job, other) {
  const besides = other.version ? wide : sameAxes(job, other.job);
  const words = (one) => caption(one, besides) || caption(one, []) || one.output;
  const right = other.version
    ? pane("2", job, other.version, `Earlier: ${versionWords(other.version)}; ${movedWords(other.version)}`)
    : pane("2", other.job, null, words(other.job));
  return [pane("1", job, null, other.version ? `Now: ${words(job)}` : words(job)), right];
}

function pane(number, job, version, words) {
  const label = { tabindex: "0", role: "group", "aria-label": words, "data-job": job.output };
  return el(
    "div",
    { class: "pane", id: `pane-${number}`, ...label },
    el("div", { class: "stand" }, single(job, version)),
    el(
      "div",
      { class: "under" },
      el("p", { class: "which", dir: "auto" }, words),
      version ? el("p", { class: "said", dir: "auto" }, version.prompt ?? "") : verdictBar(job, `-${number}`),
    ),
  );
}

/** The job that a key's verdict is for: of the pane that has the focus, else the one to compare. */
function judged(target) {
  const held = target.closest?.(".pane")?.dataset.job;
  return jobNamed.get(held ?? (jobNamed.has(state.with) ? state.with : state.job));
}
