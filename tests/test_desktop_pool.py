"""The pool of standbys: what is expected is started ahead, within its size, and nothing in it outlives it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from agentgym.errors import WorldCrashedError
from agentgym_desktop.pool import Pool
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Thing:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.alive = True
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Maker:
    """Makes things; can be held up, and made to fail."""

    def __init__(self) -> None:
        self.made: list[Thing] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fails = 0

    def __call__(self, kind: str) -> Thing:
        self.gate.wait()
        if self.fails:
            self.fails -= 1
            raise WorldCrashedError("not today")
        self.made.append(Thing(kind))
        return self.made[-1]

    @property
    def kinds(self) -> list[str]:
        return [thing.kind for thing in self.made]


@pytest.fixture
def maker() -> Iterator[Maker]:
    maker = Maker()
    yield maker
    maker.gate.set()


@pytest.fixture
def pool(maker: Maker) -> Iterator[Pool[str, Thing]]:
    pool = Pool(maker, size=2)
    yield pool
    maker.gate.set()
    pool.close()
    assert all(thing.closed for thing in maker.made if thing not in taken)
    taken.clear()


taken: list[Thing] = []


def take(pool: Pool[str, Thing], owner: int, *kinds: str) -> Thing:
    kind, thing = pool.take(owner, kinds)
    assert thing.kind == kind
    taken.append(thing)
    return thing


def test_what_nobody_expected_is_started_when_it_is_asked_for(pool: Pool[str, Thing], maker: Maker) -> None:
    assert take(pool, 0, "a", "b").kind == "b"  # the last will do, and is the least special
    assert maker.kinds == ["b"]


def test_what_was_expected_is_there(pool: Pool[str, Thing], maker: Maker) -> None:
    pool.expect(0, "a")
    wait_until(lambda: maker.kinds == ["a"])
    assert take(pool, 0, "a", "b") is maker.made[0]
    assert maker.kinds == ["a"]


def test_what_is_being_started_is_waited_for(pool: Pool[str, Thing], maker: Maker) -> None:
    maker.gate.clear()
    pool.expect(0, "a")
    threading.Timer(0.05, maker.gate.set).start()
    assert take(pool, 0, "a").kind == "a"
    assert maker.kinds == ["a"]


def test_no_more_than_its_size_are_started_and_then_the_next(pool: Pool[str, Thing], maker: Maker) -> None:
    for owner, kind in enumerate("abc"):
        pool.expect(owner, kind)
    wait_until(lambda: maker.kinds == ["a", "b"])
    assert take(pool, 0, "a").kind == "a"
    wait_until(lambda: maker.kinds == ["a", "b", "c"])


def test_a_new_expectation_takes_the_place_of_the_owners_former(pool: Pool[str, Thing], maker: Maker) -> None:
    pool.expect(0, "a")
    wait_until(lambda: maker.kinds == ["a"])
    pool.expect(0, "b")
    wait_until(lambda: maker.made[0].closed and maker.kinds == ["a", "b"])
    pool.expect(0, "b")  # the same again changes nothing
    assert take(pool, 0, "b") is maker.made[1]


def test_what_would_do_is_not_started_where_something_better_is_expected(pool: Pool[str, Thing], maker: Maker) -> None:
    pool.expect(0, "a")
    pool.expect(0, "b", rather=False)
    pool.expect(1, "c", rather=False)
    wait_until(lambda: maker.kinds == ["a", "c"])
    assert take(pool, 0, "a") is maker.made[0]
    assert take(pool, 1, "c") is maker.made[1]


def test_what_failed_to_start_is_not_ready(pool: Pool[str, Thing], maker: Maker) -> None:
    maker.fails = 1
    pool.expect(0, "a")
    pool.expect(1, "b")
    wait_until(lambda: maker.kinds == ["b"])
    wait_until(lambda: pool.ready == 1)


def test_who_loses_a_standby_to_another_gets_that_ones_place(pool: Pool[str, Thing], maker: Maker) -> None:
    pool.expect(0, "a")
    pool.expect(1, "a")
    wait_until(lambda: maker.kinds == ["a", "a"])
    first, second = take(pool, 1, "a"), take(pool, 0, "a")
    assert {first.kind, second.kind} == {"a"}
    assert maker.kinds == ["a", "a"]


def test_who_loses_a_standby_to_somebody_who_expected_nothing_gets_another(
    pool: Pool[str, Thing], maker: Maker
) -> None:
    pool.expect(0, "a")
    wait_until(lambda: maker.kinds == ["a"])
    assert take(pool, 7, "a") is maker.made[0]
    wait_until(lambda: maker.kinds == ["a", "a"])
    assert take(pool, 0, "a") is maker.made[1]


def test_one_that_died_while_it_waited_is_thrown_away(pool: Pool[str, Thing], maker: Maker) -> None:
    pool.expect(0, "a")
    wait_until(lambda: maker.kinds == ["a"])
    maker.made[0].alive = False
    assert take(pool, 0, "a") is maker.made[1]
    assert maker.made[0].closed


def test_a_failure_in_the_background_is_tried_again_where_it_is_needed(pool: Pool[str, Thing], maker: Maker) -> None:
    maker.fails = 1
    pool.expect(0, "a")
    wait_until(lambda: not maker.fails)
    assert take(pool, 0, "a").kind == "a"


def test_a_failure_that_lasts_is_raised(pool: Pool[str, Thing], maker: Maker) -> None:
    maker.fails = 2
    pool.expect(0, "a")
    with pytest.raises(WorldCrashedError):
        pool.take(0, ("a",))


def test_closing_ends_what_waits_and_what_is_being_started(maker: Maker) -> None:
    pool = Pool(maker, size=3)
    pool.expect(0, "a")
    wait_until(lambda: maker.kinds == ["a"])
    maker.gate.clear()
    pool.expect(1, "b")
    pool.expect(2, "c")
    threading.Timer(0.05, maker.gate.set).start()
    pool.close()
    pool.close()
    assert all(thing.closed for thing in maker.made)
    pool.expect(3, "d")
    assert "d" not in maker.kinds


def test_a_pool_of_no_size_starts_nothing_ahead(maker: Maker) -> None:
    pool = Pool(maker, size=0)
    pool.expect(0, "a")
    assert pool.take(0, ("a",))[1].kind == "a"
    assert maker.kinds == ["a"]
    pool.close()
