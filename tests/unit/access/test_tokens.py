"""Tokens: what is granted, and every way in which one is refused. What is refused is never quoted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import EPOCH
from tests.support.examples import examples

from sfu.access import Access, Key, Terms, inspect_token, issue_token, verify_token
from sfu.access.keys import Algorithm, StaticKeys
from sfu.access.tokens import MAX_TOKEN_CHARS
from sfu.conference.authority import Role
from sfu.conference.grants import Grants
from sfu.conference.track import Source
from sfu.errors import RemoteError

NOW = EPOCH
GOOD = {"exp": NOW.timestamp() + 600, "aud": "sfu", "sub": "ann", "jti": "t1"}


def verify(token: str, *keys: Key, terms: Terms | None = None, now: datetime = NOW) -> Grants:
    return asyncio.run(verify_token(token, StaticKeys(keys), terms or Terms(), now))


def refusal(token: str, *keys: Key, **how: Any) -> str:
    with pytest.raises(RemoteError) as caught:
        verify(token, *keys, **how)
    assert (caught.value.code, caught.value.status) == ("unauthorized", 401)
    signature = token.rpartition(".")[2]
    assert not signature or signature not in str(caught.value)
    return caught.value.detail


def forged(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part(header)}.{part(claims)}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_a_token_grants_what_it_says(key: Key) -> None:
    granted = {
        "meeting": "standup", "role": "host", "publish": ["microphone"], "record": True, "max_bps": 500_000,
        "session_s": 3600,
    }  # fmt: skip
    grants = verify(issue_token(key, {**GOOD, "name": "Ann", "sfu": granted}), key)
    assert grants == Grants(
        identity="ann",
        name="Ann",
        meeting="standup",
        role=Role.HOST,
        publish=frozenset({Source.MICROPHONE}),
        record=True,
        max_bps=500_000,
        session_s=3600,
        expires_at=NOW + timedelta(seconds=600),
        token_id="t1",
    )


def test_a_token_that_grants_nothing_special_sets_no_limit(key: Key) -> None:
    grants = verify(issue_token(key, GOOD), key)
    assert (grants.meeting, grants.role, grants.publish, grants.record) == (None, None, None, False)


def test_a_token_without_jti_has_an_id_all_the_same(key: Key) -> None:
    claims = {name: value for name, value in GOOD.items() if name != "jti"}
    bare = jwt.encode(claims, key.material, algorithm=key.algorithm.value)  # type: ignore[arg-type]
    first = verify(bare, key)
    assert first.token_id is not None
    assert first.token_id.startswith("sha256-")
    assert verify(issue_token(key, claims), key).token_id not in {None, first.token_id}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"exp": NOW.timestamp() - 31}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": NOW.timestamp() + 400 * 86_400}, "lives too long"),
        ({"exp": 1e300}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"nbf": NOW.timestamp() + 31}, "not good yet"),
        ({"aud": "another"}, "another server"),
        ({"aud": None}, "another server"),
        ({"aud": ["x", "y"]}, "another server"),
        ({"aud": 1}, "aud"),
        ({"sub": 5}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "x" * 129}, "sub"),
        ({"name": "x" * 65}, "name"),
        ({"sfu": "host"}, "sfu"),
        ({"sfu": {"role": "king"}}, "role"),
        ({"sfu": {"meeting": "../etc"}}, "meeting"),
        ({"sfu": {"meeting": "a\n"}}, "meeting"),
        ({"sfu": {"publish": "camera"}}, "publish"),
        ({"sfu": {"publish": ["nose"]}}, "publish"),
        ({"sfu": {"max_bps": 1}}, "max_bps"),
        ({"sfu": {"session_s": 0}}, "session_s"),
        ({"sfu": {"record": "yes"}}, "record"),
        ({"sfu": {"max_camera": 1}}, "max_camera"),
    ],
)
def test_a_wrong_claim_refuses_the_token_and_is_named(key: Key, change: dict[str, Any], word: str) -> None:
    claims = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    assert word in refusal(issue_token(key, claims), key)


def test_clocks_may_differ_by_the_leeway_and_no_more(key: Key) -> None:
    token = issue_token(key, {**GOOD, "nbf": NOW.timestamp()})
    terms = Terms(leeway_s=30)
    verify(token, key, terms=terms, now=NOW - timedelta(seconds=30))
    verify(token, key, terms=terms, now=NOW + timedelta(seconds=629))
    assert "not good yet" in refusal(token, key, terms=terms, now=NOW - timedelta(seconds=31))
    assert "expired" in refusal(token, key, terms=terms, now=NOW + timedelta(seconds=630))


def test_the_issuer_is_checked_where_one_is_asked_for(key: Key) -> None:
    terms = Terms(issuer="https://login.example.org")
    verify(issue_token(key, {**GOOD, "iss": "https://login.example.org"}), key, terms=terms)
    assert "another issuer" in refusal(issue_token(key, {**GOOD, "iss": "https://evil.example"}), key, terms=terms)
    assert "another issuer" in refusal(issue_token(key, GOOD), key, terms=terms)
    verify(issue_token(key, {**GOOD, "iss": "anybody"}), key)


# the signature


def test_a_token_of_another_key_is_refused(key: Key) -> None:
    other = replace(key, material=Ed25519PrivateKey.generate() if key.algorithm is Algorithm.EDDSA else b"x" * 32)
    assert "signature" in refusal(issue_token(other, GOOD), key)


def test_a_changed_token_is_refused(key: Key) -> None:
    header, claims, signature = issue_token(key, GOOD).split(".")
    other = issue_token(key, {**GOOD, "sub": "bob"}).split(".")[1]
    assert claims != other
    assert "signature" in refusal(f"{header}.{other}.{signature}", key)


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS512", "RS256", "ES256", None, 5, ["HS256"]])
def test_an_algorithm_of_the_tokens_own_choice_is_refused(key: Key, algorithm: object) -> None:
    assert "no token" in refusal(forged({"alg": algorithm, "kid": "first"}, GOOD), key)


def test_a_public_key_is_no_secret_that_signs(key: Key) -> None:
    """The old trick: sign by HMAC, with the public key that everybody knows as the secret."""
    private = Ed25519PrivateKey.generate()
    public = Key("first", Algorithm.EDDSA, private.public_key())
    for encoding, form in (
        (serialization.Encoding.Raw, serialization.PublicFormat.Raw),
        (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
        (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ):
        known = private.public_key().public_bytes(encoding, form)
        header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').rstrip(b"=").decode()
        claims = forged({}, GOOD).split(".")[1]
        signature = hmac.digest(known, f"{header}.{claims}".encode(), hashlib.sha256)
        token = f"{header}.{claims}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        assert "another algorithm" in refusal(token, public)


def test_critical_headers_are_not_understood(key: Key) -> None:
    token = jwt.encode(GOOD, key.material, algorithm=key.algorithm.value, headers={"kid": "first", "crit": ["exp"]})  # type: ignore[arg-type]
    refusal(token, key)


def test_keys_are_told_apart_by_name_and_a_new_one_comes_beside_the_old(key: Key) -> None:
    newer = Key("second", Algorithm.HS256, secrets.token_bytes(32))
    old_token, new_token = issue_token(key, GOOD), issue_token(newer, GOOD)
    for token in (old_token, new_token):
        verify(token, key, newer)
    assert "not known" in refusal(old_token, newer), "the old key is gone"
    nameless = replace(newer, kid="")
    assert "not known" in refusal(issue_token(nameless, GOOD), key, newer), "which of two it is is not tried out"
    verify(issue_token(newer, GOOD), nameless)
    assert "not known" in refusal(old_token)


def test_a_token_has_a_bound(key: Key) -> None:
    assert "too long" in refusal(issue_token(key, {**GOOD, "x": "y" * MAX_TOKEN_CHARS}), key)


@given(st.one_of(st.text(max_size=200), st.lists(st.binary(max_size=60), min_size=3, max_size=3)))
@settings(max_examples=examples(200))
def test_whatever_comes_is_a_token_or_is_refused(text: str | list[bytes]) -> None:
    if isinstance(text, list):
        text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in text)
    refusal(text, Key("", Algorithm.HS256, b"k" * 32))
    with pytest.raises(RemoteError):
        inspect_token(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "publish", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "name", "nbf", "iss", "sfu"]), JSON))
@settings(max_examples=examples(200))
def test_whatever_a_signer_says_is_granted_or_refused(change: dict[str, Any]) -> None:
    signed = forged({"alg": "HS256"}, {**GOOD, **change}).rpartition(".")[0]
    signature = hmac.digest(b"k" * 32, signed.encode(), hashlib.sha256)
    token = f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    try:
        found = verify(token, Key("", Algorithm.HS256, b"k" * 32))
    except RemoteError as error:
        if error.code != "unauthorized":
            raise
        return
    assert found.expires_at is not None


def test_inspecting_shows_what_is_written(key: Key) -> None:
    header, claims = inspect_token(issue_token(key, GOOD))
    assert (header["alg"], header["kid"], claims) == (key.algorithm, "first", GOOD)


def test_what_was_revoked_is_good_no_longer_and_everything_else_is(key: Key) -> None:
    access = Access(keys=StaticKeys([key]))
    ann, bob = issue_token(key, GOOD), issue_token(key, {**GOOD, "sub": "bob", "jti": "t2"})
    asyncio.run(access.verify(ann, NOW))
    access.revocations.revoke(NOW, token_id="t1")
    with pytest.raises(RemoteError, match="revoked"):
        asyncio.run(access.verify(ann, NOW))
    asyncio.run(access.verify(bob, NOW))
    access.revocations.revoke(NOW, identity="bob")
    with pytest.raises(RemoteError, match="revoked"):
        asyncio.run(access.verify(bob, NOW))


def test_keys_and_tokens_do_not_show_in_what_is_printed(key: Key) -> None:
    material = key.material
    shown = repr(material) if isinstance(material, bytes) else "Ed25519"
    assert shown not in repr(key)
