"""Which worker URLs can be dialled, and how they are taken apart."""

from __future__ import annotations

import pytest

from sip_edge.routing.worker_url import WorkerUrlError, parse_worker_url


@pytest.mark.parametrize(
    ("text", "host", "port", "authority"),
    [
        ("ws://agent.example.com/ws", "agent.example.com", 80, "agent.example.com"),
        ("wss://agent.example.com", "agent.example.com", 443, "agent.example.com"),
        ("wss://Agent.example:8443/a/b", "agent.example", 8443, "Agent.example:8443"),
        ("ws://127.0.0.1:7860/ws?x=1&y=2", "127.0.0.1", 7860, "127.0.0.1:7860"),
        ("ws://[2001:db8::1]:7860/ws", "2001:db8::1", 7860, "[2001:db8::1]:7860"),
        ("ws://host?x=1", "host", 80, "host"),
        ("WSS://host/", "host", 443, "host"),
    ],
)
def test_a_worker_url_is_taken_apart(text: str, host: str, port: int, authority: str) -> None:
    url = parse_worker_url(text)

    assert (url.host, url.port, url.authority) == (host, port, authority)
    assert url.text == text
    assert url.is_secure is text.lower().startswith("wss")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no worker_url"),
        ("http://agent.example/ws", "ws:// or wss://"),
        ("agent.example:7860", "ws:// or wss://"),
        ("ws:agent.example", "names no host"),
        ("ws:///ws", "names no host"),
        ("ws://:7860/ws", "names no host"),
        ("ws://user:word@agent.example/ws", "user or a password"),
        ("ws://@agent.example/ws", "user or a password"),
        ("ws://agent.example/ws#part", "fragment"),
        ("ws://agent.example/ws#", "fragment"),
        ("ws://agent.example:0/", "port 0"),
        ("ws://agent.example:65536/", "not a URL"),
        ("ws://agent.example:port/", "not a URL"),
        ("ws://[2001:db8::1/ws", "not a URL"),
        ("ws://agent.example/a b", "blanks"),
        ("ws://agent.example/\r\nX: y", "blanks"),
        ("ws://b\u00fccher.example/", "non-ASCII"),
        ("ws://agent.example/" + "x" * 2048, "longer than 2048"),
    ],
)
def test_other_urls_are_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(WorkerUrlError, match=why):
        parse_worker_url(text)


@pytest.mark.parametrize(
    "text", ["http://agent.example/s3cret", "ws://u:s3cret@host/", "ws://host/s3cret#"]
)
def test_a_refused_url_is_not_repeated_in_the_error(text: str) -> None:
    with pytest.raises(WorkerUrlError) as caught:
        parse_worker_url(text)

    assert "s3cret" not in str(caught.value)


def test_a_token_in_the_path_does_not_show_in_the_repr() -> None:
    assert "s3cret" not in repr(parse_worker_url("ws://host:7860/ws/s3cret?t=s3cret"))
