"""Blocks, commits and transactions as CometBFT's JSON-RPC writes them. Hashes and signatures are
made up, but the same for the same block.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from typing import Any, Final

from v4_proto.cosmos.tx.v1beta1.tx_pb2 import Tx

from core.paper import blocks
from core.paper.exchange import Exchange
from core.paper.rpc_params import Json
from core.paper.state import Included
from core.paper.transactions import tx_hash

PUBLIC_KEY: Final = blocks.PUBLIC_KEY
POWER: Final = "500000"
CONSENSUS: Final[Json] = {
    "block": {"max_bytes": "4194304", "max_gas": "-1"},
    "evidence": {
        "max_age_num_blocks": "100000",
        "max_age_duration": "172800000000000",
        "max_bytes": "1048576",
    },
    "validator": {"pub_key_types": ["ed25519"]},
    "version": {},
    "abci": {"vote_extensions_enable_height": "1"},
}


def block(exchange: Exchange, height: int) -> Json:
    """A block with its transactions."""
    return {
        "block_id": block_id(exchange, height),
        "block": {
            "header": header(exchange, height),
            "data": {"txs": [encoded(raw) for raw in exchange.transactions_of(height)]},
            "evidence": {"evidence": []},
            "last_commit": commit(exchange, height - 1),
        },
    }


def header(exchange: Exchange, height: int) -> Json:
    """A block's header."""
    validators = _made_up("validators")
    return {
        "version": {"block": "11"},
        "chain_id": exchange.chain_id,
        "height": str(height),
        "time": go_time(exchange.time_of(height) or exchange.time),
        "last_block_id": block_id(exchange, height - 1),
        "last_commit_hash": _made_up(f"commit {height}"),
        "data_hash": _made_up(f"data {height}"),
        "validators_hash": validators,
        "next_validators_hash": validators,
        "consensus_hash": _made_up("consensus"),
        "app_hash": hexadecimal(hashlib.sha256(f"app {height}".encode()).digest()),
        "last_results_hash": _made_up(f"results {height}"),
        "evidence_hash": _made_up("evidence"),
        "proposer_address": hexadecimal(blocks.PROPOSER),
    }


def block_id(exchange: Exchange, height: int) -> Json:
    """What names a block; the one before the first has no name."""
    if height < 1:
        return {"hash": "", "parts": {"total": 0, "hash": ""}}
    name = blocks.block_hash(exchange, height)
    parts = {"total": 1, "hash": hexadecimal(hashlib.sha256(name).digest())}
    return {"hash": hexadecimal(name), "parts": parts}


def commit(exchange: Exchange, height: int) -> Json:
    """The one validator's signature under a block."""
    seen = exchange.time_of(height + 1) or exchange.time
    signature = hashlib.sha512(f"{exchange.chain_id} {height}".encode()).digest()
    signatures = [
        {
            "block_id_flag": 2,
            "validator_address": hexadecimal(blocks.PROPOSER),
            "timestamp": go_time(seen),
            "signature": encoded(signature),
        }
    ]
    return {
        "height": str(max(height, 0)),
        "round": 0,
        "block_id": block_id(exchange, height),
        "signatures": signatures if height > 0 else [],
    }


def block_meta(exchange: Exchange, height: int) -> Json:
    """A block without its content."""
    transactions = exchange.transactions_of(height)
    return {
        "block_id": block_id(exchange, height),
        "block_size": str(900 + sum(map(len, transactions))),
        "header": header(exchange, height),
        "num_txs": str(len(transactions)),
    }


def transaction(raw: bytes, index: int, found: Included) -> Json:
    """A transaction in its block."""
    return {
        "hash": tx_hash(raw),
        "height": str(found.height),
        "index": index,
        "tx_result": result(found),
        "tx": encoded(raw),
    }


def result(found: Included) -> Json:
    """What became of a transaction."""
    data = bytes.fromhex(found.data)
    return {
        "code": found.code,
        "data": encoded(data) if data else None,
        "log": found.log,
        "info": "",
        "gas_wanted": str(found.gas_wanted),
        "gas_used": str(found.gas_used),
        "events": [] if found.code else _events(found.raw),
        "codespace": found.codespace,
    }


def _events(raw: bytes) -> list[Json]:
    """What every message of a successful transaction tells: its type and its module."""
    events: list[Json] = []
    for index, message in enumerate(Tx.FromString(raw).body.messages):
        attributes = {
            "action": message.type_url,
            "module": message.type_url.split(".")[-2],
            "msg_index": str(index),
        }
        events.append(
            {
                "type": "message",
                "attributes": [
                    {"key": key, "value": value, "index": True} for key, value in attributes.items()
                ],
            }
        )
    return events


def go_time(moment: dt.datetime) -> str:
    """A time as Go writes it in JSON."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def hexadecimal(raw: bytes) -> str:
    """Upper case hex."""
    return raw.hex().upper()


def encoded(raw: bytes) -> str:
    """Base64."""
    return base64.b64encode(raw).decode()


def _made_up(name: str) -> Any:
    return hexadecimal(hashlib.sha256(f"perpgram paper {name}".encode()).digest())
