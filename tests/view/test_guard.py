import asyncio
import http.client
import socket

import pytest

from trirl_robot.errors import ConfigError

pytest.importorskip("viser")
import viser
import websockets

from trirl_robot.view import guard
from trirl_robot.view.guard import Guard, close_server, is_loopback, open_server

PAGE = {"Host": "localhost:8080"}


@pytest.fixture
def opened():
    """Open servers that end with the test; returns port and the address to open."""
    servers = []

    def start(host="127.0.0.1", port=0):
        server, address = open_server(host, port, "test")
        servers.append(server)
        return server.get_port(), address

    yield start
    for server in servers:
        close_server(server)


def get(port, target="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", target, headers={"Host": f"localhost:{port}", **headers})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace"), response.headers
    finally:
        connection.close()


def websocket_status(port, origin, **headers):
    async def connect():
        url = f"ws://127.0.0.1:{port}"
        try:
            version = [f"viser-v{viser.__version__}"]
            async with websockets.connect(
                url, origin=origin, subprotocols=version, additional_headers=headers
            ):
                return 101
        except websockets.exceptions.InvalidStatus as error:
            return error.response.status_code

    return asyncio.run(connect())


def test_the_page_and_its_websocket_are_answered(opened):
    port, address = opened()
    assert address == f"http://127.0.0.1:{port}/"
    status, text, headers = get(port)
    assert status == 200
    assert "<html" in text
    assert headers["X-Frame-Options"] == "DENY"
    assert websocket_status(port, f"http://127.0.0.1:{port}") == 101


@pytest.mark.parametrize(
    "origin", [None, "http://elsewhere.example", "http://127.0.0.1:1", "null", "file://"]
)
def test_a_websocket_from_another_page_is_refused(opened, origin):
    port, _ = opened()
    assert websocket_status(port, origin) == 403


def test_another_name_for_this_machine_is_refused(opened):
    # as a page would ask whose name was made to point here
    port, _ = opened()
    status, text, _ = get(port, Host=f"elsewhere.example:{port}")
    assert status == 403
    assert "elsewhere.example" in text


def test_beyond_this_machine_nothing_is_shown_without_the_token(opened):
    port, address = opened("0.0.0.0")
    token = address.partition("?token=")[2]
    assert len(token) > 15
    own = f"http://127.0.0.1:{port}"
    assert get(port)[0] == 403
    assert get(port, "/?token=wrong")[0] == 403
    assert websocket_status(port, own) == 403
    status, _, headers = get(port, f"/?token={token}")
    assert status == 200
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    carried = cookie.partition(";")[0]
    assert get(port, Cookie=carried)[0] == 200
    assert websocket_status(port, own, Cookie=carried) == 101
    assert websocket_status(port, "http://elsewhere.example", Cookie=carried) == 403


def test_two_servers_have_different_tokens(opened):
    assert opened("0.0.0.0")[1].partition("=")[2] != opened("0.0.0.0")[1].partition("=")[2]


def test_a_browser_keeps_the_cookies_of_two_servers_on_one_host(opened):
    jar, ports = {}, []
    for _ in range(2):
        port, address = opened("0.0.0.0")
        answer = get(port, "/?" + address.partition("?")[2])
        name, _, value = answer[2]["Set-Cookie"].partition(";")[0].partition("=")
        jar[name] = value  # by name: ports do not tell cookies apart
        ports.append(port)
    cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
    assert [get(port, Cookie=cookies)[0] for port in ports] == [200, 200]


def test_a_port_that_is_taken_is_named(opened):
    port, _ = opened()
    with pytest.raises(ConfigError, match=rf"port {port} \(Address already in use\); choose"):
        opened(port=port)


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", 70000, "--port is 70000, expected 0 to 65535"),
        ("no.such.host.invalid", 0, "--host is 'no.such.host.invalid'"),
        ("192.0.2.1", 0, r"cannot listen on 192\.0\.2\.1"),
    ],
)
def test_addresses_that_are_not_this_machines_are_refused(host, port, message):
    with pytest.raises(ConfigError, match=message):
        open_server(host, port, "test")


def test_a_viser_that_does_not_ask_the_guard_is_not_used(monkeypatch):
    # as if another version served its page in another way
    monkeypatch.setattr(Guard, "refusal", lambda *_: None)
    with pytest.raises(ConfigError, match="lets pages of other sites in"):
        open_server("127.0.0.1", 0, "test")


def test_nothing_is_left_of_the_guard_in_the_library(opened):
    before = guard.websocket_server.serve
    opened()
    assert guard.websocket_server.serve is before


def test_the_server_says_nothing_itself(capfd):
    server, _ = open_server("127.0.0.1", 0, "test")
    close_server(server)
    assert capfd.readouterr() == ("", "")


def test_rules_without_a_server():
    free = Guard(token=None, port=8080)
    assert free.refusal("/", PAGE) is None
    assert free.refusal("/", {"Host": "[::1]:8080"}) is None
    assert "does not say" in free.refusal("/", {**PAGE, "Upgrade": "websocket"})
    assert "loopback" in free.refusal("/", {})
    locked = Guard(token="secret", port=8080)
    host = {"Host": "robot.lan:8080"}
    assert locked.refusal("/?token=secret", host) is None
    assert locked.refusal("/", {**host, "Cookie": "a=b; trirl_view_8080=secret"}) is None
    wrong = ("trirl_view_8080=other", "trirl_view_8081=secret", "\x00;;=")
    for headers in (host, *({**host, "Cookie": cookie} for cookie in wrong)):
        assert "token" in locked.refusal("/?token=Secret", headers)


def test_loopback():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.3.2.1", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.1", socket.gethostname(), "")))
