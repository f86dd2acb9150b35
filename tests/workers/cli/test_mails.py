"""`dripline preview` and `dripline send-test`."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from tests.folders import write_files
from tests.workers.rulebook.base import BASE
from workers.engine.decide import decide
from workers.engine.values import Event, LeadState
from workers.rulebook import compile_rulebook
from workers.store import leads
from workers.store.database import connect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.cli.conftest import Dripline

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
MAIL = "templates/welcome/hello/mail"
FILES = {
    **BASE,
    f"{MAIL}.txt": (
        "---\nsubject: Hello {{ lead.first_name }}\npreheader: Three things\ncategory: marketing\n"
        "reply_to: ben@acme.example\nattachments: agenda.ics\n---\n"
    ),
    f"{MAIL}.html": (
        "<style>p { color: red }</style><p>Hi {{ lead.first_name }}</p><a href='https://acme.example/?a=1&amp;b=2'>x</a>"
        "<a href='{{ unsubscribe_url }}'>Leave</a> {{ account.address }}"
    ),
}
BROWSER = """\
#!/bin/sh
for each in "$@"; do
  case "$each" in
    --dump-dom) echo '<html data-height="700">' ;;
    --screenshot=*) echo "$@" > "${each#--screenshot=}" ;;
  esac
done
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, FILES)
    (tmp_path / "templates/welcome/hello/agenda.ics").write_bytes(b"BEGIN:VCALENDAR\r\n")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def install(tmp_path: Path, script: str) -> None:
    program = tmp_path / "bin" / "chromium"
    program.write_text(script.replace("#!/bin/sh", "#!/bin/sh\nPATH=/usr/bin:/bin"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_preview_is_written_and_told(dripline: Dripline, tmp_path: Path):
    done = dripline("preview", "welcome/hello")
    folder = tmp_path / ".dripline/preview/welcome/hello"
    names = sorted(each.name for each in folder.iterdir())
    assert (done.code, names) == (0, ["headers.txt", "mail.eml", "mail.html", "mail.txt"])
    told = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert (told["Subject"], told["Preheader"]) == ("Hello Ann", "Three things")
    assert (told["From"], told["To"]) == ("Ann <ann@acme.example>", "ann@acme.test")
    assert (told["Reply-to"], told["Attached"]) == ("ben@acme.example", "agenda.ics (text/calendar, 17 bytes)")
    assert "Link       https://acme.example/?a=1&b=2\n" in done.out
    assert "pictures need Chromium" in done.err
    assert '<p style="color: red;">Hi Ann</p>' in (folder / "mail.html").read_text()
    assert (folder / "mail.txt").read_text().startswith("Hi Ann\n\nx <https://acme.example/?a=1&b=2>")
    assert "\nSubject: Hello Ann\n" in (folder / "headers.txt").read_text()
    message = message_from_bytes((folder / "mail.eml").read_bytes(), policy=policy.default)
    assert [part.get_filename() for part in message.iter_attachments()] == ["agenda.ics"]


def test_a_preview_as_data_and_with_pictures(dripline: Dripline, tmp_path: Path):
    install(tmp_path, BROWSER)
    done = dripline("preview", "welcome/hello", "--json", "--output", "out")
    told = json.loads(done.out)
    assert (done.code, done.err, told["no_pictures"], told["late"], told["findings"]) == (0, "", "", "", [])
    assert told["bytes"]["message"] == (tmp_path / "out/mail.eml").stat().st_size
    assert (tmp_path / "out" / "desktop.png").read_text().count("--window-size=800,700") == 1
    assert (tmp_path / "out" / "phone.png").read_text().count("--window-size=500,700") == 1
    assert told["files"]["phone"] == str(tmp_path / "out" / "phone.png")


def test_a_browser_that_fails_is_told(dripline: Dripline, tmp_path: Path):
    install(tmp_path, "#!/bin/sh\necho 'no display' >&2\nexit 1\n")
    done = dripline("preview", "welcome/hello", "--output", "out")
    assert done.code == 0
    assert done.err.endswith("takes no pictures: no display\n")


def test_fields_come_from_a_file(dripline: Dripline, tmp_path: Path):
    (tmp_path / "ann.yaml").write_text("first_name: Jürgen\nemail: j@büro.example\n")
    told = json.loads(dripline("preview", "welcome/hello", "--with", "ann.yaml", "--json").out)
    assert (told["subject"], told["to"], told["lead"]) == ("Hello Jürgen", "j@büro.example", "ann.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("frist_name: x", "ann.yaml:1:1: the lead has no field `frist_name`; did you mean first_name?"),
        ("[", "yaml-syntax"),
        ("x", "no fields; write one a line"),
        ("employees: 4", "lead.first_name has no value here"),
    ],
)
def test_fields_that_are_none(dripline: Dripline, tmp_path: Path, text: str, says: str):
    (tmp_path / "ann.yaml").write_text(text)
    done = dripline("preview", "welcome/hello", "--with", "ann.yaml")
    assert done.code == 1
    assert says in done.err


def test_a_lead_of_the_database(dripline: Dripline, database: str):
    engine = connect(database)
    with engine.begin() as conn:
        state = {"fields": {"first_name": "Bo"}}
        leads.add(conn, [leads.Lead(7, 1, "bo@acme.test", state, None)], 0, NOW)
        conn.exec_driver_sql("INSERT INTO identities (identity, lead_id) VALUES ('email:bo@acme.test', 7)")
    engine.dispose()
    told = json.loads(dripline("preview", "welcome/hello", "--lead", "Bo@acme.test", "--json").out)
    assert (told["subject"], told["to"]) == ("Hello Bo", "bo@acme.test")
    assert (
        dripline("preview", "welcome/hello", "--lead", "al@acme.test").err == "Error: nobody is known as al@acme.test\n"
    )


ASKING = (
    '---\nsubject: \'{% if segment("big") %}Big{% else %}Small{% endif %}, {{ stage() }}, {{ score("engagement") }}\'\n'
    "category: transactional\n---\nx"
)


def test_a_mail_that_asks_where_its_lead_stands(dripline: Dripline, tmp_path: Path, database: str):
    (tmp_path / f"{MAIL}.html").unlink()
    (tmp_path / f"{MAIL}.txt").write_text(ASKING)
    (tmp_path / "rules/segments.yaml").write_text("segments: {big: lead.employees >= 100}")
    engine = connect(database)
    with engine.begin() as conn:
        event = Event(1, "form.submitted", NOW, {"form": "demo"}, {"email": "bo@acme.test", "employees": 500})
        state = decide(LeadState(), 7, [event], compile_rulebook(BASE), NOW).state.dump()
        leads.add(conn, [leads.Lead(7, 1, "bo@acme.test", state, None)], 0, NOW)
        conn.exec_driver_sql("INSERT INTO identities (identity, lead_id) VALUES ('email:bo@acme.test', 7)")
    engine.dispose()

    def subject(*options: str) -> str:
        return str(json.loads(dripline("preview", "welcome/hello", "--json", *options).out)["subject"])

    assert subject() == "Small, subscriber, 0.0"
    assert subject("--segment", "big") == "Big, subscriber, 0.0"
    (tmp_path / "ann.yaml").write_text("employees: 150\n")
    assert subject("--with", "ann.yaml") == "Big, subscriber, 5.0"
    assert subject("--lead", "bo@acme.test").startswith("Big, lead, ")
    assert (
        "there is no segment 'bug'; did you mean big?" in dripline("preview", "welcome/hello", "--segment", "bug").err
    )


def test_what_check_would_refuse_is_told(dripline: Dripline, tmp_path: Path):
    (tmp_path / f"{MAIL}.html").write_text(
        "<p class='{{ lead.first_name }}'>Hi</p><style>p {}</style><img src='https://a.test/x'>"
    )
    done = dripline("preview", "welcome/hello")
    assert done.code == 1
    assert "worked on for every mail anew, which takes longer: a class or id is a value." in done.out
    assert f"{MAIL}.html:1:1: no-unsubscribe-link: " in done.out
    assert f"{MAIL}.html:1:59: warning: picture-without-alt: " in done.out


def test_a_template_that_there_is_not(dripline: Dripline, tmp_path: Path):
    assert "did you mean welcome/hello?" in dripline("preview", "welcome/helo").err
    (tmp_path / "rules/account.yaml").write_text("account: x")
    assert "rules/account.yaml:1:10: wrong-type" in dripline("preview", "welcome/hello").err


def test_a_test_is_sent_to_oneself_and_noted_nowhere(
    dripline: Dripline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DRIPLINE_EMAIL", "mailbox")
    done = dripline("send-test", "welcome/hello", "--to", "me@acme.example", "--json")
    told = json.loads(done.out)
    assert (done.code, told["to"], told["provider"], told["subject"]) == (
        0, "me@acme.example", "mailbox", "[Test] Hello Ann",
    )  # fmt: skip
    message = message_from_bytes((tmp_path / ".dripline/mailbox" / told["ref"]).read_bytes(), policy=policy.default)
    assert (message["to"], message["subject"]) == ("me@acme.example", "[Test] Hello Ann")
    assert dripline("send-test", "welcome/hello", "--to", "me@acme.example").out.startswith(
        "Sent to me@acme.example by"
    )


@pytest.mark.parametrize(
    ("to", "provider", "says"),
    [
        ("nobody", "mailbox", "'nobody' is no address"),
        ("me@acme.example", "", "DRIPLINE_EMAIL is not set"),
        ("me@acme.example", "smtp", "smtp did not take it: no session with 127.0.0.1:1"),
    ],
)
def test_a_test_that_cannot_be_sent(
    dripline: Dripline, monkeypatch: pytest.MonkeyPatch, to: str, provider: str, says: str
):
    monkeypatch.setenv("DRIPLINE_EMAIL", provider)
    monkeypatch.setenv("DRIPLINE_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("DRIPLINE_SMTP_PORT", "1")
    done = dripline("send-test", "welcome/hello", "--to", to)
    assert done.code == 1
    assert says in done.err
