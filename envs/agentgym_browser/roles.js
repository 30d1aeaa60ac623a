// What a thing is, by the rules of WAI-ARIA and HTML-AAM (https://www.w3.org/TR/html-aam-1.0/). Beyond the rules: "clickable"
// is what answers clicks but does not say so, "box" and "icon" are empty plates that can be seen, "graphic" is a shape of a
// drawing, and what can be written into is a "textbox", whether it says so or not. tests/test_accessible_names.py lists all.
const ARIA_ROLES = new Set(`alert alertdialog application article banner blockquote button caption cell checkbox code
  columnheader combobox complementary contentinfo definition deletion dialog directory document emphasis feed figure form
  generic grid gridcell group heading image img insertion link list listbox listitem log main mark marquee math menu menubar
  menuitem menuitemcheckbox menuitemradio meter navigation none note option paragraph presentation progressbar radio
  radiogroup region row rowgroup rowheader scrollbar search searchbox separator slider spinbutton status strong subscript
  superscript switch tab table tablist tabpanel term textbox time timer toolbar tooltip tree treegrid treeitem`.split(/\s+/));
// Roles that say where things are and nothing else: in the tree, not in the element list, which has their text.
const STRUCTURE = new Set(`application article banner blockquote caption cell code complementary contentinfo definition
  deletion directory document emphasis feed figure form generic grid group insertion list listitem main mark math navigation
  none note paragraph presentation radiogroup region row rowgroup search strong subscript superscript table term time toolbar
  tree treegrid`.split(/\s+/));
const LEAVES = new Set(["button", "link", "option", "tab", "menuitem", "menuitemcheckbox", "menuitemradio", "treeitem",
  "checkbox", "radio", "switch", "textbox", "searchbox", "spinbutton", "slider", "img", "graphic"]);
const CELLS = new Set(["gridcell", "columnheader", "rowheader", "tooltip"]);  // their names hold their text, not their controls
const READ = new Set(["text", "heading", "img", "status", "alert", "log", "meter", "progressbar", "dialog", "alertdialog",
  "tablist", "tabpanel", "menu", "menubar", "timer", "marquee", "separator", "tooltip"]);  // the rest can be acted on
const INPUT_ROLES = {
  button: "button", submit: "button", reset: "button", image: "button", checkbox: "checkbox", radio: "radio",
  range: "slider", number: "spinbutton", search: "searchbox", color: "color", date: "date", time: "time",
  "datetime-local": "datetime", month: "month", week: "week", file: "file",
};
const TAG_ROLES = { A: "link", BUTTON: "button", TEXTAREA: "textbox", OPTION: "option", IMG: "img", CANVAS: "canvas",
  H1: "heading", H2: "heading", H3: "heading", H4: "heading", H5: "heading", H6: "heading", SUMMARY: "button",
  METER: "meter", PROGRESS: "progressbar", DIALOG: "dialog" };
const PLACES = { ARTICLE: "article", ASIDE: "complementary", BLOCKQUOTE: "blockquote", CAPTION: "caption", DETAILS: "group",
  DL: "list", FIELDSET: "group", FIGURE: "figure", LI: "listitem", MAIN: "main", MENU: "list", NAV: "navigation", OL: "list",
  P: "paragraph", SEARCH: "search", TABLE: "table", TD: "cell", TH: "columnheader", TR: "row", UL: "list" };
