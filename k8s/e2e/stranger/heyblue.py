"""A HeyBlue client in one file of plain Python (3.9 or newer, nothing to install).

Written from protocol/PROTOCOL.md alone, by somebody who had not seen the server. It is here for two reasons: it shows
that the page is enough, and it is a start for a client in any other language. Four parts, from the wire upwards:

    pack, unpack   the small part of MessagePack that is spoken (section 3 of the page)
    Socket         one WebSocket: binary messages out and in (section 2)
    Rest           sign up, tokens and the few questions asked over HTTP (section 1)
    Phone          one connected account: HELLO, commands with their keys, events and acknowledgements, positions,
                   resuming after a lost connection (sections 4 to 9)

A Phone has no thread of its own: it reads while you wait for something with `say` or `until`, so do not leave it alone
for longer than its `ping_s`. Every wait ends by itself: with what was waited for, or with an exception.

    rest = Rest("http://localhost:8080")
    account = rest.sign_up("civilian", "sam", "correct horse battery", "phone-of-sam")
    phone = Phone("ws://localhost:8081", rest, "phone-of-sam")
    phone.connect()
    phone.say("location.share")
    phone.position(40.7127753, -74.0059728, accuracy_m=8)

`python3 heyblue.py --vectors ../../../protocol/generated/vectors.json` checks this file against the golden vectors.
"""
import base64, hashlib, json, os, random, socket, ssl, struct, sys, time, uuid
from urllib import error as url_error, parse as url_parse, request as url_request

# What is said, by number: commands are (number, needs a key, body, result), events (name, body). A body is a list of
# names; ":id" is a UUID, ":a|b|c" a choice by number, ":name*" a list of tuples named in TUPLES.
COMMANDS = {
    "auth.refresh": (1, False, "token", "ttlS"),
    "state.get": (2, False, "", ""),
    "location.share": (10, True, "", "untilS"),
    "location.stop": (11, True, "", ""),
    "instant.set": (12, True, "on", "on"),
    "hey.say": (20, True, "officerId:id", "heyId:id expiresS"),
    "hey.accept": (21, True, "heyId:id", "encounterId:id points balance"),
    "hey.decline": (22, True, "heyId:id", ""),
    "qr.show": (30, False, "", "token expiresS"),
    "qr.scan": (31, True, "token", "encounterId:id points balance"),
}
EVENTS = {
    1: ("encounter.completed", "encounterId:id method:proximity|hey|qr otherHandle points atS balance balanceVersion message"),
    2: ("hey.received", "heyId:id civilianHandle expiresS"),
    3: ("hey.closed", "heyId:id reason:declined|expired|gone|refused"),
    4: ("sharing.ended", "reason:timeout|stopped"),
    5: ("points.changed", "transferId:id delta balance balanceVersion reason"),
    9: ("snapshot", "userId:id kind:civilian|officer|merchant|charity|family|municipality|operator handle sharing"
        " sharingUntilS instant balance balanceVersion encounterCount encounters:encounter*"),
    40: ("area.officers", "cell officers:officer*"),
    41: ("report.next", "periodS"),
}
TUPLES = {"encounter": "encounterId:id method:proximity|hey|qr otherHandle points atS", "officer": "officerId:id handle"}
SAFE = 2 ** 53 - 1


class Refused(Exception):
    """The server said no: `code` of section 6, and whether the same may be asked again."""
    def __init__(self, code, message, retryable=False, retry_after_s=0.0):
        super().__init__("%s (%s)" % (message, code))
        self.code, self.retryable, self.retry_after_s = code, retryable, retry_after_s


class Closed(Exception):
    """The socket is closed. `do` says what section 9 asks for: stop, backoff, soon, renew or fresh."""
    def __init__(self, code=1006, reason=""):
        super().__init__("closed with %d %s" % (code, reason))
        special = {1006: "backoff", 1012: "soon", 1013: "backoff", 4101: "renew", 4105: "fresh"}
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


