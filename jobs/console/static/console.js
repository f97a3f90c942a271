/** What every page has: signing out, forms, keys, and where the focus goes when htmx puts something in place. */

import "./session.js";
import "./forms.js";
import "./panel.js";
import * as keys from "./keys.js";

keys.begin();

document.addEventListener("htmx:afterSettle", (event) => {
  const target = event.detail.target;
  if (!(target instanceof HTMLElement) || target.id !== "main") return;
  keys.beginAnew();
  target.focus({ preventScroll: true });
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.pathname === window.location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
});

/** Whoever comes back to a page after a while is told if another night is shown by now. */
const LOOK_AGAIN_MS = 300_000;
let looked = Date.now();
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible" || Date.now() - looked < LOOK_AGAIN_MS) return;
  looked = Date.now();
  document.body.dispatchEvent(new CustomEvent("ringlight:look-at-night"));
});
