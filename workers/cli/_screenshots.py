"""Pictures of a mail as a desktop and a phone show it, taken by a Chromium if there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
WIDTHS: Final[Mapping[str, int]] = {"desktop": 800, "phone": 375}
"""CSS pixels that a mail gets."""
NARROWEST: Final = 500
"""A Chromium's window is no narrower; the mail is shown in the middle of it."""
TALLEST: Final = 12_000
TIMEOUT: Final = 60.0
PAGE: Final = """\
<!doctype html>
<body style="margin:0;background:#d8dade">
<iframe id="mail" srcdoc="{mail}" style="display:block;margin:0 auto;border:0;background:#fff;width:{width}px"></iframe>
<script>
  const mail = document.getElementById("mail");
  mail.onload = () => {{
    const height = mail.contentDocument.documentElement.scrollHeight;
    mail.style.height = height + "px";
    document.documentElement.dataset.height = height;
  }};
</script>
"""
HEIGHT: Final = re.compile(r'data-height="(\d+)"')


def browser() -> str | None:
    """The first Chromium on the path."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def take(program: str, html: str, folder: Path) -> tuple[dict[str, Path], str]:
    """Take the pictures.

    Args:
        program: a Chromium.
        html: the mail.
        folder: gets `desktop.png` and `phone.png`.

    Returns:
        their paths by width, and why some are missing, or an empty text.
    """
    taken: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="dripline-") as name:
        for shown, width in WIDTHS.items():
            page = Path(name) / f"{shown}.html"
            page.write_text(PAGE.format(mail=escape(html), width=width), "utf-8")
            picture = (folder / f"{shown}.png").absolute()
            try:
                shoot(program, page, max(width, NARROWEST), picture)
            except (OSError, subprocess.SubprocessError) as error:
                return taken, f"{program} takes no pictures: {one_line(error)}"
            taken[shown] = picture
    return taken, ""


def shoot(program: str, page: Path, width: int, picture: Path) -> None:
    """One picture, as tall as the page is.

    Raises:
        SubprocessError: the program failed, or is not done in time.
    """
    measured = HEIGHT.search(run(program, page, width, 800, "--dump-dom"))
    height = min(int(measured[1]), TALLEST) if measured else TALLEST
    run(program, page, width, max(height, 1), f"--screenshot={picture}")
    if not picture.exists():
        raise subprocess.SubprocessError("it ended without an error and without a picture")


def run(program: str, page: Path, width: int, height: int, what: str) -> str:
    """What the program prints."""
    given = [
        "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
        "--virtual-time-budget=5000", f"--user-data-dir={page.parent / 'profile'}", f"--window-size={width},{height}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses to sandbox itself as root
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603  (a program that the person has installed)
        [program, *given, what, page.as_uri()], capture_output=True, timeout=TIMEOUT, check=True, text=True
    )
    return done.stdout


def one_line(error: Exception) -> str:
    """An error in a line."""
    said = getattr(error, "stderr", None) or str(error)
    return " ".join(str(said).split())[:200]
