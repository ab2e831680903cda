"""Launches that take no time."""

import pytest

from spinn_edge.bench.measurement import Row
from spinn_edge.suite import measuring


@pytest.fixture
def asked(monkeypatch):
    """Catch what would be launched; every row takes a millisecond in each launch."""
    caught = []

    def time_contenders(contenders, schedule, *, on_launch):
        caught.append((contenders, schedule))
        for contender in contenders:
            assert contender.bundle.root.is_dir()
            on_launch(contender, 1)
        return [
            [
                Row(
                    bundle=contender.label,
                    runtime=contender.runtime,
                    batch=batch,
                    status="ok",
                    reason=None,
                    threads=contender.options.threads,
                    samples_s=(1e-3,) * schedule.launches,
                    launch_samples=(1,) * schedule.launches,
                )
                for batch in schedule.batches
            ]
            for contender in contenders
        ]

    monkeypatch.setattr(measuring, "time_contenders", time_contenders)
    return caught
