"""Which of a pool's two queues is asked, and in which order."""

from __future__ import annotations

from hub.dispatch.lanes import LOOK_SECONDS, MAIN_SECONDS, Lanes


def lanes_with_overflow() -> Lanes:
    lanes = Lanes("pool")
    lanes.put(lanes.overflow)
    return lanes


def test_while_nobody_floods_the_overflow_is_looked_at_now_and_then() -> None:
    lanes = Lanes("pool")
    assert lanes.turns(0.0) == (lanes.main, lanes.overflow)
    lanes.looked(lanes.main, 0.0, full=False, empty=True)
    lanes.looked(lanes.overflow, 0.0, full=False, empty=True)
    assert lanes.turns(LOOK_SECONDS - 0.01) == (lanes.main,)
    assert lanes.turns(LOOK_SECONDS) == (lanes.main, lanes.overflow)


def test_who_is_first_changes_while_both_hold_something() -> None:
    lanes = lanes_with_overflow()
    asked = [lanes.turns(number / 1000)[0] for number in range(4)]
    assert asked == [lanes.overflow, lanes.main, lanes.overflow, lanes.main]


def test_an_empty_queue_is_not_asked_at_each_turn_of_the_overflow() -> None:
    lanes = lanes_with_overflow()
    lanes.looked(lanes.main, 1.0, full=False, empty=True)
    assert lanes.turns(1.0 + MAIN_SECONDS / 2) == (lanes.overflow,)
    assert lanes.turns(1.0 + MAIN_SECONDS) == (lanes.overflow, lanes.main)


def test_but_at_once_when_this_process_has_put_something_there() -> None:
    lanes = lanes_with_overflow()
    lanes.looked(lanes.main, 1.0, full=False, empty=True)
    assert lanes.turns(1.0) == (lanes.overflow,)
    lanes.put(lanes.main)
    assert lanes.turns(1.0) == (lanes.overflow, lanes.main)


def test_the_overflow_was_emptied_and_the_pool_is_asked_alone() -> None:
    lanes = lanes_with_overflow()
    lanes.looked(lanes.main, 1.0, full=False, empty=True)
    lanes.turns(1.0)
    lanes.looked(lanes.overflow, 1.0, full=False, empty=True)
    assert lanes.main in lanes.turns(1.0)
