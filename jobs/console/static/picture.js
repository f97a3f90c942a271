/**
 * The picture: draws what is to be seen, keeps nodes where they lie, and tells what was clicked. Its place in the page is `role=img`;
 * the members table and the toolbar do all that it does.
 *
 * Sets `data-stable="true"` on its place, and the performance mark `ringlight:stable`, once the first layout has ended.
 * Sends `ringlight:looked-at` on its place: `detail.node` or `detail.edge` with cytoscape's data of what was clicked, and
 * `ringlight:unfold` with `detail.community` on a double click. Hears `ringlight:selection`. A test finds cytoscape itself, and by it where
 * a node is drawn, under `_cyreg.cy` of the picture's place.
 */
import cytoscape from "./vendor/graph.js";
import { drawnElements } from "./elements.js";
import { centreOf, placeNodes, placePart } from "./layout.js";
import { pictureStyle } from "./picture_style.js";
import { accountNode, accountOf, communityNode } from "./ring_data.js";
import * as selection from "./selection.js";
import { count, list } from "./words.js";

const MARGIN = 28;
const LEGIBLE = 6; // pixels: narrower nodes are dots

/** A picture of a ring in an element of the page. */
export class Picture {
  /** @param {HTMLElement} place @param {import("./ring_data.js").RingData} data */
  constructor(place, data) {
    this.place = place;
    this.data = data;
    this.view = { folded: new Set(), hidden: new Set(), kinds: "both" };
    this.shown = null;
    this.pinned = new Set();
    this.kept = keptPositions(data);
    this.room = new Map();
    this.fitted = null;
    this.path = new Set();
    this.cy = cytoscape({
      container: place,
      style: pictureStyle(),
      minZoom: 0.05,
      maxZoom: 4,
      selectionType: "additive",
      boxSelectionEnabled: true,
      pixelRatio: "auto",
    });
    if (data.answer.is_folded) for (const row of data.answer.communities) this.view.folded.add(row.community);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.cy.style(pictureStyle()));
    document.addEventListener("ringlight:selection", () => this.markSelected());
    new ResizeObserver(() => this.fitAnew()).observe(place);
    this.hearClicks();
  }

  /** Draws what passes the filters. @param {object} [shown] of `filters.passing`; as before, if it is not given */
  draw(shown = this.shown) {
    this.shown = shown;
    const wanted = drawnElements(this.data, shown, this.view);
    const { cy } = this;
    this.keepPositions();
    cy.batch(() => {
      cy.elements().filter((one) => !wanted.nodes.has(one.id()) && !wanted.edges.has(one.id())).remove();
      for (const [group, rows] of [["nodes", wanted.nodes], ["edges", wanted.edges]]) {
        const fresh = [];
        for (const [id, data] of rows) {
          const held = cy.getElementById(id);
          if (held.empty()) fresh.push({ group, data });
          else held.data(data);
        }
        cy.add(fresh);
      }
    });
    const laidOut = placeNodes(cy, this.kept);
    this.keepPositions();
    this.markSelected();
    this.markPinned();
    this.markPath(this.path);
    this.tellLabel();
    return laidOut;
  }

  /** Says that the first layout has ended. */
  tellStable() {
    this.place.dataset.stable = "true";
    performance.mark("ringlight:stable");
  }

  keepPositions() {
    this.cy.nodes().forEach((node) => void this.kept.set(node.id(), { ...node.position() }));
  }

  /** Positions of all that is drawn, as the API takes them. */
  positions() {
    return Object.fromEntries(this.cy.nodes().map((node) => [node.id(), [node.position("x"), node.position("y")]]));
  }

  /** Shows all of it. @param {any} [part] elements to show; all, if it is not given or empty */
  fit(part) {
    const wanted = part?.nonempty() ? part : this.cy.elements();
    this.cy.resize();
    this.cy.fit(wanted, MARGIN);
    if (this.cy.zoom() > 1.6) {
      this.cy.zoom(1.6);
      this.cy.center(wanted);
    }
    this.fitted = { zoom: this.cy.zoom(), pan: { ...this.cy.pan() }, part };
  }

  /** Fits again when its place changes its size, unless somebody has zoomed or moved since. */
  fitAnew() {
    const { cy, fitted } = this;
    if (fitted && cy.zoom() === fitted.zoom && cy.pan().x === fitted.pan.x && cy.pan().y === fitted.pan.y) this.fit(fitted.part);
  }

  /** Shows all again, where fewer than half of the nodes are in view. */
  fitIfLost() {
    const nodes = this.cy.nodes();
    if (this.seen(nodes).length < nodes.length / 2) this.fit();
  }

  /** Shows some nodes and what is beside them, unless they are in view and large enough to be told apart. */
  bringOut(nodes) {
    if (this.seen(nodes).length < nodes.length || nodes.some((node) => node.renderedWidth() < LEGIBLE)) this.fit(nodes.union(nodes.neighborhood()));
  }

  seen(nodes) {
    const view = this.cy.extent();
    return nodes.filter((node) => node.position("x") > view.x1 && node.position("x") < view.x2 && node.position("y") > view.y1 && node.position("y") < view.y2);
  }

  /** Draws the community's accounts in place of its one node. */
  unfold(community) {
    const node = communityNode(community);
    const centre = this.kept.get(node);
    this.view.folded.delete(community);
    const before = new Set(this.cy.nodes().map((one) => one.id()));
    const fresh = drawnElements(this.data, this.shown, this.view).nodes;
    const isNew = (id) => fresh.has(id) && !before.has(id);
    for (const id of fresh.keys()) if (isNew(id)) this.kept.set(id, centre ?? { x: 0, y: 0 });
    this.draw();
    const part = this.cy.nodes().filter((one) => isNew(one.id()));
    if (part.nonempty() && centre) this.room.set(community, placePart(this.cy, part, centre));
    this.keepPositions();
    return part;
  }

  /** Draws one node in place of the community's accounts; what made room for them moves back. */
  fold(community) {
    const own = this.cy.nodes().filter((node) => this.communityOf(node.id()) === community);
    if (own.nonempty()) this.kept.set(communityNode(community), centreOf(own));
    for (const [id, { before, after }] of this.room.get(community) ?? []) {
      const node = this.cy.getElementById(id);
      if (node.nonempty() && Math.hypot(node.position("x") - after.x, node.position("y") - after.y) < 1) node.position(before);
    }
    this.room.delete(community);
    this.view.folded.add(community);
    this.draw();
  }

  /** The community of an account's or identifier's node, or null. */
  communityOf(id) {
    const row = id.startsWith("a:") ? this.data.accounts.get(id.slice(2)) : this.data.identifiers.get(id);
    return row?.community ?? null;
  }

  /** The node as which an account is drawn: its own, or its community's. */
  nodeOf(account) {
    const own = accountNode(account);
    const community = this.communityOf(own);
    return community !== null && this.view.folded.has(community) ? communityNode(community) : own;
  }

  /** Draws some nodes and edges as a path; none: draws none. @param {Set<string>} ids */
  markPath(ids) {
    this.path = ids;
    const { cy } = this;
    cy.batch(() => {
      cy.elements().removeClass("path faint");
      if (!ids.size) return;
      const on = cy.elements().filter((one) => ids.has(one.id()));
      const between = on.nodes().edgesWith(on.nodes()).filter((edge) => ids.has(edge.id()) || edge.data("kind") !== "pair");
      on.union(between).addClass("path");
      cy.elements().difference(on.union(between)).addClass("faint");
    });
  }

  markSelected() {
    const drawn = new Set(selection.get().map((id) => this.nodeOf(id)));
    this.cy.batch(() => {
      this.cy.nodes(".selected").removeClass("selected");
      for (const id of drawn) this.cy.getElementById(id).addClass("selected");
    });
  }

  markPinned() {
    this.cy.nodes().forEach((node) => {
      const isPinned = this.pinned.has(node.id());
      node.toggleClass("pinned", isPinned);
      if (isPinned) node.lock();
      else node.unlock();
    });
  }

  /** The picture in words, for whoever does not see it. */
  tellLabel() {
    const n = (kind) => this.cy.elements(`[kind = "${kind}"]`).length;
    const said = [
      n("account") ? count(n("account"), "account") : "",
      n("community") ? `${count(n("community"), "folded community", "folded communities")}` : "",
      n("identifier") ? count(n("identifier"), "shared identifier") : "",
      n("pair") ? count(n("pair"), "pair") : "",
    ].filter(Boolean);
    this.place.setAttribute("aria-label", `Picture of the ring: ${list(said) || "nothing passes the filters"}. The members table below has the same accounts.`);
  }

  hearClicks() {
    const { cy, place } = this;
    const tell = (name, detail) => place.dispatchEvent(new CustomEvent(`ringlight:${name}`, { detail, bubbles: true }));
    cy.on("tap", "node", (event) => {
      const data = event.target.data();
      const account = accountOf(data.id);
      const keys = event.originalEvent;
      if (account !== null) {
        if (keys?.shiftKey || keys?.ctrlKey || keys?.metaKey) selection.toggle(account, "picture");
        else selection.set([account], "picture");
      }
      tell("looked-at", { node: data });
    });
    cy.on("tap", "edge", (event) => {
      cy.edges(".looked-at").removeClass("looked-at");
      event.target.addClass("looked-at");
      tell("looked-at", { edge: event.target.data() });
    });
    cy.on("tap", (event) => event.target === cy && selection.set([], "picture"));
    cy.on("dbltap", 'node[kind = "community"]', (event) => tell("unfold", { community: event.target.data("community") }));
    cy.on("boxend", () => {
      setTimeout(() => {
        const ids = cy.nodes(":selected").map((node) => accountOf(node.id())).filter((id) => id !== null);
        if (ids.length) selection.set([...selection.get(), ...ids], "picture");
        cy.elements().unselect();
      });
    });
    cy.on("dragfree", "node", (event) => void this.kept.set(event.target.id(), { ...event.target.position() }));
  }
}

function keptPositions(data) {
  return new Map(Object.entries(data.answer.positions ?? {}).map(([node, [x, y]]) => [node, { x, y }]));
}
