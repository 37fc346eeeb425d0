// Pictures in their frames: before and after under one slider, and two jobs side by side.
//
// The slider is a range input, so it moves by arrow keys; `zoom` moves it by pointer and touch.

const STEP = 2;
const CUT = 0.25;

function compare(job) {
  const after = picture(job.thumbnail, job.link, "after");
  const before = picture(job.input.thumbnail, job.input.thumbnail === null ? null : job.input.link, "before");
  const words = caption(job, []) || job.output;
  if (!after && !before) return el("div", { class: "compare" }, blank(job));
  const root = el("div", { class: "compare", "--ratio": ratio(job), "data-width": sizeOf(job)[0] });
  if (before) before.alt = `Before: ${job.input.image}`;
  if (after) after.alt = `After: ${words}`;
  if (!after) {
    root.append(before, blank(job));
    return root;
  }
  root.append(after);
  if (before) {
    before.addEventListener("load", () => before.classList.toggle("whole", !isAlike(before, ratio(job))));
    root.append(el("div", { class: "cut" }, before));
    root.append(el("span", { class: "tag" }, "before"), el("span", { class: "tag" }, "after"), ...slider());
  }
  zoomable(root);
  return root;
}

/** A picture alone in a frame, beside another one: of a job, or an earlier version of it. */
function single(job, version) {
  const { thumbnail: number, link } = version ?? job;
  const image = picture(number, link, "after");
  const size = version ? version.size : sizeOf(job);
  const root = el("div", { class: "compare", "--ratio": limited(size[0] / size[1]), "data-width": size[0] });
  if (image) image.alt = version ? `${job.output}, earlier version` : caption(job, []) || job.output;
  root.append(image ?? blank(job));
  if (image) zoomable(root);
  return root;
}

/** Whether a picture can fill a frame of that ratio with little cut off; else it is shown whole. */
function isAlike(image, frame) {
  const times = image.naturalWidth / image.naturalHeight / frame;
  return Math.min(times, 1 / times) >= 1 - CUT;
}

/** The picture itself, with its thumbnail until it is loaded, or in its place when it is missing. */
function picture(number, link, name) {
  const small = thumbnail(number);
  if (!small && !link) return null;
  const image = el("img", { class: name, src: small ?? link, draggable: "false", alt: "" });
  if (small && link) {
    const whole = new Image();
    whole.addEventListener("load", () => (image.src = whole.src));
    whole.addEventListener("error", () => image.after(el("span", { class: "tag missing" }, "only its thumbnail: the picture is missing")));
    whole.src = link;
  }
  return image;
}

function slider() {
  const input = el("input", {
    type: "range",
    id: "slider",
    min: 0,
    max: 100,
    step: STEP,
    "aria-label": "How much of the picture before is shown",
  });
  input.addEventListener("input", () => changeView({ at: Number(input.value) }));
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
