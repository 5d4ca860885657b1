"""The bytes below HeyBlue's frames, in plain Python: the part of MessagePack that is spoken (section 3 of PROTOCOL.md)
and one WebSocket (section 2). `heyblue.py` is the client that stands on them.
"""
import base64, hashlib, os, socket, ssl, struct, time
from urllib import parse as url_parse

SAFE = 2 ** 53 - 1


class Closed(Exception):
    """The socket is closed. `do` says what section 9 asks for: stop, backoff, soon, renew, fresh, or once (renew once)."""
    def __init__(self, code=1006, reason=""):
        super().__init__("closed with %d %s" % (code, reason))
        special = {1006: "backoff", 1012: "soon", 1013: "backoff", 4002: "once", 4101: "renew", 4105: "fresh"}
        ranges = {41: "backoff", 42: "soon"}
        self.code, self.do = code, special.get(code) or ranges.get(code // 100, "stop")


class Late(Exception):
    """What was waited for did not come in time."""


class Malformed(ValueError):
    """Bytes that are no message of this protocol."""


# --- MessagePack ------------------------------------------------------------------------------------------------------

def pack(value):
    """The bytes of nil, true, false, whole numbers, text, bytes and arrays of them."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        if abs(value) > SAFE:
            raise Malformed("a number outside of the safe range")
        if -32 <= value < 128:
            return struct.pack(">b", value)
        forms = ((0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xD3, "q")) if value > 0 else \
                ((0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q"))
        for mark, form in forms:
            try:
                return struct.pack(">B" + form, mark, value)
            except struct.error:
                pass  # too big for this form: the next is longer
    if isinstance(value, str):
        raw = value.encode("utf-8")
        return _head(len(raw), 0xA0, 32, 0xD9, 0xDA) + raw
    if isinstance(value, (bytes, bytearray)):
        return _head(len(value), 0, 0, 0xC4, 0xC5) + bytes(value)
    if isinstance(value, (list, tuple)):
        return _head(len(value), 0x90, 16, None, 0xDC) + b"".join(pack(item) for item in value)
    raise Malformed("%r cannot be sent" % (value,))


def _head(size, fixed, below, one_byte, two_bytes):
    if size < below:
        return struct.pack(">B", fixed | size)
    if one_byte is not None and size < 256:
        return struct.pack(">BB", one_byte, size)
    return struct.pack(">BH", two_bytes, size)  # nothing longer is ever said


def unpack(raw):
    """The value in these bytes, all of them. What the page does not list (floats, maps, extensions) is refused."""
    value, at = _unpack(raw, 0, 0)
    if at != len(raw):
        raise Malformed("bytes after the message")
    return value


def _unpack(raw, at, depth):
    def take(form):
        nonlocal at
        size = struct.calcsize(">" + form)
        if at + size > len(raw):
            raise Malformed("it ends too early")
        at += size
        return struct.unpack(">" + form, raw[at - size:at])[0]

    mark = take("B")
    if mark < 0x80 or mark >= 0xE0:
        return (mark if mark < 0x80 else mark - 256), at
    if mark in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[mark], at
    if 0xCC <= mark <= 0xD3:
        number = take("BHIQbhiq"[mark - 0xCC])
        if abs(number) > SAFE:
            raise Malformed("a number outside of the safe range")
        return number, at
    if 0xA0 <= mark < 0xC0 or mark in (0xD9, 0xDA, 0xC4, 0xC5):
        size = mark & 0x1F if mark < 0xC0 else take("B" if mark in (0xD9, 0xC4) else "H")
        piece = take("%ds" % size)
        try:
            return (piece if mark in (0xC4, 0xC5) else piece.decode("utf-8")), at
        except UnicodeDecodeError:
            raise Malformed("text that is not UTF-8") from None
    if 0x90 <= mark < 0xA0 or mark == 0xDC:
        if depth == 8:
            raise Malformed("too many arrays inside each other")
        items = []
        for _ in range(mark & 0x0F if mark < 0xA0 else take("H")):
            item, at = _unpack(raw, at, depth + 1)
            items.append(item)
        return items, at
    raise Malformed("0x%02x is not spoken here" % mark)


# --- WebSocket --------------------------------------------------------------------------------------------------------

class Socket:
    """One WebSocket (RFC 6455) with the subprotocol of the page."""

    def __init__(self, url, seconds=10.0):
        parts = url_parse.urlsplit(url)
        secure = parts.scheme == "wss"
        self.buffer, self.message, self.ended, self.heard_at = b"", b"", None, time.monotonic()
        self.socket = socket.create_connection((parts.hostname, parts.port or (443 if secure else 80)), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            self.socket = ssl.create_default_context().wrap_socket(self.socket, server_hostname=parts.hostname)
        nonce = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Protocol: heyblue.v1.msgpack\r\n\r\n"
                             % (parts.path if parts.path not in ("", "/") else "/v1/ws", parts.netloc, nonce)).encode())
        deadline = time.monotonic() + seconds
        while b"\r\n\r\n" not in self.buffer:
            if len(self.buffer) > 65536:
                raise Malformed("an answer without end")
            self._more(deadline)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        proof = base64.b64encode(hashlib.sha1((nonce + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        if " 101 " not in lines[0] + " " or headers.get("sec-websocket-accept") != proof:
            raise Closed(1006, "the server does not upgrade: " + lines[0])
        if headers.get("sec-websocket-protocol") != "heyblue.v1.msgpack":
            raise Closed(1002, "the server speaks another protocol")

    def _more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late("nothing came in time")
        self.socket.settimeout(left)
        try:
            piece = self.socket.recv(65536)
        except socket.timeout:
            raise Late("nothing came in time") from None
        except OSError as why:
            raise Closed(1006, str(why)) from None
        if not piece:
            raise Closed(1006, "connection lost")
        self.buffer += piece
        self.heard_at = time.monotonic()

    def send(self, payload, opcode=2):
        size, mask = len(payload), os.urandom(4)
        if self.ended:
            raise self.ended
        length = struct.pack(">B", 0x80 | size) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
        masked = bytes(byte ^ mask[place & 3] for place, byte in enumerate(payload))
        try:
            self.socket.settimeout(5)
            self.socket.sendall(struct.pack(">B", 0x80 | opcode) + length + mask + masked)
        except OSError as why:
            raise Closed(1006, str(why)) from None

    def receive(self, deadline):
        """The next binary message, Late at the deadline, Closed at the end."""
        while True:
            frame = self._frame()
            if frame is None:
                self._more(deadline)
                continue
            final, opcode, payload = frame
            if opcode == 8:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1006
                self.close(code)
                self.ended = Closed(code, payload[2:].decode("utf-8", "replace"))
                raise self.ended
            if opcode == 9:
                self.send(payload, 10)
            elif opcode in (0, 2):
                self.message += payload
                if final:
                    message, self.message = self.message, b""
                    return message
            elif opcode != 10:
                raise Malformed("the server sent something else than binary messages")

    def _frame(self):
        if len(self.buffer) < 2:
            return None
        size, at = self.buffer[1] & 0x7F, 2
        if size >= 126:
            form = ">H" if size == 126 else ">Q"
            at += struct.calcsize(form)
            if len(self.buffer) < at:
                return None
            size = struct.unpack(form, self.buffer[2:at])[0]
        if size > 65536:
            raise Malformed("a message over its size")
        if len(self.buffer) < at + size:
            return None
        first, payload, self.buffer = self.buffer[0], self.buffer[at:at + size], self.buffer[at + size:]
        return bool(first & 0x80), first & 0x0F, payload

    def close(self, code=1000):
        try:
            self.send(struct.pack(">H", code), 8)
        except Closed:
            pass  # it is closed already
        self.drop()

    def drop(self):
        """Gone without a word, as in a tunnel."""
        self.ended = self.ended or Closed(1006, "dropped")
        self.socket.close()
