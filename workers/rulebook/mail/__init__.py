"""Mail templates: what a template's folder holds, and what it becomes before the first mail is rendered.

`head` reads the front matter and `files` what lies in a bundle; `assembly` puts a mail, its layout and its partials
together into one tree, whose markup `markup`, `styling` and `plain` work on as a whole: MJML becomes HTML, styles move
into their elements, and HTML becomes the plain text beside it. All of that happens once per template where the result
cannot depend on values (`compiled`); what is left for each mail is to put the values in.
"""

from __future__ import annotations

from workers.rulebook.mail.head import MAIL, FrontMatter, body_of, read_head

__all__ = ["MAIL", "FrontMatter", "body_of", "read_head"]
