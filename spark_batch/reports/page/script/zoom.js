// Zoom and pan of pictures, shared by all pictures in the view of a job and kept from one to the next.
//
// `view.zoom` is 1 where a picture fits its frame; `x` and `y` are the middle of what is shown, as
// parts of the picture. So the same view fits pictures and frames of any size.

const ZOOM_STEP = 1.4;
const ZOOM_MOST = 4; // times 100 %, at which a pixel of the picture is one of the screen

const view = { zoom: 1, x: 0.5, y: 0.5, at: 50 };

function changeView(changed) {
  Object.assign(view, changed);
  const edge = 0.5 / view.zoom;
  view.x = Math.min(Math.max(view.x, edge), 1 - edge);
  view.y = Math.min(Math.max(view.y, edge), 1 - edge);
  showView();
}

/** Writes the view into the styles of the dialog, and the percentage beside the buttons. */
function showView() {
  const dialog = byId("job");
  const values = { "--zoom": view.zoom, "--x": view.x, "--y": view.y, "--at": `${view.at}%` };
  for (const [name, value] of Object.entries(values)) dialog.style.setProperty(name, value);
  dialog.toggleAttribute("data-zoomed", view.zoom > 1);
  const slider = byId("slider");
  if (slider) {
    slider.value = view.at;
    slider.setAttribute("aria-valuetext", `${Math.round(view.at)} % before`);
  }
  const shown = byId("zoom-value");
  const frame = firstFrame();
  if (shown && frame) shown.textContent = `${Math.round((view.zoom / wholeZoom(frame)) * 100)} %`;
}

function firstFrame() {
  return byId("job").querySelector(".compare[data-width]");
}

/** The zoom at which a pixel of the picture in a frame is one of the screen: 100 %. */
function wholeZoom(frame) {
  return Number(frame.dataset.width) / Math.max(frame.clientWidth, 1);
}

/** Zooms so that the point of the frame at `x` and `y`, parts of its sides, stays where it is. */
function zoomAt(zoom, x = 0.5, y = 0.5) {
  const frame = firstFrame();
  if (!frame) return;
  const most = Math.max(wholeZoom(frame) * ZOOM_MOST, 2);
  const next = Math.min(Math.max(zoom, 1), most);
  changeView({
    x: view.x + (x - 0.5) / view.zoom - (x - 0.5) / next,
    y: view.y + (y - 0.5) / view.zoom - (y - 0.5) / next,
    zoom: next,
  });
}

/** Zooms to 100 %, but never so far out that a picture is smaller than its frame. */
function zoomWhole(x, y) {
  const frame = firstFrame();
  if (frame) zoomAt(wholeZoom(frame), x, y);
}

function zoomBar() {
  const buttons = [
    ["out", "−", "Zoom out (−)", () => zoomAt(view.zoom / ZOOM_STEP)],
    ["in", "+", "Zoom in (+)", () => zoomAt(view.zoom * ZOOM_STEP)],
    ["fit", "Fit", "Fit the window (0)", () => zoomAt(1)],
    ["whole", "100 %", "Pixel by pixel (1)", () => zoomWhole()],
  ];
  return el(
    "div",
    { class: "zooms", role: "group", "aria-label": "Zoom" },
    buttons.map(([name, text, label, onclick]) =>
      pushButton({ id: `zoom-${name}`, "aria-label": label, title: label, onclick }, text),
    ),
    el("span", { id: "zoom-value", title: "100 %: a pixel of the picture is one of the screen" }),
  );
}

/** Whether it was a key that zooms. */
function zoomKey(key) {
  const keys = {
    "+": () => zoomAt(view.zoom * ZOOM_STEP),
    "=": () => zoomAt(view.zoom * ZOOM_STEP),
    "-": () => zoomAt(view.zoom / ZOOM_STEP),
    0: () => zoomAt(1),
    1: () => zoomWhole(),
  };
  if (!Object.hasOwn(keys, key)) return false;
  keys[key]();
  return true;
}

/** Has a frame follow wheel, pinch and drag; without zoom a drag moves its slider, if it has one. */
function zoomable(frame) {
  const pointers = new Map();
  let sliding = false;

  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = within(frame, event);
    // A trackpad's pinch comes as a wheel with the control key, in small steps.
    const speed = event.ctrlKey ? 0.01 : 0.002;
    zoomAt(view.zoom * Math.exp(-event.deltaY * (event.deltaMode ? 16 : 1) * speed), x, y);
  }, { passive: false });

  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const onHandle = event.target.closest(".handle") !== null;
    sliding = frame.querySelector(".cut") !== null && (onHandle || view.zoom === 1);
    frame.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    if (sliding && pointers.size === 1) slideTo(frame, event);
  });

  frame.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    pointers.set(event.pointerId, event);
    if (other) pinch(frame, other, before, event);
    else if (sliding) slideTo(frame, event);
    else drag(frame, before, event);
  });

  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }

  frame.addEventListener("dblclick", (event) => {
    if (view.zoom > 1) zoomAt(1);
    else zoomWhole(...within(frame, event));
  });
}

/** Where a pointer is in a frame, as parts of its sides. */
function within(frame, event) {
  const box = frame.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

function slideTo(frame, event) {
  const [x] = within(frame, event);
  changeView({ at: Math.min(Math.max(Math.round((x * 100) / STEP) * STEP, 0), 100) });
}

function drag(frame, before, event) {
  const box = frame.getBoundingClientRect();
  changeView({
    x: view.x - (event.clientX - before.clientX) / box.width / view.zoom,
    y: view.y - (event.clientY - before.clientY) / box.height / view.zoom,
  });
}

/** One of two fingers has moved: zoom by their distance, about the one that rests. */
function pinch(frame, rests, before, event) {
  const far = (pointer) => Math.hypot(pointer.clientX - rests.clientX, pointer.clientY - rests.clientY);
  zoomAt((view.zoom * Math.max(far(event), 1)) / Math.max(far(before), 1), ...within(frame, rests));
}
