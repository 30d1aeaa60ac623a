"""The floor: the bare DevTools loop that does the same work, without worlds, types or error handling.

Two browsers with half of the pages each, frames by BeginFrameControl, virtual time. A step sends each message to all
pages at once: click, let time pass, read state and elements, draw where a screenshot is wanted. Blocking pipes, and
nothing is checked: a page that fails ends the program.
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

from agentgym.look import PLAIN
from agentgym_browser.scripts import OBSERVER, observe

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
PACE_MS = 510
START = """(() => {{ core.EPISODE_MAX_TIME = 2147483647; if (!core.cover_div) core.startEpisode(); core.endEpisode(0);
  Math.seedrandom({seed}); core.startEpisodeReal(); }})()"""
READY = "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))"
STATE = "[WOB_DONE_GLOBAL, WOB_RAW_REWARD_GLOBAL]"
CONTROLS = frozenset({"button", "textbox", "checkbox"})
INSTRUCTION = "core.getUtterance()"
OBSERVE = observe("#reward-display, #sync-task-cover, #click-canvas, #query", PLAIN, first=1)


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
        self._passed: set[str] = set()
        self._screenshot = options.screenshot
        self._rng = random.Random(options.seed)  # noqa: S311 (clicks, not secrets)
        self.resets = self.steps = 0
        self._pages = [self._open(task) for task in tasks]
        self._elements: dict[str, list[Any]] = {}
        self._restart(self._pages)

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
                if "id" not in message:
                    self._on_event(message)
                elif "error" in message:
                    raise RuntimeError(message)
                else:
                    results[message["id"]] = message["result"]
        return [results[first + index] for index in range(len(messages))]

    def _on_event(self, message: dict[str, Any]) -> None:
        if message["method"] == "Emulation.virtualTimeBudgetExpired":
            self._passed.add(message["sessionId"])
        elif message["params"].get("context", {}).get("name") == "floor":
            self._contexts[message["sessionId"]] = message["params"]["context"]["id"]

    def _pass_time(self, pages: list[str]) -> None:
        policy = {"policy": "pauseIfNetworkFetchesPending", "budget": PACE_MS}
        self._passed.clear()
        self._call([(page, "Emulation.setVirtualTimePolicy", policy) for page in pages])
        while not self._passed.issuperset(pages):
            *whole, self._buffer = (self._buffer + os.read(self._read, 1 << 20)).split(b"\0")
            for each in whole:
                self._on_event(json.loads(each))

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
        self._call([(page, "Emulation.setVirtualTimePolicy", {"policy": "pause"})])
        return page

    def _restart(self, pages: list[str]) -> None:
        starts = {page: START.format(seed=self._rng.randrange(10**6)) for page in pages}
        self._call([(page, "Runtime.evaluate", {"expression": start}) for page, start in starts.items()])
        self._observe(pages, f"agentgym.reset(), {OBSERVE}", INSTRUCTION)
        self.resets += len(pages)

    def _observe(self, pages: list[str], observe: str, value: str) -> list[Any]:
        """Read pages; return the value of an expression in each."""
        self._pass_time(pages)
        expression = {"returnByValue": True, "awaitPromise": True}
        messages = []
        for page in pages:
            seen = {**expression, "expression": observe, "contextId": self._contexts[page]}
            read = {**expression, "expression": value}
            messages += [(page, "Runtime.evaluate", seen), (page, "Runtime.evaluate", read)]
        answers = [each["result"]["value"] for each in self._call(messages)]
        self._elements |= {page: seen["elements"] for page, seen in zip(pages, answers[::2], strict=True)}
        if self._screenshot:
            self._draw(pages)
        return answers[1::2]

    def _draw(self, pages: list[str]) -> None:
        """Draw a frame of each page, one after the other: a browser draws one at a time."""
        picture = {"screenshot": {"format": "png", "optimizeForSpeed": True}}
        for page in pages:
            answer = self._call([(page, "HeadlessExperimental.beginFrame", picture)])[0]
            with Image.open(io.BytesIO(base64.b64decode(answer["screenshotData"]))) as image:
                np.asarray(image.convert("RGB"))

    def step(self) -> None:
        """Click on a random control of each page, observe, start again what has ended."""
        mouse, messages = "Input.dispatchMouseEvent", []
        for page in self._pages:
            points = [row[6] for row in self._elements[page] if row[6] and row[1] in CONTROLS]
            if points:
                x, y = self._rng.choice(points)
                press = {"x": x, "y": y, "button": "left", "clickCount": 1}
                messages += [
                    (page, mouse, {"type": "mouseMoved", "x": x, "y": y}),
                    (page, mouse, {"type": "mousePressed", "buttons": 1, **press}),
                    (page, mouse, {"type": "mouseReleased", **press}),
                ]
        self._call(messages)
        self.steps += len(self._pages)
        states = self._observe(self._pages, OBSERVE, STATE)
        ended = [page for page, (done, _) in zip(self._pages, states, strict=True) if done]
        if ended:
            self._restart(ended)

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

    @property
    def steps(self) -> int:
        """Actions that have been carried out."""
        return sum(each.steps for each in self._browsers)

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
