"""What is new in the metrics since they were last sent: Azure Monitor adds up what it is sent, and bills it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from hub.rules.metrics import BUILD, PROCESS, Sample, Scope, Shape, Spread

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
Sent: TypeAlias = Mapping[Key, float | Spread]


def sent(samples: Iterable[Sample]) -> Sent:
    """What is known to whoever was sent all this."""
    return {_key(each): each.value for each in samples}


def news(samples: Iterable[Sample], before: Sent) -> list[Sample]:
    """What to send: by how much counters and histograms have grown, and gauges that say something.

    A gauge of the hub that is 0 is sent when it was not 0 before. The process is told beside the samples.
    """
    found = []
    for each in samples:
        value = _new(each, before.get(_key(each)))
        if value is not None and each.metric is not BUILD:
            labels = {name: text for name, text in each.labels.items() if name != PROCESS}
            found.append(Sample(each.metric, value, labels))
    return found


def _new(sample: Sample, before: float | Spread | None) -> float | Spread | None:
    now = sample.value
    if isinstance(now, Spread):
        last = before if isinstance(before, Spread) else Spread({}, 0.0)
        grown = {bucket: count - last.buckets.get(bucket, 0) for bucket, count in now.buckets.items()}
        more = {bucket: count for bucket, count in grown.items() if count > 0}
        return Spread(more, max(0.0, now.sum - last.sum)) if more else None
    was = before if isinstance(before, int | float) else 0.0
    if sample.metric.shape is Shape.COUNTER:
        return now - was if now > was else None
    needless = sample.metric.scope is Scope.HUB and sample.labels and not now and not was
    return None if needless else now


def _key(sample: Sample) -> Key:
    return sample.metric.name, tuple(sorted(sample.labels.items()))
