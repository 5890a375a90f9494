"""Puts objects straight into etcd through its HTTP gateway: through the API server 100,000 of them take minutes."""

import base64
import itertools
from collections.abc import Iterable, Iterator

import orjson

from moorage_dev.failures import DevError
from moorage_dev.rest_client import RestClient

#: etcd takes at most 128 operations, and 1.5 MiB, in a transaction.
_BATCH = 100


def put_all(client: RestClient, pairs: Iterable[tuple[str, bytes]]) -> int:
    """Put keys and values; how many there were.

    Args:
        client: of etcd (`ControlPlane.etcd`); it is closed.
        pairs: what to put.

    Raises:
        DevError: etcd refuses.
    """
    count = 0
    try:
        for batch in _batches(pairs):
            operations = [{"requestPut": {"key": _text(key.encode()), "value": _text(value)}} for key, value in batch]
            answer = client.request("POST", "/v3/kv/txn", body=orjson.dumps({"success": operations}))
            if answer.status != 200:
                raise DevError(f"etcd refuses a transaction: {answer.body[:300].decode(errors='replace')}")
            count += len(batch)
    finally:
        client.close()
    return count


def _batches(pairs: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    iterator = iter(pairs)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield batch


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
