// Jobs that need a person: first on the page, those with the same reason together.

const GROUPS = 6;
const SAMPLES = 6;
const COMMANDS = 3;

/** The jobs by kind and reason. Numbers in a reason, and what a check found, make no other group. */
function troubleGroups() {
  const groups = new Map();
  for (const kind of TROUBLE) {
    for (const job of jobs.filter((other) => other.kind === kind)) {
      const why = reason(job);
      const alike = kind === "flagged" && job.failed_checks.length ? job.failed_checks.join("\n") : why.said.replace(/\d+/g, "#");
      const name = `${kind}\n${why.code || alike}`;
      if (!groups.has(name)) groups.set(name, { kind, why, jobs: [] });
      groups.get(name).jobs.push(job);
    }
  }
  return [...groups.values()];
}

function renderTrouble() {
  const groups = troubleGroups();
  const root = byId("trouble");
  root.hidden = !groups.length;
  if (!groups.length) return;
  const count = groups.reduce((sum, group) => sum + group.jobs.length, 0);
  const list = el("ul", { class: "groups" }, groups.slice(0, GROUPS).map(card));
  root.replaceChildren(el("h2", {}, `${plural(count, "job")} to look at`), list);
  const rest = groups.slice(GROUPS);
  if (rest.length) root.append(restButton(list, () => rest.map(card), `${rest.length} further reasons`));
}

function card(group) {
  const { kind, why } = group;
  const heading = [why.code, why.title].filter(Boolean).join(" · ") || why.said;
  const said = why.said !== heading && why.said !== why.title ? why.said : "";
  return el(
    "li",
    { class: `reason is-${kind}` },
    el("h3", {}, el("span", { class: "mark" }, `${group.jobs.length} ${KINDS[kind].label}`)),
    el("p", { class: "what", dir: "auto" }, heading),
    said && el("p", { class: "said", dir: "auto" }, said),
    el("p", { class: "next" }, why.next),
    commands(group),
    samples(group),
  );
}

/** The commands to type: one where it is the same for all, else those of the first jobs. */
function commands(group) {
  const all = [...new Set(group.jobs.map((job) => job.command).filter(Boolean))];
  const rest = all.length - COMMANDS;
  return [
    ...all.slice(0, COMMANDS).map(commandLine),
    rest > 0 && el("p", { class: "next" }, `and ${rest} more: open the pictures for theirs`),
  ];
}

function samples(group) {
  const list = () => group.jobs;
  const tiles = group.jobs.slice(0, SAMPLES).map((job) => tile(job, { words: "", list }));
  const rest = group.jobs.length - tiles.length;
  const words = rest > 0 ? `and ${rest} more` : "show in grid";
  const all = pushButton({ class: "quiet", onclick: () => showGroup(group) }, words);
  return el("div", { class: "samples" }, tiles, all);
}

/** Leaves only the jobs of a group in the grid, as far as a code or a check tells them apart. */
function showGroup(group) {
  const search = group.why.code || group.jobs[0].failed_checks.join(" ");
  change({ kinds: [group.kind], verdicts: [], search, filters: {} });
  byId("controls").scrollIntoView({ block: "start" });
}
