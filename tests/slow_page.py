"""Browser tasks whose page is busy for as long as a test wants."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from agentgym_browser.network import Site
from tests.browser_page import PageTask

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym_browser import Setup
    from agentgym_browser.network import Answer

CALM = PageTask("<button>ok</button>")
HANGING = PageTask('<button onclick="for (;;) {}">hang</button>')
BUSY_UNTIL_TOLD = """<button>go</button><script>
function told() {
  const request = new XMLHttpRequest();
  for (let n = 0; n < 1e7; n++);
  request.open("GET", "told", false);
  request.send();
  return request.status === 200;
}
TARGET.onEVENT = () => { while (!told()); done = 1; };
</script>"""


class SlowPage(PageTask):
    """Busy from an event on until it is told, so that tests know which page is done first."""

    def __init__(self, folder: Path, event: str = "click") -> None:
        target = "document" if event == "keydown" else 'document.querySelector("button")'
        super().__init__(BUSY_UNTIL_TOLD.replace("TARGET", target).replace("EVENT", event), state="window.done")
        self.folder = folder
        self.busy = Event()

    def site(self, setup: Setup) -> Site:
        return AskedSite(self)

    def finish(self) -> None:
        (self.folder / "told").touch()


class AskedSite(Site):
    """Notes when its page has become busy."""

    def __init__(self, task: SlowPage) -> None:
        super().__init__(root=task.folder, html=task.html)
        self.task = task

    def read(self, url: str) -> Answer | None:
        if url.endswith("told"):
            self.task.busy.set()
        return super().read(url)
