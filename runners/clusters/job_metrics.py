"""Read a run's counts from the metrics of a job, in the form of Beam's job API; Flink uses it too."""

from collections import Counter
from collections.abc import Iterable

from apache_beam.metrics import monitoring_infos
from apache_beam.portability.api import beam_job_api_pb2 as job_api
from apache_beam.portability.api import metrics_pb2
from google.protobuf import json_format  # type: ignore[import-untyped]  # its stubs are a separate package

from facebeam.schemas.counts import NAMESPACE, Counts


def counts_in(metrics: job_api.MetricResults) -> Counts:
    """Add up the run's metrics over all steps; attempted ones, if there are any, include work in progress."""
    return _sum(metrics.attempted) or _sum(metrics.committed)


def counts_in_json(text: str) -> Counts:
    """Read the job API's metrics from JSON; a text in another form has no counts."""
    try:
        answer = json_format.Parse(text, job_api.GetJobMetricsResponse(), ignore_unknown_fields=True)
    except json_format.ParseError:
        return Counts()
    return counts_in(answer.metrics)


def _sum(infos: Iterable[metrics_pb2.MonitoringInfo]) -> Counts:
    counters, latency_sum_ms, latencies = Counter[str](), 0, 0
    for info in infos:
        if info.labels.get(monitoring_infos.NAMESPACE_LABEL) != NAMESPACE:
            continue
        if monitoring_infos.is_counter(info):
            name = info.labels[monitoring_infos.NAME_LABEL]
            counters[name] += monitoring_infos.extract_counter_value(info)
        elif monitoring_infos.is_distribution(info):
            samples, sum_ms, _, _ = monitoring_infos.extract_distribution(info)
            latency_sum_ms, latencies = latency_sum_ms + sum_ms, latencies + samples
    return Counts.of_metrics(counters, latency_sum_ms, latencies)
