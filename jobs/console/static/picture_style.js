/**
 * How the picture looks: shapes by type, colours from the page's own properties, so that light and dark are the page's. Sends no events.
 */
import { drawn, element } from "./dom.js";
import { typeName } from "./words.js";

// Corners of each type's shape, from -1 to 1, y downwards: told apart without any colour.
const SHAPES = {
  device: [-0.6, -1, 0.6, -1, 0.6, 1, -0.6, 1],
  ip: [0, -1, 1, 0, 0, 1, -1, 0],
  instrument: [-1, -0.62, 1, -0.62, 1, 0.62, -1, 0.62],
  phone: [-1, 0, -0.5, -0.87, 0.5, -0.87, 1, 0, 0.5, 0.87, -0.5, 0.87],
  email: [-1, -0.7, 0, 0, 1, -0.7, 1, 0.7, -1, 0.7],
  national_id: [-0.42, -1, 0.42, -1, 1, -0.42, 1, 0.42, 0.42, 1, -0.42, 1, -1, 0.42, -1, -0.42],
  person: [0, -1, 0.95, 0.85, -0.95, 0.85],
  address: [0, -1, 0.9, -0.15, 0.9, 0.9, -0.9, 0.9, -0.9, -0.15],
  payee: [-0.95, -0.85, 0.95, -0.85, 0, 0.95],
};
const OTHER = [-0.35, -1, 0.35, -1, 0.35, -0.35, 1, -0.35, 1, 0.35, 0.35, 0.35, 0.35, 1, -0.35, 1, -0.35, 0.35, -1, 0.35, -1, -0.35, -0.35, -0.35];

const shapeOf = (type) => SHAPES[type] ?? OTHER;

/** The page's colours, as they hold now. */
function colours() {
  const held = getComputedStyle(document.documentElement);
  const names = ["ink", "paper", "surface", "raised", "muted", "line", "edge", "accent", "risk", "calm", "focus"];
  return Object.fromEntries(names.map((name) => [name, held.getPropertyValue(`--${name}`).trim()]));
}

/** cytoscape's stylesheet in the page's colours. */
export function pictureStyle() {
  const c = colours();
  return [
    ...nodeStyle(c),
    ...edgeStyle(c),
    { selector: ".faint", style: { opacity: 0.22 } },
    { selector: "node.path", style: { "border-width": 4, "border-color": c.accent, "border-style": "solid", "z-index": 20 } },
    { selector: "edge.path", style: { width: 5, "line-color": c.accent, opacity: 1, "line-style": "solid", "z-index": 19 } },
    { selector: "node.selected", style: { "border-width": 4, "border-style": "solid", "border-color": c.focus, "underlay-color": c.focus, "underlay-opacity": 0.28, "underlay-padding": 6, "underlay-shape": "ellipse", "z-index": 21, "min-zoomed-font-size": 0 } },
    { selector: "edge.looked-at", style: { "line-color": c.focus, opacity: 1, "overlay-color": c.focus, "overlay-opacity": 0.25, "overlay-padding": 4 } },
    { selector: "node.pinned", style: { "border-style": "double", "border-width": 5 } },
    { selector: ":active", style: { "overlay-opacity": 0.12, "overlay-color": c.ink } },
  ];
}

function nodeStyle(c) {
  const text = { color: c.ink, "font-size": 9, "min-zoomed-font-size": 8, "text-valign": "bottom", "text-margin-y": 3, "text-background-color": c.surface, "text-background-opacity": 0.8, "text-background-padding": 1 };
  return [
    { selector: "node", style: { label: "data(label)", width: "data(size)", height: "data(size)", ...text } },
    {
      selector: 'node[kind = "account"]',
      style: { shape: "ellipse", "background-color": `mapData(score, 0, 1, ${c.surface}, ${c.risk})`, "border-width": 1.5, "border-color": c.ink, "z-index": 10 },
    },
    { selector: 'node[outcome = "confirmed_synthetic"]', style: { "border-width": 5, "border-style": "double", "border-color": c.risk } },
    { selector: 'node[outcome = "confirmed_benign"]', style: { "background-color": c.surface, "border-style": "dashed", "border-width": 2, "border-color": c.calm } },
    { selector: 'node[kind = "identifier"]', style: { shape: "polygon", "background-color": c.raised, "border-width": 1.5, "border-color": c.calm, color: c.muted, "font-size": 8 } },
    ...[...Object.keys(SHAPES), "other"].map((type) => ({
      selector: type === "other" ? "node[kind = 'identifier']" : `node[type = "${type}"]`,
      style: { "shape-polygon-points": shapeOf(type).join(" ") },
    })).sort((one) => (one.selector.includes("kind") ? -1 : 1)),
    {
      selector: 'node[kind = "community"]',
      style: { shape: "round-hexagon", "background-color": `mapData(score, 0, 1, ${c.surface}, ${c.risk})`, "background-opacity": 0.85, "border-width": 2.5, "border-color": c.ink, "text-valign": "center", "text-margin-y": 0, "font-size": 22, "font-weight": 700, color: c.ink, "min-zoomed-font-size": 5, "text-background-opacity": 0, "text-outline-color": c.surface, "text-outline-width": 2 },
    },
    { selector: 'node[added = "yes"]', style: { "border-style": "dotted" } },
  ];
}

function edgeStyle(c) {
  return [
    { selector: "edge", style: { "curve-style": "straight", "line-color": c.edge, width: 1, opacity: 0.75 } },
    { selector: 'edge[kind = "pair"]', style: { "curve-style": "unbundled-bezier", "control-point-distances": 14, "control-point-weights": 0.5, "line-color": c.risk, width: "mapData(bits, 4, 40, 0.8, 7)", opacity: 0.32, "z-index": 0 } },
    { selector: 'edge[kind = "gathered"]', style: { width: "mapData(n, 1, 20, 2, 10)", "line-color": c.edge, opacity: 0.85 } },
  ];
}

/** A legend of the shapes that are drawn. @param {string[]} types @param {boolean} hasCommunities */
export function legend(types, hasCommunities) {
  const sign = (...children) => drawn("svg", { viewBox: "-1.4 -1.4 2.8 2.8", width: 14, height: 14, "aria-hidden": "true" }, ...children);
  const item = (mark, text) => element("li", {}, mark, ` ${text}`);
  const points = (type) => shapeOf(type).reduce((said, value, place) => `${said}${place % 2 ? "," : " "}${value}`, "");
  return [
    item(sign(drawn("circle", { r: 1.1, class: "legend-account" })), "account, larger and darker with its score"),
    item(sign(drawn("circle", { r: 1.1, class: "legend-confirmed" })), "confirmed"),
    item(sign(drawn("circle", { r: 1.1, class: "legend-cleared" })), "cleared"),
    ...(hasCommunities ? [item(sign(drawn("polygon", { points: points("phone"), class: "legend-account" })), "folded community, with its accounts")] : []),
    ...types.map((type) => item(sign(drawn("polygon", { points: points(type), class: "legend-identifier" })), typeName(type))),
    item(sign(drawn("line", { x1: -1.2, x2: 1.2, class: "legend-pair" })), "pair, wider with its bits"),
  ];
}