def named(fields, items):
    """A tuple as a dict: unknown items at the end are ignored, absent ones are None."""
    if items is None:
        return None
    result = {}
    for place, field in enumerate(fields.split()):
        name, _, kind = field.partition(":")
        value = items[place] if place < len(items) else None
        if value is not None and kind == "id":
            value = str(uuid.UUID(bytes=value))
        elif value is not None and kind.endswith("*"):
            value = [named(TUPLES[kind[:-1]], entry) for entry in value]
        elif value is not None and kind:
            choices = kind.split("|")
            value = choices[value] if value < len(choices) else value
        result[name] = value
    return result


def tupled(fields, values):
    """The tuple of a command's body, ids as bytes."""
    return [uuid.UUID(value).bytes if field.endswith(":id") else value for field, value in zip(fields.split(), values)]


def e7(degrees):
    """Degrees as they are sent: times ten million, rounded."""
    return round(degrees * 10_000_000)


# --- WebSocket --------------------------------------------------------------------------------------------------------

class Socket:
    """One WebSocket (RFC 6455) with the subprotocol of the page."""

    def __init__(self, url, seconds=10.0):
        parts = url_parse.urlsplit(url)
        secure = parts.scheme == "wss"
        self.buffer, self.message, self.ended = b"", b"", None
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


# --- REST -------------------------------------------------------------------------------------------------------------

class Rest:
    """The HTTP side of one account."""

    def __init__(self, url, seconds=10.0):
        self.url, self.seconds, self.token = url.rstrip("/"), seconds, None

    def call(self, method, path, body=None, headers=None):
        asked = url_request.Request(self.url + path, method=method, headers=dict(headers or {}))
        if self.token:
            asked.add_header("Authorization", "Bearer " + self.token)
        if body is not None:
            asked.add_header("Content-Type", "application/json")
            asked.data = json.dumps(body).encode()
        try:
            with url_request.urlopen(asked, timeout=self.seconds) as answer:
                return json.loads(answer.read())
        except url_error.HTTPError as why:
            try:
                said = json.loads(why.read())["error"]
            except (ValueError, KeyError, TypeError):
                said = {"code": why.code, "message": "%s %s was refused" % (method, path)}
            raise Refused(said["code"], said["message"], said.get("retryable", False)) from None

    def sign_up(self, kind, handle, password, device_id, **more):
        """A new account. An answer that was lost is asked for once more with the same key."""
        body = dict(kind=kind, handle=handle, password=password, deviceId=device_id, **more)
        key = {"Idempotency-Key": str(uuid.uuid4())}
        try:
            account = self.call("POST", "/v1/signup", body, key)
        except OSError:
            account = self.call("POST", "/v1/signup", body, key)
        self.token = account["accessToken"]
        return account

    def renew(self):
        self.token = self.call("POST", "/v1/token")["accessToken"]
        return self.token


# --- One phone --------------------------------------------------------------------------------------------------------

