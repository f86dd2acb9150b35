"""Rulebooks and mail templates, of today and of before, each compiled once per process."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from workers.delivery.compose import Composer
from workers.exceptions import RenderError, RulebookError
from workers.log import get_logger
from workers.rulebook import compile_rulebook
from workers.rulebook.history import with_older
from workers.store import activations, enrolments, rulebooks
from workers.store.database import transaction
from workers.store.rulebooks import Rulebooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine

    from workers.delivery.compose import Links
    from workers.engine.rules import Campaign, Rulebook

log = get_logger(__name__)

REMEMBERED: Final = 10
"""Rulebook versions put in force last whose campaigns are kept ready, whoever is in them: another worker may still be
letting people in. Of older versions, those are kept that somebody is in."""
REACH: Final = 2_000
"""Versions that are looked through for the campaigns that people are still in."""
CAMPAIGN: Final = re.compile(r"^campaign:", re.MULTILINE)


class Library:
    """The rulebook in force, those before it as far as somebody needs them, and the mail templates of each.

    Args:
        engine: where the versions are.
        links: go into mails.
    """

    def __init__(self, engine: Engine, links: Links) -> None:
        self._engine = engine
        self._links = links
        self._older: dict[str, Rulebook | None] = {}
        self._composers: dict[str, Composer] = {}
        self._seen: dict[frozenset[str], str] = {}
        self.rulebooks = Rulebooks(self._compile)

    def active(self) -> Rulebook:
        """The rulebook in force.

        Raises:
            NoRulebook: none was ever applied.
        """
        with transaction(self._engine) as conn:
            return self.rulebooks.active(conn).rulebook

    def composers(self) -> Callable[[str, str], Composer]:
        """Chooses, for a version and a template, whose templates to use.

        Today's, so that a mistake that was put right is right in all mails from then on; where today's lack the
        template, those of the version that decided to send the mail, or else the latest that have it: whoever is in an
        older version of a campaign gets its mails.
        """
        current = self._composer(self.active())

        def choose(version: str, template: str) -> Composer:
            if current.has(template):
                return current
            older = [self._before(version)] if version else []
            found = (each for each in [*older, *self._older.values()] if each and self._composer(each).has(template))
            return next(map(self._composer, found), current)

        return choose

    def pinned(self, version: str) -> Composer:
        """The templates of exactly this version.

        Raises:
            RenderError: this program cannot use it any more.
        """
        current = self.active()
        rulebook = current if current.version == version else self._before(version)
        if rulebook is None:
            raise RenderError(f"this program cannot compile the rulebook {version[:12]} any more")
        return self._composer(rulebook)

    def _composer(self, rulebook: Rulebook) -> Composer:
        if rulebook.version not in self._composers:
            self._composers[rulebook.version] = Composer(rulebook, self._links)
        return self._composers[rulebook.version]

    def _compile(self, files: Mapping[str, str]) -> Rulebook:
        """Compile a version, with the older definitions of its campaigns for the people who entered those."""
        rulebook = compile_rulebook(files)
        with transaction(self._engine) as conn:
            before = [each.version for each in activations.latest(conn, REMEMBERED)]
            versions = dict.fromkeys([*before, *(each.version for each in rulebooks.versions(conn))])
            wanted = enrolments.pinned(conn) - {(each.name, each.version) for each in rulebook.campaigns.values()}
        versions.pop(rulebook.version, None)
        archive: dict[tuple[str, str], Campaign] = {}
        before_that: list[Rulebook] = []
        for number, version in enumerate(versions):
            if number >= REACH or (number >= REMEMBERED and wanted <= archive.keys()):
                break
            looked_at = number < REMEMBERED or self._campaigns_differ(version)
            if looked_at and (older := self._before(version)) is not None:
                before_that.append(older)
                archive = {(each.name, each.version): each for each in older.campaigns.values()} | archive
        for name, campaign_version in sorted(wanted - archive.keys()):
            log.error("campaign_definition_lost", campaign=name, version=campaign_version)
        return replace(with_older(rulebook, before_that), archive=archive)

    def _campaigns_differ(self, version: str) -> bool:
        """False if another version that was looked at had the very same campaigns; then this one need not be."""
        with transaction(self._engine) as conn:
            files = rulebooks.files(conn, version)
        texts = frozenset(text for text in files.values() if CAMPAIGN.search(text))
        return self._seen.setdefault(texts, version) == version

    def _before(self, version: str) -> Rulebook | None:
        """An older version, compiled once; None if this program cannot compile it any more."""
        if version not in self._older:
            with transaction(self._engine) as conn:
                files = rulebooks.files(conn, version)
            try:
                self._older[version] = compile_rulebook(files)
            except RulebookError as error:
                log.warning("old_rulebook_unusable", version=version, problems=len(error.problems))
                self._older[version] = None
        return self._older[version]
