"use strict";
// Everything that came from outside is put out with textContent, or as a number of a drawing.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [HOST, PHASE, STEP, LABEL, STATUS, BEGAN, MS, BOOKS, DIFF, NOTE, OUTPUT, ERROR] = Array(12).keys();
  const WORDS = ["ok", "changed", "would change", "unknown", "failed", "skipped", "differs"];
  const MARKS = ["·", "●", "○", "?", "✗", "–", "≠"];
  const CLASSES = ["ok", "changed", "would", "unknown", "failed", "skipped", "would"];
  const CHANGED = new Set([1, 2, 6]), FAILED = 4;
  const FIRST_HOSTS = 30, FIRST_CHANGES = 60, WIDTH = 1000, HEIGHT = 20;
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);
  const texts = data.texts;
  const total = Math.max(data.ms, 1);
  const ofHost = data.hosts.map(() => []);
  data.events.forEach((event) => ofHost[event[HOST]].push(event));
  const broken = new Set(data.broken);
  const state = { query: "", show: "all", books: false, hosts: FIRST_HOSTS, changes: FIRST_CHANGES, open: new Set() };

  function made(name, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function took(ms) {
    if (ms < 999.5) return `${Math.round(ms)} ms`;
    if (ms < 59950) return `${(ms / 1000).toFixed(1)} s`;
    const seconds = Math.round(ms / 1000);
    return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  }

  // Which texts have the words that are looked for is found out once, not for each event.
  function matcher() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.map((word) => ({
      texts: texts.map((text) => text.toLowerCase().includes(word)),
      hosts: data.hosts.map((host) => host.toLowerCase().includes(word)),
      phases: data.phases.map((phase) => phase[0].toLowerCase().includes(word)),
    }));
    return (event) => {
      if (event[BOOKS] && !state.books && event[STATUS] !== FAILED) return false;
      if (state.show === "changed" && !CHANGED.has(event[STATUS]) && event[STATUS] !== FAILED) return false;
      if (state.show === "failed" && event[STATUS] !== FAILED) return false;
      return found.every((one) => one.hosts[event[HOST]] || one.phases[event[PHASE]] || one.texts[event[STEP]]
        || one.texts[event[LABEL]] || [DIFF, NOTE, OUTPUT, ERROR].some((at) => event[at] && one.texts[event[at]]));
    };
  }

  function bar(events, matches) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const paths = { faint: "", ok: "", changed: "", failed: "" };
    for (const event of events) {
      const status = event[STATUS];
      const kind = !matches(event) ? "faint" : status === FAILED ? "failed" : CHANGED.has(status) ? "changed" : "ok";
      const tall = { faint: 4, ok: 6, changed: 14, failed: 20 }[kind];
      const x = (event[BEGAN] / total) * WIDTH;
      const width = Math.max((event[MS] / total) * WIDTH, kind === "failed" ? 6 : kind === "changed" ? 3 : 1);
      paths[kind] += `M${Math.min(x, WIDTH - width).toFixed(1)} ${(HEIGHT - tall) / 2}h${width.toFixed(1)}v${tall}h-${width.toFixed(1)}z`;
    }
    // Where one step ends and the next begins, a gap; where a phase begins, a line.
    const gaps = events.filter((event, at) => at && event[STEP] !== events[at - 1][STEP])
      .map((event) => `M${((event[BEGAN] / total) * WIDTH).toFixed(1)} 0V${HEIGHT}`).join("");
    const lines = data.phases.filter((phase) => !phase[3])
      .map((phase) => `M${((phase[1] / total) * WIDTH).toFixed(1)} 0V${HEIGHT}`).join("");
    for (const [kind, path] of [["phase", lines], ...Object.entries(paths), ["step", gaps]]) {
      if (!path) continue;
      const drawn = document.createElementNS(SVG, "path");
      drawn.setAttribute("class", `bar-${kind}`);
      drawn.setAttribute("d", path);
      svg.append(drawn);
    }
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * total;
      const under = events.filter((each) => each[BEGAN] <= at && at <= each[BEGAN] + each[MS]).pop();
      svg.parentElement.title = took(at) + (under ? `: ${texts[under[STEP]]} ${texts[under[LABEL]]}` : "");
    });
    return svg;
  }

  function diff(text) {
    const pre = made("pre", "diff");
    text.replace(/\n+$/, "").split("\n").forEach((line, number) => {
      const file = number < 2 && /^(---|\+\+\+)/.test(line);
      const kind = file ? "hunk" : { "+": "add", "-": "del", "@": "hunk" }[line[0]] || "";
      pre.append(made("span", kind, line));
    });
    return pre;
  }

  function parts(event) {
    const found = [];
    if (event[ERROR]) found.push(made("pre", "error", texts[event[ERROR]]));
    if (event[NOTE] && texts[event[NOTE]].includes("\n")) found.push(made("pre", "", texts[event[NOTE]]));
    if (event[DIFF]) found.push(diff(texts[event[DIFF]]));
    if (event[OUTPUT]) found.push(made("pre", "", texts[event[OUTPUT]]));
    return found;
  }

  function details(event) {
    const shown = parts(event);
    if (!shown.length) return null;
    const more = made("details", "more");
    more.append(made("summary", "", event[DIFF] ? "diff" : event[ERROR] ? "error" : event[OUTPUT] ? "output" : "more"), ...shown);
    return more;
  }

  function label(event) {
    const element = made("span", "label", texts[event[LABEL]]);
    const note = event[NOTE] ? texts[event[NOTE]] : "";
    if (note && !note.includes("\n")) element.append(made("small", "", ` (${note})`));
    return element;
  }

  function status(event) {
    return made("span", `status ${CLASSES[event[STATUS]]}`, `${MARKS[event[STATUS]]} ${WORDS[event[STATUS]]}`);
  }

  function listing(events) {
    const list = made("div", "events");
    let phase = -1, rows = null;
    for (const event of events) {
      if (event[PHASE] !== phase) {
        phase = event[PHASE];
        const known = data.phases[phase];
        if (known) list.append(made("h4", "", `${known[0]}, from ${took(known[1])} on`));
        rows = made("ol");
        list.append(rows);
      }
      const row = made("li", "event");
      const step = made("code", "step", texts[event[STEP]]);
      row.append(status(event), step, label(event), made("span", "took", took(event[MS])));
      const more = details(event);
      if (more) row.append(more);
      rows.append(row);
    }
    return list;
  }

  function summary(events, host) {
    const failed = events.filter((event) => event[STATUS] === FAILED).length;
    const changed = events.filter((event) => CHANGED.has(event[STATUS]) && !event[BOOKS]).length;
    const parts = [];
    if (failed) parts.push(`✗ ${failed} failed`);
    if (broken.has(host)) parts.push("✗ broken off");
    if (changed) parts.push(`${changed} changed`);
    return parts.join(", ") || `${events.length} as they were`;
  }

  function rowOf(host, events, matches) {
    const item = made("li", "host");
    const bad = broken.has(host) || ofHost[host].some((event) => event[STATUS] === FAILED);
    const button = made("button", bad ? "row bad" : "row");
    button.type = "button";
    const name = made("span", "name", data.hosts[host]);
    name.append(" ", made("span", "sum", summary(ofHost[host], host)));
    const drawn = made("span", "bar");
    drawn.append(bar(ofHost[host], matches));
    const busy = ofHost[host].reduce((sum, event) => sum + event[MS], 0);
    button.append(name, drawn, made("span", "took", took(busy)));
    item.append(button);
    const set = (open) => {
      button.setAttribute("aria-expanded", String(open));
      item.querySelector(":scope > .events")?.remove();
      if (open) item.append(listing(events));
    };
    button.addEventListener("click", () => {
      const open = !state.open.has(host);
      state.open[open ? "add" : "delete"](host);
      set(open);
    });
    set(state.open.has(host));
    return item;
  }

  function rank(host) {
    return broken.has(host) || ofHost[host].some((event) => event[STATUS] === FAILED) ? 0 : 1;
  }
  const order = data.hosts.map((_, host) => host).sort((one, other) => rank(one) - rank(other) || one - other);

  // Alike on several hosts, told once; what differs between them is told of each.
  function groups(events, keys) {
    const found = new Map();
    for (const event of events) {
      const key = keys.map((at) => event[at] || 0).join(" ");
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(event);
    }
    return [...found.values()];
  }

  const namesOf = (events) => [...new Set(events.map((event) => event[HOST]))].sort((one, other) => one - other)
    .map((host) => data.hosts[host]);

  function changeOf(events) {
    const [event] = events;
    const item = made("li", "change");
    const names = namesOf(events);
    const longest = Math.max(...events.map((each) => each[MS]));
    const variants = groups(events, [DIFF, NOTE, OUTPUT]);
    const what = variants.length > 1 ? made("span", "label", texts[event[LABEL]]) : label(event);
    if (event[STATUS] !== 1) what.prepend(status(event), " ");
    const who = names.length > 3 ? `${names.length} hosts` : names.join(", ");
    item.append(made("span", "who", who), made("code", "step", texts[event[STEP]]), what, made("span", "took", took(longest)));
    const told = variants.map((variant) => [namesOf(variant).join(", "), parts(variant[0])]).filter((each) => each[1].length);
    if (told.length || names.length > 3) {
      const more = made("details", "more");
      const kinds = [event[DIFF] && "diff", event[OUTPUT] && "output", names.length > 3 && "hosts"].filter(Boolean);
      more.append(made("summary", "", kinds.join(", ") || "more"));
      // Made when somebody looks: three hundred hosts may have as many.
      more.addEventListener("toggle", () => {
        if (more.childElementCount > 1) return;
        if (!told.length) more.append(made("p", "variant", names.join(", ")));
        for (const [hosts, shown] of told) more.append(made("p", "variant", hosts), ...shown);
      });
      item.append(more);
    }
    return item;
  }

  function more(id, left, words, all) {
    const button = byId(id);
    button.hidden = left <= 0;
    button.textContent = `Show ${left.toLocaleString("en")} more ${words}`;
    button.onclick = () => { all(); draw(); };
  }

  function draw() {
    const matches = matcher();
    const matched = data.hosts.map(() => []);
    let count = 0, hosts = 0;
    for (const event of data.events) {
      if (matches(event)) { matched[event[HOST]].push(event); count += 1; }
    }
    const searching = state.query.trim() !== "" || state.show !== "all";
    const shown = order.filter((host) => matched[host].length || !searching);
    hosts = shown.filter((host) => matched[host].length).length;
    byId("hosts").replaceChildren(...shown.slice(0, state.hosts).map((host) => rowOf(host, matched[host], matches)));
    more("more-hosts", shown.length - state.hosts, "hosts", () => { state.hosts = Infinity; });
    const all = data.events.length.toLocaleString("en");
    byId("count").textContent = searching
      ? `${count.toLocaleString("en")} of ${all} resources, on ${hosts} of ${data.hosts.length} hosts`
      : `${all} resources on ${data.hosts.length} hosts; a click on a host shows its own`;
    const changes = matched.flat().filter((event) => CHANGED.has(event[STATUS]));
    const changed = groups(changes.sort((one, other) => one[BEGAN] - other[BEGAN]), [STEP, LABEL, STATUS]);
    byId("changed").replaceChildren(...changed.slice(0, state.changes).map(changeOf));
    more("more-changes", changed.length - state.changes, "changes", () => { state.changes = Infinity; });
    byId("changes").hidden = !changed.length;
  }

  function axis() {
    const steps = [100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000];
    const most = window.innerWidth < 736 ? 4 : 8;
    const step = steps.find((each) => total / each <= most) || total;
    const marks = [];
    for (let at = 0; at < total - step * 0.6; at += step) marks.push(at);
    marks.push(total);
    byId("axis").replaceChildren(...marks.map((at) => {
      const whole = at % 1000 === 0 && at < 60000;
      const mark = made("span", "", whole ? `${at / 1000} s` : took(at));
      mark.style.left = `${(at / total) * 100}%`;
      return mark;
    }));
  }

  for (const element of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      element.title = element.textContent;
      element.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }
  if (!data.events.length) return;
  byId("events").hidden = false;
  let waiting = 0;
  byId("query").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.query = byId("query").value; draw(); }, 120);
  });
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").addEventListener("change", () => {
    state.show = document.querySelector("input[name=show]:checked").value;
    state.books = byId("books").checked;
    draw();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      byId("query").focus();
    }
    if (event.key === "Escape" && document.activeElement === byId("query")) {
      byId("query").value = state.query = "";
      draw();
    }
  });
  // On paper nothing opens: what is folded is shown, as far as it is not very much.
  const PRINTED = 200;
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("#failures details:not([open]), #changes details:not([open])")].slice(0, PRINTED);
    opened.forEach((each) => { each.open = true; each.dispatchEvent(new Event("toggle")); });
  });
  window.addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
  window.addEventListener("resize", axis);
  axis();
  draw();
})();
