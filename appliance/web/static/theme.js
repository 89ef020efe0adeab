// Runs before the first paint, so that a chosen theme does not flash. "system" follows the device.
"use strict";
(() => {
  const order = ["system", "light", "dark"];
  const words = { system: "as on this device", light: "light", dark: "dark" };
  const asked = new URLSearchParams(location.search).get("theme");
  const root = document.documentElement;
  let theme = "system";
  try {
    theme = localStorage.getItem("lintel-theme") || theme;
  } catch {
    // Storage may be switched off; the switch then lasts as long as the page.
  }
  if (order.includes(asked)) theme = asked;

  function show() {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (!button) return;
    const label = `Theme: ${words[theme]}. Change it.`;
    button.setAttribute("aria-label", label);
    button.title = label;
    button.querySelector("use").setAttribute("href", `#i-theme-${theme}`);
  }

  function next() {
    theme = order[(order.indexOf(theme) + 1) % order.length];
    try {
      localStorage.setItem("lintel-theme", theme);
    } catch {
      // As above.
    }
    show();
  }

  if (!order.includes(theme)) theme = "system";
  show();
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", next);
    show();
  });
})();
