"""Releases and deploys, announced by the real sentry-cli."""

import dataclasses
import subprocess
from pathlib import Path

import httpx

from tests.support.monitor import TOKEN
from tests.support.sentry_cli import SentryCli


def get(cli: SentryCli, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {cli.token}"}
    return httpx.get(f"{cli.url}/api/0/{path}", headers=headers, trust_env=False)


def test_a_release_is_announced_finalised_and_deployed(cli: SentryCli) -> None:
    cli.succeed("releases", "new", "web@9", "--url", "https://ci.example.org/9")
    cli.succeed("releases", "finalize", "web@9")
    deployed = cli.succeed("deploys", "new", "--release", "web@9", "-e", "production", "-t", "60")

    release = get(cli, "organizations/acme/releases/web%409/").json()
    assert release["url"] == "https://ci.example.org/9"
    assert release["dateReleased"] is not None
    assert [each["slug"] for each in release["projects"]] == ["web"]
    assert release["lastDeploy"]["environment"] == "production"
    assert "production" in deployed
    assert "production" in cli.succeed("deploys", "list", "--release", "web@9")
    assert "web@9" in cli.succeed("releases", "list")
    assert "web@9" in cli.succeed("releases", "info", "web@9")


def test_a_release_is_of_several_projects(cli: SentryCli) -> None:
    cli.succeed("releases", "new", "-p", "web", "-p", "api", "both@1")

    release = get(cli, "organizations/acme/releases/both@1/").json()
    assert sorted(each["slug"] for each in release["projects"]) == ["api", "web"]


def make_checkout(folder: Path, *messages: str) -> None:
    """Make a repository with a commit for each message."""

    def git(*arguments: str) -> None:
        names = ["-c", "user.name=Alice", "-c", "user.email=alice@example.org"]
        subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-q")
    git("remote", "add", "origin", "https://git.example.org/acme/shop.git")
    for message in messages:
        git("commit", "-q", "--allow-empty", "-m", message)


def test_commits_of_a_checkout_are_kept(cli: SentryCli) -> None:
    make_checkout(cli.folder, "Add the cart", "Mend the cart")
    cli.succeed("releases", "new", "web@10")
    cli.succeed("releases", "set-commits", "web@10", "--auto")

    commits = get(cli, "organizations/acme/releases/web@10/commits/").json()
    assert [each["message"].strip() for each in commits] == ["Mend the cart", "Add the cart"]
    assert {each["author"]["email"] for each in commits} == {"alice@example.org"}
    assert all(len(each["id"]) == 40 and each["dateCreated"] for each in commits)


def test_a_release_is_forgotten(cli: SentryCli) -> None:
    cli.succeed("releases", "new", "web@gone")
    cli.succeed("releases", "delete", "web@gone")

    assert get(cli, "organizations/acme/releases/web@gone/").status_code == 404


def test_it_says_who_it_is(cli: SentryCli) -> None:
    told = cli.succeed("info")

    assert "project:releases" in told
    assert "token:ci" in told
    assert "web" in cli.succeed("projects", "list")
    assert "resumatch" in cli.succeed("organizations", "list")


def test_a_project_that_there_is_not_is_named(cli: SentryCli) -> None:
    done = cli.run("releases", "new", "-p", "shop", "web@9")

    assert done.status != 0
    assert "There is no project 'shop'; there are: web, api." in done.output


def test_a_wrong_token_is_refused_at_once(cli: SentryCli) -> None:
    done = dataclasses.replace(cli, token="rmm_wrong").run("releases", "new", "web@9")

    assert done.status != 0
    assert "401" in done.output


def test_the_token_of_a_build_can_read_nothing_else(cli: SentryCli) -> None:
    def ask(path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(cli.url + path, headers=headers, trust_env=False).status_code

    for path in ("/api/monitor/issues", "/api/monitor/me", "/api/v1/query?query=up"):
        assert (ask(path, cli.token), ask(path, TOKEN)) == (403, 200), path
