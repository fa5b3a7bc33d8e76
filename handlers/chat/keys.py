"""Trading keys: the offer to make one from a phrase, work on one, and taking one away."""

from __future__ import annotations

from aiogram import Bot, F, Router
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from core.trading.views import DeskError, TraderView
from handlers.chat.buttons import KeyButton, OfferButton
from handlers.chat.deps import ChatDeps
from handlers.chat.middlewares import erase_for_good
from handlers.chat.sending import answer, edit, say, show
from handlers.chat.states import Connecting
from handlers.chat.texts import key_work as work_texts
from handlers.chat.texts import keys as texts
from handlers.chat.texts import onboarding


def build_router() -> Router:
    """Offers, and the buttons under messages about keys."""
    router = Router(name=__name__)
    router.callback_query.register(make, Connecting.offer, OfferButton.filter(F.do == "make"))
    router.callback_query.register(check, Connecting.offer, OfferButton.filter(F.do == "check"))
    router.callback_query.register(other, Connecting.offer, OfferButton.filter())
    router.callback_query.register(show_work, KeyButton.filter(F.action == "show"))
    router.callback_query.register(retry, KeyButton.filter(F.action == "retry"))
    router.callback_query.register(ask_abandon, KeyButton.filter(F.action == "abandon"))
    router.callback_query.register(abandon, KeyButton.filter(F.action == "abandon_yes"))
    router.callback_query.register(erase_now, KeyButton.filter(F.action == "erase"))
    router.callback_query.register(check_removed, KeyButton.filter(F.action == "check"))
    router.callback_query.register(ask_removal, KeyButton.filter(F.action == "remove"))
    router.message.register(take_removal_phrase, Connecting.removal)
    return router


# the offer


async def offer_for_phrase(
    bot: Bot,
    chat_id: int,
    shown: int,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    phrase: str,
    deleted: bool,
) -> None:
    """Shows what a trading key takes, in the message `shown`. Raises DeskError."""
    data = await state.get_data()
    found = await deps.desk.offer_key(trader, data["network"], phrase)
    await state.set_data({**data, "token": found.token})
    await state.set_state(Connecting.offer)
    line = onboarding.deletion_line(deleted=deleted)
    await edit(bot, chat_id, shown, texts.offer(found, deleted_line=line))


