"""Which files are read, and as what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.folders import write_files
from tests.workers.rulebook.base import BASE
from workers.exceptions import RulebookError
from workers.rulebook import check, read
from workers.rulebook.mail.files import content_of, size_of, stored

ROOT = Path(__file__).parents[3]


def test_read(tmp_path):
    write_files(tmp_path, {**BASE, "rules/notes.md": "x", "rules/.git/config": "x", "templates/.DS_Store": "x"})
    assert read(tmp_path / "rules", tmp_path / "templates") == BASE
    (tmp_path / "rules/fields.yaml").write_bytes(
        b"\xef\xbb\xbf" + BASE["rules/fields.yaml"].replace("\n", "\r\n").encode()
    )
    assert read(tmp_path / "rules", tmp_path / "templates") == BASE


def test_read_refuses_what_is_no_text(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "templates" / "mail.html").write_bytes(b"\x89PNG\x00")
    with (tmp_path / "templates" / "film.mp4").open("wb") as film:
        film.truncate(50_000_000)
    (tmp_path / "rules" / "old.yaml").write_bytes("größe: 1".encode("latin-1"))
    (tmp_path / "rules" / "fit.yaml.bak").write_text("x")
    (tmp_path / "rules" / "huge.yaml").write_text("x" * 2_000_001)
    with pytest.raises(RulebookError) as caught:
        read(tmp_path / "rules", tmp_path / "templates")
    assert [(problem.file, problem.code) for problem in caught.value.problems] == [
        ("rules/fit.yaml.bak", "not-a-rule-file"),
        ("rules/huge.yaml", "too-large"),
        ("rules/old.yaml", "not-utf-8"),
        ("templates/film.mp4", "too-large"),
        ("templates/mail.html", "binary-file"),
    ]
    assert "50,000,000 bytes, and it can have 5,000,000; put it on your website" in str(caught.value)


def test_files_beside_templates_may_hold_anything(tmp_path):
    (tmp_path / "templates" / "a").mkdir(parents=True)
    (tmp_path / "rules").mkdir()
    (tmp_path / "templates" / "a" / "logo.png").write_bytes(b"\x89PNG\r\n\x00")
    (tmp_path / "templates" / "a" / "notes.md").write_text("for ourselves")
    bundle = read(tmp_path / "rules", tmp_path / "templates")
    assert bundle == {"templates/a/logo.png": stored(b"\x89PNG\r\n\x00")}
    assert content_of(bundle["templates/a/logo.png"]) == b"\x89PNG\r\n\x00"
    assert size_of(bundle["templates/a/logo.png"]) == 7


def test_read_without_a_folder(tmp_path):
    with pytest.raises(RulebookError, match="no-such-folder"):
        read(tmp_path / "rules", tmp_path / "templates")


def test_the_shipped_rules_have_no_mistake():
    assert check(read(ROOT / "rules", ROOT / "templates")) == []
