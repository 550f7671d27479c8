"""The status page in Debian's Chromium: how it looks, that it lives, and that no other site can use it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import exercised
import pytest
from cli_site import Site
from service_site import Service, running, wait_until

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP evil.example 127.0.0.1"),
)
TOKEN = "open-sesame-0123456789"
HOSTILE = "<img src=x onerror=alert(1)>.md"
WIDTHS = {"phone": 375, "desk": 1200}
LEAST_CONTRAST = 4.5

# Every text that is shown, with the contrast of its colour on what lies behind it (WCAG 2's formula).
CONTRASTS = """() => {
  const rgba = (text) => {
    const parts = text.match(/[\\d.]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [parts[0] * scale, parts[1] * scale, parts[2] * scale, parts.length > 3 ? parts[3] : 1];
  };
  const over = (front, back) => front.slice(0, 3).map((one, i) => one * front[3] + back[i] * (1 - front[3]));
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => one / 255).map((one) =>
      one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || ["TITLE", "SCRIPT", "OPTION"].includes(node.tagName.toUpperCase())) continue;
    if (!node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(node);
    const colour = rgba(node instanceof SVGElement ? style.fill : style.color);
    const ground = behind(node instanceof SVGElement ? node.closest("svg").parentElement : node);
    const [a, b] = [light(over(colour, ground)), light(ground)].sort((one, two) => two - one);
    found.push([text.slice(0, 40), node.tagName, (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""

# What has the focus, and the outline that it has.
FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const name = at === document.body ? "BODY" : at.textContent.trim() || at.name || at.tagName;
  return [name, parseFloat(style.outlineWidth), style.outlineStyle];
}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with documents, one of them quarantined and of a hostile name."""
    tmp = tmp_path_factory.mktemp("page")
    (tmp / "token").write_text(TOKEN + "\n")
    os.chmod(tmp / "token", 0o600)
    site = Site(tmp, extra='[http]\ntoken_file = "token"\n')
    site.fill(8)
    site.write(HOSTILE, "")
    with running(site) as service:
        wait_until(lambda: _counts(service) == {"verified": 8, "quarantined": 1}, "everything is verified")
        yield service


def _counts(service: Service) -> dict[str, int]:
    return {state: count for state, count in service.status()["sources"][0]["counts"].items() if count}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


class View:
    """One window, and what went wrong in it.

    Attributes:
        page: of playwright.
        complaints: of the console, of scripts, and of requests that went elsewhere.
        refused: whether it is refused or cut off on purpose; the browser complains of that, sometimes a moment later.
    """

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.refused = False
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._requested)
        page.set_default_timeout(60_000)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(self.address + "/"):
            self.complaints.append(f"elsewhere: {request.url}")

    def home(self) -> None:
        """Load the page."""
        self.page.goto(self.address + "/")

    def login(self) -> None:
        """Show the token."""
        self.home()
        control = self.page.get_by_role("region", name="Control")
        control.get_by_label("Token").fill(TOKEN)
        control.get_by_role("button", name="Log in").click()
        self.page.get_by_role("button", name="Log out").wait_for()

    def press(self, name: str) -> None:
        """Press a button and wait for what is said."""
        self.page.get_by_role("button", name=name).first.click()
        self.page.locator(".said").wait_for()

    def more(self, words: str) -> None:
        """Wait until the page says so beside what is graver."""
        self.page.locator("#state .more", has_text=words).wait_for()

    def word(self, word: str) -> None:
        """Wait until the page says how it goes in this word, by itself."""
        self.page.locator("#state .word", has_text=word).wait_for()


@pytest.fixture
def view(chromium: Any, service: Service) -> Iterator[Callable[..., View]]:
    """Opens windows; at the end none of them has anything to complain of."""
    opened: list[tuple[Any, View]] = []

    def open_(**options: Any) -> View:
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
        opened.append((context, View(context.new_page(), service.address)))
        return opened[-1][1]

    yield open_
    for context, _ in opened:
        context.close()
    assert [] == [complaint for _, one in opened if not one.refused for complaint in one.complaints]


def _looks_right(one: View, what: str) -> None:
    """No text is wider than the window, and every text can be read."""
    assert one.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), what
    contrasts = one.page.evaluate(CONTRASTS)
    assert len(contrasts) > 20
    assert [] == [(what, *row) for row in contrasts if row[2] < LEAST_CONTRAST]
    exercised.add("texts whose contrast was measured in a browser", len(contrasts))
    if folder := os.environ.get("SYNCD_SCREENSHOTS"):
        one.page.screenshot(path=Path(folder) / f"{what}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_can_be_read(view: Callable[..., View], service: Service, width: str, scheme: str) -> None:
    """On a phone and on a desk, by day and by night, in every state: all of it fits and has contrast."""
    one = view(viewport={"width": WIDTHS[width], "height": 800}, color_scheme=scheme)
    one.home()
    one.page.locator("#link.good").wait_for()
    _looks_right(one, f"seen-{width}-{scheme}")
    one.login()
    _looks_right(one, f"known-{width}-{scheme}")
    one.page.get_by_label("What would somebody ask?").fill("everything about walruses in the far north")
    one.page.get_by_role("button", name="Search").click()
    one.page.locator("#hits li").first.wait_for()
    _looks_right(one, f"searched-{width}-{scheme}")
    one.press("Pause")
    one.more("Paused")
    _looks_right(one, f"paused-{width}-{scheme}")
    one.press("Resume")
    one.word("1 document quarantined")


def test_a_refusal_can_be_read(view: Callable[..., View]) -> None:
    """The page of a refusal fits and has contrast too."""
    for scheme in ("light", "dark"):
        one = view(viewport={"width": 375, "height": 800}, color_scheme=scheme)
        one.refused = True
        one.page.goto(one.address + "/nothing")
        assert "there is no such page" in one.page.content()
        ratios = [row[2] for row in one.page.evaluate(CONTRASTS)]
        assert min(ratios) >= LEAST_CONTRAST


def test_it_lives(view: Callable[..., View], service: Service) -> None:
    """A file that is saved shows up by itself, in a page that is not loaded again."""
    one = view()
    one.page.add_init_script("window.setInterval = () => 0")  # no help from the clock: the stream must bring it
    one.home()
    one.page.locator("#link.good").wait_for()
    one.page.evaluate("window.marker = 'still here'")
    service.site.write("otters.md", "# Otters\n\nOtters hold hands while they sleep, so that none drifts away.\n")
    one.page.locator("#recent li", has_text="docs/otters.md").filter(has_text="just now").or_(
        one.page.locator("#recent li.fresh", has_text="docs/otters.md")
    ).first.wait_for()
    wait_until(lambda: _counts(service) == {"verified": 8, "quarantined": 1}, "it is verified")
    one.word("1 document quarantined")
    assert "still here" == one.page.evaluate("window.marker")


def test_what_is_open_stays_open(view: Callable[..., View], service: Service) -> None:
    """When the page renews itself, whoever works with the keyboard stays where he is."""
    one = view()
    one.login()
    button = one.page.get_by_role("button", name="Try again").first
    button.focus()
    before = one.page.locator("#live-rest").inner_html()
    service.site.write("ravens.md", "# Ravens\n\nRavens remember faces, and tell each other whom to trust.\n")
    one.page.wait_for_function("(old) => document.querySelector('#live-rest').innerHTML !== old", arg=before)
    assert "Try again" == one.page.evaluate("document.activeElement.textContent")
    wait_until(lambda: _counts(service) == {"verified": 8, "quarantined": 1}, "it is verified")


def test_a_page_that_lost_its_service_says_so(view: Callable[..., View]) -> None:
    """When nobody answers any more the page turns grey, says of when it is, and lives again with its service."""
    one = view()
    one.refused = True
    one.home()
    one.page.locator("#link.good").wait_for()
    one.page.context.set_offline(True)
    one.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    one.page.locator("body.lost").wait_for()
    assert "what is shown is of" in one.page.locator("#link").inner_text()
    assert "Not connected — syncd" == one.page.title()
    one.page.context.set_offline(False)
    one.page.locator("body:not(.lost)").wait_for()
    one.page.wait_for_function("!document.title.startsWith('Not connected')")


def test_a_search_shows_paths(view: Callable[..., View]) -> None:
    """A question is answered with the document that holds the answer, by its path."""
    one = view()
    one.login()
    one.page.get_by_label("What would somebody ask?").fill("narwhals in the far north")
    one.page.keyboard.press("Enter")
    assert "docs/narwhals.md" in one.page.locator("#hits li").first.inner_text()


def test_buttons(view: Callable[..., View], service: Service) -> None:
    """With the token the buttons pause, resume, look, retry and release; loading the page again repeats nothing."""
    one = view()
    one.login()
    one.press("Pause")
    assert service.status()["service"]["paused"] is not None
    one.page.reload()
    one.more("Paused")
    one.press("Resume")
    assert service.status()["service"]["paused"] is None
    one.press("Look at everything now")
    assert "every source is looked at now" in one.page.locator(".said").inner_text()
    one.press("Try again")
    assert "1 document is tried again now" in one.page.locator(".said").inner_text()
    kept = {name: (service.site.docs / name).read_bytes() for name in os.listdir(service.site.docs)}
    for name in list(kept)[:7]:
        (service.site.docs / name).unlink()
    one.home()
    one.page.get_by_role("button", name="Delete these").wait_for()
    one.page.locator("summary", has_text="documents").click()
    assert one.page.locator(".paths li").count() >= 6
    one.page.get_by_role("button", name="Delete these").click()
    one.page.get_by_role("button", name="Yes, delete these").wait_for()
    one.press("Yes, delete these")
    assert "released" in one.page.locator(".said").inner_text()
    wait_until(lambda: _counts(service).get("retired", 0) >= 5, "they are retired")
    for name, content in kept.items():
        (service.site.docs / name).write_bytes(content)
    wait_until(lambda: _counts(service) == {"verified": 8, "quarantined": 1}, "everything is back")


def test_without_scripts(view: Callable[..., View], service: Service) -> None:
    """Without scripts the page is complete, and its buttons work."""
    one = view(java_script_enabled=False)
    one.login()
    assert one.page.locator("#recent li").count() > 1
    one.press("Pause")
    assert service.status()["service"]["paused"] is not None
    one.press("Resume")
    assert service.status()["service"]["paused"] is None


def test_a_hostile_name_is_text(view: Callable[..., View]) -> None:
    """A file whose name is markup is shown as it is called, and does nothing (a dialog would be a complaint)."""
    one = view()
    one.home()
    assert f"docs/{HOSTILE}" in one.page.locator("#live-sources").inner_text()
    assert 0 == one.page.locator("#live-sources img").count()


def test_the_keyboard_is_seen(view: Callable[..., View]) -> None:
    """Every control is reached by Tab, and the one that has the focus is marked by an outline."""
    one = view()
    one.login()
    names: list[str] = []
    for _ in range(40):
        one.page.keyboard.press("Tab")
        name, width, style = one.page.evaluate(FOCUSED)
        if name in names or name == "BODY":
            break
        names.append(name)
        assert width >= 2, name
        assert style == "solid", name
    expected = {"Try again", "q", "Search", "Pause", "Look at everything now", "Reload the configuration", "Log out"}
    assert expected <= set(names)


# ---------------------------------------------------------------- other sites


@contextmanager
def another_site(host: str, page: str) -> Iterator[str]:
    """A web server with one page; gives its address under a host that leads to loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{httpd.server_address[1]}/"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example"])
def test_no_other_site_can_act(view: Callable[..., View], service: Service, host: str) -> None:
    """A form, a script, a picture and a frame of another page do nothing, though its visitor is logged in here."""
    one = view()
    one.login()
    one.refused = True
    target = service.address
    page = f"""<!doctype html><title>another</title>
<form method="post" action="{target}/act"><input name="kind" value="pause"></form>
<img src="{target}/-/sync"><iframe src="{target}/"></iframe>
<script>
  window.done = Promise.allSettled([
    fetch("{target}/api/v1/pause", {{method: "POST", mode: "no-cors", credentials: "include", body: ""}}),
    fetch("{target}/-/sync", {{method: "POST", mode: "no-cors", body: ""}}),
    fetch("{target}/api/v1/status", {{credentials: "include"}}).then((answer) => answer.text()),
  ]);
</script>"""
    looks = len(service.events("request.done", kind="sync"))
    with another_site(host, page) as address:
        one.page.goto(address)
        outcomes = one.page.evaluate("window.done.then((all) => all.map((one) => [one.status, typeof one.value]))")
        assert "rejected" == outcomes[2][0]  # what it reads stays unread
        with one.page.expect_navigation():
            one.page.evaluate("document.forms[0].submit()")
        assert "another site asked for this" in one.page.content()
    assert service.status()["service"]["paused"] is None
    assert looks == len(service.events("request.done", kind="sync"))


def test_a_name_that_leads_here_is_not_ours(view: Callable[..., View], service: Service) -> None:
    """A page that leads its own name to this machine (DNS rebinding) reads nothing and does nothing."""
    one = view()
    one.refused = True
    port = service.address.rpartition(":")[2]
    for path in ("/", "/api/v1/status", "/api/v1/documents", "/metrics"):
        answer = one.page.goto(f"http://evil.example:{port}{path}")
        assert 403 == answer.status
        assert "walruses" not in one.page.content()
