"""What each kind of person does in the forty-five days. Instants are virtual; everything hangs on one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.demo.wire import MailEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from workers.demo.people import Person

START: Final = datetime(2026, 9, 7, tzinfo=UTC)
DAYS: Final = 45
STEP: Final = timedelta(hours=6)
END: Final = START + timedelta(days=DAYS)
LETTERS: Final = tuple(START + timedelta(days=day, hours=7) for day in (8, 22, 36))
SITE: Final = "https://northwind.example"
READING: Final = ("/letters/one-number-a-team", "/customers/hansen-freight", "/customers/quay-outfitters", "/blog", "/")
GUIDES: Final = ("kpi-tree", "monday-report", "data-contract")
AGENTS: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
)


@dataclass(frozen=True, slots=True)
class Act:
    """Something a person does on our pages or in the product: `source` typeform or product."""

    at: datetime
    source: str
    name: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Life:
    """One person's forty-five days, filled in by their behaviour.

    Attributes:
        joined: when they joined the newsletter.
        left: when they unsubscribed, or their address bounced.
    """

    rng: Random
    person: Person
    acts: list[Act] = field(default_factory=list)
    mails: list[MailEvent] = field(default_factory=list)
    joined: datetime | None = None
    left: datetime | None = None

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return self.rng.random() < share

    def someday(self, first: float = 0.0, last: float = DAYS - 2.0) -> datetime:
        """An instant in office hours of some day between."""
        day = int(self.rng.uniform(first, last))
        return START + timedelta(days=day, hours=7, seconds=self.rng.randrange(11 * 3600))

    def later(self, at: datetime, low: float, high: float) -> datetime:
        """Between `low` and `high` hours after `at`, to the second."""
        return at + timedelta(seconds=int(self.rng.uniform(low, high) * 3600))

    def view(self, at: datetime, path: str) -> None:
        """Look at a page."""
        self.acts.append(Act(at, "product", "page.viewed", {"url": SITE + path}))

    def do(self, at: datetime, name: str, **data: Any) -> None:
        """Do something that the product or the website reports."""
        self.acts.append(Act(at, "product", name, data))

    def submit(self, at: datetime, form: str, *refs: str, **answers: Any) -> None:
        """Fill in a form; `refs` are answered with what is true of the person."""
        self.acts.append(Act(at, "typeform", form, {**facts(self.person, refs), **answers}))


def facts(person: Person, refs: tuple[str, ...]) -> dict[str, Any]:
    """What the person answers to these questions about themselves."""
    company = person.company
    known = {
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "title": person.title,
        "company": company.name,
        "industry": company.industry,
        "country": company.country,
        "employees": company.employees,
    }
    return {ref: known[ref] for ref in refs}


def live(rng: Random, person: Person) -> Life:
    """Play one person's days."""
    life = Life(rng, person)
    PLANS[person.kind](life)
    if life.joined:
        welcome_feedback(life, life.joined)
        letter_feedback(life, life.joined)
    return life


# ── the kinds ────────────────────────────────────────────────────────────────────────────────────────────────


def reader(life: Life) -> None:
    """Joins the newsletter, looks around once or twice, and that is it."""
    at = life.someday()
    join(life, at)
    for _ in range(life.rng.randrange(3)):
        life.view(life.later(at, 0.1, 240), life.rng.choice(READING))


def browser(life: Life) -> None:
    """Reads without subscribing; some take a guide along."""
    at = life.someday()
    for _ in range(life.rng.randrange(1, 4)):
        life.view(life.later(at, 0, 72), life.rng.choice(READING))
    if life.chance(0.35):
        guide(life, life.later(at, 1, 72))
    if life.chance(0.12):
        life.view(life.later(at, 1, 96), "/pricing")


def warm(life: Life) -> None:
    """Really interested, and not (yet) going to buy."""
    at = life.someday(0, DAYS - 12)
    join(life, at)
    for _ in range(life.rng.randrange(2, 5)):
        life.view(life.later(at, 1, 400), life.rng.choice(READING))
    for _ in range(life.rng.randrange(1, 3)):
        guide(life, life.later(at, 1, 300))
    if life.chance(0.5):
        webinar(life)
    if life.chance(0.6):
        life.view(life.later(at, 24, 300), "/pricing")
    if life.chance(0.2):
        contact(life, life.later(at, 100, 300))


