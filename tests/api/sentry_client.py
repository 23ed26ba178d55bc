"""A program that uses the real SDK and meets a bug: `sentry_client.py DSN TEXT`."""

import sys

import sentry_sdk


def score(resume: str, skill: str) -> int:
    password = "hunter2-hunter2"
    note = [resume.upper(), resume]
    card = "card " + "4111 " + "1111 " * 3 + "of ada" + "@" + "example.org"
    weights: dict[str, int] = {}
    return weights[skill] + len(password + note[0] + card)


def analyse(resume: str) -> None:
    try:
        score(resume, "python")
    except KeyError as error:
        raise RuntimeError("analysis failed") from error


def main(dsn: str, resume: str) -> None:
    sentry_sdk.init(dsn, release="resumatch@4.5.6", environment="staging", traces_sample_rate=0.0)
    sentry_sdk.set_user({"id": "user-17", "email": "ada" + "@example.org"})
    sentry_sdk.add_breadcrumb(category="work", message="about to analyse", level="info")
    try:
        analyse(resume)
    except RuntimeError as error:
        sentry_sdk.capture_exception(error)
    sentry_sdk.flush(timeout=10)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
