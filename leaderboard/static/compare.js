// Two to four entries side by side, from data/explorer.js and data/entries.js. The choice stands in the address.
"use strict";
(() => {
  const results = window.RESULTS, entries = window.ENTRIES && window.ENTRIES.entries, place = document.getElementById("compare");
  if (!results || !entries || !place) return;
  const LETTERS = ["a", "b", "c", "d"], SVG = "http://www.w3.org/2000/svg";
  const bySet = new Map(entries.map((entry) => [entry.set, entry]));
  const column = new Map(results.columns.map((one) => [one.name, one]));
  const value = (name, i) => {
    const one = column.get(name);
    return one.kind === "number" ? one.numbers[i] : one.values[one.codes[i]];
  };
  const make = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
    return node;
  };
  const number = (x, places = 2) => (x === null || Number.isNaN(x) ? "–" : x.toFixed(places).replace("-", "\u2212"));
  const title = (entry) => {
    const size = entry.ipc === null ? "" : `, ${entry.ipc} per class`;
    const seeds = entry.seeds.length ? `, seed ${entry.seeds.join(" ")}` : "";
    return `${entry.method} on ${entry.dataset}${size}${seeds} · ${entry.set.slice(0, 12)}`;
  };
  const byTitle = new Map(entries.map((entry) => [title(entry), entry]));

  function chosen() {
    const hash = new URLSearchParams(location.hash.slice(1));
    const found = LETTERS.map((letter) => hash.get(letter) || "").map((name) => {
      if (bySet.has(name)) return bySet.get(name);
      const fits = name.length >= 4 ? entries.filter((entry) => entry.set.startsWith(name)) : [];
      return fits.length === 1 ? fits[0] : null;
    });
    return found;
  }

  // Values by place and seed: {place: {seed: value}} with the place's words.
  const WORDS = ["evaluator", "version", "recipe", "architecture", "condition", "metric", "unit"];
  function scores(entry) {
    const sets = column.get("set"), code = sets.values.indexOf(entry.set), found = new Map();
    for (let i = 0; i < results.n; i++) {
      if (sets.codes[i] !== code || value("status", i) !== "ok") continue;
      const words = WORDS.map((name) => value(name, i)), key = JSON.stringify(words);
      if (!found.has(key)) found.set(key, { words, seeds: new Map() });
      found.get(key).seeds.set(value("seed", i), value("value", i));
    }
    return found;
  }

  function table(caption, headings, rows) {
    const scroll = make("div", undefined, { class: "scroll", role: "group", tabindex: "0", "aria-label": caption });
    const node = make("table"), head = make("tr"), body = make("tbody");
    node.append(make("caption", caption));
    for (const [text, numeric] of headings) head.append(make("th", text, { scope: "col", ...(numeric ? { class: "num" } : {}) }));
    const thead = make("thead");
    thead.append(head);
    for (const cells of rows) {
      const line = make("tr");
      cells.forEach((cell, k) => {
        const td = make(k ? "td" : "th", undefined, { ...(k ? {} : { scope: "row" }), ...(headings[k][1] ? { class: "num" } : {}) });
        if (cell instanceof Node) td.append(cell); else td.append(make("bdi", cell));
        line.append(td);
      });
      body.append(line);
    }
    node.append(thead, body);
    scroll.append(node);
    return scroll;
  }

  function heads(found) {
    return table("The entries", [["As", false], ["Entry", false], ["Bytes", true], ["Labels", false], ["State", false]],
      found.map(([letter, entry]) => {
        const link = make("a", undefined, { href: entry.path });
        link.append(make("bdi", title(entry)));
        return [letter.toUpperCase(), link, String(entry.bytes ?? "–"), entry.track, entry.state];
      }));
  }

  function differences(found) {
    const all = found.map(([, entry]) => scores(entry)), [first] = all, rows = [], tests = [];
    for (const [key, own] of first) {
      const others = all.slice(1).map((one) => one.get(key));
      if (!others.some(Boolean)) continue;
      const pairs = others.map((other) => {
        const shared = other ? [...own.seeds.keys()].filter((seed) => other.seeds.has(seed)) : [];
        return shared.length ? window.student.summary(shared.map((seed) => own.seeds.get(seed) - other.seeds.get(seed))) : null;
      });
      pairs.forEach((pair) => tests.push(pair ? pair.p : NaN));
      rows.push([own, others, pairs]);
    }
    const adjusted = window.student.holm(tests);
    const mean = (seen) => {
      if (!seen) return "not run";
      const told = window.student.summary([...seen.seeds.values()]);
      return `${number(told.mean)}${told.n > 1 ? ` ± ${number(told.sd)}` : ""} (${told.n})`;
    };
    const headings = [["Where", false], ["A: mean ± SD (n)", true]];
    found.slice(1).forEach(([letter]) => headings.push([`${letter.toUpperCase()}: mean ± SD (n)`, true]));
    found.slice(1).forEach(([letter]) => {
      const name = `A \u2212 ${letter.toUpperCase()}`;
      headings.push([name, true], [`95 % interval of ${name}`, true], [`p of ${name}`, true]);
    });
    let at = 0;
    const lines = rows.map(([own, others, pairs]) => {
      const [evaluator, version, recipe, architecture, condition, metric, unit] = own.words;
      const where = [`${metric}${unit && unit !== "1" ? ` (${unit})` : ""}`, `on ${architecture}`, condition, `${evaluator} ${version ?? "?"}`, recipe];
      const line = [where.filter(Boolean).join(", "), mean(own), ...others.map(mean)];
      for (const pair of pairs) {
        const p = adjusted[at++];
        line.push(pair ? `${number(pair.mean)} (${pair.n} pairs)` : "–");
        line.push(pair && !Number.isNaN(pair.low) ? `${number(pair.low)} to ${number(pair.high)}` : "–");
        line.push(Number.isNaN(p) ? "–" : p < 0.0001 ? "< 0.0001" : number(p, 4));
      }
      return line;
    });
    return lines.length ? table("Scores, and differences paired by training seed", headings, lines)
      : make("p", "These entries were nowhere measured alike.", { class: "missing" });
  }

  function architectures(found) {
    const all = found.map(([, entry]) => [...scores(entry).values()].filter(({ words }) => words[5] === "accuracy" && !words[4]));
    const names = [...new Set(all.flat().map(({ words }) => `${words[3]} (${words[2]})`))].sort();
    if (!names.length) return null;
    const rows = names.map((name) => [name, ...all.map((one) => {
      const seen = one.find(({ words }) => `${words[3]} (${words[2]})` === name);
      return seen ? number(window.student.summary([...seen.seeds.values()]).mean) : "not run";
    })]);
    return table("Mean accuracy by architecture", [["Architecture (recipe)", false], ...found.map(([letter]) => [letter.toUpperCase(), true])], rows);
  }

  function strip(entry, [name, x, y, width, height]) {
    const svg = document.createElementNS(SVG, "svg"), image = document.createElementNS(SVG, "image");
    const given = { class: "pixels", viewBox: `${x} ${y} ${width} ${height}`, width, height, role: "img", "aria-label": `${entry.method}: class ${name}` };
    for (const [key, text] of Object.entries(given)) svg.setAttribute(key, text);
    for (const [key, text] of Object.entries({ href: entry.preview, width: entry.gallery.width, height: entry.gallery.height })) image.setAttribute(key, text);
    svg.append(image);
    return svg;
  }

  function galleries(found) {
    const drawn = found.filter(([, entry]) => entry.gallery);
    if (!drawn.length) return null;
    const names = [...new Set(drawn.flatMap(([, entry]) => entry.gallery.strips.map((one) => one[0])))];
    const rows = names.map((name) => [name, ...drawn.map(([, entry]) => {
      const one = entry.gallery.strips.find((other) => other[0] === name);
      return one ? strip(entry, one) : "–";
    })]);
    return table("Images by class", [["Class", false], ...drawn.map(([letter]) => [letter.toUpperCase(), false])], rows);
  }

  function cards(found) {
    const maps = found.map(([, entry]) => new Map(entry.card)), labels = [...new Set(maps.flatMap((map) => [...map.keys()]))];
    const differing = labels.filter((label) => new Set(maps.map((map) => map.get(label) ?? "")).size > 1);
    if (!differing.length) return make("p", "Their cards say the same.", { class: "missing" });
    return table("Where their cards differ", [["Field", false], ...found.map(([letter]) => [letter.toUpperCase(), false])],
      differing.map((label) => [label, ...maps.map((map) => map.get(label) ?? "–")]));
  }

  const inputs = [], out = make("div"), told = make("p", "", { class: "note", role: "status" });
  function choosers() {
    const box = make("div", undefined, { class: "controls" }), list = make("datalist", undefined, { id: "entries" });
    list.append(...entries.map((entry) => make("option", undefined, { value: title(entry) })));
    LETTERS.forEach((letter) => {
      const label = make("label", `${letter.toUpperCase()} `, { class: "find" }), input = make("input", undefined, { list: "entries", type: "search", placeholder: "method, dataset or digest" });
      input.addEventListener("change", () => {
        const hash = new URLSearchParams(location.hash.slice(1)), entry = byTitle.get(input.value);
        if (entry) hash.set(letter, entry.set); else if (input.value) hash.set(letter, input.value); else hash.delete(letter);
        location.hash = hash.toString();
      });
      label.append(input);
      box.append(label);
      inputs.push(input);
    });
    place.append(box, list, told, out);
  }

  function show() {
    const picked = chosen(), hash = new URLSearchParams(location.hash.slice(1));
    picked.forEach((entry, k) => { inputs[k].value = entry ? title(entry) : hash.get(LETTERS[k]) || ""; });
    const found = LETTERS.map((letter, k) => [letter, picked[k]]).filter(([, entry]) => entry);
    out.replaceChildren();
    if (found.length < 2) {
      told.textContent = found.length ? "Choose a second entry." : "Choose two entries; type a part of a name.";
      return;
    }
    told.textContent = `${found.length} entries compared.`;
    const parts = [["Entries", heads(found)], ["Differences", differences(found)], ["Architectures", architectures(found)],
      ["Images", galleries(found)], ["Cards", cards(found)]];
    for (const [name, part] of parts) if (part) out.append(make("h2", name), part);
    out.querySelectorAll("table").forEach(window.sortable);
  }

  choosers();
  window.addEventListener("hashchange", show);
  show();
})();
