"""heyblue.py under the conformance kit: what its app does comes in as JSON lines, what its app saw goes out.

    npm run conformance -- --client "python3 k8s/e2e/stranger/conformance.py {url}"

The lines are described in gateway/conformance/README.md. What a Phone has no notion of is said at the start (`cannot`).
"""
import json, queue, sys, threading, time

from heyblue import EVENTS, Closed, Late, Malformed, Phone, Refused, named


def say(**report):
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


class Tokens:
    """In place of REST: each token is another one."""

    def __init__(self):
        self.asked, self.token = 1, "token-1"

    def renew(self):
        self.asked += 1
        self.token = "token-%d" % self.asked
        return self.token


class Watched(Phone):
    """A Phone that tells what becomes of it."""

    def connect(self, seconds=10.0):
        say(state="connecting")
        super().connect(seconds)
        say(state="connected")

    def reconnect(self, why, seconds=30.0):
        say(state="suspended", code=why.code)
        try:
            super().reconnect(why, seconds)
        except Closed as last:
            say(state="closed", code=last.code)
            raise

    def _event(self, offset, kind, event_id, items):
        known = len(self.events)
        super()._event(offset, kind, event_id, items)
        name, fields = EVENTS.get(kind, (None, ""))
        if name == "snapshot" or (name and len(self.events) > known):
            digits = event_id.hex()
            say(event=name, offset=offset, body=named(fields, items),
                eventId="-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))

    def _handle(self, frame):
        about = (EVENTS.get(frame[1], (None,))[0], frame[2]) if frame[0] == 3 else None
        before = self.versions.get(about)
        super()._handle(frame)
        if about and about[0] and self.versions.get(about) != before:
            say(volatile=about[0], key=about[1], version=frame[3], body=self.latest[about])
        if frame[0] == 1 and frame[1] == 0:
            say(problem=frame[2])


def obey(phone, told):
    if "command" in told:
        label, body = told["as"], told.get("body") or {}
        try:
            answer = phone.say(told["command"], *body.values(), seconds=told.get("timeoutMs", 20000) / 1000)
            say(answer=label, ok=True, body=answer)
        except Refused as why:
            say(answer=label, ok=False, code=why.code, retryable=why.retryable)
        except Late:
            say(answer=label, ok=False, code=504, retryable=True)
        except Closed:
            say(answer=label, ok=False, code=503, retryable=True)
            raise
    elif "location" in told:
        try:
            phone.position(told["location"]["lat"], told["location"]["lng"], told["location"]["accuracyM"], seconds=0.05)
        except Late:
            pass
    elif "clock" in told:
        real, jump = time.monotonic, told["clock"] / 1000
        begun, wall = real(), time.time()
        time.time = lambda: wall + jump + real() - begun


def main(url):
    instructions = queue.Queue()

    def read():
        for line in sys.stdin:
            instructions.put(json.loads(line))
        instructions.put({"exit": True})

    threading.Thread(target=read, daemon=True).start()
    say(cannot=["foreground", "network", "restart"])
    phone = Watched(url, Tokens(), "phone-of-a-stranger")
    lost = None
    while True:
        try:
            if lost:
                why, lost = lost, None
                try:
                    phone.reconnect(why, 60)
                except Closed:
                    break
            elif phone.socket is None:
                phone.connect()
            told = None if instructions.empty() else instructions.get()
            if told and told.get("exit"):
                phone.close()
                return say(state="closed", code=1000)
            obey(phone, told or {})
            phone._read_for(0.02)
        except Closed as why:
            if why.do == "stop":
                say(state="closed", code=why.code)
                break
            lost = why
        except (OSError, Late, Malformed) as why:
            lost = Closed(1006, str(why))
    while not instructions.get().get("exit"):
        pass


main(sys.argv[1])
