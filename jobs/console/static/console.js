/** What every page has: signing out, forms, keys, and where the focus goes when htmx puts something in place. */

import "./session.js";
import "./forms.js";
import "./panel.js";
import { bindEverywhere } from "./keys.js";

bindEverywhere();

document.addEventListener("htmx:afterSettle", (event) => {
  const target = event.detail.target;
  if (target instanceof HTMLElement && target.id === "main") target.focus({ preventScroll: true });
});
