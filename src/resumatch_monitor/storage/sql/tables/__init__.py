"""The tables, a module a feature; importing this package registers them all on `METADATA`."""

import importlib
import pkgutil

from resumatch_monitor.storage.sql.tables.base import METADATA

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["METADATA"]
