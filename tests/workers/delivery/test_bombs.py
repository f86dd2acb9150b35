from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.workers.delivery.bombs import SECONDS, bundles

ROOT = Path(__file__).parents[3]


def test_no_template_that_check_accepts_can_stop_a_worker():
    """Every one is refused by `check`, or stopped while it is rendered: soon, and in little memory."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.workers.delivery.bombs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=6 * SECONDS,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr)
    assert [line["name"] for line in lines] == [*bundles(), "memory"]
    memory = lines.pop()
    assert {line["name"]: line["verdict"] for line in lines if line["verdict"] not in {"refused", "stopped"}} == {}
    assert {line["name"]: line["seconds"] for line in lines if line["seconds"] > 5} == {}
    assert int(memory["verdict"]) < 300_000_000
