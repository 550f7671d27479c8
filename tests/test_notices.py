"""Telling persons: no storms, nothing twice, what is over only to those who heard of it; and how it is sent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import exercised
import pytest
import virtual_loop
from service_site import wait_until

from syncd import logs
from syncd.config import Notify, Secret
from syncd.errors import Unavailable
from syncd.fastgpt import transport
from syncd.notices import Digest, Notice, Notifier
from syncd.notices.digest import GATHER, INTERVAL, LONGEST_INTERVAL, NAMED, REMIND, Message
from syncd.notices.wire import body, flaw, headers

NOW = 1_800_000_000.0
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
HOOK = "/services/T0/B0/secret-part-of-the-address"


def quarantine(path: str) -> Notice:
    return Notice("quarantine", f"docs/{path}", f"docs/{path} is quarantined: empty: no bytes", "write something")


def outage() -> Notice:
    return Notice("outage", "server", "The server cannot be reached", "Check fastgpt.base_url")


def over(notice: Notice) -> Notice:
    return Notice("recovery", notice.subject, f"{notice.subject} is well again", ends=notice.kind)


class Inbox:
    """A digest and what came out of it, second by second."""

    def __init__(self) -> None:
        self.digest = Digest()
        self.now = 0.0
        self.got: list[tuple[float, Message]] = []

    def until(self, end: float) -> None:
        """Let time pass; messages are taken when the digest says that it is time."""
        while (at := self.digest.next_at()) is not None and at <= end:
            self.now = max(self.now, at)
            for message in self.digest.take(self.now):
                self.got.append((self.now, message))
        self.now = end

    def add(self, notice: Notice) -> None:
        self.digest.add(notice, self.now)

    @property
    def kinds(self) -> list[str]:
        return [message.kind for _, message in self.got]


# ---------------------------------------------------------------- what is told, and when


def test_the_first_one_waits_a_little_for_others() -> None:
    """The first notice of a kind goes out after the gathering time, with those that came meanwhile."""
    inbox = Inbox()
    inbox.add(quarantine("a.md"))
    inbox.until(GATHER - 1)
    inbox.add(quarantine("b.md"))
    assert [] == inbox.got
    inbox.until(GATHER)
    ((at, message),) = inbox.got
    assert (GATHER, 2) == (at, message.count)
    assert ["docs/a.md", "docs/b.md"] == [notice.subject for notice in message.notices]


def test_ten_thousand_quarantines_are_two_messages() -> None:
    """A storm of one minute is one message at its beginning and one with all the rest."""
    inbox = Inbox()
    for number in range(10_000):
        inbox.until(number * 0.006)
        inbox.add(quarantine(f"{number}.md"))
    inbox.until(REMIND * 3)
    assert 2 == len(inbox.got)
    assert 10_000 == sum(message.count for _, message in inbox.got)
    assert [GATHER, GATHER + INTERVAL] == [at for at, _ in inbox.got]
    for _, message in inbox.got:
        assert NAMED == len(message.notices)
        assert message.lines[-1] == f"and {message.count - NAMED} more"
    exercised.add("quarantines in a storm of notices", 10_000)


def test_a_storm_keeps_little() -> None:
    """Of very many waiting notices only some are kept in full."""
    digest = Digest()
    for number in range(50_000):
        digest.add(quarantine(f"{number}.md"), 0.0)
    kept = [notice for kind in digest._kinds.values() for notice in kind.waiting.values() if notice is not None]
    assert len(kept) <= 200


def test_endless_trouble_is_told_ever_more_rarely() -> None:
    """When notices of a kind never stop, their messages come at growing intervals, half an hour at most."""
    inbox = Inbox()
    for number in range(4 * 3600 // 5):
        inbox.until(number * 5.0)
        inbox.add(quarantine(f"{number}.md"))
    gaps = [round(later - earlier) for (earlier, _), (later, _) in zip(inbox.got, inbox.got[1:], strict=False)]
    assert [INTERVAL, 2 * INTERVAL, 4 * INTERVAL, LONGEST_INTERVAL, LONGEST_INTERVAL] == gaps[:5]
    assert len(inbox.got) <= 11


def test_after_a_rest_it_is_prompt_again() -> None:
    """After some quiet the next notice goes out after the gathering time."""
    inbox = Inbox()
    for number in range(3):
        inbox.add(quarantine(f"{number}.md"))
        inbox.until(inbox.now + 600)
    inbox.until(inbox.now + 3 * LONGEST_INTERVAL)
    began = inbox.now
    inbox.add(quarantine("late.md"))
    inbox.until(began + GATHER)
    assert began + GATHER == inbox.got[-1][0]


def test_the_same_is_told_once() -> None:
    """What stands already is not told again because it is noticed again."""
    inbox = Inbox()
    for _ in range(100):
        inbox.add(quarantine("a.md"))
        inbox.until(inbox.now + 60)
    assert ["quarantine"] == inbox.kinds


def test_what_a_person_must_end_is_told_once_a_day() -> None:
    """A hold, an outage and a refused configuration are told again each day; a quarantine is not."""
    for notice, expected in (
        (Notice("hold", "docs: limit", "deletions of docs are held"), 3),
        (outage(), 3),
        (Notice("config-refused", "configuration", "refused"), 3),
        (quarantine("a.md"), 1),
    ):
        inbox = Inbox()
        inbox.add(notice)
        inbox.until(2 * REMIND + 3600)
        assert [notice.kind] * expected == inbox.kinds


def test_what_is_over_is_told_and_then_silent() -> None:
    """Whoever heard of an outage hears of its end, once, even days later, and of nothing after that."""
    inbox = Inbox()
    inbox.add(outage())
    inbox.until(1.5 * REMIND)
    inbox.add(over(outage()))
    inbox.add(over(outage()))
    inbox.until(5 * REMIND)
    assert ["outage", "outage", "recovery"] == inbox.kinds


def test_what_came_and_went_is_not_told() -> None:
    """Trouble that is over before anybody was told of it is told to nobody, neither is its end."""
    inbox = Inbox()
    inbox.add(outage())
    inbox.until(GATHER / 2)
    inbox.add(over(outage()))
    inbox.add(over(quarantine("never.md")))
    inbox.until(REMIND)
    assert [] == inbox.got
    assert inbox.digest.next_at() is None


def test_an_end_that_was_none_is_not_told() -> None:
    """When an outage is back before its end was told, persons rightly believe that it stands: nothing is told."""
    inbox = Inbox()
    inbox.add(outage())
    inbox.until(20)
    inbox.add(over(outage()))
    inbox.until(25)
    inbox.add(outage())
    inbox.until(REMIND / 2)
    assert ["outage"] == inbox.kinds


@pytest.mark.parametrize("period", [5.0, 12.0, 40.0, 90.0, 400.0])
def test_a_flapping_outage_does_not_flood(period: float) -> None:
    """An outage that comes and goes for a day is a few messages an hour at most, and the last one is true."""
    inbox = Inbox()
    down = False
    for step in range(int(86400 / period)):
        inbox.until(step * period)
        inbox.add(over(outage()) if down else outage())
        down = not down
    inbox.until(inbox.now + 2 * LONGEST_INTERVAL)
    assert len(inbox.got) <= 2 * (24 * 3600 / LONGEST_INTERVAL) + 10
    if inbox.got:
        assert ("outage" if down else "recovery") == inbox.kinds[-1]
    exercised.add("flaps of an outage", int(86400 / period))


def test_a_recovery_ends_its_own_kind_only() -> None:
    """A source called "server" that is held is not well because the server is, nor the other way round."""
    inbox = Inbox()
    held = Notice("hold", "server", "deletions of server are held")
    inbox.add(held)
    inbox.add(outage())
    inbox.until(60)
    inbox.add(over(outage()))
    inbox.until(600)
    assert ["hold", "outage", "recovery"] == inbox.kinds
    inbox.add(over(held))
    inbox.until(6000)
    assert ["hold", "outage", "recovery", "recovery"] == inbox.kinds


def test_again_after_it_was_over() -> None:
    """Trouble that returns after its end was told is news."""
    inbox = Inbox()
    for _ in range(2):
        inbox.add(quarantine("a.md"))
        inbox.until(inbox.now + 4000)
        inbox.add(over(quarantine("a.md")))
        inbox.until(inbox.now + 4000)
    assert ["quarantine", "recovery"] * 2 == inbox.kinds


def test_everything_is_told_at_the_end() -> None:
    """When the service ends, what waits goes out at once, whatever its time."""
    inbox = Inbox()
    inbox.add(quarantine("a.md"))
    inbox.add(outage())
    assert {"quarantine", "outage"} == {message.kind for message in inbox.digest.take_all(1.0)}
    assert [] == inbox.digest.take_all(2.0)
    assert [] == inbox.digest.take(1000.0)


@pytest.mark.parametrize("seed", range(50))
def test_what_was_told_is_what_stands(seed: int) -> None:
    """Whatever comes and goes, once it is quiet persons believe exactly what stands; nothing is told twice in a row."""
    dice = random.Random(seed)
    inbox = Inbox()
    stands: set[str] = set()
    for _ in range(300):
        path = f"{dice.randrange(6)}.md"
        if path in stands:
            stands.discard(path)
            inbox.add(over(quarantine(path)))
        else:
            stands.add(path)
            inbox.add(quarantine(path))
        inbox.until(inbox.now + dice.choice([0.0, 1.0, 15.0, 200.0, 2000.0]))
    inbox.until(inbox.now + 10 * LONGEST_INTERVAL)
    believed: set[str] = set()
    for _, message in inbox.got:
        subjects = {notice.subject.removeprefix("docs/") for notice in message.notices}
        if message.kind == "recovery":
            assert subjects <= believed
            believed -= subjects
        else:
            assert not subjects & believed
            believed |= subjects
    assert stands == believed
    exercised.add("random histories of notices")


# ---------------------------------------------------------------- the form of a message


def message(*notices: Notice, kind: str = "quarantine") -> Message:
    return Message(kind, notices, len(notices))


def sent(form: str, *notices: Notice, secret: str = "") -> dict[str, Any]:
    found = json.loads(body(message(*notices), form, number="msg_1", host="box", secret=secret, now=NOW))
    assert isinstance(found, dict)
    return found


def test_the_form_of_cloudevents() -> None:
    """Everybody gets the shape of CloudEvents 1.0, with the text for people and each notice for programs."""
    found = sent("json", quarantine("a.md"), quarantine("b.md"))
    assert {"specversion": "1.0", "id": "msg_1", "source": "syncd://box", "type": "io.syncd.quarantine"}.items() <= (
        found.items()
    )
    assert "2027-01-15T08:00:00Z" == found["time"]
    assert 2 == found["data"]["count"]
    assert ["docs/a.md", "docs/b.md"] == [notice["subject"] for notice in found["data"]["notices"]]
    assert "write something" in found["data"]["text"]


def test_the_form_of_slack() -> None:
    """Slack gets a text in which nothing that a file is called can call anybody or become a link."""
    found = sent("slack", quarantine("<!channel> & <https://evil.example|click>.md"))
    assert ["text"] == list(found)
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;" in found["text"]
    assert found["text"].startswith("syncd on box: ")


def test_the_form_of_feishu() -> None:
    """Feishu gets a text in which no tag of its own can stand."""
    found = sent("feishu", quarantine('<at user_id="all">所有人</at>.md'))
    assert ("text", {"msg_type", "content"}) == (found["msg_type"], set(found))
    text = found["content"]["text"]
    assert "<" not in text
    assert "所有人" in text


def test_feishu_signature() -> None:
    """Feishu's signature is the HMAC of nothing under "time, line break, secret", with the time beside it."""
    found = sent("feishu", quarantine("a.md"), secret="s3cret")
    key = f"{int(NOW)}\ns3cret".encode()
    assert base64.b64encode(hmac.digest(key, b"", "sha256")).decode() == found["sign"]
    assert str(int(NOW)) == found["timestamp"]


