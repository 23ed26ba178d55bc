"""Simulated users: `python -m resumatch.simulator --base-url http://127.0.0.1:8000`.

They register, upload a résumé, analyse jobs and look at the results; some mistype their password,
some come back, and now and then one meets a bug. All of them are invented. Their number is
bounded: there are `--population` places, and whoever moves into a place that is taken has its
former owner delete the account first.
"""

import argparse
import asyncio
import hashlib
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy

import httpx

from resumatch.simulated_people import (
    ODD_SALARIES,
    Person,
    invent_job,
    invent_person,
    render_docx,
    render_pdf,
)

_TIMEOUT_SECONDS = 15.0
_AT_A_TIME = 20
_PAUSE_SECONDS = 1.5
_RETURNING = 0.25
_MISTYPES = 0.15
_GIVES_UP_EARLY = 0.15
_LOOKS_AT_RESULT = 0.85
_ODD_SALARY = 0.04
_DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(slots=True)
class Tally:
    """What happened, for the line that is printed at the end."""

    visits: int = 0
    analyses: int = 0
    errors: int = 0
    unreachable: int = 0


class SimulatedUsers:
    """Sends visitors to ResuMatch at a steady rate, whatever becomes of them."""

    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        seed: int,
        population: int,
        users_per_minute: float,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._client = client
        self._seed = seed
        self._rng = random.Random(seed)  # noqa: S311
        self._population = population
        self._interval_seconds = 60.0 / users_per_minute
        self._pause_seconds = pause_seconds
        self._next_place = self._rng.randrange(population)
        self._busy: set[int] = set()
        self.tally = Tally()

    async def run(self, *, visits: int | None = None) -> None:
        """Send visitors until cancelled, or so many of them."""
        async with asyncio.TaskGroup() as group:
            sent = 0
            while visits is None or sent < visits:
                # More at once would only pile up on a ResuMatch that has become slow.
                if len(self._busy) < min(_AT_A_TIME, self._population):
                    group.create_task(self._visit(self._take_place()))
                    sent += 1
                await asyncio.sleep(self._interval_seconds * self._rng.uniform(0.5, 1.5))

    def _take_place(self) -> int:
        while self._next_place in self._busy:
            self._next_place = (self._next_place + 1) % self._population
        place = self._next_place
        self._next_place = (place + 1) % self._population
        self._busy.add(place)
        return place

    async def _visit(self, place: int) -> None:
        self.tally.visits += 1
        try:
            await self._visit_as(place)
        except httpx.TransportError:
            # ResuMatch is down. Real people come back later, too.
            self.tally.unreachable += 1
        except httpx.HTTPStatusError:
            self.tally.errors += 1
        finally:
            self._busy.discard(place)

    async def _visit_as(self, place: int) -> None:
        rng = random.Random(f"{self._seed}/{place}/{self.tally.visits}")  # noqa: S311
        visitor = _Visitor(
            client=self._client,
            rng=rng,
            email=f"invented-{self._seed}-{place}@example.com",
            password=hashlib.sha256(f"{self._seed}/{place}".encode()).hexdigest()[:20],
            pause_seconds=self._pause_seconds,
            tally=self.tally,
        )
        if rng.random() < _RETURNING and await visitor.sign_in():
            await visitor.look_around()
            return
        await visitor.move_in()
        await visitor.use_product(invent_person(rng))


