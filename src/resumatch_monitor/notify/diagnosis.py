"""What a message says about the why: facts around the alert, and a chart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is known about the alert, in one line.

    Attributes:
        name: What it is, e.g. `Last release`.
        text: For people.
        path: The page of the monitor about it, with query; empty if there is none.
    """

    name: str
    text: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """The expression around the moment.

    Attributes:
        png: A picture at twice the size at which it is shown.
        width: How wide it is shown, in CSS pixels.
        height: How high.
        alt: What it shows, for those who do not see it.
    """

    png: bytes
    width: int
    height: int
    alt: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known about a notification beyond its alerts; empty where nothing is.

    Attributes:
        facts: The most telling first.
        todo: What to do first.
        sparkline: The chart as characters, for places without pictures.
        chart: The chart as a picture.
    """

    facts: tuple[Fact, ...] = ()
    todo: str = ""
    sparkline: str = ""
    chart: Chart | None = None


NO_DIAGNOSIS = Diagnosis()
