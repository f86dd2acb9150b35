"""The cast of the recording: made-up people at made-up companies, in the proportions that marketing knows too well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

# How many people of each kind there are among the 600: most read a little, few buy.
KINDS: Final = {"reader": 270, "browser": 125, "warm": 88, "trialist": 54, "buyer": 33, "jobseeker": 18, "student": 12}

FIRST: Final = """
Anna Ben Clara David Elif Felix Greta Hanna Ivan Jana Karim Lena Marek Nadia Oskar Paula Quentin Rosa Sven Tara
Ugo Vera Willem Xenia Yusuf Zoe Amir Britta Chiara Dario Esra Fabian Gesa Henrik Ines Jonas Kaja Luis Mira Niels
Olga Pieter Rania Stefan Tilda Umut Viktor Wiebke Yara Anton
""".split()  # noqa: SIM905 - a hundred quotation marks less to read
LAST: Final = """
Albrecht Becker Castell Dahl Eriksen Fischer Gruber Hansen Ibsen Jansen Keller Lindqvist Moreau Novak Olsen
Peters Quast Richter Schulte Tanaka Urban Vogel Weber Yilmaz Zimmer Ahrens Bauer Conrad Dietz Engel Falk Gerber
Haas Iversen Jung Koch Lorenz Meyer Neumann Otto Pohl Rossi Sommer Thiel Ulrich Visser Winter Zander Brandt
Adler
""".split()  # noqa: SIM905 - a hundred quotation marks less to read
PLACES: Final = """
Alster Baltic Bremen Coast Delta Elbe Fjord Gotland Harbour Isar Jade Kiel Linden Marsch Neckar Oder Polder Quay
Rhine Spree Tauern Ufer Vistula Weser Ysel Zeeland Aare Bode Dornier Ems
""".split()  # noqa: SIM905 - a hundred quotation marks less to read
TRADES: Final = {
    "logistics": ("Freight", "Forwarding", "Cargo"),
    "retail": ("Stores", "Outfitters", "Markets"),
    "manufacturing": ("Works", "Tools", "Motors"),
    "software": ("Software", "Systems"),
    "services": ("Partners", "Advisory"),
    "public": ("Institute",),
}
MAKERS: Final = ("VP Operations", "Head of BI", "Chief Operating Officer", "Director of Finance", "Head of Logistics")
DOERS: Final = (
    "Data Analyst",
    "Operations Manager",
    "Controlling Lead",
    "Marketing Manager",
    "Product Manager",
    "Buyer",
)
COUNTRIES: Final = ("DE", "DE", "DE", "AT", "CH", "NL", "BE", "FR", "GB", "US", "PL", "ES")


@dataclass(frozen=True, slots=True)
class Company:
    """Where people work; `domain` is one that nobody can own."""

    name: str
    domain: str
    industry: str
    country: str
    employees: int


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the recording. `user` is the product's id for them."""

    number: int
    kind: str
    first_name: str
    last_name: str
    email: str
    title: str
    company: Company

    @property
    def user(self) -> str:
        """The id that the product knows them by."""
        return f"u_{self.number:05d}"


def cast(rng: Random) -> list[Person]:
    """All six hundred, in no order that would tell what they are going to do."""
    companies = list(make_companies(rng))
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    rng.shuffle(kinds)
    people: list[Person] = []
    taken: set[str] = set()
    for number, kind in enumerate(kinds, start=1):
        person = make_person(rng, number, kind, companies, taken)
        taken.add(person.email)
        people.append(person)
    return people


def make_companies(rng: Random) -> Iterator[Company]:
    """About three people share a company, as colleagues do."""
    for place in PLACES:
        for industry, trades in TRADES.items():
            trade = rng.choice(trades)
            employees = round(8 * 2 ** (rng.random() * 8.5))
            domain = f"{place}-{trade}.test".lower()
            yield Company(f"{place} {trade}", domain, industry, rng.choice(COUNTRIES), employees)


def make_person(rng: Random, number: int, kind: str, companies: list[Company], taken: set[str]) -> Person:
    """One person whose title, company and address fit what they are here for."""
    company = likely_company(rng, kind, companies)
    while True:
        first, last = rng.choice(FIRST), rng.choice(LAST)
        email = address(rng, kind, first, last, company)
        if email not in taken:
            return Person(number, kind, first, last, email, likely_title(rng, kind), company)


def likely_company(rng: Random, kind: str, companies: list[Company]) -> Company:
    """Buyers come from where the product helps; everybody else from anywhere."""
    while True:
        company = rng.choice(companies)
        fits = company.industry in {"logistics", "retail", "manufacturing"} and 40 <= company.employees <= 1500  # noqa: PLR2004 - the example's own idea of a good customer
        if kind != "buyer" or fits or rng.random() < 0.1:  # noqa: PLR2004 - one buyer in ten surprises us
            return company


def likely_title(rng: Random, kind: str) -> str:
    """The title as its owner writes it."""
    if kind == "student":
        return rng.choice(("Student", "PhD student", "Intern"))
    deciders = {"buyer": 0.8, "warm": 0.35, "trialist": 0.3}.get(kind, 0.12)
    return rng.choice(MAKERS if rng.random() < deciders else DOERS)


def address(rng: Random, kind: str, first: str, last: str, company: Company) -> str:
    """Business address for most, a private one for those who rather keep their employer out of it."""
    private = {"reader": 0.25, "student": 0.7, "jobseeker": 0.8}.get(kind, 0.04)
    if rng.random() < private:
        domain = rng.choice(("mailbox.example", "freemail.example"))
        return f"{first}.{last}{rng.randrange(60, 99)}@{domain}".lower()
    return f"{first}.{last}@{company.domain}".lower()
