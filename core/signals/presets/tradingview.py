"""Any other object made of TradingView's placeholders, whatever its author called the fields.

It is turned into a message of our own grammar and read as one. What the author's words leave open
is refused; whatever the fields are called, an order with the position after it never opens the
other side by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from core.signals.alert import Action, Alert, MarketPosition, SizeUnit
from core.signals.fields import ACTIONS, FIELDS, KINDS
from core.signals.grammar import parse_alert
from core.signals.presets import tradingview_words as words
from core.signals.presets.common import (
    FLAT,
    OPPOSITE,
    POSITIONS,
    Content,
    Moment,
    Preset,
    fault,
    plain,
)
from core.signals.presets.reader import Fields, given_secret
from core.signals.presets.strategy import message
from core.signals.presets.texts import text_secret, without_secret
from core.signals.presets.tradingview_plan import (
    check_exit_is_now,
    check_is_market,
    check_is_now,
    check_trigger,
    plan_in,
    reduce_only_stop,
    size_in,
    terms_in,
    time_in_body,
)
from core.signals.presets.tradingview_words import WORDS, Said

# TradingView's own message of a strategy's order.
_DEFAULT = re.compile(
    r"order\s+(?P<action>buy|sell)\s+@\s+(?P<contracts>[0-9.]+)\s+filled\s+on\s+(?P<ticker>\S+?)\.?"
    r"\s+New\s+strategy\s+position\s+is\s+(?P<position_size>-?[0-9.]*[0-9])",
    re.IGNORECASE,
)
# The same message in Chinese.
_DEFAULT_CHINESE = re.compile(
    r"[訂订][單单]\s*(?P<action>buy|sell)\s*@\s*(?P<contracts>[0-9.]+)\s*已?成交\s*"
    r"(?P<ticker>[^\s。]+(?:\.P)?)。新策略[倉仓]位是\s*(?P<position_size>-?[0-9.]*[0-9])",
    re.IGNORECASE,
)
# TradingView's own words for an order that closes.
_CLOSES_ENTRY = re.compile(r"close (?:entry\(s\)|position) order\b", re.IGNORECASE)
_MOST_UNKNOWN: Final = 40
_OWN: Final = frozenset(plain(name) for name in FIELDS)
_MEANT: Final = frozenset(
    (
        *words.SYMBOLS,
        *words.COINS,
        *words.ACTIONS,
        *words.MAYBE_ACTIONS,
        *words.POSITION,
        *words.POSITION_SIZE,
        *words.SIGNED_SIZE,
        *words.PREVIOUS,
        *words.PREVIOUS_SIZE,
        *words.CONTRACTS,
        *words.COUNTS,
        *words.DOLLARS,
        *words.PERCENTS,
        *words.RISKS,
        *words.UNITS,
        *words.KINDS,
        *words.LIMITS,
        *words.TRIGGERS,
        *words.STOPS,
        *words.STOP_PERCENTS,
        *words.TARGETS,
        *words.TARGET_PERCENTS,
        *words.TIMES,
        *words.IDS,
        *words.COMMENTS,
        *words.REDUCE_ONLY,
        *words.REVERSES,
        *words.CLOSES,
        *words.SECRETS,
        "secret",
    )
)
_OTHER_POSITION = re.compile(words.OTHER_POSITION)
_OTHER_PREVIOUS = re.compile(words.OTHER_PREVIOUS)
_NUMBERED: Final = re.compile(rf"(?:{'|'.join(words.NUMBERED)})[1-9]")


def _flat(content: Content) -> dict[str, Any]:
    """The fields of a body and of the groups in it, by name; what stands outside counts before what
    stands in a group. Text in TradingView's default form is such a body too.
    """
    if isinstance(content, str):
        text = without_secret(content)
        match = _DEFAULT.search(text) or _DEFAULT_CHINESE.search(text)
        return {} if match is None else dict(match.groupdict())
    found: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for name, value in content.items():
        prefix = words.GROUPS.get(plain(name))
        if not isinstance(value, Mapping) or prefix is None:
            found[name] = value
            continue
        for below, item in value.items():
            if not isinstance(item, Mapping) or plain(below) not in words.GROUPS:
                inner.setdefault(f"{prefix}{below}", item)
                continue
            for last, deepest in item.items():
                inner.setdefault(f"{words.GROUPS[plain(below)]}{last}", deepest)
    known = {plain(name) for name in found}
    return {**found, **{name: value for name, value in inner.items() if plain(name) not in known}}


def knows(content: Content) -> bool:
    """Whether an object names a market and what to do. One that has our own names for both must
    have another's beside them, and none that may be one of ours misspelt: else it is ours, and an
    unknown field is refused.
    """
    flat = {plain(name): value for name, value in _flat(content).items()}
    names = {name for name, value in flat.items() if value not in (None, "")}
    if isinstance(content, str):
        return bool(names)
    placed = names & {*words.SYMBOLS, *words.COINS}
    asks = any(plain(str(flat[name])) in WORDS for name in names & {*words.ACTIONS, "signal"})
    asks = asks or any(plain(str(flat.get(name))) in WORDS for name in words.MAYBE_ACTIONS)
    asks = asks or bool(names & {*words.POSITION, *words.SIGNED_SIZE, *words.ACTIONS})
    asks = asks or any(_is_yes(flat[name]) for name in names & {*words.CLOSES})
    if not asks:
        return False
    foreign = {
        name
        for name in names - _OWN - {"secret"}
        if name in _MEANT or name in words.DECORATION or _NUMBERED.fullmatch(name)
    }
    unknown = names - _OWN - _MEANT - foreign
    own = "symbol" in names and bool(names & {"action", "marketposition"})
    if placed and (not own or not unknown):
        return True
    # Comparing takes time, which no body may have much of.
    if not (foreign or _is_foreign(flat, "action", ACTIONS)) or len(unknown) > _MOST_UNKNOWN:
        return False
    return not any(get_close_matches(name[:32], _OWN, 1, 0.8) for name in unknown)


def in_other_words(content: Mapping[str, Any]) -> bool:
    """Whether an object of our own names is not of our grammar: its price belongs to no order, or
    its words are another's.
    """
    if content.get("price") is not None and content.get("type") is None:
        return True
    return _is_foreign(content, "action", ACTIONS) or _is_foreign(content, "type", KINDS)


def _secret(content: Content) -> str | None:
    if isinstance(content, str):
        return text_secret(content)
    return given_secret(Fields(content), *words.SECRETS)


def _alert(content: Content, moment: Moment) -> Alert:
    if isinstance(content, Mapping) and {"secret", *FIELDS}.issuperset(content):
        return _own_names(content, moment)
    fields = Fields(_flat(content))
    said = _said(fields)
    position = _position(fields, said)
    made: dict[str, Any] = {"symbol": _symbol(fields), **position}
    wish = _wish(fields, said, position.get("market_position"))
    if wish is not None:
        made["action"] = wish.action
    check_is_now(fields)
    exits = wish is not None and wish.exits
    terms = reduce_only_stop(fields) if exits else None
    size = size_in(fields, made["symbol"], exits=exits, of_all=wish is not None and wish.all)
    made |= size.given
    if exits and terms is None:
        check_exit_is_now(fields, made["symbol"], moment)
    if not exits:
        flat = position.get("market_position") == FLAT.value
        made |= {} if flat else plan_in(fields, made["symbol"], moment)
        check_trigger(fields, made["symbol"], moment)
        made |= terms_in(fields)
    if _is_true(fields, ("sync",)):
        made["sync"] = True
    time = time_in_body(fields, moment)
    if time is not None:
        made["time"] = time.isoformat()
    for name, text in (
        ("id", fields.id(*words.IDS)),
        ("comment", fields.comment(*words.COMMENTS)),
    ):
        if text is not None:
            made[name] = text
    alert = parse_alert(made, moment.now)
    if wish is not None and wish.only is not None:
        alert = replace(alert, only=wish.only)
    if terms is not None:
        alert = replace(alert, terms=terms)
    if size.either and alert.size is not None and alert.size.unit is SizeUnit.BASE:
        alert = replace(alert, size=replace(alert.size, unit=SizeUnit.EITHER))
    return alert


def _own_names(content: Mapping[str, Any], moment: Moment) -> Alert:
    """An object of our own names that is not of our grammar (`in_other_words`): all is read as
    there, but for the words of others, and for a price without a type, which shows the market's.
    """
    made = {name: value for name, value in content.items() if value is not None}
    fields = Fields(made)
    only = None
    if _is_foreign(content, "action", ACTIONS) or _is_foreign(content, "type", KINDS):
        wish = _wish(fields, _said(fields), fields.text("market_position"))
        if wish is not None:
            made["action"], only = wish.action, wish.only
    if _is_foreign(content, "type", KINDS):
        del made["type"]
    if "type" not in made and "price" in made:
        check_is_market(fields, fields.symbol("symbol"), moment)
        del made["price"]
    alert = parse_alert(made, moment.now)
    return alert if only is None else replace(alert, only=only)


def _is_foreign(content: Mapping[str, Any], name: str, known: Mapping[str, Any]) -> bool:
    """Whether a field of ours holds another's word."""
    value = content.get(name)
    word = value.strip().lower().replace("-", "_") if isinstance(value, str) else ""
    return plain(word) in WORDS and word.replace(" ", "_") not in known


