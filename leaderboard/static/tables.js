// Sorts the rows of tables by their columns, and finds rows in long ones. Rows are only ever moved or hidden.
"use strict";
(() => {
  const LONG = 25;
  const live = document.createElement("p");
  live.className = "unseen";
  live.setAttribute("role", "status");
  const say = (text) => { live.textContent = text; };

  // The number that a cell begins with: thousands are apart by narrow spaces, the minus is a true one.
  const numberOf = (text) => {
    const found = text.replace(/[\u202f\u00a0]/g, "").replace(/\u2212/g, "-").match(/^\s*[+-]?\d[\d.]*(e[+-]?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };
  const compare = (a, b, sign) => {
    if (typeof a === "number") {
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a - b);
    }
    return sign * a.localeCompare(b, "en", { numeric: true });
  };

  function sortable(table) {
    const body = table.tBodies[0], head = table.tHead && table.tHead.rows[0];
    if (!body || !head || table.dataset.sortable || body.rows.length < 2) return;
    if (table.matches(".small, .explorer") || table.querySelector("[colspan],[rowspan]")) return;
    table.dataset.sortable = "yes";
    const original = [...body.rows];
    [...head.cells].forEach((th, column) => {
      const numeric = th.classList.contains("num"), cell = body.rows[0].cells[column];
      if (!th.textContent.trim() || (cell && cell.querySelector("svg"))) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      const arrow = document.createElement("span");
      arrow.className = "arrow";
      arrow.setAttribute("aria-hidden", "true");
      button.append(...th.childNodes);
      button.insertBefore(arrow, button.querySelector(".sub"));
      th.append(button);
      button.addEventListener("click", () => {
        const first = numeric ? "descending" : "ascending", second = numeric ? "ascending" : "descending";
        const now = th.getAttribute("aria-sort");
        const next = now === first ? second : now === second ? "" : first;
        for (const other of head.cells) other.removeAttribute("aria-sort");
        let rows = original;
        if (next) {
          th.setAttribute("aria-sort", next);
          const sign = next === "ascending" ? 1 : -1;
          const keyed = original.map((row) => {
            const text = row.cells[column] ? row.cells[column].textContent : "";
            return [numeric ? numberOf(text) : text.trim(), row];
          });
          rows = keyed.sort((a, b) => compare(a[0], b[0], sign)).map((pair) => pair[1]);
        }
        body.append(...rows);
        const name = (button.firstChild ? button.firstChild.textContent : "").trim();
        say(next ? `Sorted by ${name}, ${next}` : "In the original order");
      });
    });
    if (original.length >= LONG) findable(table, original);
  }

  function findable(table, rows) {
    const label = document.createElement("label"), input = document.createElement("input");
    label.className = "find";
    label.textContent = "Find rows ";
    input.type = "search";
    label.append(input);
    (table.closest(".scroll") || table).before(label);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, k) => {
        row.hidden = !words.every((word) => texts[k].includes(word));
        shown += !row.hidden;
      });
      say(`${shown} of ${rows.length} rows`);
    });
  }

  window.sortable = sortable;
  const start = () => {
    document.body.append(live);
    document.querySelectorAll("main table").forEach(sortable);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
