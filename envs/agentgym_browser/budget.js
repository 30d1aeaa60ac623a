// What of a page is told, where not all of it can be: first what is in view, then what can be acted on, the nearest to the
// view first, then text. A candidate is { node, role, box }; an option that shows nowhere has its list as `host`, and what
// is in a far part of the page (`far`) has that part's place: `side` and `away`, in pixels.
const LINE_COST = 8;  // characters of an element's line beside role, name, value and states: quotes, brackets, the id

// What can be seen of the page: the view, and in it the boxes that scroll or cut off what they hold.
class Sight {
  constructor(view) { this.view = view; this.known = new Map(); }
  // The part of the view in which a node can be seen.
  around(node) {
    return getComputedStyle(node).position === "fixed" ? this.view : this.within(node.assignedSlot || node.parentNode);
  }
  within(node) {
    if (!(node instanceof Element)) return node instanceof ShadowRoot ? this.within(node.host) : this.view;
    if (node === document.body || node === document.documentElement) return this.view;
    let clip = this.known.get(node);
    if (clip) return clip;
    clip = this.around(node);
    if (getComputedStyle(node).overflow !== "visible") {
      const { left, top, right, bottom } = node.getBoundingClientRect();
      clip = { left: Math.max(clip.left, left), top: Math.max(clip.top, top),
        right: Math.min(clip.right, right), bottom: Math.min(clip.bottom, bottom) };
    }
    this.known.set(node, clip);
    return clip;
  }
  // Where a candidate is: { side: "above", "here" or "below" (or beside), away: about how many pixels }.
  place(each) {
    if (each.far) return each;
    const { node, box } = each.host || each;
    return gap(box, this.around(node));
  }
}
const gap = ({ left, top, right, bottom }, clip) => {
  const under = top - clip.bottom, over = clip.top - bottom, beside = Math.max(left - clip.right, clip.left - right);
  if (under < 0 && over < 0 && beside < 0) return { side: "here", away: 0 };
  return { side: over >= 0 ? "above" : "below", away: Math.max(under, over, 0) + Math.max(beside, 0) };
};

// Return the candidates that are told, in their order, each with its `row`; and how many are left out where. A row that is
// null shows nothing after all.
const choose = (found, budget, rowOf, sight) => {
  const fill = (order) => {
    let elements = budget.elements, characters = budget.characters;
    for (const each of order) {
      if (each.row === undefined) each.row = rowOf(each);
      if (!each.row) continue;
      const [, role, name, value, states] = each.row;
      characters -= role.length + name.length + value.length + states.join(" ").length + LINE_COST;
      if (--elements < 0 || characters < 0) return false;
      each.told = true;
    }
    return true;
  };
  const omitted = { above: 0, here: 0, below: 0 };
  if (found.length > budget.elements || !fill(found)) {
    found.forEach((each, index) => {
      ({ side: each.side, away: each.away } = sight.place(each));
      each.index = index;
      each.read = READ.has(each.role) ? 1 : 0;
      each.tier = each.side === "here" ? 0 : 1 + each.read;
      each.told = false;
    });
    fill([...found].sort((a, b) => a.tier - b.tier || a.away - b.away || a.read - b.read
      || (a.side === "above" ? b.index - a.index : a.index - b.index)));
    for (const each of found) if (!each.told && each.row !== null) omitted[each.side]++;
  }
  return { chosen: found.filter((each) => each.told), omitted };
};