class _Wish:
    """An action of our own grammar, and the position that it concerns alone."""

    def __init__(
        self,
        action: Action,
        only: MarketPosition | None = None,
        *,
        all: bool = False,  # noqa: A002
    ) -> None:
        self.action = action.value
        self.only = only
        self.all = all
        self.exits = action in (Action.CLOSE, Action.REDUCE, Action.CANCEL)


def _symbol(fields: Fields) -> str:
    name = fields.first(*words.SYMBOLS)
    if name is not None:
        return fields.symbol(name)
    coin = fields.symbol(*words.COINS)
    return f"{coin.upper()}-USD" if coin.isalnum() else coin


def _said(fields: Fields) -> dict[str, Said]:
    """What the fields ask for, by name."""
    found: dict[str, Said] = {}
    for name in words.ACTIONS:
        text = fields.text(name) if name in fields else None
        if text is None:
            continue
        word = WORDS.get(plain(text))
        if word is None:
            raise fields.fault(
                name,
                "action_unknown",
                f"What {name} says is not known.",
                "It is buy, sell, long, short, close, reduce, add, reverse or cancel.",
            )
        found[name] = word
    for name in words.MAYBE_ACTIONS:
        value = fields.raw(name)
        word = WORDS.get(plain(value)) if isinstance(value, str) else None
        if word is not None:
            found[name] = word
        elif not found and name in ("signal", "command", "cmd", "direction") and name in fields:
            fields.text(name)
    return found


