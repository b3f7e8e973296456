"""The HTTP side of the Bot API: python-telegram-bot's request interface on aiohttp.

The bot token stands in every URL. So no error that leaves this module carries the error it
came from: aiohttp's errors hold the request, and with it the URL. For the same reason no
redirect is followed and no answer is repeated in an error unless it is Telegram's own JSON.
"""

import contextlib
import json
import socket
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

from gateway.interfaces import LinkError

CONNECT_S: Final = 5.0
ANSWER_S: Final = 8.0
LONGEST_HOLD_S: Final = 3600.0
KEEP_ALIVE_S: Final = 60.0  # shorter than servers keep idle connections (75 s is usual)
NAME_KEPT_S: Final = 300  # how long the platform's address is remembered
LARGEST_ANSWER_BYTES: Final = 10 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_JSON: Final = {"Content-Type": "application/json"}
# A connection is dead when nothing comes back for some 20 s of quiet, or for 6 s after
# something was sent (Linux, tcp(7)).
_KEEP_ALIVE: Final = {
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPINTVL": 3,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 6000,
}


class NotSentError(NetworkError):
    """No connection: the call has certainly not reached the platform."""


class NoAnswerError(TimedOut):
    """The call left, and no answer that can be read came back: it may have been done."""


class ServerFaultError(NoAnswerError):
    """The platform answered with a fault of its own (5xx): it may have been done even so."""


class HeldError(TelegramError):
    """The platform asks us to wait (429).

    Attributes:
        after_s: Seconds until this chat may be written to again.
    """

    def __init__(self, after_s: float) -> None:
        super().__init__(f"too many requests: wait {after_s:g} s")
        self.after_s = after_s


class TooLargeError(TelegramError):
    """The answer is larger than anything we take in."""


class AiohttpRequest(BaseRequest):
    """One pool of reused connections; python-telegram-bot's ``Bot`` makes its calls through it.

    Args:
        token: The bot token, struck out of whatever comes back with an error.
        connect_s: Longest time to get a connection.
        answer_s: Longest time for a call, unless the call says otherwise.
    """

    def __init__(
        self, token: str, *, connect_s: float = CONNECT_S, answer_s: float = ANSWER_S
    ) -> None:
        # What stands before the colon is the bot's public id.
        self._secret = (token.partition(":")[2] or token).encode()
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        """Return the longest time for a call, seconds."""
        return self._answer_s

    async def initialize(self) -> None:
        """Open the pool; connections are made when they are needed."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    keepalive_timeout=KEEP_ALIVE_S,
                    ttl_dns_cache=NAME_KEPT_S,
                    socket_factory=_watched_socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "gridcall"},
                # Nothing compressed is asked for, so that no answer can swell in unpacking.
                skip_auto_headers=("Accept", "Accept-Encoding"),
                auto_decompress=False,
            )

    async def shutdown(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401  # the base class's types
        write_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401, ARG002
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401, ARG002
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401, ARG002
    ) -> tuple[int, bytes]:
        """Return status and body of one HTTP call.

        Raises:
            NotSentError: There was no connection.
            NoAnswerError: It left and nothing readable came back, or a fault (5xx).
            TooLargeError: The body is over 10 MB.
        """
        limit_s = read_timeout if isinstance(read_timeout, int | float) else self._answer_s
        failure: TelegramError
        try:
            return await self._exchange(url, method, request_data, float(limit_s))
        except aiohttp.ConnectionTimeoutError:
            failure = NotSentError("no connection: time limit")
        except aiohttp.ClientConnectorError as error:
            failure = NotSentError(f"no connection: {type(error).__name__}")
        except TimeoutError:
            failure = NoAnswerError(f"no answer within {limit_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = NoAnswerError(f"connection lost: {type(error).__name__}")
        except TelegramError as error:
            failure = error
        # Raised outside every ``except``, so that no context with the URL hangs on it.
        raise failure

    async def _exchange(
        self, url: str, method: str, data: RequestData | None, limit_s: float
    ) -> tuple[int, bytes]:
        if self._session is None:
            raise LinkError("the request pool is not open")
        values, kind = _sent(data)
        async with self._session.request(
            method,
            url,
            data=values,
            headers=kind,
            timeout=aiohttp.ClientTimeout(total=limit_s, sock_connect=self._connect_s),
            allow_redirects=False,
        ) as answer:
            body = await _body(answer)
        if answer.status < 300:
            return answer.status, body
        return answer.status, _own_words(answer.status, body.replace(self._secret, b"***"))

    @staticmethod
    def parse_json_payload(payload: bytes) -> Any:  # noqa: ANN401  # the base class's type
        """Return the answer's JSON object. Raises NoAnswerError, not repeating what came."""
        parsed = _parsed(payload)
        if "result" not in parsed:
            raise NoAnswerError("the answer cannot be read")
        return parsed


def _sent(
    data: RequestData | None,
) -> tuple[bytes | aiohttp.FormData | None, Mapping[str, str] | None]:
    """Return the parameters and the header that says how: JSON, a form where files go along.

    Source: Bot API, making requests and sending files.
    """
    if data is None:
        return None, None
    if data.contains_files:
        return _form(data), None
    return msgspec.json.encode(data.parameters), _JSON


def _form(data: RequestData) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, kind) in data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=kind)
    return form


def _watched_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket on which the system itself finds out that the other side is gone.

    A line that was dialled anew leaves connections that look whole and swallow what is sent.
    """
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            answer.close()
            raise TooLargeError("the answer is larger than 10 MB")
    return bytes(body)


def _own_words(status: int, body: bytes) -> bytes:
    """Return an error's body anew, with what python-telegram-bot looks into and nothing else.

    It trusts the shape of an error's JSON; and a proxy's error page may repeat the URL, which
    would stand in its error.
    """
    if status >= 500:
        raise ServerFaultError(f"the platform has a fault ({status})")
    told = _parsed(body)
    parameters = told.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    if status == 429:
        raise HeldError(_after_s(parameters.get("retry_after")))
    said = told.get("description")
    anew: dict[str, object] = {
        "description": said if isinstance(said, str) and said else f"HTTP status {status}",
        "result": None,
    }
    moved = parameters.get("migrate_to_chat_id")
    if isinstance(moved, int) and abs(moved) < 2**63:
        anew["parameters"] = {"migrate_to_chat_id": moved}
    return json.dumps(anew).encode()


def _parsed(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds; an empty one for anything else."""
    parsed: object = None
    with contextlib.suppress(ValueError, RecursionError):
        parsed = json.loads(body.decode("utf-8", "replace"))
    return parsed if isinstance(parsed, dict) else {}


def _after_s(asked: object) -> float:
    """Return what a 429 asks for (Bot API ResponseParameters.retry_after), 1 s to 1 h."""
    if isinstance(asked, bool) or not isinstance(asked, int | float):
        return 1.0
    return min(max(1.0, asked), LONGEST_HOLD_S)
