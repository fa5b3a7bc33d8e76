"""A person who connects an account by its phrase. The paper network plays testnet."""

from __future__ import annotations

from typing import Final

from bip_utils import Bip39MnemonicGenerator, Bip39WordsNum

from bot.emulator.screen import Shown
from core.dydx.keys import SigningKey
from tests.acceptance.process_house import ProcessHouse

WITHIN_S: Final = 60.0


def paper_as_testnet(house: ProcessHouse) -> dict[str, str]:
    """Settings that offer the paper network once more, as the testnet."""
    paper = house.environment()
    return {
        "NETWORKS": "paper,testnet",
        "DYDX_TESTNET_GRPC": paper["DYDX_PAPER_GRPC"],
        "DYDX_TESTNET_REST": paper["DYDX_PAPER_REST"],
        "DYDX_TESTNET_WS": paper["DYDX_PAPER_WS"],
        "DYDX_TESTNET_CHAIN_ID": house.paper.settings.chain_id,
    }


def new_phrase() -> tuple[str, str]:
    """24 words and their address."""
    phrase = str(Bip39MnemonicGenerator().FromWordsNumber(Bip39WordsNum.WORDS_NUM_24))
    return phrase, SigningKey.from_phrase(phrase).address


async def fund(house: ProcessHouse, address: str) -> None:
    """Money from the faucet."""
    answer = await house.http.post(
        f"http://127.0.0.1:{house.paper.rest_port}/faucet/tokens",
        json={"address": address, "subaccountNumber": 0, "amount": 10_000},
    )
    answer.raise_for_status()


async def offer_phrase(house: ProcessHouse) -> None:
    """/start and a tap on testnet: the bot asks for the phrase."""
    house.user.start()
    welcome = await house.user.wait_for_text("Where do you want to start?", WITHIN_S)
    house.user.press(welcome.id, "Testnet")
    ways = await house.user.wait_for_text("How do you want to connect", WITHIN_S)
    house.user.press(ways.id, "3 Keep phrase")
    await house.user.wait_for_text("Send the secret phrase", WITHIN_S)


async def send_phrase(house: ProcessHouse, phrase: str) -> Shown:
    """Sends it; the preview, as a message that was not there before."""
    before = {shown.id for shown in house.user.screen()}
    house.user.say(phrase)

    def preview(screen: list[Shown]) -> Shown | None:
        fresh = [s for s in screen if s.id not in before and "Is this your account?" in s.text]
        return fresh[-1] if fresh else None

    return await house.user.wait_until(preview, WITHIN_S)
