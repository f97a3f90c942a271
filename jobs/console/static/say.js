/**
 * Says something to whoever listens and does not look: the page's live region.
 * @param {string} text
 */
export function say(text) {
  const region = document.getElementById("said");
  if (region === null) return;
  region.textContent = "";
  window.setTimeout(() => { region.textContent = text; }, 50); // an equal text would not be read again
}
