// What the checkpoint knew when this page was written.

const facts = JSON.parse(byId("facts").textContent);
const thumbnails = JSON.parse(byId("thumbnails").textContent);

// The kinds of jobs, those that need a person first. `next` says what to do.
const KINDS = {
  failed: { label: "failed", next: "Retry what may be retried: spark-batch retry" },
  uncertain: {
    label: "uncertain",
    next:
      "It may be paid for, so it is never sent again by itself. Check the vendor's billing page" +
      " or ask its support, then: spark-batch resolve",
  },
  expired: {
    label: "expired",
    next:
      "It was paid for, and the API no longer gives its picture. To look once more, for free: spark-batch rescue." +
      " To make it again, for money: spark-batch retry",
  },
  flagged: {
    label: "flagged",
    next: "It is kept, and never made again by itself. Look at it, then pick or reject it.",
  },
  flight: { label: "in flight", next: "It is paid for. To fetch it: spark-batch run, or rescue" },
  pending: { label: "pending", next: "Not made yet: spark-batch run" },
  pruned: { label: "pruned", next: "Its picture was deleted by spark-batch prune, and stays paid for." },
  done: { label: "done", next: "" },
};
/** Why a picture that is in Git LFS, and not on this disk, is not shown. */
const POINTER = "A Git LFS pointer: git lfs pull fetches the picture.";
/** The value of a variable that a prompt lacks. */
const NOTHING = "(none)";
const TROUBLE = ["failed", "uncertain", "expired", "flagged"];
const FLIGHT = ["submitting", "running", "fetching"];

/** Whether nothing was charged, since the sandbox made everything. */
const playMoney = facts.money.play;

const axes = facts.axes;
const axisNamed = new Map(axes.map((axis, number) => [axis.name, { ...axis, number }]));
/** The axes that the jobs differ on. */
const wide = axes.filter((axis) => axis.values.length > 1).map((axis) => axis.name);

const jobs = facts.jobs.map((job, number) => ({
  ...job,
  number,
  kind: kindOf(job),
  attempts: facts.attempts[job.key] ?? [],
}));
const jobNamed = new Map(jobs.map((job) => [job.output, job]));

function kindOf(job) {
  if (FLIGHT.includes(job.status)) return "flight";
  return job.status === "done" && job.flag ? "flagged" : job.status;
}

/** The number of a job's value on an axis; 0 where there is no such axis. */
function placeOn(job, name) {
  const axis = axisNamed.get(name);
  return axis ? job.at[axis.number] : 0;
}

/** The value of a job on an axis, as it is shown. */
function valueOn(job, name) {
  return axisNamed.get(name).values[placeOn(job, name)].label;
}

/** A value with the name of its axis where the bare value would say too little. */
function named(name, label) {
  return ["input", "prompt", "size"].includes(name) ? label : `${name} ${label}`;
}

/** What distinguishes a job from its neighbours: its values on all axes but `besides`. */
function caption(job, besides) {
  const names = wide.filter((name) => !besides.includes(name) && valueOn(job, name) !== NOTHING);
  return names.map((name) => named(name, valueOn(job, name))).join(" · ");
}

/** Width and height of the picture, else of the expected one; a square where neither is known. */
function sizeOf(job) {
  return job.picture?.size ?? job.expected ?? [1, 1];
}

/** Width by height of a job's picture, limited. */
function ratio(job) {
  const [width, height] = sizeOf(job);
  return limited(width / height);
}

/** A ratio of sides, limited so that a very long picture still has a frame that can be seen. */
function limited(sides) {
  return Math.min(Math.max(sides, 0.4), 2.6);
}

function thumbnail(number) {
  return number === null ? null : thumbnails[number] || null;
}

function lastAttempt(job) {
  return job.attempts[job.attempts.length - 1];
}

/** Why a job needs a look: the code, what it means, what was said, and what to do. */
function reason(job) {
  const last = lastAttempt(job) ?? {};
  const code = job.kind === "failed" ? last.code : undefined;
  const known = facts.codes[code];
  return {
    code: code ?? "",
    title: known?.title ?? "",
    said: (job.kind === "flagged" ? job.flag : last.message) ?? "",
    next: known?.advice ?? KINDS[job.kind].next,
  };
}

/** A job in words, for those who do not see its picture. */
function spoken(job) {
  return `${caption(job, []) || job.output}: ${KINDS[job.kind].label}`;
}

/** All that a search looks through, in lower case. */
function haystack(job) {
  job.haystack ??= [
    job.output,
    job.file,
    job.key,
    job.prompt,
    job.input.image,
    job.flag,
    ...job.failed_checks,
    ...axes.map((axis) => axis.values[job.at[axisNamed.get(axis.name).number]].label),
    ...job.attempts.flatMap(({ task, code, message }) => [task, code, message]),
  ]
    .filter(Boolean)
    .join("\n")
    .toLowerCase();
  return job.haystack;
}
