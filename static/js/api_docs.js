// Swagger UI on the API's description. It asks nobody but this server.
"use strict";

(() => {
  const place = document.getElementById("api-docs");
  SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: false, // a link within each button is more than a screen reader can tell apart
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    persistAuthorization: false, // a key is not left behind in the browser
  });

  // What it leaves without a name, and what scrolls and cannot be reached by keyboard.
  const complete = () => {
    for (const select of place.querySelectorAll("select:not([aria-label])")) {
      const row = select.closest("[data-param-name]");
      select.setAttribute("aria-label", row ? row.dataset.paramName : "Choice");
    }
    for (const code of place.querySelectorAll("pre:not([tabindex])")) code.tabIndex = 0;
  };
  new MutationObserver(complete).observe(place, { childList: true, subtree: true });

  // Swagger UI has a dark dress of its own; the theme is ours (base.js).
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const dress = () => {
    const theme = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.classList.toggle("dark-mode", theme === "dark");
  };
  dark.addEventListener("change", dress);
  new MutationObserver(dress).observe(root, { attributeFilter: ["data-theme"] });
  dress();
})();
