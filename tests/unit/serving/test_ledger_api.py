"""The ledger over HTTP: what a stranger with a public key can follow and check, and what they are told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.domain.tokens import Role, RoleGiven, RoleTaken, TokenCreated, TokenRevoked
from runtime.ledger.checkpoint import open_checkpoint
from runtime.ledger.log import Log
from runtime.ledger.merkle import Frontier, complete_root, leaf_hash, verify_consistency, verify_inclusion
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from runtime.ledger.tiles import tile_path
from runtime.serving.authentication.errors import NotAllowed, Unauthenticated
from runtime.serving.authentication.gate import Gate, Open, Required
from runtime.serving.authentication.pepper import NewKey, Pepper
from runtime.serving.ledger_api import Ledger, application
from runtime.serving.ledger_readers import Readers

ENTRIES = 600
OLD = 300
OPEN = Open()
Get = Callable[..., httpx.Response]


def now() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


def suspended(number: int, reason: str = "drift") -> Draft:
    return Draft(ModelSuspended(model=f"m-{number}", reason=reason), "user:ada", f"event-{number}")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite: what is read here is read alike on both, as the ledger's own tests show."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def log(database_url: str) -> Iterator[Log]:
    with Log.open(database_url, now) as log:
        yield log


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(SigningKey.load_or_create(tmp_path / "key.pem"), "example.org/ledger")


@pytest.fixture
def get(log: Log, database_url: str) -> Iterator[Get]:
    """Asks the application, mounted at /api, as Serve mounts it."""
    ledger = Ledger(database_url)
    yield asking(ledger)
    ledger.close()


def asking(ledger: Ledger, gate: Gate = OPEN, headers: dict[str, str] | None = None) -> Get:
    transport = httpx.ASGITransport(application(ledger, gate), raise_app_exceptions=False, root_path="/api")

    async def asked(path: str, method: str, params: dict[str, int | str] | None) -> httpx.Response:
        base_url = "http://fleet/api/v1/ledger/"
        async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers) as client:
            return await client.request(method, path, params=params)

    def get(path: str, method: str = "GET", **params: int | str) -> httpx.Response:
        return asyncio.run(asked(path, method, {name.rstrip("_"): value for name, value in params.items()} or None))

    return get


@pytest.fixture
def grown(log: Log, signer: Signer) -> None:
    """600 entries, with checkpoints of 300 and of all."""
    publisher = Publisher(log, signer, now)
    for start in (0, OLD):
        log.append([suspended(number) for number in range(start, start + ENTRIES - OLD)])
        publisher.publish()


def error_of(answer: httpx.Response) -> str:
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    assert document["error"] == document["detail"]
    return str(document["error"])


def hashes_of(document: dict[str, list[str]]) -> list[bytes]:
    return [bytes.fromhex(each) for each in document["hashes"]]


def test_the_checkpoint_is_the_note_as_it_was_signed(grown: None, get: Get, signer: Signer, log: Log) -> None:
    answer = get("checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    checkpoint, _ = open_checkpoint(answer.content, [signer.verifier])
    assert (checkpoint.size, checkpoint.root.hex()) == (ENTRIES, log.root)


def test_an_entry_comes_with_the_bytes_that_were_hashed(grown: None, get: Get) -> None:
    document = get("entries/7").json()
    assert document["leaf_hash"] == leaf_hash(document["leaf"].encode()).hex()
    assert document["entry"]["event"]["model"] == "m-7"
    assert document["entry"]["principal"] == "user:ada"


@pytest.mark.parametrize("seq", [0, 255, 256, ENTRIES - 1])
def test_an_inclusion_proof_leads_from_the_leaf_to_the_signed_root(
    seq: int, grown: None, get: Get, signer: Signer
) -> None:
    proof = get("proof/inclusion", seq=seq).json()
    checkpoint, _ = open_checkpoint(proof["checkpoint"].encode(), [signer.verifier])
    leaf = leaf_hash(proof["leaf"].encode())
    assert verify_inclusion(leaf, seq, checkpoint.size, hashes_of(proof), checkpoint.root)


def test_a_consistency_proof_leads_from_a_kept_root_to_the_signed_one(grown: None, get: Get, signer: Signer) -> None:
    proof = get("proof/consistency", from_=OLD).json()
    checkpoint, _ = open_checkpoint(proof["checkpoint"].encode(), [signer.verifier])
    old = bytes.fromhex(get("proof/consistency", from_=10, to=OLD).json()["root"])
    assert verify_consistency(OLD, ENTRIES, hashes_of(proof), old, checkpoint.root)


def test_a_client_of_tiles_rebuilds_the_tree_and_reads_every_entry(grown: None, get: Get, signer: Signer) -> None:
    """As any C2SP client would, knowing nothing of this ledger but its key."""
    checkpoint, _ = open_checkpoint(get("checkpoint").content, [signer.verifier])
    frontier, leaves = Frontier(), list[bytes]()
    for position in range(0, checkpoint.size, 256):
        width = min(256, checkpoint.size - position)
        path = tile_path(0, position // 256, width)
        answer = get(path)
        assert answer.headers["cache-control"] == ("max-age=31536000, immutable" if width == 256 else "no-cache")
        hashes = [answer.content[at : at + 32] for at in range(0, len(answer.content), 32)]
        frontier.extend(hashes)
        leaves += bundle_of(get(path.replace("tile/0/", "tile/entries/")).content)
        assert [leaf_hash(leaf) for leaf in leaves[position:]] == hashes
    assert (frontier.size, frontier.root()) == (checkpoint.size, checkpoint.root)
    first = get(tile_path(0, 0)).content
    above = get(tile_path(1, 0, ENTRIES // 256)).content
    assert above[:32] == complete_root([first[at : at + 32] for at in range(0, len(first), 32)])


def bundle_of(content: bytes) -> list[bytes]:
    found = []
    while content:
        length = int.from_bytes(content[:2], "big")
        found.append(content[2 : 2 + length])
        content = content[2 + length :]
    return found


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("entries/600", 404, "the ledger never held entry 600: it has 600 entries"),
        ("entries/-1", 400, "path seq: got '-1'; expected a number from 0"),
        ("entries/99999999999999999999", 400, "expected a number from 0"),
        ("entries/%D9%A1", 400, "expected a number from 0"),
        ("proof/inclusion", 400, "query: got no seq; expected seq=NUMBER"),
        ("proof/inclusion?seq=x", 400, "query seq: got 'x'"),
        ("proof/inclusion?seq=1&seq=2", 400, "query: got seq 2 times; expected once"),
        ("proof/inclusion?seq=1&sise=2", 400, "got 'sise'; expected seq, size"),
        ("proof/inclusion?seq=600", 404, "entry 600"),
        ("proof/inclusion?seq=9&size=9", 404, "entry 9 in a tree of 9"),
        ("proof/inclusion?seq=9&size=9223372036854775807", 404, "a tree of 9223372036854775807"),
        ("proof/consistency?from=5&to=4", 404, "a tree of 5 in one of 4"),
        ("proof/consistency?from=1&to=601", 404, "a tree of 601"),
        ("tile/0/002", 404, "never held tile/0/002"),
        ("tile/0/002.p/89", 404, "never held tile/0/002.p/89"),
        ("tile/1/000.p/3", 404, "never held tile/1/000.p/3"),
        ("tile/63/999", 404, "never held tile/63/999"),
        ("tile/64/000", 404, "levels are 0 to 63"),
        ("tile/0/0", 404, "names no tile"),
        ("tile/00/000", 404, "one spelling"),
        ("tile/0/x000/001", 404, "one spelling"),
        ("tile/0/000.p/0", 404, "1 to 255"),
        ("tile/0/000.p/256", 404, "1 to 255"),
        ("tile/0/000.p/01", 404, "one spelling"),
        ("tile/entries/002.p/89", 404, "never held tile/entries/002.p/89"),
        ("nothing", 404, "nothing is at GET /api/v1/ledger/nothing"),
    ],
)
def test_what_is_not_there_or_not_understood_is_said(path: str, status: int, told: str, grown: None, get: Get) -> None:
    answer = get(path)
    assert answer.status_code == status
    assert told in error_of(answer)


def test_nothing_can_be_changed(grown: None, get: Get) -> None:
    answer = get("checkpoint", method="POST")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert error_of(answer) == "nothing is at POST /api/v1/ledger/checkpoint"


def test_a_ledger_without_a_checkpoint_says_so_and_proves_its_entries(get: Get, log: Log) -> None:
    log.append([suspended(0)])
    assert error_of(get("checkpoint")) == "no checkpoint of this ledger was published yet"
    proof = get("proof/inclusion", seq=0).json()
    assert (proof["size"], proof["root"], "checkpoint" in proof) == (1, log.root, False)


def test_an_entry_too_long_for_a_bundle_can_be_asked_for_alone(get: Get, log: Log) -> None:
    log.append([suspended(0, "x" * 70_000)])
    answer = get("tile/entries/000.p/1")
    assert answer.status_code == 501
    assert "ask for entries/0" in error_of(answer)
    assert get("entries/0").json()["entry"]["event"]["reason"] == "x" * 70_000


def test_a_ledger_that_is_not_there_yet_is_found_once_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'later.db'}"
    ledger = Ledger(url)
    get = asking(ledger)
    answer = get("entries/0")
    assert answer.status_code == 503
    assert error_of(answer).endswith("later.db: no such file")
    with Log.open(url, now) as log:
        log.append([suspended(0)])
        assert get("entries/0").status_code == 200
    ledger.close()


def test_contents_are_for_auditors_and_what_proves_growth_for_all(
    grown: None, log: Log, database_url: str, tmp_path: Path
) -> None:
    pepper = Pepper.load_or_create(tmp_path / "pepper")
    auditor, client = recorded_key(log, pepper, Role.AUDITOR), recorded_key(log, pepper, Role.CLIENT)
    ledger = Ledger(database_url)
    required = Required(pepper, clock=lambda: now().timestamp())
    nobody, asking_client, asking_auditor = (
        asking(ledger, required, headers)
        for headers in ({}, {"authorization": f"Bearer {client.text}"}, {"authorization": f"Bearer {auditor.text}"})
    )
    for path in ("checkpoint", "proof/consistency?from=300&to=600", "tile/0/000"):
        assert nobody(path).status_code == 200, path
    for path in ("entries/0", "proof/inclusion?seq=0", "tile/entries/000"):
        refused = nobody(path)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="fleetward"'), path
        assert "it needs the role auditor" in error_of(asking_client(path))
        assert asking_auditor(path).status_code == 200, path
    ledger.close()


def test_a_reader_is_who_the_ledger_says_within_a_second(log: Log, database_url: str, tmp_path: Path) -> None:
    pepper, ledger, passed = Pepper.load_or_create(tmp_path / "pepper"), Ledger(database_url), [0.0]
    readers = Readers(Required(pepper, clock=lambda: now().timestamp()), ledger.opened, elapsed=lambda: passed[0])
    key = recorded_key(log, pepper, Role.CLIENT)
    headers = {b"authorization": f"Bearer {key.text}".encode()}

    def admitted() -> str:
        passed[0] += 1
        try:
            asyncio.run(readers.admit(headers))
        except (NotAllowed, Unauthenticated) as error:
            return error.reason
        return "admitted"

    assert admitted() == "it needs the role auditor"
    log.append([Draft.fresh(RoleGiven(principal="user:eve", role=Role.AUDITOR, reason="audit"), "user:root")])
    assert admitted() == "admitted"
    log.append([Draft.fresh(RoleTaken(principal="user:eve", role=Role.AUDITOR, reason="over"), "user:root")])
    assert admitted() == "it needs the role auditor"
    log.append([Draft.fresh(TokenRevoked(token=key.token, reason="lost"), "user:root")])
    assert admitted() == f"key {key.token} was revoked"
    ledger.close()


def recorded_key(log: Log, pepper: Pepper, role: Role) -> NewKey:
    """A key of eve's that the ledger knows."""
    made = pepper.new_key()
    created = TokenCreated(
        token=made.token, name="eve", roles=(role,), expires=now() + timedelta(days=1), secret=made.secret
    )
    log.append([Draft.fresh(created, "user:root")])
    return made
