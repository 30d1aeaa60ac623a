"""A task of OSWorld's on the desktop world: set up by its steps, judged by its metrics.

Its seed changes nothing: OSWorld's tasks have one instance each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agentgym.episode import Score
from agentgym_desktop import profiles
from agentgym_desktop.osworld.evidence import fetch
from agentgym_desktop.osworld.judge import CannotJudgeError, Measured, measure
from agentgym_desktop.osworld.paths import FOLDERS
from agentgym_desktop.osworld.scripts import SCREEN
from agentgym_desktop.osworld.stage import BlockedError, Stage
from agentgym_desktop.osworld.support import apps_to_open
from agentgym_desktop.rootfs import HOME
from agentgym_desktop.task import DesktopTask, Setup

if TYPE_CHECKING:
    from random import Random

    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.osworld.downloads import Downloads
    from agentgym_desktop.osworld.schema import TaskFile
    from agentgym_desktop.task import Evidence

MAX_STEPS = 50
FAIL = "FAIL"
HINT = f'If it cannot be done, say done("{FAIL}").'
"""Follows every instruction: OSWorld's agents are told of it, too."""
_SETTINGS = ".config/libreoffice/4/user/registrymodifications.xcu"
_KEEP_FORMAT = (
    b'<item oor:path="/org.openoffice.Office.Common/Save/Document"><prop oor:name="WarnAlienFormat" oor:op="fuse">'
    b"<value>false</value></prop></item>\n"
)  # OSWorld's LibreOffice saves documents of Microsoft's formats without a question


class OSWorldTask(DesktopTask):
    """One task.

    Args:
        file: what its file says.
        downloads: the files that it needs.
        suite: which its id begins with.
    """

    viewport = SCREEN
    max_steps = MAX_STEPS

    def __init__(self, file: TaskFile, downloads: Downloads, *, suite: str = "osworld") -> None:
        self.id = f"{suite}/{file.id}"
        self.description = file.instruction
        self.file = file
        self._downloads = downloads

    def setup(self, rng: Random) -> Setup:
        """Return the instruction, and how the desktop is arranged."""
        return Setup(f"{self.file.instruction.strip()}\n{HINT}", arrange=partial(_arrange, self.file, self._downloads))

    def score(self, evidence: Evidence) -> Score | None:
        """Judge as OSWorld does: an impossible task by whether the agent said so, any other by what it has done."""
        gave_up = (evidence.answer or "").strip().upper() == FAIL
        evaluator = self.file.evaluator
        if evaluator.infeasible:
            return Score(float(gave_up), "it cannot be done" + ("" if gave_up else ", but the agent did not say so"))
        if gave_up:
            return Score(0.0, "the agent said that it cannot be done, but it can")
        stage = Stage(evidence.desktop, self._downloads, judging=True)
        try:
            for step in evaluator.postconfig:
                stage.perform(step)
            return self._judge(stage)
        except BlockedError as error:
            return Score(0.0, str(error))
        except CannotJudgeError as error:
            return Score(None, str(error))

    def _judge(self, stage: Stage) -> Score:
        """Return the mean of all checks where all must hold, or else the best."""
        evaluator = self.file.evaluator
        both = evaluator.conj == "and"
        found: list[Measured] = []
        for check in evaluator.checks:
            result, expected = fetch(check.result, stage), fetch(check.expected, stage)
            found.append(measure(check.func, result, expected, check.options))
            value = found[-1].value
            if (both and value == 0) or (not both and value == 1):
                return Score(value, found[-1].reason)
        reason = "; ".join(each.reason for each in found)[:600]
        values = [each.value for each in found]
        return Score(sum(values) / len(values) if both else max(values), reason)


def _arrange(file: TaskFile, downloads: Downloads, desktop: Desktop) -> None:
    """Bring a desktop to where the task starts."""
    settings = profiles.FILES[_SETTINGS].replace(b"</oor:items>", _KEEP_FORMAT + b"</oor:items>")
    desktop.put({_SETTINGS: settings})
    desktop.sandbox.run(["mkdir", "-p", *(f"{HOME}/{folder}" for folder in FOLDERS)])
    for start in apps_to_open(file):
        desktop.open(start)
    stage = Stage(desktop, downloads)
    for step in file.config:
        stage.perform(step)
