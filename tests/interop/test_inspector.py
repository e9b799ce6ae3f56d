"""The inspector in a browser: what a user sees, with the keyboard, in both themes, and for assistive technology.

Needs Debian's chromium. With KMIP_WRITE_GENERATED=1, the screenshots of docs/inspector.md are written again.
"""

import json
import os
import pathlib
import shutil
import ssl
import statistics
import socket
import time
import urllib.error
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe
from kmip.core import enums
from kmip.pie.client import ProxyKmipClient
from kmip.pie.exceptions import KmipOperationFailure
from kmip.pie.objects import SymmetricKey
from playwright.sync_api import expect, sync_playwright

from pki import Pki
from server import free_port

CHROMIUM = shutil.which("chromium")
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "images"
# Bytes of a key that no answer of the inspector may contain.
KEY = bytes(range(0x60, 0x80))
# The bound of the time from an answer to its row, and the number of measured requests.
LIVE_SECONDS = 0.2
MEASURED = 7
POLICY = {"team": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_OWNER", "LOCATE": "ALLOW_ALL", "DESTROY": "DISALLOW_ALL"}}}}


class Bench:
    """A server with an inspector, and its users."""

    def __init__(self, start, pki, tmp_path, **more):
        policies = tmp_path / "policies"
        policies.mkdir()
        (policies / "team.json").write_text(json.dumps(POLICY))
        self.pki, self.url = pki, f"http://127.0.0.1:{free_port()}"
        address = self.url.removeprefix("http://")
        settings = {"management_address": address, "audit_log_path": tmp_path / "audit.log", **more}
        self.server = start(settings=settings, policies=policies)

    def client(self, person="john_doe", version=enums.KMIPVersion.KMIP_1_4):
        return ProxyKmipClient(
            hostname="127.0.0.1",
            port=self.server.port,
            cert=str(self.pki.certificate(person)),
            key=str(self.pki.key(person)),
            ca=str(self.pki.ca_path),
            ssl_version="PROTOCOL_SSLv23",
            config_file=None,
            kmip_version=version,
        )

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read().decode()

    def control(self, path, **members):
        """Calls test control."""
        fields = {"Content-Type": "application/json"}
        call = urllib.request.Request(f"{self.url}/control/{path}", json.dumps(members).encode(), fields)
        with urllib.request.urlopen(call, timeout=30) as answer:
            return json.load(answer)

    def walk(self):
        """Sends some requests, two of which fail; returns the identifier of a key."""
        with self.client() as john:
            key = SymmetricKey(enums.CryptographicAlgorithm.AES, 256, KEY, name="backup-key",
                               masks=[enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT])
            identifier = john.register(key)
            john.activate(identifier)
            john.get(identifier)
            john.create_key_pair(
                enums.CryptographicAlgorithm.RSA,
                2048,
                public_usage_mask=[enums.CryptographicUsageMask.VERIFY],
                private_usage_mask=[enums.CryptographicUsageMask.SIGN],
            )
            john.create(enums.CryptographicAlgorithm.AES, 128, operation_policy_name="team", name="team-key")
            john.locate()
            with pytest.raises(KmipOperationFailure):
                john.get("99")
        with self.client("jane_doe") as jane, pytest.raises(KmipOperationFailure):
            jane.get(identifier)
        return identifier

    def fail_a_handshake(self, other):
        context = ssl.create_default_context(cafile=str(self.pki.ca_path))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(other.certificate("john_doe")), str(other.key("john_doe")))
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", self.server.port)) as plain:
            context.wrap_socket(plain, server_hostname="127.0.0.1").close()


@pytest.fixture
def bench(start, pki, tmp_path):
    return Bench(start, pki, tmp_path)


