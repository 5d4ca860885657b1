/**
 * One person's phone: it calls a gateway, resumes where it was, reports positions, greets, scans, gives, reads; when the
 * answer does not come it calls elsewhere and says the same again with the same key, until it is answered or gives up and
 * calls the outcome unknown. A gap in its events makes it resume, which is what a client must do.
 */

import type { Result } from '../../protocol/errors.ts';
import type { Resume } from '../../protocol/frames.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { History, Op, OpName } from './history.ts';
import type { Down, Line, SeenEvent } from './simulatedGateway.ts';
import { latE7Of, lngE7Of, type Place, Walk } from './streets.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface Person {
  readonly id: string;
  readonly kind: 'civilian' | 'officer' | 'merchant';
  readonly handle: string;
  readonly deviceId: string;
  /** For words: c3, o1. */
  readonly nick: string;
  /** As codes name the account. */
  readonly number: number;
}

/** What a phone sees of the world, and tells it. */
export interface PhoneWorld {
  readonly time: VirtualTime;
  readonly history: History;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
  /** A line to some gateway, by its name; null when none is there. */
  call(not: string | null): { readonly line: Line; readonly gateway: string } | null;
  welcomed(phone: Phone, welcome: Down & { k: 'welcome' }, resume: Resume | null): void;
  saw(phone: Phone, seen: SeenEvent): 'fine' | 'gap' | 'again';
  heyReceived(phone: Phone, heyId: string): void;
  /** A position leaves. */
  reported(phone: Phone, at: Place): void;
  asked(phone: Phone, op: Op): void;
  ended(phone: Phone, op: Op): void;
}

const WELCOME_MS = 9_500;
const ANSWER_MS = 4_000;
/** A command whose outcome is not known by then is given up. */
const GIVE_UP_MS = 15_000;
const BACKOFF_MS = { min: 80, max: 600 };
const CALL_MS = { min: 30, max: 500 };
/** Events are acknowledged so long after they were seen, several at once. */
const ACK_MS = { min: 100, max: 1_500 };

interface Message {
  readonly type: string;
}

/** Commands without a key: said again at will. */
const READS: ReadonlySet<OpName> = new Set(['balance', 'qr.show', 'state.get', 'till.open', 'till.look']);

export class Phone {
  readonly person: Person;
  readonly #world: PhoneWorld;
  readonly #dice: Dice;
  #line: Line | null = null;
  #gateway: string | null = null;
  #calling = false;
  #open = false;
  #cid = 0;
  #seq = 0;
  readonly #waiting = new Map<number, Op>();
  readonly #unsent = new Set<Op>();
  /** Where this phone is in its events; null before the first WELCOME. */
  position: Resume | null = null;
  walk = new Walk({ eastM: 0, northM: 0 });
  /** What the phone says of its positions, bits of `FIX_FLAG`. */
  flags = 0;
  /** Whether it says when a position was taken; else it was when it arrived. */
  dates = true;
  #away = false;
  #acking = false;

  constructor(world: PhoneWorld, person: Person, dice: Dice) {
    this.#world = world;
    this.person = person;
    this.#dice = dice;
  }

  get connected(): boolean {
    return this.#open;
  }

  /** The gateway that it is connected to, or calls. */
  get gateway(): string | null {
    return this.#gateway;
  }

  /** Without network: it neither calls nor is called. */
  get away(): boolean {
    return this.#away;
  }

