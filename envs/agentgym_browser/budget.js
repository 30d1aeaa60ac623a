// What of a page is told, where not all of it can be: first what is in view, then what can be acted on nearest to the view,
// then text. A candidate is { node, role, text (of a "text"), box (null where it was not measured), away (its part's), side }.
const NOWHERE = { left: 0, top: 0, right: 0, bottom: 0, width: 0, height: 0 };
const ROW_COST = 8;  // characters of an element's line beside role, name, value and states: quotes, brackets, the id

// The part of the viewport in which a node's children can be seen: scrolled content is cut off at its container's edge.
const clipper = () => {
  const known = new Map();
  const window = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
  const clipOf = (node) => {
    if (!node || node === document.body || node === document.documentElement) return window;
    const old = known.get(node);
    if (old) return old;
    const style = getComputedStyle(node);
    const outer = style.position === "fixed" ? window : clipOf(node.assignedSlot || node.parentElement || node.getRootNode().host);
    let clip = outer;
    if (style.overflow !== "visible") {
      const box = node.getBoundingClientRect();
      clip = { left: Math.max(outer.left, box.left), top: Math.max(outer.top, box.top),
        right: Math.min(outer.right, box.right), bottom: Math.min(outer.bottom, box.bottom) };
    }
    known.set(node, clip);
    return clip;
  };
  return (node) => getComputedStyle(node).position === "fixed" ? window : clipOf(node.parentElement || node.getRootNode().host);
};
// Where a candidate is, seen from the view: { side: "above" | "here" | "below", away: pixels, about }.
const whereIs = (each, clipOf) => {
  if (!each.box) return { side: each.side, away: each.away };
  const { left, top, right, bottom } = each.box;
  const dy = Math.max(top - innerHeight, -bottom), dx = Math.max(left - innerWidth, -right);
  if (dy >= 0 || dx >= 0) return { side: dy >= 0 && bottom <= 0 ? "above" : "below", away: Math.max(dy, 0) + Math.max(dx, 0) };
  const clip = clipOf(each.node);
  const under = Math.max(top - clip.bottom, clip.top - bottom), beside = Math.max(left - clip.right, clip.left - right);
  if (under < 0 && beside < 0) return { side: "here", away: 0 };
  return { side: bottom <= clip.top ? "above" : "below", away: Math.max(under, 0) + Math.max(beside, 0) };
};
// Return the candidates that are told, in their order, each with its row; and how many are left out where.
const choose = (found, budget, rowOf) => {
  const clipOf = clipper(), omitted = { above: 0, here: 0, below: 0 };
  let order = found, room = budget.characters;
  const rank = () => {
    for (const [index, each] of found.entries()) {
      const { side, away } = whereIs(each.host || each, clipOf);
      Object.assign(each, { index, side, away, tier: side === "here" ? 0 : READ.has(each.role) ? 2 : 1 });
    }
    return [...found].sort((a, b) => a.tier - b.tier || a.away - b.away || (a.tier === 0 ? READ.has(a.role) - READ.has(b.role) : 0)
      || (a.side === "above" ? b.index - a.index : a.index - b.index));
  };
  const fill = (limit) => {
    for (const [count, each] of order.entries()) {
      if (count >= limit) return false;
      each.row ??= rowOf(each);
      room -= each.row[1].length + each.row[2].length + each.row[3].length + each.row[4].join(" ").length + ROW_COST;
      if (room < 0) return false;
      each.told = true;
    }
    return true;
  };
  if (found.length > budget.elements || !fill(budget.elements)) {
    for (const each of found) each.told = false;
    room = budget.characters;
    order = rank();
    fill(budget.elements);
    for (const each of found) if (!each.told) omitted[each.side]++;
  }
  return { chosen: found.filter((each) => each.told), omitted };
};
