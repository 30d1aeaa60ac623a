"""The floor: the bare DevTools loop that does the same work, without worlds, types or error handling.

Two browsers with half of the pages each, frames by BeginFrameControl. A step sends each message to all pages at once:
find the element, click, wait for what it has set off, draw, read state and elements. Blocking
pipes, and nothing is checked: a page that fails ends the program.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
import miniwob
import numpy as np
from PIL import Image

import agentgym_browser

if TYPE_CHECKING:
    import argparse

FLAGS = (
    "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-background-networking", "--mute-audio",
    "--hide-scrollbars", "--disable-dev-shm-usage", "--disable-renderer-backgrounding",
    "--allow-file-access-from-files",
    "--disable-background-timer-throttling", "--disable-extensions", "--enable-begin-frame-control",
    "--run-all-compositor-stages-before-draw", "--no-sandbox", "--disable-threaded-animation",
    "--disable-checker-imaging", "--disable-features=DeferRendererTasksAfterInput,RasterInducingScroll",
)  # fmt: skip
OBSERVER = Path(agentgym_browser.__file__).with_name("observe.js").read_text()
START = """(() => {{ core.EPISODE_MAX_TIME = 2147483647; if (!core.cover_div) core.startEpisode(); core.endEpisode(0);
  Math.seedrandom({seed}); core.startEpisodeReal(); }})()"""
READY = "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))"
STATE = "[WOB_DONE_GLOBAL, WOB_RAW_REWARD_GLOBAL]"
OBSERVE = "agentgym.observe('#reward-display, #sync-task-cover, #click-canvas, #query')"


class Browser:
    """A browser and some of its pages."""

    def __init__(self, options: argparse.Namespace, tasks: list[str], folder: str) -> None:
        to_read, to_write, from_read, from_write = *os.pipe(), *os.pipe()
        shuffle = f'exec 3<&{to_read} 4>&{from_write}; exec "$@"'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shuffle, "floor", options.chromium, *FLAGS, f"--user-data-dir={folder}"],
            pass_fds=(to_read, from_write),
            stderr=subprocess.DEVNULL,
        )
        self._write, self._read = to_write, from_read
        self._buffer = b""
        self._next = 0
        self._contexts: dict[str, int] = {}
        self._screenshot = options.screenshot
        self._rng = random.Random(options.seed)  # noqa: S311 (clicks, not secrets)
        self.resets = 0
        self._pages = [self._open(task) for task in tasks]
        self._elements: dict[str, list[Any]] = {}
        self._restart(self._pages)
        self._observe(self._pages)

    def _call(self, messages: list[tuple[str, str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Send (session, method, params) at once and return the results in order."""
        first = self._next
        out = []
        for session, method, params in messages:
            message = {"id": self._next, "method": method, "params": params}
            out.append(json.dumps({**message, "sessionId": session} if session else message).encode() + b"\0")
            self._next += 1
        os.write(self._write, b"".join(out))
        results: dict[int, dict[str, Any]] = {}
        while len(results) < len(messages):
            chunk = os.read(self._read, 1 << 20)
            *whole, self._buffer = (self._buffer + chunk).split(b"\0")
            for each in whole:
                message = json.loads(each)
                if "id" in message:
                    if "error" in message:
                        raise RuntimeError(message)
                    results[message["id"]] = message["result"]
                elif message["params"].get("context", {}).get("name") == "floor":
                    self._contexts[message["sessionId"]] = message["params"]["context"]["id"]
        return [results[first + index] for index in range(len(messages))]

    def _open(self, task: str) -> str:
        context = self._call([("", "Target.createBrowserContext", {})])[0]["browserContextId"]
        options = {"url": "about:blank", "browserContextId": context, "enableBeginFrameControl": True}
        target = self._call([("", "Target.createTarget", {**options, "width": 160, "height": 210})])[0]["targetId"]
        page = self._call([("", "Target.attachToTarget", {"targetId": target, "flatten": True})])[0]["sessionId"]
        url = (Path(miniwob.__file__).parent / "html" / "miniwob" / f"{task}.html").as_uri()
        script = {"source": OBSERVER, "worldName": "floor", "runImmediately": True}
        self._call(
            [
                (page, "Page.enable", {}),
                (page, "Runtime.enable", {}),
                (page, "Page.addScriptToEvaluateOnNewDocument", script),
                (page, "Emulation.setFocusEmulationEnabled", {"enabled": True}),
            ]
        )
        self._call([(page, "Page.navigate", {"url": url})])  # which would swallow commands that are under way
        self._call([(page, "Runtime.evaluate", {"expression": READY, "awaitPromise": True})])
        return page

    def _evaluate(self, pages: list[str], scripts: list[str], *, own: bool) -> list[Any]:
        messages = [
            (
                page,
                "Runtime.evaluate",
                {"expression": script, "returnByValue": True, "awaitPromise": True}
                | ({} if own else {"contextId": self._contexts[page]}),
            )
            for page, script in zip(pages, scripts, strict=True)
        ]
        return [each["result"].get("value") for each in self._call(messages)]

    def _restart(self, pages: list[str]) -> None:
        self._evaluate(pages, [START.format(seed=self._rng.randrange(10**6)) for _ in pages], own=True)
        self._evaluate(pages, ["agentgym.reset()"] * len(pages), own=False)
        self.resets += len(pages)

    def _observe(self, pages: list[str]) -> list[str]:
        """Read pages; return those whose episode has ended."""
        expression = {"returnByValue": True, "awaitPromise": True}
        self._evaluate(pages, ["agentgym.settle()"] * len(pages), own=False)
        self._draw(pages)
        messages = []
        for page in pages:
            seen = {**expression, "expression": OBSERVE, "contextId": self._contexts[page]}
            messages += [
                (page, "Runtime.evaluate", seen),
                (page, "Runtime.evaluate", {**expression, "expression": STATE}),
            ]
        answers = [each["result"]["value"] for each in self._call(messages)]
        self._elements |= {page: seen["elements"] for page, seen in zip(pages, answers[::2], strict=True)}
        return [page for page, (done, _) in zip(pages, answers[1::2], strict=True) if done]

    def _draw(self, pages: list[str]) -> None:
        """Draw a frame of each page, one after the other: a browser draws one at a time."""
        picture = {"screenshot": {"format": "png", "optimizeForSpeed": True}}
        for page in pages:
            options = picture if self._screenshot else {"noDisplayUpdates": True}
            answer = self._call([(page, "HeadlessExperimental.beginFrame", options)])
            if self._screenshot:
                with Image.open(io.BytesIO(base64.b64decode(answer[0]["screenshotData"]))) as image:
                    np.asarray(image.convert("RGB"))

    def step(self) -> None:
        """Click on a random element of each page, start again what has ended, observe."""
        pages = [page for page in self._pages if self._elements[page]]
        chosen = [self._rng.choice(self._elements[page])[0] for page in pages]
        found = self._evaluate(pages, [f"agentgym.locate({each})" for each in chosen], own=False)
        mouse, messages = "Input.dispatchMouseEvent", []
        for page, place in zip(pages, found, strict=True):
            if "x" in place:
                at = {"x": place["x"], "y": place["y"]}
                press = {**at, "button": "left", "clickCount": 1}
                messages += [
                    (page, mouse, {"type": "mouseMoved", **at}),
                    (page, mouse, {"type": "mousePressed", "buttons": 1, **press}),
                    (page, mouse, {"type": "mouseReleased", **press}),
                ]
        self._call(messages)
        ended = self._observe(self._pages)
        if ended:
            self._restart(ended)
            self._observe(ended)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class Floor:
    """Two browsers in turn: this counts CPU time, not what two cores could do."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.envs = options.envs
        tasks = [measure.TASKS[index % len(measure.TASKS)] for index in range(options.envs)]
        self._folders = [tempfile.TemporaryDirectory(ignore_cleanup_errors=True) for _ in range(2)]
        halves = (tasks[: options.envs // 2], tasks[options.envs // 2 :])
        self._browsers = [
            Browser(options, half, folder.name) for half, folder in zip(halves, self._folders, strict=True) if half
        ]

    @property
    def resets(self) -> int:
        """Episodes that have begun."""
        return sum(each.resets for each in self._browsers)

    def step(self) -> None:
        """Step all pages."""
        for each in self._browsers:
            each.step()

    def close(self) -> None:
        """End the browsers."""
        for each in self._browsers:
            each.close()
        for folder in self._folders:
            folder.cleanup()


if __name__ == "__main__":
    measure.quiet()
    measure.compete(Floor)
