"""A browser, and studios that it opens."""

import pytest

for name in ("starlette", "uvicorn", "jinja2", "httpx2"):
    pytest.importorskip(name, reason="the studio's packages are missing: pip install 'odtk[studio]' httpx2")

from headless_chromium import PROGRAM  # noqa: E402
from patience import MILLISECONDS  # noqa: E402
from running_studio import client_of, running_studio  # noqa: E402


@pytest.fixture
def client(tmp_path):
    """Requests to a studio of an empty workspace, without a network."""
    with client_of(tmp_path / "work") as made:
        yield made


@pytest.fixture
def studio(tmp_path):
    """A running studio of an empty workspace."""
    with running_studio(tmp_path / "work") as running:
        yield running


@pytest.fixture(scope="session")
def chromium():
    """The machine's Chromium, driven by Playwright; tests that need one are skipped where there is none."""
    if PROGRAM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        # The camera that every page may use shows a test picture.
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        options = ["--no-sandbox", "--disable-dev-shm-usage", *camera]
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, studio):
    """A tab on the studio; errors of scripts and of the security policy fail the test."""
    context = chromium.new_context(base_url=studio.address, viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(MILLISECONDS)
    problems = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield tab
    context.close()
    assert not problems
