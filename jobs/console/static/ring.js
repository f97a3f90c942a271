/**
 * The ring page: brings picture, tables, timeline, filters and panel together, and gives each action its button and its key.
 *
 * Sends nothing itself. Hears `ringlight:selection`, `ringlight:filters`, `ringlight:path`, and of the picture `ringlight:looked-at` and
 * `ringlight:unfold`. Its buttons are `button[data-action]`, its sentences go to `#picture-said`, a live region. A test can wait for
 * `#picture[data-stable="true"]`, or for `data-stable="failed"`, where the picture cannot be drawn and the tables go on without it.
 */
import { tell } from "./api.js";
import * as filters from "./filters.js";
import { bind } from "./keys.js";
import { MembersTable } from "./members_table.js";
import { PairsTable } from "./pairs_table.js";
import { Picture } from "./picture.js";
import { PictureActions } from "./picture_actions.js";
import { legend } from "./picture_style.js";
import { loadRing, pairName } from "./ring_data.js";
import * as selection from "./selection.js";
import { Timeline } from "./timeline.js";
import { WhyPanel } from "./why.js";
import { count, number } from "./words.js";

const root = document.getElementById("ring");
const said = document.getElementById("picture-said");
const say = (text) => void (said.textContent = text);
const members = new MembersTable(document.getElementById("members"));
const pairs = new PairsTable(document.getElementById("pairs"));

filters.begin(root.dataset.ringVersion);
measureStuck();
document.addEventListener("ringlight:selection", (event) => showSelection(event.detail.ids));
selection.set(filters.selectedByUrl(), "url");
bind("x", "select the row, or no longer", () => members.selectHere(false));
bind("X", "select the rows from the last one to this", () => members.selectHere(true));
try {
  await begin();
} finally {
  requestAnimationFrame(() => setTimeout(() => members.addRest()));
}

async function begin() {
  const place = document.getElementById("picture");
  try {
    const data = await loadRing(root.dataset.ringId);
    if (!root.isConnected) return; // a search has put another page here meanwhile
    const picture = new Picture(place, data);
    const hadAll = work(picture, data);
    picture.fit();
    picture.tellStable();
    if (!hadAll && root.dataset.mayWrite === "true" && isWhole()) keepPositions(picture, data);
  } catch (problem) {
    place.dataset.stable = "failed";
    place.textContent = "The picture cannot be drawn. The tables have all that it would show.";
    say(`The picture cannot be drawn. ${problem.message}`);
    throw problem;
  }
}

/** Ties all that needs the ring's data. @returns {boolean} whether each node had a place already */
function work(picture, data) {
  const panel = new WhyPanel(document.getElementById("why-said"), data);
  const passed = () => filters.passing(data, filters.get());
  const redraw = () => {
    picture.view.kinds = filters.get().shown;
    return picture.draw(passed());
  };
  const actions = new PictureActions(picture, say, redraw);
  const refresh = (isFirst) => {
    const shown = passed();
    picture.view.kinds = filters.get().shown;
    const laidOut = picture.draw(shown);
    const memberCount = members.rows.length - members.filter(shown.accounts);
    pairs.filter(shown.pairs);
    if (!isFirst) {
      picture.fitIfLost();
      say(countsOf(data, shown, memberCount));
    }
    return laidOut;
  };
  new Timeline(document.getElementById("timeline"), data.holds);
  bindFilters(data);
  document.addEventListener("ringlight:filters", () => refresh(false));
  document.addEventListener("ringlight:path", (event) => {
    actions.showPath(event.detail.hops);
    say("The path is marked in the picture.");
  });
  picture.place.addEventListener("ringlight:looked-at", (event) => {
    actions.target = event.detail.node?.id ?? null;
    panel.clicked(event.detail, (community) => actions.unfold([community]));
  });
  picture.place.addEventListener("ringlight:unfold", (event) => actions.unfold([event.detail.community]));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === document.body && root.isConnected && actions.target?.startsWith("c:")) actions.unfold([Number(actions.target.slice(2))]);
  });
  bindActions(actions, panel, data);
  const laidOut = refresh(true);
  const types = [...new Set([...data.identifiers.values()].map((row) => row.identifier_type))].sort();
  document.getElementById("legend").replaceChildren(...legend(types, data.answer.is_folded));
  say(beginning(data));
  return !laidOut;
}

function bindActions(actions, panel, data) {
  const two = (then) => {
    const ids = selection.get();
    if (ids.length === 2) return then(...ids);
    return say(`Select two accounts; ${number(ids.length)} ${ids.length === 1 ? "is" : "are"} selected.`);
  };
  const why = () => two((a, b) => (data.pairOf.has(pairName(a, b)) ? panel.linked(a, b) : panel.notLinked(a, b)));
  const expandBy = document.getElementById("expand-by");
  const { ringId, ringVersion } = root.dataset;
  const all = {
    fit: ["f", "show all of the picture", () => actions.fit()],
    expand: ["e", "add who shares something with the selected account", () => actions.expand(expandBy.value)],
    collapse: ["E", "take away what was added", () => actions.collapse()],
    why: ["w", "why the two selected accounts are linked, or why not", why],
    path: ["p", "the path of the two selected accounts", () => two((a, b) => panel.path(a, b))],
    hide: ["h", "hide what is selected in the picture", () => actions.hide()],
    pin: ["i", "pin what is selected in the picture", () => actions.pin()],
    fold: ["z", "fold or unfold communities", () => actions.foldOrUnfold()],
    undo: ["u", "take the last step back", () => actions.undo()],
    png: [null, "", () => actions.png(`ring-${ringId}-${ringVersion}.png`.replace(/[^\w.-]/g, "_"))],
  };
  for (const [name, [letter, description, action]] of Object.entries(all)) {
    const button = document.querySelector(`button[data-action="${name}"]`);
    if (!button) continue;
    button.addEventListener("click", action);
    if (letter) bind(letter, description, action);
    button.disabled = false;
  }
}

