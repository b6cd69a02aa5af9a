"use strict";
// The page can be read without this script. It adds: copies of queries, tables to sort, filter and download, and time
// axes to point at and to zoom, all of them together.
const all = (query, root = document) => [...root.querySelectorAll(query)];
const make = (tag, about = {}, ...inside) => {
  const made = Object.assign(document.createElement(tag), about);
  made.append(...inside);
  return made;
};
const button = (words, act, about = {}) => {
  const made = make("button", { type: "button", textContent: words, ...about });
  made.addEventListener("click", act);
  return made;
};

// --- queries, links, print -------------------------------------------------------------------------------------

for (const pre of all("details.code pre")) {
  const copy = button("copy", async () => {
    try {
      await navigator.clipboard.writeText(pre.textContent);
      copy.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(pre);
      copy.textContent = "selected";
    }
  });
  pre.before(copy);
}

// A link opens what its target is folded into.
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  let folded = false;
  for (let at = target; at; at = at.parentElement) {
    if (at.tagName === "DETAILS" && !at.open) folded = at.open = true;
  }
  if (folded) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

// Paper opens what matters and closes it again.
let opened = [];
const print = on => {
  const now = on ? all("details[data-print]:not([open])") : [];
  for (const one of on ? now : opened) one.open = on;
  opened = on ? [...opened, ...now] : [];
};
matchMedia("print").addEventListener("change", event => print(event.matches));
addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));

