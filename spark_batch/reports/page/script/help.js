// The keys, in a dialog that the question mark opens.

const HELP = {
  "Anywhere": [
    ["/", "Search"],
    ["?", "These keys"],
    ["Z", "Undo the last verdict, or those of a whole selection"],
    ...(SERVER ? [] : [["S", "Download the picks file"]]),
  ],
  "On the pictures": [
    ["← → ↑ ↓", "Go from tile to tile; Home and End go to the first and last"],
    ["Enter", "Open the picture"],
    ["P · X · U", "Pick · reject · no verdict, for the selection if there is one"],
    ["Space", "Select or deselect, as Ctrl+click does; Shift+click selects up to that tile"],
    ["Ctrl+A", "Select all that are shown"],
    ["C", "Compare two selected pictures"],
    ["Esc", "Clear the selection"],
  ],
  "In the view of a picture": [
    ["← →", "Previous and next picture; Home and End: the first and last"],
    ["P · X · U", "Pick · reject · no verdict"],
    ["+ −", "Zoom in and out, also with wheel and pinch; drag to move"],
    ["0 · 1", "Fit the window · 100 %; a double click changes between them"],
    ["C", "Compare with another variant or an earlier version, and back"],
    ["Esc", "Close"],
  ],
};

function openHelp() {
  const dialog = byId("help");
  if (dialog.open) return;
  const parts = Object.entries(HELP).map(([title, keys]) =>
    el(
      "section",
      {},
      el("h3", {}, title),
      el("dl", {}, keys.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    ),
  );
  const close = pushButton({ class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"));
  dialog.replaceChildren(el("header", {}, el("h2", { id: "help-title" }, "Keys"), close), ...parts);
  dialog.showModal();
}
