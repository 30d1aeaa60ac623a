// The accessibility tree and the text of a page. Both are bounded; a line at the end says what was left out.
const MAX_READ_DEPTH = 1000;
const MAX_TREE = 40000, MAX_TEXT = 20000;  // characters

const quoted = (text) => JSON.stringify(text.replace(/\p{Cf}|[\u2028\u2029\u0085]/gu, " "));
const levelOf = (node) => node.getAttribute("aria-level") || (/^H[1-6]$/.test(node.tagName) ? node.tagName[1] : "");
// One node a line: role "name" [id] value states, two spaces deeper than what holds it. `order` has places and candidates as
// they come, each with what holds it (`under`); a place has a line where something that is told is in it.
const treeOf = (order) => {
  for (const each of order) if (each.told) for (let up = each.under; up && !up.used; up = up.under) up.used = true;
  const lines = [];
  let length = 0, left = 0;
  for (const each of order) {
    if (!each.told && !(each.used && each.place)) continue;
    let above = each.under;
    while (above && above.depth === undefined) above = above.under;
    each.depth = above ? above.depth + 1 : 0;
    const indent = "  ".repeat(Math.min(each.depth, 20));
    const line = indent + (each.told ? elementLine(each) : placeLine(each));
    if (left || (length += line.length + 1) > MAX_TREE - 40) left++; else lines.push(line);
  }
  if (left) lines.push(`(${left} more lines)`);
  return lines.join("\n");
};
const FRAME_LINE = "\x01";  // in no name, which are quoted: what a frame shows takes its place (see frames.py)
const elementLine = ({ node, inner, row: [id, role, name, value, states] }) => {
  if (inner) return FRAME_LINE + placeLine({ node, place: "iframe" });
  const level = role === "heading" || role === "treeitem" ? levelOf(node) : "";
  return `${role} ${quoted(name)} [${id}]` + (value ? ` value ${quoted(value)}` : "") + (level ? ` level ${level}` : "")
    + states.map((state) => ` ${state}`).join("");
};
const placeLine = ({ node, place }) => {
  const name = placeName(node, place);
  return place + (name ? ` ${quoted(name)}` : "");
};

// The text on the page in reading order, as innerText has it, without what is hidden from the agent and with what open
// shadow roots hold.
const textOfPage = (root, excluded, hosts) => {
  const special = new Set();
  for (const node of [...excluded, ...hosts])
    for (let up = node; up && !special.has(up); up = up.parentElement || up.getRootNode().host) special.add(up);
  const read = (node, depth = 0) => {
    if (depth > MAX_READ_DEPTH || excluded.has(node) || SKIPPED.has(node.tagName)) return "";
    if (!special.has(node) && !(node instanceof HTMLSlotElement)) return node.checkVisibility() || getComputedStyle(node).display === "contents" ? node.innerText || "" : "";
    if (getComputedStyle(node).display === "none") return "";
    const put = node instanceof HTMLSlotElement ? node.assignedNodes() : [];
    const parts = [...(put.length ? put : (node.shadowRoot || node).childNodes)].map((child) =>
      child.nodeType === Node.TEXT_NODE ? child.data.replace(/\s+/g, " ") : child.nodeType === Node.ELEMENT_NODE ? read(child, depth + 1) : "");
    return parts.filter((part) => part.trim()).join("\n");
  };
  const text = read(root).replace(/[ \t]+\n/g, "\n").replace(/\n{3,}/g, "\n\n").trim();
  if (text.length <= MAX_TEXT) return text;
  return text.slice(0, MAX_TEXT - 40) + `\n(${text.length - MAX_TEXT + 40} more characters)`;
};
