// Frames in a document: where the documents in them are. They are named from outside, by the ids that the browser gives them.
const isFrame = (node) => node instanceof HTMLIFrameElement || node instanceof HTMLFrameElement;
const frameNames = new WeakMap(), framesByName = new Map();
const nameFrame = (node, name) => { frameNames.set(node, name); framesByName.set(name, new WeakRef(node)); };
const nameOfFrame = (node) => frameNames.get(node) || "";
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
