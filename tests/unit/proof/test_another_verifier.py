"""docs/verifying.md is enough to write another verifier: this one shares no line with Fleetward's.

It was written from that page and knows only SHA-256, Ed25519, base64 and RFC 8785. The links of a passport are left to
the first verifier; signatures, hashes and proofs are not.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from runtime.proof.bundle import Deleted
from tests.unit.proof.cases import LOG, WITNESS, automatic, bundle, by_people, deletion, signed, watermarks

Head = tuple[str, int, bytes]


class Wrong(Exception):
    """The file does not verify."""


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def require(fact: object, what: str) -> None:
    if not fact:
        raise Wrong(what)


def opened(note: str, vkey: str) -> Head:
    """Origin, size and root of a note that this key signed, as a log or as a witness."""
    name, digits, encoded = vkey.split("+")
    kind, public = base64.b64decode(encoded)[0], base64.b64decode(encoded)[1:]
    key_hash = sha(name.encode() + b"\n" + bytes([kind]) + public)[:4]
    require(key_hash.hex() == digits, "vkey")
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    for line in lines.splitlines():
        _, signer, content = line.split(" ")
        raw = base64.b64decode(content)
        if signer != name or raw[:4] != key_hash:
            continue
        message, signature = text.encode(), raw[4:]
        if kind == 4:
            seconds, signature = int.from_bytes(raw[4:12], "big"), raw[12:]
            message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            raise Wrong("signature") from None
        origin, size, root = text.splitlines()
        return origin, int(size), base64.b64decode(root)
    raise Wrong("no signature of this key")


def tree(hashes: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, as it is written there."""
    if len(hashes) <= 1:
        return hashes[0] if hashes else sha(b"")
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha(b"\x01" + tree(hashes[:split]) + tree(hashes[split:]))


def root_of(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root that an inclusion proof gives, from the top down: the last node is the sibling of the top split."""
    if size == 1:
        require(not proof and index == 0, "proof length")
        return leaf
    require(proof, "proof length")
    split = 1
    while split * 2 < size:
        split *= 2
    if index < split:
        return sha(b"\x01" + root_of(leaf, index, split, proof[:-1]) + proof[-1])
    return sha(b"\x01" + proof[-1] + root_of(leaf, index - split, size - split, proof[:-1]))


def canonical(content: bytes) -> Any:
    value = json.loads(content)
    require(rfc8785.dumps(value) == content, "canonical JSON")
    return value


def verify_bundle(content: bytes, vkey: str) -> int:
    head, *lines = content.split(b"\n")
    require(lines.pop() == b"", "the last end of line")
    document = canonical(head)
    require((document["format"], document["version"]) == ("fleetward-ledger-bundle", 2), "format")
    deleted = {"bodies": 0, "records": 0}
    hashes, ids, last_time = [], set(), ""
    for line in lines:
        stated, leaf = line[:64], line[65:]
        hashes.append(sha(b"\x00" + leaf))
        require(stated.decode() == hashes[-1].hex() and line[64:65] == b" ", "leaf hash")
        entry = canonical(leaf)
        require(entry.keys() == {"event", "event_id", "principal", "time"}, "fields")
        require(entry["event_id"] not in ids and entry["time"] >= last_time, "id or time")
        ids.add(entry["event_id"])
        if entry["event"]["kind"] == "bodies_deleted":
            deleted["bodies"] += len(entry["event"]["digests"])
            deleted["records"] += entry["event"]["records"]
        last_time = entry["time"]
    size = -1
    for note in document["checkpoints"]:
        origin, size, root = opened(note, vkey)
        require(origin == vkey.split("+", maxsplit=1)[0] and root == tree(hashes[:size]), "root")
    require(size == len(lines), "size")
    require(document["deleted"] == deleted, "deleted")
    return len(lines)


def verify_passport(content: bytes, vkey: str) -> None:
    passport = canonical(content)
    require((passport["format"], passport["version"]) == ("fleetward-decision-passport", 1), "format")
    _, size, root = opened(passport["checkpoint"], vkey)
    entries = dict(passport["entries"])
    for entry in [*entries.pop("consents"), *entries.values()]:
        proof = [bytes.fromhex(node) for node in entry["proof"]]
        leaf = sha(b"\x00" + rfc8785.dumps(entry["leaf"]))
        require(root_of(leaf, entry["seq"], size, proof) == root, "entry")
    segment, grant = (entries[name]["leaf"]["event"] for name in ("segment", "grant"))
    for each in passport["decision"]["records"]:
        proof = [bytes.fromhex(node) for node in each["proof"]]
        leaf, at = sha(b"\x00" + rfc8785.dumps(each["record"])), each["record"]["number"] - segment["first_number"]
        require(root_of(leaf, at, segment["records"], proof).hex() == segment["record_root"], "record")
    spec, approval = (entries[name]["leaf"]["event"] for name in ("spec", "approval"))
    parts = ("approval", "gates", "guardrail", "monitor", "retrain", "risk_tier", "rollout")
    policy = sha(rfc8785.dumps({name: spec["spec"][name] for name in parts if name in spec["spec"]})).hex()
    require(approval["policy"] == f"sha256:{policy}", "policy")
    public = base64.b64decode(entries["governor"]["leaf"]["event"]["public_key"].removeprefix("ed25519:"))
    require(sha(public).hex()[:16] == grant["signed"]["key_id"], "key id")
    signature = base64.b64decode(grant["signed"]["signature"])
    Ed25519PublicKey.from_public_bytes(public).verify(signature, rfc8785.dumps(grant["signed"]["grant"]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 300])
def test_it_verifies_a_bundle(size: int) -> None:
    leaves = watermarks(size)
    assert verify_bundle(bundle(leaves, [signed(leaves, cosigned=True)]), LOG.verifier.vkey) == size


def test_it_verifies_a_bundle_that_tells_of_deleted_bodies() -> None:
    leaves = [*watermarks(2), deletion(2)]
    assert verify_bundle(bundle(leaves, deleted=Deleted(2, 30)), LOG.verifier.vkey) == 3
    with pytest.raises(Wrong, match="deleted"):
        verify_bundle(bundle(leaves), LOG.verifier.vkey)


def test_it_refuses_a_bundle_that_was_changed() -> None:
    leaves = watermarks(20)
    changed = [*leaves[:7], leaves[7].replace(b"governor", b"gouverno"), *leaves[8:]]
    with pytest.raises(Wrong, match="root"):
        verify_bundle(bundle(changed, [signed(leaves)]), LOG.verifier.vkey)


@pytest.mark.parametrize("case", [automatic, by_people])
def test_it_verifies_a_passport(case: Any) -> None:
    verify_passport(case().passport().encode(), LOG.verifier.vkey)


def test_it_verifies_a_cosignature() -> None:
    leaves = watermarks(5)
    origin, size, root = opened(signed(leaves, cosigned=True).decode(), WITNESS.verifier.vkey)
    assert (origin, size, root) == (LOG.verifier.name, 5, tree([sha(b"\x00" + leaf) for leaf in leaves]))


def test_it_refuses_a_passport_that_was_changed() -> None:
    content = automatic().passport().encode()
    for before, after, what in ((b"321.5", b"322.5", "record"), (b"user:dora", b"user:dara", "entry")):
        with pytest.raises(Wrong, match=what):
            verify_passport(content.replace(before, after), LOG.verifier.vkey)
