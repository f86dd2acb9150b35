"""Rule and template files as one bundle: path to text, the form in which a rulebook is stored and versioned."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workers.exceptions import RulebookError
from workers.rulebook.mail.files import MOST_ATTACHED, is_template, stored
from workers.rulebook.problems import Place, Problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RULES: Final = "rules/"
TEMPLATES: Final = "templates/"
RULE_SUFFIXES: Final = (".yaml", ".yml")
BESIDE_RULES: Final = (".md", ".txt")
"""Files that people may keep beside the rules; they are not part of the bundle."""
BESIDE_TEMPLATES: Final = ".md"
MOST_FILES: Final = 10_000
MOST_BYTES: Final = 2_000_000
"""In one file."""


def read(rules: Path, templates: Path) -> dict[str, str]:
    """The files below the two folders as a bundle: `rules/scoring/fit.yaml`, `templates/welcome/hello/mail.txt`, …

    Hidden files and notes (`.md`; beside the rules `.txt`, too) are left out. What is no template below the templates
    is there to be attached to mails, and may hold anything.

    Args:
        rules: the folder of rule files; it has to be there.
        templates: the folder of templates; a missing one counts as empty.

    Raises:
        RulebookError: a rule or template is binary, a file is too large, cannot be read, or is no rule file.
    """
    problems = Problems()
    bundle = read_what_can_be_read(rules, templates, problems)
    if problems:
        raise RulebookError(tuple(problems.found()))
    return bundle


def shipped() -> dict[str, str]:
    """The example company that comes with the package: from the wheel, or from the checkout beside it."""
    package = Path(__file__).parents[1]
    root = package / "shipped" if (package / "shipped").is_dir() else package.parent
    return read(root / "rules", root / "templates")


def read_what_can_be_read(rules: Path, templates: Path, problems: Problems) -> dict[str, str]:
    """The same without the files that cannot be part of a bundle; `problems` takes what is wrong with those."""
    if not rules.is_dir():
        problems.add(Place(str(rules)), "no-such-folder", "there is no such folder", "name the folder of rule files")
    bundle: dict[str, str] = {}
    for prefix, root in ((RULES, rules), (TEMPLATES, templates)):
        for path, file in files(prefix, root):
            if file.suffix not in (BESIDE_RULES if prefix == RULES else BESIDE_TEMPLATES):
                take(path, file, bundle, problems)
    return bundle


def files(prefix: str, root: Path) -> Iterator[tuple[str, Path]]:
    """Every file below `root` that is not hidden, with its path in the bundle, in order."""
    for file in sorted(root.rglob("*")) if root.is_dir() else ():
        inside = file.relative_to(root)
        if file.is_file() and not any(part.startswith(".") for part in inside.parts):
            yield prefix + inside.as_posix(), file


def take(path: str, file: Path, bundle: dict[str, str], problems: Problems) -> None:
    """Put one file into the bundle, or say why it cannot be part of it."""
    place = Place(path)
    to_attach = path.startswith(TEMPLATES) and not is_template(path)
    most, advice = (
        (MOST_ATTACHED, "put it on your website and link to it") if to_attach else (MOST_BYTES, "split the file")
    )
    if path.startswith(RULES) and file.suffix not in RULE_SUFFIXES:
        hint = "rules end in .yaml; notes in .md or .txt may stay beside them"
        problems.add(place, "not-a-rule-file", "this is no rule file", hint)
    elif file.stat().st_size > most:
        problems.add(place, "too-large", f"{file.stat().st_size:,} bytes, and it can have {most:,}", advice)
    elif len(bundle) >= MOST_FILES:
        problems.add(place, "too-many-files", f"more than {MOST_FILES:,} files")
    else:
        try:
            content = file.read_bytes()
            bundle[path] = stored(content) if to_attach else text_of(content)
        except OSError as error:
            problems.add(place, "unreadable", f"cannot be read: {error.strerror}", "check the file's permissions")
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode("utf-8", "replace").split("\n")
            place = Place(path, len(before), len(before[-1]) + 1)
            problems.add(place, "not-utf-8", "this is not text in UTF-8", "save the file as UTF-8")
        except ValueError:
            hint = "save it as UTF-8, or keep it elsewhere"
            problems.add(place, "binary-file", "this file holds what no text has", hint)


def text_of(content: bytes) -> str:
    """The text of a file, lines ended by a line feed.

    Raises:
        ValueError: it is binary, or not UTF-8.
    """
    if b"\x00" in content:
        raise ValueError("binary")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def version_of(bundle: Mapping[str, str]) -> str:
    """Content hash of a bundle: the same files give the same version on every machine."""
    digest = sha256()
    for path, text in sorted(bundle.items()):
        for part in (path, text):
            content = part.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
