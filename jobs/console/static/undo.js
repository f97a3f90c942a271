/**
 * What was done to the picture, to be taken back step by step: what is folded, hidden, pinned and added, and where nodes lay. Sends no events.
 */
const MOST = 50;
const steps = [];

/** The picture as it is now, as a value. */
function stateOf(picture) {
  picture.keepPositions();
  return {
    folded: new Set(picture.view.folded),
    hidden: new Set(picture.view.hidden),
    pinned: new Set(picture.pinned),
    kept: new Map(picture.kept),
    room: new Map(picture.room),
    path: new Set(picture.path),
    additions: new Map(picture.data.additions),
  };
}

/** Keeps the picture as it is, before something is done. @param {string} what as `undo` says it */
export function remember(picture, what) {
  steps.push({ what, state: stateOf(picture) });
  if (steps.length > MOST) steps.shift();
}

/** Forgets the last step: what was begun came to nothing. */
export function forget() {
  steps.pop();
}

/** Takes the last step back. @returns {string|null} what it was; null where there is none */
export function undo(picture) {
  const step = steps.pop();
  if (!step) return null;
  const { state } = step;
  const { data } = picture;
  for (const by of [...data.additions.keys()]) if (!state.additions.has(by)) data.takeAway(by);
  for (const [by, { accounts, holds }] of state.additions) if (!data.additions.has(by)) data.add(by, accounts, holds);
  Object.assign(picture.view, { folded: state.folded, hidden: state.hidden });
  Object.assign(picture, { pinned: state.pinned, kept: state.kept, room: state.room, path: state.path });
  // Nodes that are drawn would be kept where they lie now.
  picture.cy.nodes().forEach((node) => {
    node.unlock();
    if (state.kept.has(node.id())) node.position(state.kept.get(node.id()));
  });
  return step.what;
}
