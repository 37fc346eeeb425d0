// Draws the page, and connects the parts to its events.

const THEMES = ["auto", "light", "dark"];
const LONGEST_START_MS = 5000;

function renderBar() {
  const { spent, reserved } = facts.money;
  const total = plural(jobs.length + facts.hidden, "job");
  const shown = `${jobs.length.toLocaleString("en")} of ${total} shown, those to look at first`;
  const cost = usd(micros(spent));
  const money = playMoney ? `nothing charged; would be about ${cost}` : `${cost} spent`;
  const parts = [facts.hidden ? shown : total, money];
  if (micros(reserved)) parts.push(`${usd(micros(reserved))} reserved`);
  byId("sums").replaceChildren(parts.join(" · "));
  if (playMoney) byId("sums").append(el("span", { class: "sandbox" }, "sandbox previews"));
  const shares = Object.keys(KINDS)
    .map((kind) => [kind, jobs.filter((job) => job.kind === kind).length])
    .filter(([, count]) => count)
    .map(([kind, count]) => el("span", { class: `is-${kind}`, "--share": count }));
  lookBeside();
  byId("shares").setAttribute("aria-hidden", "true"); // the chips say the same in words
  byId("shares").replaceChildren(...shares.reverse());
}

/** Shows a badge when the full pictures are missing, as on a page that was sent without its folder. */
function lookBeside() {
  const link = jobs.find((job) => job.link)?.link;
  if (!link) return;
  const whole = new Image();
  const title = "The full pictures are not beside this file: move it into their folder to see them.";
  whole.addEventListener("error", () => byId("sums").append(el("span", { class: "badge", id: "beside", title }, "thumbnails only")));
  whole.src = link;
}

function renderViews() {
  const buttons = ["pictures", "money"].map((view) =>
    pushButton({ id: `view-${view}`, "aria-current": state.view === view ? "page" : null, onclick: () => change({ view }) }, view),
  );
  const focused = document.activeElement?.id;
  byId("views").replaceChildren(...buttons);
  if (focused) byId(focused)?.focus();
  byId("pictures").hidden = state.view !== "pictures";
  byId("money").hidden = state.view !== "money";
}

/** The grid's heads stick below the toolbar, however many lines that has. */
function measureControls() {
  const height = `${byId("controls").offsetHeight}px`;
  byId("stage").style.setProperty("--controls-height", height);
}

/** Keeps the reader's theme, where the browser lets a page from disk keep anything. */
function remembered(theme) {
  try {
    if (theme) localStorage.setItem("spark-batch.theme", theme);
    return localStorage.getItem("spark-batch.theme");
  } catch {
    return theme ?? null;
  }
}

function renderTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  button.replaceChildren(icon("theme"), ` ${theme}`);
  button.setAttribute("aria-label", `Theme: ${theme}`);
  button.title = "Theme: as the system, light, dark";
}

function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  remembered(theme);
  renderTheme(theme);
}

function render(names) {
  const any = (...of) => of.some((name) => names.includes(name));
  if (any("view")) renderViews();
  if (any("view")) renderMoney();
  if (any("rows", "columns", "filters", "kinds", "verdicts", "search", "tile")) {
    updateControls();
    renderGrid();
  }
  if (any("job", "with")) renderJob();
}

function start() {
  const known = remembered();
  renderTheme(THEMES.includes(known) ? known : "auto");
  readChanges();
  renderBar();
  renderPicks();
  renderViews();
  renderTrouble();
  renderMoved();
  renderControls();
  renderGrid();
  onChange(render);
  readAddress();
  byId("theme").addEventListener("click", nextTheme);
  byId("job").addEventListener("close", jobClosed);
  byId("job").addEventListener("keydown", jobKeys);
  for (const name of ["job", "help"]) {
    byId(name).addEventListener("click", (event) => event.target === byId(name) && byId(name).close());
  }
  byId("keys").addEventListener("click", openHelp);
  byId("grid").addEventListener("keydown", gridKeys);
  document.addEventListener("keydown", pageKeys);
  document.addEventListener("keydown", verdictKeys);
  document.addEventListener("keydown", selectionKeys);
  document.addEventListener("keyup", noClickBySpace);
  window.addEventListener("hashchange", readAddress);
  window.addEventListener("storage", storeChanged);
  window.addEventListener("beforeunload", keepAtEnd);
  window.addEventListener("resize", renderMoney);
  window.addEventListener("resize", showView);
  window.addEventListener("resize", fitTiles);
  startServer();
  new ResizeObserver(measureControls).observe(byId("controls"));
}

/** Starts once the browser has answered a question about storage, for then it knows the page.
 *
 * On a busy machine Chromium (150) runs a page's script before. What that reads from localStorage is empty, and what
 * the page stores is dropped, however much later: one reload in thirty lost the reader's verdicts.
 */
async function startWithStorage() {
  const late = new Promise((done) => setTimeout(done, LONGEST_START_MS));
  try {
    await Promise.race([navigator.storage.persisted(), late]);
  } catch {
    // The browser has no such question, or not for a page from disk.
  }
  start();
}

startWithStorage();
