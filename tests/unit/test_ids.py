from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.rules import ids, partitions

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
RANDOMNESS = st.integers(0, 2**128 - 1)
SHARDS = st.integers(1, ids.MAX_SHARDS)


@given(MOMENTS, RANDOMNESS, SHARDS)
def test_an_id_is_26_characters_and_says_its_time_and_shard(at: datetime, randomness: int, shards: int) -> None:
    event_id = ids.new(at, randomness, shards)
    assert ids.check(event_id) == event_id
    assert timedelta(0) <= at - ids.time_of(event_id) < timedelta(milliseconds=1)
    assert ids.ALPHABET.index(ids.shard_of(event_id)) < shards


@given(MOMENTS, MOMENTS, RANDOMNESS, RANDOMNESS)
def test_ids_sort_by_time(first: datetime, second: datetime, one: int, other: int) -> None:
    earlier, later = sorted((first, second))
    if later - earlier >= timedelta(milliseconds=1):
        assert ids.new(earlier, one, 1) < ids.new(later, other, 1)


@given(MOMENTS, RANDOMNESS, SHARDS)
def test_row_keys_and_partitions_are_computed_from_the_id(at: datetime, randomness: int, shards: int) -> None:
    event_id = ids.new(at, randomness, shards)
    partition = partitions.partition_of(event_id)
    assert partitions.id_of(partitions.row_key_of(event_id)) == event_id
    assert partition.begins <= ids.time_of(event_id) < partition.ends
    assert partitions.parse(partition.name) == partition
    assert partitions.parse_newest_first(partition.newest_first) == partition
    assert partition == partitions.at(at, ids.shard_of(event_id))


@given(MOMENTS, MOMENTS, RANDOMNESS)
def test_newer_rows_and_partitions_come_first(first: datetime, second: datetime, randomness: int) -> None:
    older, newer = (ids.new(at, randomness, 1) for at in sorted((first, second)))
    assert partitions.row_key_of(newer) <= partitions.row_key_of(older)
    assert partitions.partition_of(newer).newest_first <= partitions.partition_of(older).newest_first


@given(MOMENTS, st.text(max_size=30), st.sampled_from(ids.ALPHABET))
def test_a_derived_id_is_always_the_same(at: datetime, seed: str, shard: str) -> None:
    assert ids.derived(at, "follow-on", seed, shard=shard) == ids.derived(at, "follow-on", seed, shard=shard)
    assert ids.shard_of(ids.derived(at, seed, shard=shard)) == shard


def test_derived_ids_differ_by_every_part_of_their_seed() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    seeds = [("a", "bc"), ("ab", "c"), ("abc",), ("abc", "")]
    derived = {ids.derived(at, *seed, shard="0") for seed in seeds}
    derived.add(ids.derived(at + timedelta(milliseconds=1), "abc", shard="0"))
    assert len(derived) == len(seeds) + 1


@pytest.mark.parametrize(
    "wrong", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "U" + "0" * 25, "0" * 25 + "I", "0" * 25 + "/"]
)
def test_what_cannot_be_an_id_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid, match="26 characters"):
        ids.check(wrong)


def test_an_id_may_be_given_in_lower_case() -> None:
    event_id = ids.new(datetime(2026, 11, 23, tzinfo=UTC), 2**80 - 7, 4)
    assert ids.check(event_id.lower()) == event_id


def test_a_moment_before_1970_is_refused() -> None:
    with pytest.raises(Invalid, match="1970"):
        ids.new(datetime(1969, 12, 31, tzinfo=UTC), 0, 1)
