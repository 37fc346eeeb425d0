// A tile is one job. Only tiles near the screen have content, so that thousands of them scroll well.

const NEAR = "600px";

const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) fill(target);
      else target.replaceChildren();
    }
  },
  { root: byId("stage"), rootMargin: NEAR },
);

// Paper shows what is far from the screen as well.
window.addEventListener("beforeprint", () => document.querySelectorAll(".tile").forEach(fill));

const shown = new WeakMap();

/** A button that opens a job, with `words` under its picture. */
function tile(job, { words, list }) {
  const button = pushButton({
    class: `tile is-${job.kind}`,
    "data-job": job.output,
    "--ratio": ratio(job).toFixed(4),
    onclick: (event) => selectsByClick(event, job, list()) || openJob(job, list()),
  });
  markTile(button, job);
  shown.set(button, { job, words });
  near.observe(button);
  return button;
}

/** Stops observing tiles that are about to leave the page. */
function forget(root) {
  for (const button of root.querySelectorAll(".tile")) near.unobserve(button);
}

function fill(button) {
  if (button.firstChild) return;
  const { job, words } = shown.get(button);
  button.append(frame(job));
  if (words) button.append(el("span", { class: "words", title: words }, words));
}

/** The picture, or why there is none. */
function frame(job) {
  const source = thumbnail(job.thumbnail);
  const mark = job.kind === "done" ? null : el("span", { class: "mark" }, KINDS[job.kind].label);
  if (source) {
    return el("span", { class: "frame" }, el("img", { src: source, alt: "" }), mark);
  }
  const before = thumbnail(job.input.thumbnail);
  const said = job.pointer ? POINTER : job.kind === "done" ? "no picture on disk" : reason(job).title || reason(job).said;
  return el(
    "span",
    { class: "frame blank" },
    before && el("img", { src: before, alt: "" }),
    mark,
    el("span", { class: "said" }, said),
  );
}
