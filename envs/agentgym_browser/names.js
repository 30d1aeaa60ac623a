// What a thing is called and what it holds, by the accessible name computation (https://www.w3.org/TR/accname-1.2/): a label
// that is given goes before one of the element's kind, that before its content, and its title comes last.
const MAX_NAME = 500;
const clean = (text) => (text || "").replace(/\s+/g, " ").trim().slice(0, MAX_NAME);
const content = (text) => (text || "").replace(/\s+/g, " ").slice(0, MAX_NAME);  // of a field: a space at its end is content
const ownText = (node) => {
  let text = "";
  for (let child = node.firstChild; child; child = child.nextSibling) text += child.nodeType === Node.TEXT_NODE ? child.data : " ";
  return clean(text);
};
const SEEN = { visibilityProperty: true, opacityProperty: true };
const GLYPHS = /[\uE000-\uF8FF]/g;  // private characters: an icon font's drawings, no words
// Roles that are named by what they hold, unless they are labelled; of the others, these are told by their text all the same,
// as a person would refer to them. The rest (fields, sliders, landmarks) has a label, a title or no name.
const CONTENT_NAMED = new Set(`button cell checkbox columnheader gridcell heading link menuitem menuitemcheckbox
  menuitemradio option radio rowheader switch tab tooltip treeitem clickable text`.split(/\s+/));
const TOLD = new Set(`alert alertdialog canvas dialog log marquee menu menubar status tablist tabpanel timer`.split(/\s+/));

const drawnText = (node, which) => {
  const drawn = getComputedStyle(node, which).content;
  if (drawn[0] !== '"') return "";
  const alternative = drawn.indexOf('" / "');  // content: "*" / "required"
  return drawn.slice(alternative < 0 ? 1 : alternative + 5, -1).replace(/\\(.)/g, "$1").replace(GLYPHS, "");
};
const referenced = (node) => {
  const ids = node.getAttribute("aria-labelledby");
  return ids ? ids.split(/\s+/).map((id) => id && node.getRootNode().getElementById(id)).filter(Boolean) : [];
};
const svgTitle = (node) => { const title = node.querySelector(":scope > title"); return title ? title.textContent : ""; };
// The value of a control that is part of another's label, or null where it is none.
const embedded = (node) => {
  if (node instanceof HTMLSelectElement) return [...node.selectedOptions].map((option) => option.label).join(" ");
  if (node instanceof HTMLTextAreaElement || node instanceof HTMLInputElement && !TEXTLESS.has(node.type)) return node.value;
  if (node instanceof HTMLInputElement && node.type === "range") return node.value;
  const role = node.getAttribute("role");
  if (role === "textbox" || role === "searchbox") return node.innerText;
  if (role === "slider" || role === "spinbutton" || role === "progressbar" || role === "meter")
    return node.getAttribute("aria-valuetext") || node.getAttribute("aria-valuenow") || "";
  return null;
};
const transformed = (text, how) =>
  how === "uppercase" ? text.toUpperCase() : how === "lowercase" ? text.toLowerCase()
    : how === "capitalize" ? text.replace(/(^|\s)\p{L}/gu, (letter) => letter.toUpperCase()) : text;

// The text of what a node holds, with the names of pictures and the values of fields in their places.
const MAX_DEPTH_OF_NAME = 50;
const inside = (node, self, hidden, depth = 0) => {
  if (depth > MAX_DEPTH_OF_NAME) return "";
  const style = getComputedStyle(node);
  let text = drawnText(node, "::before");
  const children = node.assignedNodes && node.assignedNodes().length ? node.assignedNodes() : (node.shadowRoot || node).childNodes;
  for (const child of children) {
    if (text.length > 4 * MAX_NAME) break;
    if (child.nodeType === Node.TEXT_NODE) text += transformed(child.data, style.textTransform);
    else if (child.nodeType === Node.ELEMENT_NODE) text += piece(child, self, hidden, depth);
  }
  return text + drawnText(node, "::after");
};
const piece = (node, self, hidden, depth) => {
  if (node === self || SKIPPED.has(node.tagName) || node.getAttribute("aria-hidden") === "true") return "";
  const style = getComputedStyle(node);
  if (!hidden && (style.display === "none" || style.visibility !== "visible")) return "";
  if (node.tagName === "BR") return " ";
  const inline = style.display === "inline" || style.display === "contents";
  const text = embedded(node) ?? (clean(node.getAttribute("aria-label")) || naming(node) || inside(node, self, hidden, depth + 1) || node.title || "");
  return inline ? text : ` ${text} `;
};
// The name that an element's kind gives it by an attribute or a part of its own.
const naming = (node) => {
  if (node instanceof HTMLImageElement) return node.alt || node.title;
  if (node instanceof SVGElement) return svgTitle(node);
  if (!(node instanceof HTMLInputElement)) return "";
  if (node.type === "image") return node.alt || node.value || node.title || "Submit";
  if (node.type === "submit" || node.type === "reset" || node.type === "button")
    return node.value || node.title || { submit: "Submit", reset: "Reset", button: "" }[node.type];
  return "";
};
// Where there is nothing but text, it is taken as it is on screen.
const contentOf = (node, self) => {
  if (node.shadowRoot || node.firstElementChild) return inside(node, self, false);
  return drawnText(node, "::before") + (node.innerText || "") + drawnText(node, "::after");
};
const reference = (node, self) => {
  const label = clean(node.getAttribute("aria-label"));
  if (label) return label;
  const value = node === self ? null : embedded(node);
  if (value !== null) return value;
  const shown = node.checkVisibility(SEEN);
  return naming(node) || (shown ? contentOf(node, self) : inside(node, self, true)) || node.title || "";
};

