// The explorer: filters, sorts, pages and exports the rows of data/explorer.js. The state stands in the address.
"use strict";
(() => {
  const data = window.RESULTS, table = document.getElementById("rows"), told = document.getElementById("told");
  if (!data || !table) return;
  const HEX = /^[0-9a-f]{64}$/, FORMULA = /^[=+\-@\t\r]/, MOST = 60;
  const n = data.n, page = data.page, columns = data.columns;
  const byName = new Map(columns.map((column) => [column.name, column]));

  // Every column gets codes and distinct values, so that a filter compares small numbers only.
  for (const column of columns) {
    if (column.kind === "number") {
      column.distinct = [...new Set(column.numbers)].sort((a, b) => (a === null) - (b === null) || a - b);
      const place = new Map(column.distinct.map((value, code) => [value, code]));
      column.codes = column.numbers.map((value) => place.get(value));
      column.values = column.distinct.map((value) => (value === null ? "" : String(value)));
    }
    column.codes = Uint32Array.from(column.codes);
    column.lower = column.values.map((value) => value.toLowerCase());
  }
  const facets = data.facets.map((name) => byName.get(name)).filter((column) => column.values.length > 1);

  const state = { chosen: new Map(), search: "", sort: "", descending: false, page: 0, shown: new Set() };
  const normal = columns.filter((column) => column.shown).map((column) => column.name);

  function read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    state.chosen = new Map();
    for (const column of facets) {
      const wanted = new Set(hash.getAll(column.name)), codes = new Set();
      column.values.forEach((value, code) => { if (wanted.has(value)) codes.add(code); });
      if (codes.size) state.chosen.set(column.name, codes);
    }
    state.search = hash.get("q") || "";
    const sort = hash.get("sort") || "";
    state.descending = sort.startsWith("-");
    state.sort = byName.has(sort.replace(/^-/, "")) ? sort.replace(/^-/, "") : "";
    state.page = Math.max(0, (parseInt(hash.get("page"), 10) || 1) - 1);
    const named = (hash.get("columns") || "").split(",").filter((name) => byName.has(name));
    state.shown = new Set(named.length ? named : normal);
  }

  function write() {
    const hash = new URLSearchParams();
    for (const [name, codes] of state.chosen) for (const code of codes) hash.append(name, byName.get(name).values[code]);
    if (state.search) hash.set("q", state.search);
    if (state.sort) hash.set("sort", (state.descending ? "-" : "") + state.sort);
    if (state.page) hash.set("page", String(state.page + 1));
    const shown = columns.filter((column) => state.shown.has(column.name)).map((column) => column.name);
    if (shown.join() !== normal.join()) hash.set("columns", shown.join());
    const text = hash.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  // Rows that hold every word of the search in some column: each distinct value is looked at once.
  function searched() {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return null;
    const passes = new Uint8Array(n).fill(1);
    for (const word of words) {
      const hit = new Uint8Array(n);
      for (const column of columns) {
        const has = column.lower.map((value) => value.includes(word));
        if (has.includes(true)) for (let i = 0; i < n; i++) if (has[column.codes[i]]) hit[i] = 1;
      }
      for (let i = 0; i < n; i++) passes[i] &= hit[i];
    }
    return passes;
  }

  // How many filters each row fails, and the one it fails: counts of a facet leave its own filter out.
  function filtered() {
    const passes = searched(), fails = new Uint8Array(n), which = new Uint8Array(n);
    facets.forEach((column, f) => {
      const codes = state.chosen.get(column.name);
      if (!codes) return;
      const wanted = column.values.map((_, code) => codes.has(code));
      for (let i = 0; i < n; i++) if (!wanted[column.codes[i]]) { fails[i]++; which[i] = f; }
    });
    const counts = facets.map((column) => new Uint32Array(column.values.length)), found = [];
    for (let i = 0; i < n; i++) {
      if (passes && !passes[i]) continue;
      if (fails[i] === 0) {
        found.push(i);
        facets.forEach((column, f) => { counts[f][column.codes[i]]++; });
      } else if (fails[i] === 1) counts[which[i]][facets[which[i]].codes[i]]++;
    }
    return [found, counts];
  }

  function sorted(rows) {
    const column = byName.get(state.sort);
    if (!column) return rows;
    const order = column.values.map((_, code) => code);
    if (column.kind === "text") order.sort((a, b) => column.values[a].localeCompare(column.values[b], "en", { numeric: true }));
    const rank = new Int32Array(order.length);
    order.forEach((code, place) => { rank[code] = place; });
    const sign = state.descending ? -1 : 1;
    const last = column.values.indexOf("");
    const key = (i) => (column.codes[i] === last ? Infinity : sign * rank[column.codes[i]]);
    const keys = new Float64Array(n);
    for (const i of rows) keys[i] = key(i);
    return rows.slice().sort((a, b) => (keys[a] === keys[b] ? a - b : keys[a] < keys[b] ? -1 : 1));
  }

  const make = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  function cell(column, i) {
    const td = make("td"), text = column.values[column.codes[i]];
    if (column.kind === "number") {
      td.className = "num";
      const value = column.numbers[i];
      td.textContent = value === null ? "–" : Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
    } else if (column.name === "set" && text) {
      const path = HEX.test(text) ? `entry/${text}.html` : column.paths[column.codes[i]];
      const link = make("a", undefined, path ? { href: path } : {});
      link.append(make("code", text.slice(0, 12)));
      td.append(path ? link : make("code", text.slice(0, 12)));
    } else td.append(make("bdi", text || "–"));
    return td;
  }

  let rows = [], buttons = new Map(), boxes = [];

  function head() {
    const line = make("tr");
    buttons = new Map();
    for (const column of columns.filter((one) => state.shown.has(one.name))) {
      const th = make("th", undefined, { scope: "col", ...(column.kind === "number" ? { class: "num" } : {}) });
      const button = make("button", column.title, { type: "button", class: "sort" });
      button.addEventListener("click", () => {
        const first = column.kind === "number";
        if (state.sort !== column.name) { state.sort = column.name; state.descending = first; }
        else if (state.descending === first) state.descending = !first;
        else { state.sort = ""; state.descending = false; }
        state.page = 0;
        show();
      });
      button.append(make("span", undefined, { class: "arrow", "aria-hidden": "true" }));
      th.append(button);
      line.append(th);
      buttons.set(column.name, th);
    }
    table.tHead.replaceChildren(line);
  }

  function show() {
    const [found, counts] = filtered();
    rows = sorted(found);
    const pages = Math.max(1, Math.ceil(rows.length / page));
    state.page = Math.min(state.page, pages - 1);
    const shown = columns.filter((column) => state.shown.has(column.name));
    const body = document.createDocumentFragment();
    for (const i of rows.slice(state.page * page, (state.page + 1) * page)) {
      const line = make("tr");
      for (const column of shown) line.append(cell(column, i));
      body.append(line);
    }
    table.tBodies[0].replaceChildren(body);
    for (const [name, th] of buttons) {
      if (name === state.sort) th.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    for (const [f, code, box, count] of boxes) {
      box.checked = Boolean(state.chosen.get(facets[f].name)?.has(code));
      count.textContent = String(counts[f][code]);
    }
    for (const [f, mark] of marks.entries()) {
      const chosen = state.chosen.get(facets[f].name);
      mark.textContent = chosen ? ` (${chosen.size})` : "";
    }
    const from = rows.length ? state.page * page + 1 : 0, to = Math.min(rows.length, (state.page + 1) * page);
    told.textContent = `Rows ${from} to ${to} of ${rows.length}; ${n} in all` +
      (state.sort ? `, sorted by ${byName.get(state.sort).title.toLowerCase()}` : "");
    turn(pages);
    write();
  }

  const marks = [];

  function facet(column, f) {
    const box = make("details", undefined, { class: "facet" }), summary = make("summary", column.title);
    const mark = make("span");
    marks.push(mark);
    summary.append(mark);
    const set = make("fieldset");
    set.append(make("legend", column.title, { class: "unseen" }));
    column.values.slice(0, MOST).forEach((value, code) => {
      const label = make("label"), input = make("input", undefined, { type: "checkbox" }), count = make("span", "", { class: "detail" });
      input.addEventListener("change", () => {
        const codes = state.chosen.get(column.name) || new Set();
        if (input.checked) codes.add(code); else codes.delete(code);
        if (codes.size) state.chosen.set(column.name, codes); else state.chosen.delete(column.name);
        state.page = 0;
        show();
      });
      label.append(input, " ", make("bdi", value || "(none)"), " ", count);
      set.append(label);
      boxes.push([f, code, input, count]);
    });
    if (column.values.length > MOST) set.append(make("p", `${column.values.length - MOST} more: use the search.`, { class: "note" }));
    box.append(summary, set);
    return box;
  }

  function chooser() {
    const box = make("details", undefined, { class: "facet" }), set = make("fieldset");
    set.append(make("legend", "Columns", { class: "unseen" }));
    for (const column of columns) {
      const label = make("label"), input = make("input", undefined, { type: "checkbox", "data-column": column.name });
      input.checked = state.shown.has(column.name);
      input.addEventListener("change", () => {
        if (input.checked) state.shown.add(column.name);
        else if (state.shown.size > 1) state.shown.delete(column.name);
        else input.checked = true;
        head();
        show();
      });
      label.append(input, ` ${column.title}`);
      set.append(label);
    }
    box.append(make("summary", "Columns"), set);
    return box;
  }

  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  function exported() {
    const shown = columns.filter((column) => state.shown.has(column.name));
    const lines = [shown.map((column) => column.name).join()];
    for (const i of rows) {
      lines.push(shown.map((column) => {
        const text = column.values[column.codes[i]];
        return quoted(column.kind === "text" && FORMULA.test(text) ? `'${text}` : text);
      }).join());
    }
    return `${lines.join("\n")}\n`;
  }

  let search;
  function controls() {
    const place = document.getElementById("controls");
    place.className = "controls";
    const label = make("label", "Search ", { class: "find" });
    search = make("input", undefined, { type: "search", id: "search" });
    search.addEventListener("input", () => { state.search = search.value.trim(); state.page = 0; show(); });
    label.append(search);
    const save = make("button", "Save these rows as CSV", { type: "button", id: "save" });
    save.addEventListener("click", () => {
      const link = make("a", undefined, { href: URL.createObjectURL(new Blob([exported()], { type: "text/csv" })), download: "distillbench-rows.csv" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    const clear = make("button", "Show all again", { type: "button", id: "clear" });
    clear.addEventListener("click", () => { history.replaceState(null, "", location.pathname + location.search); restart(); });
    const filters = make("div", undefined, { class: "facets" });
    filters.append(...facets.map(facet), chooser());
    place.append(label, filters, save, clear);
  }

  function turn(pages) {
    const pager = document.getElementById("pager"), parts = [];
    const step = (text, target) => {
      const button = make("button", text, { type: "button" });
      button.disabled = target < 0 || target >= pages || target === state.page;
      button.addEventListener("click", () => { state.page = target; show(); pager.querySelector("button:not(:disabled)")?.focus(); });
      return button;
    };
    parts.push(step("First", 0), step("Previous", state.page - 1), make("span", `Page ${state.page + 1} of ${pages}`));
    parts.push(step("Next", state.page + 1), step("Last", pages - 1));
    pager.replaceChildren(...parts);
  }

  function restart() {
    read();
    search.value = state.search;
    document.querySelectorAll("[data-column]").forEach((box) => { box.checked = state.shown.has(box.dataset.column); });
    head();
    show();
  }

  read();
  controls();
  window.addEventListener("hashchange", restart);
  restart();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