def trialist(life: Life) -> None:
    """Tries the product; most find that they have no time."""
    at = life.someday(0, DAYS - 10)
    trial(life, at)
    for _ in range(life.rng.randrange(5)):
        life.do(life.later(at, 0.5, 200), "product.dashboard_created")
    if life.chance(0.3):
        life.do(life.later(at, 20, 240), "product.teammate_invited")
    if life.chance(0.4):
        life.view(life.later(at, 24, 300), "/pricing")
    if life.chance(0.12):
        life.do(life.later(at, 200, 330), "product.subscribed", plan="team")
    if life.chance(0.25):
        join(life, life.later(at, 1, 48))
    if life.chance(0.25):  # as warm as a buyer, but nobody has asked them about money yet
        for _ in range(life.rng.randrange(3, 7)):
            life.do(life.later(at, 10, 200), "product.dashboard_created")
        life.do(life.later(at, 20, 240), "product.teammate_invited")
        life.view(life.later(at, 24, 220), "/pricing")
        webinar(life)


def buyer(life: Life) -> None:
    """Has a problem, a deadline and somebody who pays; comes back until it is settled."""
    at = life.someday(0, DAYS - 18)
    if life.chance(0.6):
        join(life, at)
    for _ in range(life.rng.randrange(2, 5)):
        life.view(life.later(at, 1, 150), life.rng.choice(("/pricing", *READING)))
    guide(life, life.later(at, 2, 100))
    if life.chance(0.6):
        trial(life, life.later(at, 30, 120))
        for _ in range(life.rng.randrange(2, 5)):
            life.do(life.later(at, 125, 260), "product.dashboard_created")
        life.do(life.later(at, 130, 280), "product.teammate_invited")
    if life.chance(0.6):
        webinar(life)
    asked = life.later(at, 150, 300)
    life.view(asked - timedelta(minutes=life.rng.randrange(3, 50)), "/pricing")
    demo(life, asked)
    if life.chance(0.6):
        life.do(life.later(asked, 1, 72), "meeting.booked")


def jobseeker(life: Life) -> None:
    """Likes us as an employer."""
    at = life.someday()
    for _ in range(life.rng.randrange(1, 4)):
        life.view(life.later(at, 0, 30), "/careers")
    if life.chance(0.3):
        join(life, at)


def student(life: Life) -> None:
    """Writes a thesis: downloads everything there is."""
    at = life.someday()
    join(life, at, "title")
    for _ in range(life.rng.randrange(3, 6)):
        guide(life, life.later(at, 0.2, 60))


PLANS: Final[Mapping[str, Callable[[Life], None]]] = {
    "reader": reader,
    "browser": browser,
    "warm": warm,
    "trialist": trialist,
    "buyer": buyer,
    "jobseeker": jobseeker,
    "student": student,
}


# ── what they do ─────────────────────────────────────────────────────────────────────────────────────────────


def join(life: Life, at: datetime, *more: str) -> None:
    """Join the newsletter; a third leaves the optional first name empty."""
    names = ("first_name",) if life.chance(0.66) else ()
    company = ("company", "industry") if life.chance(0.4) else ()
    life.submit(at, "newsletter", "email", *names, *company, *more)
    life.joined = at


def guide(life: Life, at: datetime) -> None:
    """Take a guide along."""
    life.do(at, "content.downloaded", content=life.rng.choice(GUIDES))


def webinar(life: Life) -> None:
    """Sit in one of the two webinars, for a while or to the end."""
    at = START + timedelta(days=life.rng.choice((17, 31)), hours=15, seconds=life.rng.randrange(600))
    life.do(at, "webinar.attended", webinar="one-number-a-team", minutes=life.rng.randrange(5, 46))


def trial(life: Life, at: datetime) -> None:
    """Start a trial; the sign-up asks for name, company and role."""
    refs = ("first_name", "last_name", "company", "title", "industry", "country", "employees")
    life.do(at, "product.trial_started", plan="trial", profile=facts(life.person, refs))


