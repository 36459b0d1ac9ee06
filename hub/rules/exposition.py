"""Metrics as Prometheus reads them: its text format, version 0.0.4. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from hub.rules.metrics import BOUNDS, Metric, Sample, Spread, below_bounds

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposed(samples: Iterable[Sample]) -> str:
    """All of them, those of one metric together, under its help and type."""
    by_metric: dict[Metric, list[Sample]] = {}
    for each in samples:
        by_metric.setdefault(each.metric, []).append(each)
    return "".join(line + "\n" for metric, some in by_metric.items() for line in _lines(metric, some))


def _lines(metric: Metric, samples: Iterable[Sample]) -> Iterator[str]:
    name = metric.exposed
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} {metric.shape}"
    for each in samples:
        if isinstance(each.value, Spread):
            *below, count = below_bounds(each.value)
            for (_, bound), number in zip(BOUNDS, below, strict=True):
                yield _line(f"{name}_bucket", {**each.labels, "le": f"{bound:g}"}, number)
            yield _line(f"{name}_bucket", {**each.labels, "le": "+Inf"}, count)
            yield _line(f"{name}_sum", each.labels, each.value.sum)
            yield _line(f"{name}_count", each.labels, count)
        else:
            yield _line(name, each.labels, each.value)


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value!r}" if told else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
