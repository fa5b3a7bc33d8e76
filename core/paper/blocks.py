"""Blocks and node information as a node's framework service shows them. Hashes are made up, but the
same for the same block.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.crypto.ed25519.keys_pb2 import PubKey

from core.paper.exchange import Exchange
from core.paper.transactions import encode_address

PUBLIC_KEY: Final = hashlib.sha256(b"perpgram paper validator key").digest()
PROPOSER: Final = hashlib.sha256(b"perpgram paper proposer").digest()[:20]
_CHANNELS: Final = bytes.fromhex("402021222330386061")
_VALIDATORS: Final = hashlib.sha256(b"perpgram paper validators").digest()


def latest_block(exchange: Exchange) -> tendermint.GetLatestBlockResponse:
    """The last published block."""
    answer = tendermint.GetLatestBlockResponse()
    _fill(answer, exchange, exchange.height)
    return answer


def block_by_height(exchange: Exchange, height: int) -> tendermint.GetBlockByHeightResponse:
    """A published block. One older than the last thousand carries no time."""
    answer = tendermint.GetBlockByHeightResponse()
    _fill(answer, exchange, height)
    return answer


def node_info(exchange: Exchange, moniker: str) -> tendermint.GetNodeInfoResponse:
    """Versions and names, as a node of the real software of this version gives them."""
    answer = tendermint.GetNodeInfoResponse()
    node = answer.default_node_info
    node.protocol_version.p2p, node.protocol_version.block = 8, 11
    node.default_node_id = hashlib.sha256(moniker.encode()).hexdigest()[:40]
    node.network, node.version, node.moniker = exchange.chain_id, "0.38.5", moniker
    node.listen_addr, node.channels = "tcp://127.0.0.1:26656", _CHANNELS
    node.other.tx_index, node.other.rpc_address = "on", "tcp://127.0.0.1:26657"
    version = answer.application_version
    version.name, version.app_name, version.version = "dydxprotocol", "dydxprotocold", "9.6.1"
    version.cosmos_sdk_version = "v0.50.6"
    return answer


def validator_set(
    exchange: Exchange, height: int | None = None
) -> tendermint.GetLatestValidatorSetResponse:
    """The one validator, at the last height or another."""
    answer = tendermint.GetLatestValidatorSetResponse(block_height=height or exchange.height)
    one = answer.validators.add(
        address=encode_address(PROPOSER, "dydxvalcons"), voting_power=500_000
    )
    one.pub_key.Pack(PubKey(key=PUBLIC_KEY), type_url_prefix="/")
    answer.pagination.total = 1
    return answer


def block_hash(exchange: Exchange, height: int) -> bytes:
    """The made-up hash of a block."""
    return hashlib.sha256(f"{exchange.chain_id} block {height}".encode()).digest()


def _fill(answer: Any, exchange: Exchange, height: int) -> None:
    answer.block_id.hash = block_hash(exchange, height)
    answer.block_id.part_set_header.total = 1
    answer.block_id.part_set_header.hash = hashlib.sha256(answer.block_id.hash).digest()
    transactions = exchange.transactions_of(height)
    for block in (answer.block, answer.sdk_block):
        header = block.header
        header.version.block = 11
        header.chain_id = exchange.chain_id
        header.height = height
        if (time := exchange.time_of(height)) is not None:
            header.time.FromDatetime(time)
        header.last_block_id.hash = block_hash(exchange, height - 1)
        header.last_block_id.part_set_header.total = 1
        header.app_hash = hashlib.sha256(f"app {height}".encode()).digest()
        header.validators_hash = header.next_validators_hash = _VALIDATORS
        block.data.txs.extend(transactions)
        block.last_commit.height = height - 1
    answer.block.header.proposer_address = PROPOSER
    answer.sdk_block.header.proposer_address = encode_address(PROPOSER)