class Phone:
    """One account on one device, connected."""

    def __init__(self, url, rest, device_id, app="stranger/1.0"):
        self.url, self.rest, self.device_id, self.app = url, rest, device_id, app
        self.socket = None
        self.session = self.epoch = None  # for resuming
        self.offset = 0                   # of the last event that is stored here
        self.events = []                  # (name, body) in order; a snapshot empties it
        self.latest = {}                  # (name, key) -> body, the newest word on everything volatile
        self.versions, self.state, self.resumed = {}, None, False
        self.cid = self.attempts = 0
        self.answers, self.refusals = {}, []  # replies by cid; errors with cid 0
        self.goaway = None

    def connect(self, seconds=10.0):
        """HELLO and WELCOME, and the snapshot when the session is a new one."""
        self.drop()
        deadline = time.monotonic() + seconds
        self.socket = Socket(self.url, seconds)
        self.sequence, self.answers, self.refusals, self.versions, self.goaway = 0, {}, [], {}, None
        self.unacknowledged, self.acknowledge_at, self.ping_s = 0, None, 25
        resume = [self.session, self.epoch, self.offset] if self.session else None
        self._send([0, 1, self.rest.token, self.device_id, self.app, resume])
        welcome = unpack(self.socket.receive(deadline))
        if welcome[0] != 0:
            raise Malformed("frame %r instead of WELCOME" % (welcome[0],))
        self.session, self.epoch, self.resumed = welcome[2], welcome[3], welcome[5]
        self.clock_offset_s = welcome[6] + welcome[7] / 1000 - time.time()
        self.ping_s, self.jitter_s = welcome[8][0], welcome[8][3] / 1000
        if not self.resumed:
            self.state = None
            self.until(lambda: self.state, deadline - time.monotonic(), "the snapshot")
        self.attempts = 0

    def reconnect(self, why, seconds=30.0):
        """Connects anew as the close code asks, within the given time; raises `why` when it says to stop."""
        deadline = time.monotonic() + seconds
        while True:
            if why.do == "stop":
                raise why
            if why.do == "fresh":
                self.session = None
            if why.do == "renew":
                self.rest.renew()
            limit = getattr(self, "jitter_s", 5) if why.do == "soon" else min(30, 2 ** self.attempts)
            pause = random.uniform(0, limit) + (5 if why.code == 1013 else 0)
            self.attempts += 1
            if time.monotonic() + pause > deadline:
                raise why
            time.sleep(pause)
            try:
                return self.connect(max(0.1, deadline - time.monotonic()))
            except Closed as again:
                why = again
            except (OSError, Late) as again:
                why = Closed(1006, str(again))

    def say(self, name, *values, seconds=15.0):
        """One command and its result, as a dict. Lost, late and retryable ones are sent again under the same key."""
        op, needs_key, fields, result = COMMANDS[name]
        key, body, deadline = uuid.uuid4().bytes if needs_key else None, tupled(fields, values), time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Late("%s was not answered in %g s" % (name, seconds))
            self.cid += 1
            cid = self.cid
            try:
                self._send([1, cid, op, body, key])
                self.until(lambda: cid in self.answers, min(5, left), "the answer to " + name)
            except Late:
                continue
            except Closed as why:
                self.reconnect(why, left)
                continue
            answer = self.answers.pop(cid)
            if answer[2] == 0:
                return named(result, answer[3])
            refusal = self._refusal(answer)
            if not refusal.retryable or time.monotonic() + refusal.retry_after_s > deadline:
                raise refusal
            self._read_for(refusal.retry_after_s)

    def position(self, latitude, longitude, accuracy_m, seconds=10.0):
        """Sends where we are now; returns after how many seconds the next position is wanted."""
        self.sequence += 1
        mine, refused = self.sequence, len(self.refusals)
        self._send([3, mine, e7(latitude), e7(longitude), round(accuracy_m * 10), None, None, None, None])
        self.until(lambda: len(self.refusals) > refused or self.versions.get(("report.next", ""), 0) >= mine,
                   seconds, "the answer to a position")
        if len(self.refusals) > refused:
            raise self.refusals[-1]
        return self.latest["report.next", ""]["periodS"]

    def event(self, name, seconds=10.0, **wanted):
        """The first event of this name, with these items, that came since the last snapshot; waits for it."""
        def found():
            return next((body for kind, body in self.events if kind == name
                         and all(body.get(item) == value for item, value in wanted.items())), None)
        return self.until(found, seconds, "the event " + name)

    def until(self, asked, seconds, what):
        """Reads until `asked()` is true, and returns what it said."""
        deadline = time.monotonic() + seconds
        while True:
            answer = asked()
            if answer:
                return answer
            try:
                self._read(deadline)
            except Late:
                raise Late("%s did not come in %g s" % (what, seconds)) from None

    def _read_for(self, seconds):
        try:
            self.until(lambda: False, seconds, "nothing")
        except Late:
            pass

    def _read(self, deadline):
        """Handles one message, and what is due meanwhile: an ACK, a PING."""
        now = time.monotonic()
        if self.acknowledge_at and (now >= self.acknowledge_at or self.unacknowledged >= 16):
            self._send([2, self.offset])
            self.unacknowledged, self.acknowledge_at = 0, None
        if now >= self.sent_at + self.ping_s * 0.8:
            self._send([4, self.sequence])
        due = min(self.sent_at + self.ping_s * 0.8, self.acknowledge_at or deadline)
        try:
            self._handle(unpack(self.socket.receive(min(deadline, due))))
        except Late:
            if time.monotonic() >= deadline:
                raise

    def _handle(self, frame):
        number = frame[0]
        if number == 1 and frame[1] == 0:
            self.refusals.append(self._refusal(frame))
        elif number == 1:
            self.answers[frame[1]] = frame
        elif number == 2:
            self._event(*frame[1:5])
        elif number == 3:
            name, fields = EVENTS.get(frame[1], (None, ""))
            about = (name, frame[2])
            if name and frame[3] >= self.versions.get(about, 0):
                self.versions[about], self.latest[about] = frame[3], named(fields, frame[4])
        elif number == 4:
            self._send([5, frame[1]])
        elif number == 6:
            self.goaway = frame  # the one who uses the phone may connect anew now; the socket closes with 1012 later
        elif number == 7:
            self.cid += 1
            self._send([1, self.cid, COMMANDS["auth.refresh"][0], [self.rest.renew()], None])
        elif number == 9:
            for inner in frame[1]:
                self._handle(inner)

    def _event(self, offset, kind, _event_id, items):
        name, fields = EVENTS.get(kind, ("unknown", ""))
        if name == "snapshot":
            self.state, self.events = named(fields, items), []
        elif offset <= self.offset:
            return  # a repetition
        else:
            self.events.append((name, named(fields, items)))
        self.offset = offset
        self.unacknowledged += 1
        self.acknowledge_at = self.acknowledge_at or time.monotonic() + 2

    @staticmethod
    def _refusal(frame):
        return Refused(frame[2], frame[3], frame[4], (frame[5] or 0) / 1000)

    def _send(self, frame):
        if self.socket is None:
            raise Closed(1006, "not connected")
        self.socket.send(pack(frame))
        self.sent_at = time.monotonic()

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def drop(self):
        if self.socket:
            self.socket.drop()
            self.socket = None


