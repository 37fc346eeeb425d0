// A contact sheet: the pictures of a view as one PNG file, drawn from their thumbnails.

const SHEET = { most: 400, tile: 240, gap: 14, edge: 24, head: 54, words: 40, columns: 8 };
const SHEET_COLOURS = { ground: "#ffffff", ink: "#1d1f23", soft: "#5b6068", line: "#c4c6c3", pick: "#1f6b43", reject: "#9c1f18" };

/** Has the browser download the sheet of these jobs. */
async function saveSheet(list) {
  const shown = list.slice(0, SHEET.most);
  if (!shown.length) return announce("There is no picture to save.");
  const images = await Promise.all(shown.map((job) => loaded(thumbnail(job.thumbnail))));
  const canvas = drawnSheet(shown, images, list.length);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const name = `${facts.name}.sheet.png`;
  download(blob, name);
  announce(`${name} downloaded`);
}

/** An image that is ready to be drawn; null without a source, or with one that is broken. */
async function loaded(source) {
  if (!source) return null;
  const image = new Image();
  image.src = source;
  return image.decode().then(() => image, () => null);
}

function drawnSheet(list, images, total) {
  const columns = Math.min(SHEET.columns, Math.ceil(Math.sqrt(list.length * 1.4)));
  const [across, down] = [SHEET.tile + SHEET.gap, SHEET.tile * 0.75 + SHEET.words + SHEET.gap];
  const canvas = el("canvas", {
    width: 2 * SHEET.edge + columns * across - SHEET.gap,
    height: SHEET.edge + SHEET.head + Math.ceil(list.length / columns) * down,
  });
  const context = canvas.getContext("2d");
  context.fillStyle = SHEET_COLOURS.ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const count = total > list.length ? `${list.length} of ${plural(total, "picture")}` : plural(total, "picture");
  write(context, facts.name, SHEET.edge, 38, { font: "650 20px system-ui, sans-serif", width: canvas.width / 2 });
  write(context, count, canvas.width - SHEET.edge, 38, { align: "right", colour: SHEET_COLOURS.soft, width: canvas.width / 3 });
  for (const [number, job] of list.entries()) {
    const x = SHEET.edge + (number % columns) * across;
    const y = SHEET.head + Math.floor(number / columns) * down;
    drawJob(context, job, images[number], x, y);
  }
  return canvas;
}

function drawJob(context, job, image, x, y) {
  const [width, height] = [SHEET.tile, SHEET.tile * 0.75];
  if (image) {
    const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
    const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
    context.drawImage(image, x + (width - w) / 2, y + height - h, w, h);
  } else {
    context.strokeStyle = SHEET_COLOURS.line;
    context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    write(context, KINDS[job.kind].label, x + width / 2, y + height / 2, { align: "center", colour: SHEET_COLOURS.soft });
  }
  const { verdict } = verdictOf(job);
  write(context, job.output, x, y + height + 16, { width });
  const words = verdict ? verdictWords(verdict) : caption(job, ["input", "prompt"]);
  write(context, words, x, y + height + 32, { width, colour: SHEET_COLOURS[verdict] ?? SHEET_COLOURS.soft });
}

/** One line of text, its middle left out for a width: names differ at their ends. */
function write(context, text, x, y, { font = "13px system-ui, sans-serif", align = "left", colour = SHEET_COLOURS.ink, width = SHEET.tile } = {}) {
  Object.assign(context, { font, textAlign: align, fillStyle: colour });
  const letters = [...text];
  let left = letters.length;
  let line = text;
  while (left > 1 && context.measureText(line).width > width) {
    left -= 1;
    const head = Math.floor(left / 2);
    line = `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (left - head)).join("")}`;
  }
  context.fillText(line, x, y);
}