@pytest.mark.parametrize("form", ["json", "slack", "feishu"])
def test_hostile_names_in_messages(form: str) -> None:
    """Control, direction and half characters of a name are escaped, line breaks folded, endless texts cut."""
    said = sent(form, quarantine("a\u202e\x1b[31m\ud800\nb.md"), quarantine("x" * 5000))
    text = said["text"] if form == "slack" else said["content"]["text"] if form == "feishu" else said["data"]["text"]
    for character in ("\u202e", "\x1b", "\ud800"):
        assert character not in text
    assert 2 == len(text.splitlines())
    assert len(json.dumps(said).encode()) < 10_000


def test_a_full_message_is_short_enough() -> None:
    """Ten long notices in Chinese fit into the 20 KB that Feishu takes."""
    notices = [quarantine(f"{number}{'很长的文件名' * 500}.md") for number in range(NAMED)]
    assert len(body(message(*notices), "feishu", number="m", host="box", secret="s", now=NOW)) < 20_000


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        (SECRET, b"a key of twenty-four byt"),
        ("plain secret", b"plain secret"),
        ("whsec_no base64!", b"whsec_no base64!"),
    ],
)
def test_standard_webhooks_signature(secret: str, key: bytes) -> None:
    """The signature is that of Standard Webhooks: HMAC-SHA256 over id, time and body; ``whsec_`` secrets are base64."""
    content = b'{"text": "hello"}'
    found = headers(content, number="msg_1", secret=secret, now=NOW)
    expected = hmac.new(key, b"msg_1.%d." % NOW + content, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(expected).decode()}" == found["webhook-signature"]
    assert ("msg_1", str(int(NOW))) == (found["webhook-id"], found["webhook-timestamp"])
    assert {"content-type"} == set(headers(content, number="msg_1", secret="", now=NOW))


