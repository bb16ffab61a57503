"""Who counts as being on this machine."""

from __future__ import annotations

import pytest

from ProxyPatternPool._status.access import is_local

HERE = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:5000", "SERVER_PROTOCOL": "HTTP/1.1"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:80", "127.0.0.1:5000", "[::1]:5000", "app.localhost:5000", "localhost.", "LOCALHOST.:80"],
)
def test_local(address: str, host: str) -> None:
    assert is_local({**HERE, "REMOTE_ADDR": address, "HTTP_HOST": host})


@pytest.mark.parametrize(
    "address",
    ["192.168.1.7", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "", "unix:", "localhost", "0.0.0.0", "1.127.0.0"],
)
def test_another_machine(address: str) -> None:
    assert not is_local({**HERE, "REMOTE_ADDR": address})


def test_no_address_at_all() -> None:
    """As with a socket in the file system."""
    assert not is_local({"HTTP_HOST": "localhost", "SERVER_PROTOCOL": "HTTP/1.1"})


@pytest.mark.parametrize(
    "header",
    [
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_FORWARDED",
        "HTTP_VIA",
        "HTTP_X_REAL_IP",
        "HTTP_CF_CONNECTING_IP",
        "HTTP_TRUE_CLIENT_IP",
        "HTTP_FASTLY_CLIENT_IP",
        "HTTP_FLY_CLIENT_IP",
        "HTTP_X_CLUSTER_CLIENT_IP",
        "HTTP_X_AZURE_CLIENTIP",
        "HTTP_X_ENVOY_EXTERNAL_ADDRESS",
        "HTTP_X_AMZN_TRACE_ID",
        "HTTP_X_REMOTE_ADDR",
        "werkzeug.proxy_fix.orig",
    ],
)
@pytest.mark.parametrize("value", ["203.0.113.9", "127.0.0.1", ""])
def test_behind_a_proxy_on_this_machine(header: str, value: str) -> None:
    """Everybody comes from 127.0.0.1 there, whatever the header says: clients can write it themselves."""
    assert not is_local({**HERE, header: value})


def test_behind_a_proxy_that_adds_no_header() -> None:
    """As nginx before 1.29.7 with nothing but `proxy_pass`: it speaks an older HTTP than any browser."""
    assert not is_local({**HERE, "HTTP_HOST": "127.0.0.1:5000", "SERVER_PROTOCOL": "HTTP/1.0"})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example:5000",
        "evillocalhost",
        "",
        "[::1",
        "10.0.0.1",
        "user@",
        "localhost@evil",
        "evil@localhost",
        "[::1].evil.example",
        "[127.0.0.1]x",
        "localhost..",
        "localhost:80:80",
        "localhost\n",
        "[",
        ":80",
    ],
)
def test_a_name_that_leads_here(host: str) -> None:
    """A page of somebody else's in a browser on this machine, whose name was made to lead to 127.0.0.1."""
    assert not is_local({**HERE, "HTTP_HOST": host})
