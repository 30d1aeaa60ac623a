"""Tasks in the terminal, xterm with a shell: from a tree of folders to a program that does a job.

The terminal tells no elements: what is in it is seen on the screenshot. What counts are files, their modes, and what a
program does.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import tarfile
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from agentgym.action import Done, Type
from agentgym_desktop.apps import TERMINAL
from agentgym_desktop.suite import words
from agentgym_desktop.suite.hands import said, until
from agentgym_desktop.suite.judging import Part, harm_done, judge, lines_of, text_of
from agentgym_desktop.task import HOME, DesktopTask, Setup
from agentgym_rewards import text_matches

if TYPE_CHECKING:
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.suite.hands import Hands
    from agentgym_desktop.task import Evidence

MAX_ARCHIVE = 2_000_000  # bytes of an archive, unpacked, that are looked at
MAX_MEMBERS = 200
RUN_S = 3.0  # for a program that is judged


class TerminalTask(DesktopTask):
    """A task in which a terminal is open."""

    apps = (TERMINAL,)


class MakeTree(TerminalTask):
    """Make a small tree of folders with an empty file in the deepest one."""

    id = "desktop/terminal-make-tree"
    description = __doc__ or ""
    max_steps = 8

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        top, left, right = rng.sample(words.TOPICS, 3)
        year = rng.randint(2001, 2039)
        instruction = (
            f"Make a folder {top} in the home folder, in it the folders {left} and {right}, and in {right} a folder "
            f"{year} with an empty file of the name todo.txt."
        )
        goal = {"folders": [top, f"{top}/{left}", f"{top}/{right}", f"{top}/{right}/{year}"]}
        return Setup(instruction, goal=goal)

    def score(self, evidence: Evidence) -> Score:
        """Judge folder by folder."""
        folders = evidence.goal["folders"]
        file = f"{folders[-1]}/todo.txt"
        parts = [Part(f"{folder} is a folder", evidence.list(folder) is not None) for folder in folders]
        parts.append(Part(f"{file} is an empty file", evidence.read(file) == b""))
        return judge(parts, harm_done(evidence, {}, may=[*folders, file]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        pattern = r"folder (\w+) in the home .* folders (\w+) and (\w+), .* folder (\d+) with"
        top, left, right, year = said(observation, pattern)
        yield from run(
            observation, f"mkdir -p {top}/{left} {top}/{right}/{year} && touch {top}/{right}/{year}/todo.txt"
        )
        yield Done()


class CountErrors(TerminalTask):
    """Count in many log files the lines of one kind, and write the number into a file."""

    id = "desktop/terminal-count-errors"
    description = __doc__ or ""
    max_steps = 10

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        services = rng.sample(words.THINGS, 6)
        asked, name = rng.choice(services), f"{rng.choice(words.TOPICS)}-{rng.randint(10, 99)}.txt"
        files, count = {}, 0
        for day in range(1, 13):
            lines = []
            for _ in range(rng.randint(15, 40)):
                level, service = rng.choice(("INFO", "WARNING", "ERROR")), rng.choice(services)
                count += level == "ERROR" and service == asked
                note = rng.choice(("done", f"retry after ERROR in {asked}"))
                lines.append(f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02} {level} {service}: {note}")
            files[f"logs/day{day:02}.log"] = "".join(f"{line}\n" for line in lines).encode()
        instruction = (
            f"How many lines of level ERROR from the service {asked} are there in all the files of the folder logs "
            f"together? A line has time, level, service and note. Write only the number into {name} in the home folder."
        )
        return Setup(instruction, goal={"name": name, "count": str(count), "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge the number in the file."""
        name = evidence.goal["name"]
        found = text_of(evidence.read(name))
        right = text_matches(found, evidence.goal["count"]).value == 1
        parts = [
            Part(f"{name} holds a number", found is not None and found.strip().isdigit(), 0.1),
            Part(f"it is {evidence.goal['count']}", right, 0.9),
        ]
        return judge(parts, harm_done(evidence, evidence.goal["files"], may=[name]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        service, name = said(observation, r"service (\w+) are .* into (\S+) in")
        yield from run(observation, f"cat logs/*.log | grep -c '^..:.. ERROR {service}:' > {name}")
        yield Done()


class ReplaceInFiles(TerminalTask):
    """Change a name in all files of a tree that have it, and in no others."""

    id = "desktop/terminal-replace-in-files"
    description = __doc__ or ""
    max_steps = 10

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        old, new, other = rng.sample(words.LAST_NAMES, 3)
        kinds = [(old, "txt")] * 5 + [(old, "csv")] * 3 + [(other, "txt")] * 5 + [(other, "csv")] * 3
        rng.shuffle(kinds)
        folders = rng.sample(words.TOPICS, 4)
        files, wanted = {}, {}
        for at, (thing, (name, ending)) in enumerate(zip(rng.sample(words.THINGS, 16), kinds, strict=True)):
            path = f"contacts/{folders[at % 4]}/{thing}.{ending}"
            files[path] = f"Ask {name} about it.\n{rng.choice(words.SENTENCES)}.\nThanks to {name}!\n".encode()
            wanted[path] = files[path].replace(old.encode(), new.encode()) if ending == "txt" else files[path]
        instruction = (
            f"{old} is called {new} now. Change that in all .txt files below the folder contacts; the .csv files must "
            "stay as they are."
        )
        return Setup(instruction, goal={"wanted": wanted, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge file by file."""
        files, wanted = evidence.goal["files"], evidence.goal["wanted"]
        changed = [path for path in files if wanted[path] != files[path]]
        parts = [Part(f"{path} has the new name", evidence.read(path) == wanted[path]) for path in changed]
        return judge(parts, harm_done(evidence, files, may=changed))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        old, new = said(observation, r"^(\w+) is called (\w+) now")
        yield from run(observation, f"find contacts -name '*.txt' -exec sed -i 's/{old}/{new}/g' {{}} +")
        yield Done()


class Archive(TerminalTask):
    """Pack a folder into a compressed archive, without the files of one kind."""

    id = "desktop/terminal-archive"
    description = __doc__ or ""
    max_steps = 10

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        folder, year = rng.choice(words.TOPICS), rng.randint(2001, 2039)
        things = rng.sample(words.THINGS, 9)
        files = {}
        for at, thing in enumerate(things):
            path = f"{folder}/{'old/' if at % 3 == 0 else ''}{thing}.{'tmp' if at % 4 == 1 else 'txt'}"
            files[path] = f"{thing} {rng.randint(1000, 9999)}\n".encode() * rng.randint(1, 50)
        name = f"{folder}-{year}.tar.gz"
        instruction = (
            f"Pack the folder {folder} with all that is in it, except for the .tmp files, into the archive {name} in "
            "the home folder. The folder itself stays as it is."
        )
        return Setup(instruction, goal={"name": name, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge what is in the archive."""
        name, files = evidence.goal["name"], evidence.goal["files"]
        packed = unpacked(evidence.read(name))
        wanted = {path: content for path, content in files.items() if not path.endswith(".tmp")}
        right = [path for path, content in wanted.items() if packed.get(path) == content]
        parts = [
            Part(f"{name} is an archive", bool(packed), 0.1),
            Part("it has some of the files", bool(right), 0.2),
            Part("it has all of the files", len(right) == len(wanted), 0.4),
            Part("it has nothing else", bool(right) and packed.keys() <= wanted.keys(), 0.3),
        ]
        return judge(parts, harm_done(evidence, files, may=[name]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        folder, name = said(observation, r"folder (\w+) with .* archive (\S+) in")
        yield from run(observation, f"tar --exclude='*.tmp' -czf {name} {folder}")
        yield Done()


class Permissions(TerminalTask):
    """Let nobody else read the secret files of a folder, and make its script executable."""

    id = "desktop/terminal-permissions"
    description = __doc__ or ""
    max_steps = 10

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        folder = rng.choice(words.TOPICS)
        things = rng.sample(words.THINGS, 6)
        secret = [f"{thing}.key" for thing in things[:2]]
        script, others = f"{things[2]}.sh", [f"{thing}.txt" for thing in things[3:]]
        files = {f"{folder}/{name}": f"{name} {rng.randint(1000, 9999)}\n".encode() for name in [*secret, *others]}
        files[f"{folder}/{script}"] = b"#!/bin/sh\necho done\n"
        instruction = (
            f"In the folder {folder}, nobody but me may read or write the .key files, and I want to be able to execute "
            f"the script {script}. Leave all other permissions as they are."
        )
        goal = {"folder": folder, "secret": secret, "script": script, "others": others, "files": files}
        return Setup(instruction, goal=goal, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge mode by mode."""
        goal = evidence.goal
        folder, script = goal["folder"], goal["script"]
        modes = {name: mode_of(evidence, f"{folder}/{name}") for name in [*goal["secret"], script, *goal["others"]]}
        parts = [Part(f"{name} is the owner's alone", modes[name] in {0o600, 0o400}) for name in goal["secret"]]
        mode = modes[script]
        parts.append(Part(f"{script} can be executed by its owner", mode is not None and mode & 0o500 == 0o500))
        loose = [f"{name} has other permissions" for name in goal["others"] if modes[name] != 0o644]
        loose += [f"everybody may write {script}"] if mode is not None and mode & 0o022 else []
        return judge(parts, [*loose, *harm_done(evidence, goal["files"])])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        folder, script = said(observation, r"In the folder (\w+), .* script (\S+)\. ")
        yield from run(observation, f"chmod 600 {folder}/*.key && chmod u+x {folder}/{script}")
        yield Done()


class SumByCity(TerminalTask):
    """Add up the amounts in a long table for each city, and write the sums into a file, the largest first."""

    id = "desktop/terminal-sum-by-city"
    description = __doc__ or ""
    max_steps = 12

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        cities = rng.sample(words.CITIES, 5)
        sums: Counter[str] = Counter()
        while len(set(sums.values())) < len(cities):  # no two are equal, or their order would be open
            sums = Counter(dict.fromkeys(cities, 0))
            rows = [(words.full_name(rng), rng.choice(cities), rng.randint(5, 900)) for _ in range(300)]
            for _, city, amount in rows:
                sums[city] += amount
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([("customer", "city", "amount"), *rows])
        name = f"{rng.choice(words.TOPICS)}-{rng.randint(2001, 2039)}.csv"
        files = {name: table.getvalue().encode()}
        instruction = (
            f"The table {name} in the home folder has the columns customer, city and amount. Write the sum of the "
            'amounts of each city into cities.txt, one line a city such as "Bonn 1234", the largest sum first.'
        )
        goal = {"lines": [f"{city} {total}" for city, total in sums.most_common()], "files": files}
        return Setup(instruction, goal=goal, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge line by line, and the order."""
        wanted = evidence.goal["lines"]
        found = [" ".join(line.split()) for line in lines_of(evidence.read("cities.txt"))]
        parts = [Part(f"there is a line {line!r}", found.count(line) == 1) for line in wanted]
        parts.append(Part("these lines are all, in the right order", found == wanted))
        return judge(parts, harm_done(evidence, evidence.goal["files"], may=["cities.txt"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"table (\S+) in")
        program = "awk -F, 'NR>1 {s[$2]+=$3} END {for (c in s) print c, s[c]}'"
        yield from run(observation, f"{program} {name} | sort -k2,2nr > cities.txt")
        yield Done()


class WriteScript(TerminalTask):
    """Write an executable program that does a small job on any input."""

    id = "desktop/terminal-write-script"
    description = __doc__ or ""
    max_steps = 16

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        name, least = f"{rng.choice(words.THINGS)}-{rng.choice(words.TOPICS)}", rng.randint(20, 80)
        inputs = [[rng.randint(-50, 150) for _ in range(rng.randint(4, 12))] + [rng.randint(90, 150)] for _ in range(4)]
        tests = [("".join(f"{number}\n" for number in each), sum(n for n in each if n >= least)) for each in inputs]
        tests.append(("", 0))
        instruction = (
            f"Write a program {name} in the folder bin of the home folder, which I can execute. It is to read whole "
            f"numbers from its standard input, one a line, and print the sum of those that are at least {least}; "
            "that is 0 where there are none."
        )
        return Setup(instruction, goal={"path": f"bin/{name}", "tests": tests})

    def score(self, evidence: Evidence) -> Score:
        """Judge it by what it prints for input that it has not seen."""
        path = evidence.goal["path"]
        mode = mode_of(evidence, path)
        runs = mode is not None and mode & 0o100 > 0
        passed = []
        for given, wanted in evidence.goal["tests"] if runs else ():
            passed.append(self._prints(evidence, path, given) == str(wanted))
            if not any(passed) and len(passed) > 1:  # it may be slow, too
                break
        all_right = all(passed) and len(passed) == len(evidence.goal["tests"])
        parts = [
            Part(f"{path} can be executed", runs, 0.1),
            Part("it prints the right sum for some input", any(passed[:-1]), 0.3),
            Part("it prints the right sum for all input", all_right, 0.6),
        ]
        return judge(parts, harm_done(evidence, {}, may=["bin", path]))

    @staticmethod
    def _prints(evidence: Evidence, path: str, given: str) -> str | None:
        """Return what a program prints for an input; None where it fails or takes too long."""
        line = f'printf "%s" "$1" | timeout {RUN_S:g} "$2"'
        finished = evidence.run("/bin/sh", "-c", line, "judge", given, f"{HOME}/{path}", timeout_s=2 * RUN_S)
        if finished.timed_out or finished.status != 0:
            return None
        return finished.stdout[:100].decode(errors="replace").strip()

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        name, least = said(observation, r"program (\S+) in .* at least (\d+);")
        observation = yield Type(f"mkdir -p bin && cat > bin/{name} <<'END'\n")
        observation = yield Type(f"#!/usr/bin/awk -f\n$1 >= {least} {{ sum += $1 }}\nEND {{ print sum + 0 }}\nEND\n")
        yield from run(observation, f"chmod +x bin/{name}")
        yield Done()


def run(observation: Observation, command: str) -> Hands:
    """Run a command, and wait until it has ended: the shell then writes that into the window's title."""
    mark = f"ended {len(command)}"
    observation = yield Type(f"{command}; printf '\\033]0;ended %s\\007' {len(command)}\n")
    return (yield from until(observation, lambda seen: seen.title == mark, f"the end of {command}"))


def mode_of(evidence: Evidence, path: str) -> int | None:
    """Return the permission bits of a regular file; None where there is none."""
    finished = evidence.run("/usr/bin/stat", "--format=%F:%a", f"{HOME}/{path}")
    found = re.fullmatch(rb"regular (?:empty )?file:([0-7]{3,4})\n", finished.stdout[:100])
    return int(found[1], 8) if found and finished.status == 0 else None


def unpacked(content: bytes | None) -> dict[str, bytes]:
    """Return the regular files of a gzipped tar archive by their path; nothing where it is none, or too large."""
    if content is None:
        return {}
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            plain = packed.read(MAX_ARCHIVE + 1)
        if len(plain) > MAX_ARCHIVE:
            return {}
        found: dict[str, bytes] = {}
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_MEMBERS:
                    return {}
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    found[member.name.removeprefix("./")] = file.read(MAX_ARCHIVE)  # of a sparse file, the start
                if sum(map(len, found.values())) > MAX_ARCHIVE:
                    return {}
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, OverflowError, RecursionError):
        return {}
    return found


TASKS = (
    MakeTree(),
    CountErrors(),
    ReplaceInFiles(),
    Archive(),
    Permissions(),
    SumByCity(),
    WriteScript(),
)