async def make(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Yes: the keys are sealed, and the work begins."""
    await answer(query, "Making the key…")
    data = await state.get_data()
    token = str(data.get("token", ""))
    shown = await show(bot, query, work_texts.making())
    try:
        await deps.desk.make_key(trader, token, shown)
    except DeskError as error:
        if error.code == "fee_missing":
            found = await deps.desk.check_offer(trader, token)
            await edit(bot, query.from_user.id, shown, texts.offer(found))
            return
        if error.code == "preview_gone":
            await _ask_again(bot, query.from_user.id, state, data)
            return
        await state.clear()
        raise
    await state.clear()


async def check(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """The wallet once more."""
    await answer(query, "Looking…")
    data = await state.get_data()
    try:
        found = await deps.desk.check_offer(trader, str(data.get("token", "")))
    except DeskError as error:
        if error.code != "preview_gone":
            raise
        await _ask_again(bot, query.from_user.id, state, data)
        return
    await show(bot, query, texts.offer(found))


async def _ask_again(bot: Bot, chat_id: int, state: FSMContext, data: dict[str, object]) -> None:
    await state.set_data({"network": data["network"], "way": "once"})
    await state.set_state(Connecting.phrase)
    await say(bot, chat_id, onboarding.ask_again())


async def other(
    query: CallbackQuery, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Another way to connect; the phrase's key is forgotten."""
    await answer(query)
    data = await state.get_data()
    deps.desk.forget_preview(trader, str(data.get("token", "")))
    await state.clear()
    await show(bot, query, texts.ways(data["network"]))


# work under way


async def show_work(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: KeyButton
) -> None:
    """How work on a key stands, from the list of accounts."""
    works = {work.id: work for work in await deps.desk.open_key_work(trader)}
    work = works.get(callback_data.work_id)
    if work is None:
        raise DeskError("unknown_work", "This is over; there is nothing to do any more.")
    await answer(query)
    screen = work_texts.told(work) if work.state == "stuck" else work_texts.progress(work)
    await show(bot, query, screen)


async def retry(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: KeyButton
) -> None:
    """Goes on where it stopped."""
    await answer(query, "Going on…")
    shown = await show(bot, query, work_texts.making())
    work = await deps.desk.retry_key(trader, callback_data.work_id, shown)
    await edit(bot, query.from_user.id, shown, work_texts.progress(work))


async def ask_abandon(query: CallbackQuery, bot: Bot, callback_data: KeyButton) -> None:
    """Before both keys are erased."""
    await answer(query)
    await show(bot, query, work_texts.confirm_abandon(callback_data.work_id))


async def abandon(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: KeyButton
) -> None:
    """Erases both keys; the end is told as a message of its own."""
    await answer(query, "Erasing…")
    work = await deps.desk.abandon_key(trader, callback_data.work_id)
    await show(bot, query, work_texts.progress(work))


async def erase_now(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: KeyButton
) -> None:
    """Erases the key of an account whose orders could not be cancelled."""
    await answer(query, "Erasing…")
    work = await deps.desk.erase_now(trader, callback_data.work_id)
    await show(bot, query, work_texts.progress(work))


# the permission on chain


async def check_removed(
    query: CallbackQuery, bot: Bot, deps: ChatDeps, trader: TraderView, callback_data: KeyButton
) -> None:
    """Whether the chain lists the key still."""
    gone = await deps.desk.is_revoked(trader, callback_data.work_id)
    work = await deps.desk.key_work(callback_data.work_id)
    await answer(query)
    screen = work_texts.revoked(work.authenticator_id) if gone else work_texts.still_listed(work)
    await say(bot, query.from_user.id, screen)


async def ask_removal(
    query: CallbackQuery,
    bot: Bot,
    state: FSMContext,
    deps: ChatDeps,
    trader: TraderView,
    callback_data: KeyButton,
) -> None:
    """Asks for the phrase that signs the removal."""
    gone = await deps.desk.is_revoked(trader, callback_data.work_id)
    work = await deps.desk.key_work(callback_data.work_id)
    await answer(query)
    if gone:
        await say(bot, query.from_user.id, work_texts.revoked(work.authenticator_id))
        return
    await state.set_data(
        {"network": work.network, "way": "remove", "work_id": callback_data.work_id}
    )
    await state.set_state(Connecting.removal)
    await say(bot, query.from_user.id, work_texts.ask_removal(work))


async def take_removal_phrase(
    message: Message, bot: Bot, state: FSMContext, deps: ChatDeps, trader: TraderView
) -> None:
    """Deletes the message, signs once, forgets the phrase."""
    deleted = await erase_for_good(bot, deps, message)
    chat_id = message.chat.id
    if not message.text:
        await say(bot, chat_id, onboarding.secret_needs_text(deleted=deleted))
        return
    data = await state.get_data()
    line = onboarding.deletion_line(deleted=deleted)
    shown = (await say(bot, chat_id, onboarding.looking_up(deleted=deleted))).message_id
    try:
        await edit(bot, chat_id, shown, work_texts.removing(deleted_line=line))
        await deps.desk.remove_key(trader, int(data["work_id"]), message.text, shown)
    except DeskError as error:
        if error.code == "not_listed":
            work = await deps.desk.key_work(int(data["work_id"]))
            await state.clear()
            await edit(bot, chat_id, shown, work_texts.revoked(work.authenticator_id))
            return
        screen = work_texts.removal_refused(error.text, deleted_line=line)
        await edit(bot, chat_id, shown, screen)
        return
    await state.clear()
