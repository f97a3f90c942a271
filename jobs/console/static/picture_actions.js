/**
 * What can be done with the picture, by button or key: each action changes the picture and says in words what it did.
 *
 * Sends `ringlight:drawn` on document after each change of what there is to draw. Hears nothing; `ring.js` calls it.
 */
import { ask, tell } from "./api.js";
import * as selection from "./selection.js";
import { accountOf } from "./ring_data.js";
import { count, list, number, typeName } from "./words.js";
import { forget, remember, undo as takeBack } from "./undo.js";

const MOST_ADDED = 50; // accounts at once
const MOST_UNFOLDED = 800; // elements: beyond, nobody reads the picture and the browser is slow

/** The actions on one picture. `say` shows a sentence to everybody; `redraw` draws again what passes the filters. */
export class PictureActions {
  constructor(picture, say, redraw) {
    Object.assign(this, { picture, say, redraw });
    this.target = null;
  }

  changed(said) {
    this.redraw();
    document.dispatchEvent(new CustomEvent("ringlight:drawn"));
    this.say(said);
  }

  /** Nodes of the selected accounts; of what was clicked last, where none is selected. */
  targets() {
    const chosen = selection.get().map((id) => this.picture.nodeOf(id));
    const all = chosen.length ? chosen : this.target ? [this.target] : [];
    return [...new Set(all)].filter((id) => this.picture.cy.getElementById(id).nonempty());
  }

  fit() {
    const chosen = selection.get().map((id) => this.picture.nodeOf(id));
    this.picture.fit();
    this.say(chosen.length ? "All of the picture is in view; what is selected is marked." : "All of the picture is in view.");
  }

  hide() {
    const nodes = this.targets();
    if (!nodes.length) return this.say("Select accounts, or click something in the picture, to hide it.");
    remember(this.picture, "hiding");
    for (const node of nodes) this.picture.view.hidden.add(node);
    this.target = null;
    selection.set([], "picture");
    return this.changed(`${count(nodes.length, "node")} hidden in the picture; ${number(this.picture.view.hidden.size)} in all. Undo brings them back.`);
  }

  pin() {
    const nodes = this.targets();
    if (!nodes.length) return this.say("Select accounts, or click something in the picture, to pin it.");
    remember(this.picture, "pinning");
    const isAll = nodes.every((node) => this.picture.pinned.has(node));
    for (const node of nodes) isAll ? this.picture.pinned.delete(node) : this.picture.pinned.add(node);
    this.picture.markPinned();
    return this.say(isAll ? `${count(nodes.length, "node")} may move again.` : `${count(nodes.length, "node")} pinned: neither dragging nor unfolding moves ${nodes.length === 1 ? "it" : "them"}.`);
  }

  undo() {
    const what = takeBack(this.picture);
    if (what === null) return this.say("There is nothing to take back.");
    return this.changed(`Taken back: ${what}.`);
  }

  /** Folds the communities of what is selected, or unfolds them where they are folded; of nothing selected, all. */
  foldOrUnfold() {
    const { picture } = this;
    const chosen = this.targets();
    const communities = new Set(chosen.map((id) => (id.startsWith("c:") ? Number(id.slice(2)) : picture.communityOf(id))).filter((one) => one !== null));
    const all = picture.data.answer.communities.map((row) => row.community);
    const meant = communities.size ? [...communities] : all;
    const open = meant.filter((one) => !picture.view.folded.has(one));
    if (open.length) return this.fold(open);
    return this.unfold(meant);
  }

  fold(communities) {
    remember(this.picture, "folding");
    if (communities.length === 1) this.picture.fold(communities[0]);
    else this.layAnew(() => communities.forEach((one) => this.picture.view.folded.add(one)));
    return this.changed(`${count(communities.length, "community", "communities")} folded.`);
  }

  unfold(communities) {
    const { data } = this.picture;
    const rows = data.answer.communities.filter((row) => communities.includes(row.community));
    const n = rows.reduce((sum, row) => sum + row.n_accounts + row.n_identifiers, 0);
    if (n > MOST_UNFOLDED) {
      return this.say(`To unfold ${count(rows.length, "community", "communities")} would draw ${number(n)} elements, which nobody can read. Select accounts, or a community, and unfold theirs.`);
    }
    remember(this.picture, "unfolding");
    if (communities.length === 1) {
      const part = this.picture.unfold(communities[0]);
      this.picture.fit(part.union(part.neighborhood()));
    } else this.layAnew(() => communities.forEach((one) => this.picture.view.folded.delete(one)));
    return this.changed(`Unfolded: ${count(rows.reduce((sum, row) => sum + row.n_accounts, 0), "account")} of ${count(rows.length, "community", "communities")}.`);
  }

  /** Lays everything out afresh, but what is pinned. */
  layAnew(change) {
    const { picture } = this;
    change();
    picture.kept = new Map([...picture.kept].filter(([id]) => picture.pinned.has(id)));
    picture.room.clear();
    picture.cy.nodes().filter((node) => !picture.pinned.has(node.id())).remove();
    this.redraw();
    picture.fit();
  }

