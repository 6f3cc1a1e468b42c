"""Configuration: the example file is true, and every fault is one line that names key, source and accepted form."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from sfu.config import Config, load
from sfu.config_report import ConfigErrors

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def plain(value: Any) -> Any:
    """A section as the TOML that would give it."""
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value


def faults(tmp_path: Path, text: str, environment: dict[str, str] | None = None, **overrides: Any) -> list[str]:
    file = tmp_path / "sfu.toml"
    file.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load(file, environment=environment or {}, overrides=overrides)
    return [line.replace(str(tmp_path) + "/", "") for line in caught.value.lines()]


def test_the_example_file_lists_every_key_with_its_default():
    assert tomllib.loads(EXAMPLE.read_text()) == plain(load(environment={}))


def test_the_example_file_says_something_about_every_table():
    sections = re.split(r"^\[\w+\]\n", EXAMPLE.read_text(), flags=re.MULTILINE)[1:]
    assert all(section.startswith("#") for section in sections)


def test_every_key_has_a_description():
    sections = [field.annotation for field in Config.model_fields.values() if isinstance(field.annotation, type)]
    models = [model for model in sections if issubclass(model, BaseModel)]
    assert len(models) >= 12
    assert all(field.description for model in models for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[server]\nprot = 1",
            (
                "sfu.toml: server.prot: unknown key (did you mean port? "
                "keys of server: host, port, public_url, grace_period_s)"
            ),
        ),
        (
            "[server]\nport = 99999",
            "sfu.toml: server.port: 99999 is not accepted (accepted: an integer from 1 to 65535)",
        ),
        (
            "[media]\nlisten = ['localhost']",
            (
                "sfu.toml: media.listen[0]: 'localhost' is not accepted "
                '(accepted: an IPv4 or IPv6 address, like "192.0.2.1")'
            ),
        ),
        (
            "[codecs]\naudio = ['mp3']",
            'sfu.toml: codecs.audio[0]: \'mp3\' is not accepted (accepted: one of "opus", "red")',
        ),
        ("[codecs]\naudio = ['red']", 'sfu.toml: codecs: audio must have "opus" (red only carries it)'),
        (
            "[media]\nshards = 2\ncpus = [1]",
            "sfu.toml: media: cpus names 1 CPUs for 2 shards; name one for each",
        ),
        ("[media]\nport = 65535\nshards = 2", "sfu.toml: media: port 65535 + shards 2 passes 65535; take a lower port"),
        ("server = 3", "sfu.toml: server: 3 is not accepted (accepted: a table)"),
        ("[nope]", "sfu.toml: nope: unknown key"),
        ("x = [", "sfu.toml: is not TOML: Invalid value (at end of document)"),
        (
            "[[ice.servers]]",
            "sfu.toml: ice.servers[0].urls: is missing (accepted: a list of 1 to 8, each stun:host[:port]",
        ),
    ],
)
def test_a_fault_in_the_file_names_file_key_and_accepted_form(tmp_path: Path, text: str, line: str):
    (found,) = faults(tmp_path, text)
    assert found.startswith(line)
    assert "\n" not in found


def test_all_faults_are_named_at_once(tmp_path: Path):
    assert len(faults(tmp_path, "[server]\nport = 0\nhost = ''\n[log]\nlevel = 'loud'")) == 3


def test_a_fault_in_the_environment_names_the_variable(tmp_path: Path):
    (line,) = faults(tmp_path, "[server]\nport = 8081", {"SFU_SERVER__PORT": "x"})
    assert line.startswith("environment SFU_SERVER__PORT: server.port: 'x' is not accepted")
    (line,) = faults(tmp_path, "", {"SFU_MEDIA__LISTEN": "::1"})
    assert line.startswith("environment SFU_MEDIA__LISTEN: cannot be parsed (lists and tables are JSON")
    (line,) = faults(tmp_path, "", {"SFU_MEDIAS__LISTEN": "::1"})
    assert line.startswith("environment SFU_MEDIAS__LISTEN: there is no section [medias]")


def test_a_fault_on_the_command_line_says_so(tmp_path: Path):
    (line,) = faults(tmp_path, "[server]\nport = 8081", server={"port": 0})
    assert line.startswith("command line: server.port: 0 is not accepted")


def test_command_line_wins_over_environment_over_file(tmp_path: Path):
    file = tmp_path / "sfu.toml"
    file.write_text("[server]\nport = 1001\nhost = '::1'\n[media]\nport = 1002\n[log]\nlevel = 'debug'")
    environment = {"SFU_SERVER__PORT": "2001", "SFU_MEDIA__PORT": "2002", "SFU_MEDIA__ADVERTISE": '["192.0.2.1"]'}
    config = load(file, environment=environment, overrides={"server": {"port": 3001}})
    assert (config.server.port, config.media.port, config.server.host) == (3001, 2002, "::1")
    assert config.media.advertise == ("192.0.2.1",)
    assert config.log.level == "debug"


def test_variables_of_others_are_left_alone():
    assert load(environment={"SFU_LIVE": "1", "SFUX__Y": "2", "HOME": "/"}) == load(environment={})


def test_a_missing_file_is_one_line(tmp_path: Path):
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path / "none.toml")
    assert caught.value.lines() == [f"{tmp_path}/none.toml: cannot be read: No such file or directory"]


def test_a_secret_is_not_shown(tmp_path: Path):
    assert "hunter2" not in repr(load(environment={"SFU_AUTH__WHIP_TOKEN": "hunter2"}))
    (line,) = faults(tmp_path, "[auth]\nwhip_token = ['hunter2']")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("text", "fault"),
    [("a = " + "[" * 100_000, "sfu.toml: is not TOML: "), ("#" * 1_048_577, "sfu.toml: is longer than 1048576 bytes")],
    ids=["deep", "long"],
)
def test_a_file_without_measure_is_one_line_too(tmp_path: Path, text: str, fault: str):
    (line,) = faults(tmp_path, text)
    assert line.startswith(fault)
