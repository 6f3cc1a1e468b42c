"""The command line as a user meets it: one line for each fault, and the exit status that goes with it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sfu.cli import app

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def sfu(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command that does not serve."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def taken_tcp() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def taken_udp() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_the_version_is_that_of_the_package():
    assert sfu("--version") == (0, f"sfu {version('sfu')}\n", "")


def test_help_names_every_command_and_option():
    _, text, _ = sfu("--help")
    assert "serve" in text
    assert "check-config" in text
    _, text, _ = sfu("serve", "--help")
    for option in ("--config", "--dev", "--host", "--port", "--media-port", "--advertise", "--log-level"):
        assert option in text


def test_check_config_finds_the_example_good():
    assert sfu("check-config", EXAMPLE) == (0, f"{EXAMPLE}: good\n", "")


def test_check_config_gives_a_line_for_each_fault_and_status_2(tmp_path: Path):
    file = tmp_path / "sfu.toml"
    file.write_text("[server]\nprot = 1\nport = 0\n")
    status, _, error = sfu("check-config", file)
    assert status == 2
    assert [line.split(" (")[0] for line in error.splitlines()] == [
        f"{file}: server.port: 0 is not accepted",
        f"{file}: server.prot: unknown key",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("plugins = ['helo']", "plugins: there is no plugin 'helo'"),
        ("[dtls]\ncertificate = '/none.pem'\nprivate_key = '/none.pem'", "dtls.certificate: cannot read /none.pem"),
    ],
)
def test_check_config_looks_at_what_the_parts_need(tmp_path: Path, text: str, fault: str):
    file = tmp_path / "sfu.toml"
    file.write_text(text)
    status, _, error = sfu("check-config", file)
    assert (status, len(error.splitlines())) == (2, 1)
    assert fault in error


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_development_mode_refuses_to_serve_others(host: str):
    status, _, error = sfu("serve", "--dev", "--host", host)
    assert (status, len(error.splitlines())) == (2, 1)
    assert f"{host} is not a loopback address" in error


def test_development_mode_refuses_media_for_others(tmp_path: Path):
    file = tmp_path / "sfu.toml"
    file.write_text("[media]\nlisten = ['127.0.0.1', '0.0.0.0']")
    status, _, error = sfu("serve", "--dev", "--config", file)
    assert status == 2
    assert "media.listen has 0.0.0.0" in error


def test_a_wrong_option_is_named_with_its_accepted_form():
    status, _, error = sfu("serve", "--advertise", "my.host")
    assert status == 2
    assert "command line: media.advertise[0]: 'my.host' is not accepted" in error
    assert "an IPv4 or IPv6 address" in error
    status, _, error = sfu("serve", "--log-level", "loud")
    assert "command line: log.level: 'loud' is not accepted" in error


def run(*arguments: object) -> tuple[int, list[str]]:
    """Exit status and lines of standard error of a whole process."""
    command = [sys.executable, "-m", "sfu", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return result.returncode, result.stderr.splitlines()


def test_a_taken_http_port_is_one_line_that_says_what_to_do(taken_tcp: int):
    status, lines = run("serve", "--dev", "--port", taken_tcp)
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"sfu: HTTP can not listen on 127.0.0.1:{taken_tcp}: Address already in use")
    assert "--port" in lines[0]


def test_a_taken_media_port_is_one_line_that_says_what_to_do(taken_udp: int):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    status, lines = run("serve", "--dev", "--port", port, "--media-port", taken_udp)
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"sfu: media can not listen on UDP 127.0.0.1:{taken_udp}: ")
    assert "--media-port" in lines[0]
