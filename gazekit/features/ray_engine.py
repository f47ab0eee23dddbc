"""Features by Ray Data: shards are shared among processes, here or on a cluster whose machines see one folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from gazekit.features.shards import Job, Row, shards_of

__all__ = ["run"]


def run(job: Job, rows: Sequence[Row], shard_rows: int, workers: int) -> int:
    """Make the missing shards; returns the number of all. Ray is started here if it is not running, and stopped then.

    Raises:
        ImportError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError('engine "ray" needs Ray: pip install "gazekit-attention[ray]"') from error
    count = -(-len(rows) // shard_rows)
    missing = [{"shard": number} for number in range(count) if not job.is_done(number)]
    if not missing:
        return count
    ours = not ray.is_initialized()
    if ours:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        shared = ray.put((job, rows))
        asked = ray.data.from_items(missing, override_num_blocks=len(missing))
        pool = ray.data.ActorPoolStrategy(size=workers)
        made = asked.map(_Worker, fn_constructor_args=(shared, shard_rows), compute=pool)
        for _ in made.iter_rows():
            pass
    finally:
        if ours:
            ray.shutdown()
    return count


class _Worker:
    """One process: the extractor is unpacked once."""

    def __init__(self, shared: Any, shard_rows: int):
        import ray

        self.job, self.rows = ray.get(shared)
        self.shard_rows = shard_rows

    def __call__(self, asked: dict[str, Any]) -> dict[str, Any]:
        number = int(asked["shard"])
        _, shard = next(islice(shards_of(self.rows, self.shard_rows), number, None))
        return {"shard": number, "rows": self.job.make(number, shard)}
