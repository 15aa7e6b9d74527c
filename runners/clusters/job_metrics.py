"""Read a run's counts from the metrics that an engine reports of a job."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from apache_beam.metrics import monitoring_infos
from apache_beam.portability.api import beam_job_api_pb2 as job_api
from apache_beam.portability.api import metrics_pb2
from google.protobuf import json_format  # type: ignore[import-untyped]  # its stubs are a separate package

from facebeam.schemas.counts import LATENCY, NAMESPACE, Counts


class Reported(NamedTuple):
    """A metric of a step, as attempted (with the work in progress) or as committed."""

    step: str
    name: str
    value: int
    """Of a counter: its value; of a distribution: the sum."""
    samples: int = 0
    """Of a distribution: their number."""


def counts_of(metrics: Iterable[Reported]) -> Counts:
    """Add up the metrics of all steps.

    Of each pair the larger one counts: Prism's attempted metrics are those of the bundles at work only.
    """
    largest = {(each.step, each.name): each for each in sorted(metrics)}
    counters = Counter[str]()
    for each in largest.values():
        counters[each.name] += each.value
    samples = sum(each.samples for each in largest.values() if each.name == LATENCY)
    return Counts.of_metrics(counters, counters[LATENCY], samples)


def counts_in(metrics: job_api.MetricResults) -> Counts:
    """Read the answer of Beam's job API."""
    return counts_of(_ours(chain(metrics.attempted, metrics.committed)))


def counts_in_json(text: str) -> Counts:
    """Read the same from JSON; a text in another form has no counts."""
    try:
        answer = json_format.Parse(text, job_api.GetJobMetricsResponse(), ignore_unknown_fields=True)
    except json_format.ParseError:
        return Counts()
    return counts_in(answer.metrics)


def _ours(infos: Iterable[metrics_pb2.MonitoringInfo]) -> Iterator[Reported]:
    for info in infos:
        step, name = (info.labels.get(label, "") for label in _STEP_AND_NAME)
        if info.labels.get(monitoring_infos.NAMESPACE_LABEL) != NAMESPACE:
            continue
        if monitoring_infos.is_counter(info):
            yield Reported(step, name, monitoring_infos.extract_counter_value(info))
        elif monitoring_infos.is_distribution(info):
            samples, total, _, _ = monitoring_infos.extract_distribution(info)
            yield Reported(step, name, total, samples)


_STEP_AND_NAME = (monitoring_infos.PTRANSFORM_LABEL, monitoring_infos.NAME_LABEL)
