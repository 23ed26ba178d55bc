"""Holds a résumé against a job: which skills are asked for, which are shown, and where."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from resumatch.backend.skills import implied_by, vocabulary

REQUIRED_WEIGHT = 3
OPTIONAL_WEIGHT = 1
# Whoever writes "FastAPI" shows Python too, but less plainly than whoever writes "Python".
IMPLIED_CREDIT = 0.8

_MAX_EVIDENCE = 3
_MAX_SUGGESTIONS = 8
_LONGEST_SENTENCE = 400
_BARE_LIST_SKILLS = 4

_SENTENCE_ENDS = re.compile(r"(?<=[.!?;])\s+(?=[A-ZÀ-Þ0-9\"'(\[])|[\r\n]+|\s[•●▪*]\s")
_BULLET = re.compile(r"^[\s•●▪◦*\u2013\u2014-]+")
_OPTIONAL = re.compile(
    r"\b(nice[\s-]to[\s-]have|bonus|preferred|preferably|ideally|desirable|desired|optional"
    r"|a plus|is a plus|advantage(ous)?|beneficial|would be great|good to have)\b",
    re.IGNORECASE,
)
_REQUIRED = re.compile(
    r"\b(required|requirements?|must[\s-]haves?|must have|must|essential|mandatory|you have"
    r"|you bring|your profile|qualifications|what we expect)\b",
    re.IGNORECASE,
)
_NOT_ASKED = re.compile(
    r"\b(not (required|needed|necessary)|no (prior )?(experience|knowledge) (of|in|with)"
    r"|don'?t need|do not need|without)\b",
    re.IGNORECASE,
)
_NOT_SHOWN = re.compile(
    r"\b(no (prior |practical |real )?(experience|knowledge|exposure)"
    r"|not (yet )?(familiar|experienced|proficient)|unfamiliar with"
    r"|never (used|worked)|lack(ing)? (of )?experience"
    r"|(would like|want|hope|eager|keen|plan(ning)?|wish) to learn)\b",
    re.IGNORECASE,
)
_LONGEST_HEADING = 60


class Importance(StrEnum):
    """How much a job wants a skill."""

    REQUIRED = "required"
    OPTIONAL = "nice_to_have"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A skill that the job names."""

    skill: str
    importance: Importance
    asked_in: str

    @property
    def weight(self) -> int:
        return REQUIRED_WEIGHT if self.importance is Importance.REQUIRED else OPTIONAL_WEIGHT


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of the résumé that shows a skill, and the words that do."""

    sentence: str
    words: str
    # The skill that was named, if the one asked for only follows from it.
    through: str | None = None
    is_bare_list: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """What an analysis found. The score is None if the job names no skill that is known."""

    score: int | None
    matched: tuple[tuple[Requirement, tuple[Evidence, ...]], ...]
    missing: tuple[Requirement, ...]
    suggestions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "score": self.score,
            "matched_skills": [
                {
                    **_requirement_json(requirement),
                    "implied_by": evidence[0].through,
                    "evidence": [
                        {"sentence": each.sentence, "words": each.words} for each in evidence
                    ],
                }
                for requirement, evidence in self.matched
            ],
            "missing_skills": [_requirement_json(each) for each in self.missing],
            "suggestions": list(self.suggestions),
        }


def match_resume(resume_text: str, job_text: str) -> Match:
    """Score how far `resume_text` shows what `job_text` asks for, from 0 to 100."""
    requirements = find_requirements(job_text)
    shown = find_evidence(resume_text)
    matched: list[tuple[Requirement, tuple[Evidence, ...]]] = []
    missing: list[Requirement] = []
    earned = 0.0
    for requirement in requirements:
        evidence = shown.get(requirement.skill, ())
        if evidence:
            matched.append((requirement, evidence))
            earned += requirement.weight * (IMPLIED_CREDIT if evidence[0].through else 1.0)
        else:
            missing.append(requirement)
    total = sum(requirement.weight for requirement in requirements)
    return Match(
        score=round(100 * earned / total) if total else None,
        matched=tuple(matched),
        missing=tuple(missing),
        suggestions=tuple(_suggest(matched, missing))[:_MAX_SUGGESTIONS],
    )


def find_requirements(job_text: str) -> list[Requirement]:
    """Return the skills that a job asks for, the required ones first.

    A heading such as "Nice to have:" speaks for the lines below it, until the next heading; a
    sentence that says so itself speaks for itself.
    """
    found: dict[str, Requirement] = {}
    section = Importance.REQUIRED
    for sentence in split_sentences(job_text):
        if _is_heading(sentence):
            section = _importance(sentence, Importance.REQUIRED)
        if _NOT_ASKED.search(sentence):
            continue
        importance = _importance(sentence, section)
        for skill in vocabulary().find(sentence):
            known = found.get(skill)
            if known is None or (known.importance, importance) == (
                Importance.OPTIONAL,
                Importance.REQUIRED,
            ):
                found[skill] = Requirement(skill, importance, sentence)
    return sorted(found.values(), key=lambda requirement: -requirement.weight)


def find_evidence(resume_text: str) -> dict[str, tuple[Evidence, ...]]:
    """Return the skills that a résumé shows, each with its best sentences first."""
    named: dict[str, list[Evidence]] = {}
    implied: dict[str, list[Evidence]] = {}
    for sentence in split_sentences(resume_text):
        if _NOT_SHOWN.search(sentence):
            continue
        skills = vocabulary().find(sentence)
        is_bare_list = _is_bare_list(sentence, len(skills))
        for skill, words in skills.items():
            named.setdefault(skill, []).append(Evidence(sentence, words, None, is_bare_list))
            for other in implied_by(skill):
                implied.setdefault(other, []).append(Evidence(sentence, words, skill, is_bare_list))
    return {
        skill: tuple(
            sorted(named.get(skill) or implied[skill], key=lambda each: each.is_bare_list)
        )[:_MAX_EVIDENCE]
        for skill in named.keys() | implied.keys()
    }


def split_sentences(text: str) -> Iterator[str]:
    """Cut a text into sentences, lines and bullets."""
    for part in _SENTENCE_ENDS.split(text):
        sentence = _BULLET.sub("", part or "").strip()
        if sentence:
            yield sentence[:_LONGEST_SENTENCE]


def _importance(sentence: str, otherwise: Importance) -> Importance:
    if _OPTIONAL.search(sentence):
        return Importance.OPTIONAL
    return Importance.REQUIRED if _REQUIRED.search(sentence) else otherwise


def _is_heading(sentence: str) -> bool:
    return len(sentence) <= _LONGEST_HEADING and (
        sentence.endswith(":")
        or (not sentence.endswith(".") and bool(_OPTIONAL.fullmatch(sentence)))
        or (not sentence.endswith(".") and bool(_REQUIRED.fullmatch(sentence)))
    )


def _is_bare_list(sentence: str, skills: int) -> bool:
    return skills >= _BARE_LIST_SKILLS and skills * 3 >= len(sentence.split())


def _suggest(
    matched: list[tuple[Requirement, tuple[Evidence, ...]]], missing: list[Requirement]
) -> Iterator[str]:
    for requirement in missing:
        if requirement.importance is Importance.REQUIRED:
            yield (f"The job requires {requirement.skill}. If you used it, say where and what for.")
    for requirement, evidence in matched:
        if evidence[0].through:
            yield (
                f"You show {requirement.skill} only through {evidence[0].through}. "
                "Name it in so many words."
            )
        elif all(each.is_bare_list for each in evidence):
            yield (
                f"{requirement.skill} stands only in a list. "
                "A sentence about what you did with it convinces more."
            )
    for requirement in missing:
        if requirement.importance is Importance.OPTIONAL:
            yield f"{requirement.skill} would be a plus: mention it if you know it."


def _requirement_json(requirement: Requirement) -> dict[str, Any]:
    return {
        "skill": requirement.skill,
        "importance": requirement.importance.value,
        "asked_in": requirement.asked_in,
    }
