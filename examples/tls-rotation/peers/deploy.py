"""The same for pyinfra, one host after another: `pyinfra --serial --fail-percent 0 …`."""  # noqa: INP001 - no package

from __future__ import annotations

import io
import socket
import ssl
import time
from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import FindFiles
from pyinfra.operations import apt, files, python, server, systemd

NAME = "www.example.org"
CERTS = Path(__file__).resolve().parents[1] / "certs"
SITE = (CERTS.parent / "templates/site.conf.j2").read_text(encoding="utf-8")
KEPT = "/var/lib/tls-rotation"


def handshake() -> None:
    """Fail unless the host serves the new certificate, and it is valid; a reload takes a moment."""
    context = ssl.create_default_context(cafile=CERTS / "ca.pem")
    new = ssl.PEM_cert_to_DER_cert((CERTS / "site.pem").read_text(encoding="ascii"))
    problem = "the former certificate is still served"
    for _ in range(10):
        try:
            with (
                socket.create_connection(
                    (host.data.get("ssh_hostname") or host.name, 443), timeout=10
                ) as plain,
                context.wrap_socket(plain, server_hostname=NAME) as stream,
            ):
                if stream.getpeercert(binary_form=True) == new:
                    return
        except OSError as error:
            problem = str(error)
        time.sleep(1)
    server.shell(commands=[f"cp -a {KEPT}/. /etc/nginx/tls/", "systemctl reload nginx"], _sudo=True)
    raise RuntimeError(f"{host.name}: {problem}; the former certificate was restored")


apt.packages(packages=["nginx-light"], update=True, cache_time=86400, _sudo=True)
files.directory("/etc/nginx/tls", mode="750", _sudo=True)
files.directory(KEPT, mode="700", _sudo=True)
if host.get_fact(FindFiles, path="/etc/nginx/tls", _sudo=True):
    server.shell(commands=[f"cp -a /etc/nginx/tls/. {KEPT}/"], _sudo=True)
put = [
    files.put(str(CERTS / "site.pem"), "/etc/nginx/tls/site.pem", mode="644", _sudo=True),
    files.put(str(CERTS / "site.key"), "/etc/nginx/tls/site.key", mode="600", _sudo=True),
    files.template(io.StringIO(SITE), "/etc/nginx/conf.d/site.conf", mode="644", site_name=NAME, _sudo=True),
]
systemd.service("nginx", reloaded=True, _sudo=True, _if=lambda: any(one.did_change() for one in put))
python.call(function=handshake)
