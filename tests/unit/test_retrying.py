from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.configuration import RetryPolicy
from hub.rules.retrying import Decision, GiveUp, Reason, Retry, decide, delay_seconds

STEADY = RetryPolicy(max_attempts=5, backoff_seconds=10, factor=2, max_backoff_seconds=60, jitter=0)
FRACTIONS = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    backoff_seconds=st.floats(0, 86_400),
    factor=st.floats(1, 100),
    max_backoff_seconds=st.floats(0, 604_800),
    jitter=st.floats(0, 1),
    on_codes=st.none() | st.tuples() | st.tuples(st.just("BUSY")),
)


@pytest.mark.parametrize(
    ("policy", "failures", "code", "expected"),
    [
        (RetryPolicy(), 1, "X", GiveUp(Reason.ATTEMPTS_SPENT)),
        (STEADY, 1, None, Retry(10)),
        (STEADY, 2, "X", Retry(20)),
        (STEADY, 3, "X", Retry(40)),
        (STEADY, 4, "X", Retry(60)),
        (STEADY, 5, "X", GiveUp(Reason.ATTEMPTS_SPENT)),
        (STEADY, 99, "X", GiveUp(Reason.ATTEMPTS_SPENT)),
        (STEADY.model_copy(update={"on_codes": ("BUSY",)}), 1, "BUSY", Retry(10)),
        (STEADY.model_copy(update={"on_codes": ("BUSY",)}), 1, "busy", GiveUp(Reason.CODE_NOT_LISTED)),
        (STEADY.model_copy(update={"on_codes": ("BUSY",)}), 1, None, GiveUp(Reason.CODE_NOT_LISTED)),
        (STEADY.model_copy(update={"on_codes": ()}), 1, "BUSY", GiveUp(Reason.CODE_NOT_LISTED)),
        (STEADY.model_copy(update={"on_codes": ("BUSY",)}), 5, "BUSY", GiveUp(Reason.ATTEMPTS_SPENT)),
        (STEADY.model_copy(update={"backoff_seconds": 0}), 2, "X", Retry(0)),
        (STEADY.model_copy(update={"max_backoff_seconds": 0}), 2, "X", Retry(0)),
        (STEADY.model_copy(update={"factor": 1}), 4, "X", Retry(10)),
    ],
)
def test_what_follows_an_error(policy: RetryPolicy, failures: int, code: str | None, expected: Decision) -> None:
    assert decide(policy, failures=failures, code=code, fraction=0.5) == expected


@pytest.mark.parametrize(
    ("jitter", "fraction", "expected"),
    [(0.2, 0.0, 8), (0.2, 0.25, 9), (0.2, 0.5, 10), (0.2, 0.75, 11), (1, 0.0, 0), (1, 0.5, 10), (0, 0.0, 10)],
)
def test_jitter_goes_to_either_side(jitter: float, fraction: float, expected: float) -> None:
    policy = STEADY.model_copy(update={"jitter": jitter})
    assert delay_seconds(policy, 1, fraction) == pytest.approx(expected)


def test_jitter_never_goes_over_the_longest_delay() -> None:
    policy = STEADY.model_copy(update={"jitter": 1})
    assert delay_seconds(policy, 9, 0.999) == 60


@given(POLICIES, st.integers(1, 10**9), FRACTIONS)
def test_a_delay_is_between_nothing_and_the_longest(policy: RetryPolicy, failures: int, fraction: float) -> None:
    assert 0 <= delay_seconds(policy, failures, fraction) <= policy.max_backoff_seconds


@given(POLICIES, st.integers(1, 10**6), FRACTIONS)
def test_delays_never_shrink(policy: RetryPolicy, failures: int, fraction: float) -> None:
    assert delay_seconds(policy, failures, fraction) <= delay_seconds(policy, failures + 1, fraction)


@given(POLICIES, st.integers(1, 200), st.none() | st.sampled_from(["BUSY", "X"]), FRACTIONS)
def test_an_event_runs_at_most_its_attempts(
    policy: RetryPolicy, failures: int, code: str | None, fraction: float
) -> None:
    decision = decide(policy, failures=failures, code=code, fraction=fraction)
    if isinstance(decision, Retry):
        assert failures < policy.max_attempts
        assert policy.on_codes is None or code in policy.on_codes
    else:
        assert failures >= policy.max_attempts or policy.on_codes is not None