# --- The golden vectors -----------------------------------------------------------------------------------------------

def check_vectors(path):
    """Decodes every golden vector and encodes the client's; raises AssertionError at the first that differs."""
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)

    def plain(value):  # {"bin": hex} of the file is bytes here
        if isinstance(value, dict):
            return bytes.fromhex(value["bin"])
        return [plain(item) for item in value] if isinstance(value, list) else value

    decoded = encoded = refused = 0
    for vector in vectors["frames"]:
        raw, frame, name = bytes.fromhex(vector["hex"]), plain(vector["tuple"]), vector["name"]
        assert unpack(raw) == frame, "%s is read differently" % name
        decoded += 1
        if vector["from"] == "client":
            assert pack(frame) == raw, "%s is written differently" % name
            encoded += 1
        if vector["body"] is not None:
            command = COMMANDS.get(name.replace("reply to ", ""))
            event = next((fields for title, fields in EVENTS.values() if title == name), None)
            fields = event or (command[3] if name.startswith("reply to ") else command[2])
            items = frame[3] if vector["from"] == "client" or name.startswith("reply to ") else frame[4]
            assert named(fields, items) == vector["body"], "%s has other names" % name
    for vector in vectors["refused"]:
        try:
            frame = unpack(bytes.fromhex(vector["hex"]))
        except Malformed:
            refused += 1
        else:  # well-formed, only not in the table: a client ignores it
            assert vector["why"] == "unknown" and frame[0] > 9, "read in spite of it: " + vector["what"]
    for place in vectors["coordinates"]:
        assert e7(place["degrees"]) == place["e7"], "%s degrees become another number" % place["degrees"]
    return {"ok": True, "decoded": decoded, "encoded": encoded, "refused": refused}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "--vectors":
        sys.exit("use: python3 heyblue.py --vectors FILE")
    try:
        print(json.dumps(check_vectors(sys.argv[2])))
    except (AssertionError, Malformed, OSError) as why:
        sys.exit("the vectors do not fit: %s" % why)
