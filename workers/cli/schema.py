"""`dripline schema`"""

from __future__ import annotations

import json
from pathlib import Path

import click

SECTION = "Rules"


@click.command
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it into this file.")
def command(output: Path | None) -> None:
    """Print the JSON Schema of rule files, for editors that complete and underline as you type.

    \b
    For editors with the YAML language server (VS Code: extension "YAML"), write into .vscode/settings.json
      "yaml.schemas": {"dripline.schema.json": "rules/**/*.yaml"}
    or begin a rule file with the line
      # yaml-language-server: $schema=../dripline.schema.json

    \b
    Examples:
      dripline schema --output dripline.schema.json
    """
    from workers.rulebook import schema

    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"Written to {output}.", err=True)
