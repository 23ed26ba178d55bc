"""People who do not exist, their résumés, and jobs that nobody offers."""

import io
import random
import textwrap
from dataclasses import dataclass

import docx

_FIRST_NAMES = ("Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hana", "Ivo", "June")
_LAST_NAMES = ("Example", "Fabricated", "Imagined", "Invented", "Madeup", "Nobody", "Pretend")
_ROLES = {
    "Backend developer": ("Python", "FastAPI", "PostgreSQL", "Redis", "Docker", "Kafka"),
    "Frontend developer": ("TypeScript", "React", "Next.js", "CSS", "Playwright", "Figma"),
    "Data analyst": ("SQL", "Excel", "Tableau", "pandas", "Statistics", "A/B testing"),
    "Platform engineer": ("Kubernetes", "Terraform", "Linux", "Prometheus", "AWS", "Bash"),
    "Product manager": ("Roadmapping", "Scrum", "User research", "Jira", "Stakeholder management"),
}
_DEEDS = (
    "Built an internal service with {0} and {1} that forty colleagues use every day.",
    "Moved a ten-year-old system to {0} without a minute of downtime.",
    "Taught {0} to two apprentices and wrote the team's guide to {1}.",
    "Halved the cost of a nightly job by rewriting it in {0}.",
    "Introduced {0} and {1} and kept them running for three years.",
)
_SALARIES = ("Salary: €62,000 - €78,000", "We pay $95k - $120k.", "£55,000 plus pension.", "")
# The odd forms in which a salary stands now and then; the product has a bug with them.
ODD_SALARIES = ("Salary: ¥9,000,000 - ¥11,000,000", "Pay: PLN 18,000 - 22,000", "₹2,500,000 a year")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody invented, with a résumé in words."""

    name: str
    role: str
    resume: str


def invent_person(rng: random.Random) -> Person:
    name = f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}"
    role = rng.choice(list(_ROLES))
    skills = rng.sample(_ROLES[role], k=4)
    deeds = [deed.format(*rng.sample(skills, k=2)) for deed in rng.sample(_DEEDS, k=3)]
    lines = [
        name,
        f"{role}, {rng.randint(2, 15)} years of experience",
        "This person is invented: the résumé belongs to a demonstration.",
        *deeds,
        "Skills: " + ", ".join(skills),
    ]
    return Person(name, role, "\n".join(lines))


def invent_job(rng: random.Random, role: str, *, salary: str | None = None) -> str:
    """Write a job that fits `role` more or less."""
    wanted = list(_ROLES[role])
    rng.shuffle(wanted)
    lines = [
        f"{rng.choice(('Senior', 'Junior', 'Lead'))} {role.lower()}",
        f"You must have {wanted[0]} and {wanted[1]}.",
        f"{wanted[2]} is required.",
        "Nice to have:",
        f"- {wanted[3]}",
        f"- {rng.choice(('German', 'GraphQL', 'Mentoring', 'Git'))}",
        rng.choice(_SALARIES) if salary is None else salary,
    ]
    return "\n".join(lines)


def render_pdf(text: str, *, extra_objects: tuple[bytes, ...] = (), catalog: bytes = b"") -> bytes:
    """Write `text` as a small PDF of one page.

    Args:
        text: Characters of Windows-1252; others become question marks.
        extra_objects: Further objects, numbered from 6.
        catalog: What else stands in the catalogue, such as `/OpenAction 6 0 R`.
    """
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, 95) or [""]]
    shown = b" ".join(b"(" + _escape(line) + b") Tj T*" for line in lines)
    content = b"BT /F1 10 Tf 14 TL 50 790 Td " + shown + b" ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *extra_objects,
    ]
    return _assemble_pdf(objects)


def _assemble_pdf(objects: list[bytes]) -> bytes:
    file = bytearray(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    file += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    file += b"startxref\n%d\n%%%%EOF\n" % start
    return bytes(file)


def _escape(line: str) -> bytes:
    plain = line.encode("cp1252", errors="replace")
    return plain.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def render_docx(text: str) -> bytes:
    """Write `text` as a Word document, a paragraph a line."""
    document = docx.Document()
    for line in text.splitlines():
        document.add_paragraph(line)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
