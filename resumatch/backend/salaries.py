"""What a job pays, as far as its text says so."""

import re
from dataclasses import dataclass

_AMOUNT = r"(\d{1,3}(?:[.,\s]\d{3})+|\d+(?:[.,]\d+)?)\s*([kK]?)"
_RANGE = re.compile(
    rf"([$€£¥₹₺₿]|[A-Z]{{3}})\s?{_AMOUNT}(?:\s?(?:-|\u2013|\u2014|to)\s?(?:[$€£¥₹₺₿]|[A-Z]{{3}})?\s?{_AMOUNT})?"
)
_CURRENCIES = {
    "$": "USD", "USD": "USD",
    "€": "EUR", "EUR": "EUR",
    "£": "GBP", "GBP": "GBP",
    "CHF": "CHF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Salary:
    """A yearly range."""

    currency: str
    least: int
    most: int


def find_salary(job_text: str) -> Salary | None:
    """Return the first salary of a text in a currency that is known."""
    for match in _RANGE.finditer(job_text):
        if match[1] in _CURRENCIES:
            return read_salary(match)
    return None


def read_first_salary(job_text: str) -> Salary | None:
    """Return the first salary of a text, whatever its currency.

    This is how the first release did it, and it breaks on a currency that is not in the table.
    The demonstration runs it, so that there is a bug to be found.
    """
    match = _RANGE.search(job_text)
    return read_salary(match) if match else None


def read_salary(match: re.Match[str]) -> Salary:
    """Turn what the pattern found into numbers."""
    currency = _CURRENCIES[match[1]]
    least = _amount(match[2], match[3] or (match[5] or ""))
    most = _amount(match[4], match[5] or "") if match[4] else least
    return Salary(currency, least, most)


def _amount(digits: str, thousands: str) -> int:
    plain = re.sub(r"[.,\s](?=\d{3}(?!\d))", "", digits).replace(",", ".")
    return round(float(plain) * (1000 if thousands else 1))
