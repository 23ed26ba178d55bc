"""How skills are found and weighed."""

import pytest

from resumatch.backend.matching import Importance, find_evidence, find_requirements, match_resume
from resumatch.backend.salaries import Salary, find_salary
from resumatch.backend.skills import all_skills, implied_by, vocabulary


@pytest.mark.parametrize(
    ("sentence", "skills"),
    [
        ("We use C++, C# and .NET.", {"C++", "C#", ".NET"}),
        ("Written in C.", {"C"}),
        ("Go and R, please.", {"Go", "R"}),
        ("Let it go, or are you in R&D?", set[str]()),
        ("Node.js and nodejs", {"Node.js"}),
        ("JavaScript is not Java", {"JavaScript", "Java"}),
        ("javascripts", set[str]()),
        ("k8s on GCP with postgres", {"Kubernetes", "Google Cloud", "PostgreSQL"}),
        ("continuous  integration and A/B testing", {"CI/CD", "A/B testing"}),
        ("A C-level officer who is quick", set[str]()),
        ("Spring Boot, not the spring-like weather", {"Spring"}),
        ("REST APIs (RESTful)", {"REST APIs"}),
    ],
)
def test_skills_are_found_as_whole_words(sentence: str, skills: set[str]) -> None:
    assert set(vocabulary().find(sentence)) == skills


def test_the_table_of_skills_is_sound() -> None:
    skills = all_skills()

    words: dict[str, str] = {}
    for skill in skills.values():
        assert set(skill.implies) <= set(skills), skill
        assert skill.name not in implied_by(skill.name)
        for word in (skill.name, *skill.synonyms):
            assert words.setdefault(word.casefold(), skill.name) == skill.name, word
            assert vocabulary().find(word) == {skill.name: word}, word


def test_headings_and_words_say_how_important_a_skill_is() -> None:
    job = """Requirements:
    - Python
    - Docker (nice to have)
    Nice to have:
    - Redis
    - You must have SQL
    Your profile:
    - Git
    Kubernetes is not required.
    """

    found = {each.skill: each.importance for each in find_requirements(job)}

    required, optional = Importance.REQUIRED, Importance.OPTIONAL
    assert found == {
        "Python": required,
        "Docker": optional,
        "Redis": optional,
        "SQL": required,
        "Git": required,
    }


def test_what_a_resume_denies_it_does_not_show() -> None:
    shown = find_evidence(
        "I have no experience with Terraform. Never used Ansible. Eager to learn Rust. I know Git."
    )

    assert set(shown) == {"Git"}


def test_a_sentence_convinces_more_than_a_list() -> None:
    resume = "Skills: Python, Docker, Redis, Git\nRan Redis for a shop with many customers."

    match = match_resume(resume, "You need Redis and Docker every day.")

    evidence = {requirement.skill: found for requirement, found in match.matched}
    assert evidence["Redis"][0].sentence.startswith("Ran Redis")
    assert match.score == 100
    assert any("Docker stands only in a list" in each for each in match.suggestions)


def test_an_empty_resume_scores_nothing() -> None:
    match = match_resume("Nothing of use.", "Python required.")

    assert match.score == 0
    assert [each.skill for each in match.missing] == ["Python"]


@pytest.mark.parametrize(
    ("text", "salary"),
    [
        ("Salary: €70,000 - €90,000", Salary("EUR", 70000, 90000)),
        ("$95k - $120k", Salary("USD", 95000, 120000)),
        ("£55.000 plus pension", Salary("GBP", 55000, 55000)),
        ("CHF 80 000 to CHF 95 000", Salary("CHF", 80000, 95000)),
        ("$90\u2013120k", Salary("USD", 90000, 120000)),
        ("¥9,000,000, that is €55,000", Salary("EUR", 55000, 55000)),
        ("Pay: PLN 18,000", None),
        ("a competitive salary", None),
    ],
)
def test_salaries_are_read(text: str, salary: Salary | None) -> None:
    assert find_salary(text) == salary
