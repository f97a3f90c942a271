/**
 * Where nodes lie: fcose, seeded, so that the same picture is laid out the same way; what lies already stays. Sends no events.
 */
const FCOSE = {
  name: "fcose",
  quality: "default",
  animate: false,
  fit: false,
  nodeDimensionsIncludeLabels: false,
  nodeRepulsion: 7_000,
  nodeSeparation: 70,
  idealEdgeLength: (edge) => (edge.data("kind") === "gathered" ? 110 : 62),
  edgeElasticity: 0.4,
  gravity: 0.35,
  tilingPaddingVertical: 18,
  tilingPaddingHorizontal: 18,
};

/** Runs `work` with `Math.random` seeded (mulberry32), and puts the browser's own back, whatever happens. */
function seeded(work) {
  const own = Math.random;
  let state = 20_260_331;
  Math.random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  try {
    return work();
  } finally {
    Math.random = own;
  }
}

/**
 * Gives each node a place. Nodes in `kept` do not move.
 * @param {any} cy
 * @param {Map<string, {x: number, y: number}>} kept
 * @returns {boolean} whether anything was laid out
 */
export function placeNodes(cy, kept) {
  const fixed = cy.nodes().filter((node) => kept.has(node.id()));
  fixed.forEach((node) => void node.position(kept.get(node.id())));
  const loose = cy.nodes().filter((node) => !kept.has(node.id()));
  if (loose.empty()) return false;
  // Pairs rest on what is shared, which is drawn beside them: they would pull twice, and there are many.
  const joining = cy.edges('[kind != "pair"]');
  const eles = cy.nodes().union(joining.length ? joining : cy.edges());
  if (fixed.empty()) {
    seeded(() => eles.layout({ ...FCOSE, randomize: true }).run());
    return true;
  }
  startBeside(loose, fixed);
  const fixedNodeConstraint = fixed.map((node) => ({ nodeId: node.id(), position: { ...kept.get(node.id()) } }));
  seeded(() => eles.layout({ ...FCOSE, randomize: false, fixedNodeConstraint }).run());
  fixed.forEach((node) => void node.position(kept.get(node.id())));
  return true;
}

/** New nodes begin around what they hang on, each on its own spoke, so that they need not cross the whole picture. */
function startBeside(loose, fixed) {
  const middle = centreOf(fixed);
  loose.forEach((node, place) => {
    const beside = node.neighborhood().nodes().intersection(fixed);
    const centre = beside.empty() ? middle : centreOf(beside);
    const angle = place * 2.399963; // the golden angle: spokes never meet
    const reach = 70 + 9 * Math.sqrt(place);
    node.position({ x: centre.x + reach * Math.cos(angle), y: centre.y + reach * Math.sin(angle) });
  });
}

/**
 * Lays a part out by itself and puts it where its folded node was; whatever lies around moves outwards to make room.
 * @param {any} cy
 * @param {any} part nodes
 * @param {{x: number, y: number}} centre
 * @returns {Map<string, {before: object, after: object}>} the nodes that moved, so that folding can move them back
 */
export function placePart(cy, part, centre) {
  const inner = part.edgesWith(part).filter('[kind != "pair"]');
  seeded(() => part.union(inner).layout({ ...FCOSE, randomize: true }).run());
  const box = part.boundingBox({ includeLabels: false, includeOverlays: false, includeUnderlays: false });
  const middle = { x: (box.x1 + box.x2) / 2, y: (box.y1 + box.y2) / 2 };
  part.positions((node) => ({ x: node.position("x") - middle.x + centre.x, y: node.position("y") - middle.y + centre.y }));
  const reach = Math.hypot(box.w, box.h) / 2 + 20;
  const moved = new Map();
  cy.nodes().difference(part).filter((node) => !node.locked()).forEach((node) => {
    const before = { ...node.position() };
    const [dx, dy] = [before.x - centre.x, before.y - centre.y];
    const distance = Math.hypot(dx, dy) || 1;
    const after = { x: before.x + (dx / distance) * reach, y: before.y + (dy / distance) * reach };
    node.position(after);
    moved.set(node.id(), { before, after });
  });
  return moved;
}

/** The middle of some nodes. */
export function centreOf(nodes) {
  const sum = nodes.reduce((total, node) => ({ x: total.x + node.position("x"), y: total.y + node.position("y") }), { x: 0, y: 0 });
  return { x: sum.x / nodes.length, y: sum.y / nodes.length };
}
