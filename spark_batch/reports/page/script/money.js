// What it cost: by any axis, and over time. Each chart has a table with the same numbers.

let moneyAxis = "prompt";
const spentWord = playMoney ? "would be about" : "spent";

function renderMoney() {
  const root = byId("money");
  if (state.view !== "money") return;
  // A chart is as wide as the window allows.
  const width = Math.min(root.clientWidth - 2 * 20, 1100);
  root.replaceChildren(figures(), axisPart(width), timePart(width));
}

function figures() {
  const { spent, reserved, unpriced, leftOver, hidden } = facts.money;
  const made = jobs.filter((job) => job.picture && !job.repeated).length;
  const wasted = jobs.filter((job) => !job.picture && !job.repeated && micros(job.cost)).length;
  const items = [
    [spentWord, usd(micros(spent)), playMoney ? "nothing charged: the sandbox made these previews" : "by all attempts, as the API reported"],
    ["reserved", usd(micros(reserved)), unpriced ? `and ${unpriced} without a known price` : "in flight, uncertain, or not reported"],
    ["pictures", made.toLocaleString("en"), made ? `${usd(Math.round((micros(spent) - micros(leftOver) - micros(hidden)) / made))} each` : ""],
    micros(leftOver) ? ["left over", usd(micros(leftOver)), "for lines that the recipe no longer has"] : null,
    micros(hidden) ? ["not shown", usd(micros(hidden)), `for ${plural(facts.hidden, "job")} that this page leaves out`] : null,
    wasted ? ["without a picture", plural(wasted, "job"), "were paid for"] : null,
  ];
  const cards = items.filter(Boolean).map(([name, value, note]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, el("b", {}, value), el("span", {}, note))),
  );
  return el("dl", { class: "figures" }, cards);
}

/** Money by the values of an axis; that of two jobs with one key is counted once. */
function byValue(name) {
  const items = axisNamed.get(name).values.map(({ label }) => ({ label, spent: 0, reserved: 0, count: 0 }));
  for (const job of jobs) {
    const item = items[placeOn(job, name)];
    item.count += 1;
    if (job.repeated) continue;
    item.spent += micros(job.cost);
    item.reserved += micros(job.reserved);
  }
  return items;
}

function axisPart(width) {
  const items = byValue(moneyAxis);
  const title = `Money by ${moneyAxis}`;
  const options = axes.map(({ name }) => [name, name]);
  const choose = choice("by", "money-axis", options, moneyAxis, (value) => {
    moneyAxis = value;
    renderMoney();
    byId("money-axis").focus();
  });
  const rows = items.map((item) => [item.label, item.count, usd(item.spent), usd(item.reserved)]);
  return el(
    "section",
    {},
    el("div", { class: "line" }, el("h2", {}, playMoney ? "What it would cost" : "What it cost"), choose),
    el("p", { class: "legend" }, el("span", { class: "spent" }), spentWord, el("span", { class: "reserved" }), "reserved"),
    barChart(items, width, `${title}: ${rows.map(([label, , spent]) => `${label} ${spent}`).join(", ")}`),
    asTable([moneyAxis, "jobs", spentWord, "reserved"], rows),
  );
}

function timePart(width) {
  let sum = 0;
  const points = facts.money.timeline.map(([at, cost]) => {
    sum += micros(cost);
    return { at: Date.parse(at), text: at, sum };
  });
  const heading = el("h2", {}, "Money over time");
  if (!points.length) return el("section", {}, heading, el("p", { class: "empty" }, playMoney ? "Nothing has been made yet." : "Nothing has been paid yet."));
  const last = points[points.length - 1];
  const title = `${playMoney ? `would be about ${usd(last.sum)}` : `${usd(last.sum)} spent`} from ${moment(points[0].text)} to ${moment(last.text)} UTC`;
  const rows = points.map((point) => [`${moment(point.text)} UTC`, usd(point.sum)]);
  return el("section", {}, heading, el("p", { class: "legend" }, title), lineChart(points, width, title), asTable(["time", playMoney ? "so far" : "spent so far"], rows));
}

/** Its rows are made when it is opened, since there may be thousands. */
function asTable(names, rows) {
  const details = el("details", {}, el("summary", {}, "as a table"));
  const fillIn = () => {
    if (!details.open || details.querySelector("table")) return;
    const head = el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)));
    const lines = rows.map(([first, ...rest]) =>
      el("tr", {}, el("th", { scope: "row" }, first), rest.map((value) => el("td", {}, String(value)))),
    );
    details.append(el("table", {}, el("thead", {}, head), el("tbody", {}, lines)));
  };
  details.addEventListener("toggle", fillIn);
  return details;
}
