// The facts of one job: first those that help to choose, then, folded, the technical ones.

let technicalOpen = false;

function panel(job) {
  return el(
    "div",
    { class: "panel", tabindex: "0", role: "region", "aria-label": "Facts" },
    verdictBar(job),
    notice(job),
    el("blockquote", { class: "prompt", dir: "auto" }, job.prompt),
    section("Variant", variantFacts(job)),
    variantStrip(job),
    technical(job),
  );
}

function technical(job) {
  const details = el(
    "details",
    { class: "technical", open: technicalOpen },
    el("summary", { id: "technical" }, "Technical"),
    section("Request", requestFacts(job)),
    section("Picture", pictureFacts(job)),
    section("Task", taskFacts(job)),
    attemptList(job),
  );
  details.addEventListener("toggle", () => (technicalOpen = details.open));
  return details;
}

/** The jobs of the same input and prompt: a click opens one, with control or shift beside this one. */
function variantStrip(job) {
  const all = variantsOf(job);
  if (all.length < 2) return null;
  const open = (event, other) =>
    change(event.ctrlKey || event.metaKey || event.shiftKey ? { with: other.output } : { job: other.output, with: "" });
  const buttons = all.map((other, number) => {
    const source = thumbnail(other.thumbnail);
    const button = pushButton(
      {
        id: `variant-${number}`,
        class: `variant is-${other.kind}`,
        "data-job": other.output,
        "--ratio": ratio(other).toFixed(4),
        "aria-current": other === job ? "true" : null,
        title: caption(other, ["input", "prompt"]) || other.output,
        onclick: (event) => open(event, other),
      },
      source ? el("img", { src: source, alt: "" }) : el("span", { class: "dot" }),
    );
    markTile(button, other);
    return button;
  });
  return el("section", {}, el("h3", {}, "Variants of this prompt"), el("div", { class: "strip" }, buttons));
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
    job.command && commandLine(job.command),
  );
}

/** A command to copy, as it is typed in the recipe's folder. */
function commandLine(command) {
  const line = copied(command, "command");
  line.title = "In the recipe's folder";
  return line;
}

/** A section of pairs of a name and a value; those without a value are left out. */
function section(title, pairs) {
  const lines = pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)]);
  return lines.length ? el("section", {}, el("h3", {}, title), el("dl", {}, lines)) : null;
}

function variantFacts(job) {
  const { image, link, changed } = job.input;
  const fixed = ["input", "prompt", "size", "scale", "seed", "take"];
  const variables = axes.map((axis) => axis.name).filter((name) => !fixed.includes(name));
  return [
    ["input", link ? linkTo(link, image) : image],
    ["", changed ? el("em", {}, "The file has changed since it was sent.") : null],
    ["prompt", valueOn(job, "prompt")],
    ...variables.map((name) => [name, valueOn(job, name)]),
    ["size", valueOn(job, "size")],
    ["scale", job.scale],
    ["seed", job.seed < 0 ? `${job.seed} (random), take ${job.take}` : job.seed],
    ["cost", costOf(job)],
  ].filter(([, value]) => value !== NOTHING);
}

function costOf(job) {
  if (job.cost === null) return null;
  return usd(micros(job.cost)) + (playMoney ? " of play money" : "") + (job.attempts.length > 1 ? ", all attempts" : "");
}

function requestFacts(job) {
  return [
    ["sent as", job.input.fit],
    ["recipe line", job.source],
    ["key", copied(job.key, "key")],
  ];
}

function pictureFacts(job) {
  const { picture: came, asked, expected } = job;
  const other = came && expected && String(came.size) !== String(expected);
  return [
    ["file", job.link ? linkTo(job.link, job.file) : job.file],
    ["", job.pointer ? el("em", {}, POINTER) : null],
    ["moved", job.earlier[0]?.moved?.toFixed(2) ?? (job.gone ? "The picture that it replaced is no longer kept." : null)],
    ["asked", asked && sides(asked)],
    ["expected", expected && sides(expected)],
    ["actual", came && el("span", { class: other ? "other" : null }, sides(came.size))],
    ["format", came && `${came.format}, ${bytes(came.bytes)}`],
    ["SHA-256", came && copied(came.sha256, "SHA-256")],
  ];
}

function taskFacts(job) {
  const last = lastAttempt(job) ?? {};
  return [
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
  const items = job.attempts.map((attempt) =>
    el(
      "li",
      {},
      el("h4", {}, `Attempt ${attempt.number}`, el("span", { class: "state" }, attempt.expired ? "expired" : attempt.state)),
      el("ol", { class: "history" }, attempt.history.map(historyLine)),
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
  const button = pushButton({ class: "quiet copy", "aria-label": label, title: label }, icon("copy"));
  button.addEventListener("click", async () => {
    announce((await copy(text)) ? `${name} copied` : `${name} could not be copied`);
    button.classList.add("is-copied");
    setTimeout(() => button.classList.remove("is-copied"), 900);
  });
  // Each word has an element of its own, so that it breaks only where it is longer than the line.
  const words = text.split(" ").flatMap((word, number) => [number ? " " : "", el("span", {}, word)]);
  return el("span", { class: "code" }, el("code", {}, words), button);
}

/** Copies a text, through a selection where the page has no clipboard; gives whether it did. */
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