@pytest.mark.parametrize(
    ("form", "status", "answer", "problem", "again"),
    [
        ("json", 200, b"", "", False),
        ("json", 204, b"rubbish", "", False),
        ("slack", 200, b"ok", "", False),
        ("json", 302, b"", "HTTP 302", True),
        ("json", 404, b"", "HTTP 404", False),
        ("json", 408, b"", "HTTP 408", True),
        ("json", 429, b"", "HTTP 429", True),
        ("json", 503, b"", "HTTP 503", True),
        ("feishu", 200, b'{"code": 0, "msg": "success"}', "", False),
        ("feishu", 200, b'{"StatusCode": 0, "StatusMessage": "success"}', "", False),
        (
            "feishu",
            200,
            b'{"code": 19021, "msg": "sign match fail"}',
            "Feishu refuses it: 19021 sign match fail",
            False,
        ),
        (
            "feishu",
            200,
            b'{"code": 11232, "msg": "frequency limited"}',
            "Feishu refuses it: 11232 frequency limited",
            True,
        ),
        ("feishu", 200, b"<html>", "the answer is not Feishu's", False),
        ("feishu", 200, b"[]", "the answer is not Feishu's", False),
        ("feishu", 500, b"", "HTTP 500", True),
    ],
)
def test_whether_it_was_taken(form: str, status: int, answer: bytes, problem: str, again: bool) -> None:
    """A message was taken when the receiver says so: Feishu says 200 to what it refuses."""
    assert (problem, again) == flaw(form, status, answer)


