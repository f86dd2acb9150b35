"""A real Postfix for tests: an instance of its own, in a temporary folder, on a loopback port.

It delivers `acme.test`, `büro.example` and `northwind.example` (where bounces go) to Maildirs; hands `remote.test` to
another server; and takes nothing else. Postfix has to be started by root, who then works as the user `postfix`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.servers import Server, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

DAEMONS: Final = Path("/usr/lib/postfix/sbin")
LARGEST: Final = 200_000
"""Bytes of a mail."""
PEOPLE: Final = ("ann@acme.test", "bob@acme.test", "jürgen@xn--bro-hoa.example", "nora@northwind.example")
SERVICES: Final = """
{port}     inet  n - n - - smtpd
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 1 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
proxywrite unix  - - n - 1 proxymap
smtp       unix  - - n - - smtp
relay      unix  - - n - - smtp
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
local      unix  - n n - - local
virtual    unix  - n n - - virtual
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Why there can be no Postfix here; empty if there can."""
    if not shutil.which("postfix") or not (DAEMONS / "master").exists():
        return "Postfix is not installed; as root: apt-get install postfix"
    return "" if os.geteuid() == 0 else "Postfix has to be started by root"


class Postfix(Server):
    """A running instance.

    Args:
        remote: the port of the server that `remote.test` is handed to.
        certificate: files of a certificate and its key, for STARTTLS.
    """

    def __init__(self, remote: int, certificate: Sequence[str]) -> None:
        super().__init__("postfix")
        self.folder.chmod(0o755)
        self.config, self.mail = self.folder / "etc", self.folder / "mail"
        owner = pwd.getpwnam("nobody")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        for part in (self.config, self.folder / "queue", self.folder / "data", self.mail):
            part.mkdir(mode=0o755)
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.mail, owner.pw_uid, owner.pw_gid)
        self.log.touch()
        boxes = " ".join(f"{{ {each} = {self.box(each).relative_to(self.mail)}/ }}" for each in PEOPLE)
        settings = {
            "compatibility_level": "3.6", "queue_directory": self.folder / "queue", "mail_owner": "postfix",
            "data_directory": self.folder / "data", "daemon_directory": DAEMONS, "command_directory": "/usr/sbin",
            "setgid_group": "postdrop", "maillog_file": "/dev/stdout", "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4", "myhostname": "mx.acme.test", "mydestination": "", "mynetworks": "127.0.0.0/8",
            "local_recipient_maps": "", "alias_maps": "", "alias_database": "", "biff": "no",
            "virtual_mailbox_domains": " ".join(sorted({each.partition("@")[2] for each in PEOPLE})),
            "virtual_mailbox_base": self.mail, "virtual_mailbox_maps": f"inline:{{ {boxes} }}",
            "virtual_uid_maps": f"static:{owner.pw_uid}", "virtual_gid_maps": f"static:{owner.pw_gid}",
            "virtual_minimum_uid": "1", "relay_domains": "remote.test",
            "transport_maps": f"inline:{{ {{ remote.test = smtp:[127.0.0.1]:{remote} }} }}",
            "smtpd_relay_restrictions": "reject_unauth_destination", "message_size_limit": LARGEST,
            "mailbox_size_limit": "0", "virtual_mailbox_limit": "0", "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": ", ".join(reversed(certificate)), "smtpd_client_restrictions": "",
            "smtp_host_lookup": "native", "smtp_dns_support_level": "disabled", "smtputf8_enable": "yes",
        }  # fmt: skip
        (self.config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        (self.config / "master.cf").write_text(SERVICES.format(port=f"127.0.0.1:{self.port}"))
        self.start()

    def start(self) -> None:
        """Start it, also after `stop`; what is in its queue is still there."""
        self.run(["postfix", "-c", self.config, "start-fg"])
        self.wait_for(self._answers)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop it with all its processes."""
        if self.process is not None and self.process.poll() is None:
            subprocess.run(["postfix", "-c", self.config, "abort"], check=False, capture_output=True, timeout=30)
        super().stop(how)

    def box(self, address: str) -> Path:
        """The Maildir of somebody."""
        local, _, domain = address.partition("@")
        return self.mail / domain / local.encode("punycode").decode().strip("-")

    def received(self, address: str) -> list[bytes]:
        """The mails in somebody's Maildir, in the order of their arrival."""
        folder = self.box(address) / "new"
        return [each.read_bytes() for each in sorted(folder.iterdir())] if folder.exists() else []

    def _answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise ServerFailed(f"Postfix did not start:\n{self.log.read_text()[-3000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False
