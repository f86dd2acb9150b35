"""Pages of the manual that are about no single word: how to begin, how conditions are written, how mails are."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH: Final = 100
INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class Guide:
    """One page.

    Attributes:
        word: it is asked for by.
        title: what it is about.
        text: paragraphs with empty lines between them.
        files: a complete example, by path.
        also: other words by which somebody may ask for it.
    """

    word: str
    title: str
    text: str
    files: Mapping[str, str]
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is printed."""
        paragraphs = (" ".join(each.split()) for each in self.text.split("\n\n"))
        filled = (textwrap.fill(e, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT) for e in paragraphs)
        shown = (textwrap.indent(f"# {path}\n{text.rstrip()}", INDENT) for path, text in self.files.items())
        return "\n\n".join([f"{self.word}: {self.title}", *filled, *shown])


START: Final = Guide(
    "start",
    "the first files of a company of your own",
    """\
Rules are files below a folder `rules`, mails are folders below `templates` beside it. Each rule file begins with
the word that says what it is; how the files are called, and whether they lie in folders, is up to you.

Begin with these four, change them, and run `dripline check` after every change: it names file, line and column of
what is wrong, and what to do. `dripline docs WORD` explains each word, `dripline dev` runs it all on your machine.
""",
    {
        "rules/account.yaml": """\
account:
  company: Acme
  zone: Europe/Berlin
  currency: EUR
  sender: Ann at Acme <ann@acme.example>
  address: "Acme Ltd, 1 Main Street, Town"
""",
        "rules/fields.yaml": """\
fields:                      # what you know about a person; rules ask for it as lead.first_name, …
  first_name: text
  company: text
  employees: integer
  country: country
""",
        "rules/interest.yaml": """\
score: interest
half_life: 30 days           # points fade: after thirty days they are worth half
bands:
  hot: {enter: 50, leave: 30}
rules:
  demo-requested: {event: form.submitted, when: event.form == "demo", points: 40}
  pricing-viewed: {event: page.viewed, when: '"/pricing" in event.url', points: 5, limit: 3 per day}
  large-company: {when: lead.employees >= 500, points: 20}

examples:                    # what the rules should do; check runs it
  - name: whoever asks for a demo is at 40
    given: {events: [{at: 0d, type: form.submitted, form: demo}]}
    expect: {score: {interest: 40}}
""",
        "rules/lifecycle.yaml": """\
stages:
  subscriber: {}             # everybody begins here
  lead: {when: score("interest") >= 10}
  sales-qualified: {when: band("interest") == "hot"}
  opportunity: {}            # reached by promotion
  customer: {}
""",
    },
    also=("begin", "first", "getting-started"),
)
CONDITIONS: Final = Guide(
    "conditions",
    "how conditions and other expressions are written",
    """\
What stands behind `when` is a question about the lead or the event, in the words that Jinja2 and Python share.
Other places want a number or a text, written in the same way: `points: event.minutes / 2`.

It can ask for `lead.name` (the fields of fields.yaml), for `event.name` where an event is at hand (its properties,
of events.yaml), for `score("…")`, `band("…")`, `grade("…")`, `segment("…")`, `stage()`, for what happened
(`count("page.viewed", within="7d")`, `distinct`, `first`, `last`, `days_since`, each with or without `within`), and
for `now()` and `today()`.
`dripline docs count` tells more of each.

Compare with `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` and `not in`, also `50 <= lead.employees <= 1000`. Join with
`and`, `or`, `not` and parentheses. Calculate with `+ - * / // %`, join texts with `~`, choose with `10 if … else
0`. Change a value with a filter behind `|`: `lead.title | lower | matches("head|chief")`.

Text stands in quotes, "DE" or 'DE', and capital letters count; numbers, `true` and `false` stand without. Lists
stand in brackets: `lead.country in ["DE", "AT"]`.

What a lead does not have makes a comparison false, `!=` included: ask `lead.budget is defined`, or say what stands
in its place: `lead.employees | default(1) < 50`.

YAML has quotes of its own. An expression that begins with a quote, has a colon or a # in it, or stands between
braces and has a comma in it, is put in quotes as a whole: `when: '"/pricing" in event.url'`. So is a text that is
always the same: `name: '"Annual licence"'`.
""",
    {
        "rules/segments.yaml": """\
segments:
  right-size: 50 <= lead.employees <= 1000
  german-speaking: lead.country in ["DE", "AT", "CH"]
  decides: lead.title | lower | matches("chief|head|director|owner")
  reads-a-lot: count("page.viewed", within="30d") >= 10
  ready: segment("right-size") and (lead.budget >= 5000 or lead.timeline == "now")
  unknown: not (lead.company is defined)
  quiet: days_since("page.viewed") > 90 and stage() != "customer"
  cooling: days_since("page.viewed", within="60d") > 21
""",
    },
    also=("condition", "expression", "expressions"),
)
TEMPLATES: Final = Guide(
    "templates",
    "how mails are written",
    """\
A mail is a folder below `templates` with a `mail.txt`, and a `mail.html` or `mail.mjml` if you like. Campaigns send
it by the folder's name: `send: welcome/hello`. Between the two lines of `---` stand its `subject` and its `category`:
`marketing` goes only to people who may get it, `transactional` to everybody. Beside them there may be a `preheader`
(what inboxes show after the subject), a `layout` (a folder below `templates/layouts`), `from`, `reply_to`, and
`attachments` (files in the mail's folder).

The rest is Jinja2: `{{ lead.first_name }}` for a field, `{{ account.company }}` for who you are, `{{
unsubscribe_url }}`, which every marketing mail needs, and `{% if … %}`.

Where the lead stands is asked in the words of conditions: `segment("enterprise")`, `score("fit")`, `band("…")`,
`grade("…")` and `stage()`. It is answered when the mail goes out, by the rules that are in force then (right after a
change of rules, by what was counted so far, if the lead is not counted anew yet). What asks for more, such as a
count, gets a name as a segment. In hand-off notes the answers are those of the instant at which the lead was handed
over. Who is in no band has none: write `{{ band("engagement") | default("cold") }}`.

A field that a lead does not have stops the mail for that lead, and the reason is recorded. Say what stands in its
place, `{{ lead.first_name | default("there") }}`, or ask first, `{% if lead.company is defined %}`. `dripline
check` finds the places where you did neither.
""",
    {
        "templates/welcome/hello/mail.txt": """\
---
subject: Welcome, {{ lead.first_name | default("stranger") }}
category: marketing
---
Hi {{ lead.first_name | default("there") }},

thank you for joining{% if lead.company is defined %}, and greetings to everybody at {{ lead.company }}{% endif %}.
{% if segment("enterprise") %}
If your security team has questions, just write back.
{% endif %}

{{ account.company }}, {{ account.address }}
Unsubscribe: {{ unsubscribe_url }}
""",
    },
    also=("template", "mail"),
)
HISTORY: Final = Guide(
    "history",
    "what happens to the leads that are there when rules change, and when old months of the log go",
    """\
Scores, counts and the fields that events tell are worked out from the event log and from nothing else. When rules that
they depend on change, every lead is counted anew from its log by the new rules: in the background, while new events
come in, and at once where an event comes in first. `dripline status` shows how many leads are left. In the same way
every lead is looked at anew, without counting, when rules change that decide where leads stand: stages, segments,
grades, the ways into campaigns, and what a promotion asks for.

What was decided stays decided. A mail that went out is not sent again, a promotion is not taken back, a stage is kept
unless the rules have a way back. Decisions keep the version of the rules that they were made by, so `dripline explain
LEAD --at 2026-03-31` takes a score of that day apart by the rules of that day.

Rules that change once more meanwhile take over at once: each lead knows by which rules it was counted, and those that
were not counted by the ones in force are. Going back to the rules before (`dripline rulebook rollback`) counts only the
leads that had gone ahead. Rules that a process refuses (a newer version of the program has written them) never take the
place of those that it runs; it goes on with these, counts leads by them to the end, and logs `rulebook_refused`. A
process that is started then has nothing to go on with: what comes in waits in the database meanwhile.

The log may lose its old months. Nothing changes for a lead until it is counted anew; from then on what is gone counts
no longer: its points, its place among the first of a limit and in `every`, and in `count` and `first`. What these
events told of the person stays, as do its stage, consent, suppression and runs through campaigns. Each
such count is recorded with the number of events that are gone, and until then `dripline explain` shows their points in
a line of their own. So keep months for as long as points of theirs are worth something: with a `half_life` of 30 days
a year's old points are worth next to nothing; points with `decay: none` want their events to stay.
""",
    {
        "rules/interest.yaml": """\
score: interest
half_life: 30 days           # after a year, 40 points are worth less than a hundredth of one
rules:
  demo-requested: {event: form.submitted, when: event.form == "demo", points: 40}
  complained: {event: email.complained, points: -100, decay: none}   # for as long as its event is in the log
""",
    },
    also=("recount", "log", "retention"),
)
GUIDES: Final = (START, CONDITIONS, TEMPLATES, HISTORY)


def guide(word: str) -> Guide | None:
    """The page that a word asks for."""
    return next((each for each in GUIDES if word == each.word or word in each.also), None)