# ---------------------------------------------------------------- sending, on a clock that never waits


class Receiver:
    """Takes what is sent."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)  # statuses and errors, the last one for ever
        self.requests: list[tuple[float, str, str, bytes, dict[str, str]]] = []

    async def send(self, method: str, url: str, content: bytes, given: Any) -> tuple[int, bytes]:
        at = asyncio.get_running_loop().time()
        self.requests.append((at, method, url, content, dict(given)))
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            await answer()
            answer = 200
        assert isinstance(answer, int)
        return answer, b""

    @property
    def times(self) -> list[float]:
        return [request[0] for request in self.requests]


WITH_HOOK = Notify(webhook_url=Secret("https://hooks.example.org" + HOOK), webhook_secret=Secret(SECRET))


def run(
    receiver: Receiver,
    story: Callable[[Notifier], Coroutine[Any, Any, None]],
    config: Notify = WITH_HOOK,
    **more: Any,
) -> None:
    async def go() -> None:
        notifier = Notifier(config, send=receiver.send, now=asyncio.get_running_loop().time, **more)
        running = asyncio.ensure_future(notifier.run())
        try:
            await story(notifier)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    virtual_loop.run(go())


def test_a_message_is_sent_signed() -> None:
    """A notice goes to the address, signed so that the receiver can check it."""
    receiver = Receiver(200)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(60)

    run(receiver, story)
    ((_, method, url, content, given),) = receiver.requests
    assert ("POST", WITH_HOOK.webhook_url.reveal()) == (method, url)
    signed = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + content
    expected = base64.b64encode(hmac.digest(b"a key of twenty-four byt", signed, "sha256")).decode()
    assert f"v1,{expected}" == given["webhook-signature"]
    assert given["webhook-id"] == json.loads(content)["id"]


def test_tried_again_with_growing_pauses() -> None:
    """What was not taken is tried again under its one id, six times in all, then given up; later ones go on."""
    receiver = Receiver(Unavailable("nobody"), 503, 429, 500, 503, 503, 200)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(200)
        notifier.tell(over(outage()))
        await asyncio.sleep(500)

    run(receiver, story)
    gaps = [round(later - earlier) for earlier, later in zip(receiver.times, receiver.times[1:], strict=False)]
    assert [2, 4, 8, 16, 32] == gaps[:5]
    assert 7 == len(receiver.requests)
    assert 2 == len({request[4]["webhook-id"] for request in receiver.requests})


def test_what_will_never_be_taken_is_not_tried_again() -> None:
    """A refusal (404, 401) ends the trying at once."""
    receiver = Receiver(404)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(3600)

    run(receiver, story)
    assert 1 == len(receiver.requests)


def test_closing_sends_what_waits() -> None:
    """The end of the service sends what still gathers, each once."""
    receiver = Receiver(200)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        notifier.tell(quarantine("a.md"))
        await asyncio.sleep(1)
        await notifier.close()

    run(receiver, story)
    assert 2 == len(receiver.requests)


def test_closing_ends_a_pause() -> None:
    """A message that waits for its next try has it at once when the service ends, and is not lost without a word."""
    receiver = Receiver(503, 503, 503, 503, 200)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(GATHER + 20)  # in the pause of 16 seconds
        began = asyncio.get_running_loop().time()
        await notifier.close()
        assert asyncio.get_running_loop().time() - began < 1

    run(receiver, story)
    assert 5 == len(receiver.requests)


def test_closing_does_not_wait_for_ever() -> None:
    """A receiver that never answers holds the end of the service up for a few seconds only."""

    async def for_ever() -> None:
        await asyncio.sleep(1e6)

    receiver = Receiver(for_ever)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        notifier.tell(quarantine("a.md"))
        began = asyncio.get_running_loop().time()
        await notifier.close()
        assert asyncio.get_running_loop().time() - began <= 6

    run(receiver, story)


def test_a_reload_tells_nothing_twice() -> None:
    """The digest outlives a notifier: what was told to persons is not told by the next one, and its end is."""
    receiver, digest = Receiver(200), Digest()

    async def first(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(60)
        await notifier.close()

    async def second(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(60)
        notifier.tell(over(outage()))
        await asyncio.sleep(60)

    run(receiver, first, digest=digest)
    run(receiver, second, digest=digest)
    assert ["io.syncd.outage", "io.syncd.recovery"] == [json.loads(row[3])["type"] for row in receiver.requests]


def test_a_fault_of_ours_does_not_silence_the_rest() -> None:
    """When one message cannot even be made, later ones are sent all the same."""
    receiver = Receiver(ValueError("a bug"), 200)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(30)
        notifier.tell(quarantine("a.md"))
        await asyncio.sleep(600)

    run(receiver, story)
    assert 2 == len(receiver.requests)


def test_without_an_address_nothing_is_kept() -> None:
    """Where nobody is to be told, nothing is gathered."""
    receiver = Receiver(200)

    async def story(notifier: Notifier) -> None:
        notifier.tell(outage())
        await asyncio.sleep(60)
        await notifier.close()

    run(receiver, story, Notify())
    assert [] == receiver.requests


def test_pings_only_while_healthy() -> None:
    """The dead man's address is asked for once per interval while everything works, and not once while it does not."""
    receiver, well = Receiver(200), True
    config = Notify(ping_url=Secret("https://kuma.example.org/api/push/abc?status=up&ping="), ping_every=60.0)

    async def story(_notifier: Notifier) -> None:
        nonlocal well
        await asyncio.sleep(150)
        well = False
        await asyncio.sleep(300)
        assert 3 == len(receiver.requests)
        well = True
        await asyncio.sleep(60)

    run(receiver, story, config, healthy=lambda: well)
    assert [0, 60, 120, 480] == [round(at) for at in receiver.times]
    assert {("GET", config.ping_url.reveal(), b"")} == {row[1:4] for row in receiver.requests}


