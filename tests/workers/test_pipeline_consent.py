"""Consent on its way from the event log into the history, the suppression list and the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.rulebooks import BUNDLE, apply
from workers.clock import SteppedClock
from workers.pipeline import process_slice
from workers.rulebook import compile_rulebook
from workers.store import consents, events, leads, outbox, suppressions
from workers.store.events import NewEvent
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.store.leads import Lead

ANN = "email:ann@acme.test"
RULES = BUNDLE | {
    "rules/consent.yaml": """
consent:
  webinars:
    name: Webinars
    description: Invitations
    lawful_basis: consent
    double_opt_in: true
    given_by: {event: form.submitted, when: event.form == "webinar", text: Invite me to webinars}
confirmation: {template: confirm}
""",
    "templates/confirm/mail.txt": "---\nsubject: Yes?\ncategory: transactional\n---\n{{ confirm_url }}",
}


def happen(engine: Engine, number: int, type_: str, **properties: Any) -> None:
    with engine.begin() as conn:
        events.append(conn, [NewEvent("web", f"e{number}", type_, NOW, ANN, (ANN,), properties)], NOW)
    rulebooks = Rulebooks(compile_rulebook)
    for slice_ in range(SLICES):
        process_slice(engine, slice_, rulebooks, SteppedClock(NOW))


def ann(engine: Engine) -> Lead:
    with engine.begin() as conn:
        lead = leads.find(conn, ANN)
    assert lead
    return lead


def barred(engine: Engine) -> dict[str, str]:
    with engine.begin() as conn:
        return suppressions.reasons(conn, ["ann@acme.test"])


def test_a_form_with_its_box_ticked_becomes_a_record_and_a_confirmation_mail(engine: Engine) -> None:
    apply(engine, NOW, RULES)
    happen(engine, 1, "form.submitted", form="webinar")
    lead = ann(engine)
    with engine.begin() as conn:
        (line,) = consents.history(conn, lead.id)
        (mail,) = outbox.rows(conn, 10)
        payload = conn.scalar(text("SELECT payload FROM outbox"))
    assert (line.category, line.action, line.standing, line.basis) == ("webinars", "given", "pending", "consent")
    assert (line.source, line.place, line.shown) == ("web", "webinar", "Invite me to webinars")
    assert mail.key == f"mail:{lead.id}:consent.confirm:1:webinars"
    assert payload == {
        "campaign": "consent.confirm", "step": "webinars", "template": "confirm", "confirms": "webinars"
    }  # fmt: skip


def test_confirming_after_unsubscribing_takes_the_address_from_the_list_and_says_so(engine: Engine) -> None:
    apply(engine, NOW, RULES)
    happen(engine, 1, "email.unsubscribed")
    assert barred(engine) == {"ann@acme.test": "unsubscribed"}
    happen(engine, 2, "form.submitted", form="webinar")
    assert barred(engine) == {"ann@acme.test": "unsubscribed"}
    happen(engine, 3, "consent.confirmed", category="webinars")
    assert barred(engine) == {}
    with engine.begin() as conn:
        removals = conn.execute(text("SELECT reason, why FROM suppression_removals")).all()
        said = [(line.category, line.action) for line in consents.history(conn, ann(engine).id)]
    assert removals == [("unsubscribed", "consent was given")]
    assert said == [("*", "withdrawn"), ("webinars", "given"), ("webinars", "confirmed")]


def test_of_what_comes_in_one_batch_the_last_word_counts(engine: Engine) -> None:
    apply(engine, NOW, BUNDLE)
    said = ["email.unsubscribed", "consent.given", "email.unsubscribed"]
    with engine.begin() as conn:
        batch = [
            NewEvent("web", f"b{n}", kind, NOW, ANN, (ANN,), {"category": "marketing"}) for n, kind in enumerate(said)
        ]
        events.append(conn, batch[:2], NOW)
    happen(engine, 9, "page.viewed", url="/")
    assert barred(engine) == {}
    with engine.begin() as conn:
        events.append(conn, batch[2:], NOW)
    happen(engine, 10, "page.viewed", url="/")
    assert barred(engine) == {"ann@acme.test": "unsubscribed"}


def test_whoever_takes_back_their_unsubscribing_is_taken_from_the_list(engine: Engine) -> None:
    apply(engine, NOW, BUNDLE)
    happen(engine, 1, "email.unsubscribed")
    assert barred(engine) == {"ann@acme.test": "unsubscribed"}
    happen(engine, 2, "email.resubscribed")
    assert barred(engine) == {}
    with engine.begin() as conn:
        said = [(line.category, line.action, line.standing) for line in consents.history(conn, ann(engine).id)]
    assert said == [("*", "withdrawn", "withdrawn"), ("*", "restored", "given")]


def test_but_not_whoever_bounced(engine: Engine) -> None:
    apply(engine, NOW, BUNDLE)
    happen(engine, 1, "email.bounced", kind="hard")
    happen(engine, 2, "email.resubscribed")
    assert barred(engine) == {"ann@acme.test": "bounced"}
