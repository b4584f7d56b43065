"""A real JupyterLab on loopback and Debian's Chromium, driven by playwright."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
# Without the flags against background networking, a closed network costs seconds at every start.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
START_S = 120

OPEN_AND_RUN = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    const widget = app.shell.currentWidget;
    await widget.context.ready;
    await widget.sessionContext.ready;
    await widget.sessionContext.session.kernel.info;
    return await app.commands.execute("notebook:run-all-cells");
}"""


def missing():
    """Say what the browser tests lack here, or nothing."""
    if CHROMIUM is None:
        return "the browser tests did not run: no Chromium found; apt-get install chromium"
    if find_spec("playwright") is None:
        return "the browser tests did not run: playwright is missing; pip install playwright"
    return ""


def pytest_collection_modifyitems(items):
    """Skip what can't run, in one line of the summary; where a robot runs the tests, they fail."""
    if missing() and not os.environ.get("CI"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=missing()))


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    if missing():
        pytest.fail(missing())
    playwright = import_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


RAISED = """() => window.jupyterapp.shell.currentWidget.context.model.toJSON().cells
    .flatMap(cell => cell.outputs || []).filter(output => output.output_type === "error")
    .map(output => `${output.ename}: ${output.evalue}`)"""


class Lab:
    """A running JupyterLab.

    Attributes:
        folder: What it serves.
        url: Where.
    """

    def __init__(self, folder, url):
        self.folder = folder
        self.url = url

    def ask(self, path, data=None, method=None):
        body = None if data is None else json.dumps(data).encode()
        with urlopen(Request(f"{self.url}/{path}", body, method=method), timeout=30) as reply:
            return json.loads(reply.read() or "null")

    @contextmanager
    def kernel_for(self, name):
        """Start the notebook's kernel before the page asks which one to take."""
        session = self.ask(
            "api/sessions",
            {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}},
        )
        try:
            yield
        finally:
            self.ask(f"api/sessions/{session['id']}", method="DELETE")

    @contextmanager
    def opened(self, browser, name):
        """Open a notebook, in a tall window because Lab scrolls inside."""
        page = browser.new_page(viewport={"width": 1400, "height": 3600})
        page.set_default_timeout(1000 * START_S)
        try:
            page.goto(f"{self.url}/lab/tree/{name}?reset")
            page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.content?.model")
            yield page
        finally:
            page.close()

    @staticmethod
    def change_theme(page, theme):
        """Change the theme, and wait until it is there."""
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)

    @staticmethod
    def run_all(page):
        """Run all cells; fail with what one raised."""
        if not page.evaluate(OPEN_AND_RUN):
            pytest.fail(f"a cell raised: {page.evaluate(RAISED)}")

    @staticmethod
    def begin_all(page):
        """Begin to run all cells; the page's `ran` is the promise of whether none raised."""
        page.evaluate(f"() => {{ window.ran = ({OPEN_AND_RUN})(); }}")


@pytest.fixture(scope="session")
def lab(tmp_path_factory, browser):
    """A JupyterLab that serves a copy of the project's demo notebooks."""
    root = tmp_path_factory.mktemp("lab")
    project = Path(__file__).parents[2]
    shutil.copytree(project / "demo_notebooks", root / "project" / "demo_notebooks")
    shutil.copy(project / "pyproject.toml", root / "project")
    homes = {name: str(root / name) for name in ("config", "data", "runtime", "settings", "spaces")}
    notification = root / "settings" / "@jupyterlab" / "apputils-extension"
    notification.mkdir(parents=True)
    (notification / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": homes["config"],
        "JUPYTER_DATA_DIR": homes["data"],
        "JUPYTER_RUNTIME_DIR": homes["runtime"],
        "JUPYTERLAB_SETTINGS_DIR": homes["settings"],
        "JUPYTERLAB_WORKSPACES_DIR": homes["spaces"],
    }
    log = (root / "log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0",
         "--ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
         "--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={root / 'project'}"],
        env=environment, cwd=root, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield Lab(root / "project", _url(server, Path(homes["runtime"]), root / "log"))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        log.close()


def _url(server, runtime, log):
    """Wait for the server to say where it listens, and to answer there."""
    for _ in range(START_S * 5):
        if server.poll() is not None:
            break
        for told in runtime.glob("jpserver-*.json"):
            try:
                url = json.loads(told.read_text())["url"].rstrip("/")
                with urlopen(f"{url}/api", timeout=5):
                    return url
            except (URLError, ValueError, ConnectionError):
                pass
        try:
            server.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