@pytest.fixture(scope="session")
def other_pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, bench):
    """The page of the inspector, which uses nothing but its server and reports no error."""
    context = browser.new_context(viewport={"width": 1360, "height": 800}, locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
    page.on("request", lambda request: None if request.url.startswith(bench.url + "/") else problems.append(request.url))
    page.goto(bench.url)
    expect(page.locator("#live")).to_have_text("Live")
    yield page
    context.close()
    assert not problems


def row(page, *words):
    """The newest visible row that contains the words."""
    rows = page.locator("#rows > li:visible > button")
    for word in words:
        rows = rows.filter(has_text=word)
    return rows.first


def test_a_request_appears_within_200_ms(bench, page):
    expect(page.get_by_text("No messages yet")).to_be_visible()
    page.evaluate(
        """() => {
            window.seen = [];
            new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((row) => {
                if (row.textContent.includes("Locate")) window.seen.push(Date.now() / 1000);
            }))).observe(document.getElementById("rows"), { childList: true });
        }"""
    )
    delays = []
    with bench.client() as john:
        for count in range(1, MEASURED + 1):
            john.locate()
            answered = time.time()
            page.wait_for_function("(count) => window.seen.length === count", arg=count)
            delays.append(page.evaluate("window.seen[window.seen.length - 1]") - answered)
            time.sleep(0.3)
    print(f"from the answer to the row: {[round(1000 * delay) for delay in delays]} ms")
    assert statistics.median(delays) < LIVE_SECONDS, delays


def test_a_click_shows_both_messages_as_trees_and_no_key_material(bench, page):
    bench.walk()
    row(page, "Get", "Success").click()
    detail = page.locator("#detail")
    expect(detail).to_be_focused()
    response = detail.locator("section.card", has_text="Response").last
    for text in ("Object Type", "Symmetric Key", "Cryptographic Algorithm", "AES", "<32 bytes>", "Result Status", "Success"):
        expect(response.get_by_text(text, exact=True).first).to_be_visible()
    response.get_by_role("button", name="Hex").click()
    expect(response.locator("pre .masked")).to_have_count(32)
    response.get_by_role("button", name="XML").click()
    expect(response.locator("pre")).to_contain_text('<KeyMaterial type="ByteString" value="' + 64 * "0")
    assert KEY.hex() not in page.content()
    records = json.loads(bench.get("/inspector/records"))["records"]
    paths = [f"/inspector/record?number={record['number']}" for record in records]
    for path in [*paths, "/inspector/objects", "/inspector/object?object=1", "/inspector/policies"]:
        answer = bench.get(path).lower()
        assert KEY.hex() not in answer and KEY.decode() not in answer, path


def test_copies_are_xml_json_and_a_test_case(bench, page):
    bench.walk()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row(page, "Get", "Success").click()
    for name, begin in (("XML", "<RequestMessage>\n"), ("JSON", "{"), ("test case", "<KMIP>\n")):
        page.get_by_role("button", name=f"Copy as {name}").click()
        expect(page.locator("#toast")).to_have_text(f"Copied as {name}")
        assert page.evaluate("navigator.clipboard.readText()").startswith(begin)
    case = page.evaluate("navigator.clipboard.readText()")
    assert case.count("<RequestMessage>") >= 3 and "$UNIQUE_IDENTIFIER_0" in case and "$NOW" in case


def test_failures_stand_out_and_are_explained(bench, page):
    identifier = bench.walk()
    page.get_by_text("Failures", exact=True).click()
    expect(page.locator("#rows > li:visible")).to_have_count(2)
    page.locator("#filter").fill("jane")
    expect(page.locator("#rows > li:visible")).to_have_count(1)
    failed = row(page, "Permission Denied")
    expect(failed).to_have_class("row fresh failed")
    failed.click()
    callout = page.locator(".callout")
    expect(callout).to_contain_text(f"Could not locate object: {identifier}")
    expect(callout).to_contain_text("What to do:")
    callout.get_by_role("link", name="Why was this refused?").click()
    expect(page.locator("#answer")).to_contain_text("Refused: Permission Denied")
    expect(page.locator("#answer")).to_contain_text("allows the owner only, and Jane Doe is not the owner")
    page.locator("#ask-user").fill("John Doe")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#answer")).to_contain_text("The policy allows it")


def test_a_failed_handshake_has_what_was_offered_and_the_advice(bench, page, other_pki):
    bench.fail_a_handshake(other_pki)
    failed = row(page, "Handshake failed")
    expect(failed).to_contain_text("issuer of the client certificate is unknown")
    failed.click()
    detail = page.locator("#detail")
    expect(detail.locator(".badge.bad")).to_have_text("unknown-issuer")
    expect(detail).to_contain_text("ca_path")
    expect(detail.locator("dd", has_text="versions")).to_contain_text("cipher suites")
    bench.walk()
    row(page, "Session opened").click()
    expect(detail).to_contain_text("Chosen")
    expect(detail).to_contain_text("TLS 1.2")
    expect(detail.locator("dd", has_text="versions")).to_contain_text("cipher suites")


def test_the_keyboard_reaches_everything(bench, page):
    bench.walk()
    expect(row(page, "Locate")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#filter")).to_be_focused()
    page.keyboard.type("john success locate")
    expect(page.locator("#rows > li:visible")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(row(page, "Locate")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    expect(page.locator("#detail h2")).to_have_text("Locate")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(row(page, "Locate")).to_be_focused()
    # From the start of the page: the skip link, the views, the theme.
    page.locator("body").evaluate("(body) => { body.tabIndex = -1; body.focus(); }")
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
    assert names == ["Skip to content", "Messages", "Objects", "Policies", "Access", "Auto"]


def test_objects_have_attributes_and_a_history(bench, page):
    identifier = bench.walk()
    page.get_by_role("link", name="Objects").click()
    expect(page.locator("#object-rows tr")).to_have_count(4)
    page.locator("#search").fill("backup")
    page.keyboard.press("Enter")
    expect(page.locator("#object-rows tr")).to_have_count(1)
    expect(page.locator("#object-rows tr")).to_contain_text("Symmetric Key")
    page.get_by_role("button", name=identifier, exact=True).click()
    panel = page.locator("#object")
    expect(panel.get_by_role("heading", name="backup-key")).to_be_visible()
    for text in ("Cryptographic Usage Mask", "Encrypt | Decrypt", "Register", "Activate", "Permission Denied"):
        expect(panel.get_by_text(text).first).to_be_visible()
    panel.get_by_role("button", name="Show its messages").click()
    # Register, Activate, Get, Locate, and the Get that was refused.
    expect(page.locator("#rows > li:visible")).to_have_count(5)


def test_policies_are_a_matrix(bench, page):
    page.get_by_role("link", name="Policies").click()
    card = page.locator(".policy", has_text="team")
    expect(card).to_contain_text("from a file")
    expect(card.get_by_role("row", name="Get", exact=False).first).to_contain_text("the owner")
    expect(card.get_by_role("row", name="Locate")).to_contain_text("every user")
    expect(card.get_by_role("row", name="Encrypt")).to_contain_text("as Get")


def test_access_names_the_state_and_the_usage_mask_that_refuse(bench, page):
    with bench.client() as john:
        identifier = john.create(enums.CryptographicAlgorithm.AES, 128)
        page.goto(f"{bench.url}/#access?user=John%20Doe&operation=Encrypt&object={identifier}")
        answer = page.locator("#answer")
        expect(answer).to_contain_text("The policy allows it; the answer is Wrong Key Lifecycle State")
        expect(answer).to_contain_text("from KMIP 2.1 on, and Permission Denied before")
        john.activate(identifier)
    page.get_by_role("button", name="Explain").click()
    expect(answer.get_by_role("heading")).to_have_text("The policy allows it")
    page.get_by_label("Operation").fill("MAC")
    page.get_by_role("button", name="Explain").click()
    expect(answer).to_contain_text("Incompatible Cryptographic Usage Mask")


def test_a_page_with_a_token_asks_for_it_and_nothing_leaks_without_it(browser, start, pki, tmp_path):
    address, token = f"127.0.0.1:{free_port()}", "0123456789abcdef0123456789abcdef"
    start(settings={"management_address": address, "management_token": token})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{address}/inspector/records", timeout=30)
    assert refused.value.code == 401
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{address}/")
    page.get_by_role("textbox", name="Token").fill(token)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#live")).to_have_text("Live")
    context.close()


def test_test_control_shows_its_clock_and_its_faults_with_their_hits(browser, start, pki, tmp_path):
    bench = Bench(start, pki, tmp_path, test_control=True)
    context = browser.new_context(locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    page.goto(bench.url)
    state = page.locator("#control summary")
    expect(state).to_contain_text("Test control is on")
    expect(state).to_contain_text("it has no faults")
    bench.control("clock", set=1_900_000_000, freeze=True)
    bench.control("faults/add", fault={"operation": "Get", "action": "fail", "reason": "Item Not Found", "message": "Lost.", "nth": 2})
    bench.control("faults/add", fault={"operation": "Query", "action": "truncate"})
    expect(state).to_contain_text("Its clock stands at 2030-03-17 17:46:40 UTC; it has 2 faults.")
    with bench.client() as john:
        identifier = john.create(enums.CryptographicAlgorithm.AES, 128)
        john.get(identifier)
        with pytest.raises(KmipOperationFailure):
            john.get(identifier)
    state.click()
    expect(page.locator("#faults li").first).to_contain_text("1. fail Get (message Lost., nth 2")
    expect(page.locator("#faults li").first).to_contain_text("acted 1 of 2 times")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.wait_for_timeout(400)
        report(Axe().run(page), "test control", theme)
        picture(page, f"control-{theme}")
    page.set_viewport_size({"width": 390, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_a_fault_is_shown_beside_its_message(browser, start, pki, tmp_path):
    bench = Bench(start, pki, tmp_path, test_control=True)
    bench.control("faults/add", fault={"operation": "Locate", "action": "slow", "bytes_per_second": 10_000})
    with bench.client() as john:
        john.locate()
    context = browser.new_context()
    page = context.new_page()
    page.goto(bench.url)
    expect(row(page, "Locate", "fault: slow")).to_be_visible()
    row(page, "Locate").click()
    expect(page.locator("#detail dl")).to_contain_text("Fault")
    context.close()


def test_each_view_is_accessible_in_both_themes_and_on_a_phone(bench, page, other_pki):
    identifier = bench.walk()
    bench.fail_a_handshake(other_pki)
    expect(row(page, "Handshake failed")).to_be_visible()
    records = json.loads(bench.get("/inspector/records"))["records"]
    denied = next(record["number"] for record in records if "Permission Denied" in record.get("reasons", []))
    found = next(record["number"] for record in records if record.get("operations") == ["Get"] and not record["failed"])
    failed = next(record["number"] for record in records if record["kind"] == "handshake")
    access = f"access?user=Jane%20Doe&operation=Encrypt&object={identifier}"
    views = {
        "messages": "messages", "refused": f"message/{denied}", "message": f"message/{found}", "handshake": f"message/{failed}",
        "objects": f"object/{identifier}", "policies": "policies", "access": access,
    }
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for name, view in views.items():
            page.goto(f"{bench.url}/#{view}")
            page.wait_for_timeout(400)
            report(Axe().run(page), name, theme)
            picture(page, f"{name}-{theme}")
    page.set_viewport_size({"width": 390, "height": 780})
    page.emulate_media(color_scheme="light")
    for name in ("messages", "message", "objects", "policies"):
        page.goto(f"{bench.url}/#{views[name]}")
        page.wait_for_timeout(400)
        report(Axe().run(page), name, "phone")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{name} is {width} pixels wide"
        picture(page, f"{name}-phone")


def report(results, view, theme):
    """Fails if axe-core has found a violation."""
    assert results.violations_count == 0, f"{view}, {theme}:\n{results.generate_report()}"


def picture(page, name):
    """Writes the screenshot of the documentation if it is asked for."""
    if os.environ.get("KMIP_WRITE_GENERATED") and (DOCS / f"inspector-{name}.png").exists():
        page.screenshot(path=DOCS / f"inspector-{name}.png")
    folder = os.environ.get("KMIP_SCREENSHOTS")
    if folder:
        page.screenshot(path=pathlib.Path(folder) / f"{name}.png")
