"""Prometheus's text format, from metric families that somebody else made; written by prometheus_client, without its registry."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from edged.core.latency import BOUNDS_MS, Latency

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""https://prometheus.io/docs/instrumenting/exposition_formats/"""

_BOUNDS = (*(str(bound / 1000) for bound in BOUNDS_MS), "+Inf")


def render(families: Iterable[Metric]) -> bytes:
    """The page that a scraper reads."""
    return generate_latest(_Families(families))


def add_latency(family: HistogramMetricFamily, labels: list[str], latency: Latency) -> None:
    """One more sample of ``family``, in seconds. A bucket holds all that took at most so long."""
    family.add_metric(labels, list(zip(_BOUNDS, map(float, accumulate(latency.counts)), strict=True)), latency.total_s)


class _Families(Collector):
    """A collector of families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families
