"""A HeyBlue client in plain Python (3.9 or newer, nothing to install).

Written from protocol/PROTOCOL.md alone, before reading any of the server. It is here for two reasons: it shows that the
page is enough, and it is a start for a client in any other language. From the wire upwards:

    wire.py   MessagePack and the WebSocket (sections 2 and 3 of the page)
    Rest      sign up, tokens and the few questions asked over HTTP (section 1)
    Phone     one connected account: HELLO, commands with their keys, events and acknowledgements, positions, resuming
              after a lost connection (sections 4 to 9)

A Phone has no thread of its own: it reads while you wait for something with `say`, `event` or `until`, so do not leave
it alone for longer than its `ping_s`. Every wait ends by itself: with what was waited for, or with an exception.

    rest = Rest("http://localhost:8080")
    account = rest.sign_up("civilian", "sam", "correct horse battery", "phone-of-sam")
    phone = Phone("ws://localhost:8081", rest, "phone-of-sam")
    phone.connect()
    phone.say("location.share")
    phone.position(40.7127753, -74.0059728, accuracy_m=8)

What it lacks, and the conformance kit says so (`conformance.py`): it says one command at a time, knows nothing of the
background or of changes of the network, and keeps nothing over the end of the process.

`python3 heyblue.py --vectors ../../../protocol/generated/vectors.json` checks this file against the golden vectors.
"""
import json, random, sys, time, uuid
from urllib import error as url_error, request as url_request

from wire import Closed, Late, Malformed, Socket, pack, unpack

# What is said, by number: commands are (number, needs a key, body, result), events (name, body). A body is a list of
# names; ":id" is a UUID, ":a|b|c" a choice by number, ":name*" a list of tuples named in TUPLES.
STATES = "reserved|confirmed|cancelled|expired|refunded"
WAITING = "redemptionId:id code offerId:id title quantity points state:%s expiresS" % STATES
GIVEN = "transferId:id points balance"
COMMANDS = {
    "auth.refresh": (1, False, "token", "ttlS"),
    "state.get": (2, False, "", ""),
    "location.share": (10, True, "", "untilS"),
    "location.stop": (11, True, "", ""),
    "location.mode": (13, True, "mode:off|qr|hub|coarse|precise", "mode:off|qr|hub|coarse|precise untilS"),
    "instant.set": (12, True, "on", "on"),
    "hey.say": (20, True, "officerId:id", "heyId:id expiresS"),
    "hey.accept": (21, True, "heyId:id", "encounterId:id points balance"),
    "hey.decline": (22, True, "heyId:id", ""),
    "qr.show": (30, False, "", "token expiresS"),
    "qr.scan": (31, True, "token", "encounterId:id points balance"),
    "qr.confirm": (33, True, "scanId:id", ""),
    "qr.upload": (32, True, "token scannedAtS proof", "encounterId:id settlesS"),
    "hub.checkIn": (34, True, "token", "hubId:id name untilS"),
    "redeem.reserve": (50, True, "offerId:id quantity", "redemptionId:id code qr points expiresS"),
    "redeem.cancel": (51, True, "redemptionId:id", "points"),
    "till.open": (55, False, "till", "waiting:waiting*"),
    "till.look": (56, False, "code", WAITING),
    "till.confirm": (57, True, "redemptionId:id code quantity", "redemptionId:id quantity points"),
    "till.refuse": (58, True, "redemptionId:id", ""),
    "till.refund": (59, True, "redemptionId:id quantity restock", "transferId:id quantity points"),
    "points.donate": (70, True, "to:part*", GIVEN),
    "points.give": (71, True, "userId:id points", GIVEN),
    "fee.pay": (72, True, "feeId:id", GIVEN),
}
EVENTS = {
    1: ("encounter.completed", "encounterId:id method:proximity|hey|qr otherHandle points atS balance balanceVersion message"),
    2: ("hey.received", "heyId:id civilianHandle expiresS"),
    3: ("hey.closed", "heyId:id reason:declined|expired|gone|refused"),
    4: ("sharing.ended", "reason:timeout|stopped"),
    5: ("points.changed", "transferId:id delta balance balanceVersion reason"),
    6: ("scan.pending", "encounterId:id otherHandle scannedAtS settlesS"),
    8: ("scan.asked", "scanId:id civilianHandle expiresS"),
    7: ("scan.refused", "encounterId:id reason:duplicate|closed|refused"),
    10: ("encounter.held", "encounterId:id method:proximity|hey|qr otherHandle atS"),
    11: ("encounter.rejected", "encounterId:id"),
    20: ("redemption.changed", "redemptionId:id offerId:id title state:%s quantity points code expiresS balance balanceVersion reserved" % STATES),
    21: ("till.redemption", WAITING + " till"),
    22: ("stock.low", "offerId:id title left"),
    9: ("snapshot", "userId:id kind:civilian|officer|merchant|charity|family|municipality|operator handle sharing"
        " sharingUntilS instant balance balanceVersion encounterCount encounters:encounter* mode:off|qr|hub|coarse|precise hub"
        " reserved redemptions:mine*"),
    40: ("area.officers", "cell officers:officer*"),
    43: ("officer.near", "cell officers:officer*"),
    41: ("report.next", "periodS"),
    44: ("area.hubs", "cell hubs:hub*"),
    45: ("place.here", "placeId:id name kind:hub|merchant"),
    42: ("peer.presence", "state:online|away|offline lastSeenMin"),
}
TUPLES = {"part": "userId:id points", "encounter": "encounterId:id method:proximity|hey|qr otherHandle points atS", "officer": "officerId:id handle", "hub": "hubId:id name",
          "waiting": WAITING, "mine": "redemptionId:id offerId:id title quantity points code expiresS"}


