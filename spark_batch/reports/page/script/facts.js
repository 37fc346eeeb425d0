// What is known of one job: its request, its picture, its money, and every attempt.

function panel(job) {
  return el(
    "div",
    { class: "panel", tabindex: "0", role: "region", "aria-label": "Facts" },
    verdictBar(job),
    notice(job),
    el("blockquote", { class: "prompt", dir: "auto" }, job.prompt),
    section("Request", requestFacts(job)),
    section("Picture", pictureFacts(job)),
    section("Task", taskFacts(job)),
    attemptList(job),
  );
}

/** Why the job needs a look, and what to do. */
function notice(job) {
  if (job.kind === "done") return null;
  const why = reason(job);
  const heading = [why.code, why.title].filter(Boolean).join(" · ");
  return el(
    "div",
    { class: `notice is-${job.kind}` },
    heading && el("b", {}, heading),
    why.said && why.said !== why.title && el("p", { dir: "auto" }, why.said),
    el("p", { class: "next" }, why.next),
  );
}

/** Pairs of a name and what stands for it; those without a value are left out. */
function section(title, pairs) {
  const lines = pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)]);
  return lines.length ? el("section", {}, el("h3", {}, title), el("dl", {}, lines)) : null;
}

function requestFacts(job) {
  const { image, link, fit, changed } = job.input;
  const fixed = ["input", "prompt", "size", "scale", "seed", "take"];
  const variables = axes.map((axis) => axis.name).filter((name) => !fixed.includes(name));
  return [
    ["input", link ? linkTo(link, image) : image],
    ["", changed ? el("em", {}, "The file has changed since it was sent.") : null],
    ["sent as", fit],
    ["prompt", valueOn(job, "prompt")],
    ...variables.map((name) => [name, valueOn(job, name)]).filter(([, value]) => value !== NOTHING),
    ["scale", job.scale],
    ["seed", job.seed < 0 ? `${job.seed} (random), take ${job.take}` : String(job.seed)],
    ["written in", job.source],
    ["key", copied(job.key, "key")],
  ];
}

function pictureFacts(job) {
  const { picture: came, asked, expected } = job;
  const other = came && String(came.size) !== String(expected);
  return [
    ["file", job.link ? linkTo(job.link, job.file) : job.file],
    ["", job.pointer ? el("em", {}, POINTER) : null],
    ["asked", sides(asked)],
    ["expected", sides(expected)],
    ["came", came && el("span", { class: other ? "other" : null }, sides(came.size))],
    ["format", came && `${came.format}, ${bytes(came.bytes)}`],
    ["SHA-256", came && copied(came.sha256, "SHA-256")],
  ];
}

function taskFacts(job) {
  const last = lastAttempt(job) ?? {};
  const paid = micros(job.cost);
  return [
    ["cost", job.cost === null ? null : usd(paid) + (job.attempts.length > 1 ? ", all attempts" : "")],
    ["reserved", micros(job.reserved) ? usd(micros(job.reserved)) : null],
    ["tokens", last.tokens?.toLocaleString("en")],
    ["sent", last.submitted && `${moment(last.submitted)} UTC`],
    ["completed", last.completed && `${moment(last.completed)} UTC`],
    ["took", last.submitted && last.completed && seconds(last.submitted, last.completed)],
    ["task", last.task && copied(last.task, "task id")],
    ["API", last.api],
  ];
}

function attemptList(job) {
  if (!job.attempts.length) return null;
  const items = job.attempts.map((each) =>
    el(
      "li",
      {},
      el("h4", {}, `Attempt ${each.number}`, el("span", { class: "state" }, each.expired ? "expired" : each.state)),
      el("ol", { class: "history" }, each.history.map(historyLine)),
    ),
  );
  return el(
    "section",
    {},
    el("h3", {}, plural(job.attempts.length, "attempt")),
    el("ol", { class: "attempts" }, items),
  );
}

function historyLine([at, what, detail]) {
  return el(
    "li",
    {},
    el("time", { datetime: at, title: at }, moment(at).slice(11)),
    el("b", {}, what),
    detail && el("span", { dir: "auto" }, detail),
  );
}

function linkTo(href, text) {
  return el("a", { href, target: "_blank", rel: "noreferrer noopener" }, icon("open"), text);
}

function copied(text, name) {
  const label = `Copy the ${name}`;
  const button = el("button", { type: "button", class: "quiet copy", "aria-label": label, title: label }, icon("copy"));
  button.addEventListener("click", async () => {
    announce((await copy(text)) ? `${name} copied` : `${name} could not be copied`);
    button.classList.add("is-copied");
    setTimeout(() => button.classList.remove("is-copied"), 900);
  });
  return el("span", { class: "code" }, el("code", {}, text), button);
}

/** Whether it was copied: where a page has no clipboard, through a selection. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = el("textarea", { class: "unseen" }, text);
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
