"""Cleans stack frames: their code, which is seldom new, and their variables, which often are."""

from collections.abc import Sequence
from typing import Any, cast

import orjson
from typing_extensions import override

from resumatch_monitor.sentry.cutting import KEYS_MAX, VARIABLE_MAX, cut_text, first_items
from resumatch_monitor.sentry.patterns import Pattern
from resumatch_monitor.sentry.plain import are_short_lines
from resumatch_monitor.sentry.scrub_walk import CONTAINERS, FRAMES, Walk
from resumatch_monitor.sentry.values import as_dict, as_list, as_text

_SOURCE_LINE_MAX = 300
_FRAMES_MAX = 100


class FrameWalk(Walk):
    """A walk that knows frames."""

    @override
    def _clean_frames(self, frames: list[Any]) -> list[Any]:
        if len(frames) > _FRAMES_MAX:
            # The outermost calls and, more important, those where it was raised.
            frames = frames[: _FRAMES_MAX // 4] + frames[-_FRAMES_MAX * 3 // 4 :]
        cleaned: list[Any] = []
        outer = self._active
        for index, frame in enumerate(frames):
            if isinstance(frame, dict):
                self._path.append(str(index))
                cleaned.append(self._clean_frame(as_dict(cast("object", frame))))
                self._path.pop()
        self._active = outer
        return cleaned

    def _clean_frame(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Clean the code, which is seldom new, and the variables, some of which always are."""
        if "vars" not in frame:
            return self._recall("code", frame, self._clean_code)
        code = {key: frame[key] for key in frame if key != "vars"}
        cleaned = self._recall("code", code, self._clean_code)
        self._path.append("vars")
        variables = self._clean_variables(frame["vars"])
        self._path.pop()
        return {**cleaned, "vars": variables}

    def _clean_variables(self, variables: Any) -> Any:
        if not isinstance(variables, dict):
            return self._clean_loose(variables)
        cleaned: dict[str, Any] = {}
        loose: dict[str, Any] = {}
        for name, value in first_items(as_dict(cast("object", variables)), KEYS_MAX):
            # Made anew each time, `dict | list` would take half of this loop's time.
            is_part = isinstance(value, CONTAINERS) and name != FRAMES
            if is_part and not self._is_sensitive(name):
                self._path.append(name)
                cleaned[name] = self._recall("variable", value, self._clean_variable)
                self._path.pop()
            else:
                cleaned[name] = loose[name] = value
        if loose:
            cleaned.update(self._clean_loose(loose))
        return cleaned

    def _clean_loose(self, variables: Any) -> Any:
        self._active = self._find_patterns(orjson.dumps(variables))
        return self._walk(variables, 3, is_free=True, limit=VARIABLE_MAX)

    def _clean_variable(self, value: Any) -> Any:
        return self._walk(value, 4, is_free=True, limit=VARIABLE_MAX)

    def _clean_code(self, frame: dict[str, Any]) -> dict[str, Any]:
        if not self._active and self._plain.is_plain_frame(frame):
            return frame
        cleaned: dict[str, Any] = {}
        source = [each for each in self._active if each.holds_in_source]
        for key, value in first_items(frame, KEYS_MAX):
            if key in ("pre_context", "post_context"):
                cleaned[key] = self._clean_lines(as_list(value)[:20], source)
            elif key == "context_line":
                cleaned[key] = self._clean_source(value, source)
            elif isinstance(value, str):
                cleaned[key] = cut_text(value, VARIABLE_MAX)
            else:
                cleaned[key] = self._copy(value, 3)
        return cleaned

    def _clean_lines(self, lines: list[Any], active: Sequence[Pattern]) -> list[Any]:
        # Most of an event is source code, and most source code needs nothing done to it.
        if are_short_lines(lines):
            text = "\n".join(lines).lower() if active else ""
            if not any(each.may_occur(text) for each in active):
                return lines
        return [self._clean_source(line, active) for line in lines]

    def _clean_source(self, line: Any, active: Sequence[Pattern]) -> str | None:
        if line is None:
            return None
        text = as_text(line)[: 2 * _SOURCE_LINE_MAX]
        return cut_text(self._apply(text, active), _SOURCE_LINE_MAX)
