"""`dripline explain`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workers.cli._base import INSTANT, as_json, local, now, print_json, store, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from workers.reports.causes import Cause
    from workers.reports.runs import Enrolment
    from workers.reports.scores import Entry, Score
    from workers.reports.story import Story
    from workers.reports.unscored import Unscored
    from workers.reports.whynot import Condition, NotIn, Promotion

SECTION = "Look and act"
WAYS = {"finished": "finished", "exited": "left"}
LATEST = 3
"""Events without points; the rest is shown with --all."""
SHOWN = 12
"""Entries of a score; the rest is added up, and shown with --all."""


@click.command
@click.argument("email")
@click.option("--at", "at", type=INSTANT, help="Look back at this instant, e.g. 2026-03-31 or 2026-03-31T12:00:00Z.")
@click.option("--timeline", is_flag=True, help="The whole story, one line for each decision, in order.")
@click.option("--all", "every", is_flag=True, help="Every entry of every score, and every event without points.")
@as_json
def command(email: str, at: datetime | None, timeline: bool, every: bool, as_json: bool) -> int:
    """Tell why a lead stands where it stands, and why not elsewhere.

    Its scores taken apart, down to event, rule and version, the amounts adding up to the score; the latest events that
    gave no points, and the condition that was false; its stage and what
    stands against the next one; whether it was promoted, or what is missing; its mails, and the campaigns it is not
    in. EMAIL is the lead's address, or another identity as kind:value.

    \b
    Examples:
      dripline explain ann@acme.test
      dripline explain ann@acme.test --timeline
      dripline explain user:4711 --at 2026-03-31T12:00:00Z --json
    """
    from integrations.addresses import one_spelling

    story = read(email if ":" in email else f"email:{one_spelling(email)}", at)
    if story is None:
        click.echo(f"Nobody is known as {email}.", err=True)
        return 1
    if as_json:
        print_json(story.as_data())
    elif timeline:
        show_timeline(story)
    else:
        show(story, None if every else SHOWN)
    return 0


def read(identity: str, at: datetime | None) -> Story | None:
    """The story by the rules that are, or were then, in force."""
    from workers.reports import story
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        return story.read(conn, identity, lambda version: compile_rulebook(rulebooks.files(conn, version)), now(), at)


def show(story: Story, entries: int | None) -> None:
    """For a person."""
    head(story)
    for score in story.scores:
        show_score(score, entries)
    show_unscored(story.unscored, LATEST if entries is not None else None)
    if story.grades:
        section("Grades")
        for name, grade in story.grades.items():
            click.echo(f"  {name}: {grade or 'none'}")
    show_conditions("Segments", story.segments, "in", "not in")
    why = f" ({story.stage_reason})" if story.stage_reason else ""
    stage = f"Stage: {story.stage or 'none'}{why} since {local(story.staged)}"
    show_conditions(stage, story.stages, "next", "not", "no condition leads on from here")
    section("Promotion")
    for line in promotion(story.promotion, story):
        click.echo(f"  {line}")
    if story.handoff:
        click.echo(f"  {story.handoff}")
    section("Campaigns")
    for enrolment in story.enrolments:
        click.echo(f"  {enrolled(enrolment)}")
    for campaign in story.not_in:
        for line in not_in(campaign):
            click.echo(f"  {line}")
    show_not_sent(story)
    show_aside(story)
    show_outbox(story)
    click.echo("\nThe whole story: --timeline. Every entry of the scores: --all.")


def head(story: Story) -> None:
    """Who it is, and by which rules it is looked at."""
    click.secho(f"{story.email or story.identities[0]}  (lead {story.id})", bold=True)
    rules = story.rules
    told = f" “{rules.message}”" if rules.message else ""
    events = f"{story.events} {'event' if story.events == 1 else 'events'}"
    click.echo(
        f"At {local(story.at)}, {events}, by rulebook {rules.version[:8]} of {local(rules.activated_at)}"
        f" ({rules.author}){told}"
    )
    if story.gone:
        click.echo(f"{story.gone} more events were counted once, and are no longer in the log")
    click.echo(", ".join(f"{field.name}: {field.value}" for field in story.fields) or "nothing is known of this lead")
    if story.suppressed:
        click.echo(f"Gets no {'marketing ' if story.suppressed == 'unsubscribed' else ''}mail: {story.suppressed}")
    if story.wake_at:
        click.echo(f"Is looked at again at {local(story.wake_at)}")


def section(title: str) -> None:
    """A heading."""
    click.secho(f"\n{title}", bold=True)


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────


def show_score(score: Score, entries: int | None) -> None:
    """A score with what it is made of."""
    section(f"Score {score.model}: {score.score:.2f}" + (f", {score.band}" if score.band else ""))
    if score.bands:
        bands = ", ".join(f"{name} from {enter:g} until below {leave:g}" for name, enter, leave in score.bands)
        click.echo(f"  bands: {bands}")
    for wait in score.waits:
        click.echo(f"  {wait}")
    rest = score.entries[entries:] if entries is not None else ()
    for one in score.entries[:entries]:
        click.echo(f"  {entry(one)}")
    if rest:
        click.echo(f"  {sum(one.amount for one in rest):+9.2f}  {len(rest)} more entries")
    if score.entries:
        click.echo(f"  {sum(one.amount for one in score.entries):+9.2f}  together")


def entry(one: Entry) -> str:
    """One line of a ledger."""
    given = f"of {one.points:+g}" if one.points is not None and one.points != one.amount else ""
    because = ""
    if one.at is not None:
        rules = f", rules {one.version[:8]}" if one.version else ""
        because = f"{local(one.at)}  {one.type or 'event'} (event {one.event}{rules})"
    note = f"  {one.note}" if one.note and (one.points != one.amount or one.event) else ""
    return f"{one.amount:+9.2f}  {given:<9} {one.rule:<36} {because}{note}".rstrip()


def show_unscored(events: Sequence[Unscored], most: int | None) -> None:
    """Events that gave nothing; nothing where there is none."""
    if events:
        section("Events that gave no points")
    for each in events[:most]:
        click.echo(f"  {local(each.at)}  {each.type} (event {each.event})")
        for rule, why in each.why:
            click.echo(f"    {rule}: {why}")
    if rest := events[len(events[:most]) :]:
        click.echo(f"  {len(rest)} earlier ones: --all")


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────


def show_conditions(
    title: str, conditions: Sequence[Condition], held: str, not_held: str, none: str = "nothing to tell"
) -> None:
    """Conditions with what they came to, and why."""
    section(title)
    for each in conditions:
        click.echo(f"  {held if each.holds else not_held} {each.name}: {because(each)}")
    if not conditions:
        click.echo(f"  {none}")


def because(condition: Condition) -> str:
    """What decides a condition: its parts, with the values they looked at."""
    from workers.simulate.words import because

    return because(condition.reasons)


def promotion(told: Promotion, story: Story) -> Iterator[str]:
    """Whether it became an opportunity, and if not, what stands against it."""
    handed = ", ".join(
        f"{each.crm} {each.ref or '(not there yet)'} at {local(each.created_at)}, owner {each.owner or 'nobody'}"
        for each in story.opportunities
    )
    if told.state == "no-rule":
        yield "no rule promotes anybody"
    elif told.state == "promoted":
        yield f"promoted: {handed}"
        if told.again is not None:
            yield f"not again: {because(told.again)}"
    else:
        yield from not_promoted(told, story)


def not_promoted(told: Promotion, story: Story) -> Iterator[str]:
    """What stands against promotion."""
    from workers.simulate.words import against

    if told.state == "too-early":
        yield f"not promoted: rules look at leads from stage {told.at} on, this one is at {story.stage or 'none'}"
    elif told.state == "too-late":
        yield f"not promoted: nobody is promoted from stage {story.stage or 'none'}"
    elif told.state == "missing":
        yield f"not promoted: {against(told.missing)}"
    else:
        yield "nothing stands against it any more: due when the lead is next looked at"
    if told.when is not None and not told.when.holds:
        yield f"  when: {because(told.when)}"
    if told.evidence:
        held = sum(each.holds for each in told.evidence)
        yield f"  evidence: {held} of {len(told.evidence)}, {told.at_least} needed"
    for each in told.evidence:
        yield f"    {'has' if each.holds else 'lacks'} {each.name}: {because(each)}"


# ── campaigns and mails ──────────────────────────────────────────────────────────────────────────────────────


def enrolled(enrolment: Enrolment) -> str:
    """One run through a campaign."""
    which = f" for {enrolment.key}" if enrolment.key else ""
    name = f"{enrolment.campaign}{which}, run {enrolment.run} since {local(enrolment.entered)}:"
    if not enrolment.outcome:
        at = f" at {local(enrolment.due)}" if enrolment.due else ""
        return f"{name} next {enrolment.step or 'end'}{at}" + (f"; {enrolment.why}" if enrolment.why else "")
    return f"{name} {WAYS.get(enrolment.outcome, enrolment.outcome)}" + (
        f" ({enrolment.reason})" if enrolment.reason else ""
    )


def not_in(told: NotIn) -> Iterator[str]:
    """Why a lead is not in a campaign."""
    from workers.reports.journeys import refused

    ways = "; ".join(told.ways)
    yield f"not in {told.campaign}: {ways}" + (f"; now {refused(told.reason)}" if told.reason else "")
    for condition in told.conditions:
        if not condition.holds:
            yield f"  {because(condition)}"


def show_not_sent(story: Story) -> None:
    """Mails that campaigns would have sent; nothing where there is none."""
    if story.not_sent:
        section("Mails not sent")
    for each in story.not_sent:
        click.echo(f"  {each.text}  (at {local(each.at)})")


def show_aside(story: Story) -> None:
    """What reached us and counts for nothing; nothing where there is none."""
    if story.aside:
        section("Left aside")
    for each in story.aside:
        often = f"{each.number} times, last at" if each.number > 1 else "at"
        click.echo(f"  {each.text}  ({often} {local(each.latest)}, event {each.event})")


def show_outbox(story: Story) -> None:
    """What was to go out."""
    section("Outbox")
    columns = ("id", "what", "put there", "because of", "state", "reason", "by", "tries", "settled")
    rows = [
        (
            r.id,
            r.key,
            local(r.created_at),
            caused(story.causes.get(r.key)),
            r.state,
            r.reason,
            r.provider or "",
            r.attempts,
            local(r.settled_at),
        )
        for r in story.outbox
    ]
    table(columns, rows, empty="  nothing yet")


def caused(cause: Cause | None) -> str:
    """Why something was put in the outbox."""
    if cause is None:
        return ""
    event = f"{cause.type} (event {cause.event})" if cause.type else "time"
    return f"{event}, rules {cause.version[:8]}"


def show_timeline(story: Story) -> None:
    """Every decision in order."""
    from workers.reports.words import sentence

    head(story)
    section("What was decided")
    rows = [
        (local(line.event_at or line.at), line.type or "", sentence(line), line.event, line.rule, line.version[:8])
        for line in story.timeline
    ]
    table(("when", "because of", "decision", "event", "rule", "rules"), rows, empty="  nothing yet")
