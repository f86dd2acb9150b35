"""`dripline explain`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workers.cli._base import as_json, local, now, print_json, store, table

if TYPE_CHECKING:
    from workers.reports.story import Enrolment, Score, Story

SECTION = "Look and act"
WAYS = {"finished": "finished", "exited": "left"}


@click.command
@click.argument("email")
@as_json
def command(email: str, as_json: bool) -> int:
    """Tell the story of one lead: why this score, this stage, these mails, and why no promotion.

    EMAIL is the lead's address, or another identity as kind:value.

    \b
    Examples:
      dripline explain ann@acme.test
      dripline explain user:4711 --json
    """
    story = read(email if ":" in email else f"email:{email.strip().lower()}")
    if story is None:
        click.echo(f"Nobody is known as {email}.", err=True)
        return 1
    if as_json:
        print_json(story.as_data())
    else:
        show(story)
    return 0


def read(identity: str) -> Story | None:
    """The story by the rules in force."""
    from workers.reports import story
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        rulebook = compile_rulebook(rulebooks.files(conn, rulebooks.active(conn).version))
        return story.read(conn, identity, rulebook, now())


def show(story: Story) -> None:
    """For a person."""
    from workers.reports.words import sentence

    click.secho(f"{story.email or story.identities[0]}  (lead {story.id})", bold=True)
    click.echo(f"{story.stage or 'no stage'} since {local(story.staged)}, {story.events} events")
    click.echo(", ".join(f"{name}: {value}" for name, value in story.fields.items()))
    if story.suppressed:
        click.echo(f"Gets no mail: {story.suppressed}")
    click.echo(promotion(story))
    for score in story.scores:
        show_score(score)
    section("Campaigns")
    for enrolment in story.enrolments:
        click.echo(f"  {enrolled(enrolment)}")
    section("What was decided")
    rows = [
        (local(line.event_at or line.at), line.type or "", sentence(line), line.event, line.version[:8])
        for line in story.timeline
    ]
    table(("when", "because of", "decision", "event", "rules"), rows, empty="  nothing yet")
    section("Outbox")
    columns = ("id", "what", "state", "reason", "attempts", "settled", "provider's id")
    sent = [(r.id, r.key, r.state, r.reason, r.attempts, local(r.settled_at), r.provider_ref) for r in story.outbox]
    table(columns, sent, empty="  nothing yet")


def section(title: str) -> None:
    """A heading."""
    click.secho(f"\n{title}", bold=True)


def promotion(story: Story) -> str:
    """Whether it became an opportunity, and if not, what stands against it."""
    if story.promotions:
        handed = ", ".join(f"{each.crm} {each.ref or '(not there yet)'}" for each in story.opportunities)
        return f"Promoted: {handed}"
    if story.missing is None:
        return "Not promoted: has not reached the stage where the rules look at it"
    return f"Not promoted: missing {', '.join(story.missing) or 'nothing'}"


def show_score(score: Score) -> None:
    """A score with what it is made of."""
    section(f"Score {score.model}: {score.score:g}" + (f" ({score.band})" if score.band else ""))
    for one in score.entries:
        when = (
            f"{local(one.at)}  {one.type} (event {one.event}, rules {one.version[:8]})" if one.at else "lead's fields"
        )
        click.echo(f"  {one.worth:+8.2f}  of {one.points:+4d}  {one.rule:<40} {when}")
    if score.clamped:
        click.echo(f"  {score.clamped:+8.2f}           cut off by the range of the model")


def enrolled(enrolment: Enrolment) -> str:
    """One run through a campaign."""
    name = f"{enrolment.campaign}, run {enrolment.run} since {local(enrolment.entered)}:"
    if not enrolment.outcome:
        return f"{name} next {enrolment.step or 'end'} at {local(enrolment.due)}"
    return f"{name} {WAYS.get(enrolment.outcome, enrolment.outcome)}" + (
        f" ({enrolment.reason})" if enrolment.reason else ""
    )