# ---------------------------------------------------------------- sending, for real


class _Handler(BaseHTTPRequestHandler):
    """Answers as its server's ``how`` says, and remembers what it was asked."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        server: Any = self.server
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.seen.append((self.command, self.path, dict(self.headers), content))
        self.close_connection = True
        server.how(self)

    do_GET = do_POST = _answer  # noqa: N815 - names of http.server

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@contextmanager
def receiving(how: Callable[[Any], None]) -> Iterator[Any]:
    """A web server on loopback; ``address`` is where it is."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.how, server.seen = how, []
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _status(code: int, **more: str) -> Callable[[Any], None]:
    def how(handler: Any) -> None:
        handler.send_response(code)
        for name, value in more.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    return how


def _send(url: str, **more: Any) -> tuple[int, bytes]:
    return asyncio.run(transport.send("POST", url, b'{"text": "hello"}', {"x-test": "1"}, **more))


def test_really_sent() -> None:
    """A message arrives as it was made."""
    with receiving(_status(200)) as server:
        assert (200, b"ok") == _send(server.address + HOOK)
        ((method, path, given, content),) = server.seen
    assert ("POST", HOOK, b'{"text": "hello"}', "1") == (method, path, content, given["x-test"])


def test_a_redirect_is_not_followed() -> None:
    """What is told goes where it was meant to go, and nowhere else."""
    with receiving(_status(200)) as other, receiving(_status(302, Location=other.address)) as server:
        assert 302 == _send(server.address)[0]
        assert [] == other.seen


