// Elements, and how numbers and times are written. Texts become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  close: "M4 4l8 8M12 4l-8 8",
  previous: "M10 3L5 8l5 5",
  next: "M6 3l5 5-5 5",
  copy: "M6 6h7v7H6zM3 10V3h7",
  swap: "M3 6h9M9 3l3 3-3 3M13 11H4M7 8l-3 3 3 3",
  theme: "M8 2a6 6 0 100 12zM8 2a6 6 0 010 12",
  open: "M6 4H3v9h9v-3M9 3h4v4M13 3L7 9",
};

/** Sets attributes; `on…` are listeners, `--…` style properties; null and false set nothing. */
function dress(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/** An HTML element; strings among the children become text, null and false nothing. */
function el(tag, attributes = {}, ...children) {
  const element = dress(document.createElement(tag), attributes);
  element.append(...children.flat(2).filter((child) => child !== null && child !== false));
  return element;
}

function pushButton(attributes, ...children) {
  return el("button", { type: "button", ...attributes }, ...children);
}

/** A button that only an icon shows. */
function iconButton(name, id, label, onclick) {
  return pushButton({ class: "quiet", id, "aria-label": label, title: label, onclick }, icon(name));
}

/** A button that adds the rest of a list to it, and goes. */
function restButton(list, rest, text, id = null) {
  const more = () => {
    list.append(...rest());
    button.remove();
  };
  const button = pushButton({ class: "quiet", id, onclick: more }, text);
  return button;
}

/** An SVG element. */
function svg(tag, attributes = {}, ...children) {
  const element = dress(document.createElementNS(SVG, tag), attributes);
  element.append(...children.flat());
  return element;
}

function icon(name) {
  const path = svg("path", { d: ICONS[name] });
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}

function byId(id) {
  return document.getElementById(id);
}

function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** An amount as text in millionths of a USD, so that sums are exact; 0 without one. */
function micros(text) {
  return text === null || text === undefined ? 0 : Math.round(Number(text) * 1e6);
}

function usd(amount) {
  const [whole, part] = (amount / 1e6).toFixed(6).split(".");
  return `${whole}.${part.replace(/0{1,4}$/, "")} USD`;
}

/** `2026-11-25T02:31:14.123Z` as `2026-11-25 02:31:14`. */
function moment(text) {
  return text.slice(0, 19).replace("T", " ");
}

function seconds(from, to) {
  const value = (Date.parse(to) - Date.parse(from)) / 1000;
  return value < 90 ? `${value.toFixed(1)} s` : `${(value / 60).toFixed(1)} min`;
}

function bytes(count) {
  return count < 1e6 ? `${(count / 1e3).toFixed(0)} kB` : `${(count / 1e6).toFixed(2)} MB`;
}

function sides(size) {
  return `${size[0]} × ${size[1]}`;
}

/** Has the browser save a file. */
function download(blob, name) {
  const href = URL.createObjectURL(blob);
  el("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** Has screen readers say a text. */
function announce(text) {
  byId("told").textContent = text;
}
