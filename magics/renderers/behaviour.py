"""What a page may do with a report where scripts and styles are allowed: sort, fold, look better.

Where they are not, the report is complete without: every row is there, in the model's order.
"""

from __future__ import annotations

STYLE = """
.convprofile td,.convprofile tbody th,.convprofile tfoot th{padding:1px 8px}
.convprofile .g th,.convprofile .g td{font-weight:600;border-top:1px solid rgba(128,128,128,.35)}
.convprofile [hidden]{display:none!important}
.convprofile button{all:unset;cursor:pointer;box-sizing:border-box}
.convprofile button:focus-visible{outline:2px solid #4285c7;outline-offset:1px}
.convprofile button:hover{text-decoration:underline}
.convprofile thead button::after{content:"\\2195";opacity:.5;padding-left:3px}
.convprofile [aria-sort=ascending] button::after{content:"\\25b2";opacity:1}
.convprofile [aria-sort=descending] button::after{content:"\\25bc";opacity:1}
.convprofile [aria-expanded]::before{content:"\\25b8\\a0"}
.convprofile [aria-expanded=true]::before{content:"\\25be\\a0"}
.convprofile .all{border:1px solid rgba(128,128,128,.6);border-radius:3px;padding:0 6px;
margin-left:8px;font-weight:400;font-size:11px}
[data-jp-theme-light=false] .convprofile img,.vscode-dark .convprofile img{filter:brightness(1.4)}
"""

_SCRIPT = """
for (const report of document.querySelectorAll('[id="%s"]')) {
  if (report.dataset.ready) continue;
  report.dataset.ready = "yes";
  const press = (place, words, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...words);
    button.onclick = () => act(button);
    place.append(button);
    return button;
  };
  const prepare = table => {
    const bodies = [...table.tBodies], heads = [...table.tHead.rows[0].cells], folds = [];
    const rows = bodies.flatMap(body => [...body.rows].filter(row => row.className !== "g")
      .map(row => ({row, body})));
    const sorted = table.createTBody(), caption = table.caption, told = caption.firstChild.data;
    const show = (button, body, open) => {
      button.setAttribute("aria-expanded", open);
      rows.forEach(item => { if (item.body === body) item.row.hidden = !open; });
    };
    const sort = (head, column) => {
      const numeric = head.className === "n", before = head.ariaSort;
      const steps = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
      const next = {none: steps[0], [steps[0]]: steps[1], [steps[1]]: "none"}[before];
      heads.forEach(other => { other.ariaSort = "none"; });
      head.ariaSort = next;
      bodies.forEach(body => { body.hidden = next !== "none"; });
      if (all) all.hidden = next !== "none";
      caption.firstChild.data = next === "none" ? told
        : `${told.split(",")[0]}, by ${head.firstChild.firstChild.data}`;
      if (next === "none") {
        rows.forEach(item => item.body.append(item.row));
        folds.forEach(([button, body]) => show(button, body, button.ariaExpanded === "true"));
        return;
      }
      const read = item => {
        const text = item.row.cells[column].textContent.trim();
        if (!numeric || !text) return text;
        const value = text === "all" ? Infinity : parseFloat(text.replace(/[,<]/g, ""));
        return isNaN(value) ? "" : value;
      };
      const sign = next === "ascending" ? 1 : -1;
      const keyed = rows.map(item => [read(item), item.row]);
      keyed.sort(([a], [b]) => a === b ? 0 : a === "" ? 1 : b === "" ? -1 : sign *
        (numeric ? (a < b ? -1 : 1) : a.localeCompare(b, "en", {numeric: true})));
      keyed.forEach(([, row]) => { row.hidden = false; sorted.append(row); });
    };
    heads.forEach((head, column) => {
      head.ariaSort = "none";
      press(head, [...head.childNodes], () => sort(head, column));
    });
    for (const body of bodies) {
      const head = body.rows[0];
      if (!head || head.className !== "g") continue;
      const button = press(head.cells[0], [...head.cells[0].childNodes],
        self => show(self, body, self.ariaExpanded !== "true"));
      button.setAttribute("aria-expanded", "true");
      folds.push([button, body]);
    }
    let all = null;
    if (folds.length) {
      all = press(caption, ["Fold all"], self => {
        const open = self.textContent[0] === "U";
        folds.forEach(([button, body]) => show(button, body, open));
        self.textContent = open ? "Fold all" : "Unfold all";
      });
      all.className = "all";
      caption.firstChild.after(all);
    }
    const hint = caption.querySelector("span"), frame = table.parentNode;
    if (hint) new ResizeObserver(() => {
      hint.hidden = hint.previousSibling.hidden = frame.scrollWidth <= frame.clientWidth;
    }).observe(frame);
  };
  for (const table of report.querySelectorAll("table")) {
    const folded = table.closest("details:not([open])");
    if (folded) folded.addEventListener("toggle", () => prepare(table), {once: true});
    else prepare(table);
  }
}
"""


def script(identity: str) -> str:
    """Return what makes the tables of one report sortable and its modules foldable.

    It may run any number of times, and for a report that is shown twice.

    Args:
        identity: The report's id, of letters, digits and hyphens.
    """
    lines = (line.strip() for line in (_SCRIPT % identity).split("\n"))
    return f"(() => {{{chr(10).join(filter(None, lines))}}})()"