def test_nobody_there() -> None:
    """When nobody listens that is said, without the address."""
    with pytest.raises(Unavailable) as raised:
        _send("http://127.0.0.1:9" + HOOK)
    assert "secret-part" not in str(raised.value) + raised.value.hint
    assert raised.value.__cause__ is None


def test_a_drip_is_bounded() -> None:
    """A receiver that sends a byte now and then, for ever, is given up after the time allowed in all."""

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(2000):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            return

    with receiving(drip) as server, pytest.raises(Unavailable):
        _send(server.address, timeout=0.5)


def test_an_endless_answer_is_not_kept() -> None:
    """Of a receiver that answers without end only the beginning is read."""

    def flood(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    with receiving(flood) as server:
        status, answer = _send(server.address)
    assert 200 == status
    assert len(answer) < 200_000


def test_the_address_is_in_no_log() -> None:
    """Whatever becomes of a message, the address and the secret it is sent with are in no line of the log."""
    stream = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("syncd")
    before = (list(root.handlers), root.level, ours.level)
    logs.configure(logging.DEBUG, stream=stream, secrets=[])  # nothing is masked: it must not be there at all
    try:
        with receiving(_status(503)) as server:
            config = Notify(
                webhook_url=Secret(server.address + HOOK),
                webhook_secret=Secret(SECRET),
                ping_url=Secret(server.address + "/ping/secret-part-of-the-address"),
            )

            async def go() -> None:
                notifier = Notifier(config, first_pause=0.001)
                running = asyncio.ensure_future(notifier.run())
                notifier.tell(outage())
                await notifier.close()
                await asyncio.to_thread(wait_until, lambda: len(server.seen) >= 2, "a message and a ping")
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

            asyncio.run(go())
    finally:
        root.handlers[:], logs._Pipeline.ready = before[0], False
        root.setLevel(before[1])
        ours.setLevel(before[2])
    said = stream.getvalue()
    assert "notice.failed" in said
    assert "secret-part" not in said
    assert SECRET not in said
