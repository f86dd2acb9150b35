from __future__ import annotations

from dataclasses import fields

from workers.engine.values import Enrolment, LeadState

OTHER = {"dict": {"a": 1}, "list": ["a"], "str": "a", "int": 7, "bool": True}


def full() -> LeadState:
    """A state in which nothing is as in a new one."""
    given = {each.name: OTHER[str(each.type).partition("[")[0]] for each in fields(LeadState)}
    return LeadState(**given | {"enrolments": {"welcome": Enrolment("v", 1, 2, "hello", 3)}})


def test_a_copy_has_everything() -> None:
    assert full().copy() == full()


def test_what_is_done_to_a_copy_is_not_done_to_the_original() -> None:
    original = full()
    copied = original.copy()
    for each in fields(LeadState):
        if isinstance(getattr(copied, each.name), dict):
            getattr(copied, each.name)["b"] = 2
    assert original == full()
