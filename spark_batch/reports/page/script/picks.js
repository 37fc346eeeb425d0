// Verdicts: which pictures are picked or rejected, with a note.
//
// The picks file had some when this page was written. Changes to them stay in the browser, by the
// page's address, until the reader has downloaded the picks file and the page is written again.

const PICKS_COLUMNS = ["job", "output", "verdict", "note"];
const PICKS_FILE = facts.picks.file;
const PICKS_STORE = `spark-batch.picks:${location.pathname}`;
const VERDICTS = { pick: "Pick", reject: "Reject", "": "Unmark" };
const VERDICT_KEYS = { p: "pick", x: "reject", u: "" };
const MOST_DISPUTED = 3; // jobs that are named
const UNMARKED = { output: "", verdict: "", note: "" };

/** The verdicts of the picks file by job; none can be set where the file has an error. */
const inFile = new Map(Object.entries(facts.picks.jobs));
/** The changes by job since the page was written; verdict "" removes the file's. */
const changes = new Map();
/** The changes that were downloaded, as JSON by job. */
const downloaded = new Map();
/** What the file had when the reader judged, by job, where it has somebody else's newer verdict by now. */
const disputed = new Map();
/** What an undo restores, the last step last: a job's key, the change that it had, and its new one. */
const undone = [];
let storable = true;
let warned = ""; // what the reader has to know, until the next verdict

function current(key) {
  return changes.get(key) ?? inFile.get(key) ?? UNMARKED;
}

function verdictOf(job) {
  return current(job.key);
}

/** Says something that a reader must not miss: on the line of verdicts, and to a screen reader. */
function notify(text) {
  warned = text;
  announce(text);
  renderPicks();
}

/** Gives jobs a verdict, in one step for an undo. */
function setVerdicts(list, verdict) {
  // The file has no note without a verdict.
  const changed = (job) => ({ output: job.output, verdict, note: verdict ? verdictOf(job).note : "" });
  const others = list.filter((job) => verdictOf(job).verdict !== verdict);
  changeVerdicts(others.map((job) => [job.key, changed(job)]));
  const what = list.length === 1 ? list[0].output : plural(list.length, "picture");
  announce(`${what}: ${verdictWords(verdict)}`);
}

/** The verdict that the reader saw when a note was begun. */
const seen = { key: "", verdict: UNMARKED };

/** Takes a note over; false if somebody else has changed the verdict that the reader saw. */
function setNote(job, text) {
  const note = text.trim().replace(/\s+/g, " ");
  if (note === verdictOf(job).note) return true;
  if (seen.key === job.key && !isSame(verdictOf(job), seen.verdict)) {
    notify(`Somebody else has judged ${job.output} meanwhile, and your note is not stored: ${note}`);
    return false;
  }
  changeVerdicts([[job.key, { ...verdictOf(job), output: job.output, note }]]);
  return true;
}

/** Takes changes over, as pairs of a job's key and its change. */
function changeVerdicts(pairs) {
  if (facts.picks.error || !pairs.length) return;
  undone.push([...new Map(pairs)].map(([key, changed]) => [key, changes.get(key), changed]));
  warned = "";
  for (const [key] of pairs) disputed.delete(key);
  putChanges(pairs);
}

/** Undoes the last step, except where somebody else has set another verdict since. */
function undoVerdict() {
  if (!undone.length) return;
  const step = undone.pop();
  const mine = step.filter(([key, , changed]) => isSame(current(key), changed));
  warned = "";
  putChanges(mine);
  const others = step.length - mine.length;
  if (others) notify(`Somebody else has judged ${plural(others, "picture")} since: those verdicts stay`);
  else announce("Undone");
}

/** The picks file has a verdict of the reader in a form of its own: that is no change by others. */
function adoptForm(key, sent, now) {
  const steps = undone.flat().filter(([other, , changed]) => other === key && isSame(changed, sent));
  for (const step of steps) step[2] = now;
  if (seen.key === key && isSame(seen.verdict, sent)) seen.verdict = now;
}