const labelOf = (node) => {
  if (!node.hasAttributes() && !node.labels) return "";
  const by = clean(referenced(node).map((each) => reference(each, node)).join(" "));
  if (by) return by;
  const aria = clean(node.getAttribute("aria-label"));
  if (aria) return aria;
  if (!node.labels || !node.labels.length) return "";
  return clean([...node.labels].filter((label) => label.checkVisibility()).map((label) => clean(label.getAttribute("aria-label")) || contentOf(label, node)).join(" "));
};
const graphicName = (node, style) => {
  const fill = node.getAttribute("fill") || (style.fill !== "none" ? style.fill : "") || node.getAttribute("stroke") || "";
  return clean(`${fill} ${node.tagName} ${node.textContent}`);
};
// What can be read: text of no size cannot (a card face down), lists in a list's item are items of their own.
const textOf = (node, role, style) => {
  if (style.fontSize === "0px") return "";
  if (node.tagName !== "LI" || !node.querySelector("li"))
    return role === "clickable" && clean(node.innerText) || clean(contentOf(node, node));  // no rule names these; text is cheap
  return clean([...node.childNodes].map((child) => child.nodeType === Node.TEXT_NODE ? child.data
    : ["UL", "OL"].includes(child.tagName) ? "" : child.innerText || "").join(" "));
};
// What a control says by a drawing alone its id and classes tell, too.
const drawn = (node, role) => node instanceof HTMLElement && ["button", "clickable"].includes(role) && Boolean(node.querySelector("svg"));
const plateName = (node) => {
  const colour = node.style.backgroundColor;  // "initial" where only a picture was set
  return clean(node.title || (/^(initial|inherit|unset|revert)/.test(colour) ? "" : colour) || `${node.id} ${node.className}`);
};
const nameOf = (node, role, style) => {
  const label = labelOf(node);
  if (label) return label;
  if (role === "box" || role === "icon") return plateName(node);
  if (role === "graphic") return graphicName(node, style);
  if (node instanceof HTMLSelectElement) return clean(node.title);
  const native = clean(naming(node));
  if (native) return native;
  if (node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement || role === "textbox" || role === "searchbox")
    return clean(node.title) || clean(node.getAttribute("placeholder")) || clean(node.getAttribute("aria-placeholder"));
  if (role === "option") return clean(node.label || node.textContent);
  if (role === "img" || !CONTENT_NAMED.has(role) && !TOLD.has(role)) return clean(node.title);
  return (TOLD.has(role) ? clean(node.innerText) : textOf(node, role, style)) || clean(node.title)
    || (role === "clickable" && !node.childElementCount || drawn(node, role) ? plateName(node) : "");
};
// The name of a place: its label, or the part of it that is one.
const CAPTIONS = { FIELDSET: "legend", FIGURE: "figcaption", TABLE: "caption", DETAILS: "summary" };
const placeName = (node, role) => {
  const label = labelOf(node);
  if (label) return label;
  const caption = CAPTIONS[node.tagName] && node.querySelector(`:scope > ${CAPTIONS[node.tagName]}`);
  if (caption && node.tagName !== "DETAILS") return clean(contentOf(caption, node));
  return clean(node.title);
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
    return ["button", "checkbox", "radio", "switch"].includes(role) ? "" : content(node.type === "file" ? [...node.files].map((file) => file.name).join(", ") : node.value);
  if (node instanceof HTMLTextAreaElement) return told(node);
  if (node instanceof HTMLMeterElement || node instanceof HTMLProgressElement) return node.position === -1 ? "" : String(node.value);
  if (role === "textbox" || role === "searchbox" || role === "combobox" && !node.querySelector("[role=listbox]"))
    return clean(node.innerText);
  return clean(node.getAttribute("aria-valuetext") || node.getAttribute("aria-valuenow"));
};
