// Verdicts: which pictures are picked or rejected, with a note.
//
// The picks file had some when this page was written. Changes to them stay in the browser, by the
// page's address, until the reader has downloaded the picks file and the page is written anew.

const PICKS_COLUMNS = ["job", "output", "verdict", "note"];
const PICKS_FILE = facts.picks.file;
const PICKS_STORE = `spark-batch.picks:${location.pathname}`;
const VERDICTS = { pick: "Pick", reject: "Reject", "": "Unmark" };
const VERDICT_KEYS = { p: "pick", x: "reject", u: "" };
const UNMARKED = { output: "", verdict: "", note: "" };

/** The verdicts of the picks file by job; none can be set where the file has an error. */
const inFile = new Map(Object.entries(facts.picks.jobs));
/** The changes by job since the page was written; verdict "" removes the file's. */
const changes = new Map();
/** The changes that were downloaded, as JSON by job. */
const downloaded = new Map();
/** What an undo restores: jobs with the changes that they had. */
const undone = [];
let storable = true;

function verdictOf(job) {
  return changes.get(job.key) ?? inFile.get(job.key) ?? UNMARKED;
}

function setVerdict(job, verdict) {
  // The file has no note without a verdict.
  const note = verdict ? verdictOf(job).note : "";
  if (verdict !== verdictOf(job).verdict) changeVerdict(job, { output: job.output, verdict, note });
  announce(`${job.output}: ${verdictWords(verdict)}`);
}

function setNote(job, note) {
  if (note !== verdictOf(job).note) changeVerdict(job, { ...verdictOf(job), output: job.output, note });
}

function changeVerdict(job, changed) {
  if (facts.picks.error) return;
  undone.push([job.key, changes.get(job.key)]);
  putChange(job.key, changed);
}

function undoVerdict() {
  if (!undone.length) return;
  const [key, before] = undone.pop();
  putChange(key, before);
  announce("Undone");
}

function putChange(key, changed) {
  if (changed) changes.set(key, changed);
  else changes.delete(key);
  storeChanges();
  renderVerdicts(key);
}

function unsaved() {
  return [...new Set([...changes.keys(), ...downloaded.keys()])].filter((key) => {
    const now = JSON.stringify(changes.get(key) ?? inFile.get(key) ?? UNMARKED);
    return now !== (downloaded.get(key) ?? JSON.stringify(inFile.get(key) ?? UNMARKED));
  });
}

function storeChanges() {
  sendVerdicts();
  try {
    localStorage.setItem(PICKS_STORE, JSON.stringify({ changes: [...changes], downloaded: [...downloaded] }));
    storable = true;
  } catch {
    storable = false;
  }
}

/** Takes over what the browser kept, without what the picks file has by now. */
function readChanges() {
  try {
    const kept = JSON.parse(localStorage.getItem(PICKS_STORE)) ?? { changes: [], downloaded: [] };
    for (const [key, changed] of kept.changes) {
      if (!isSame(changed, inFile.get(key) ?? UNMARKED)) changes.set(key, changed);
    }
    for (const [key, text] of kept.downloaded) if (changes.has(key)) downloaded.set(key, text);
  } catch {
    storable = false;
  }
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
  const href = URL.createObjectURL(new Blob([picksText()], { type: "text/csv" }));
  el("a", { href, download: PICKS_FILE }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
  for (const key of new Set([...changes.keys(), ...downloaded.keys()])) {
    downloaded.set(key, JSON.stringify(changes.get(key) ?? inFile.get(key) ?? UNMARKED));
  }
  storeChanges();
  renderPicks();
  announce(`${PICKS_FILE} downloaded: put it beside the recipe`);
}

/** The line that counts the verdicts and says which are not saved yet. */
function renderPicks() {
  const focused = document.activeElement?.id;
  byId("picks").replaceChildren(...picksLine());
  if (focused) byId(focused)?.focus();
}

function picksLine() {
  if (facts.picks.error) return [el("span", { class: "unsaved" }, `No verdicts: ${facts.picks.error}`)];
  const all = [...new Map([...inFile, ...changes]).values()];
  const count = (verdict) => all.filter((each) => each.verdict === verdict).length;
  const waiting = unsaved().length;
  const parts = [el("span", {}, `${count("pick")} picked · ${count("reject")} rejected`)];
  if (waiting) {
    const where = storable ? "" : ", and this browser does not keep them";
    parts.push(el("span", { class: "unsaved" }, `${plural(waiting, "verdict")} not saved yet${where}`));
  }
  parts.push(...serverLine());
  if (!SERVER && (waiting || changes.size)) {
    const title = `Download ${PICKS_FILE}, and put it beside the recipe`;
    parts.push(el("button", { type: "button", id: "picks-download", title, onclick: downloadPicks }, "Download picks"));
  }
  if (undone.length) {
    const attributes = { type: "button", class: "quiet", id: "picks-undo", "aria-keyshortcuts": "Z" };
    parts.push(el("button", { ...attributes, onclick: undoVerdict }, "Undo"));
  }
  return parts;
}

/** Shows a changed verdict in its tiles, in the view of the job, and in the counts. */
function renderVerdicts(key) {
  for (const button of document.querySelectorAll(".tile")) {
    const job = jobNamed.get(button.dataset.job);
    if (job.key === key) markTile(button, job);
  }
  const open = jobNamed.get(state.job);
  if (open?.key === key) updateVerdictBar(open);
  renderPicks();
}

function markTile(button, job) {
  const { verdict } = verdictOf(job);
  button.dataset.verdict = verdict;
  button.setAttribute("aria-label", verdict ? `${spoken(job)}, ${verdictWords(verdict)}` : spoken(job));
}

function verdictWords(verdict) {
  return { pick: "picked", reject: "rejected" }[verdict] ?? "no verdict";
}

/** Buttons and the note of a job, in its view. */
function verdictBar(job) {
  if (facts.picks.error) return null;
  const { verdict, note } = verdictOf(job);
  const buttons = Object.entries(VERDICTS).map(([name, label]) => {
    const key = Object.keys(VERDICT_KEYS).find((each) => VERDICT_KEYS[each] === name).toUpperCase();
    return el(
      "button",
      {
        type: "button",
        id: `verdict-${name || "none"}`,
        "aria-pressed": name ? String(verdict === name) : null,
        "aria-keyshortcuts": key,
        title: `${label} (${key})`,
        onclick: () => setVerdict(job, name),
      },
      label,
    );
  });
  const field = el("input", {
    type: "text",
    id: "verdict-note",
    "aria-label": "Note on the verdict",
    placeholder: verdict ? "Note" : "A note needs a verdict",
    disabled: !verdict,
    dir: "auto",
    value: note,
    onchange: (event) => setNote(job, event.target.value.trim()),
  });
  const label = { role: "group", "aria-label": "Verdict" };
  return el("div", { class: "verdicts", id: "verdicts", ...label }, buttons, field);
}

function updateVerdictBar(job) {
  const focused = document.activeElement?.id;
  byId("verdicts").replaceWith(verdictBar(job));
  const heir = byId(focused);
  if (byId("verdicts").contains(heir) && !heir.disabled) heir.focus();
}

/** P picks, X rejects, U removes the verdict of the job that is open or has the focus; Z undoes. */
function verdictKeys(event) {
  const writing = event.target.matches?.("input:not([type=range]), select, textarea");
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  const name = state.job || event.target.closest?.(".tile")?.dataset.job;
  if (key === "z") undoVerdict();
  else if (key in VERDICT_KEYS && name) setVerdict(jobNamed.get(name), VERDICT_KEYS[key]);
  else return;
  event.preventDefault();
}
