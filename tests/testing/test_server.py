"""The scripted server: what the script says goes over the wire, misbehaviour included."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from aqaa_eval.testing.server import Chunk, Handler, Reply, Request, ScriptedServer, event_reply, json_reply


def post(
    url: str, body: bytes = b"{}", headers: dict[str, str] | None = None, timeout: float = 5.0
) -> tuple[int, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers or {}), timeout=timeout) as got:
        return got.status, got.read()


def always(reply: Reply) -> Handler:
    return lambda request: reply


def test_the_handler_sees_method_path_headers_and_body() -> None:
    seen: list[Request] = []

    def remember(request: Request) -> Reply:
        seen.append(request)
        return json_reply({"n": request.number})

    with ScriptedServer(remember, prefix="/v1") as server:
        assert post(server.base_url + "/chat?x=1", b'{"a": 1}', {"X-Key": "k"}) == (200, b'{"n": 0}')
        assert post(server.base_url + "/chat", b"{}")[1] == b'{"n": 1}'
    assert (seen[0].method, seen[0].path, seen[0].headers["x-key"], seen[0].json()) == (
        "POST",
        "/v1/chat?x=1",
        "k",
        {"a": 1},
    )
    assert server.n_requests == 2


def test_form_fields_and_files_are_read() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\nRIFF\x00\xff\r\n--b--\r\n"
    )
    fields: list[dict[str, bytes]] = []

    def read(request: Request) -> Reply:
        fields.append(request.form())
        return json_reply({})

    with ScriptedServer(read) as server:
        post(server.base_url, body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert fields == [{"model": b"whisper-1", "file": b"RIFF\x00\xff"}]


def test_a_status_with_headers_is_sent_as_given() -> None:
    reply = json_reply({"error": "slow down"}, status=429, headers={"retry-after": "3"})
    with ScriptedServer(always(reply)) as server, pytest.raises(urllib.error.HTTPError) as caught:
        post(server.base_url)
    assert (caught.value.code, caught.value.headers["retry-after"]) == (429, "3")
    caught.value.close()


def test_a_slow_drip_arrives_whole_and_late() -> None:
    reply = Reply(chunks=[Chunk(data=b"a", delay_s=0.05), Chunk(data=b"b", delay_s=0.05)])
    began = time.monotonic()
    with ScriptedServer(always(reply)) as server:
        assert post(server.base_url) == (200, b"ab")
    assert time.monotonic() - began >= 0.1


def test_events_come_one_by_one_and_end() -> None:
    with ScriptedServer(always(event_reply([{"n": 1}, {"n": 2}]))) as server:
        _, body = post(server.base_url)
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    assert [json.loads(line) for line in lines[:-1]] == [{"n": 1}, {"n": 2}]
    assert lines[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=None), http.client.RemoteDisconnected),
        (Reply(chunks=[Chunk(data=b"half")], hangs_up=True), http.client.IncompleteRead),
        (Reply(status=None, waits_forever=True), TimeoutError),
    ],
)
def test_a_hang_up_is_a_hang_up(reply: Reply, error: type[Exception]) -> None:
    with ScriptedServer(always(reply)) as server, pytest.raises(error):
        post(server.base_url, timeout=0.3)


def test_a_broken_script_is_a_500_and_kept_for_the_test() -> None:
    def broken(request: Request) -> Reply:
        raise KeyError("model")

    with ScriptedServer(broken) as server, pytest.raises(urllib.error.HTTPError) as caught:
        post(server.base_url)
    caught.value.close()
    assert caught.value.code == 500
    assert [type(error) for error in server.errors] == [KeyError]


def test_slow_replies_overlap_and_are_counted() -> None:
    with ScriptedServer(always(json_reply({}, delay_s=0.2))) as server, ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        assert len(list(pool.map(lambda _: post(server.base_url), range(8)))) == 8
        assert time.monotonic() - began < 1.2  # one after the other would take 1.6 s
    assert server.n_most_at_once > 1
    assert server.n_requests == 8
