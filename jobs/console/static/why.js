/**
 * The panel that says why: why two are linked, why not, by which way they are tied, and what was clicked in the picture.
 *
 * Fills `#why-said`, a live region, so that what it says is heard as well. Sends `ringlight:path` on document, with `detail.hops`, once a
 * path was found. Hears nothing; `ring.js` calls it.
 */
import { ask } from "./api.js";
import { element } from "./dom.js";
import { pairName } from "./ring_data.js";
import * as selection from "./selection.js";
import { bits, count, day, evidence, hindrance, number, path as pathWords, typeName } from "./words.js";

/** The panel. @param {HTMLElement} place where it writes @param {import("./ring_data.js").RingData} data */
export class WhyPanel {
  constructor(place, data) {
    Object.assign(this, { place, data });
  }

  show(...parts) {
    this.place.replaceChildren(...parts);
  }

  /** Why two are a pair; by the picture's own answer, or asked for where it has none of it. */
  async linked(a, b) {
    const pair = this.data.pairOf.get(pairName(a, b)) ?? (await this.asked("/why-linked", a, b));
    if (!pair) return;
    if (pair.weight_bits === null) await this.notLinked(a, b);
    else this.show(heading(a, b, `are linked, with ${bits(pair.weight_bits)}`), rows(pair.evidence, (row) => [bits(row.bits), evidence(row)]), compare(a, b));
  }

  /** Why two are no pair: what they share all the same, and what hinders it. */
  async notLinked(a, b) {
    const answer = await this.asked("/why-not", a, b);
    if (!answer) return;
    if (answer.weight_bits !== null) {
      await this.linked(a, b);
      return;
    }
    const held = answer.by_type.filter((row) => row.n_a || row.n_b);
    const each = held.map((row) => `${typeName(row.identifier_type)} ${number(row.n_a)} and ${number(row.n_b)}`).join(", ");
    this.show(
      heading(a, b, "are not linked"),
      answer.shared.length
        ? rows(answer.shared, (row) => [row.is_hub ? "hub" : bits(row.bits), [hindrance(row.hindrance), evidence(row)].filter(Boolean).join("; ")])
        : element("p", {}, "They share nothing."),
      element("p", { class: "lead" }, each ? `What each holds: ${each}.` : "Neither holds anything."),
      compare(a, b),
    );
  }

  /** The shortest way from one to the other. */
  async path(a, b) {
    const answer = await this.asked("/path", a, b);
    if (!answer) return;
    if (!answer.hops.length) {
      const bound = answer.is_exhaustive ? "" : ` The search was cut short after ${number(answer.n_seen)} accounts and identifiers.`;
      this.show(heading(a, b, "are tied by no path"), element("p", {}, `No chain of shared identifiers joins them within six steps.${bound}`), compare(a, b));
      return;
    }
    const others = answer.hops.length - 1;
    const told = others ? `are tied over ${count(others, "other account")}` : "are tied directly";
    const steps = answer.hops.map((hop) =>
      element("li", {}, `${hop.account_a} and ${hop.account_b}`, rows(hop.evidence.length ? hop.evidence : hop.shared, (row) => [row.bits === undefined ? bits(row.weight) : bits(row.bits), evidence(row)])),
    );
    this.show(heading(a, b, told), element("p", {}, pathWords(answer.hops)), element("ol", {}, ...steps), compare(a, b));
    document.dispatchEvent(new CustomEvent("ringlight:path", { detail: { hops: answer.hops } }));
  }

  /** What was clicked: an account, an identifier, a folded community, a hold. @returns {void} */
  clicked({ node, edge }, unfold) {
    if (edge?.kind === "pair") void this.linked(edge.pair.account_a, edge.pair.account_b);
    else if (edge?.kind === "hold") this.hold(edge.hold);
    else if (edge?.kind === "gathered") this.show(element("p", {}, `${count(edge.n, "link")} between what is folded here. Unfold to see each.`));
    else if (node?.kind === "identifier") this.identifier(node.id);
    else if (node?.kind === "community") this.community(node, unfold);
    else if (node?.kind === "account") this.account(node.id.slice(2));
  }

  hold(row) {
    const identifier = this.data.identifiers.get(row.node);
    const when = row.first_seen ? `from ${day(row.first_seen)} to ${day(row.last_seen)} UTC` : "";
    const often = row.n_events ? `, ${count(row.n_events, "event")}` : "";
    this.show(element("p", {}, element("strong", {}, row.account_id), ` holds ${identifier.name} ${when}${often}. It says ${bits(identifier.weight)} of whoever shares it.`));
  }

  identifier(node) {
    const row = this.data.identifiers.get(node);
    const holders = this.data.holdersOf(node);
    const many = row.n_accounts ? ` ${count(row.n_accounts, "account")} of the night hold it.` : "";
    this.show(
      element("p", {}, element("strong", {}, row.name), `: ${count(holders.length, "account")} here ${holders.length === 1 ? "holds" : "hold"} it.${many} It says ${bits(row.weight)}.`),
      element("p", { class: "actions" }, element("button", { type: "button", click: () => selection.set(holders, "why") }, `Select ${holders.length === 1 ? "it" : `all ${number(holders.length)}`}`)),
    );
  }

  community(node, unfold) {
    const row = this.data.answer.communities.find((one) => one.community === node.community);
    const members = [...this.data.accounts.values()].filter((one) => one.community === node.community).map((one) => one.account_id);
    this.show(
      element("p", {}, element("strong", {}, `Community ${node.community + 1}`), `, folded: ${count(row.n_accounts, "account")} and ${count(row.n_identifiers, "identifier")}; its highest score is ${row.max_score === null ? "not known" : number(row.max_score, 2)}.`),
      element(
        "p",
        { class: "actions" },
        element("button", { type: "button", click: () => unfold(node.community) }, "Unfold"),
        element("button", { type: "button", click: () => selection.set(members, "why") }, "Select its accounts"),
      ),
    );
  }

  account(id) {
    const row = this.data.accounts.get(id);
    const shared = this.data.holds.filter((hold) => hold.account_id === id).map((hold) => this.data.identifiers.get(hold.node).name);
    const standing = row.score === null || row.score === undefined ? "It has no score." : `Its score is ${number(row.score, 2)}.`;
    const foreign = row.isAdded ? ` It is no member of this ring${row.ring_id ? `, but of ${row.ring_id}` : ""}.` : "";
    this.show(
      element("p", {}, element("a", { href: `/accounts/${encodeURIComponent(id)}`, class: "id" }, id), `: ${standing}${foreign}`),
      shared.length ? element("ul", {}, ...shared.map((name) => element("li", {}, name))) : element("p", {}, "It shares nothing with other members."),
    );
  }

  async asked(question, a, b) {
    this.show(element("p", { class: "muted" }, `Looking at ${a} and ${b} …`));
    try {
      return await ask(question, { a, b });
    } catch (problem) {
      this.show(element("p", { class: "problem" }, `The console could not say. ${problem.message}`));
      return null;
    }
  }
}

function heading(a, b, told) {
  return element("p", {}, element("strong", { class: "id" }, a), " and ", element("strong", { class: "id" }, b), ` ${told}.`);
}

function rows(found, columns) {
  return element("ul", { class: "evidence" }, ...found.map((row) => {
    const [strength, told] = columns(row);
    return element("li", {}, element("span", { class: "name" }, row.name), " ", element("span", { class: "number" }, strength), told ? element("span", { class: "told" }, told) : "");
  }));
}

function compare(a, b) {
  return element("p", {}, element("a", { href: `/compare?${new URLSearchParams({ a, b })}` }, "Compare the two"));
}
