"""Set up SSH transports: the cheapest cipher and a known kind of host key first, small packets without delay.

A transport sends requests without waiting for the answers to those before, as RFC 4254 allows. On a real network each
answer that is waited for costs a round trip; paramiko's own calls wait for each.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko import common
from paramiko.auth_handler import AuthHandler

from runbook_lib.connections.session_request import SessionRequest
from runbook_lib.connections.ssh_packets import BoundedPacketizer

__all__ = ["MORE_THAN_A_KEY", "PipeliningTransport", "make_transport"]

MORE_THAN_A_KEY = "a key alone is not enough"
"""What is said of a host that wants an answer from a person."""

# AES-GCM authenticates packets itself; for other ciphers paramiko compares the MAC byte by byte, in Python.
_PREFERRED_CIPHERS = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com")


class _PipeliningAuth(AuthHandler):
    """Sends a login right after the request for the service that it needs, without waiting for the answer to that."""

    if TYPE_CHECKING:  # what the stubs of paramiko leave out
        transport: PipeliningTransport
        auth_method: str
        private_key: paramiko.PKey

    sent_at_once = False

    def _request_auth(self) -> None:
        # Decided before anything is sent: the answer is handled by another thread, and may arrive before the next line.
        self.sent_at_once = self.auth_method == "publickey" and self.transport.may_log_in_at_once(
            self.private_key
        )
        super()._request_auth()  # type: ignore[misc] # the stubs leave it out
        if self.sent_at_once:
            accepted = paramiko.Message()
            accepted.add_string("ssh-userauth")
            accepted.rewind()
            super()._parse_service_accept(accepted)  # type: ignore[misc] # sends the login

    def _parse_service_accept(self, message: paramiko.Message) -> None:
        """Send the login now that the host has agreed to it, unless that was done before."""
        if not self.sent_at_once:
            super()._parse_service_accept(message)  # type: ignore[misc] # as above


class _Closing:
    """The transport as one session's channel sees it: sends nothing of the channel once its close was sent.

    paramiko decides what to send under the channel's lock, and sends it later without: the close that another thread
    sends may overtake the end of input. To OpenSSH such a message is of a session that does not exist: it closes the
    whole connection, in the middle of other commands. (Or it has given the number to another session.)

    Args:
        transport: The connection.
    """

    def __init__(self, transport: PipeliningTransport) -> None:
        self._transport = transport
        self.sent = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the transport
        return getattr(self._transport, name)

    def _send_user_message(self, message: Any) -> None:  # noqa: ANN401 - the stubs have no attributes of ours
        message.closing = self
        self._transport._send_user_message(message)  # noqa: SLF001 - what the channel would have called


class PipeliningTransport(paramiko.Transport):
    """A transport that does not wait for answers: to the request for a session, a command sent in it, or a login.

    Args:
        args: paramiko's.
        first_sessions: Request two sessions together with the login, for the test command and the first command of a
            run: they are open when the login is accepted.
        options: paramiko's.
    """

    if TYPE_CHECKING:  # what the stubs of paramiko leave out
        active: bool
        initial_kex_done: bool
        server_extensions: dict[str, bytes]
        _channels: Any
        _handler_table: dict[int, Any]
        _channel_handler_table: dict[int, Any]

        def _next_channel(self) -> int: ...
        def _send_user_message(self, data: paramiko.Message) -> None: ...

    def __init__(self, *args: Any, first_sessions: bool = False, **options: Any) -> None:  # noqa: ANN401 - paramiko's
        super().__init__(*args, **options)
        self._wants_first_sessions = first_sessions
        self._first_sessions: list[SessionRequest] = []
        self._handler_table[common.MSG_CHANNEL_OPEN_FAILURE] = self._note_refused_session
        self._handler_table[common.MSG_UNIMPLEMENTED] = self._drop_first_sessions
        data = {common.MSG_CHANNEL_DATA, common.MSG_CHANNEL_EXTENDED_DATA}
        self._channel_handler_table = {
            kind: _within_window(handler) if kind in data else handler
            for kind, handler in self._channel_handler_table.items()
        }
        self._channel_handler_table[common.MSG_CHANNEL_FAILURE] = self._note_refused_request
        self._channel_handler_table[common.MSG_CHANNEL_REQUEST] = self._note_exit
        self.refusal: paramiko.AuthenticationException | None = None
        """The host's latest refusal of a key."""
        self._refused: set[int] = set()
        self._exits: dict[int, float] = {}

    def auth_publickey(
        self, username: str, key: paramiko.PKey, event: threading.Event | None = None
    ) -> list[str]:
        """Log in with a private key; see paramiko's `Transport.auth_publickey`."""
        if not (self.active and self.initial_kex_done):
            raise paramiko.SSHException("No existing session")  # as paramiko: `connect` knows the text
        done = event or threading.Event()
        self.auth_handler = handler = _PipeliningAuth(self)
        handler.auth_publickey(username, key, done)
        # Once per connection: a host that has refused a key has refused the sessions too, and may accept another key.
        wanted, self._wants_first_sessions = self._wants_first_sessions, False
        if wanted and handler.sent_at_once:
            opened = [self._new_session() for _ in range(2)]
            # Known before the requests are sent: a refusal may arrive before the next line.
            self._first_sessions = [session for session, _ in opened]
            for _, request in opened:
                self._send_user_message(request)
        try:
            return [] if event else handler.wait_for_response(done)
        except paramiko.AuthenticationException as refused:
            self.refusal = refused
            raise

    def auth_interactive_dumb(self, *_: Any, **__: Any) -> list[str]:  # noqa: ANN401 - paramiko's
        """Refuse: paramiko would print the host's questions, and read the terminal or the notebook for the answers.

        Raises:
            AuthenticationException: Always.
        """
        raise paramiko.AuthenticationException(MORE_THAN_A_KEY)

    def may_log_in_at_once(self, key: paramiko.PKey) -> bool:
        """Return whether a login may be sent before the host has agreed to logins: saves a round trip.

        Only to OpenSSH, which handles requests one after another and passes on what follows a login. Not with a key of
        ssh-agent, which may ask a person; nor with an RSA key as long as it is not known which hashes the host accepts.
        """
        if isinstance(key, paramiko.AgentKey) or "OpenSSH" not in self.remote_version:
            return False
        return "rsa" not in key.get_name() or "server-sig-algs" in self.server_extensions

    def take_first_sessions(self) -> list[SessionRequest]:
        """Return the sessions that were requested together with the login, once; empty if there are none."""
        sessions, self._first_sessions = self._first_sessions, []
        return sessions

    def _drop_first_sessions(self, message: paramiko.Message) -> None:  # noqa: ARG002 - paramiko's signature
        """Forget the sessions: a host that has refused the login does not know such requests yet."""
        self._first_sessions = []

    def _send_message(self, data: Any) -> None:  # noqa: ANN401 - as above
        """Send a message, unless it is of a channel whose close was sent. Called for one message after another."""
        closing: _Closing | None = getattr(data, "closing", None)
        if closing:
            if closing.sent:
                return
            closing.sent = data.asbytes()[:1] == common.cMSG_CHANNEL_CLOSE
        super()._send_message(data)  # type: ignore[misc] # the stubs leave it out

    def request_session(self) -> SessionRequest:
        """Ask for a session.

        Raises:
            SSHException: The connection is lost.
        """
        if not self.active:
            raise paramiko.SSHException("the connection is closed")
        session, request = self._new_session()
        self._send_user_message(request)
        return session

    def _new_session(self) -> tuple[SessionRequest, paramiko.Message]:
        """Return a session, known to the transport before its request is sent, and the request."""
        message = paramiko.Message()
        with self.lock:
            number = self._next_channel()
            channel: Any = paramiko.Channel(number)
            self._channels.put(number, channel)
            self.channel_events[number] = answered = threading.Event()
            self.channels_seen[number] = True
            channel._set_transport(self)  # noqa: SLF001 - as paramiko's `open_channel`, which waits for the answer
            channel.transport = _Closing(self)
            channel._set_window(self.default_window_size, self.default_max_packet_size)  # noqa: SLF001 - as above
        message.add_byte(common.cMSG_CHANNEL_OPEN)
        message.add_string("session")
        message.add_int(number)
        message.add_int(self.default_window_size)
        message.add_int(self.default_max_packet_size)
        return SessionRequest(self, channel, answered), message

    def request_execution(self, channel: Any, line: str) -> None:  # noqa: ANN401 - the stubs say less of its transport
        """Ask the login shell to execute a line; `channel.event` is set once the host has answered.

        Raises:
            SSHException: The session is closed.
        """
        if channel.closed:
            raise paramiko.SSHException("the host has closed the session")
        message = paramiko.Message()
        message.add_byte(common.cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("exec")
        message.add_boolean(True)  # noqa: FBT003 - paramiko's; the answer is wanted: it says that the command was begun
        message.add_string(line)
        channel.event_ready = False
        channel.event.clear()
        channel.transport._send_user_message(message)  # noqa: SLF001 - not after the channel's close

    def refuses(self, channel: paramiko.Channel) -> bool:
        """Return whether the host has refused what was asked for in a session."""
        return channel.chanid in self._refused

    def exit_time(self, channel: paramiko.Channel) -> float | None:
        """Return when the exit status arrived in a session, in seconds since the epoch, once; None: none arrived."""
        return self._exits.pop(channel.chanid, None)

    def _note_exit(self, channel: Any, message: paramiko.Message) -> None:  # noqa: ANN401 - its stubs lack the handler
        exited = channel.status_event.is_set()
        channel._handle_request(message)  # noqa: SLF001 - paramiko's own handler
        if channel.status_event.is_set() and not exited:
            self._exits[channel.chanid] = time.time()

    def _note_refused_request(self, channel: Any, message: paramiko.Message) -> None:  # noqa: ANN401 - as above
        self._refused.add(channel.chanid)
        channel._request_failed(message)  # noqa: SLF001 - paramiko's own handler

    def _note_refused_session(self, message: paramiko.Message) -> None:
        """Note a refusal without a log entry: whether it is an error is for the one who needs the session."""
        number, code = message.get_int(), message.get_int()
        text = message.get_string().decode(errors="replace")
        with self.lock:
            if answered := self.channel_events.pop(number, None):
                channel: Any = self._channels.get(number)
                if channel is not None and not isinstance(channel.transport, _Closing):
                    # paramiko's own `open_channel` waits for it, such as for a connection through a bastion.
                    self.saved_exception = paramiko.ChannelException(code, text)
                self._channels.delete(number)
                answered.set()


def _within_window(handler: Any) -> Any:  # noqa: ANN401 - paramiko's handler of a message with data
    """Return a handler that ends the connection if the host sends more than it may before what it sent was read.

    Nobody reads a session that is only kept, and several sessions are read one after another: without a bound, a host
    could fill the memory over them. paramiko checks no window.
    """

    def handle(channel: paramiko.Channel, message: paramiko.Message) -> None:
        handler(channel, message)
        unread = len(channel.in_buffer) + len(channel.in_stderr_buffer)
        if unread > channel.in_window_size:
            raise paramiko.SSHException(f"the host has sent {unread} bytes, more than the window allows")

    return handle


def make_transport(
    sock: Any,  # noqa: ANN401 - paramiko's
    *,
    key_types: frozenset[str] = frozenset(),
    **options: Any,  # noqa: ANN401 - paramiko's
) -> PipeliningTransport:
    """Return a transport that prefers AES-GCM over paramiko's other ciphers, and sends small packets at once.

    Args:
        sock: The connected socket, or the channel through a bastion.
        key_types: The types of the known host keys: the host is asked for one of them first.
        options: Other arguments of the transport.
    """
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        # Otherwise each channel that is opened waits 40 ms: Nagle's algorithm holds a packet back until the host has
        # acknowledged the one before, and the host delays its acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = PipeliningTransport(sock, packetizer_class=BoundedPacketizer, **options)
    security = transport.get_security_options()
    offered = security.ciphers
    security.ciphers = tuple(sorted(offered, key=lambda cipher: cipher not in _PREFERRED_CIPHERS))
    security.key_types = tuple(sorted(security.key_types, key=lambda name: name not in key_types))
    return transport
