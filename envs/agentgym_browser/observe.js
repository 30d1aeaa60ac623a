// The observation script. Runs in an isolated world of every page: page scripts can neither see nor change it.
// observe(hidden, look) lists what can be acted on or read, in document order; locate(id) finds where to point at it.
// It is joined with roles.js, names.js, budget.js, outline.js and inner.js into one script (see scripts.py).
"use strict";
(() => {
  const MAX_OPTIONS = 60;
  const MAX_DEPTH = 800;  // nodes in nodes, of which a parser makes 512; what is deeper is not told
  const MANY = 1000;  // elements beyond which a page's far parts are skimmed: judged by tags, without style and place

  let ids = new WeakMap(), byId = new Map(), next = 1;

  const idOf = (node) => {
    let id = ids.get(node);
    if (id === undefined) { id = next++; ids.set(node, id); byId.set(id, new WeakRef(node)); }
    return id;
  };
  const byIdRef = (id) => { const ref = byId.get(id); const node = ref && ref.deref(); return node && node.isConnected ? node : null; };
  const shown = (node, style, box) => {
    if (style.visibility === "hidden" || style.visibility === "collapse" || style.opacity === "0") return false;
    return box.width > 0 && box.height > 0;
  };
  // A modal dialog takes the rest of the page away from the user.
  const rootOf = () => {
    const modal = [...document.querySelectorAll(":modal")].filter((node) => node.checkVisibility());
    return modal.find((node) => node.contains(document.activeElement)) || modal.pop() || document.body;
  };

  // A form's fields hide properties of the form that have their names, in this world too ("DOM clobbering"): where one is
  // missed, the form shows nothing but its content, and there is nothing to point at.
  const shadowOf = Object.getOwnPropertyDescriptor(Element.prototype, "shadowRoot").get;
  const childrenOf = Object.getOwnPropertyDescriptor(Element.prototype, "children").get;
  const firstOf = Object.getOwnPropertyDescriptor(Element.prototype, "firstElementChild").get;
  const nextOf = Object.getOwnPropertyDescriptor(Element.prototype, "nextElementSibling").get;
  const unlessClobbered = (act) => (id, ...rest) => {
    try { return act(id, ...rest); } catch (error) {
      if (byIdRef(id) instanceof HTMLFormElement) return { error: "hidden" };
      throw error;
    }
  };
  const orContent = (node, act, visit) => {
    try { act(); } catch (error) {
      if (!(node instanceof HTMLFormElement)) throw error;
      for (const child of childrenOf.call(node)) visit(child);
    }
  };

  // What has no box of its own (a slot) is where its text is.
  const boxOfText = (node) => {
    const inside = node instanceof HTMLSlotElement && node.assignedNodes().length ? node.assignedNodes() : [...node.childNodes];
    const range = document.createRange();
    range.selectNode(inside.find((each) => each.nodeType === Node.TEXT_NODE && clean(each.data)));
    return range.getBoundingClientRect();
  };
  // One pass over the page: candidates in document order, and the places that hold them where a tree is wanted.
  class Pass {
    constructor(hidden, wantsTree) {
      this.found = [];
      this.order = wantsTree ? [] : null;
      this.excluded = hidden ? new Set(document.querySelectorAll(hidden)) : new Set();
      this.hosts = [];
      this.depth = 0;
      this.view = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
      this.big = document.getElementsByTagName("*").length > MANY;
    }
    add(candidate) {
      this.found.push(candidate);
      if (this.order) this.order.push(candidate);
      return candidate;
    }
    skips(node) {
      return this.excluded.has(node) || SKIPPED.has(node.tagName) || node.inert === true || node.getAttribute("aria-hidden") === "true";
    }
    place(node, under) {
      const place = this.order ? placeOf(node) : "";
      if (!place) return under;
      const entry = { node, place, under };
      this.order.push(entry);
      return entry;
    }
    addOptions(list, host) {
      for (const option of [...list.options].slice(0, MAX_OPTIONS)) {
        const box = option.getBoundingClientRect();
        this.add({ ...host, node: option, role: "option", text: undefined, box, under: host, host: box.width ? null : host });
      }
    }
    // Where a node of a big page is far from the view: { side, away in pixels }, else null.
    farness(node, box) {
      const { top, bottom } = box, height = this.view.bottom;
      if (top > 2 * height) return { side: "below", away: top - height };
      if (-bottom <= height || !box.width && !box.height) return null;
      const away = -Math.max(bottom, top + node.scrollHeight);  // what spills over its box is part of it
      return away > height ? { side: "above", away } : null;
    }
    addText(node, box, under) {
      const text = this.textOfPart(node);
      if (text) this.add({ node, role: "text", text, box: box || boxOfText(node), under });
    }
    // A frame has a place in the list; what its document shows is asked for there (see frames.py).
    addFrame(node, box, under, far) {
      this.add({ node, role: "", box, under, inner: true, far: Boolean(far), ...far });
    }
    // Far parts: what tags and texts tell, and the whole truth of what shows in the view all the same (it is fixed there).
    skim(node, far, under) {
      orContent(node, () => this.visitFar(node, far, under), (each) => this.skim(each, far, under));
    }
    visitFar(node, far, under) {
      if (this.skips(node)) return;
      if (isFrame(node)) { this.addFrame(node, node.getBoundingClientRect(), under, far); return; }
      const role = roughRoleOf(node);
      if (role || this.hasText(node)) {
        const box = node.getBoundingClientRect(), { top, bottom } = box;
        if (top < this.view.bottom && bottom > 0) { this.walk(node, false, false, under); return; }
        const seen = bottom > top || node instanceof HTMLOptionElement;
        if (!role) under = this.place(node, under);
        const found = seen && this.add({ node, role: role || "text", box, under, away: far.away, side: far.side, far: true });
        if (found && node instanceof HTMLSelectElement) this.addOptions(node, found);
        if (LEAVES.has(role) || role === "heading" && !node.firstElementChild) return;
        if (role) under = found || under;
      } else under = this.place(node, under);
      this.each(node, (child) => this.skim(child, far, under));
    }
    hasText(node) {
      for (let child = node.firstChild; child; child = child.nextSibling)
        if (child.nodeType === Node.TEXT_NODE && /\S/.test(child.data)) return !(node instanceof HTMLLabelElement) || Boolean(this.textOfPart(node));
      return false;
    }
    // Visit the elements that a node holds on screen: its shadow root's, and in a slot those that are put there.
    each(node, visit) {
      if (this.depth >= MAX_DEPTH) return;
      this.depth++;
      try { this.visitAll(node, visit); } finally { this.depth--; }
    }
    visitAll(node, visit) {
      const shadow = shadowOf.call(node);
      let child = firstOf.call(node);
      if (shadow) {
        this.hosts.push(node);
        child = shadow.firstElementChild;
      } else if (node instanceof HTMLSlotElement && node.assignedNodes().length) {
        node.assignedElements().forEach(visit);
        return;
      }
      for (; child; child = nextOf.call(child)) visit(child);
    }
    textOfPart(node) {
      if (node.shadowRoot) return "";  // what is in it shows in a slot or nowhere
      if (node instanceof HTMLSlotElement && node.assignedNodes().length)
        return clean(node.assignedNodes().map((each) => each.nodeType === Node.TEXT_NODE ? each.data : " ").join(""));
      const control = node instanceof HTMLLabelElement && node.control;
      if (control && control !== node && control.checkVisibility(SEEN) && control.offsetWidth > 0) return "";
      return ownText(node);
    }
    walk(node, parentPointer, named, under) {
      const visit = (each) => this.walk(each, parentPointer, named, under);
      orContent(node, () => this.visit(node, parentPointer, named, under), visit);
    }
    visit(node, parentPointer, named, under) {
      if (this.skips(node)) return;
      const box = node.getBoundingClientRect(), far = this.big && this.farness(node, box);
      if (far) { this.skim(node, far, under); return; }
      const style = getComputedStyle(node), certain = node.checkVisibility(SEEN);  // one call for what else takes three
      if (!certain && style.display !== "contents" && !node.checkVisibility()) return;  // not there, or in closed details
      const visible = certain ? box.width > 0 && box.height > 0 : shown(node, style, box);
      if (isFrame(node)) {
        if (visible) this.addFrame(node, box, under, null);
        return;
      }
      const pointer = style.cursor === "pointer", role = visible ? roleOf(node, style, parentPointer, box) : "";
      if (role) {
        const container = role === "clickable" && node.querySelector("a,button,input,select,textarea,[role],[onclick]");
        under = this.place(node, under);
        under = this.add({ node, role, style, box, under, text: container ? ownText(node) : undefined });
        if (node instanceof HTMLSelectElement) { this.addOptions(node, under); return; }
        // A leaf's name holds its text, but controls in it (a button in an accordion's header) are things of their own.
        if (LEAVES.has(role) && role !== "treeitem" && !node.querySelector("button,input,select,textarea")
            || role === "heading" && !node.children.length) return;
        if (role === "clickable" && !container || CELLS.has(role)) named = true;
      } else {
        under = this.place(node, under);
        if (!named && (visible || style.display === "contents")) this.addText(node, visible ? box : null, under);
      }
      this.each(node, (child) => this.walk(child, pointer, named, under));
    }
  }

  const edge = (n) => Math.max(-16384, Math.min(16384, Math.round(n)));
  const tell = (each) => {
    const { node, role, box } = each;
    if (each.far && !each.host && !node.checkVisibility(SEEN)) return null;
    if (each.inner) return [0, "", "", "", []];
    const name = each.text !== undefined ? each.text : role === "text" ? ownText(node)
      : nameOf(node, role, each.style || getComputedStyle(node));
    return [0, role, name, valueOf(node, role), statesOf(node), [edge(box.left), edge(box.top), edge(box.width), edge(box.height)],
      each.far ? null : pointAt(node, box)];
  };
  const rowOf = (each) => {
    try { return tell(each); } catch (error) {
      if (each.node instanceof HTMLFormElement) return null;
      throw error;
    }
  };
  const isAt = (node, x, y) => hitsItself(node, x, y)
    || getComputedStyle(node).pointerEvents === "none" && Boolean(topAt(node, x, y)) && topAt(node, x, y).contains(node);
  // The ids of what can be acted on and is in view with its middle or one of two other points: what a picture can mark.
  const markable = (chosen, sight) => chosen.filter((each) => {
    if (each.inner || READ.has(each.role) && each.role !== "img" || sight.place(each).side !== "here") return false;
    const clip = sight.around(each.node), { box } = each;
    const left = Math.max(box.left, clip.left), right = Math.min(box.right, clip.right);
    const top = Math.max(box.top, clip.top), bottom = Math.min(box.bottom, clip.bottom);
    return [[0.5, 0.5], [0.1, 0.2], [0.9, 0.8]].some(([fx, fy]) =>
      isAt(each.node, left + (right - left) * fx, top + (bottom - top) * fy));
  }).map((each) => each.row[0]);
  const PLAIN = { budget: { elements: 2000, characters: 1e6 }, first: 1 };
  // look: { tree, text, marks: whether they are wanted; budget: { elements, characters }; first: the lowest id that is new }
  const observe = (hidden, look = PLAIN) => {
    finishAnimations();
    next = Math.max(next, look.first);
    const root = rootOf(), pass = new Pass(hidden, look.tree), answer = { url: location.href, title: clean(document.title) };
    const sight = new Sight(pass.view);
    if (root) pass.walk(root, false, false, null);
    const { chosen, omitted } = choose(pass.found, look.budget, rowOf, sight);
    let frames = 0;
    for (const each of chosen) if (each.inner) frames++; else each.row[0] = idOf(each.node);
    const elements = chosen.map((each) => each.inner ? { frame: nameOfFrame(each.node), ...insideOf(each.node) } : each.row);
    Object.assign(answer, { elements, frames, omitted: [omitted.above, omitted.here, omitted.below] });
    if (look.tree) answer.tree = treeOf(pass.order);
    if (look.text) answer.text = root ? textOfPage(root, pass.excluded, pass.hosts) : "";
    if (look.marks) answer.marked = markable(chosen, sight);
    return { ...answer, next };
  };

  const topAt = (node, x, y) => (node.getRootNode().elementFromPoint || document.elementFromPoint).call(node.getRootNode(), x, y);
  const hitsItself = (node, x, y) => {
    const top = topAt(node, x, y);
    return top && (top === node || node.contains(top) || node.labels && [...node.labels].some((label) => label.contains(top)));
  };
  const inSight = (node, box) => box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth
    && hitsItself(node, ...middle(box));
  // Where to point at an element as it is, without looking for it; null where that takes more, as locate() does.
  const pointAt = (node, box) => {
    return inSight(node, box) && node.getClientRects().length === 1 ? middle(box) : null;
  };
  // The point of an element that a user would hit: the middle of its first visible piece, after scrolling to it.
  const locate = (id) => {
    const node = byIdRef(id);
    if (!node) return { error: "gone" };
    if (node instanceof HTMLOptionElement && node.parentElement && !node.getBoundingClientRect().width) return { error: "option" };
    if (!inSight(node, node.getBoundingClientRect()))
      node.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
    const pieces = [...node.getClientRects()].filter((box) => box.width > 0 && box.height > 0);
    if (!pieces.length) return { error: "hidden" };
    // What lets the pointer through is hit by way of its parent; but a parent is also all there is to hit where a
    // scrolling box cuts the element off, so that counts only once the element has been scrolled to.
    const hits = (x, y) => hitsItself(node, x, y) || Boolean(topAt(node, x, y)) && topAt(node, x, y).contains(node);
    for (const box of pieces) {
      const [x, y] = middle(box);
      if (hits(x, y)) return { x, y };
    }
    for (const box of pieces) for (const fx of [0.1, 0.5, 0.9]) for (const fy of [0.1, 0.5, 0.9]) {
      const x = box.left + box.width * fx, y = box.top + box.height * fy;
      if (hits(x, y)) return { x, y };
    }
    const [x, y] = middle(pieces[0]);
    return { x, y };
  };
  const middle = (box) => [box.left + box.width / 2, box.top + box.height / 2];

  const DIRECT = new Set(["date", "time", "datetime-local", "month", "week", "color", "range"]);
  const changed = (node) => {
    node.dispatchEvent(new Event("input", { bubbles: true }));
    node.dispatchEvent(new Event("change", { bubbles: true }));
  };
  // Focus a field and select its content; fields with a native picker get the value at once.
  const prepareFill = (id, text) => {
    const node = byIdRef(id);
    if (!node) return { error: "gone" };
    const field = node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement;
    if (!(field || node.isContentEditable) || ["button", "submit", "reset", "image", "checkbox", "radio"].includes(node.type))
      return { error: "nofield" };
    if (node.disabled || node.readOnly) return { error: "readonly" };
    if (node.type === "file" && text) return { files: node.multiple };
    if (node.type === "file") {
      node.value = "";
      changed(node);
      return { filled: true };
    }
    node.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    node.focus();
    if (field && DIRECT.has(node.type)) {
      node.value = text;
      if (node.value !== text && !(node.type === "color" && node.value === text.toLowerCase()))
        return { error: `format ${node.type}` };
      changed(node);
      return { filled: true };
    }
    if (field) node.select(); else getSelection().selectAllChildren(node);
    return { filled: false };
  };
  const select = (id, label) => {
    const node = byIdRef(id);
    if (!node) return { error: "gone" };
    if (!(node instanceof HTMLSelectElement)) return { error: "nolist" };
    const option = [...node.options].find((each) => clean(each.label || each.textContent) === clean(label));
    if (!option) return { error: "nooption" };
    if (node.disabled || option.disabled) return { error: "readonly" };
    node.focus();
    if (node.multiple) option.selected = true; else node.value = option.value, option.selected = true;
    changed(node);
    return {};
  };

  // Whether the page kept the last key to itself, asked once after it.
  let lastKey = null;
  addEventListener("keydown", (event) => { lastKey = event; }, true);
  const keptKey = () => { const kept = Boolean(lastKey && lastKey.defaultPrevented); lastKey = null; return kept; };

  // An observation shows no page in motion.
  const finishAnimations = () => {
    for (const animation of document.getAnimations()) {
      try { animation.finish(); } catch { animation.cancel(); }  // an endless one has no end to jump to
    }
  };
  // A text cursor that blinks looks different from one screenshot to the next.
  const steady = new CSSStyleSheet();
  steady.replaceSync("html { caret-animation: manual }");
  document.adoptedStyleSheets.push(steady);

  globalThis.agentgym = {
    observe, locate: unlessClobbered(locate), prepareFill: unlessClobbered(prepareFill), select, finishAnimations,
    through, nameFrame, keptKey, node: byIdRef,
    reset: () => { ids = new WeakMap(); byId = new Map(); next = 1; },
  };
})();