def _position(fields: Fields, said: dict[str, Said]) -> dict[str, Any]:
    """Where the strategy stands after its order, and where it stood before, in our own fields."""
    after: MarketPosition | None = None
    ordered = any(word.what == "order" for word in said.values())
    name = fields.first(*words.POSITION)
    if name is None and ordered:
        name = _other(fields, _OTHER_POSITION)
    sizes = words.POSITION_SIZE if name is None else (*words.POSITION_SIZE, f"{plain(name)}size")
    size = fields.number(*sizes)
    signed = _number_or_none(fields, words.SIGNED_SIZE)
    if name is not None:
        text = fields.text(name) or ""
        after = POSITIONS.get(plain(text))
        if after is None:
            signed = fields.number(name)
    elif ordered:
        after = _beside_order(fields, said)
    if after is None and signed is not None:
        after = FLAT if signed == 0 else POSITIONS["long" if signed > 0 else "short"]
    if after is None:
        return {}
    size = size if size is not None else signed
    made: dict[str, Any] = {"market_position": after.value}
    if size is not None and not (after is FLAT and size == 0):
        made["market_position_size"] = abs(size)
    name = fields.first(*words.PREVIOUS) or _other(fields, _OTHER_PREVIOUS)
    before = None if name is None else fields.choice(POSITIONS, name)
    if before is not None:
        made["prev_market_position"] = before.value
        previous = fields.number(*words.PREVIOUS_SIZE, f"{plain(name or '')}size")
        if previous:
            made["prev_market_position_size"] = abs(previous)
    return made


def _other(fields: Fields, name: re.Pattern[str]) -> str | None:
    """A field with another name for a position, in which long, short or flat stands."""
    return next(
        (
            given
            for given in fields
            if name.fullmatch(plain(given)[:40])
            and plain(str(fields.raw(given))) in ("long", "short", "flat")
        ),
        None,
    )


def _beside_order(fields: Fields, said: dict[str, Said]) -> MarketPosition | None:
    """long, short or flat in the field of a side, beside a buy or sell, is the position; beside a
    word that closes it is the side that is closed.
    """
    closes = any(word.what == "close" for word in said.values())
    for name in ("side", "direction", "positionside", "posside", "holdside"):
        value = fields.raw(name)
        if isinstance(value, str) and plain(value) in ("long", "short", "flat"):
            if closes and plain(value) != "flat":
                said[name] = WORDS[plain(value)]
                return None
            said.pop(name, None)
            return POSITIONS[plain(value)]
    return None


def _number_or_none(fields: Fields, names: tuple[str, ...]) -> Any:
    """A number in one of the fields; percent there are a size and no position."""
    name = fields.first(*names)
    text = None if name is None else fields.text(name)
    return None if text is None or text.endswith("%") else fields.number(*names)


