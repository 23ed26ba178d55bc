"""What a person does, from registration to leaving."""

from datetime import datetime
from itertools import pairwise

import pytest

from tests.resumatch.client import JOB, PASSWORD, RESUME, Client
from tests.resumatch.servers import PostgresService, RedisService

pytestmark = pytest.mark.anyio


async def test_a_resume_is_held_against_a_job_and_the_result_is_seen(client: Client) -> None:
    await client.register()

    result = await client.walk()

    matched = {each["skill"]: each for each in result["result"]["matched_skills"]}
    missing = {each["skill"]: each["importance"] for each in result["result"]["missing_skills"]}
    assert set(matched) == {"Python", "PostgreSQL", "Docker"}
    assert missing == {"Terraform": "required", "Redis": "nice_to_have", "GraphQL": "nice_to_have"}
    assert matched["Python"]["implied_by"] == "FastAPI"
    assert "billing service" in matched["PostgreSQL"]["evidence"][0]["sentence"]
    assert result["score"] == round(100 * (3 + 0.8 * 3 + 0.8 * 3) / 14)
    assert result["job_title"] == "Senior Python developer"
    assert result["result"]["salary"] == {"currency": "EUR", "least": 70000, "most": 90000}


async def test_registering_signs_in_by_cookie_and_by_token(client: Client) -> None:
    token = await client.register("Alice@Example.com")

    by_cookie = await client.http.get("/me")
    client.http.cookies.clear()
    by_token = await client.http.get("/me", headers={"Authorization": f"Bearer {token}"})
    by_nothing = await client.http.get("/me")

    assert by_cookie.json()["email"] == by_token.json()["email"] == "alice@example.com"
    assert by_nothing.status_code == 401


async def test_logging_out_revokes_the_token(client: Client) -> None:
    token = await client.register()
    bearer = {"Authorization": f"Bearer {token}"}

    assert (await client.http.post("/logout", headers=bearer)).status_code == 204

    client.http.cookies.clear()
    assert (await client.http.get("/me", headers=bearer)).status_code == 401


async def test_a_forged_or_damaged_token_is_refused(client: Client) -> None:
    token = await client.register()
    client.http.cookies.clear()

    for forged in (token[:-1], token.replace(".", "x"), "", "nonsense"):
        headers = {"Authorization": f"Bearer {forged}"}
        assert (await client.http.get("/me", headers=headers)).status_code == 401


async def test_an_address_registers_once(client: Client) -> None:
    await client.register()

    again = await client.http.post(
        "/register", json={"email": "ALICE@example.com", "password": PASSWORD}
    )

    assert again.status_code == 409
    assert again.json()["error"]["code"] == "already_registered"


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
async def test_a_wrong_password_and_an_unknown_address_look_the_same(
    client: Client, email: str
) -> None:
    await client.register()

    answer = await client.http.post("/login", json={"email": email, "password": "wrong password"})

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "wrong_credentials"
    assert (await client.metrics())["failed_login_attempts_total"] == 1


async def test_an_invalid_body_is_explained_without_repeating_it(client: Client) -> None:
    answer = await client.http.post("/register", json={"email": "no address", "password": "short7"})

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert "email:" in error["message"]
    assert "password:" in error["message"]
    assert "short7" not in answer.text
    assert error["request_id"] == answer.headers["X-Request-ID"]


async def test_nobody_sees_what_is_anothers(client: Client) -> None:
    await client.register("alice@example.com")
    mine = await client.walk()
    client.http.cookies.clear()
    await client.register("bob@example.com")

    viewed = await client.http.get(f"/analyses/{mine['analysis_id']}")
    analyzed = await client.analyze(mine["resume_id"])

    assert (viewed.status_code, analyzed.status_code) == (404, 404)
    assert (await client.http.get("/analyses")).json() == {"items": [], "next_cursor": None}


async def test_analyses_are_listed_page_by_page_latest_first(client: Client) -> None:
    await client.register()
    resume_id = (await client.upload()).json()["resume_id"]
    for number in range(5):
        await client.analyze(resume_id, f"Job number {number}\n{JOB}")

    titles: list[str] = []
    moments: list[datetime] = []
    cursor = None
    for _ in range(4):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.http.get("/analyses", params=query)).json()
        titles += [item["job_title"] for item in page["items"]]
        moments += [datetime.fromisoformat(item["created_at"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert titles == [f"Job number {number}" for number in (4, 3, 2, 1, 0)]
    assert all(later > earlier for later, earlier in pairwise(moments))
    assert (await client.http.get("/analyses?cursor=nonsense")).status_code == 400


async def test_leaving_leaves_nothing(
    client: Client, postgres: PostgresService, redis_server: RedisService
) -> None:
    token = await client.register()
    await client.http.post("/login", json={"email": "alice@example.com", "password": "not this"})
    await client.walk()

    assert (await client.http.delete("/me")).status_code == 204

    for table in ("users", "sessions", "resumes", "analyses"):
        assert await postgres.ask(f"SELECT count(*) FROM {table}") == 0
    left = [str(key) for key in redis_server.ask("KEYS", "*")]
    assert left
    assert all(":address:" in key for key in left)
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await client.http.get("/me", headers=bearer)).status_code == 401


async def test_another_site_cannot_act_with_the_cookie(client: Client) -> None:
    await client.register()

    foreign = await client.http.delete("/me", headers={"Origin": "https://evil.example"})
    own = await client.http.delete("/me", headers={"Origin": "http://resumatch"})

    assert (foreign.status_code, own.status_code) == (403, 204)


async def test_a_body_that_is_too_large_is_not_read_to_its_end(client: Client) -> None:
    await client.register()

    big_file = await client.upload(b"x" * (6 * 1024 * 1024))
    big_json = await client.analyze("x", "y" * 300_000)

    assert (big_file.status_code, big_json.status_code) == (413, 413)


async def test_a_job_without_known_skills_has_no_score(client: Client) -> None:
    await client.register()
    resume_id = (await client.upload(RESUME.encode())).json()["resume_id"]

    answer = await client.analyze(resume_id, "We look for somebody who is nice to everyone.")

    assert answer.json()["score"] is None
