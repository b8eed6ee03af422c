// Runs before the page is painted: says that scripts run, applies the reader's theme, and offers the choice.
"use strict";
(() => {
  const root = document.documentElement, key = "distillbench-theme", themes = ["auto", "light", "dark"];
  root.classList.add("scripted");
  const read = () => { try { return localStorage.getItem(key) || "auto"; } catch { return "auto"; } };
  const write = (theme) => { try { localStorage.setItem(key, theme); } catch { /* the choice holds for this page */ } };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme; else delete root.dataset.theme;
  };
  let theme = read();
  apply(theme);
  document.addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("theme");
    if (!place) return;
    const button = document.createElement("button");
    button.type = "button";
    const tell = () => { button.textContent = `Theme: ${theme}`; };
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      apply(theme);
      write(theme);
      tell();
    });
    tell();
    place.append(button);
  });
})();
