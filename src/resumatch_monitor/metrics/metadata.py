"""What targets say of their metrics: type, help and unit."""

from collections.abc import Mapping

from resumatch_monitor.metrics.exposition_lines import Metadata

_MOST_METRICS_PER_TARGET = 5_000
_MOST_METRICS = 50_000


class MetadataStore:
    """Remembers the last metadata of each target; bounded."""

    def __init__(self) -> None:
        self._targets: dict[str, Mapping[str, Metadata]] = {}

    def put(self, target_key: str, metadata: Mapping[str, Metadata]) -> None:
        """Replace what a target said; passing the same object again costs nothing."""
        if self._targets.get(target_key) is metadata:
            return
        others = sum(len(each) for key, each in self._targets.items() if key != target_key)
        room = min(_MOST_METRICS_PER_TARGET, max(0, _MOST_METRICS - others))
        if len(metadata) > room:
            metadata = dict(list(metadata.items())[:room])
        self._targets[target_key] = metadata

    def merge(self, source_key: str, metadata: Mapping[str, Metadata]) -> None:
        """Add to what a source said that tells it piece by piece; the oldest gives way."""
        known = dict(self._targets.get(source_key, {}))
        for name, said in metadata.items():
            known.pop(name, None)
            known[name] = said
        surplus = len(known) - _MOST_METRICS_PER_TARGET
        self.put(source_key, dict(list(known.items())[max(0, surplus) :]))

    def forget(self, target_key: str) -> None:
        """Drop what a target said."""
        self._targets.pop(target_key, None)

    def names(self) -> list[str]:
        """Return the metrics that something is known of, sorted."""
        return sorted({name for metadata in self._targets.values() for name in metadata})

    def read(self, metric: str) -> list[dict[str, str]]:
        """Return the distinct things said of a metric, as Prometheus' API shows them."""
        found = dict.fromkeys(
            metadata[metric] for metadata in self._targets.values() if metric in metadata
        )
        return [{"type": each.type, "help": each.help, "unit": each.unit} for each in found]

    def by_target(self) -> dict[str, Mapping[str, Metadata]]:
        """Return what each target said of its metrics, by the target's key."""
        return dict(self._targets)
