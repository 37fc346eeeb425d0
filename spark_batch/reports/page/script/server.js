// The page as `review` serves it: verdicts go into the picks file at once, and news is shown.
//
// A page that was opened from disk has no server, and none of this does anything.

const SERVER = facts.server;
const SCROLL_STORE = "spark-batch.scroll";
const POLL_MS = 3000;
// Without a key or a click for so long the reader is only looking; a reload forgets what Z undoes.
const QUIET_MS = 4000;
const QUIET_UNDO_MS = 20_000;
// Of one request: a note is short, so that this many of the longest ones are far below what the server takes.
const MOST_SENT = 250;
let sending = false;
let offline = ""; // why the server cannot be reached
let unsaveable = ""; // why it did not take the last verdicts
let damaged = ""; // what is wrong with the picks file
let stale = false;
let touched = 0;

/** What the picks file has for a job, as far as the page knows. */
function stored(key) {
  return downloaded.has(key) ? JSON.parse(downloaded.get(key)) : (inFile.get(key) ?? UNMARKED);
}

/** Sends the verdicts that the picks file does not have yet, until it has all of them. */
async function sendVerdicts() {
  if (!SERVER || sending) return;
  sending = true;
  try {
    for (let keys = unsaved(); keys.length; keys = unsaved()) await sendThese(keys.slice(0, MOST_SENT));
    unsaveable = "";
  } catch (error) {
    unsaveable = String(error.message ?? error);
    setTimeout(sendVerdicts, POLL_MS);
  } finally {
    sending = false;
  }
  renderPicks();
}

async function sendThese(keys) {
  const sent = new Map(keys.map((key) => [key, current(key)]));
  const list = [...sent].map(([job, { verdict, note }]) => ({ job, verdict, note, before: stored(job) }));
  const answer = await ask(SERVER.picks, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ changes: list }),
  });
  for (const [key, now] of Object.entries(answer.jobs)) {
    if (!answer.conflicts.includes(key)) adoptForm(key, sent.get(key), now);
  }
  takeOver(Object.entries(answer.jobs).map(([key, now]) => [key, now, sent.get(key)]));
  const { conflicts, unknown } = answer;
  const parts = [
    conflicts.length && `Somebody else has judged ${plural(conflicts.length, "picture")}: those verdicts stay`,
    unknown.length && `The recipe no longer has ${plural(unknown.length, "picture")}: no verdict is stored for it`,
  ].filter(Boolean);
  if (parts.length) notify(parts.join(". "));
}

/** Takes over what the picks file has for jobs, as `[key, now, sent]`, except where the reader has changed it since `sent`. */
function takeOver(news) {
  const taken = new Set();
  for (const [key, now, sent] of news) {
    const mine = JSON.stringify(current(key));
    downloaded.set(key, JSON.stringify(now));
    if (mine !== JSON.stringify(sent) || mine === JSON.stringify(now)) continue;
    changes.set(key, now);
    taken.add(key);
  }
  if (!taken.size) return;
  keepChanges();
  renderVerdicts(taken);
}

async function ask(address, options) {
  const response = await fetch(address, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return answer;
}

/** Asks for verdicts of others, and whether there are new pictures. */
async function poll() {
  try {
    const news = await ask(SERVER.state);
    offline = "";
    damaged = news.error ?? "";
    const known = new Set([...inFile.keys(), ...changes.keys(), ...Object.keys(news.jobs)]);
    const waiting = new Set(unsaved());
    const others = [];
    for (const key of sending || damaged ? [] : known) {
      const now = news.jobs[key] ?? UNMARKED;
      const mine = current(key);
      const isMine = isSame(now, mine) || !waiting.has(key); // another tab may have sent it
      if (JSON.stringify(now) !== JSON.stringify(stored(key)) && isMine) others.push([key, now, mine]);
    }
    takeOver(others);
    // The page of a damaged picks file sets no verdicts: once that is fixed, it reloads.
    stale = news.version !== SERVER.version || facts.picks.error !== null;
    if (stale && isQuiet()) reloadInPlace();
  } catch (error) {
    offline = String(error.message ?? error);
  }
  renderPicks();
  setTimeout(poll, POLL_MS);
}

/** Whether a reload disturbs nobody: nothing is open, being written or unsaved. */
function isQuiet() {
  const writing = document.activeElement?.matches("input:not([type=range]), select, textarea");
  const busy = writing || document.querySelector("dialog[open]") || unsaved().length || selected.size || warned;
  return !busy && Date.now() - touched > (undone.length ? QUIET_UNDO_MS : QUIET_MS);
}

/** Why verdicts are not being saved; "" while they are. */
function serverFault() {
  const again = "start `spark-batch review` again and open its new address";
  // The page at the new address is another one, for the browser too: it has nothing from this one.
  const first = unsaved().length ? `download the picks and put ${PICKS_FILE} beside the recipe first, then ` : "";
  if (offline) return `Not connected (${offline}): ${first}${again}`;
  if (damaged) return `Not saved: ${damaged}`;
  return unsaveable && unsaved().length ? `Not saved: ${unsaveable}` : "";
}

/** What the line of verdicts says of the server. */
function serverLine() {
  if (!SERVER) return [];
  const parts = [];
  const fault = serverFault();
  if (fault) parts.push(el("span", { class: "unsaved" }, fault));
  else if (!unsaved().length) parts.push(el("span", {}, `Saved in ${PICKS_FILE}`));
  parts.push(reloadButton());
  return parts;
}

/** Loads the page anew, and shows the same part of the grid; the same tile has the focus. */
function reloadInPlace() {
  const { scrollLeft, scrollTop } = byId("stage");
  const name = document.activeElement?.closest(".tile")?.dataset.job;
  try {
    sessionStorage.setItem(SCROLL_STORE, JSON.stringify([scrollLeft, scrollTop, name]));
  } catch {
    // The browser keeps nothing: the page begins at its top.
  }
  location.reload();
}

/** Goes to where the page was when it loaded itself anew: the next key is for the same tile. */
function restorePlace() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(SCROLL_STORE));
    sessionStorage.removeItem(SCROLL_STORE);
    if (!kept) return;
    const [left, top, name] = kept;
    const tiles = [...document.querySelectorAll("#grid .tile")];
    tiles.find((tile) => tile.dataset.job === name)?.focus({ preventScroll: true });
    byId("stage").scrollTo(left, top);
  } catch {
    // As above.
  }
}

function reloadButton() {
  const words = facts.picks.error ? "Reload" : "Show new pictures";
  return stale && pushButton({ id: "show-new", onclick: reloadInPlace }, words);
}

function startServer() {
  if (!SERVER) return;
  for (const name of ["keydown", "pointerdown", "wheel"]) {
    document.addEventListener(name, () => (touched = Date.now()), { passive: true });
  }
  restorePlace();
  sendVerdicts();
  setTimeout(poll, POLL_MS);
}
