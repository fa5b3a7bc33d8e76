"""The methods of the Bot API by name, and those about messages.

Error texts are Telegram's own, as its Bot API server sends them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from bot.emulator import media, profile
from bot.emulator.errors import bad_request
from bot.emulator.markup import checked_markup, is_inline
from bot.emulator.parameters import Parameters, word
from bot.emulator.state import CALLBACK_LIFE, DELETABLE_FOR, Message, Person, Telegram
from bot.emulator.text import (
    MAX_CAPTION_UNITS,
    MAX_TEXT_UNITS,
    Entity,
    formatted,
    units,
)

Method = Callable[[Telegram, Parameters], Any]

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
QUERY_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
MAX_ANSWER_CHARACTERS = 200
TYPING_FOR = dt.timedelta(seconds=5)
_CHAT_ACTIONS = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}


def get_me(telegram: Telegram, parameters: Parameters) -> Any:
    return {
        **telegram.bot_user(),
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def send_message(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    text, entities = _text(parameters)
    message = _draft(telegram, person, parameters)
    message.text, message.entities = text, entities
    return _sent(telegram, person, [message])[0]


def send_photo(telegram: Telegram, parameters: Parameters) -> Any:
    return _send_file(telegram, parameters, "photo")


def send_document(telegram: Telegram, parameters: Parameters) -> Any:
    return _send_file(telegram, parameters, "document")


def _send_file(telegram: Telegram, parameters: Parameters, kind: media.Kind) -> Any:
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    file = media.file_of(telegram, parameters, kind, parameters.values.get(kind), kind)
    text, entities = _caption(parameters)
    message = _draft(telegram, person, parameters)
    message.file, message.text, message.entities = file, text, entities
    return _sent(telegram, person, [message])[0]


def send_media_group(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    items = media.group_of(telegram, parameters)
    contents = [
        (file, _checked_caption(formatted(caption, mode, entities)))
        for file, caption, mode, entities in items
    ]
    group_id = str(telegram.random.below(1 << 53))
    messages: list[Message] = []
    for file, (text, entities) in contents:
        message = _draft(telegram, person, parameters)
        message.file, message.text, message.entities = file, text, entities
        message.media_group_id = group_id
        messages.append(message)
    return _sent(telegram, person, messages)


def edit_message_text(telegram: Telegram, parameters: Parameters) -> Any:
    person, message = _own_message(telegram, parameters)
    text, entities = _text(parameters)
    if message.file is not None:
        raise bad_request("there is no text in the message to edit")
    return _edit(telegram, person, message, parameters, text, entities)


def edit_message_caption(telegram: Telegram, parameters: Parameters) -> Any:
    person, message = _own_message(telegram, parameters)
    text, entities = _caption(parameters)
    if message.file is None:
        raise bad_request("there is no caption in the message to edit")
    return _edit(telegram, person, message, parameters, text, entities)


def edit_message_media(telegram: Telegram, parameters: Parameters) -> Any:
    person, message = _own_message(telegram, parameters)
    item = parameters.structure("media", "input media")
    file, caption, mode, entities = media.item_of(telegram, parameters, item)
    text, found = _checked_caption(formatted(caption, mode, entities))
    if message.media_group_id is not None and message.file and message.file.kind != file.kind:
        raise bad_request("can't use the media of the specified type in the album")
    return _edit(telegram, person, message, parameters, text, found, file)


def edit_message_reply_markup(telegram: Telegram, parameters: Parameters) -> Any:
    person, message = _own_message(telegram, parameters)
    return _edit(telegram, person, message, parameters, message.text, message.entities)


def delete_message(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.known_person(parameters.text("chat_id"))
    message_id = parameters.integer("message_id")
    if message_id <= 0:
        raise bad_request("message identifier is not specified")
    message = telegram.visible(person.id, message_id)
    if message is None:
        raise bad_request("message to delete not found")
    if telegram.now() - message.at > DELETABLE_FOR:
        raise bad_request("message can't be deleted for everyone")
    message.deleted = True
    telegram.pulse.beat()
    return True


def delete_messages(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.known_person(parameters.text("chat_id"))
    given = parameters.structure("message_ids", "message identifiers")
    if not isinstance(given, list) or not given:
        raise bad_request("message identifiers are not specified")
    if len(given) > 100:
        raise bad_request("too many message identifiers specified")
    try:
        message_ids = [int(one) for one in given]
    except (TypeError, ValueError):
        raise bad_request("can't parse message identifier as a Number") from None
    found = [telegram.visible(person.id, one) for one in message_ids]
    messages = [one for one in found if one is not None]
    if any(telegram.now() - one.at > DELETABLE_FOR for one in messages):
        raise bad_request("message can't be deleted for everyone")
    for message in messages:
        message.deleted = True
    telegram.pulse.beat()
    return True


def answer_callback_query(telegram: Telegram, parameters: Parameters) -> Any:
    press = telegram.presses.get(parameters.text("callback_query_id"))
    text = parameters.text("text")
    if units(text) > MAX_ANSWER_CHARACTERS:
        raise bad_request("MESSAGE_TOO_LONG")
    if press is None or press.answered or telegram.clock.now() - press.at > CALLBACK_LIFE:
        raise bad_request(QUERY_TOO_OLD)
    press.answered = True
    press.answer = text
    press.alert = parameters.boolean("show_alert")
    press.answered_at = telegram.clock.now()
    telegram.pulse.beat()
    return True


def send_chat_action(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    action = parameters.text("action").lower()
    if not action:
        raise bad_request("wrong parameter action in request")
    if action not in _CHAT_ACTIONS:
        raise bad_request("wrong parameter action in request")
    person.typing_until = telegram.clock.now() + TYPING_FOR
    telegram.pulse.beat()
    return True


def pin_chat_message(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    message = telegram.visible(person.id, parameters.integer("message_id"))
    if message is None:
        raise bad_request("message to pin not found")
    message.pinned = True
    notice = telegram.new_message(person.id, "service")
    notice.text = ""
    notice.pinned_id = message.id
    telegram.add(notice)
    telegram.updates.put("message", telegram.message_to_api(notice))
    return True


def unpin_chat_message(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    pinned = telegram.pinned_in(person.id)
    wanted = parameters.integer("message_id")
    if wanted:
        pinned = [one for one in pinned if one.id == wanted]
    if not pinned:
        raise bad_request("message to unpin not found")
    pinned[-1].pinned = False
    telegram.pulse.beat()
    return True


def unpin_all_chat_messages(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    for message in telegram.pinned_in(person.id):
        message.pinned = False
    telegram.pulse.beat()
    return True


def get_chat(telegram: Telegram, parameters: Parameters) -> Any:
    person = telegram.known_person(parameters.text("chat_id"))
    chat: dict[str, Any] = {
        **person.chat(),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            "unlimited_gifts": True,
            "limited_gifts": True,
            "unique_gifts": True,
            "premium_subscription": True,
            "gifts_from_channels": True,
        },
    }
    pinned = telegram.pinned_in(person.id)
    if pinned:
        chat["pinned_message"] = telegram.message_to_api(pinned[-1])
    return chat


def _text(parameters: Parameters) -> tuple[str, list[Entity]]:
    raw = parameters.text("text")
    if not raw:
        raise bad_request("message text is empty")
    entities = parameters.structure("entities", "entities")
    text, found = formatted(raw, parameters.text("parse_mode"), entities)
    if not text:
        raise bad_request("text must be non-empty")
    if units(text) > MAX_TEXT_UNITS:
        raise bad_request("message is too long")
    return text, found


def _caption(parameters: Parameters) -> tuple[str, list[Entity]]:
    entities = parameters.structure("caption_entities", "caption entities")
    return _checked_caption(
        formatted(parameters.text("caption"), parameters.text("parse_mode"), entities)
    )


def _checked_caption(caption: tuple[str, list[Entity]]) -> tuple[str, list[Entity]]:
    if units(caption[0]) > MAX_CAPTION_UNITS:
        raise bad_request("message caption is too long")
    return caption


def _draft(telegram: Telegram, person: Person, parameters: Parameters) -> Message:
    """A message with all that is common to everything that is sent; not yet in the chat."""
    markup = checked_markup(parameters.structure("reply_markup", "reply keyboard markup"))
    reply_to, quote = _reply(telegram, person, parameters)
    message = telegram.new_message(person.id, "bot")
    message.reply_to, message.quote = reply_to, quote
    message.protected = parameters.boolean("protect_content")
    if is_inline(markup):
        message.markup = markup
    elif markup is not None:
        message.has_reply_keyboard = True
        rows = markup.get("keyboard", [])
        person.reply_keyboard = [[button["text"] for button in row] for row in rows]
    return message


def _reply(
    telegram: Telegram, person: Person, parameters: Parameters
) -> tuple[int | None, str | None]:
    given = parameters.structure("reply_parameters", "reply parameters")
    if given is None:
        wanted = parameters.integer("reply_to_message_id")
        given = {
            "message_id": wanted,
            "allow_sending_without_reply": parameters.boolean("allow_sending_without_reply"),
        }
        if not wanted:
            return None, None
    if not isinstance(given, dict):
        raise bad_request("object expected as reply parameters")
    if not given:
        return None, None
    message_id = given.get("message_id")
    if not isinstance(message_id, int):
        raise bad_request('can\'t find field "message_id"')
    original = telegram.visible(person.id, message_id)
    if original is None:
        if given.get("allow_sending_without_reply"):
            return None, None
        raise bad_request("message to be replied not found")
    quote = word(given.get("quote")) or None
    if quote is not None and quote not in original.text:
        raise bad_request("QUOTE_TEXT_INVALID")
    return original.id, quote


def _sent(telegram: Telegram, person: Person, messages: list[Message]) -> list[Any]:
    person.typing_until = None
    return [telegram.message_to_api(telegram.add(message)) for message in messages]


def _own_message(telegram: Telegram, parameters: Parameters) -> tuple[Person, Message]:
    if parameters.text("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    person = telegram.person_to_write_to(parameters.text("chat_id"))
    message_id = parameters.integer("message_id")
    if message_id <= 0:
        raise bad_request("message identifier is not specified")
    message = telegram.visible(person.id, message_id)
    if message is None:
        raise bad_request("message to edit not found")
    if message.sender != "bot" or message.has_reply_keyboard:
        raise bad_request("message can't be edited")
    return person, message


def _edit(
    telegram: Telegram,
    person: Person,
    message: Message,
    parameters: Parameters,
    text: str,
    entities: list[Entity],
    file: Any = None,
) -> Any:
    markup = checked_markup(parameters.structure("reply_markup", "reply keyboard markup"))
    if markup is not None and not is_inline(markup):
        raise bad_request("inline keyboard expected")
    unchanged = (message.text, message.entities, message.markup) == (text, entities, markup)
    if unchanged and file is None:
        raise bad_request(NOT_MODIFIED)
    only_markup = (message.text, message.entities) == (text, entities) and file is None
    message.text, message.entities = text, entities
    if file is not None:
        message.file = file
    message.markup = markup
    if not only_markup:
        message.edited_at = telegram.now()
    telegram.pulse.beat()
    return telegram.message_to_api(message)


COUNTED_BY_LIMITS = {
    "sendmessage",
    "sendphoto",
    "senddocument",
    "sendmediagroup",
    "editmessagetext",
    "editmessagecaption",
    "editmessagemedia",
    "editmessagereplymarkup",
}

METHODS: dict[str, Method] = {
    "getme": get_me,
    "sendmessage": send_message,
    "sendphoto": send_photo,
    "senddocument": send_document,
    "sendmediagroup": send_media_group,
    "editmessagetext": edit_message_text,
    "editmessagecaption": edit_message_caption,
    "editmessagemedia": edit_message_media,
    "editmessagereplymarkup": edit_message_reply_markup,
    "deletemessage": delete_message,
    "deletemessages": delete_messages,
    "answercallbackquery": answer_callback_query,
    "sendchataction": send_chat_action,
    "pinchatmessage": pin_chat_message,
    "unpinchatmessage": unpin_chat_message,
    "unpinallchatmessages": unpin_all_chat_messages,
    "getchat": get_chat,
    "getfile": media.get_file,
    **profile.METHODS,
}
