"""Whatever becomes of the tests, no server outlives them."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from support.servers.process import Server, ServerError

TESTS = Path(__file__).parents[1]
TIMEOUT_S = 30

ECHO = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("ready", flush=True)
signal.pause()
"""


class Small(Server):
    """A server that does nothing, so that these tests take no time."""

    NAME = "small"
    READY = "^ready"

    def __init__(self, parent, program=ECHO):
        super().__init__(parent)
        self._program = program

    def command(self):
        return [sys.executable, "-c", self._program]


@pytest.fixture
def small(tmp_path):
    with Small(tmp_path) as server:
        yield server


def test_it_keeps_its_port_and_folder_when_started_again(small):
    port, folder, pid = small.port, small.folder, small.pid
    small.kill()
    assert not small.running
    small.start()
    assert (small.port, small.folder) == (port, folder)
    assert small.pid != pid
    small.stop()
    assert not small.running


def test_its_folder_is_removed_when_it_is_closed(tmp_path):
    with Small(tmp_path) as server:
        folder = server.folder
        assert folder.is_dir()
    assert not folder.exists()


def test_two_have_different_ports(tmp_path, small):
    with Small(tmp_path) as other:
        assert other.port != small.port


def test_a_paused_server_is_stopped_until_it_is_resumed_and_can_be_killed(small):
    state = Path(f"/proc/{small.pid}/stat")
    small.pause()
    assert state.read_text().split()[2] == "T"
    small.resume()
    assert state.read_text().split()[2] != "T"
    small.pause()
    small.kill()
    assert not small.running


def test_one_that_does_not_start_says_what_it_logged(tmp_path):
    server = Small(tmp_path, "print('no such disk'); raise SystemExit(3)")
    with pytest.raises(ServerError, match="no such disk"), server:
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_that_never_gets_ready_is_given_up(tmp_path):
    server = Small(tmp_path, "import signal; print('busy', flush=True); signal.pause()")
    server.launch()
    server.wait_for_log("busy")
    with pytest.raises(ServerError, match=r"(?s)ran 0\.01 s.*busy"):
        server.wait_for_log(server.READY, timeout_s=0.01)
    server.close()


def test_servers_and_folders_are_gone_after_their_tests_were_killed(tmp_path):
    program = f"""
import json, sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS / "servers")!r}]
from pathlib import Path
from support.servers.watchdog import watchdog
from test_server_processes import Small
server = Small(Path({str(tmp_path)!r}))
server.start()
print(json.dumps([server.pid, watchdog().pid]), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as tests:
        waited = [os.pidfd_open(pid) for pid in json.loads(tests.stdout.readline())]
        assert len(list(tmp_path.iterdir())) == 1
        tests.kill()
    for process in waited:
        ended, _, _ = select.select([process], [], [], TIMEOUT_S)
        os.close(process)
        assert ended
    assert list(tmp_path.iterdir()) == []
