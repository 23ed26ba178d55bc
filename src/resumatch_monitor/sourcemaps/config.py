"""`source_maps`: how many uploads are kept, and for how long."""

from datetime import timedelta

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration, Size


class SourceMapsConfig(ConfigModel):
    """Limits and retention of uploaded source maps."""

    retention: Duration = timedelta(days=90)
    """How long an upload is kept after it was last needed."""
    max_bytes: Size = Field(default=5 * 1024**3, gt=0)
    """Of all uploads together; beyond that, those go first that were not needed for the longest."""
    bundle_max_bytes: Size = Field(default=512 * 1024**2, gt=0)
    """A larger upload is refused."""
    chunks_max_bytes: Size = Field(default=1024**3, gt=0)
    """How much may be under way, in chunks that are not put together."""
    lookup_memory_bytes: Size = Field(default=1024**3, ge=256 * 1024**2)
    """What the helper process that reads maps may use of memory; it runs while maps are needed."""
    cache_bytes: Size = Field(default=64 * 1024**2, gt=0)
    """Of maps, and of the files that they are of, that the helper process keeps ready."""