def _wish(fields: Fields, said: dict[str, Said], after: str | None) -> _Wish | None:
    """One action from all the words. Raises where they contradict each other."""
    _check_side_closed(said)
    found = list(dict.fromkeys(said.values()))
    kinds = {word.what for word in found}
    ways = {word.way for word in found if word.way is not None}
    whole = any(word.all for word in found)
    if not found:
        if _is_true(fields, words.CLOSES):
            return _Wish(Action.CLOSE)
        if after is None:
            raise fields.fault(
                "action",
                "action_missing",
                "The alert does not say what to do.",
                'Add "action": "{{strategy.order.action}}".',
            )
        return None
    for what, action in (("cancel", Action.CANCEL), ("reverse", Action.REVERSE)):
        if what in kinds and kinds == {what}:
            return _Wish(action)
    closing = kinds & {"close", "reduce"}
    if closing and kinds <= {"close", "reduce", "enter", "order", "open"}:
        return _exit(fields, found, kinds, whole=whole)
    if "add" in kinds and len(ways) <= 1 and kinds <= {"add", "enter", "order"}:
        return _Wish(Action.ADD, next(iter(ways), None))
    if len(ways) != 1 or not kinds <= {"order", "enter", "open"}:
        raise _contradiction()
    way = ways.pop()
    if _is_true(fields, words.CLOSES):
        return _Wish(Action.CLOSE, OPPOSITE[way], all=True)
    if after is None and _is_named_exit(fields, OPPOSITE[way]):
        return _Wish(Action.CLOSE, OPPOSITE[way])
    if _is_true(fields, words.REDUCE_ONLY):
        return _Wish(Action.REDUCE, OPPOSITE[way])
    turns = plain(fields.text("mode") or "") == "reverse" or _is_true(fields, words.REVERSES)
    # For thibaultyou's alerts processor a long or short is an order, unless its mode turns.
    enters = turns or ("enter" in kinds and "stub" not in fields)
    opens = {"order": "buy sell", "enter": "long short"}["enter" if enters else "order"].split()
    return _Wish(Action(opens[0 if way is POSITIONS["long"] else 1]))


def _check_side_closed(said: dict[str, Said]) -> None:
    """Raises where a tradeSide that closes has buy or sell beside it alone: on Bitget, in hedge
    mode, a buy closes a long, elsewhere a short.
    """
    closes = said.get("tradeside")
    others = {word.what for name, word in said.items() if name != "tradeside"}
    if closes is None or closes.way is not None or closes.what != "close" or others != {"order"}:
        return
    raise fault(
        "side_ambiguous",
        "Whether tradeSide closes a long or a short differs between exchanges.",
        'Add "posSide": "long" or "short", or write "action": "close_long".',
        field="tradeSide",
    )


def _is_named_exit(fields: Fields, side: MarketPosition) -> bool:
    """Whether the order's name or comment says that it closes. Raises where it is the other side's
    exit.
    """
    for name in (*words.IDS, *words.COMMENTS, "signal"):
        value = fields.raw(name)
        if not isinstance(value, str):
            continue
        if _CLOSES_ENTRY.match(value.strip()):
            return True
        word = WORDS.get(plain(value))
        if word is not None and word.what == "close":
            if word.way not in (None, side):
                raise _contradiction()
            return True
    return False


def _exit(fields: Fields, found: list[Said], kinds: set[str], *, whole: bool) -> _Wish:
    """A close, of the side that is named: by an order of the other way, or by its own name."""
    sides = {word.way for word in found if word.what in ("close", "enter") and word.way is not None}
    ordered = {OPPOSITE[word.way] for word in found if word.what == "order" and word.way}
    named = sides or ordered
    if len(named) > 1 or (sides and ordered and "enter" not in kinds and sides != ordered):
        raise _contradiction()
    if not sides and ordered:
        # "close" with "sell" closes a long; some name the side of the position instead.
        named = ordered if fields.first("action", "orderaction") is None else set()
    return _Wish(
        Action.REDUCE if "reduce" in kinds else Action.CLOSE,
        next(iter(named), None),
        all=whole,
    )


def _is_true(fields: Fields, names: tuple[str, ...]) -> bool:
    return any(_is_yes(fields.raw(name)) for name in names)


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() == "true")


def _contradiction() -> Exception:
    return fault(
        "contradiction",
        "The fields of the alert ask for different things.",
        "Let one field say what to do: buy, sell, long, short, close, reduce or add.",
    )


def _template(secret: str) -> str:
    return message(
        {
            "secret": secret,
            "ticker": "{{ticker}}",
            "action": "{{strategy.order.action}}",
            "contracts": "{{strategy.order.contracts}}",
            "market_position": "{{strategy.market_position}}",
            "market_position_size": "{{strategy.market_position_size}}",
            "prev_market_position": "{{strategy.prev_market_position}}",
            "timenow": "{{timenow}}",
        }
    )


PRESET: Final = Preset(
    name="tradingview",
    title="TradingView",
    line="Any object of TradingView's placeholders: ticker, action, contracts, market_position.",
    place='a field "secret" (or "passphrase", "password", "token", "key")',
    knows=knows,
    secret_of=_secret,
    alert_of=_alert,
    template=_template,
    text=True,
)