// The table of contents marks the section being read.
const links = new Map(all("#toc a").map(link => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    links.forEach(link => link.removeAttribute("aria-current"));
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-20% 0px -75% 0px" });
all("main > section").forEach(section => seen.observe(section));

// An explanation near the right edge opens to the left.
for (const term of all(".term")) {
  const turn = () => term.classList.toggle("flip", term.getBoundingClientRect().left > innerWidth / 2);
  for (const when of ["pointerenter", "focus"]) term.addEventListener(when, turn);
  term.addEventListener("keydown", event => event.key === "Escape" && term.blur());
}

// --- tables ----------------------------------------------------------------------------------------------------

const NOTHING = "\u2013"; // the dash that stands where there is no value
const NUMBER = /^(-?[\d,]*\.?\d+)(?: (?:USD|%|s))?$/;
const TIME = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)(?: UTC)?$/;
const words = node => [...node.childNodes].map(one => one.nodeType === 3 ? one.data : words(one)).join(" ");
const tidy = text => text.replaceAll("\u2212", "-").replace(/\s+/g, " ").trim();
const order = new Intl.Collator("en", { numeric: true });

// What a cell sorts by: a number, or text.
const rank = cell => {
  const text = tidy(cell?.dataset.v ?? (cell ? words(cell) : ""));
  const found = NUMBER.exec(text);
  return found ? Number(found[1].replaceAll(",", "")) : Number.isNaN(Number(text)) || text === "" ? text : Number(text);
};
const compare = (x, y) => typeof x === "number" && typeof y === "number" ? x - y
  : typeof x === "number" ? -1 : typeof y === "number" ? 1 : order.compare(x, y);

// What a cell says in a file: every digit it has, without marks of thousands; a text that begins like a formula is none.
const exact = cell => {
  const title = tidy(cell.title), text = tidy(words(cell));
  const found = NUMBER.exec(title) ?? TIME.exec(title) ?? NUMBER.exec(text);
  if (found) return found[1].replaceAll(",", "");
  return text === NOTHING ? "" : /^[=+@-]/.test(text) ? `'${text}` : text;
};
const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

const download = (table, name) => {
  const heads = [...table.tHead.rows[0].cells].map(cell => tidy(words(cell)));
  const rows = [...table.tBodies[0].rows].filter(row => !row.hidden && !row.classList.contains("more"));
  const lines = [heads, ...rows.map(row => [...row.cells].map(exact))].map(row => row.map(quoted).join(","));
  const url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  make("a", { href: url, download: `${name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

// A click on a head sorts down, the next one up, the third restores the order that was.
const sortable = (table, rows) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const sort = button("", () => {
      const to = { descending: "ascending", ascending: "" }[head.getAttribute("aria-sort")] ?? "descending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      if (to) head.setAttribute("aria-sort", to);
      const sign = to === "descending" ? -1 : 1;
      const empty = row => tidy(row.cells[column]?.textContent ?? "") === NOTHING;
      const sorted = rows.filter(row => !row.classList.contains("more")).sort((a, b) =>
        empty(a) - empty(b) || sign * compare(rank(a.cells[column]), rank(b.cells[column])));
      table.tBodies[0].replaceChildren(...(to ? sorted : rows));
    });
    if (head.querySelector(".term")) sort.setAttribute("aria-label", `sort by ${head.textContent}`);
    else sort.append(...head.childNodes);
    head.append(sort);
  });
};

all("main table:has(thead)").forEach((table, number) => {
  const rows = [...table.tBodies[0].rows], matches = make("span", { className: "matches" });
  const section = table.closest("section"), caption = table.closest("figure")?.querySelector("figcaption, summary");
  const name = `${document.body.dataset.run}-${section.id}-${number + 1}`;
  matches.setAttribute("aria-live", "polite");
  sortable(table, rows);
  const filter = make("input", { type: "search", placeholder: "filter" });
  filter.setAttribute("aria-label", `filter: ${caption ? tidy(caption.firstChild.textContent) : name}`);
  filter.addEventListener("input", () => {
    const asked = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = asked.length > 0 && (row.classList.contains("more") || !asked.every(word => text.includes(word)));
    }
    matches.textContent = asked.length ? `${rows.filter(row => !row.hidden).length} of ${rows.length} rows` : "";
  });
  const csv = button("CSV", () => download(table, name), { title: "download the rows shown, every digit" });
  (table.closest(".scroll") ?? table).before(make("p", { className: "tools" }, matches, filter, csv));
});

// --- time axes -------------------------------------------------------------------------------------------------

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
const LEAST = 10; // seconds that a zoom shows at least
const pad = value => String(value).padStart(2, "0");
const clock = (seconds, whole = true) => {
  const at = new Date(seconds * 1000), text = `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}`;
  return whole ? `${text}:${pad(at.getUTCSeconds())}` : text;
};
const svgMake = (tag, kind) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  made.setAttribute("class", kind);
  return made;
};

// Axes of one drawing: where they stand, what moves with them, and what they say of a time.
const panelOf = hits => {
  const [left, right, from, to, top, bottom] = hits.dataset.clock.split(" ").map(Number);
  const svg = hits.ownerSVGElement, n = hits.dataset.n;
  const reads = all("path", hits).map(path => {
    const [, x, wide] = /^M([\d.]+) \S+?h([\d.]+)/.exec(path.getAttribute("d"));
    const title = path.textContent.replace(/\s?\d\d:\d\d(?::\d\d)? UTC ·/, "").trim();
    return { x: Number(x), end: Number(x) + Number(wide), title };
  });
  hits.replaceChildren(); // what a browser shows of itself would stand beside the read-out
  const moving = all(`.t${n}`, svg).flatMap(group => group.matches("path, use, text") ? [group] : all("path, use, text", group));
  const parts = moving.filter(part => !part.closest("defs")).map(part => {
    const key = part.tagName === "path" ? "d" : "x";
    return { part, key, was: part.getAttribute(key) };
  });
  const ticks = all(`.k${n}`, svg), label = ticks.map(tick => tick.querySelector("text")).find(Boolean);
  const brush = svgMake("path", "brush"), cross = svgMake("path", "cross"), zoomed = svgMake("g", "zoomed");
  svg.append(brush, cross, zoomed);
  return { svg, left, right, from, to, top, bottom, reads, parts, ticks, label, brush, cross, zoomed, box: svg.closest(".drawings"), shown: [from, to] };
};
const panels = all(".drawings g.hits[data-clock]").map(panelOf);
const boxes = all(".drawings").filter(box => panels.some(panel => panel.box === box));
const state = { view: null, far: false, at: null, anchor: null };

const xOf = (panel, time) => {
  const [from, to] = panel.shown;
  return panel.left + (time - from) / (to - from) * (panel.right - panel.left);
};
const timeOf = (panel, x) => {
  const [from, to] = panel.shown, share = (x - panel.left) / (panel.right - panel.left);
  return from + Math.min(Math.max(share, 0), 1) * (to - from);
};

// Write a panel for the part of its time that is in view.
const scale = panel => {
  const [from, to] = state.view ?? [panel.from, panel.to];
  const ends = [Math.max(from, panel.from), Math.min(to, panel.to)];
  panel.shown = ends[1] > ends[0] ? ends : [panel.from, panel.to];
  const pace = (panel.right - panel.left) / (panel.to - panel.from);
  const move = x => +xOf(panel, panel.from + (x - panel.left) / pace).toFixed(1);
  for (const { part, key, was } of panel.parts) {
    if (key === "d") {
      part.setAttribute("d", was.replace(/([MLH])(-?[\d.]+)/g, (_, command, x) => command + move(Number(x))));
    } else {
      const x = move(Number(was));
      part.setAttribute("x", x);
      part.style.display = x < panel.left - 1 || x > panel.right + 1 ? "none" : "";
    }
  }
  const whole = panel.shown[0] === panel.from && panel.shown[1] === panel.to;
  panel.ticks.forEach(tick => { tick.style.display = whole ? "" : "none"; });
  panel.zoomed.replaceChildren();
  if (whole || !panel.label) return;
  const room = Math.max(2, Math.floor((panel.right - panel.left) / 75)), length = panel.shown[1] - panel.shown[0];
  const step = STEPS.find(each => length / each <= room) ?? STEPS.at(-1);
  for (let time = Math.ceil(panel.shown[0] / step) * step; time <= panel.shown[1]; time += step) {
    const words = panel.label.cloneNode(), x = xOf(panel, time).toFixed(1), mark = svgMake("path", "tick");
    words.textContent = clock(time, step < 60);
    words.setAttribute("x", x);
    words.style.textAnchor = "middle";
    mark.setAttribute("d", `M${x} ${panel.bottom}v4`);
    panel.zoomed.append(mark, words);
  }
};

// Draw cross-hair, brush and read-outs of all panels.
const draw = () => {
  for (const panel of panels) {
    const [from, to] = panel.shown, at = state.at !== null && state.at >= from && state.at <= to;
    const x = at ? xOf(panel, state.at).toFixed(1) : 0;
    panel.cross.setAttribute("d", at ? `M${x} ${panel.top}V${panel.bottom}` : "");
    const ends = at && state.anchor !== null ? [state.anchor, state.at].map(time => xOf(panel, Math.min(Math.max(time, from), to))) : null;
    panel.brush.setAttribute("d", ends ? `M${ends[0]} ${panel.top}H${ends[1]}V${panel.bottom}H${ends[0]}z` : "");
  }
  for (const box of boxes) {
    const near = panels.filter(panel => panel.box === box && panel.svg.checkVisibility() && panel.cross.getAttribute("d"));
    const lines = near.flatMap(panel => {
      const x = panel.left + (state.at - panel.from) / (panel.to - panel.from) * (panel.right - panel.left);
      return panel.reads.filter(read => x >= read.x && x < read.end).map(read => read.title);
    });
    const read = box.querySelector("output");
    read.hidden = !near.length;
    if (!near.length) continue;
    const time = state.anchor === null ? `${clock(state.at)} UTC` : `${[state.anchor, state.at].sort((a, b) => a - b).map(each => clock(each)).join(" to ")} UTC`;
    read.replaceChildren(make("b", { textContent: time }), ...lines.map(line => make("span", { textContent: line })));
    const first = near[0], left = xOf(first, state.at) < (first.left + first.right) / 2;
    read.classList.toggle("right", left);
  }
};

const zoom = (view, far = state.far) => {
  state.view = view && view[1] - view[0] < LEAST ? [(view[0] + view[1] - LEAST) / 2, (view[0] + view[1] + LEAST) / 2] : view;
  state.far = far;
  state.anchor = null;
  panels.forEach(scale);
  for (const box of boxes) {
    box.classList.toggle("far", far);
    box.classList.toggle("near", state.view !== null);
    const window = box.querySelector("details.window");
    if (window) window.open = far;
  }
  draw();
};

const point = (at, anchor = state.anchor) => { state.at = at; state.anchor = anchor; draw(); };
const shownPanels = box => panels.filter(panel => panel.box === box && panel.svg.checkVisibility());

for (const box of boxes) {
  const window = box.querySelector("details.window"), summary = window?.querySelector("summary");
  const reset = button("show all of it", () => zoom(null), { className: "reset" });
  box.append(make("output", { hidden: true }), make("p", { className: "steer" },
    box === boxes[0] ? "drag, or shift and arrow keys and Enter: zoom; Escape: all of it " : "", reset));
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "time axes: arrow keys move, shift and arrow keys select, Enter zooms, Escape shows all");
  if (summary) {
    const far = summary.textContent;
    summary.addEventListener("click", event => {
      event.preventDefault();
      zoom(null, !state.far);
      all("details.window > summary").forEach(each => { each.textContent = state.far ? "back to the crash" : far; });
    });
  }
  box.addEventListener("keydown", event => {
    if (event.target !== box) return;
    const [panel] = shownPanels(box), [from, to] = panel.shown, step = (to - from) / 100;
    const move = { ArrowLeft: -step, ArrowRight: step, PageUp: -10 * step, PageDown: 10 * step }[event.key];
    const here = state.at === null || state.at < from || state.at > to ? (from + to) / 2 : state.at;
    if (move) point(Math.min(Math.max(here + move, from), to), event.shiftKey ? state.anchor ?? here : null);
    else if (event.key === "Enter" && state.anchor !== null) zoom([state.anchor, state.at].sort((a, b) => a - b));
    else if (event.key === "+" || event.key === "-") {
      const half = (to - from) * (event.key === "+" ? 0.25 : 1);
      zoom(here - half <= panel.from && here + half >= panel.to ? null : [here - half, here + half]);
    } else if (event.key === "Escape") { zoom(null); point(null, null); }
    else return;
    event.preventDefault();
  });
  box.addEventListener("focus", () => boxes.forEach(each => each.querySelector("output").setAttribute("aria-live", each === box ? "polite" : "off")));
}

for (const svg of new Set(panels.map(panel => panel.svg))) {
  const own = panels.filter(panel => panel.svg === svg);
  let pressed = null;
  const place = event => {
    const frame = svg.getBoundingClientRect(), grow = svg.viewBox.baseVal.width / frame.width;
    return { x: (event.clientX - frame.left) * grow, y: (event.clientY - frame.top) * grow };
  };
  // The axes under the pointer; the nearest ones below or above it.
  const under = ({ x, y }) => own.filter(panel => x >= panel.left - 3 && x <= panel.right + 3)
    .sort((a, b) => Math.max(a.top - y, y - a.bottom) - Math.max(b.top - y, y - b.bottom))[0];
  svg.addEventListener("pointerdown", event => {
    const at = place(event), panel = under(at);
    if (!panel || event.button) return;
    pressed = { panel, x: at.x };
    point(timeOf(panel, at.x), null);
  });
  svg.addEventListener("pointermove", event => {
    const at = place(event), panel = pressed?.panel ?? under(at);
    if (!panel) return;
    const dragged = pressed && Math.abs(at.x - pressed.x) > 4;
    if (dragged && !svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
    point(timeOf(panel, at.x), dragged ? timeOf(panel, pressed.x) : null);
  });
  svg.addEventListener("pointerup", () => {
    if (pressed && state.anchor !== null) zoom([state.anchor, state.at].sort((a, b) => a - b));
    pressed = null;
  });
  svg.addEventListener("pointercancel", () => { pressed = null; point(null, null); });
  svg.addEventListener("pointerleave", event => { if (!pressed && event.pointerType === "mouse") point(null, null); });
  svg.addEventListener("dblclick", () => zoom(null));
}
