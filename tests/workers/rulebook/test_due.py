"""What `check` says of times at which no mail ever goes out, against the virtual clock on which they fall due."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.rulebook.base import BASE
from tests.workers.simulate.test_campaigns import START
from workers.rulebook import check, compile_rulebook
from workers.simulate.clock import run
from workers.simulate.heard import Heard

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS: Final = st.integers(0, 23)


@settings(deadline=None)
@given(
    hour=HOURS,
    days=st.sets(st.sampled_from(DAYS), max_size=1),  # of several, a run may keep the lead from the others
    quiet=st.none() | st.tuples(HOURS, HOURS).filter(lambda each: each[0] != each[1]),
    send_on=st.booleans(),
    steps=st.sampled_from(["", "{wait: 1 day}, ", "{wait: 3 days}, ", "{wait: 2 business days}, "]),
)
def test_a_time_is_said_to_be_late_if_no_mail_goes_out_at_it(hour, days, quiet, send_on, steps) -> None:
    named = " and ".join(each for each in DAYS if each in days) or "day"
    lines = [
        "campaign: x", f"enter: {{schedule: '{named} {hour:02}:00'}}", "again: 1 hour",
        f"steps: [{steps}{{send: welcome/hello}}]",
    ]  # fmt: skip
    lines += ['quiet_hours: {{from: "{:02}:00", to: "{:02}:00"}}'.format(*quiet)] if quiet else []
    lines += ["send_on: business days"] if send_on else []
    rules = BASE | {"rules/campaigns/x.yaml": "\n".join(lines)}
    late = {problem.text for problem in check(rules) if problem.code == "always-late"}
    ann = Heard(START, START, "page.viewed", ("email:ann@acme.test",), None, {}, {})
    result = run([ann], compile_rulebook(rules), START + timedelta(days=30))
    held = sum(decision.kind == "held" for _, decision in result.decisions)
    assert result.mails
    assert bool(late) == (held >= len(result.mails)), (late, held, len(result.mails))
