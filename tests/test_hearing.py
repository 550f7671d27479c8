"""What happens in the service reaches metrics, messages and page, each in its own words, and each only once."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncd.engine import Outcome
from syncd.errors import Unavailable
from syncd.hearing import Hearing
from syncd.models import DocumentKey, Hold, HoldReason
from syncd.notices import Digest
from syncd.notices.digest import GATHER, Message
from syncd.web import Metrics

KEY = DocumentKey("docs", "a b.md")


class Ears:
    """A hearing, and what it passed on."""

    def __init__(self, digest: Digest | None = None) -> None:
        self.digest = Digest() if digest is None else digest
        self.metrics = Metrics()
        self.page: list[dict[str, Any]] = []
        self.now = 1_800_000_000.0
        self.described = 0
        self.hearing = Hearing(
            self.metrics,
            lambda notice: self.digest.add(notice, self.now),
            self.page.append,
            lambda: self.now,
            self._describe,
        )

    def _describe(self) -> None:
        self.described += 1

    def told(self) -> list[Message]:
        """The messages that have gone out a while later."""
        self.now += 10_000
        return self.digest.take(self.now)

    def value(self, name: str, **labels: str) -> float:
        """Of one metric, 0 when it is not there."""
        for family in text_string_to_metric_families(self.metrics.text().decode()):
            for sample in family.samples:
                if (sample.name, sample.labels) == (name, labels):
                    return sample.value
        return 0.0


def _held(*reasons: HoldReason) -> Outcome:
    holds = [Hold("docs", reason, True, ("a.md",), 0.0, "too many") for reason in reasons]
    return Outcome({}, set(), holds, [], {}, {}, {})


def _unserved(**troubles: str) -> Outcome:
    return Outcome({}, set(), [], [], troubles, {}, {})


def test_a_source_that_cannot_be_served_is_news_once() -> None:
    """One message and a metric say that a source cannot be served, however many passes see it; its end is told too."""
    ears = Ears()
    ears.metrics.watch("docs", "events")
    assert 1 == ears.value("syncd_source_up", source="docs")
    for _ in range(5):
        ears.hearing.passed(["docs"], True, _unserved(docs="the dataset is gone"))
    (message,) = ears.told()
    assert ["docs cannot be served: the dataset is gone"] == [notice.text for notice in message.notices]
    assert 0 == ears.value("syncd_source_up", source="docs")
    ears.hearing.passed(["docs"], False, _unserved())  # a few paths say nothing of the whole source
    assert [] == ears.told()
    ears.hearing.passed(["docs"], True, _unserved())
    assert ["docs is served again"] == [notice.text for message in ears.told() for notice in message.notices]
    assert 1 == ears.value("syncd_source_up", source="docs")


def test_another_reason_is_told() -> None:
    """Where another thing is to be done about the server a person hears of it; other words for the same are no news."""
    ears = Ears()
    ears.hearing.trouble(Unavailable("connection refused", hint="start FastGPT"))
    assert 1 == len(ears.told())
    ears.hearing.trouble(Unavailable("no answer within 30 s", hint="start FastGPT"))
    assert [] == ears.told()
    ears.hearing.trouble(Unavailable("the key was refused", hint="use another key"))
    assert ["the key was refused"] == [notice.text for message in ears.told() for notice in message.notices]


def test_a_quarantine_is_told_with_its_remedy_and_so_is_its_end() -> None:
    """A quarantine is counted by its kind and told with what to do; when the document is well again that is told."""
    ears = Ears()
    ears.hearing.event("quarantined", KEY, "empty: the file has no bytes")
    (message,) = ears.told()
    assert "docs/a b.md is quarantined: empty: the file has no bytes" == message.notices[0].text
    assert "exclude" in message.notices[0].hint
    assert 1 == ears.value("syncd_errors_total", kind="empty")
    ears.hearing.event("uploaded", KEY, "id")
    assert [] == ears.told()
    ears.hearing.event("verified", KEY, "")
    (message,) = ears.told()
    assert ("recovery", "docs/a b.md") == (message.kind, message.notices[0].subject)


def test_a_document_that_was_never_in_trouble_is_not_told() -> None:
    """What goes well is counted and shown, and told to nobody."""
    ears = Ears()
    for event in ("uploaded", "verified", "moved", "retired", "deleted"):
        ears.hearing.event(event, KEY, "")
        assert 1 == ears.value("syncd_document_events_total", source="docs", event=event)
    assert [] == ears.told()
    assert ["uploaded", "verified", "moved", "retired", "deleted"] == [row["event"] for row in ears.page]


@pytest.mark.parametrize("detail", ["HTTP 500 at 12:00:01", "HTTP 500 at 12:00:02"])
def test_failures_have_one_kind(detail: str) -> None:
    """A failed try is counted under one kind, whatever the server says: its words would be a series each."""
    ears = Ears()
    ears.hearing.event("failed", KEY, detail)
    assert 1 == ears.value("syncd_errors_total", kind="failed")


def test_holds() -> None:
    """A hold is told with its remedy when it begins and when it is over, each reason for itself; in between silence."""
    ears = Ears()
    ears.hearing.passed(["docs"], True, _held(HoldReason.LIMIT))
    (message,) = ears.told()
    assert ("hold", "deletions of docs are held: too many") == (message.kind, message.notices[0].text)
    assert "syncd release docs" in message.notices[0].hint
    ears.hearing.passed(["docs"], True, _held(HoldReason.LIMIT))
    assert [] == ears.told()
    ears.hearing.passed(["docs"], True, _held(HoldReason.LIMIT, HoldReason.SCOPE))
    assert ["hold"] == [message.kind for message in ears.told()]
    ears.hearing.passed(["docs"], True, _held(HoldReason.SCOPE))
    assert ["docs: limit"] == [notice.subject for message in ears.told() for notice in message.notices]
    ears.hearing.passed(["other"], True, _held())
    ears.hearing.passed(["docs"], False, _held())  # a look at a few paths knows nothing of holds
    assert [] == ears.told()
    ears.hearing.passed(["docs"], True, _held())
    assert ["docs: scope-changed"] == [notice.subject for message in ears.told() for notice in message.notices]


def test_a_reload_between_a_hold_and_its_end() -> None:
    """What was told before a reload is known after it: not told again, and its end is told."""
    before = Ears()
    before.hearing.passed(["docs"], True, _held(HoldReason.LIMIT))
    assert 1 == len(before.told())
    after = Ears(before.digest)
    after.now = before.now
    after.hearing.passed(["docs"], True, _held(HoldReason.LIMIT))
    after.now += GATHER
    assert [] == after.digest.take(after.now)
    after.hearing.passed(["docs"], True, _held())
    assert ["recovery"] == [message.kind for message in after.told()]


def test_an_outage() -> None:
    """An outage is counted, shown in the metrics and told; its end too."""
    ears = Ears()
    ears.hearing.trouble(Unavailable("nobody answers", hint="look"))
    assert (0, 1) == (ears.value("syncd_server_up"), ears.value("syncd_errors_total", kind=Unavailable.code))
    assert ["outage"] == [message.kind for message in ears.told()]
    ears.hearing.trouble(None)
    assert 1 == ears.value("syncd_server_up")
    assert ["recovery"] == [message.kind for message in ears.told()]


def test_skipped_files_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A file of a format that nobody reads is named once, not at each scan, and never shown as activity."""
    ears = Ears()
    with caplog.at_level("INFO"):
        for _ in range(3):
            ears.hearing.event("skipped", KEY, "no format")
    assert 1 == sum("document.skipped" in record.getMessage() for record in caplog.records)
    assert [] == ears.page
