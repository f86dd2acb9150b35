"""The kinds of rule files and what each may hold. The first key of a file's declaration is the word for its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.rulebook.declarations.campaigns import (
    BandTrigger,
    CampaignFile,
    CapsFile,
    DateTrigger,
    Enter,
    EventTrigger,
    Move,
    ScheduleTrigger,
    SegmentTrigger,
    SourceFile,
    StageTrigger,
    Trigger,
)
from workers.rulebook.declarations.company import (
    STANDARD_EVENTS,
    Account,
    AccountFile,
    EventsFile,
    Field,
    FieldsFile,
    Machines,
    MachinesFile,
)
from workers.rulebook.declarations.consent import ConsentFile
from workers.rulebook.declarations.examples import Example, ExampleEvent, ExamplesFile, Given, Outcome
from workers.rulebook.declarations.hours import Business, QuietHours
from workers.rulebook.declarations.promotion import (
    Evidence,
    Opportunity,
    Owners,
    PromoteFile,
    Promotion,
    Share,
    Territory,
)
from workers.rulebook.declarations.scoring import Band, Decay, Group, Rule, ScoreFile, Steps
from workers.rulebook.declarations.sending import SendingFile
from workers.rulebook.declarations.standing import GradeFile, SegmentsFile, Stage, StagesFile
from workers.rulebook.declarations.tracking import TrackingFile

if TYPE_CHECKING:
    from workers.rulebook.shape import Shape

__all__ = [
    "KINDS",
    "STANDARD_EVENTS",
    "Account",
    "AccountFile",
    "Band",
    "BandTrigger",
    "Business",
    "CampaignFile",
    "CapsFile",
    "ConsentFile",
    "DateTrigger",
    "Decay",
    "Enter",
    "EventTrigger",
    "EventsFile",
    "Evidence",
    "Example",
    "ExampleEvent",
    "ExamplesFile",
    "Field",
    "FieldsFile",
    "Given",
    "GradeFile",
    "Group",
    "Machines",
    "MachinesFile",
    "Move",
    "Opportunity",
    "Outcome",
    "Owners",
    "PromoteFile",
    "Promotion",
    "QuietHours",
    "Rule",
    "ScheduleTrigger",
    "ScoreFile",
    "SegmentTrigger",
    "SegmentsFile",
    "SendingFile",
    "Share",
    "SourceFile",
    "Stage",
    "StageTrigger",
    "StagesFile",
    "Steps",
    "Territory",
    "TrackingFile",
    "Trigger",
]

KINDS: Final[tuple[type[Shape], ...]] = (
    SourceFile,
    AccountFile,
    FieldsFile,
    EventsFile,
    StagesFile,
    SegmentsFile,
    ScoreFile,
    GradeFile,
    PromoteFile,
    CampaignFile,
    CapsFile,
    TrackingFile,
    SendingFile,
    ConsentFile,
    MachinesFile,
    ExamplesFile,
)
"""All kinds. `SourceFile` comes first: a source's own settings may have any name, those of other kinds among them.
`MachinesFile` and `ExamplesFile` come last: other files may hold what they hold, too."""
