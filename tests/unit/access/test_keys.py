"""Where keys come from: files and JWK Sets, and what is not taken for a key."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import EPOCH
from tests.support.examples import examples

from sfu.access.api_keys import SCOPES, ApiKey, ApiKeys, Scope
from sfu.access.keys import Algorithm, Key, parse_keys
from sfu.access.revocations import Revocations
from sfu.conference.authority import MAY, Action, Outsider
from sfu.conference.grants import Grants
from sfu.errors import ConfigError

PRIVATE = Ed25519PrivateKey.generate()
RAW_PUBLIC = PRIVATE.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
PEM_PUBLIC = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


PUBLIC_JWK = {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": b64(RAW_PUBLIC)}
SECRET_JWK = {"kty": "oct", "kid": "b", "k": b64(b"s" * 32)}


def test_a_file_may_be_a_secret_a_pem_key_a_jwk_or_a_set(tmp_path: Path) -> None:
    [secret] = parse_keys(b"  " + b"s" * 32 + b"\n", where="keys").keys
    assert (secret.algorithm, secret.kid, secret.signs, secret.material) == (Algorithm.HS256, "", True, b"s" * 32)
    [public] = parse_keys(PEM_PUBLIC, where="keys").keys
    assert (public.algorithm, public.signs) == (Algorithm.EDDSA, False)
    assert parse_keys(pem(PRIVATE), where="keys").keys[0].signs
    assert parse_keys(json.dumps(PUBLIC_JWK).encode(), where="keys").keys[0].kid == "a"
    both = parse_keys(jwks(PUBLIC_JWK, SECRET_JWK), where="keys")
    assert [(key.kid, key.algorithm) for key in both.keys] == [("a", Algorithm.EDDSA), ("b", Algorithm.HS256)]


def test_keys_for_other_purposes_are_passed_over() -> None:
    others = [
        {"kty": "RSA", "n": "x"},
        {**PUBLIC_JWK, "use": "enc"},
        {**SECRET_JWK, "alg": "HS512"},
        {"kty": "EC"},
        "x",
    ]
    assert len(parse_keys(jwks(*others, PUBLIC_JWK), where="keys").keys) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        b"", b"short", b"{", b"[]", b'{"keys": 5}', b'{"keys": []}', b"-----BEGIN PUBLIC KEY-----\nxx",
        jwks({**SECRET_JWK, "k": b64(b"s" * 31)}), jwks({**PUBLIC_JWK, "x": "AA"}), jwks({**PUBLIC_JWK, "x": 5}),
        jwks(PUBLIC_JWK, PUBLIC_JWK), jwks({**PUBLIC_JWK, "kid": 5}), pem(ec.generate_private_key(ec.SECP256R1())),
        jwks(*({**PUBLIC_JWK, "kid": str(number)} for number in range(33))), b"x" * 70_000,
    ],
)  # fmt: skip
def test_what_is_no_good_key_is_refused_and_not_quoted(text: bytes) -> None:
    with pytest.raises(ConfigError, match=r"auth\.keys") as caught:
        parse_keys(text, where="auth.keys")
    assert "sss" not in str(caught.value)


def test_by_url_only_public_keys_are_taken() -> None:
    parse_keys(jwks(PUBLIC_JWK), where="url", public_only=True)
    private = {**PUBLIC_JWK, "d": b64(PRIVATE.private_bytes_raw())}
    for text in (jwks(PUBLIC_JWK, SECRET_JWK), jwks(private), b"s" * 64):
        with pytest.raises(ConfigError, match="only public keys"):
            parse_keys(text, where="url", public_only=True)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: b"{" + text.encode()))
@settings(max_examples=examples(200))
def test_whatever_a_file_holds_is_keys_or_refused(text: bytes) -> None:
    with suppress(ConfigError):
        assert parse_keys(text, where="keys").keys


# API keys


def test_a_new_key_is_found_by_its_secret_and_kept_as_a_hash() -> None:
    key, secret = ApiKey.create("billing", [Scope.READ, Scope.REVOKE])
    assert secret.startswith("sfu_billing_")
    assert secret not in str(key)
    assert secret not in repr(key)
    keys = ApiKeys.parse(["# of the shop", "", str(key)], "api_keys")
    found = keys.find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("billing", {Scope.READ, Scope.REVOKE})
    for wrong in (secret[:-1], secret + "x", secret.removeprefix("sfu_"), "sfu_billing_", "", "sfu_x_y", "\udc80"):
        assert keys.find(wrong) is None


@pytest.mark.parametrize("line", ["x", "a:read:00", "a b:read:" + "0" * 64, "a:rule:" + "0" * 64, "a::" + "0" * 64])
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(ConfigError, match="api_keys"):
        ApiKeys.parse([line], "api_keys")


def test_a_name_is_used_once() -> None:
    lines = [str(ApiKey.create("a", [Scope.READ])[0]) for _ in range(2)]
    with pytest.raises(ConfigError, match="2 API keys"):
        ApiKeys.parse(lines, "api_keys")


def test_all_scopes_together_are_what_the_server_may_do_and_each_lacks_something() -> None:
    server = {action for action, actors in MAY.items() if Outsider.SERVER in actors}
    assert set().union(*SCOPES.values()) == server
    for scope in Scope:
        assert SCOPES[scope] < server
    read = ApiKey.create("a", [Scope.READ])[0]
    assert [action for action in Action if read.allows(action)] == [
        Action.LIST, Action.SEE_PEOPLE, Action.SEE_HISTORY
    ]  # fmt: skip


# revocations


def test_revocations_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "data" / "revoked.jsonl"
    first = Revocations.open(path, EPOCH)
    first.revoke(EPOCH, token_id="t1")
    first.revoke(EPOCH, identity="ann")
    again = Revocations.open(path, EPOCH)
    assert again.is_revoked(Grants(token_id="t1"))
    assert again.is_revoked(Grants(identity="ann", token_id="t2"))
    assert not again.is_revoked(Grants(identity="bob", token_id="t2"))
    assert not again.is_revoked(Grants())


def test_lines_that_a_crash_cut_are_passed_over_and_old_ones_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "revoked.jsonl"
    year = 366 * 86_400
    old = json.dumps({"token_id": "old", "at": EPOCH.timestamp() - year - 1})
    path.write_text(f'{old}\n{{"token_id": "t1", "at": {EPOCH.timestamp()}}}\n[]\nnull\n{{"tok')
    Revocations.open(path, EPOCH).revoke(EPOCH, identity="ann")
    found = Revocations.open(path, EPOCH)
    assert len(found) == 2
    assert found.is_revoked(Grants(token_id="t1"))
    assert found.is_revoked(Grants(identity="ann"))


def test_a_place_that_can_not_be_written_is_a_matter_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"auth\.revocations"):
        Revocations.open(tmp_path / "file" / "revoked", EPOCH)


def test_a_named_key_is_found_by_its_name_alone() -> None:
    keys = parse_keys(jwks(PUBLIC_JWK, {**PUBLIC_JWK, "kid": "c"}), where="keys")
    assert keys.find("c") == keys.keys[1]
    assert keys.find("d") is None
    assert keys.find(None) is None
    assert isinstance(parse_keys(b"s" * 32, where="keys").find("anything"), Key)