const GRAPHICS = new Set(["circle", "rect", "ellipse", "polygon", "polyline", "path", "line", "text", "image"]);
const SKIPPED = new Set(["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "HEAD", "META", "LINK", "TITLE"]);
const TEXTLESS = new Set(["button", "submit", "reset", "image", "checkbox", "radio", "file", "range", "color", "hidden"]);

// The first role of the attribute that there is; "" also where "none" takes the element's own role away.
const explicitRole = (node) => {
  const attribute = node.getAttribute("role");
  if (!attribute) return null;
  const role = attribute.toLowerCase().split(/\s+/).find((each) => ARIA_ROLES.has(each));
  if (role === undefined || role === "generic") return null;
  if (role === "none" || role === "presentation")
    return node.tabIndex >= 0 || node.hasAttribute("tabindex") || node.hasAttribute("aria-label") ? null : "";
  return role === "image" ? "img" : role;
};

// Empty boxes that can be seen (a coloured square, an icon drawn by a style sheet) are things to click on, too.
const MAX_PLATE = 0.5;  // share of the viewport beyond which a box is background
const plateOf = (node, style, box) => {
  if (node.childElementCount || node instanceof SVGElement || ownText(node)) return "";
  if (box.width < 5 || box.height < 5 || box.width * box.height > MAX_PLATE * innerWidth * innerHeight) return "";
  if (style.backgroundImage !== "none" || style.content.startsWith("url(")) return "icon";
  const background = style.backgroundColor;
  const filled = background !== "rgba(0, 0, 0, 0)" && background !== "transparent";
  return filled || parseFloat(style.borderTopWidth) > 0 && style.borderTopStyle !== "none" && node.tagName !== "HR" ? "box" : "";
};
const roleOf = (node, style, parentPointer, box) => {
  const explicit = explicitRole(node);
  if (explicit && !STRUCTURE.has(explicit)) return explicit;
  if (node instanceof HTMLInputElement) return INPUT_ROLES[node.type] || "textbox";
  if (node instanceof HTMLSelectElement) return node.multiple || node.size > 1 ? "listbox" : "combobox";
  if (node instanceof SVGElement) return GRAPHICS.has(node.tagName) ? "graphic" : "";
  const tag = explicit === "" ? "" : tagRole(node, () => style.cursor === "pointer" || node.hasAttribute("onclick"));
  if (tag) return tag;
  if (node.isContentEditable && !(node.parentElement && node.parentElement.isContentEditable)) return "textbox";
  if (node.hasAttribute("onclick") || node.hasAttribute("tabindex") && node.tabIndex >= 0
      || style.cursor === "pointer" && (!parentPointer || node.tagName === "LI")) return "clickable";
  return plateOf(node, style, box);
};
// A tag's own role: none of a link that leads nowhere and answers no clicks, nor of a picture that is called decoration.
const tagRole = (node, clicks) => {
  const role = TAG_ROLES[node.tagName] || "";
  if (role === "link" && !node.hasAttribute("href") && !clicks()) return "";
  return role === "img" && node.getAttribute("alt") === "" ? "" : role;
};
// By tag and attributes alone: what a far part of a big page holds.
const roughRoleOf = (node) => {
  const explicit = node.hasAttributes() ? explicitRole(node) : null;
  if (explicit && !STRUCTURE.has(explicit)) return explicit;
  if (node instanceof HTMLInputElement) return node.type === "hidden" ? "" : INPUT_ROLES[node.type] || "textbox";
  if (node instanceof HTMLSelectElement) return node.multiple || node.size > 1 ? "listbox" : "combobox";
  const tag = explicit === "" ? "" : tagRole(node, () => false);
  if (tag) return tag;
  return node.hasAttributes() && (node.hasAttribute("onclick") || node.hasAttribute("tabindex") && node.tabIndex >= 0)
    ? "clickable" : "";
};
// Where things are: landmarks, lists, tables, groups; "" where the tree needs no line for it.
const placeOf = (node) => {
  const explicit = explicitRole(node);
  if (explicit !== null) return STRUCTURE.has(explicit) ? explicit : "";
  const tag = node.tagName;
  if (tag === "SECTION" || tag === "FORM") return labelOf(node) || node.title ? tag === "FORM" ? "form" : "region" : "";
  if (tag === "HEADER" || tag === "FOOTER")
    return node.closest("article,aside,main,nav,section") ? "" : tag === "HEADER" ? "banner" : "contentinfo";
  return tag === "TH" && node.scope === "row" ? "rowheader" : PLACES[tag] || "";
};

const statesOf = (node) => {
  const states = [], on = (name) => node.getAttribute(name) === "true";
  if (node.checked || on("aria-checked")) states.push("checked");
  if (node.matches(":disabled") || on("aria-disabled")) states.push("disabled");
  if (on("aria-expanded") || node.tagName === "SUMMARY" && node.parentElement.open) states.push("expanded");
  if (node === node.getRootNode().activeElement && node !== node.ownerDocument.body && (window === top || document.hasFocus()))
    states.push("focused");
  if (on("aria-pressed")) states.push("pressed");
  if (node.readOnly || on("aria-readonly")) states.push("readonly");
  if (node.selected || on("aria-selected")) states.push("selected");
  return states;
};