def contact(life: Life, at: datetime) -> None:
    """Ask a question on the contact form."""
    life.submit(at, "contact", "email", "first_name", "last_name", "company", "title", "country")


def demo(life: Life, at: datetime) -> None:
    """Ask for a demo; not everybody tells the budget or the date."""
    refs = ("email", "first_name", "last_name", "company", "title", "employees", "industry", "country")
    answers: dict[str, Any] = {"seats": life.rng.choice((4, 8, 12, 15, 20, 25, 40, 60, 120))}
    if life.chance(0.6):
        answers["budget"] = answers["seats"] * life.rng.choice((150, 240, 300))
    if life.chance(0.8):
        answers["timeline"] = life.rng.choice(("now", "this quarter", "this quarter", "this year", "just looking"))
    life.submit(at, "demo", *refs, **answers)


# ── what happens to our mail ─────────────────────────────────────────────────────────────────────────────────


def next_step(at: datetime) -> datetime:
    """When the demo's clock next stands still: mail decided on at `at` leaves then."""
    return START + STEP * -((START - at) // STEP)


def welcome_feedback(life: Life, joined: datetime) -> None:
    """SendGrid's reports on the two welcome mails."""
    sent = next_step(joined)
    if life.person.kind == "reader" and life.chance(0.03):
        bounce(life, sent, "welcome/hello")
        return
    follow_mail(life, sent, "welcome/hello", f"{SITE}/letters/one-number-a-team")
    second = sent + timedelta(days=2)
    if life.left is None and not any(act.name == "demo" and act.at < second for act in life.acts):
        follow_mail(life, second, "welcome/case-study", f"{SITE}/customers/hansen-freight")


def letter_feedback(life: Life, joined: datetime) -> None:
    """The fortnightly letter goes to everybody who is on the list that day."""
    for number, sent in enumerate(LETTERS, start=1):
        if joined < sent and (life.left is None or sent < life.left):
            follow_mail(life, sent, f"letter-{number}", f"{SITE}/letters/{number}")


def bounce(life: Life, sent: datetime, category: str) -> None:
    """The address does not exist."""
    life.left = life.later(sent, 0.01, 0.05)
    reason = {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 The email account does not exist."}
    life.mails.append(MailEvent(life.left, life.person.email, "bounce", category, reason))


def follow_mail(life: Life, sent: datetime, category: str, link: str) -> None:
    """Delivered; perhaps opened by a machine, by the person, clicked, or the last straw."""
    email, keen = life.person.email, {"buyer": 0.75, "warm": 0.6, "trialist": 0.5}.get(life.person.kind, 0.28)
    arrived = life.later(sent, 0.01, 0.05)
    life.mails.append(MailEvent(arrived, email, "delivered", category, {"response": "250 2.0.0 OK"}))
    if life.chance(0.22):
        life.mails.append(
            MailEvent(life.later(arrived, 0.001, 0.003), email, "open", category, seen(life, machine=True))
        )
    if life.chance(keen):
        opened = life.later(arrived, 0.2, 30)
        life.mails.append(MailEvent(opened, email, "open", category, seen(life, machine=False)))
        if life.chance(keen * 0.5):
            clicked = {**seen(life, machine=None), "url": link, "url_offset": {"index": 0, "type": "html"}}
            life.mails.append(MailEvent(life.later(opened, 0.01, 0.1), email, "click", category, clicked))
    elif life.chance(0.035):
        leave(life, life.later(arrived, 0.3, 20), category)


def leave(life: Life, at: datetime, category: str) -> None:
    """Unsubscribe, or press the spam button, which costs us more."""
    life.left = at
    event = "spamreport" if life.chance(0.15) else "unsubscribe"
    life.mails.append(MailEvent(at, life.person.email, event, category))


def seen(life: Life, *, machine: bool | None) -> dict[str, Any]:
    """Where a mail was looked at, from addresses reserved for documentation."""
    where: dict[str, Any] = {"useragent": life.rng.choice(AGENTS), "ip": f"192.0.2.{life.rng.randrange(1, 255)}"}
    return where if machine is None else {**where, "sg_machine_open": machine}
