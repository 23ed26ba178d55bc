"""What a person does with ResuMatch, and what the monitoring reads of it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

PASSWORD = "correct horse battery"
RESUME = """Alice Invented
Backend developer, seven years.
Built a billing service with FastAPI and PostgreSQL that serves two million requests a day.
Led the move of twelve services to Kubernetes.
Mentored three junior developers.
I have no experience with Terraform.
"""
JOB = """Senior Python developer
You must have Python and PostgreSQL.
Docker is required.
Terraform experience required.
Nice to have:
- Redis
- GraphQL
Salary: €70,000 - €90,000
"""


class Client:
    """An HTTP client with the few requests that most tests make."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def register(
        self, email: str = "alice@example.com", *, headers: Mapping[str, str] | None = None
    ) -> str:
        answer = await self.http.post(
            "/register", json={"email": email, "password": PASSWORD}, headers=headers
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def upload(
        self,
        data: bytes = RESUME.encode(),
        filename: str = "resume.txt",
        content_type: str = "text/plain",
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return await self.http.post(
            "/upload-resume", files={"file": (filename, data, content_type)}, headers=headers
        )

    async def analyze(
        self,
        resume_id: str,
        job_text: str = JOB,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return await self.http.post(
            "/analyze", json={"resume_id": resume_id, "job_text": job_text}, headers=headers
        )

    async def walk(self, *, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Upload, analyse and look at the result."""
        uploaded = await self.upload(headers=headers)
        assert uploaded.status_code == 201, uploaded.text
        analyzed = await self.analyze(uploaded.json()["resume_id"], headers=headers)
        assert analyzed.status_code == 201, analyzed.text
        path = f"/analyses/{analyzed.json()['analysis_id']}"
        viewed = await self.http.get(path, headers=headers)
        assert viewed.status_code == 200, viewed.text
        return dict(viewed.json())

    async def metrics(self) -> dict[str, float]:
        """Scrape, as `name{label="value"}` to value."""
        answer = await self.http.get("/metrics")
        assert answer.status_code == 200
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{sample.labels[name]}"' for name in sample.labels)
                found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
        return found


@asynccontextmanager
async def connect(app: FastAPI) -> AsyncGenerator[Client]:
    # A crash is answered with 500 and then raised on, for the server to log: not for the client.
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://resumatch") as http:
        yield Client(http)