function bindFilters(data) {
  const form = document.getElementById("filters");
  const boxes = [...form.querySelectorAll('input[name="type"]')];
  const fields = form.elements;
  const read = () => {
    const offered = boxes.filter((box) => !box.closest("label").hidden);
    const chosen = offered.filter((box) => box.checked).map((box) => box.value);
    return {
      types: chosen.length === offered.length ? null : chosen.sort(),
      minBits: Math.max(0, Number(fields.namedItem("min_bits").value) || 0),
      from: fields.namedItem("from").value || null,
      until: fields.namedItem("until").value || null,
      shown: fields.namedItem("shown").value,
    };
  };
  const write = (state) => {
    for (const box of boxes) box.checked = state.types === null || state.types.includes(box.value);
    fields.namedItem("min_bits").value = state.minBits || "";
    fields.namedItem("from").value = state.from ?? "";
    fields.namedItem("until").value = state.until ?? "";
    fields.namedItem("shown").value = state.shown;
    form.querySelector("[data-clear]").disabled = filters.isAll();
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => filters.set(read(), "form"));
  form.querySelector("[data-clear]").addEventListener("click", () => filters.clear("form"));
  document.addEventListener("ringlight:filters", (event) => write(event.detail.state));
  const held = new Set(data.holds.map((row) => row.identifier_type));
  for (const box of boxes) box.closest("label").hidden = !held.has(box.value) && !data.pairs.some((pair) => pair.identifier_types.includes(box.value));
  write(filters.get());
}

/** Whether nothing of the ring is left out: the first positions of a version stand, so those of a part would stand for the ring. */
function isWhole() {
  return filters.isAll() && filters.get().shown === "both";
}

/** Keeps the first layout, so that everybody sees the ring as it was learnt; nothing hangs on it. */
function keepPositions(picture, data) {
  tell(`/rings/${encodeURIComponent(root.dataset.ringId)}/positions`, { ring_version: data.answer.ring_version, positions: picture.positions() }).catch(() => {});
}

function countsOf(data, shown, nMembers) {
  const n = { accounts: data.answer.accounts.length, identifiers: data.identifiers.size, pairs: data.pairs.length };
  const identifiers = [...shown.nodes].filter((node) => node.startsWith("i:")).length;
  if (filters.isAll()) return `All is shown: ${count(n.accounts, "account")}, ${count(n.identifiers, "shared identifier")}, ${count(n.pairs, "pair")}.`;
  return `Shown: ${number(nMembers)} of ${count(n.accounts, "account")}, ${number(identifiers)} of ${count(n.identifiers, "shared identifier")}, ${number(shown.pairs.size)} of ${count(n.pairs, "pair")}. The filters hide ${count(n.accounts - nMembers, "account")}.`;
}

/** What the picture leaves out, and how it begins. */
function beginning(data) {
  const { answer } = data;
  const told = [];
  if (answer.is_folded) told.push(`${count(answer.communities.length, "community", "communities")} folded, for ${count(answer.accounts.length, "account")} are too many to read: double-click one, or select accounts and press z`);
  if (data.hubs.length) told.push(`${count(data.hubs.length, "hub")} not drawn, for too many hold ${data.hubs.length === 1 ? "it" : "them"}`);
  if (answer.n_accounts_left_out) told.push(`${count(answer.n_accounts_left_out, "account")} left out`);
  if (answer.n_pairs_left_out) told.push(`${count(answer.n_pairs_left_out, "weaker pair")} left out`);
  return told.length ? `${told.join("; ")}.` : "";
}

function showSelection(ids) {
  const place = document.getElementById("selected");
  place.textContent = ids.length ? `${number(ids.length)} selected` : "";
  document.getElementById("expand-by")?.toggleAttribute("data-ready", ids.length > 0);
}

/** The tables' heads stick under the picture, which sticks itself. */
function measureStuck() {
  const stage = document.getElementById("stage");
  const measure = () => {
    const isStuck = getComputedStyle(stage).position === "sticky";
    const height = isStuck ? `${Math.round(stage.getBoundingClientRect().height)}px` : "0px";
    // On the heads alone: the whole page would be styled anew for what it inherits.
    for (const head of root.querySelectorAll(".table thead")) head.style.setProperty("--stuck", height);
    document.documentElement.style.setProperty("scroll-padding-top", `calc(${height} + 3rem)`);
  };
  new ResizeObserver(measure).observe(stage);
  measure();
}
