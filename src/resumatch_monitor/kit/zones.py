"""Time zones by name."""

from zoneinfo import ZoneInfo


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone called `name`.

    Raises:
        ValueError: If there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # Not found, a folder, a way out of it.
        raise ValueError(
            f"there is no time zone {name!r}; write for example Europe/Berlin"
        ) from error
