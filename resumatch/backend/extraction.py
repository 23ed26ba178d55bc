"""Text out of a document, in a process of its own that cannot hurt this one."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from structlog.stdlib import get_logger

from resumatch.backend.config import Settings
from resumatch.backend.uploads import (
    DocumentKind,
    SuspiciousFileError,
    UnreadableFileError,
    decode_text,
)

logger = get_logger(__name__)

_WORKER = Path(__file__).with_name("extraction_worker.py")
_WORKERS_AT_A_TIME = 2
_LONGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_TEXT = 200_000


class Extractor:
    """Runs `extraction_worker.py` once a document, limited in time, memory and number."""

    def __init__(self, *, settings: Settings) -> None:
        self._timeout_seconds = settings.extraction_timeout_seconds
        self._memory_bytes = settings.extraction_memory_bytes
        self._turns = asyncio.Semaphore(_WORKERS_AT_A_TIME)

    async def extract(self, kind: DocumentKind, data: bytes) -> str:
        """Return the text of `data`.

        Raises:
            SuspiciousFileError: If the worker found an attack or ran out of its limits.
            UnreadableFileError: If there is no text to be had.
        """
        if kind is DocumentKind.TXT:
            text = decode_text(data)
        else:
            async with self._turns:
                text = self._read_answer(await self._run(kind, data))
        # PostgreSQL's text cannot hold NUL.
        text = text.replace("\0", "").strip()[:_LONGEST_TEXT]
        if not text:
            raise UnreadableFileError("There is no text in the file. Is it a scan?")
        return text

    async def _run(self, kind: DocumentKind, data: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_WORKER),
            kind.value,
            str(self._memory_bytes),
            str(max(1, round(self._timeout_seconds))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Nothing of the environment, which holds this process' secrets.
            env={},
            limit=_LONGEST_ANSWER,
        )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer, _ = await process.communicate(data)
        except TimeoutError:
            raise SuspiciousFileError("resource_exhaustion", "reading it took too long") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            logger.warning("extraction_killed", exit_status=process.returncode, kind=kind.value)
            raise SuspiciousFileError("resource_exhaustion", "reading it took too much")
        return answer

    @staticmethod
    def _read_answer(answer: bytes) -> str:
        message: dict[str, Any] = json.loads(answer)
        if "suspicion" in message:
            raise SuspiciousFileError(message["suspicion"], message["detail"])
        if "problem" in message:
            raise UnreadableFileError(message["problem"])
        return str(message["text"])
