"""Azurite as tests and `make run` start it: real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from hosting import azurite
from hosting.azurite import Ports, azurite_command, connection_string, start_azurite
from hosting.errors import DidNotStart, NotInstalled
from tests.e2e.local_platform import free_ports
from tests.hosting.support import assert_gone

pytestmark = [pytest.mark.azurite, pytest.mark.processes]


def test_the_connection_string_reaches_all_three_services() -> None:
    with start_azurite() as running:
        with TableServiceClient.from_connection_string(running.connection_string) as tables:
            tables.create_table("there")
            assert [table.name for table in tables.list_tables()] == ["there"]
        with QueueServiceClient.from_connection_string(running.connection_string) as queues:
            queues.create_queue("there")
            assert [queue.name for queue in queues.list_queues()] == ["there"]
        with BlobServiceClient.from_connection_string(running.connection_string) as blobs:
            blobs.create_container("there")
            assert [container.name for container in blobs.list_containers()] == ["there"]


@pytest.mark.parametrize("in_memory", [False, True])
def test_data_in_a_folder_outlives_the_process_and_data_in_memory_does_not(tmp_path: Path, in_memory: bool) -> None:
    location = None if in_memory else tmp_path
    ports = free_ports()
    with BlobServiceClient.from_connection_string(connection_string(ports)) as blobs:
        with start_azurite(location, ports):
            blobs.create_container("kept").upload_blob("it", b"here")
        with start_azurite(location, ports):
            there = blobs.get_blob_client("kept", "it").exists()
    assert there is not in_memory


def test_two_run_beside_each_other() -> None:
    with start_azurite() as one, start_azurite() as other:
        assert not set(one.ports) & set(other.ports)


def test_stopping_leaves_no_process() -> None:
    running = start_azurite()
    running.stop()
    assert not psutil.pid_exists(running.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_it_dies_with_the_process_that_started_it() -> None:
    program = "from hosting.azurite import start_azurite; print(start_azurite().pid, flush=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert_gone(child)


def test_a_port_that_is_taken_is_an_error_with_its_last_words() -> None:
    with start_azurite() as running, pytest.raises(DidNotStart, match="EADDRINUSE"):
        start_azurite(None, Ports(blob=running.ports.blob))


def test_without_node_modules_the_error_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azurite, "PROGRAM", tmp_path / "azurite.js")
    with pytest.raises(NotInstalled, match="npm ci"):
        azurite_command(None, Ports())


def test_without_node_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match=r"Node\.js"):
        azurite_command(None, Ports())