  /** The network is gone, and what is asked for meanwhile waits. */
  leave(): void {
    this.#away = true;
    if (!this.#line) return;
    this.#line.hangUp();
    this.#lost();
  }

  comeBack(): void {
    if (!this.#away) return;
    this.#away = false;
    this.connect();
  }

  get idle(): boolean {
    return this.#waiting.size === 0 && this.#unsent.size === 0;
  }

  get underWay(): number {
    return this.#waiting.size + this.#unsent.size;
  }

  /** Calls a gateway if it has none. */
  connect(elsewhere = false): void {
    if (this.#line || this.#calling || this.#away) return;
    this.#calling = true;
    this.#world.time.after(this.#dice.between(CALL_MS.min, CALL_MS.max), () => {
      this.#calling = false;
      this.#call(elsewhere);
    });
  }

  /** Hangs up, and calls again. */
  reconnect(elsewhere = false): void {
    if (this.#line) {
      this.#line.hangUp();
      this.#lost();
    }
    this.connect(elsewhere);
  }

  command(name: OpName, body: Op['body'] = {}): Op {
    const { history, time } = this.#world;
    const key = READS.has(name) ? null : this.#dice.uuid(time.nowMs());
    const op = history.begin(name, this.person.id, key, body, time.monotonicMs());
    this.#world.asked(this, op);
    this.#send(op);
    return op;
  }

  report(): void {
    if (!this.#open) return;
    const { time } = this.#world;
    const at = this.walk.seen(time.monotonicMs(), this.#dice);
    const location = {
      seq: ++this.#seq,
      latE7: latE7Of(at),
      lngE7: lngE7Of(at),
      accuracyDm: 50,
      headingDeg: null,
      speedDms: null,
      takenAtMs: this.dates ? time.nowMs() : null,
      flags: this.flags,
    };
    this.#world.reported(this, at);
    this.#line!.up({ k: 'location', location });
  }

  #call(elsewhere: boolean): void {
    if (this.#line || this.#away) return;
    const before = this.#gateway;
    const called = this.#world.call(elsewhere ? before : null);
    if (!called) return this.connect();
    const { line } = called;
    if (before !== null && called.gateway !== before)
      this.#world.faults.hit('phone moved to another gateway');
    this.#line = line;
    this.#gateway = called.gateway;
    const resume = this.position;
    line.phone = {
      heard: message => this.#heard(line, message, resume),
      ended: (code, reason) => {
        if (line !== this.#line) return;
        this.#world.chronicle.note('the phone was hung up on', this.person.nick, code, reason);
        this.#lost();
        this.connect(true);
      },
    };
    line.up({ k: 'hello', userId: this.person.id, deviceId: this.person.deviceId, resume });
    this.#world.time.after(WELCOME_MS, () => {
      if (line === this.#line && !this.#open) this.reconnect(true);
    });
  }

  #heard(line: Line, message: Down, resume: Resume | null): void {
    if (line !== this.#line) return;
    switch (message.k) {
      case 'welcome': {
        const { sessionId, epoch, offset, resumed } = message;
        this.#world.welcomed(this, message, resume);
        this.position = { sessionId, epoch, offset: resumed && resume ? resume.offset : offset };
        this.#open = true;
        for (const op of [...this.#unsent]) this.#send(op);
        return;
      }
      case 'event':
        return this.#saw(message.seen);
      case 'reply': {
        const op = this.#waiting.get(message.cid);
        if (!op) return;
        this.#waiting.delete(message.cid);
        return this.#answered(op, message.result);
      }
    }
  }

  #saw(seen: SeenEvent): void {
    if (this.position === null) return;
    const verdict = this.#world.saw(this, seen);
    if (verdict === 'again') return;
    if (verdict === 'gap') {
      this.#world.chronicle.note('the phone has a gap and resumes', this.person.nick, seen.offset);
      return this.reconnect();
    }
    this.position = { ...this.position, offset: Math.max(seen.offset, this.position.offset) };
    this.#acknowledgeSoon();
    if (seen.event?.name === 'hey.received') this.#world.heyReceived(this, seen.event.body.heyId);
  }

  #acknowledgeSoon(): void {
    if (this.#acking) return;
    this.#acking = true;
    this.#world.time.after(this.#dice.between(ACK_MS.min, ACK_MS.max), () => {
      this.#acking = false;
      if (this.#open) this.#line!.up({ k: 'ack', offset: this.position!.offset });
    });
  }

  #lost(): void {
    this.#line = null;
    this.#open = false;
    for (const op of this.#waiting.values()) this.#unsent.add(op);
    this.#waiting.clear();
  }

  #send(op: Op): void {
    const { time, faults } = this.#world;
    this.#unsent.delete(op);
    if (this.#giveUp(op)) return;
    if (!this.#open) {
      this.#unsent.add(op);
      return this.connect();
    }
    const cid = ++this.#cid;
    if (++op.tries > 1 && op.key !== null) faults.hit('command sent again with its key');
    op.lastMs = time.monotonicMs();
    if (op.key === null) op.startMs = time.monotonicMs();
    this.#waiting.set(cid, op);
    this.#line!.up({ k: 'command', cid, message: messageOf(op), keyed: true });
    const line = this.#line;
    time.after(ANSWER_MS, () => {
      // nobody answers: is anybody there?
      if (line === this.#line && this.#waiting.has(cid)) this.reconnect(true);
    });
  }

  #answered(op: Op, result: Result<unknown>): void {
    if (result.ok) return this.#end(op, 'ok', result);
    if (!result.retryable) return this.#end(op, 'failed', result);
    op.result = result;
    if (this.#giveUp(op)) return;
    this.#unsent.add(op);
    const waitMs = Math.max(result.retryAfterMs, this.#dice.between(BACKOFF_MS.min, BACKOFF_MS.max));
    this.#world.time.after(waitMs, () => {
      if (this.#unsent.has(op)) this.#send(op);
    });
  }

  #giveUp(op: Op): boolean {
    if (this.#world.time.monotonicMs() - op.askedMs < GIVE_UP_MS) return false;
    this.#unsent.delete(op);
    this.#end(op, 'unknown', op.result);
    return true;
  }

  #end(op: Op, outcome: NonNullable<Op['outcome']>, result: Result<unknown> | null): void {
    op.endMs = this.#world.time.monotonicMs();
    op.outcome = outcome;
    op.result = result;
    this.#world.chronicle.note(
      'command ended',
      this.person.nick,
      op.name,
      outcome,
      result && !result.ok ? result.message : '',
    );
    this.#world.ended(this, op);
  }
}

/** What the gateway would make of the frame; the hash is the body itself. */
function messageOf(op: Op): Message {
  const { name, body, key } = op;
  if (name === 'balance') return { type: 'balance' };
  const requestHash = key === null ? null : `${name} ${JSON.stringify(body)}`;
  const said =
    name === 'give'
      ? { type: 'give', ...body, key, requestHash }
      : { type: 'command', name, body, key, requestHash };
  return said;
}
