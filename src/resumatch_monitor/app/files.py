"""Files that come with events."""

from collections.abc import Mapping

from resumatch_monitor.app.base import Base
from resumatch_monitor.sentry.files import FileProcessor
from resumatch_monitor.sentry.items import ItemKind, ItemProcessor
from resumatch_monitor.storage.sql.event_files import SqlFileStore


class FileParts:
    """Attachments; and profiles and replays, where the configuration keeps them."""

    def __init__(self, base: Base) -> None:
        config = base.config.intake
        self.store = SqlFileStore(
            base.stores.database,
            max_bytes=config.files_max_bytes,
            retention=config.files_retention,
        )
        processor = FileProcessor(store=self.store, cleaners=base.scrubbers)
        kinds = [ItemKind.ATTACHMENT]
        if config.store_profiles:
            kinds += [ItemKind.PROFILE, ItemKind.PROFILE_CHUNK]
        if config.store_replays:
            kinds += [ItemKind.REPLAY_EVENT, ItemKind.REPLAY_RECORDING]
        self.processors: Mapping[ItemKind, ItemProcessor] = dict.fromkeys(kinds, processor)