function putChanges(pairs) {
  for (const [key, changed] of pairs) {
    if (changed) changes.set(key, changed);
    else changes.delete(key);
  }
  storeChanges();
  renderVerdicts(new Set(pairs.map(([key]) => key)));
}

function unsaved() {
  return [...new Set([...changes.keys(), ...downloaded.keys()])].filter((key) => {
    const now = JSON.stringify(current(key));
    return now !== (downloaded.get(key) ?? JSON.stringify(inFile.get(key) ?? UNMARKED));
  });
}

function storeChanges() {
  sendVerdicts();
  keepChanges();
}

function keepChanges() {
  try {
    const files = [...changes.keys()].map((key) => [key, disputed.get(key) ?? inFile.get(key) ?? UNMARKED]);
    localStorage.setItem(PICKS_STORE, JSON.stringify({ changes: [...changes], downloaded: [...downloaded], files }));
    storable = true;
  } catch {
    storable = false;
  }
}

/** Takes over what the browser keeps, except what the picks file has by now. */
function readChanges() {
  changes.clear();
  downloaded.clear();
  disputed.clear();
  try {
    const kept = JSON.parse(localStorage.getItem(PICKS_STORE)) ?? { changes: [], downloaded: [] };
    const before = new Map(kept.files ?? []);
    const saved = new Map(kept.downloaded);
    for (const [key, changed] of kept.changes) {
      const now = inFile.get(key) ?? UNMARKED;
      // Somebody else's newer verdict takes precedence over one of the reader's that was downloaded.
      const newer = before.has(key) && !isSame(now, before.get(key));
      const overtaken = newer && saved.get(key) === JSON.stringify(changed);
      if (isSame(changed, now) || overtaken) continue;
      changes.set(key, changed);
      if (newer) disputed.set(key, before.get(key));
    }
    for (const [key, text] of saved) if (changes.has(key)) downloaded.set(key, text);
  } catch {
    storable = false;
  }
}

/** Another tab has stored its changes. */
function storeChanged(event) {
  if (event.key !== PICKS_STORE) return;
  const before = new Map(changes);
  readChanges();
  const differs = (key) => JSON.stringify(before.get(key)) !== JSON.stringify(changes.get(key));
  renderVerdicts(new Set([...before.keys(), ...changes.keys()].filter(differs)));
}

function isSame(one, other) {
  return one.verdict === other.verdict && one.note === other.note;
}

/** The picks file: the shown jobs as they stand on the page, then the others by job. */
function picksText() {
  const all = new Map([...inFile, ...changes]);
  const known = [...new Set(jobs.map((job) => job.key))].filter((key) => all.has(key));
  const others = [...all.keys()].filter((key) => !known.includes(key)).sort();
  const rows = [...known, ...others]
    .map((key) => [key, all.get(key)])
    .filter(([, { verdict }]) => verdict)
    .map(([key, { output, verdict, note }]) => [key, withoutFormula(output), verdict, withoutFormula(note)]);
  return [PICKS_COLUMNS, ...rows].map((row) => `${row.map(csvCell).join(",")}\n`).join("");
}

