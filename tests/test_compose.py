"""The compose file, taken at its word: our services are started with the very command and environment it gives."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import yaml

from workers.demo.people import Company, Person
from workers.demo.signing import Keys
from workers.demo.smtp import SmtpServer
from workers.demo.wire import Delivery, form_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT: Final = Path(__file__).parents[1]
FILE: Final = ROOT / "docker-compose.yml"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = ("setup", "web", "worker", "clock")
VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<rest>[^}]*))?\}")
PATIENCE: Final = 60.0
ANN: Final = Person(1, "reader", "Ann", "Lee", "ann@acme.test", "COO", Company("Acme", "acme.test", "retail", "DE", 90))


def example_names() -> set[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {line.lstrip("#").partition("=")[0] for line in lines if re.match(r"#?[A-Z_]+=", line)}


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """What Compose makes of `${NAME:-default}` and `${NAME:?message}`."""

    def value(match: re.Match[str]) -> str:
        found = given.get(match["name"], "")
        if not found and match["how"] == ":?":
            raise KeyError(f"{match['name']}: {match['rest']}")
        return found or (match["rest"] if match["how"] == ":-" else "")

    return VARIABLE.sub(value, text)


def test_it_is_a_compose_file():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_there_are_the_services_that_it_takes():
    assert set(SERVICES) == {"postgres", "redis", "mailpit", *OURS}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_that_stays_is_watched_and_restarted(name):
    service = SERVICES[name]
    if name == "setup":
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_our_services_do_not_run_as_root_and_may_write_nowhere():
    recipe = SERVICES["web"]["build"]["dockerfile_inline"].splitlines()
    assert recipe[-1].startswith("USER ")
    assert all(SERVICES[name]["read_only"] and SERVICES[name]["cap_drop"] == ["ALL"] for name in OURS)


def test_what_the_image_is_made_of_is_there():
    recipe = SERVICES["web"]["build"]["dockerfile_inline"].splitlines()
    copied = [word for line in recipe if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_no_secret_stands_in_it():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"(SECRET|PASSWORD|TOKEN|KEY|DATABASE_URL)$", name):
                assert VARIABLE.search(value), f"{name} has to come from .env"


def test_only_webhooks_are_open_to_everybody():
    published = {name: [str(port) for port in service.get("ports", ())] for name, service in SERVICES.items()}
    assert [port for ports in published.values() for port in ports if not port.startswith("127.0.0.1:")] == [
        "8000:8000"
    ]
    environment = SERVICES["web"]["environment"]
    assert f"127.0.0.1:{environment['DRIPLINE_STATUS_PORT']}:{environment['DRIPLINE_STATUS_PORT']}" in published["web"]


def test_every_variable_stands_in_the_example_and_the_other_way_round():
    asked_for = {match["name"] for match in VARIABLE.finditer(FILE.read_text())}
    assert asked_for <= example_names()
    assert all(SERVICES[name]["env_file"] == [".env"] for name in OURS)
    assert {name for name in example_names() - asked_for if not name.startswith("DRIPLINE_")} == set()


def test_a_missing_secret_is_asked_for_by_name():
    with pytest.raises(KeyError, match=r"DRIPLINE_SECRET: write"):
        interpolated(SERVICES["web"]["environment"]["DRIPLINE_SECRET"], {})


# ── started for real ─────────────────────────────────────────────────────────────────────────────────────────


class Machine:
    """Starts services of the file as processes of this machine, with local servers in place of the other containers."""

    def __init__(self, database_url: str, redis_url: str, smtp: SmtpServer, logs: Path) -> None:
        self.keys = Keys()
        self.port, self.status_port = free_port(), free_port()
        self.logs = logs
        self.given = {
            "POSTGRES_PASSWORD": "not-used-here",
            "DRIPLINE_SECRET": "a-secret-of-more-than-32-characters",
            "DRIPLINE_HUBSPOT_TOKEN": "not-used-here",
            "DRIPLINE_SMTP_HOST": smtp.host,
            "DRIPLINE_SMTP_PORT": str(smtp.port),
            **self.keys.settings,
        }
        self.local = {
            "DRIPLINE_DATABASE_URL": database_url,
            "DRIPLINE_REDIS_URL": redis_url,
            "DRIPLINE_HOST": "127.0.0.1",
            "DRIPLINE_PORT": str(self.port),
            "DRIPLINE_STATUS_HOST": "127.0.0.1",
            "DRIPLINE_STATUS_PORT": str(self.status_port),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, service: str) -> dict[str, str]:
        """The container's own environment, and nothing of this process's but where programs are."""
        own = dict(self.given)  # of `.env`, which Compose hands over whole; what the file says itself counts for more
        stated = SERVICES[service]["environment"]
        own |= {name: interpolated(str(value), self.given) for name, value in stated.items()}
        own |= {name: value for name, value in self.local.items() if name in own}
        binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**own, "PATH": binaries, "HOME": str(self.logs), "PYTHONUNBUFFERED": "1"}

    def run(self, service: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the service's place, to its end."""
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(service), capture_output=True, text=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip

    def healthy(self, service: str) -> bool:
        """What the file's own health check says."""
        _, *command = SERVICES[service]["healthcheck"]["test"]
        return self.run(service, [word.replace(":8000", f":{self.port}") for word in command]).returncode == 0

    @contextmanager
    def started(self, service: str) -> Iterator[subprocess.Popen[bytes]]:
        """The service, running; stopped as Compose stops it."""
        with (self.logs / f"{service}.log").open("wb") as log:
            process = subprocess.Popen(
                SERVICES[service]["command"], cwd=ROOT, env=self.environment(service), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def post_form(self) -> requests.Response:
        """A signed newsletter form."""
        now = datetime.now(UTC)
        delivery = Delivery(now, "typeform", "1", "form", form_response(now, "newsletter", ANN, {"email": ANN.email}))
        headers = self.keys.headers(delivery, now)
        return requests.post(f"{self.url}/hooks/typeform", delivery.body.encode(), headers=headers, timeout=10)

    def log(self, service: str) -> str:
        """The end of what the service said."""
        return f"{service}:\n" + (self.logs / f"{service}.log").read_text()[-3000:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def machine(database_url, redis_url, tmp_path):
    with SmtpServer() as smtp:
        machine = Machine(database_url, redis_url, smtp, tmp_path)
        machine.smtp = smtp
        yield machine


def test_the_services_as_the_file_starts_them_take_a_webhook_and_send_the_mail(machine):
    setup = machine.run("setup", SERVICES["setup"]["command"])
    assert setup.returncode == 0, setup.stdout + setup.stderr
    with ExitStack() as running:
        processes = {name: running.enter_context(machine.started(name)) for name in ("web", "worker", "clock")}
        for name in processes:
            assert wait_for(lambda name=name: machine.healthy(name)), machine.log(name)
        answer = machine.post_form()
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1), machine.log("web")
        for path in ("/", "/metrics"):
            assert requests.get(machine.url + path, timeout=10).status_code == 404
            assert requests.get(f"http://127.0.0.1:{machine.status_port}{path}", timeout=10).status_code == 200
        assert wait_for(lambda: len(machine.smtp.received) == 1), machine.log("worker") + machine.log("clock")
        mail = machine.smtp.received[0]
        assert mail.to == ANN.email
        assert machine.given["DRIPLINE_SECRET"] not in mail.message.as_string()
        assert [name for name, process in processes.items() if process.poll() is not None] == []
    # uvicorn finishes what it is at, and then ends by the signal that it was sent
    assert {process.returncode for process in processes.values()} <= {0, -signal.SIGTERM}


def test_setup_may_run_again(machine):
    command = SERVICES["setup"]["command"]
    assert [machine.run("setup", command).returncode for _ in range(2)] == [0, 0], shlex.join(command)