  /** Adds the accounts that share something with the one selected last; nothing is followed through a hub. */
  async expand(type) {
    const id = selection.get().at(-1);
    if (!id) return this.say("Select an account to expand.");
    this.say(`Looking for who shares something with ${id} …`);
    let found;
    try {
      found = await ask("/neighbours", { account_id: id, limit: MOST_ADDED, ...(type ? { identifier_type: type } : {}) });
    } catch (problem) {
      return this.say(`${id} could not be expanded. ${problem.message}`);
    }
    const { data } = this.picture;
    const fresh = found.accounts.filter((row) => !data.accounts.has(row.account_id));
    remember(this.picture, `expanding ${id}`);
    const by = JSON.stringify(["expand", id, type]);
    if (!data.add(by, fresh, holdsOf(id, found.accounts)).length) {
      data.takeAway(by);
      forget();
    }
    const said = [
      `${count(fresh.length, "account")} added beside ${id}${type ? ` by ${typeName(type)}` : ""}`,
      `${number(found.accounts.length - fresh.length)} shown already`,
    ];
    const more = found.n_found - found.accounts.length;
    if (more > 0) said.push(`${number(more)} left out, for at most ${MOST_ADDED} are added at once`);
    if (found.not_followed.length) said.push(`not followed, for too many hold it: ${hubs(found.not_followed)}`);
    this.changed(`${said.join("; ")}.`);
    return fresh.length ? this.picture.fit() : undefined;
  }

  /** Takes away what was added beside the selected accounts; beside all, where none is selected. */
  collapse() {
    const { data } = this.picture;
    const chosen = selection.get();
    const names = [...data.additions.keys()].filter((by) => !chosen.length || chosen.includes(JSON.parse(by)[1]));
    if (!names.length) return this.say(chosen.length ? "Nothing was added beside what is selected." : "Nothing was added to the ring.");
    remember(this.picture, "collapsing");
    const n = names.flatMap((by) => data.takeAway(by)).filter((node) => accountOf(node) !== null).length;
    selection.set(selection.get().filter((id) => data.accounts.has(id)), "picture");
    return this.changed(`${count(n, "added account")} taken away.`);
  }

  /** Adds what a path goes over and marks it. @param {any[]} hops of /api/v1/path */
  showPath(hops) {
    const { picture } = this;
    const rows = hops.map((hop) => (hop.evidence.length ? hop.evidence : hop.shared).slice(0, 3));
    const ids = [...new Set(hops.flatMap((hop) => [hop.account_a, hop.account_b]))];
    const holds = hops.flatMap((hop, place) => rows[place].flatMap((row) => [hop.account_a, hop.account_b].map((id) => ({ ...row, account_id: id, first_seen: null }))));
    remember(picture, "showing a path");
    picture.data.add(JSON.stringify(["path", ids[0], ids.at(-1)]), ids.filter((id) => !picture.data.accounts.has(id)).map((id) => ({ account_id: id, score: null, outcome: null })), holds);
    this.redraw();
    const nodes = new Set(ids.map((id) => picture.nodeOf(id)));
    for (const row of rows.flat()) nodes.add(`i:${row.identifier_type}:${row.identifier}`);
    for (const [place, hop] of hops.entries()) {
      for (const row of rows[place]) for (const id of [hop.account_a, hop.account_b]) nodes.add(`h:${JSON.stringify([id, `i:${row.identifier_type}:${row.identifier}`])}`);
    }
    picture.markPath(nodes);
    picture.bringOut(picture.cy.nodes(".path"));
    document.dispatchEvent(new CustomEvent("ringlight:drawn"));
  }

  /** Offers the picture as a file, once the console has granted it and written it into its audit. */
  async png(name) {
    try {
      await tell(`/rings/${encodeURIComponent(this.picture.data.answer.ring_id)}/exports`, { format: "png" });
    } catch (problem) {
      return this.say(`The picture was not saved. ${problem.message}`);
    }
    const background = getComputedStyle(document.documentElement).getPropertyValue("--surface").trim();
    const blob = await this.picture.cy.png({ output: "blob-promise", full: true, scale: 2, maxWidth: 6_000, maxHeight: 6_000, bg: background });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    return this.say(`The picture was saved as ${name}.`);
  }
}

function holdsOf(origin, neighbours) {
  const holds = neighbours.flatMap((row) => row.shared.map((link) => ({ ...link, account_id: row.account_id })));
  const own = neighbours.flatMap((row) => row.shared.map((link) => ({ ...link, account_id: origin, first_seen: null, last_seen: null })));
  return [...holds, ...own];
}

function hubs(rows) {
  const names = rows.map((row) => `${row.name} (${row.n_accounts ? `${number(row.n_accounts)} accounts` : "a hub"})`);
  return list(names.length > 4 ? [...names.slice(0, 4), `${names.length - 4} more`] : names);
}