/** As `escape_formula` in text.py: a spreadsheet would run a cell that begins so. */
function withoutFormula(text) {
  return /^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function csvCell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function downloadPicks() {
  download(new Blob([picksText()], { type: "text/csv" }), PICKS_FILE);
  // A server still has to write them: to it, only what it has written counts.
  for (const key of SERVER ? [] : new Set([...changes.keys(), ...downloaded.keys()])) {
    downloaded.set(key, JSON.stringify(current(key)));
  }
  disputed.clear();
  storeChanges();
  renderPicks();
  announce(`${PICKS_FILE} downloaded: put it beside the recipe`);
}

/** Whether there are verdicts that the picks file may lack; a server that answers writes them. */
function isDownloadable() {
  if (facts.picks.error) return false;
  return SERVER ? Boolean(offline || damaged || unsaveable) && unsaved().length > 0 : changes.size + unsaved().length > 0;
}

/** The line that counts the verdicts and says which are not saved yet. */
function renderPicks() {
  const focused = document.activeElement?.id;
  byId("picks").replaceChildren(...picksLine());
  byId("verdict-chips")?.replaceChildren(...verdictChips());
  byId("job-warning")?.replaceChildren(warningText());
  if (focused) byId(focused)?.focus();
}

/** What the view of a job says of verdicts, since it covers their line: only what goes wrong. */
function warningText() {
  const lost = !storable && unsaved().length ? "This browser does not keep verdicts: download the picks" : "";
  return [SERVER ? serverFault() : lost, warned].filter(Boolean).join(". ");
}

function picksLine() {
  if (facts.picks.error) return [el("span", { class: "unsaved" }, `No verdicts: ${facts.picks.error}`), reloadButton()].filter(Boolean);
  const counts = verdictCounts();
  const waiting = unsaved().length;
  const others = counts.others ? ` · ${plural(counts.others, "verdict")} on other jobs` : "";
  const parts = [el("span", {}, `${counts.pick} picked · ${counts.reject} rejected${others}`)];
  if (waiting) {
    const where = storable ? "" : ", and this browser does not keep them";
    parts.push(el("span", { class: "unsaved" }, `${plural(waiting, "verdict")} not saved yet${where}`));
  }
  if (disputed.size && !SERVER) parts.push(el("span", { class: "unsaved", dir: "auto" }, disputeText()));
  parts.push(...serverLine());
  if (warned) parts.push(el("span", { class: "unsaved", dir: "auto" }, warned));
  if (isDownloadable()) {
    const title = `Download ${PICKS_FILE} (S), and put it beside the recipe`;
    const attributes = { id: "picks-download", "aria-keyshortcuts": "S", title };
    parts.push(pushButton({ ...attributes, onclick: downloadPicks }, "Download picks"));
  }
  if (undone.length) {
    const attributes = { class: "quiet", id: "picks-undo", "aria-keyshortcuts": "Z", title: "Undo (Z)" };
    parts.push(pushButton({ ...attributes, onclick: undoVerdict }, "Undo"));
  }
  return parts.filter(Boolean);
}

/** Which newer verdicts of the picks file a download would replace. */
function disputeText() {
  const theirs = [...disputed.keys()].slice(0, MOST_DISPUTED).map((key) => {
    const { verdict, note } = inFile.get(key) ?? UNMARKED;
    return [`${current(key).output}: ${verdictWords(verdict)}`, note].filter(Boolean).join(", ");
  });
  const more = disputed.size > theirs.length ? "; …" : "";
  const what = plural(disputed.size, "picture");
  return `Somebody else has judged ${what} since, and the download has your verdicts instead (${theirs.join("; ")}${more})`;
}

/** The numbers of picked and rejected jobs, and of verdicts on jobs that the page lacks. */
function verdictCounts() {
  const all = [...new Map([...inFile, ...changes])].filter(([, { verdict }]) => verdict);
  const shown = new Set(jobs.map((job) => job.key));
  const known = all.filter(([key]) => shown.has(key));
  const count = (name) => known.filter(([, { verdict }]) => verdict === name).length;
  return { pick: count("pick"), reject: count("reject"), others: all.length - known.length };
}

/** Shows the changed verdicts of these keys in tiles, in the view of a job, and in the counts. */
function renderVerdicts(keys) {
  for (const button of document.querySelectorAll(".tile, .variant")) {
    const job = jobNamed.get(button.dataset.job);
    if (keys.has(job.key)) markTile(button, job);
  }
  for (const bar of byId("job").querySelectorAll(".verdicts")) updateVerdictBar(bar, keys);
  renderPicks();
}

/** Shows a job's verdict on its button, and whether it is selected. */
function markTile(button, job) {
  const { verdict } = verdictOf(job);
  button.dataset.verdict = verdict;
  button.toggleAttribute("data-selected", selected.has(job));
  const words = [spoken(job), verdict && verdictWords(verdict), selected.has(job) && "selected"];
  button.setAttribute("aria-label", words.filter(Boolean).join(", "));
}

function verdictWords(verdict) {
  return { pick: "picked", reject: "rejected" }[verdict] ?? "no verdict";
}

/** The key that sets a verdict, as it is shown. */
function keyOf(verdict) {
  return Object.keys(VERDICT_KEYS).find((key) => VERDICT_KEYS[key] === verdict).toUpperCase();
}

/** Buttons and the note of a job, in its view; `end` makes their ids differ from those beside it. */
function verdictBar(job, end = "") {
  if (facts.picks.error) return null;
  const { verdict, note } = verdictOf(job);
  const buttons = Object.entries(VERDICTS).map(([name, label]) => {
    const key = keyOf(name);
    return pushButton(
      {
        id: `verdict-${name || "none"}${end}`,
        "data-verdict": name,
        "aria-pressed": name ? String(verdict === name) : null,
        "aria-keyshortcuts": key,
        title: `${label} (${key})`,
        onclick: () => setVerdicts([job], name),
      },
      label,
    );
  });
  const field = el("input", {
    type: "text",
    id: `verdict-note${end}`,
    "aria-label": "Note on the verdict",
    placeholder: notePlaceholder(verdict),
    disabled: !verdict,
    maxlength: facts.picks.longest_note,
    dir: "auto",
    value: note,
  });
  // A window that comes back gives the field the focus again, with a note that is not finished.
  const see = () => Object.assign(seen, { key: job.key, verdict: verdictOf(job) });
  field.addEventListener("focus", () => (field.value === verdictOf(job).note || seen.key !== job.key) && see());
  field.addEventListener("change", () => setNote(job, field.value) && see());
  field.addEventListener("blur", () => updateNote(field, job));
  // Enter ends the note: the next key is a verdict or an arrow, and no letter of it.
  const leave = () => (field.closest(".pane") ?? byId("job")).focus();
  field.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && leave());
  const label = { role: "group", "aria-label": "Verdict", "data-job": job.output };
  return el("div", { class: "verdicts", ...label }, buttons, field);
}

