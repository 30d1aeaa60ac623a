// navigator.clipboard as pages know it. A headless browser refuses both ways; here a page may write after the user has
// done something in it, as in a browser with a window, and what it writes is kept by the session. Reading stays
// refused, as where a user has said no: pages read what is pasted.
"use strict";
(() => {
  if (typeof Clipboard === "undefined") return;  // not a secure context
  const KINDS = ["text/plain", "text/html"];
  const copy = (content) => {
    if (!navigator.userActivation.isActive)
      throw new DOMException("Failed to execute 'writeText' on 'Clipboard': Write permission denied.", "NotAllowedError");
    dispatchEvent(new CustomEvent("agentgym-copy", { detail: JSON.stringify(content) }));
  };
  const api = {
    async writeText(text) { copy({ "text/plain": String(text) }); },
    async write(items) {
      const content = {};
      for (const item of items) for (const kind of KINDS)
        if (item.types.includes(kind)) content[kind] = await (await item.getType(kind)).text();
      if (!Object.keys(content).length)
        throw new DOMException("Failed to execute 'write' on 'Clipboard': Type not supported.", "NotAllowedError");
      copy(content);
    },
  };
  Object.assign(Clipboard.prototype, api);
})();
