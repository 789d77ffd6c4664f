"use strict";
// Lights up everything that belongs to one entity: its mention, its boxes, its row.
// A click or Enter keeps it lit, Escape or a click elsewhere lets go.
(() => {
  const numbers = (element) => (element.dataset.e ? element.dataset.e.split(" ") : []);
  let pinned = null;

  const clear = () => {
    document.querySelectorAll(".lit").forEach((element) => element.classList.remove("lit"));
    document.querySelectorAll(".lighting").forEach((element) => element.classList.remove("lighting"));
  };

  const light = (element) => {
    clear();
    const article = element && element.closest("article");
    if (!article) return;
    let places = 0;
    for (const number of numbers(element)) {
      article.querySelectorAll(`[data-e~="${number}"]`).forEach((found) => {
        found.classList.add("lit");
        places += found.classList.contains("place") ? 1 : 0;
      });
    }
    if (places > 0) article.classList.add("lighting");
  };

  const target = (event) =>
    event.target instanceof Element ? event.target.closest("[data-e]") : null;

  const pin = (element) => {
    if (pinned) pinned.setAttribute("aria-pressed", "false");
    pinned = element === pinned ? null : element;
    if (pinned && pinned.hasAttribute("aria-pressed")) pinned.setAttribute("aria-pressed", "true");
    light(pinned || element);
    if (!pinned) clear();
  };

  document.addEventListener("pointerover", (event) => light(target(event) || pinned));
  document.addEventListener("focusin", (event) => light(target(event) || pinned));
  document.addEventListener("focusout", () => light(pinned));
  document.addEventListener("click", (event) => {
    const found = target(event);
    if (found) pin(found);
    else if (pinned && !event.target.closest("button")) pin(pinned);
  });
  document.addEventListener("keydown", (event) => {
    const found = target(event);
    if (found && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      pin(found);
    } else if (event.key === "Escape") {
      if (pinned) pin(pinned);
      clear();
    }
  });

  document.querySelectorAll(".legend button").forEach((button) => {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      const selector = ["article .ent", "article tr", "article .chip"]
        .map((part) => `${part}.${button.dataset.t}`)
        .join(",");
      document.querySelectorAll(selector).forEach((element) => {
        element.classList.toggle("off", !shown);
        if (element.hasAttribute("tabindex")) element.tabIndex = shown ? 0 : -1;
      });
      // A place that several entities share stays while one of them is shown.
      document.querySelectorAll(".place:not(.free)").forEach((place) => {
        const chips = [...place.querySelectorAll(".chip")];
        place.classList.toggle("off", chips.length > 0 && chips.every((c) => c.classList.contains("off")));
      });
    });
  });

  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
