from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import integrations.crm
import integrations.email
import integrations.sources
from integrations import discovery
from integrations.exceptions import ConfigurationError

NEW = """
from __future__ import annotations
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from integrations.exceptions import ConfigurationError

@dataclass(frozen=True, slots=True)
class Adapter:
    secret: str
    port: int = 25
    ratio: float = 0.5
    strict: bool = False
    hosts: tuple[str, ...] = ()
    patience: timedelta = timedelta(seconds=30)
    folder: Path = Path("/nowhere")
    options: Mapping[str, Any] = field(default_factory=dict)
    clock: Any = None
    cache: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.port == 13:
            raise ConfigurationError("brings bad luck; take another.", "port")
        if "color" in self.options:
            raise ConfigurationError("'color' is no option")
"""
SECRET = {"DRIPLINE_MY_SHOP_SECRET": "s3cret"}


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that somebody has put into the folder of sources; nothing else is changed."""
    (tmp_path / "acme.py").write_text(NEW)
    (tmp_path / "_helper.py").write_text("raise SystemExit")
    monkeypatch.setattr(integrations.sources, "__path__", [*integrations.sources.__path__, str(tmp_path)])
    return tmp_path


def build(values: dict[str, str], **given: Any) -> Any:
    return discovery.build("sources", "acme", "my-shop", values, **given)


def test_the_adapters_are_the_files() -> None:
    for kind, package in (
        ("sources", integrations.sources), ("email", integrations.email), ("crm", integrations.crm),
    ):  # fmt: skip
        files = {path.stem for path in Path(package.__path__[0]).glob("*.py")} - {"__init__"}
        assert set(discovery.names(kind)) >= files  # type: ignore[arg-type]


def test_an_email_provider_is_a_source_too_if_it_feeds_back() -> None:
    files = {path.stem for path in Path(integrations.sources.__path__[0]).glob("*.py")} - {"__init__"}
    feeding = {name for name in discovery.names("email") if hasattr(discovery._module("email", name), "Feedback")}
    assert "sendgrid" in feeding
    assert "smtp" not in feeding
    assert set(discovery.names("sources")) == files | feeding
    assert not files & feeding, "two sources of one name"
    assert discovery.adapter("sources", "sendgrid").__name__ == "Feedback"
    assert discovery.adapter("email", "sendgrid").__name__ == "Adapter"


@pytest.mark.usefixtures("acme")
def test_a_new_file_is_found_with_nothing_edited() -> None:
    assert "acme" in discovery.names("sources")
    assert "_helper" not in discovery.names("sources")
    assert build(SECRET).secret == "s3cret"


@pytest.mark.usefixtures("acme")
def test_settings_are_converted_to_the_types_of_the_fields() -> None:
    found = build({
        **SECRET,
        "DRIPLINE_MY_SHOP_PORT": "2525",
        "DRIPLINE_MY_SHOP_RATIO": "0.25",
        "DRIPLINE_MY_SHOP_STRICT": "Yes",
        "DRIPLINE_MY_SHOP_HOSTS": "a.example, b.example c.example",
        "DRIPLINE_MY_SHOP_PATIENCE": "1.5m",
        "DRIPLINE_MY_SHOP_FOLDER": "/tmp/x",
        "DRIPLINE_MY_SHOP_CLOCK": "not from here",
        "DRIPLINE_MY_SHOP_OPTIONS": "not from here",
        "DRIPLINE_MY_SHOP_CACHE": "not from here",
    })  # fmt: skip
    assert dataclasses.asdict(found) == {
        "secret": "s3cret",
        "port": 2525,
        "ratio": 0.25,
        "strict": True,
        "hosts": ("a.example", "b.example", "c.example"),
        "patience": timedelta(seconds=90),
        "folder": Path("/tmp/x"),
        "options": {},
        "clock": None,
        "cache": {},
    }


@pytest.mark.usefixtures("acme")
def test_what_is_handed_in_goes_before_the_environment() -> None:
    found = build({**SECRET, "DRIPLINE_MY_SHOP_PORT": "2525"}, port=1, options={"a": 1}, clock="c")
    assert (found.port, found.options, found.clock) == (1, {"a": 1}, "c")


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "DRIPLINE_MY_SHOP_SECRET is not set; set it to a text."),
        ({"DRIPLINE_MY_SHOP_SECRET": ""}, "DRIPLINE_MY_SHOP_SECRET is not set; set it to a text."),
        (
            {"DRIPLINE_MYSHOP_SECRET": "x"},
            (
                "DRIPLINE_MY_SHOP_SECRET is not set (DRIPLINE_MYSHOP_SECRET is set; was this one meant?); "
                "set it to a text."
            ),
        ),
        ({**SECRET, "DRIPLINE_MY_SHOP_PORT": "x"}, "DRIPLINE_MY_SHOP_PORT cannot be read: write a whole number."),
        ({**SECRET, "DRIPLINE_MY_SHOP_PORT": "13"}, "DRIPLINE_MY_SHOP_PORT brings bad luck; take another."),
        (
            {**SECRET, "DRIPLINE_MY_SHOP_STRICT": "maybe"},
            "DRIPLINE_MY_SHOP_STRICT cannot be read: write true or false.",
        ),
        (
            {**SECRET, "DRIPLINE_MY_SHOP_PATIENCE": "1e400"},
            "DRIPLINE_MY_SHOP_PATIENCE cannot be read: write seconds, or a number with a unit (90s, 5m, 2h, 1d).",
        ),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        build(values)
    assert str(error.value) == message


@pytest.mark.usefixtures("acme")
def test_a_wrong_option_is_the_adapters_to_refuse() -> None:
    with pytest.raises(ConfigurationError, match="'color' is no option"):
        build(SECRET, options={"color": "red"})


@pytest.mark.usefixtures("acme")
def test_a_wrong_field_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(ConfigurationError, match=r"'ports' is no setting .* did you mean 'port'\?"):
        build(SECRET, ports=1)


def test_a_wrong_adapter_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(ConfigurationError, match=r"no webhook source adapter 'sendgird'; did you mean 'sendgrid'\?"):
        discovery.adapter("sources", "sendgird")
    with pytest.raises(ConfigurationError, match=r"no CRM adapter 'zzz'; there is: hubspot, webhook\."):
        discovery.adapter("crm", "zzz")
    with pytest.raises(ConfigurationError, match=r"there is no e-mail provider adapter '\.\./sources/standard'"):
        discovery.adapter("email", "../sources/standard")


def test_an_adapter_without_options_takes_an_empty_mapping_of_them(tmp_path: Path) -> None:
    values = {"DRIPLINE_MAILBOX_FOLDER": str(tmp_path)}
    discovery.build("email", "mailbox", "mailbox", values, options={})
    with pytest.raises(ConfigurationError, match="this adapter takes no options; remove color"):
        discovery.build("email", "mailbox", "mailbox", values, options={"color": "red"})


@pytest.mark.parametrize("kind", discovery.KINDS)
def test_every_field_of_every_adapter_can_be_set_or_has_a_default(kind: discovery.Kind) -> None:
    for name in discovery.names(kind):
        for each in dataclasses.fields(discovery.adapter(kind, name)):
            has_default = each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
            assert not each.init or str(each.type) in discovery.READERS or has_default, f"{name}.{each.name}"


@pytest.mark.parametrize("kind", discovery.KINDS)
def test_no_adapter_shows_a_secret(kind: discovery.Kind) -> None:
    for name in discovery.names(kind):
        for each in dataclasses.fields(discovery.adapter(kind, name)):
            assert not each.repr or not any(word in each.name for word in ("secret", "token", "password"))
