// The observation script. Runs in an isolated world of every page: page scripts can neither see nor change it.
// observe(hidden, first) lists what can be acted on or read, in document order, with new ids from `first` on (others give
// ids, too); locate(id) finds where to point at it.
"use strict";
(() => {
  const MAX_ELEMENTS = 2000, MAX_NAME = 500, MAX_OPTIONS = 60;
  const LEAVES = new Set(["button", "link", "option", "tab", "menuitem", "treeitem", "checkbox", "radio", "switch",
    "textbox", "searchbox", "spinbutton", "slider", "combobox", "listbox", "img", "graphic"]);
  const INPUT_ROLES = {
    button: "button", submit: "button", reset: "button", image: "button", checkbox: "checkbox", radio: "radio",
    range: "slider", number: "spinbutton", search: "searchbox", color: "color", date: "date", time: "time",
    "datetime-local": "datetime", month: "month", week: "week", file: "file",
  };
  const TAG_ROLES = { A: "link", BUTTON: "button", TEXTAREA: "textbox", OPTION: "option", IMG: "img", CANVAS: "canvas",
    H1: "heading", H2: "heading", H3: "heading", H4: "heading", H5: "heading", H6: "heading", SUMMARY: "button",
    METER: "meter", PROGRESS: "progressbar" };
  const GRAPHICS = new Set(["circle", "rect", "ellipse", "polygon", "polyline", "path", "line", "text", "image"]);
  const SKIPPED = new Set(["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "HEAD", "META", "LINK", "TITLE"]);

  let ids = new WeakMap(), byId = new Map(), next = 1;

  const clean = (text) => (text || "").replace(/\s+/g, " ").trim().slice(0, MAX_NAME);
  const content = (text) => (text || "").replace(/\s+/g, " ").slice(0, MAX_NAME);  // of a field: a space at its end is content
  const idOf = (node) => {
    let id = ids.get(node);
    if (id === undefined) { id = next++; ids.set(node, id); byId.set(id, new WeakRef(node)); }
    return id;
  };
  const byIdRef = (id) => { const ref = byId.get(id); const node = ref && ref.deref(); return node && node.isConnected ? node : null; };
  // What a node shows: its shadow tree where it has one, what is put into a slot in the slot's place.
  const childrenOf = (node) => node.shadowRoot ? node.shadowRoot.childNodes
    : node instanceof HTMLSlotElement && node.assignedNodes().length ? node.assignedNodes({ flatten: true }) : node.childNodes;
  const ownText = (node) => {
    let text = "";
    for (const child of childrenOf(node)) text += child.nodeType === Node.TEXT_NODE ? child.data : " ";
    return clean(text);
  };
  const shown = (node, style) => {
    if (style.visibility === "hidden" || style.visibility === "collapse" || style.opacity === "0") return false;
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };

  const roleOf = (node, style, parentPointer) => {
    const explicit = node.getAttribute("role");
    if (explicit && explicit !== "presentation" && explicit !== "none") return clean(explicit).split(" ")[0].slice(0, 64);
    if (node instanceof HTMLInputElement) return INPUT_ROLES[node.type] || "textbox";
    if (node instanceof HTMLSelectElement) return node.multiple || node.size > 1 ? "listbox" : "combobox";
    if (node instanceof SVGElement) return GRAPHICS.has(node.tagName) ? "graphic" : "";
    const tag = TAG_ROLES[node.tagName];
    if (tag && !(tag === "link" && !node.hasAttribute("href") && style.cursor !== "pointer" && !node.onclick)) return tag;
    if (node.isContentEditable && !(node.parentElement && node.parentElement.isContentEditable)) return "textbox";
    if (node.hasAttribute("onclick") || node.hasAttribute("tabindex") && node.tabIndex >= 0
        || style.cursor === "pointer" && (!parentPointer || node.tagName === "LI")) return "clickable";
    return plateOf(node, style);
  };
  // Empty boxes that can be seen (a coloured square, an icon drawn by a style sheet) are things to click on, too.
  const MAX_PLATE = 0.5;  // share of the viewport beyond which a box is background
  const plateOf = (node, style) => {
    if (node.childElementCount || ownText(node) || node instanceof SVGElement) return "";
    const box = node.getBoundingClientRect();
    if (box.width < 5 || box.height < 5 || box.width * box.height > MAX_PLATE * innerWidth * innerHeight) return "";
    if (style.backgroundImage !== "none" || style.content.startsWith("url(")) return "icon";
    const filled = style.backgroundColor !== "rgba(0, 0, 0, 0)" && style.backgroundColor !== "transparent";
    return filled || parseFloat(style.borderTopWidth) > 0 && style.borderTopStyle !== "none" && node.tagName !== "HR" ? "box" : "";
  };
  // What a control says by a drawing alone its id and classes tell, too.
  const drawn = (node, role) => node instanceof HTMLElement && ["button", "clickable"].includes(role) && Boolean(node.querySelector("svg"));
  const plateName = (node) => clean(node.title || node.style.backgroundColor || `${node.id} ${node.className}`);

  const labelOf = (node) => {
    const by = node.getAttribute("aria-labelledby"), root = node.getRootNode();
    if (by) return clean(by.split(/\s+/).map((id) => ((root.getElementById ? root : document).getElementById(id) || {}).textContent).join(" "));
    const aria = node.getAttribute("aria-label");
    if (aria) return clean(aria);
    if (node.labels && node.labels.length) return clean([...node.labels].map((label) => label.textContent).join(" "));
    return "";
  };
  const graphicName = (node, style) => {
    const fill = node.getAttribute("fill") || (style.fill !== "none" ? style.fill : "") || node.getAttribute("stroke") || "";
    return clean(`${fill} ${node.tagName} ${node.textContent}`);
  };
  const slottedText = (node) => node.nodeType === Node.TEXT_NODE ? node.data : SKIPPED.has(node.tagName) ? ""
    : [...childrenOf(node)].map(slottedText).join(" ");
  // What can be read: text of no size cannot (a card face down), lists in a list's item are items of their own.
  const textOf = (node, style) => {
    if (style.fontSize === "0px") return "";
    if (node.shadowRoot || node.querySelector("slot")) return clean(slottedText(node));
    if (node.tagName !== "LI" || !node.querySelector("li")) return clean(node.innerText);
    return clean([...node.childNodes].map((child) => child.nodeType === Node.TEXT_NODE ? child.data
      : ["UL", "OL"].includes(child.tagName) ? "" : child.innerText || "").join(" "));
  };
  const nameOf = (node, role, style) => {
    const label = labelOf(node);
    if (label) return label;
    if (role === "box" || role === "icon") return plateName(node);
    if (role === "graphic") return graphicName(node, style);
    if (role === "combobox" || role === "listbox") return clean(node.title);
    if (node instanceof HTMLInputElement && ["button", "submit", "reset", "image"].includes(node.type))
      return clean(node.value || node.alt || (node.type === "button" ? "" : node.type));
    if (node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement)
      return clean(node.getAttribute("placeholder") || node.title);
    if (role === "option") return clean(node.label || node.textContent);
    if (role === "img") return clean(node.getAttribute("alt") || node.title);
    return textOf(node, style) || clean(node.title) || clean((node.querySelector("[alt]") || {}).alt)
      || (role === "clickable" && !node.childElementCount || drawn(node, role) ? plateName(node) : "");
  };
  // A text too long to be told in full is told from its start, or up to its end once it has been scrolled there.
  const told = (area) => {
    const atEnd = area.scrollTop > 0 && area.scrollTop + area.clientHeight > area.scrollHeight - 2;
    return content(atEnd ? area.value.replace(/\s+/g, " ").slice(-MAX_NAME) : area.value);
  };
  const valueOf = (node, role) => {
    if (node instanceof HTMLSelectElement)
      return clean([...node.selectedOptions].map((option) => option.label || option.textContent).join(", "));
    if (node instanceof HTMLInputElement)
      return ["button", "checkbox", "radio"].includes(role) ? "" : content(node.type === "file" ? [...node.files].map((file) => file.name).join(", ") : node.value);
    if (node instanceof HTMLTextAreaElement) return told(node);
    if (role === "textbox") return clean(node.innerText);
    return clean(node.getAttribute("aria-valuenow"));
  };
  const statesOf = (node) => {
    const states = [];
    if (node.checked || node.getAttribute("aria-checked") === "true") states.push("checked");
    if (node.disabled || node.getAttribute("aria-disabled") === "true") states.push("disabled");
    if (node.getAttribute("aria-expanded") === "true") states.push("expanded");
    if (node === node.getRootNode().activeElement && node !== document.body && (window === top || document.hasFocus()))
      states.push("focused");
    if (node.readOnly) states.push("readonly");
    if (node.selected || node.getAttribute("aria-selected") === "true") states.push("selected");
    return states;
  };

  // What has no box of its own (a slot) is where its text is.
  const boxOf = (node) => {
    const text = getComputedStyle(node).display === "contents" && [...childrenOf(node)].find((child) => clean(child.data));
    if (!text) return node.getBoundingClientRect();
    const range = document.createRange();
    range.selectNode(text);
    return range.getBoundingClientRect();
  };

  const observe = (hidden, first) => {
    next = Math.max(next, first);
    let frames = 0;
    const found = [], excluded = hidden ? new Set(document.querySelectorAll(hidden)) : new Set();
    const emit = (node, role, name) => {
      if (found.length >= MAX_ELEMENTS) return;
      const box = boxOf(node);
      const edge = (n) => Math.max(-16384, Math.min(16384, Math.round(n)));
      found.push([idOf(node), role, name, valueOf(node, role), statesOf(node),
        [edge(box.left), edge(box.top), edge(box.width), edge(box.height)], pointAt(node, box)]);
    };
    const walk = (node, parentPointer, named) => {
      if (found.length >= MAX_ELEMENTS || excluded.has(node) || SKIPPED.has(node.tagName)) return;
      const style = getComputedStyle(node);
      if (style.display === "none" || node.getAttribute("aria-hidden") === "true") return;
      const pointer = style.cursor === "pointer", visible = shown(node, style);
      if (node instanceof HTMLIFrameElement || node instanceof HTMLFrameElement) {
        if (visible) found.push({ frame: frameNames.get(node) || "", ...insideOf(node) }), frames++;
        return;
      }
      const role = visible ? roleOf(node, style, parentPointer) : "";
      if (role) {
        const container = role === "clickable" && node.querySelector("a,button,input,select,textarea,[role],[onclick]");
        emit(node, role, container ? ownText(node) : nameOf(node, role, style));
        if (role === "combobox" || role === "listbox") {
          [...node.options].slice(0, MAX_OPTIONS).forEach((option) => emit(option, "option", nameOf(option, "option", style)));
          return;
        }
        // A leaf's name holds its text, but controls in it (a button in an accordion's header) are things of their own.
        if (LEAVES.has(role) && role !== "treeitem" && !node.querySelector("button,input,select,textarea")
            || role === "heading" && !node.children.length) return;
        if (role === "clickable" && !container) named = true;
      } else if (!named && (visible || style.display === "contents")) {
        const control = node instanceof HTMLLabelElement && node.control;
        const text = control && control !== node && shown(control, getComputedStyle(control)) ? "" : ownText(node);
        if (text) emit(node, "text", text);
      }
      for (const child of childrenOf(node)) if (child.nodeType === Node.ELEMENT_NODE) walk(child, pointer, named);
    };
    if (document.body) walk(document.body, false, false);
    return { elements: found, frames, next, url: location.href, title: clean(document.title) };
  };

  // Whether the page kept the last key to itself, asked once after it.
  let lastKey = null;
  addEventListener("keydown", (event) => { lastKey = event; }, true);
  const keptKey = () => { const kept = Boolean(lastKey && lastKey.defaultPrevented); lastKey = null; return kept; };
  // Frames are named from outside, by the ids that the browser gives them.
  const frameNames = new WeakMap(), framesByName = new Map();
  const nameFrame = (node, name) => { frameNames.set(node, name); framesByName.set(name, new WeakRef(node)); };
  // Where the document of a frame begins, and how large a part of it is seen.
  const insideOf = (node) => {
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    const scale = node.offsetWidth ? box.width / node.offsetWidth : 1;
    const edge = (side) => parseFloat(style[`padding${side}`]) || 0;
    const left = node.clientLeft + edge("Left"), top = node.clientTop + edge("Top");
    return { scale, box: [box.left + left * scale, box.top + top * scale,
      (node.clientWidth - edge("Left") - edge("Right")) * scale, (node.clientHeight - edge("Top") - edge("Bottom")) * scale] };
  };
  // A point in a frame's document as one of this document, after scrolling to it.
  const through = (name, x, y) => {
    const ref = framesByName.get(name), node = ref && ref.deref();
    if (!node || !node.isConnected) return { error: "gone" };
    const point = () => { const { box, scale } = insideOf(node); return { x: box[0] + x * scale, y: box[1] + y * scale }; };
    const seen = (at) => at.x >= 0 && at.y >= 0 && at.x < innerWidth && at.y < innerHeight;
    const hit = (at) => seen(at) && node.getRootNode().elementFromPoint(at.x, at.y) === node;
    let at = point();
    if (!hit(at)) { node.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" }); at = point(); }
    if (!seen(at)) { scrollBy({ left: at.x - innerWidth / 2, top: at.y - innerHeight / 2, behavior: "instant" }); at = point(); }
    return at;
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
    const pieces = node.getClientRects();
    return pieces.length === 1 && inSight(node, box) ? middle(box) : null;
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
    return { x, y, covered: true };
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

  // An observation shows no page in motion.
  const finishAnimations = () => {
    for (const animation of document.getAnimations()) {
      try { animation.finish(); } catch { animation.cancel(); }  // an endless one has no end to jump to
    }
  };
  globalThis.agentgym = {
    observe, locate, through, nameFrame, prepareFill, select, finishAnimations, keptKey, byId: byIdRef,
    reset: () => { ids = new WeakMap(); byId = new Map(); next = 1; },
  };
})();