class _Visitor:
    """One person at one visit, with an address and a session of their own."""

    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        rng: random.Random,
        email: str,
        password: str,
        pause_seconds: float,
        tally: Tally,
    ) -> None:
        self._client = client
        self._rng = rng
        self._email = email
        self._password = password
        self._pause_seconds = pause_seconds
        self._tally = tally
        # An address for documentation (RFC 5737), as a proxy in front would report it.
        network = rng.choice(("192.0.2", "198.51.100", "203.0.113"))
        self._headers = {"X-Forwarded-For": f"{network}.{rng.randint(1, 254)}"}

    async def move_in(self) -> None:
        """Register; if the place is taken, remove its former owner first."""
        answer = await self._post("/register", json=self._credentials())
        if answer.status_code == HTTPStatus.CONFLICT and await self.sign_in():
            (await self._client.delete("/me", headers=self._headers)).raise_for_status()
            self._headers.pop("Authorization")
            answer = await self._post("/register", json=self._credentials())
        self._keep_token(answer)

    async def sign_in(self) -> bool:
        """Sign in, perhaps at the second attempt; False if there is no such account."""
        if self._rng.random() < _MISTYPES:
            mistyped = {"email": self._email, "password": self._password[:-1]}
            await self._post("/login", json=mistyped)
            await self._pause()
        answer = await self._post("/login", json=self._credentials())
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            return False
        self._keep_token(answer)
        return True

    async def use_product(self, person: Person) -> None:
        """Upload, analyse, look at the result; some leave after any of the steps."""
        if self._rng.random() < _GIVES_UP_EARLY:
            return
        await self._pause()
        uploaded = await self._post("/upload-resume", files={"file": self._document(person)})
        resume_id = str(uploaded.raise_for_status().json()["resume_id"])
        for _ in range(self._rng.randint(0, 3)):
            await self._pause()
            await self._analyze(resume_id, person.role)

    async def look_around(self) -> None:
        """Look at earlier results, as whoever comes back does."""
        listed = (await self._get("/analyses")).raise_for_status().json()["items"]
        for item in listed[:2]:
            await self._pause()
            (await self._get(f"/analyses/{item['analysis_id']}")).raise_for_status()

    async def _analyze(self, resume_id: str, role: str) -> None:
        is_odd = self._rng.random() < _ODD_SALARY
        salary = self._rng.choice(ODD_SALARIES) if is_odd else None
        job_text = invent_job(self._rng, role, salary=salary)
        answer = await self._post("/analyze", json={"resume_id": resume_id, "job_text": job_text})
        analysis_id = answer.raise_for_status().json()["analysis_id"]
        self._tally.analyses += 1
        if self._rng.random() < _LOOKS_AT_RESULT:
            await self._pause()
            (await self._get(f"/analyses/{analysis_id}")).raise_for_status()

    def _document(self, person: Person) -> tuple[str, bytes, str]:
        kind = self._rng.choice(("txt", "pdf", "docx"))
        if kind == "pdf":
            return "resume.pdf", render_pdf(person.resume), "application/pdf"
        if kind == "docx":
            return "resume.docx", render_docx(person.resume), _DOCX_TYPE
        return "resume.txt", person.resume.encode(), "text/plain"

    def _credentials(self) -> dict[str, str]:
        return {"email": self._email, "password": self._password}

    def _keep_token(self, answer: httpx.Response) -> None:
        token = answer.raise_for_status().json()["token"]
        self._headers["Authorization"] = f"Bearer {token}"

    async def _pause(self) -> None:
        await asyncio.sleep(self._pause_seconds * self._rng.uniform(0.3, 2.0))

    async def _get(self, path: str) -> httpx.Response:
        return await self._client.get(path, headers=self._headers)

    async def _post(
        self,
        path: str,
        *,
        json: dict[str, str] | None = None,
        files: dict[str, tuple[str, bytes, str]] | None = None,
    ) -> httpx.Response:
        return await self._client.post(path, headers=self._headers, json=json, files=files)


def open_client(base_url: str) -> httpx.AsyncClient:
    """Open the connections that all visitors share."""
    client = httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT_SECONDS)
    # No cookies: one visitor's would travel with another's requests.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


async def _run(arguments: argparse.Namespace) -> Tally:
    async with open_client(arguments.base_url) as client:
        users = SimulatedUsers(
            client=client,
            seed=arguments.seed,
            population=arguments.population,
            users_per_minute=arguments.users_per_minute,
        )
        with suppress(asyncio.CancelledError):
            await users.run()
        return users.tally


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate until interrupted."""
    parser = argparse.ArgumentParser(description="Simulated users of ResuMatch.")
    parser.add_argument("--base-url", default="http://127.0.0.1:8000")
    parser.add_argument("--users-per-minute", type=float, default=20.0)
    parser.add_argument("--population", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if not 0 < options.users_per_minute <= 600:
        parser.error("--users-per-minute must be above 0 and at most 600")
    if not 1 <= options.population <= 10_000:
        parser.error("--population must be between 1 and 10000")
    try:
        tally = asyncio.run(_run(options))
    except KeyboardInterrupt:
        return
    sys.stdout.write(f"{tally}\n")


if __name__ == "__main__":
    main()
