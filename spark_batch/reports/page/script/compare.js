// Before and after under one slider. The slider is a range input that covers both pictures, so it
// moves by pointer, touch and arrow keys alike.

const STEP = 2;
const CUT = 0.25;

function compare(job) {
  const after = picture(job.thumbnail, job.link, "after");
  const before = picture(job.input.thumbnail, job.input.thumbnail === null ? null : job.input.link, "before");
  const words = caption(job, []) || job.output;
  if (!after && !before) return el("div", { class: "compare" }, blank(job));
  if (!after) {
    before.alt = `Before: ${job.input.image}`;
    return el("div", { class: "compare", "--ratio": ratio(job) }, before, blank(job));
  }
  after.alt = `After: ${words}`;
  const root = el("div", { class: "compare", "--ratio": ratio(job) }, after);
  if (before) {
    before.alt = `Before: ${job.input.image}`;
    before.addEventListener("load", () => before.classList.toggle("whole", !isAlike(before, ratio(job))));
    root.append(before, el("span", { class: "tag" }, "before"), el("span", { class: "tag" }, "after"), ...slider(root));
  }
  return root;
}

/** Whether a picture can fill a frame of that ratio with little cut off; else it is shown whole. */
function isAlike(image, frame) {
  const times = image.naturalWidth / image.naturalHeight / frame;
  return Math.min(times, 1 / times) >= 1 - CUT;
}

/** The picture itself, with its thumbnail until it is there, or in its stead when it is not. */
function picture(number, link, name) {
  const small = thumbnail(number);
  if (!small && !link) return null;
  const image = el("img", { class: name, src: small ?? link, draggable: "false", alt: "" });
  if (small && link) {
    const whole = new Image();
    whole.addEventListener("load", () => (image.src = whole.src));
    whole.src = link;
  }
  return image;
}

function slider(root) {
  const input = el("input", {
    type: "range",
    id: "slider",
    min: 0,
    max: 100,
    step: STEP,
    value: 50,
    "aria-label": "How much of the picture before is shown",
  });
  const move = () => {
    root.style.setProperty("--at", `${input.value}%`);
    input.setAttribute("aria-valuetext", `${input.value} % before`);
  };
  input.addEventListener("input", move);
  move();
  return [input, el("span", { class: "handle", "aria-hidden": "true" })];
}

function blank(job) {
  const why = reason(job);
  const missing = job.pointer ? POINTER : "The picture is not on disk.";
  return el(
    "p",
    { class: `blank is-${job.kind}` },
    el("span", { class: "mark" }, KINDS[job.kind].label),
    el("span", { dir: "auto" }, job.kind === "done" ? missing : why.title || why.said),
  );
}