class Refused(Exception):
    """The server said no: `code` of section 6, and whether the same may be asked again."""
    def __init__(self, code, message, retryable=False, retry_after_s=0.0):
        super().__init__("%s (%s)" % (message, code))
        self.code, self.retryable, self.retry_after_s = code, retryable, retry_after_s


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
    def item(field, value):
        _, _, kind = field.partition(":")
        if value is None:
            return None
        if kind == "id":
            return uuid.UUID(value).bytes
        if kind.endswith("*"):
            return [tupled(TUPLES[kind[:-1]], entry) for entry in value]
        return kind.split("|").index(value) if "|" in kind else value

    return [item(field, value) for field, value in zip(fields.split(), values)]


def e7(degrees):
    """Degrees as they are sent: times ten million, rounded."""
    return round(degrees * 10_000_000)


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
        self.cid = self.attempts = self.pings = 0
        self.answers, self.refusals = {}, []  # replies by cid; errors with cid 0
        self.connections, self.refused = 0, False

    def connect(self, seconds=10.0):
        """HELLO and WELCOME, and the snapshot when the session is a new one."""
        self.drop()
        self._greet(Socket(self.url, seconds), time.monotonic() + seconds, lambda: None)

    def _greet(self, fresh, deadline, meanwhile):
        """HELLO and WELCOME on a new socket, which then is the one of this phone; `meanwhile` looks after the old one."""
        resume = [self.session, self.epoch, self.offset] if self.session else None
        fresh.send(pack([0, 1, self.rest.token, self.device_id, self.app, resume]))
        welcome = None
        while welcome is None:
            try:
                welcome = unpack(fresh.receive(min(deadline, time.monotonic() + 0.05)))
            except Late:
                if time.monotonic() >= deadline:
                    raise
                meanwhile()
        if welcome[0] != 0:
            raise Malformed("frame %r instead of WELCOME" % (welcome[0],))
        self.socket, self.sent_at, self.pinged_at, self.leave_at = fresh, time.monotonic(), None, None
        self.sequence, self.answers, self.refusals, self.versions = 0, {}, [], {}
        self.unacknowledged, self.acknowledge_at = 0, None
        self.connections, self.resumed, self.welcome = self.connections + 1, welcome[5], welcome[2:4]
        self.clock_offset_s = welcome[6] + welcome[7] / 1000 - time.time()
        self.ping_s, self.jitter_s = welcome[8][0], welcome[8][3] / 1000
        if self.resumed:
            self.session, self.epoch = self.welcome
        else:  # the place is taken over with the snapshot: without it there is nothing to resume from
            self.state = None
            self.until(lambda: self.state, deadline - time.monotonic(), "the snapshot")
        self.attempts, self.refused = 0, False

    def move(self, seconds=10.0):
        """After GOAWAY: a new socket first, then the end of the old one."""
        old, self.leave_at = self.socket, None

        def meanwhile():
            try:
                self._handle(unpack(old.receive(time.monotonic() + 0.05)))
            except (Late, Closed):
                pass  # the new one is on its way

        try:
            self._greet(Socket(self.leave_to or self.url, seconds), time.monotonic() + seconds, meanwhile)
        except OSError:
            return  # nobody there: the old one goes on as long as it may
        old.close(4200)  # not 1000: we have not gone

    def reconnect(self, why, seconds=30.0):
        """Connects anew as the close code asks, within the given time; raises `why` when it says to stop."""
        deadline = time.monotonic() + seconds
        while True:
            if why.do == "stop" or (why.do == "once" and self.refused):
                raise why
            self.refused = why.do == "once"
            if why.do == "fresh":
                self.session = None
            if why.do in ("renew", "once"):
                self.rest.renew()
            limit = getattr(self, "jitter_s", 5) if why.do in ("soon", "once") else min(30, 2 ** self.attempts)
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
                connection = self.connections
                self._send([1, cid, op, body, key])
                self.until(lambda: cid in self.answers or self.connections > connection, min(5, left),
                           "the answer to " + name)
                if cid not in self.answers:
                    continue  # moved to another socket: there it is asked again
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

    def position(self, latitude, longitude, accuracy_m, seconds=10.0, simulated=False):
        """Sends where we are now; returns after how many seconds the next position is wanted."""
        self.sequence += 1
        mine, refused = self.sequence, len(self.refusals)
        point = [3, mine, e7(latitude), e7(longitude), round(accuracy_m * 10), None, None, None, None]
        self._send(point + [1] if simulated else point)
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
        if self.leave_at and now >= self.leave_at:
            return self.move()
        if self.pinged_at and self.socket.heard_at > self.pinged_at:
            self.pinged_at = None
        if self.pinged_at and now >= self.pinged_at + 10:
            self.drop()
            raise Closed(4104, "nobody is there")
        if self.acknowledge_at and (now >= self.acknowledge_at or self.unacknowledged >= 16):
            self._send([2, self.offset])
            self.unacknowledged, self.acknowledge_at = 0, None
        if now >= self.sent_at + self.ping_s * 0.8:
            self.pings += 1
            self._send([4, self.pings])
            self.pinged_at = self.pinged_at or now
        due = min(self.sent_at + self.ping_s * 0.8, self.acknowledge_at or deadline, self.leave_at or deadline,
                  self.pinged_at + 10 if self.pinged_at else deadline)
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
        elif number == 7:
            self.cid += 1
            self._send([1, self.cid, COMMANDS["auth.refresh"][0], [self.rest.renew()], None])
        elif number == 9:
            for inner in frame[1]:
                self._handle(inner)
        elif number == 6:
            self.leave_at = time.monotonic() + random.uniform(frame[3], frame[4]) / 1000
            self.leave_to = frame[5] if len(frame) > 5 else None

    def _event(self, offset, kind, _event_id, items):
        name, fields = EVENTS.get(kind, ("unknown", ""))
        # one that was asked for stands for what was heard, and not for what never came
        if offset > self.offset + (0 if name == "snapshot" else 1) and (self.state or name != "snapshot"):
            self.drop()  # one was lost: a resume brings it, and this one again
            raise Closed(4200, "an event is missing")
        if name == "snapshot":
            self.state, self.events = named(fields, items), []
            self.session, self.epoch = self.welcome
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
