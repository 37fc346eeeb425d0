// Two charts as SVG: bars by a value, and a sum over time.

const BAR = { height: 26, label: 190, room: 170, wide: 560 };
const LINE = { height: 260, left: 64, right: 16, top: 14, bottom: 30 };

/** Bars of `{label, spent, reserved, count}`, in millionths of a USD; `width` in pixels. */
function barChart(items, width, title) {
  const label = Math.min(BAR.label, width * 0.3);
  const wide = width > BAR.wide;
  const most = Math.max(...items.map((item) => item.spent + item.reserved), 1);
  const scale = (width - label - (wide ? BAR.room : BAR.room / 2)) / most;
  const bars = items.flatMap((item, number) => bar(item, number * BAR.height, { label, scale, wide }));
  return chart(width, items.length * BAR.height, title, bars);
}

function bar(item, y, { label, scale, wide }) {
  const [spent, reserved] = [item.spent * scale, item.reserved * scale];
  const middle = y + BAR.height / 2;
  const box = { y: y + 5, height: BAR.height - 10, rx: 3 };
  return [
    svg("text", { x: label - 10, y: middle, class: "name" }, shortened(item.label, label / 7)),
    svg("rect", { ...box, x: label, width: Math.max(spent, spent ? 2 : 0), class: "spent" }),
    svg("rect", { ...box, x: label + spent, width: Math.max(reserved, 0), class: "reserved" }),
    svg("text", { x: label + spent + reserved + 8, y: middle, class: "amount" }, amount(item, wide)),
  ];
}

/** On a small screen the table has the number of jobs. */
function amount(item, wide) {
  const sum = usd(item.spent + item.reserved);
  return wide ? `${sum} · ${plural(item.count, "job")}` : sum;
}

function shortened(text, most) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, Math.floor(most) - 1).join("")}…` : text;
}

/** The money spent over time, in steps: it is paid picture by picture. */
function lineChart(points, width, title) {
  const [first, last] = [points[0].at, points[points.length - 1].at];
  const most = points[points.length - 1].sum;
  const inner = width - LINE.left - LINE.right;
  const x = (at) => LINE.left + (last > first ? ((at - first) / (last - first)) * inner : inner);
  const y = (sum) => LINE.height - LINE.bottom - (sum / Math.max(most, 1)) * (LINE.height - LINE.top - LINE.bottom);
  const steps = points.map((point) => `H${x(point.at).toFixed(1)}V${y(point.sum).toFixed(1)}`).join("");
  const line = `M${x(first).toFixed(1)} ${y(0)}${steps}`;
  return chart(width, LINE.height, title, [
    ...ticks(most).map((sum) => tickY(sum, y(sum), width)),
    ...timeTicks(first, last, inner).map((at) => tickX(at, x(at), last - first)),
    svg("path", { d: `${line}V${y(0)}Z`, class: "area" }),
    svg("path", { d: line, class: "line" }),
  ]);
}

/** Round amounts up to `most`. */
function ticks(most) {
  const rough = Math.max(most, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((step) => step * power).find((step) => step >= rough);
  return Array.from({ length: Math.floor(most / size) + 1 }, (_, number) => number * size);
}

function timeTicks(first, last, width) {
  const count = last > first ? Math.max(2, Math.min(6, Math.floor(width / 120))) : 1;
  if (count === 1) return [last];
  return Array.from({ length: count }, (_, number) => first + ((last - first) * number) / (count - 1));
}

function tickY(sum, y, width) {
  return svg(
    "g",
    { class: "tick" },
    svg("line", { x1: LINE.left, x2: width - LINE.right, y1: y, y2: y }),
    svg("text", { x: LINE.left - 8, y, class: "name" }, usd(sum).replace(" USD", "")),
  );
}

function tickX(at, x, span) {
  const text = new Date(at).toISOString();
  const shown = span > 2 * 86400e3 ? text.slice(0, 10) : text.slice(11, span > 600e3 ? 16 : 19);
  return svg("g", { class: "tick" }, svg("text", { x, y: LINE.height - 8, class: "time" }, shown));
}

function chart(width, height, title, parts) {
  return svg(
    "svg",
    { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title },
    parts,
  );
}
