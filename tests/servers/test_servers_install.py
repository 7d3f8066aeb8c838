"""Installing the servers: what is missing is said, what is wrong is refused, once is enough."""

import contextlib

import pytest
from support.servers import install, locations
from support.servers.locations import MissingServerError


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADERCAST_SERVERS", str(tmp_path / "servers"))
    return tmp_path / "servers"


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("find", [locations.mongod, locations.kafka])
def test_what_is_not_installed_says_how_to_install_it(find):
    with pytest.raises(MissingServerError, match="is not installed; run: make servers"):
        find()


def test_without_java_it_says_which_one(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingServerError, match="no Java 17 or newer"):
        locations.java()


def test_a_java_that_is_too_old_is_not_taken(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingServerError, match="older than Java 17"):
        locations.java()


def test_jars_other_than_those_listed_are_refused(tmp_path):
    (tmp_path / "kafka-clients-4.1.1.jar").write_bytes(b"something else")
    with pytest.raises(MissingServerError, match=r"kafka-clients-4\.1\.1\.jar"):
        install.check_jars(tmp_path)


def test_a_folder_is_there_whole_or_not_at_all(empty_cache):
    folder = empty_cache / "part"
    with contextlib.suppress(RuntimeError), install.made_once(folder) as made:
        (made / "half").touch()
        raise RuntimeError
    assert not folder.exists()
    with install.made_once(folder) as made:
        (made / "whole").touch()
    with install.made_once(folder) as made:
        assert made is None
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_a_command_that_fails_shows_what_it_printed():
    with pytest.raises(MissingServerError, match="no such repository"):
        install.run(["sh", "-c", "echo no such repository >&2; exit 1"])
