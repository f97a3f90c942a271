/** A ring's case panel: members of a verdict that follow the selection, and text that was typed outlives a refresh. */

import { bind } from "./keys.js";

let selected = null;

if (document.getElementById("case-panel") !== null) {
  bind("c", "claim, take over or release", () => document.getElementById("claim-button")?.focus());
  bind("n", "write a note", () => document.getElementById("note-text")?.focus());
  bind("d", "give a verdict", openVerdict);
}

document.addEventListener("ringlight:selection", (event) => { selected = event.detail.ids; });

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-take]") : null;
  if (button === null) return;
  const boxes = button.form.querySelectorAll("input[type=checkbox][name=account_ids]");
  const wanted = button.dataset.take === "selected" ? new Set(await selectedIds()) : null;
  if (wanted !== null && wanted.size === 0) return tellCount(button.form, "Nothing is selected in the picture or the table.");
  for (const box of boxes) box.checked = button.dataset.take === "all" || (wanted !== null && wanted.has(box.value));
  return tellCount(button.form);
});

document.addEventListener("change", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.name === "account_ids") tellCount(event.target.form);
});

/** Opens the form and goes to its first choice. */
function openVerdict() {
  const form = document.getElementById("form-verdict");
  if (form === null) return;
  form.closest("details").open = true;
  form.elements.namedItem("verdict")[0].focus();
}

/** The event may have been fired before this listened, so the module that keeps the selection is asked then. */
async function selectedIds() {
  if (selected !== null) return selected;
  try {
    const { get } = await import("./selection.js");
    return get();
  } catch {
    return [];
  }
}

function tellCount(form, text) {
  const place = form.querySelector("[data-count]");
  if (place === null) return;
  const boxes = [...form.querySelectorAll("input[type=checkbox][name=account_ids]")];
  place.textContent = text ?? `${boxes.filter((box) => box.checked).length} of ${boxes.length} members`;
}

/** What was typed or ticked and not sent, by form and field. The form that was just sent has been reset, so it keeps nothing. */
let typed = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "case-panel") return;
  typed = [...event.detail.target.querySelectorAll("form[id]")].flatMap((form) =>
    [...form.elements].filter(isChanged).map((field) => ({ form: form.id, name: field.name, value: field.value, checked: field.checked })),
  );
});

document.addEventListener("htmx:afterSettle", (event) => {
  const panel = event.detail.target;
  if (panel.id !== "case-panel") return;
  for (const kept of typed) {
    const form = document.getElementById(kept.form);
    if (!(form instanceof HTMLFormElement)) continue;
    for (const field of form.elements) {
      if (field.name !== kept.name) continue;
      if (field.type === "checkbox" || field.type === "radio") {
        if (field.value === kept.value) field.checked = kept.checked;
      } else field.value = kept.value;
    }
    tellCount(form);
    form.closest("details")?.setAttribute("open", "");
  }
  typed = [];
  if (document.activeElement === document.body) panel.querySelector("h2[tabindex]")?.focus({ preventScroll: true });
});

function isChanged(field) {
  if (!field.name || field.type === "hidden") return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement ? field.value !== field.defaultValue : false;
}
