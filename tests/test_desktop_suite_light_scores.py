"""The scores of the tasks in the light apps: for what was done right, wrong, in part, besides, and for traps."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from typing import TYPE_CHECKING

import pytest

from agentgym.observation import Element
from agentgym_desktop.child import Finished
from agentgym_desktop.suite import calculator, editor, files, terminal, windows
from agentgym_desktop.suite.judging import Part, harm_done, judge, lines_of, text_of
from agentgym_desktop.suite.terminal import MAX_ARCHIVE, unpacked
from tests.desktop_left import Left, left, value

if TYPE_CHECKING:
    from agentgym_desktop.task import DesktopTask

TASKS: tuple[DesktopTask, ...] = (*editor.TASKS, *files.TASKS, *terminal.TASKS, *calculator.TASKS, *windows.TASKS)


def cells(*names: str) -> tuple[Element, ...]:
    return tuple(Element(at, "gridcell", name) for at, name in enumerate(names, start=1))


def display(text: str, **keys: bool) -> tuple[Element, ...]:
    buttons = [
        Element(at, "button", key, "", () if on else ("disabled",)) for at, (key, on) in enumerate(keys.items(), 2)
    ]
    return (Element(1, "textbox", "", text, ("readonly",)), *buttons)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
class TestEveryTask:
    def test_a_seed_says_all(self, task: DesktopTask) -> None:
        assert task.prepare(7) == task.prepare(7)

    def test_a_thousand_seeds_are_a_thousand_tasks(self, task: DesktopTask) -> None:
        setups = [task.prepare(seed) for seed in range(1000)]
        assert len({(each.instruction, tuple(each.files.items()), str(each.goal)) for each in setups}) > 950
        assert len({each.instruction for each in setups}) > 250

    def test_doing_nothing_scores_nothing(self, task: DesktopTask) -> None:
        for seed in range(20):
            assert value(task, left(task, seed)) == 0

    def test_it_says_what_it_is_and_has_a_solution(self, task: DesktopTask) -> None:
        assert task.description.endswith(".")
        assert task.has_oracle
        assert task.id.startswith("desktop/")


class TestJudging:
    def test_a_score_is_the_share_of_what_is_so_by_worth(self) -> None:
        score = judge([Part("a", so=True, worth=3), Part("b", so=False)])
        assert (score.value, score.reason) == (0.75, "not so: b")

    def test_each_harm_costs_and_no_score_is_below_zero(self) -> None:
        assert judge([Part("a", so=True)], ["x is gone"]).value == 0.75
        assert judge([Part("a", so=True)], ["harm"] * 9).value == 0

    def test_what_was_to_stay_is_looked_at_and_what_nobody_asked_for(self) -> None:
        before = {"a.txt": b"a", "docs/b.txt": b"b", "docs/c.txt": b"c"}
        after = Left(None, {"a.txt": b"a", "docs/b.txt": b"B", "docs/new.txt": b"", ".cache/x": b"", "out/y": b""})
        assert harm_done(after, before, may=["out"]) == [
            "docs/b.txt has been changed or is gone",
            "docs/c.txt has been changed or is gone",
            "nobody asked for docs/new.txt",
        ]
        assert harm_done(after, before, may=["docs", "out/y"]) == []

    def test_what_is_no_text_has_no_lines(self) -> None:
        assert lines_of(b"a\n\nb\n\n") == ["a", "", "b"]
        assert text_of("grün".encode()) == "grün"
        for content in (None, b"\xff\xfea\0", b"\xef\xbb\xbfa", b"a\0b", b"\xe4"):
            assert text_of(content) is None


class TestEditor:
    def test_a_note_counts_line_by_line(self) -> None:
        evidence = left(editor.WriteNote())
        path, lines = evidence.goal["path"], evidence.goal["lines"]
        for text, expected in (
            ("\n".join([*lines, ""]), 1),
            ("\n".join([*lines, "More."]), 2 / 3),
            (f"{lines[0]}\n", 1 / 3),
            (f"{lines[1]}\n{lines[0]}\n", 0),
            ("", 0),
        ):
            evidence.files[path] = text.encode()
            assert value(editor.WriteNote(), evidence) == pytest.approx(expected)

    def test_a_name_at_the_wrong_place_is_worth_less_and_a_lost_one_all(self) -> None:
        task = editor.InsertLine()
        evidence = left(task)
        name, guest, wanted = (evidence.goal[each] for each in ("name", "guest", "wanted"))
        others = [each for each in wanted if each != guest]
        for lines, expected in ((wanted, 1), ([guest, *others], 0.4), ([guest, *others[1:]], 0), ([*wanted, guest], 0)):
            evidence.files[name] = "\n".join(lines).encode()
            assert value(task, evidence) == expected

    def test_a_word_in_longer_words_must_stay(self) -> None:
        task = editor.ReplaceWord()
        evidence = left(task)
        name, wanted = evidence.goal["name"], evidence.goal["wanted"]
        evidence.files[name] = "\n".join(wanted).encode()
        assert value(task, evidence) == 1
        spoiled = [line.replace("smith of", "SMITH of") for line in wanted]
        evidence.files[name] = "\n".join(spoiled).encode()
        assert value(task, evidence) == 0.25  # three such words

    def test_line_endings_count_to_the_byte(self) -> None:
        task = editor.LineEndings()
        evidence = left(task)
        evidence.files[evidence.goal["name"]] = evidence.goal["wanted"]
        assert value(task, evidence) == 1
        evidence.files[evidence.goal["name"]] += b"\n"
        assert value(task, evidence) == 0

    def test_a_number_in_a_sentence_is_an_answer_and_a_choice_of_numbers_is_none(self) -> None:
        task = editor.LookUp()
        evidence = left(task)
        right = evidence.goal["answer"]
        for answer, expected in (
            (right, 1),
            (f"There are {right} of A1234.", 1),
            (f"{right} or 5", 0),
            (right + "0", 0),
        ):
            evidence.answer = answer
            assert value(task, evidence) == expected

    def test_corrections_count_one_by_one_and_what_was_right_must_stay(self) -> None:
        task = editor.Corrections()
        evidence = left(task)
        book, moved, wanted = (evidence.goal[each] for each in ("book", "moved", "wanted"))
        before = evidence.files[book].decode()
        for count in range(len(moved) + 1):
            lines = before.splitlines()
            for name in moved[:count]:
                at = next(at for at, line in enumerate(lines) if line.startswith(name))
                lines[at] = f"{name} lives in {wanted[name]}"
            evidence.files[book] = "\n".join(lines).encode()
            assert value(task, evidence) == count / 4
        evidence.files[book] = "\n".join([*lines, lines[0]]).encode()
        assert value(task, evidence) == 0
        evidence.files[book] = "\n".join(lines).encode()
        del evidence.files["corrections.txt"]
        assert value(task, evidence) == 0.75


class TestFiles:
    def test_a_copy_under_the_new_name_is_no_renaming(self) -> None:
        task = files.Rename()
        evidence = left(task)
        old, new = evidence.goal["old"], evidence.goal["new"]
        evidence.files[new] = b"something else"
        assert value(task, evidence) == 0
        evidence.files[new] = evidence.files[old]
        assert value(task, evidence) == 0.5
        del evidence.files[old]
        assert value(task, evidence) == 1

    def test_a_file_is_no_folder(self) -> None:
        task = files.NewFolder()
        evidence = left(task)
        evidence.files[evidence.goal["path"]] = b""
        assert value(task, evidence) == 0
        del evidence.files[evidence.goal["path"]]
        evidence.files[evidence.goal["path"] + "/"] = b""
        assert value(task, evidence) == 1

    def test_what_is_deleted_for_good_is_not_in_the_trash(self) -> None:
        task = files.TrashDrafts()
        evidence = left(task)
        drafts = {f"{evidence.goal['folder']}/{name}": name for name in evidence.goal["drafts"]}
        contents = [(name, evidence.files.pop(path)) for path, name in drafts.items()]
        assert value(task, evidence) == 0
        for name, content in contents:
            evidence.files[f"{files.TRASH}/{name}"] = content
        assert value(task, evidence) == 1
        gone = next(path for path in evidence.files if path.endswith("-final.txt"))
        del evidence.files[gone]
        assert value(task, evidence) == 0.75

    def test_files_are_sorted_one_by_one_and_copies_do_not_count(self) -> None:
        task = files.SortByMonth()
        evidence = left(task)
        folder, belongs = evidence.goal["folder"], evidence.goal["belongs"]
        for count, (name, month) in enumerate(belongs.items(), start=1):
            evidence.files[f"{folder}/{month}/{name}"] = evidence.files[f"{folder}/{name}"]
            assert value(task, evidence) == pytest.approx((count - 1) / len(belongs))
            del evidence.files[f"{folder}/{name}"]
            assert value(task, evidence) == pytest.approx(count / len(belongs))

    def test_the_name_of_every_file_is_no_answer(self) -> None:
        task = files.Largest()
        evidence = left(task)
        for answer, expected in (
            (evidence.goal["answer"], 1),
            (f"It is {evidence.goal['answer']}.", 1),
            (" ".join(evidence.goal["names"]), 0),
        ):
            evidence.answer = answer
            assert value(task, evidence) == expected


def tar(members: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return written.getvalue()


class TestTerminal:
    def test_an_archive_counts_for_what_is_in_it(self) -> None:
        task = terminal.Archive()
        evidence = left(task)
        name, whole = evidence.goal["name"], evidence.goal["files"]
        wanted = {path: content for path, content in whole.items() if not path.endswith(".tmp")}
        for members, expected in ((wanted, 1), (whole, 0.7), ({}, 0), (dict([*wanted.items()][:1]), 0.6)):
            evidence.files[name] = tar(members)
            assert value(task, evidence) == pytest.approx(expected)
        evidence.files[name] = tar(dict.fromkeys(wanted, b"forged"))
        assert value(task, evidence) == pytest.approx(0.1)
        evidence.files[name] = tar({}, links=dict.fromkeys(wanted, "/etc/passwd"))
        assert value(task, evidence) == 0

    def test_archives_that_are_traps_are_none(self) -> None:
        good = tar({"a": b"a" * 5000, "b": b"b"})
        assert unpacked(good) == {"a": b"a" * 5000, "b": b"b"}
        assert unpacked(None) == unpacked(b"") == unpacked(b"\x1f\x8b") == unpacked(good[:-20]) == {}
        assert unpacked(gzip.compress(b"\0" * (MAX_ARCHIVE + 512))) == {}
        sparse = tarfile.TarInfo("huge")
        sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 1 << 40
        assert sum(map(len, unpacked(gzip.compress(sparse.tobuf(tarfile.GNU_FORMAT))).values())) == 0
        rng = random.Random(0)  # the same damage each time
        plain = gzip.decompress(good)
        for _ in range(300):
            damaged = bytearray(plain)
            for _ in range(rng.randint(1, 30)):
                damaged[rng.randrange(1200)] = rng.randrange(256)
            assert isinstance(unpacked(gzip.compress(bytes(damaged), 1)), dict)

    def test_the_sums_count_with_their_order(self) -> None:
        task = terminal.SumByCity()
        evidence = left(task)
        lines = evidence.goal["lines"]
        for found, expected in ((lines, 1), (lines[::-1], 5 / 6), (lines[:2], 2 / 6), ([*lines, *lines], 0)):
            evidence.files["cities.txt"] = "\n".join(found).encode()
            assert value(task, evidence) == pytest.approx(expected)

    def test_a_program_counts_for_what_it_does(self) -> None:
        task = terminal.WriteScript()
        evidence = left(task)
        least = int(task.prepare(0).instruction.split("at least ")[1].split(";")[0])
        evidence.files[evidence.goal["path"]] = b"#!/bin/sh\n"

        def prints(text: str, *, mode: str = "755") -> None:
            def ran(*argv: str) -> Finished:
                said = f"regular file:{mode}\n" if argv[0].endswith("stat") else text
                if said == "right":
                    said = str(sum(number for number in map(int, argv[4].split()) if number >= least))
                return Finished(0, said.encode(), b"", timed_out=False, cut=False)

            evidence.ran = ran

        prints("right")
        assert value(task, evidence) == 1
        prints("right", mode="644")
        assert value(task, evidence) == 0
        prints("0\n")
        assert value(task, evidence) == pytest.approx(0.1)
        prints("\x00" * 1000)
        assert value(task, evidence) == pytest.approx(0.1)


class TestCalculator:
    def test_a_number_in_another_base_must_not_be_typed_in(self) -> None:
        task = calculator.OtherBase()
        evidence = left(task, 1)
        assert evidence.goal["base"] == "hexadecimal"
        evidence.elements = display(f"{evidence.goal['digits']} DEC HEX", **{"9": True, "F": False})
        assert value(task, evidence) == 0
        evidence.elements = display("0 DEC HEX", **{"9": True, "F": True})
        assert value(task, evidence) == pytest.approx(0.3)
        evidence.elements = display(f"{evidence.goal['digits']} DEC HEX", **{"9": True, "F": True})
        assert value(task, evidence) == 1

    def test_results_that_were_typed_are_not_worked_out(self) -> None:
        task = calculator.Paper()
        evidence = left(task)
        sums = evidence.goal
        evidence.elements = cells(*(str(result) for _, _, result in sums for _ in range(2)))
        assert value(task, evidence) == 0
        evidence.elements = cells(*(text for a, b, result in sums[:2] for text in (f"{a} ? {b}", str(result))))
        assert value(task, evidence) == pytest.approx(2 / 3)

    def test_a_constant_counts_column_by_column_and_the_others_must_stay(self) -> None:
        task = calculator.Constant()
        evidence = left(task)
        name, number, what = evidence.goal
        known = ("pi", "3.14159265359", "Pi", "e", "2.71828182846", "Euler's Number")
        for row, expected in (((name, number, what), 1), ((name, "7", what), 2 / 3), (("other", number, what), 0)):
            evidence.elements = cells(*known, *row)
            assert value(task, evidence) == pytest.approx(expected)
        evidence.elements = cells(*known[3:], name, number, what)
        assert value(task, evidence) == 0.75

    def test_a_number_that_is_not_parted_is_not_what_was_asked_for(self) -> None:
        task = calculator.Separator()
        evidence = left(task)
        digits = "".join(filter(str.isdigit, evidence.goal))
        for shown, expected in ((evidence.goal, 1), (digits, 0), ("1.5", 0), ("", 0)):
            evidence.elements = display(shown)
            assert value(task, evidence) == expected

    def test_what_no_display_shows_is_no_number(self) -> None:
        task = calculator.Angle()
        evidence = left(task)
        for shown in ("nan", "inf", "1e400", "x" * 500, "0" * 400, "٣", " "):
            evidence.elements = display(shown)
            assert value(task, evidence) == 0

    def test_a_bill_keeps_its_lines_and_gets_one(self) -> None:
        task = calculator.Bill()
        evidence = left(task)
        bill, who, total = evidence.files["bill.txt"].decode(), evidence.goal["who"], evidence.goal["total"]
        for text, expected in (
            (f"{bill}Total for {who}: {total:.2f}\n", 1),
            (f"{bill}Total for {who}: 1.00", 0.2),
            (f"{bill}{total}", 0),
            (f"Total for {who}: {total:.2f}", 0),
        ):
            evidence.files["bill.txt"] = text.encode()
            assert value(task, evidence) == pytest.approx(expected)


class TestWindows:
    def test_who_closes_all_windows_has_not_closed_the_one(self) -> None:
        task = windows.CloseOne()
        evidence = left(task)
        name, others = evidence.goal["name"], [each for each in evidence.files if each != evidence.goal["name"]]
        for shown, expected in ((others, 1), (others[:1], 0), ([], 0), ([name, *others], 0)):
            evidence.windows = [Left.window(each) for each in shown]
            assert value(task, evidence) == expected

    def test_a_window_is_in_front_with_the_keyboard(self) -> None:
        task = windows.BringToFront()
        evidence = left(task)
        name, others = evidence.goal["name"], [each for each in evidence.files if each != evidence.goal["name"]]
        behind = [Left.window(each) for each in others]
        evidence.windows = [*behind, Left.window(name, active=True)]
        assert value(task, evidence) == 1
        evidence.windows = [*behind, Left.window(name)]
        assert value(task, evidence) == 0.5
        evidence.windows = [Left.window(name, active=True)]
        assert value(task, evidence) == 0.5  # the others are closed