function notePlaceholder(verdict) {
  return verdict ? "Note" : "A note needs a verdict";
}

/** Its elements stay the same: a click that ends a note is still on its way to a button. */
function updateVerdictBar(bar, keys) {
  const job = jobNamed.get(bar.dataset.job);
  if (!keys.has(job.key)) return;
  for (const button of bar.querySelectorAll("button[aria-pressed]")) {
    button.setAttribute("aria-pressed", String(verdictOf(job).verdict === button.dataset.verdict));
  }
  updateNote(bar.querySelector("input"), job);
}

/** Shows the note as it is stored, but not in a field that the reader is writing in. */
function updateNote(field, job) {
  if (field === document.activeElement) return;
  const { verdict, note } = verdictOf(job);
  field.value = note;
  field.disabled = !verdict;
  field.placeholder = notePlaceholder(verdict);
}

/** Before the page goes: takes over a note that is being written, and asks where verdicts would be lost. */
function keepAtEnd(event) {
  document.activeElement?.blur();
  if ((SERVER || !storable) && unsaved().length) event.preventDefault();
}

/** P picks, X rejects, U removes the verdict: see `jobsForKeys`; Z undoes, S saves the picks file. */
function verdictKeys(event) {
  if (isWriting(event) || isHeld(event) || byId("help").open) return;
  const key = event.key.toLowerCase();
  const list = key in VERDICT_KEYS ? jobsForKeys(event.target) : [];
  if (key === "z") undoVerdict();
  else if (key === "s" && isDownloadable()) downloadPicks();
  else if (list.length) setVerdicts(list, VERDICT_KEYS[key]);
  else return;
  event.preventDefault();
}

/** The job that is open, else the selected ones, else the one that has the focus. */
function jobsForKeys(target) {
  if (state.job) return [judged(target)];
  if (selected.size) return selectedJobs();
  const name = target.closest?.(".tile")?.dataset.job;
  return name ? [jobNamed.get(name)] : [];
}
