"""Network queries from this machine: a TCP connection, an HTTP request, a TLS handshake.

Their outputs have the form of the programs that ask the same from a host (`curl --write-out`, `openssl s_client`), so
that one parser reads both.
"""

from __future__ import annotations

import dataclasses
import functools
import http.client
import socket
import ssl
import time
from typing import TYPE_CHECKING

from runbook_lib.connections.bounded_call import OverdueError, call_or_leave
from runbook_lib.connections.network_namespace import open_socket
from runbook_lib.errors import UnreachableError
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from runbook_lib.connections.base import Connection
    from runbook_lib.connections.command_wait import CommandWait
    from runbook_lib.model.commands import NetworkQuery

__all__ = ["addressed", "ask"]

_MOST_BODY = 1_000_000  # bytes of an HTTP body that are read


def addressed(query: NetworkQuery, connection: Connection) -> NetworkQuery:
    """Return the query with the address of the connection's host, unless it has an address of its own."""
    if query.address:
        return query
    established = connection.established
    address = (established.address if established else None) or connection.host.target
    return dataclasses.replace(query, address="127.0.0.1" if connection.on_this_machine else address)


def ask(query: NetworkQuery, connection: Connection, wait: CommandWait) -> Output:
    """Make a query and return its output: exit code 0 if there was an answer, 1 with the reason otherwise.

    Args:
        query: The query, with its address.
        connection: The connection to the step's host: the query starts in the same network namespace.
        wait: When to give up.
    """
    started = time.time()
    namespace = connection.host.network_namespace
    answer = functools.partial(_ANSWERS[query.method], query, namespace) if query.method != "login" else None
    try:
        if answer is None:
            connection.try_login(query.account, query.identity_file, wait)
            text = "accepted\n"
        else:
            text = call_or_leave(answer, wait, lambda: None, lambda _: None)
    except UnreachableError as problem:
        return Output(1, stderr=problem.message, started=started, ended=time.time())
    except OverdueError as problem:
        return Output(None, started=started, ended=time.time(), problem=str(problem))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        reason = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
        return Output(1, stderr=f"{query.address}:{query.port}: {reason}", started=started, ended=time.time())
    return Output(0, stdout=text, started=started, ended=time.time())


def _connect(query: NetworkQuery, namespace: str | None) -> socket.socket:
    if namespace:
        return open_socket(namespace, query.address, query.port, query.timeout)
    return socket.create_connection((query.address, query.port), timeout=query.timeout)


def _context(query: NetworkQuery) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=query.authorities or None)
    # The same verdict with every version of Python, and as `openssl` on the host: from 3.13 on, Python by default also
    # refuses certificates of authorities that leave out what RFC 5280 asks for, as many internal ones do.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _try_connection(query: NetworkQuery, namespace: str | None) -> str:
    with _connect(query, namespace):
        return "open\n"


def _get(query: NetworkQuery, namespace: str | None) -> str:
    name = query.name or query.address
    with _connect(query, namespace) as plain:
        stream = _context(query).wrap_socket(plain, server_hostname=name) if query.encrypted else plain
        with stream:
            request = http.client.HTTPConnection(name, query.port, timeout=query.timeout)
            request.default_port = 443 if query.encrypted else 80
            request.sock = stream
            request.request(
                "GET", query.path or "/", headers={"User-Agent": "runbook", "Connection": "close"}
            )
            response = request.getresponse()
            body = response.read(_MOST_BODY).decode(errors="replace")
            return f"{body}\n{response.status}"


def _handshake(query: NetworkQuery, namespace: str | None) -> str:
    """Return certificate and verification result; a certificate that is not trusted is read as well."""
    try:
        return _handshake_with(_context(query), query, namespace, "OK")
    except ssl.SSLCertVerificationError as problem:
        verification = problem.verify_message or str(problem)
    # Without the system's authorities, which take 30 ms to load.
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    # The certificate was refused above, and the result says so: this handshake only shows which one it is.
    unverified.verify_mode = ssl.CERT_NONE
    return _handshake_with(unverified, query, namespace, verification)


def _handshake_with(
    context: ssl.SSLContext, query: NetworkQuery, namespace: str | None, verification: str
) -> str:
    with (
        _connect(query, namespace) as plain,
        context.wrap_socket(plain, server_hostname=query.name or query.address) as stream,
    ):
        certificate = stream.getpeercert(binary_form=True)
        cipher = stream.cipher()
        version = stream.version()
    if certificate is None:
        raise OSError("the server has shown no certificate")
    word = "Verification" if verification == "OK" else "Verification error"
    return (
        f"{ssl.DER_cert_to_PEM_cert(certificate)}"
        f"New, {version}, Cipher is {cipher[0] if cipher else 'unknown'}\n{word}: {verification}\n"
    )


_ANSWERS = {"connect": _try_connection, "http": _get, "tls": _handshake}
