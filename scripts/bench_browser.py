"""Measure the browser world against BrowserGym, MiniWoB++ and the bare protocol, in one run.

    python scripts/bench_browser.py --json result.json
    python scripts/bench_browser.py --quick

Every contestant plays the same three MiniWoB++ tasks on the same browser binary with trusted clicks on random controls,
an observation a step, and a new episode where one has ended, with all cores to itself. A step is an action: what a new
episode takes counts as time, not as a step. Rounds take turns, so that a slow moment of the machine hits all. Rates are
medians of the rounds; CPU and memory are those of whole process trees. BrowserGym and MiniWoB++ go into an environment
of their own, made on the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentgym.versions import versions
from agentgym_browser.chromium import browser_version, find_chromium

LOOPS = Path(__file__).parent / "browser_loops"
PEERS = ("browsergym-miniwob==0.14.3", "miniwob==1.1.0", "psutil==7.2.2")
OUR_ENVS = 18
PEER_PROCESSES = 6  # three a core: one waits for its browser while another works
FEW_ENVS = 9  # what a further environment costs is measured between these and OUR_ENVS, which need as many browsers
START_TIMEOUT_S = 180


@dataclass(frozen=True)
class Contestant:
    """One way to step the tasks."""

    name: str
    loop: str
    python: str
    processes: int = 1
    envs: int = 1
    """A process."""
    flags: tuple[str, ...] = ()


@dataclass
class Rounds:
    """What a contestant's rounds gave."""

    steps_per_s: list[float] = field(default_factory=list)
    resets_per_s: list[float] = field(default_factory=list)
    cpu_ms_per_step: list[float] = field(default_factory=list)
    pss_mb: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    def add(self, parts: list[dict[str, Any]], pss_mb: float) -> None:
        """Add a round, given the parts of its processes."""
        steps = sum(part["steps"] for part in parts)
        self.steps_per_s.append(sum(part["steps"] / part["seconds"] for part in parts))
        self.resets_per_s.append(sum(part["resets"] / part["seconds"] for part in parts))
        self.cpu_ms_per_step.append(1000 * sum(part["cpu_s"] for part in parts) / steps)
        self.pss_mb.append(pss_mb)
        self.latencies_ms += [each for part in parts for each in part["latencies_ms"]]

    def summary(self) -> dict[str, float]:
        """Return medians, and percentiles of a step of all environments of a process."""
        ordered = sorted(self.latencies_ms)
        return {
            "steps_per_s": round(statistics.median(self.steps_per_s), 2),
            "resets_per_s": round(statistics.median(self.resets_per_s), 2),
            "cpu_ms_per_step": round(statistics.median(self.cpu_ms_per_step), 3),
            "pss_mb": round(statistics.median(self.pss_mb), 1),
            "step_ms_p50": round(ordered[len(ordered) // 2], 2),
            "step_ms_p99": round(ordered[int(len(ordered) * 0.99)], 2),
        }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the result")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of stepping a round and contestant")
    parser.add_argument("--only", default="", help="contestants whose name begins so, separated by commas")
    parser.add_argument("--peers", type=Path, default=Path(".bench"), help="folder for the peers' environment")
    return parser.parse_args()


def peer_python(folder: Path) -> str:
    """Make the peers' environment where it is missing; return its interpreter."""
    python = folder / "peers" / "bin" / "python"
    done = folder / "peers" / "installed.txt"
    if not done.is_file() or done.read_text().split() != list(PEERS):
        print(f"installing {', '.join(PEERS)} into {folder / 'peers'} ...", file=sys.stderr)
        venv.create(folder / "peers", with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        done.write_text("\n".join(PEERS))
    return str(python.absolute())


def link_browser(python: str, chromium: Path, folder: Path) -> None:
    """Put the browser where the peers' Playwright looks for one: BrowserGym's chat window cannot be told another."""
    script = "import playwright; print(playwright.__path__[0])"
    package = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    listing = json.loads((Path(package) / "driver" / "package" / "browsers.json").read_text())
    revisions = {each["name"]: each["revision"] for each in listing["browsers"]}
    for name, revision in revisions.items():
        if name in {"chromium", "chromium-headless-shell"}:
            shell = "headless_shell" if "shell" in name else "chrome"
            place = folder / "browsers" / f"{name.replace('-', '_')}-{revision}" / "chrome-linux" / shell
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(chromium)


def contestants(peers: str) -> list[Contestant]:
    """Return who takes part."""
    ours = sys.executable
    screenshot = ("--screenshot",)
    return [
        Contestant("agentgym.text", "agentgym_loop", ours, envs=OUR_ENVS),
        Contestant("agentgym.screenshot", "agentgym_loop", ours, envs=OUR_ENVS, flags=screenshot),
        Contestant("floor.text", "floor_loop", ours, envs=OUR_ENVS),
        Contestant("floor.screenshot", "floor_loop", ours, envs=OUR_ENVS, flags=screenshot),
        Contestant("browsergym.shipped", "browsergym_loop", peers, PEER_PROCESSES),
        Contestant("browsergym.no_delays", "browsergym_loop", peers, PEER_PROCESSES, flags=("--no-delays",)),
        Contestant("miniwob.text", "miniwob_loop", peers, PEER_PROCESSES),
        Contestant("miniwob.screenshot", "miniwob_loop", peers, PEER_PROCESSES, flags=screenshot),
        Contestant("agentgym.few", "agentgym_loop", ours, envs=FEW_ENVS),
    ]


def play(contestant: Contestant, seconds: float, chromium: Path, folder: Path) -> tuple[list[dict[str, Any]], float]:
    """Run one round; return what each process says, and their memory together in MB."""
    command = [contestant.python, str(LOOPS / f"{contestant.loop}.py"), "--chromium", str(chromium)]
    command += ["--chromedriver", shutil.which("chromedriver") or "", "--envs", str(contestant.envs)]
    command += ["--seconds", str(seconds), *contestant.flags]
    environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str((folder / "browsers").absolute())}
    running = [
        subprocess.Popen(
            [*command, "--seed", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(contestant.processes)
    ]
    try:
        memory = sum(_read(process, contestant)["pss_mb"] for process in running)
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [_read(process, contestant) for process in running], memory
    finally:
        for process in running:
            process.communicate(timeout=START_TIMEOUT_S)


def _read(process: subprocess.Popen[str], contestant: Contestant) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{contestant.name} ended early with {process.wait()}; its messages are above.")
    answer: dict[str, Any] = json.loads(line)
    return answer


def ratios(results: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return what was to be reached: rates over peers, CPU over the floor, memory of a further environment."""
    rate = {name: result["steps_per_s"] for name, result in results.items()}
    cpu = {name: result["cpu_ms_per_step"] for name, result in results.items()}
    found = {}
    for kind in ("text", "screenshot"):
        ours = f"agentgym.{kind}"
        for peer, name in ((f"browsergym.{kind}", "browsergym.no_delays"), (f"miniwob.{kind}", f"miniwob.{kind}")):
            if ours in rate and name in rate:
                found[f"ratio.{peer}"] = round(rate[ours] / rate[name], 2)
        if ours in cpu and f"floor.{kind}" in cpu:
            found["floor_ratio" if kind == "text" else "floor_ratio.screenshot"] = round(
                cpu[ours] / cpu[f"floor.{kind}"], 3
            )
    if {"agentgym.few", "agentgym.text"} <= results.keys():
        more = results["agentgym.text"]["pss_mb"] - results["agentgym.few"]["pss_mb"]
        found["pss_mb_per_env"] = round(more / (OUR_ENVS - FEW_ENVS), 2)
    return found


def main() -> None:
    """Run the rounds and print the result."""
    options = arguments()
    rounds, seconds = (1, 4.0) if options.quick else (options.rounds, options.seconds)
    chromium = find_chromium()
    python = peer_python(options.peers)
    link_browser(python, chromium, options.peers)
    chosen = [each for each in contestants(python) if each.name.startswith(tuple(options.only.split(",")))]
    if any(each.loop == "miniwob_loop" for each in chosen) and shutil.which("chromedriver") is None:
        raise SystemExit("MiniWoB++ needs a chromedriver: `sudo apt-get install chromium-driver` (Debian).")
    gathered = {each.name: Rounds() for each in chosen}
    for number in range(rounds):
        for each in chosen:
            gathered[each.name].add(*play(each, seconds, chromium, options.peers))
            newest = gathered[each.name]
            print(
                f"round {number + 1}/{rounds}  {each.name:22s} {newest.steps_per_s[-1]:8.1f} steps/s"
                f"  {newest.cpu_ms_per_step[-1]:7.2f} CPU-ms a step",
                file=sys.stderr,
            )
    results = {name: each.summary() for name, each in gathered.items()}
    document = {
        **ratios(results),
        "results": results,
        "settings": {"rounds": rounds, "seconds": seconds, "envs": OUR_ENVS, "peer_processes": PEER_PROCESSES},
        "machine": {"cores": len(os.sched_getaffinity(0)), "browser": browser_version(chromium)},
        "versions": versions(),
    }
    text = json.dumps(document, indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
