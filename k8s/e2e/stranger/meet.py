"""Three strangers meet: an officer and two civilians, through heyblue.py, against a running HeyBlue.

    python3 meet.py --rest http://localhost:8080 --realtime ws://localhost:8081 --badge BADGE

Signs up all three. The officer and the first civilian send positions on one street corner, the civilian says hey, the
officer accepts. The second civilian shows a QR code, loses the connection, the officer scans the code, and the civilian
resumes and hears of it. The points of all are compared with what the ledger says over HTTP. BADGE is one of the roster
that no officer has used. Prints one JSON line and exits with 0, or says what went wrong and exits with 1.
"""
import argparse, http.client, json, sys, time, uuid

from heyblue import Closed, Late, Phone, Refused, Rest

CORNER = (40.7127753, -74.0059728)


class Wrong(Exception):
    """Something came, and it was not what the page promises."""


def expect(right, sentence):
    if not right:
        raise Wrong(sentence)


class Person:
    """An account with its phone."""

    def __init__(self, args, kind, **more):
        self.handle = "%s-%s" % (kind, uuid.uuid4().hex[:10])
        device = "phone-of-" + self.handle
        self.rest = Rest(args.rest)
        self.id = self.rest.sign_up(kind, self.handle, "correct horse battery", device, **more)["userId"]
        self.phone = Phone(args.realtime, self.rest, device)
        self.phone.connect()
        state = self.phone.state
        expect((state["userId"], state["kind"], state["handle"]) == (self.id, kind, self.handle),
               "the snapshot of %s is of somebody else: %r" % (self.handle, state))
        self.points, self.encounters = state["balance"], []

    def met(self, other, method):
        """Waits for the event of an encounter, and compares the points with those of the ledger."""
        event = self.phone.event("encounter.completed", method=method, otherHandle=other.handle)
        self.points += event["points"]
        self.encounters.insert(0, event["encounterId"])
        ledger = self.rest.call("GET", "/v1/balance")
        expect(event["points"] > 0, "%s earned nothing: %r" % (self.handle, event))
        expect(event["balance"] == ledger["balance"] == self.points and event["balanceVersion"] == ledger["version"],
               "%s has %d points by adding up, %r by the event and %r by the ledger"
               % (self.handle, self.points, event, ledger))
        listed = [item["id"] for item in self.rest.call("GET", "/v1/encounters")["items"]]
        expect(listed == self.encounters, "%s met %r, the list says %r" % (self.handle, self.encounters, listed))
        return event


def agree(result, mine, other):
    expect(result["encounterId"] == mine["encounterId"] == other["encounterId"], "two encounters instead of one")
    expect((result["points"], result["balance"]) == (mine["points"], mine["balance"]),
           "the answer %r and the event %r do not agree" % (result, mine))


def meet(args):
    started = time.monotonic()
    people = []

    def person(kind, **more):
        people.append(Person(args, kind, **more))
        return people[-1]

    try:
        officer, first = person("officer", badge=args.badge), person("civilian")

        until_s = officer.phone.say("location.share")["untilS"]
        expect(until_s > time.time() + officer.phone.clock_offset_s, "an officer shares without an end")
        officer.phone.position(*CORNER, accuracy_m=8)
        expect(first.phone.say("location.share")["untilS"] == 0, "a civilian's sharing ends by itself")
        first.phone.position(*CORNER, accuracy_m=8)

        def visible():
            return any(one["officerId"] == officer.id and one["handle"] == officer.handle
                       for (name, _), area in first.phone.latest.items() if name == "area.officers" and area
                       for one in area["officers"])
        first.phone.until(visible, 20, "area.officers with the officer")

        hey = first.phone.say("hey.say", officer.id)
        heard = officer.phone.event("hey.received", heyId=hey["heyId"])
        expect(heard["civilianHandle"] == first.handle, "the hey is of somebody else: %r" % heard)
        result = officer.phone.say("hey.accept", hey["heyId"])
        officers, civilians = officer.met(first, "hey"), first.met(officer, "hey")
        agree(result, officers, civilians)

        second = person("civilian")
        shown = second.phone.say("qr.show")
        expect(shown["token"].startswith("HB1:") and len(shown["token"]) == 58, "no HB1 text: %r" % shown)
        second.phone.drop()
        result = officer.phone.say("qr.scan", shown["token"])
        second.phone.connect()
        expect(second.phone.resumed, "the second civilian's session was not resumed")
        scanned = officer.met(second, "qr")
        agree(result, scanned, second.met(officer, "qr"))
        try:
            officer.phone.say("qr.scan", shown["token"])
            raise Wrong("a code counted twice")
        except Refused as why:
            expect(not why.retryable, "a used code may be tried again: %s" % why)

        officer.phone.say("location.stop")
        officer.phone.event("sharing.ended", reason="stopped")
        officer.phone.state = None
        officer.phone.say("state.get")
        state = officer.phone.until(lambda: officer.phone.state, 10, "the snapshot that was asked for")
        expect((state["sharing"], state["balance"], state["encounterCount"]) == (False, officer.points, 2)
               and [one["encounterId"] for one in state["encounters"]] == officer.encounters,
               "the officer's snapshot is another: %r" % state)

        return {"ok": True, "officer": officer.points, "civilians": [first.points, second.points],
                "hey": officers["encounterId"], "qr": scanned["encounterId"],
                "seconds": round(time.monotonic() - started, 2)}
    finally:
        for one in people:
            one.phone.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Three strangers meet, see the top of this file.")
    for name in ("rest", "realtime", "badge"):
        parser.add_argument("--" + name, required=True)
    try:
        print(json.dumps(meet(parser.parse_args())))
    except (Wrong, Refused, Closed, Late, ValueError, OSError, http.client.HTTPException) as why:
        sys.exit("%s: %s" % (type(why).__name__, why))
