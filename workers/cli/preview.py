"""`dripline preview`"""

from __future__ import annotations

import re
import webbrowser
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from workers.cli._base import as_json, now, print_json, settings
from workers.cli._mails import Wanted, make, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.cli._mails import Made

SECTION = "Rules"
LINK: Final = re.compile(r"""<(?:a|area)\s[^>]*?\bhref="([^"#][^"]*)\"""")
KILO: Final = 1024
ALONE: Final = "pictures need Chromium, which is not on the path (apt-get install chromium)"
WIDTH: Final = 11


@click.command
@options
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.")
@click.option("--open", "open_it", is_flag=True, help="Show the HTML in a browser.")
@as_json
def command(*, output: Path | None, open_it: bool, as_json: bool, **wanted: Any) -> int:
    """Look at a mail as somebody would get it.

    TEMPLATE is a folder below templates/. The mail is that of a sample lead of whom everything is known, unless --lead
    names somebody, or --with gives fields; --segment puts it into a segment. Its HTML, its text, its headers and the
    whole message are written to a folder (.dripline/preview/TEMPLATE), and pictures as a desktop and a phone show it,
    where Chromium is installed. Its links lead to nobody's preferences, and nothing in it is tracked. Exit code 1 if
    `dripline check` would refuse it.

    \b
    Examples:
      dripline preview welcome/hello
      dripline preview welcome/hello --lead ann@acme.test --open
      dripline preview welcome/hello --with ann.yaml --output /tmp/hello
      dripline preview hot/two-questions --segment enterprise
    """
    which = Wanted(**wanted)
    made = make(which)
    folder = output or settings().data_dir / "preview" / which.template
    folder.mkdir(parents=True, exist_ok=True)
    files = write(made, folder)
    pictures, why = photograph(made, folder)
    files |= pictures
    told = as_data(which.template, made, files) | {"no_pictures": why}
    if as_json:
        print_json(told)
    else:
        show(told, made)
    if open_it:
        webbrowser.open(next(iter(files.values())).absolute().as_uri())
    return 1 if any(each.level == "error" for each in made.findings) else 0


def write(made: Made, folder: Path) -> dict[str, Path]:
    """The mail's parts as files."""
    from integrations.mime import build

    message = build(made.mail, now()).data
    head = message.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n") + b"\n"
    parts = {"html": ("mail.html", (made.mail.html or "").encode()), "text": ("mail.txt", made.mail.text.encode()),
             "headers": ("headers.txt", head), "message": ("mail.eml", message)}  # fmt: skip
    if made.mail.html is None:
        del parts["html"]
    for name, content in parts.values():
        (folder / name).write_bytes(content)
    return {part: folder / name for part, (name, _) in parts.items()}


def photograph(made: Made, folder: Path) -> tuple[dict[str, Path], str]:
    """Pictures, and why there are none."""
    from workers.cli import _screenshots

    program = _screenshots.browser()
    for name in _screenshots.WIDTHS:
        (folder / f"{name}.png").unlink(missing_ok=True)
    if made.mail.html is None:
        return {}, ""
    return _screenshots.take(program, made.mail.html, folder) if program else ({}, ALONE)


def as_data(template: str, made: Made, files: Mapping[str, Path]) -> dict[str, Any]:
    """All about it."""
    from workers.rulebook import to_json

    mail = made.mail
    return {
        "template": template,
        "lead": made.whose,
        "category": made.words.category,
        "subject": mail.subject,
        "preheader": made.words.preheader,
        "from": mail.sender,
        "to": mail.to,
        "reply_to": mail.reply_to,
        "headers": dict(mail.headers),
        "bytes": {part: files[part].stat().st_size for part in ("html", "text", "message") if part in files},
        "attachments": [{"name": e.name, "type": e.type, "bytes": len(e.content)} for e in mail.attachments],
        "links": [*dict.fromkeys(map(unescape, LINK.findall(mail.html or "")))],
        "late": made.late,
        "findings": to_json(made.findings),
        "files": {part: str(path) for part, path in files.items()},
    }


def show(told: Mapping[str, Any], made: Made) -> None:
    """The same for a person."""
    for name, value in lines(told):
        click.echo(f"{name:<{WIDTH}}{value}")
    if told["late"]:
        click.echo(f"\nIts HTML is worked on for every mail anew, which takes longer: {told['late']}.")
    for each in made.findings:
        click.echo(str(each))
    if told["no_pictures"]:
        click.echo(f"\n{told['no_pictures']}", err=True)


def lines(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is said of a mail, by name."""
    for name in ("subject", "preheader", "from", "to", "reply_to"):
        if told[name]:
            yield name.replace("_", "-").capitalize(), told[name]
    yield "Category", told["category"]
    yield "Size", ", ".join(f"{part} {size(number)}" for part, number in told["bytes"].items())
    for each in told["attachments"]:
        yield "Attached", f"{each['name']} ({each['type']}, {size(each['bytes'])})"
    for link in told["links"]:
        yield "Link", link
    for path in told["files"].values():
        yield "File", path


def size(number: int) -> str:
    """Bytes for people."""
    return f"{number / KILO:.1f} kB" if number >= KILO else f"{number} bytes"
