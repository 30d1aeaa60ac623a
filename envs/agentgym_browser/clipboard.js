// The gate between a page and the browser's clipboard, which all sessions of a browser share. Runs in the observer's
// isolated world of every frame, before any script of the page. What is copied is told to the session, which keeps it.
// What the browser would paste never reaches the page: a paste key pastes what the session has kept, by events of ours
// (which are not trusted), since whatever is read from the shared clipboard another session may have put there.
"use strict";
(() => {
  const MAX_LENGTH = 1_000_000;  // characters of one kind
  const KINDS = ["text/plain", "text/html"];
  const tell = globalThis.agentgymClipboard;  // the binding; pages have none
  let kept = {}, pasting = null;  // what is being pasted, while a paste key is down

  const report = (content) => tell(JSON.stringify(Object.fromEntries(
    KINDS.flatMap((kind) => content(kind) ? [[kind, String(content(kind)).slice(0, MAX_LENGTH)]] : []))));
  const first = (kind, handle) => addEventListener(kind, handle, { capture: true });
  const inert = () => document.implementation.createHTMLDocument("").createElement("div");  // where nothing runs

  const selected = () => {
    const field = document.activeElement;
    if (field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement && field.selectionStart !== null) {
      const text = field.value.slice(field.selectionStart, field.selectionEnd);
      return field.type === "password" || !text ? null : { "text/plain": text };
    }
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const box = inert();
    for (let n = 0; n < selection.rangeCount; n++) box.append(selection.getRangeAt(n).cloneContents());
    return { "text/plain": selection.toString(), "text/html": box.innerHTML };
  };
  // The page may put something else there: what it has put is looked at after its own handlers, wherever they are.
  const copied = (event) => {
    if (!event.isTrusted) return;
    const selection = selected(), over = new AbortController();
    if (selection) report((kind) => selection[kind]);
    const look = () => { if (event.defaultPrevented) report((kind) => event.clipboardData.getData(kind)); };
    for (const place of event.composedPath()) place.addEventListener(event.type, look, { signal: over.signal });
    setTimeout(() => over.abort());
  };
  first("copy", copied);
  first("cut", copied);
  // What clipboard_api.js passes on: as in a browser with a window, a page may copy after the user has done something.
  first("agentgym-copy", (event) => {
    event.stopImmediatePropagation();
    if (!navigator.userActivation.isActive || typeof event.detail !== "string") return;
    const content = JSON.parse(event.detail);
    report((kind) => content[kind]);
  });

  first("keydown", (event) => {
    if (!event.isTrusted) return;
    const v = event.ctrlKey && event.code === "KeyV", insert = event.shiftKey && event.code === "Insert";
    pasting = v && event.shiftKey ? { "text/plain": kept["text/plain"] } : v || insert ? kept : null;
  });
  first("keyup", () => { pasting = null; });
  first("paste", (event) => {
    if (!event.isTrusted) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    const what = pasting;
    if (!what) return;  // the middle button, which pastes whatever is selected in any session
    const transfer = new DataTransfer(), text = what["text/plain"] || "";
    for (const kind of KINDS) if (what[kind]) transfer.setData(kind, what[kind]);
    const how = { bubbles: true, cancelable: true, composed: true };
    if (!event.target.dispatchEvent(new ClipboardEvent("paste", { ...how, clipboardData: transfer }))) return;
    const place = event.target.isContentEditable ? { dataTransfer: transfer } : { data: text };
    const input = new InputEvent("beforeinput", { ...how, ...place, inputType: "insertFromPaste" });
    if (!text || !event.target.dispatchEvent(input)) return;
    const box = inert();
    if (event.target.isContentEditable) box.setHTML(what["text/html"] || "");  // without scripts, as a browser pastes
    if (!box.innerHTML || !document.execCommand("insertHTML", false, box.innerHTML))
      document.execCommand("insertText", false, text);
  });
  globalThis.agentgymKeep = (content) => { kept = content; };
})();
