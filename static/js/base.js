/* Loaded in the head, before the page is painted, so that a remembered theme never flashes. */
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "theme";

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden; the system's theme is then the only one
    }
  };

  const remember = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      /* the choice holds for this page */
    }
  };

  const isDark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) ===
    "dark";

  const theme = remembered();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const showTheme = (button) => {
    button.setAttribute("aria-pressed", String(isDark()));
    button.hidden = false;
  };

  const toggleTheme = (button) => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    showTheme(button);
  };

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except) menu.open = false;
    }
  };

  const onClick = (event) => {
    const at = (selector) => event.target.closest(selector);
    closeMenus(at("details.menu"));
    const toggle = at("[data-theme-toggle]");
    if (toggle) toggleTheme(toggle);
    const opener = at("[data-dialog-open]");
    const dialog = opener && document.getElementById(opener.dataset.dialogOpen);
    if (dialog) {
      event.preventDefault(); // without JavaScript the link leads to a page that asks the same
      dialog.showModal();
    }
    if (at("[data-dialog-close]")) {
      event.preventDefault();
      at("dialog").close();
    }
  };

  const onKey = (event) => {
    if (event.key === "Enter" && event.target.matches?.("input[type=file]")) {
      event.preventDefault(); // else browsers send the form, as with a line of text
      event.target.click();
    }
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  };

  // What scrolls sideways must be reachable by keyboard; what does not is no stop on the way.
  const reachable = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });

  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-theme-toggle]").forEach(showTheme);
    document.querySelector("[aria-invalid=true]")?.focus(); // a form that came back: where to go on
    document.querySelectorAll(".table-wrap, .model__plot").forEach((each) => reachable.observe(each));
    for (const menu of document.querySelectorAll("details.menu")) {
      menu.addEventListener("focusout", (event) => {
        if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
      });
    }
  });
})();
