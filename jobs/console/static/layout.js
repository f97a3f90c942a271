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
  idealEdgeLength: (edge) => (edge.data("kind") === "gathered" ? 75 : 62),
  edgeElasticity: 0.4,
  gravity: 4,
  gravityRange: 1.6,
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
    fillPlace(eles, cy.width() / Math.max(1, cy.height()));
    roundPlaces(loose);
    return true;
  }
  startBeside(loose, fixed);
  const fixedNodeConstraint = fixed.map((node) => ({ nodeId: node.id(), position: { ...kept.get(node.id()) } }));
  seeded(() => eles.layout({ ...FCOSE, randomize: false, fixedNodeConstraint }).run());
  fixed.forEach((node) => void node.position(kept.get(node.id())));
  roundPlaces(loose);
  return true;
}

/** To a tenth, as the console keeps them: who comes later sees the same. */
function roundPlaces(nodes) {
  const tenth = (value) => Math.round(value * 10) / 10;
  nodes.positions((node) => ({ x: tenth(node.position("x")), y: tenth(node.position("y")) }));
}

/** Turns each connected part so that it is wide rather than tall, and sets the parts beside each other in rows: the place is wide. */
function fillPlace(eles, aspect) {
  const gap = 45;
  const parts = eles.components().map((part) => part.nodes());
  parts.forEach(layFlat);
  const boxes = parts.map((nodes) => ({ nodes, box: nodes.boundingBox({ includeLabels: false, includeOverlays: false, includeUnderlays: false }) }));
  const area = boxes.reduce((sum, { box }) => sum + (box.w + gap) * (box.h + gap), 0);
  const width = Math.max(Math.sqrt(area * aspect), ...boxes.map(({ box }) => box.w + gap));
  let [x, y, high] = [0, 0, 0];
  for (const { nodes, box } of boxes.sort((one, other) => other.box.h - one.box.h || other.box.w - one.box.w)) {
    if (x > 0 && x + box.w > width) [x, y, high] = [0, y + high + gap, 0];
    nodes.shift({ x: x - box.x1, y: y - box.y1 });
    x += box.w + gap;
    high = Math.max(high, box.h);
  }
}

/** Turns nodes around their middle until they spread most from left to right. */
function layFlat(nodes) {
  if (nodes.length < 3) return;
  const middle = centreOf(nodes);
  let [xx, yy, xy] = [0, 0, 0];
  nodes.forEach((node) => {
    const [dx, dy] = [node.position("x") - middle.x, node.position("y") - middle.y];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  });
  const angle = -0.5 * Math.atan2(2 * xy, xx - yy);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  nodes.positions((node) => {
    const [dx, dy] = [node.position("x") - middle.x, node.position("y") - middle.y];
    return { x: middle.x + dx * cos - dy * sin, y: middle.y + dx * sin + dy * cos };
  });
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
