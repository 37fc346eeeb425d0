// Everything put together.

const THEMES = ["auto", "light", "dark"];

function renderBar() {
  const { spent, reserved } = facts.money;
  const sandbox = jobs.some((job) => lastAttempt(job)?.api === "sandbox");
  const total = plural(jobs.length + facts.hidden, "job");
  const shown = `${jobs.length.toLocaleString("en")} of ${total} shown, those to look at first`;
  const parts = [facts.hidden ? shown : total, `${usd(micros(spent))} spent`];
  if (micros(reserved)) parts.push(`${usd(micros(reserved))} reserved`);
  byId("sums").replaceChildren(parts.join(" · "));
  if (sandbox) byId("sums").append(el("span", { class: "sandbox" }, "sandbox previews"));
  const shares = Object.keys(KINDS)
    .map((kind) => [kind, jobs.filter((job) => job.kind === kind).length])
    .filter(([, count]) => count)
    .map(([kind, count]) => el("span", { class: `is-${kind}`, "--share": count }));
  byId("shares").setAttribute("aria-hidden", "true"); // the chips tell the same in words
  byId("shares").replaceChildren(...shares.reverse());
}

function renderViews() {
  const buttons = ["pictures", "money"].map((view) =>
    el(
      "button",
      {
        type: "button",
        id: `view-${view}`,
        "aria-current": state.view === view ? "page" : null,
        onclick: () => change({ view }),
      },
      view,
    ),
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

/** Keeps the reader's choice, where the browser lets a page from disk keep anything. */
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
  if (any("rows", "columns", "filters", "kinds", "search", "tile")) {
    updateControls();
    renderGrid();
  }
  if (any("job")) renderJob();
}

function start() {
  const known = remembered();
  renderTheme(THEMES.includes(known) ? known : "auto");
  readChanges();
  renderBar();
  renderPicks();
  renderViews();
  renderTrouble();
  renderControls();
  renderGrid();
  onChange(render);
  readAddress();
  byId("theme").addEventListener("click", nextTheme);
  byId("job").addEventListener("close", jobClosed);
  byId("job").addEventListener("keydown", jobKeys);
  byId("job").addEventListener("click", (event) => event.target === byId("job") && byId("job").close());
  byId("grid").addEventListener("keydown", gridKeys);
  document.addEventListener("keydown", pageKeys);
  document.addEventListener("keydown", verdictKeys);
  window.addEventListener("hashchange", readAddress);
  window.addEventListener("resize", renderMoney);
  startServer();
  new ResizeObserver(measureControls).observe(byId("controls"));
}

start();
