"""Who may look: a web server of viser's that checks every request before it answers.

viser itself answers anybody, and a page of any other site in the same browser may open a websocket
to it. Here each request must name this server as the page that it comes from, and where the server
can be reached from other machines, carry a token.
"""

from __future__ import annotations

import contextlib
import hmac
import http
import io
import ipaddress
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import viser
import websockets.asyncio.server as websocket_server
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from trirl_robot.errors import ConfigError

PROTECTION = {
    # no other site shows the page in a frame and lays something over its buttons
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    # the address holds the token
    "Referrer-Policy": "no-referrer",
}
"""Headers of every answer."""


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The rules by which a request is answered or refused."""

    token: str | None
    """What a request must show; None lets everybody in who asks for a loopback address."""
    port: int
    """Port that is listened on."""

    @property
    def cookie(self) -> str:
        """Name of the cookie that carries the token.

        Browsers keep cookies by host: servers on several ports would overwrite each other's.
        """
        return f"trirl_view_{self.port}"

    def refusal(self, target: str, headers: Mapping[str, str]) -> str | None:
        """Return why a request is refused, or None to answer it.

        Args:
            target: path and query of the request.
            headers: its headers.
        """
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if self.token is None and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            # another site's name may point here: its page would then be of the same origin
            return f"'{host}' is not this machine's loopback address; open the page as localhost"
        if origin is None and "Upgrade" in headers:
            return "the request does not say which page it comes from"
        if origin is not None and urlsplit(origin).netloc != host:
            return f"a page of '{origin}' may not talk to this server"
        if self.token is not None and not self._shows_token(target, headers):
            return "the token is missing or wrong; open the address that the viewer printed"
        return None

    def answer_headers(self, target: str) -> dict[str, str]:
        """Return the headers to add to an answer."""
        if self.token is None or "token" not in parse_qs(urlsplit(target).query):
            return PROTECTION
        # the page's own requests, and its websocket, carry the cookie
        cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        return {**PROTECTION, "Set-Cookie": cookie}

    def _shows_token(self, target: str, headers: Mapping[str, str]) -> bool:
        shown = parse_qs(urlsplit(target).query).get("token", [])
        with contextlib.suppress(CookieError):
            cookies = SimpleCookie(headers.get("Cookie", ""))
            shown = shown + [cookies[self.cookie].value for _ in cookies.keys() & {self.cookie}]
        wanted = (self.token or "").encode()
        return any(hmac.compare_digest(value.encode(), wanted) for value in shown)


def open_server(host: str, port: int, title: str) -> tuple[viser.ViserServer, str]:
    """Start a guarded web server.

    Args:
        host: address to listen on; one that other machines reach makes a token necessary.
        port: port to listen on; 0 takes a free one.
        title: title of the page's panel.

    Returns:
        The server and the address to open in a browser.

    Raises:
        ConfigError: the address cannot be listened on, or viser's server cannot be guarded.
    """
    listening = _listen(host, port)
    guard = Guard(
        token=None if is_loopback(host) else secrets.token_urlsafe(16),
        port=listening.getsockname()[1],
    )
    # viser announces itself, whatever it is told
    with _guarded_handshake(guard, listening), contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
    try:
        _check_that_it_guards(listening)
    except ConfigError:
        close_server(server)
        raise
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    name = f"[{name}]" if ":" in name else name
    query = "" if guard.token is None else f"?token={guard.token}"
    return server, f"http://{name}:{server.get_port()}/{query}"


def close_server(server: viser.ViserServer) -> None:
    """Stop a server, without a word."""
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise ConfigError(f"--port is {port}, expected 0 to {2**16 - 1}")
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise ConfigError(
            f"--host is '{host}', which no address is known of; expected this machine's name or "
            "address, such as 127.0.0.1"
        ) from None
    try:
        return socket.create_server(address[4][:2], family=address[0])
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({os.strerror(error.errno or 0)}); choose "
            "another with --port, where 0 takes a free one, or another --host"
        ) from None


@contextlib.contextmanager
def _guarded_handshake(guard: Guard, listening: socket.socket) -> Iterator[None]:
    """Let the server that is started inside listen on a socket of ours, and check requests.

    viser has no setting for either. It starts exactly one server, and has started it when its
    constructor returns.
    """
    serve = websocket_server.serve

    def guarded(handler: Any, host: Any, port: Any, **options: Any) -> Any:
        del host, port
        answer = options.pop("process_request")

        def check(connection: ServerConnection, request: Request) -> Response | None:
            refusal = guard.refusal(request.path, request.headers)
            if refusal is not None:
                return connection.respond(http.HTTPStatus.FORBIDDEN, f"{refusal}\n")
            response: Response | None = answer(connection, request)
            if response is not None:
                response.headers.update(guard.answer_headers(request.path))
            return response

        return serve(handler, sock=listening, process_request=check, **options)

    websocket_server.serve = guarded  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        websocket_server.serve = serve  # type: ignore[misc]


def _check_that_it_guards(listening: socket.socket) -> None:
    """Knock as a page of another site would: another version of viser may not ask the guard."""
    host, port = listening.getsockname()[:2]
    family = listening.family
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    request = (
        f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://elsewhere.invalid\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.socket(family, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(10.0)
        knocking.connect((local, port))
        knocking.sendall(request.encode())
        status = knocking.recv(64).split(b"\r\n")[0]
    if b" 403 " not in status:
        raise ConfigError(
            f"viser {viser.__version__} lets pages of other sites in; install the version that "
            "this is made for: pip install -c constraints.txt -e '.[view]'"
        )
