/** A small town of real user, region and pair actors on virtual time: people arrive, meet, and see what they see. */
import { beforeEach, describe, expect, test } from 'vitest';
import { ActorSystem } from '../nodes/actorSystem.ts';
import { LedgerWriter } from '../nodes/ledgerWriter.ts';
import { MemoryTimers } from '../nodes/memory/memoryTimers.ts';
import { soleOwner } from '../nodes/memory/soleOwner.ts';
import type { OperationWriter } from '../nodes/ports.ts';
import { forgetful, routeOperations } from '../nodes/routeOperations.ts';
import { builtInRules } from '../nodes/rules/builtIn.ts';
import { seededRandom, VirtualTime } from '../nodes/simulation/virtualTime.ts';
import { DurableTimers } from '../nodes/timers/durableTimers.ts';
import {
  type AccountKind,
  CLOSE,
  type CommandBody,
  type CommandName,
  decodeServerFrame,
  ERROR,
  openEvent,
  openVolatile,
  type Result,
  shardOf,
} from '../protocol/index.ts';
import { areaBehaviour } from './area.ts';
import { budgetBehaviour } from './budget.ts';
import type { Committed, EncounterOp } from './durable.ts';
import { openAreas } from './geo/areaRules.ts';
import type { Attached } from './messages/user.ts';
import { offerBehaviour } from './offer.ts';
import { pairBehaviour } from './pair.ts';
import type { UserRecord } from './queries.ts';
import { regionBehaviour } from './region.ts';
import { DEFAULT_RULES } from './rules.ts';
import type { Behaviour } from './turn.ts';
import { userBehaviour } from './user.ts';

const RULES = { ...DEFAULT_RULES, area: openAreas() };

const ID = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const HERE = { lat: 40.7306, lng: -73.9866 };
const metresNorth = (m: number): number => HERE.lat + m / 111_195;

const NEVER_MET = { agesMs: [], officerDay: 0, civilianMet: 0, civilianOfficers: 0, knowsOfficer: false };

/** Points and cooldowns as the database keeps them, in a few lines; the real store has its own contract suite. */
class Ledger {
  readonly entries = new Map<string, Committed & { op: EncounterOp }>();
  readonly balances = new Map<string, { balance: number; version: number }>();
  readonly #next = new Map<string, number>();
  away = false;
  /** What it does nobody hears of. */
  losesAnswers = false;
  /** How long a commit takes that finds the ledger away. */
  awayMs = 0;

  commit(op: EncounterOp, nowMs: number): Committed {
    const known = this.entries.get(op.id);
    if (known) {
      const same = known.op.officer === op.officer && known.op.civilian === op.civilian;
      return { ...known, code: same ? 'exists' : 'exists_with_different_payload' };
    }
    const pair = `${op.officer}|${op.civilian}`;
    if ((this.#next.get(pair) ?? 0) > nowMs) return { id: op.id, code: 'cooldown', atMs: 0, postings: [] };
    this.#next.set(pair, nowMs + op.cooldownS * 1_000);
    const credit = (account: string, delta: number) => {
      const before = this.balances.get(account) ?? { balance: 0, version: 0 };
      const after = { balance: before.balance + delta, version: before.version + 1 };
      this.balances.set(account, after);
      return { account, delta, ...after };
    };
    const postings = [credit(op.officer, op.officerPoints), credit(op.civilian, op.civilianPoints)];
    const committed: Committed = { id: op.id, code: 'created', atMs: nowMs, postings };
    this.entries.set(op.id, { ...committed, op });
    return committed;
  }
}

interface Seen {
  readonly name: string;
  readonly body: Record<string, unknown> | null;
}

/** Frozen to the bottom: a turn that changed an old state in place would throw. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value))
    return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

function pure<S, M extends { readonly type: string }>(behaviour: Behaviour<S, M>): Behaviour<S, M> {
  return { ...behaviour, receive: (state, message, turn) => behaviour.receive(frozen(state), message, turn) };
}

class Phone {
  readonly town: Town;
  readonly id: string;
  readonly session: { gateway: string; id: string };
  readonly seen: Seen[] = [];
  readonly errors: number[] = [];
  closed: number | null = null;
  attached: Attached | null = null;
  #seq = 0;

  constructor(town: Town, id: string, session: string) {
    this.town = town;
    this.id = id;
    this.session = { gateway: 'g', id: session };
  }

  receive(bytes: Uint8Array): void {
    const frame = decodeServerFrame(bytes);
    if (frame.type === 'error') this.errors.push(frame.code);
    const opened =
      frame.type === 'event' ? openEvent(frame) : frame.type === 'volatile' ? openVolatile(frame) : null;
    if (opened) this.seen.push(opened as Seen);
  }

  events(name: string): Record<string, unknown>[] {
    return this.seen.filter(seen => seen.name === name).map(seen => seen.body as Record<string, unknown>);
  }

  async command<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    key = this.town.key(),
    hash = 'h',
  ): Promise<Result<{ heyId: string; token: string }>> {
    let answer: Result<unknown> | null = null;
    const message = { type: 'command', session: this.session, name, body, key, requestHash: hash };
    this.town.system.ask({ kind: 'user', id: this.id }, message, result => {
      answer = result;
    });
    await this.town.time.advance(50);
    if (!answer) throw new Error('no answer');
    return answer;
  }

  async report(
    north: number,
    takenAtMs: number | null = null,
    seq = ++this.#seq,
    accuracyDm = 50,
  ): Promise<void> {
    const location = {
      seq,
      latE7: Math.round(metresNorth(north) * 1e7),
      lngE7: Math.round(HERE.lng * 1e7),
      accuracyDm,
      headingDeg: null,
      speedDms: null,
      takenAtMs,
    };
    this.town.system.tell(
      { kind: 'user', id: this.id },
      { type: 'location', session: this.session, location },
    );
    await this.town.time.advance(10);
  }
}

class Town {
  readonly time: VirtualTime;
  readonly ledger: Ledger;
  readonly stored: MemoryTimers;
  readonly timers: DurableTimers;
  readonly phones = new Map<string, Phone>();
  readonly users: Map<string, UserRecord>;
  readonly system: ActorSystem;
  #keys = 0;

  /** With `before`: after a restart, what was durable is there and nothing else. */
  constructor(before: Town | null = null) {
    this.time = before?.time ?? new VirtualTime();
    this.ledger = before?.ledger ?? new Ledger();
    this.stored = before?.stored ?? new MemoryTimers(() => 1);
    this.users = before?.users ?? new Map();
    before?.stop();
    const world = {
      clock: this.time,
      scheduler: this.time,
      log: {
        debug: () => {},
        info: () => {},
        warn: () => {},
        error: (fields: object) => console.error(fields),
      },
      metrics: { count: () => {}, observe: () => {}, gauge: () => {} },
    };
    const keys = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]) };
    this.system = new ActorSystem({
      behaviours: {
        user: pure(userBehaviour(RULES, keys)),
        region: regionBehaviour(DEFAULT_RULES.proximity),
        area: areaBehaviour(RULES.area),
        pair: pure(pairBehaviour(DEFAULT_RULES)),
        offer: offerBehaviour(),
        budget: budgetBehaviour(),
      },
      coordinator: soleOwner(),
      writer: routeOperations({
        ledger: this.#ledgerWriter(),
        timers: {
          submit: (entry, done) => this.timers.submit(entry, done),
          stored: (shard, timer) => this.timers.stored(shard, timer),
        },
        events: forgetful(this.time),
      }),
      queries: {
        query: async query => {
          if (query.type === 'user') return this.#record(query.id);
          if (query.type === 'command') return null;
          if (query.type === 'pairHistory') return NEVER_MET;
          if (query.type !== 'userByNumber') throw new Error('not asked here');
          return [...this.users.values()].find(user => user.number === query.number)?.id ?? null;
        },
      },
      rules: builtInRules(DEFAULT_RULES),
      sink: {
        push: (sessions, bytes) => {
          for (const session of sessions) this.phones.get(session.id)?.receive(bytes);
        },
        close: (sessions, code) => {
          for (const session of sessions) (this.phones.get(session.id) as Phone).closed = code;
        },
      },
      ...world,
      random: seededRandom(42),
    });
    this.timers = new DurableTimers({
      ...world,
      store: this.stored,
      writer: new LedgerWriter({ ...world, store: this.stored }),
      door: this.system,
      coordinator: soleOwner(),
      random: seededRandom(43),
    });
    for (let shard = 0; shard < 512; shard++) this.timers.opened(shard, 1);
  }

  /** The node dies: what was in memory is gone. */
  stop(): void {
    this.timers.stop();
    this.system.stop();
  }

  #ledgerWriter(): OperationWriter {
    return {
      submit: (entry, done) =>
        this.time.immediate(() => {
          const away = (): void => done({ ok: false, reason: 'unavailable', message: 'away' });
          if (this.ledger.away && this.ledger.awayMs > 0) {
            this.time.after(this.ledger.awayMs, away);
            return;
          }
          if (this.ledger.away) return away();
          const committed = this.ledger.commit(entry.op as EncounterOp, this.time.nowMs());
          if (this.ledger.losesAnswers) return away();
          done({ ok: true, committed });
        }),
    };
  }

  #record(id: string): UserRecord | null {
    const user = this.users.get(id);
    return user ? { ...user, timers: this.stored.of('user', id) } : null;
  }

  key(): string {
    return ID(900_000 + this.#keys++);
  }

  async arrives(kind: AccountKind, n: number, sessionId = `s${n}`): Promise<Phone> {
    const id = ID(n);
    if (!this.users.has(id)) {
      this.users.set(id, {
        id,
        kind,
        handle: `${kind} ${n}`,
        number: n,
        deviceId: `d${n}`,
        deviceNumber: 1,
        balance: 0,
        balanceVersion: 0,
        reserved: 0,
        encounterCount: 0,
        encounters: [],
        commands: [],
        latestKey: null,
        timers: [],
        stream: { town: 't', others: 0, after: 0, lineage: 0, movements: [], events: [], told: {} },
      });
    }
    const phone = new Phone(this, id, sessionId);
    this.phones.set(sessionId, phone);
    const attach = {
      type: 'attach',
      session: phone.session,
      deviceId: `d${n}`,
      connSeq: this.#keys++,
      resume: null,
    };
    this.system.ask({ kind: 'user', id }, attach, result => {
      if (!result.ok) return;
      phone.attached = result.value as Attached;
      for (const frame of phone.attached.frames) phone.receive(frame);
    });
    await this.time.advance(20);
    return phone;
  }
}

let town: Town;
let officer: Phone;
let civilian: Phone;
beforeEach(async () => {
  town = new Town();
  officer = await town.arrives('officer', 1);
  civilian = await town.arrives('civilian', 2);
});

/** Both report so often that a whole dwell passes. */
async function standTogether(seconds = 70): Promise<void> {
  for (let s = 0; s < seconds; s += 5) {
    await officer.report(0);
    await civilian.report(5);
    await town.time.advance(5_000);
  }
}

async function heyWaiting(): Promise<string> {
  await officer.command('location.share', {});
  await officer.report(0);
  await civilian.report(20);
  await town.time.advance(2_000);
  const said = await civilian.command('hey.say', { officerId: officer.id });
  return said.ok ? said.value.heyId : Promise.reject(new Error(JSON.stringify(said)));
}

describe('hey', () => {
  test('a civilian sees the officer of the area, says hey, he accepts, both earn and are told', async () => {
    const heyId = await heyWaiting();
    expect(civilian.events('area.officers').at(-1)).toMatchObject({ officers: [{ officerId: officer.id }] });
    expect(officer.events('hey.received')).toMatchObject([{ heyId, civilianHandle: 'civilian 2' }]);
    const accepted = await officer.command('hey.accept', { heyId });
    expect(accepted).toMatchObject({ ok: true, value: { points: 10, balance: 10 } });
    for (const [phone, other] of [
      [officer, 'civilian 2'],
      [civilian, 'officer 1'],
    ] as const) {
      expect(phone.events('encounter.completed')).toMatchObject([
        { method: 'hey', otherHandle: other, points: 10, balance: 10, balanceVersion: 1 },
      ]);
    }
    expect(town.ledger.entries.size).toBe(1);
  });

  test('a repeat with the same key gets the first answer, another body is a conflict, and nothing counts twice', async () => {
    const heyId = await heyWaiting();
    const first = await officer.command('hey.accept', { heyId }, ID(5), 'same');
    expect(await officer.command('hey.accept', { heyId }, ID(5), 'same')).toEqual(first);
    expect(await officer.command('hey.accept', { heyId: ID(1) }, ID(5), 'other')).toMatchObject({
      code: ERROR.conflict,
    });
    expect(town.ledger.entries.size).toBe(1);
    expect(officer.events('encounter.completed')).toHaveLength(1);
  });

  test('a hey whose answer was lost is the same hey when it is said again', async () => {
    await officer.command('location.share', {});
    await officer.report(0);
    await civilian.report(20);
    await town.time.advance(2_000);
    const first = await civilian.command('hey.say', { officerId: officer.id }, ID(7));
    // The civilian's actor forgets everything, as after a crash; the officer's does not.
    town.system.dropped(shardOf('user', civilian.id));
    const forgotten = await town.arrives('civilian', 2, 'again');
    expect(civilian.closed).toBe(CLOSE.moved);
    await forgotten.report(20);
    const again = await forgotten.command('hey.say', { officerId: officer.id }, ID(7));
    expect([again.ok && again.value.heyId, officer.events('hey.received').length]).toEqual([
      first.ok && first.value.heyId,
      1,
    ]);
  });

  test('the same two within a day are refused by the ledger and both are told', async () => {
    await officer.command('hey.accept', { heyId: await heyWaiting() });
    await officer.report(0);
    await civilian.report(20);
    const again = await civilian.command('hey.say', { officerId: officer.id });
    const refused = await officer.command('hey.accept', { heyId: again.ok ? again.value.heyId : '' });
    expect(refused).toMatchObject({ ok: false, code: ERROR.conflict, retryable: false });
    expect(civilian.events('hey.closed')).toMatchObject([{ reason: 'refused' }]);
    expect(town.ledger.entries.size).toBe(1);
  });

  test('a hey that is over, declined or of somebody else cannot be accepted', async () => {
    const heyId = await heyWaiting();
    expect(await officer.command('hey.accept', { heyId: ID(77) })).toMatchObject({ code: ERROR.gone });
    expect(await officer.command('hey.decline', { heyId })).toMatchObject({ ok: true });
    expect(civilian.events('hey.closed')).toMatchObject([{ heyId, reason: 'declined' }]);
    expect(await officer.command('hey.accept', { heyId })).toMatchObject({ code: ERROR.gone });
    await officer.report(0);
    await civilian.report(20);
    const second = await civilian.command('hey.say', { officerId: officer.id });
    expect(second.ok).toBe(true);
    await town.time.advance(61_000);
    expect(civilian.events('hey.closed')).toMatchObject([{ reason: 'declined' }, { reason: 'expired' }]);
  });

  test('accepted and declined at once: what came first stands, and the civilian hears one thing', async () => {
    const heyId = await heyWaiting();
    const [accepted, declined] = await Promise.all([
      officer.command('hey.accept', { heyId }),
      officer.command('hey.decline', { heyId }),
    ]);
    expect(accepted).toMatchObject({ ok: true });
    expect(declined).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(civilian.events('hey.closed')).toEqual([]);
    expect(civilian.events('encounter.completed')).toHaveLength(1);
  });

  test('a hey whose time ran out during an accept that failed: the civilian is told', async () => {
    const heyId = await heyWaiting();
    await town.time.advance(58_000);
    await officer.report(0);
    town.ledger.away = true;
    town.ledger.awayMs = 4_000;
    officer.command('hey.accept', { heyId }).catch(() => null);
    await town.time.advance(10_000);
    expect(civilian.events('hey.closed')).toMatchObject([{ heyId, reason: 'expired' }]);
    expect(town.ledger.entries.size).toBe(0);
  });

  test('to oneself, between two civilians, between two officers, far away or unseen: refused, nothing changes', async () => {
    const other = await town.arrives('civilian', 3);
    const colleague = await town.arrives('officer', 4);
    await civilian.report(20);
    await other.report(20);
    expect(await civilian.command('hey.say', { officerId: civilian.id })).toMatchObject({
      code: ERROR.invalid,
    });
    expect(await colleague.command('hey.say', { officerId: officer.id })).toMatchObject({
      code: ERROR.forbidden,
    });
    // Nobody of whom the area tells: one answer, whoever it is and wherever.
    const nobody = await civilian.command('hey.say', { officerId: ID(999) });
    const noOfficer = await civilian.command('hey.say', { officerId: other.id });
    const unseen = await civilian.command('hey.say', { officerId: officer.id });
    await officer.command('location.share', {});
    await officer.report(30_000);
    const elsewhere = await civilian.command('hey.say', { officerId: officer.id });
    expect(nobody).toMatchObject({ code: ERROR.notFound });
    for (const answer of [noOfficer, unseen, elsewhere]) expect(answer).toEqual(nobody);
    expect(town.ledger.entries.size).toBe(0);
  });

  test('positions that do not agree are not enough', async () => {
    await officer.command('location.share', {});
    await officer.report(0);
    await civilian.report(20);
    await town.time.advance(2_000);
    // a car's speed: a faster one would not be believed
    await town.time.advance(10_000);
    for (const accuracyDm of [50, 50_000]) {
      const said = await civilian.command('hey.say', { officerId: officer.id });
      const heyId = said.ok ? said.value.heyId : '';
      await officer.report(400, null, undefined, accuracyDm);
      const accepted = await officer.command('hey.accept', { heyId });
      expect(accepted).toMatchObject({ ok: false, code: ERROR.conflict });
      expect(civilian.events('hey.closed').at(-1)).toEqual({ heyId, reason: 'refused' });
      // looked at once: from where he really is, or says to be next, there is nothing to look at
      await town.time.advance(10_000);
      await officer.report(20);
      expect(await officer.command('hey.accept', { heyId })).toMatchObject({ code: ERROR.gone });
      await town.time.advance(10_000);
    }
    expect(await civilian.command('hey.say', { officerId: officer.id })).toMatchObject({ ok: true });
  });

  test('an officer whose own position is old is told so, and the hey waits for a fresh one', async () => {
    await officer.command('location.share', {});
    await officer.report(0);
    await town.time.advance(60_000);
    await civilian.report(20);
    await town.time.advance(2_000);
    const said = await civilian.command('hey.say', { officerId: officer.id });
    const heyId = said.ok ? said.value.heyId : '';
    await town.time.advance(DEFAULT_RULES.heyFixAgeS * 1_000 - 60_000);
    expect(await officer.command('hey.accept', { heyId })).toMatchObject({ code: ERROR.conflict });
    await officer.report(0);
    expect(await officer.command('hey.accept', { heyId })).toMatchObject({ ok: true });
    expect(civilian.events('hey.closed')).toEqual([]);
  });

  test('with the ledger away the accept is "try again", and the retry with the same key counts once', async () => {
    const heyId = await heyWaiting();
    town.ledger.away = true;
    const failed = await officer.command('hey.accept', { heyId }, ID(6));
    expect(failed).toMatchObject({ ok: false, retryable: true });
    expect(officer.events('encounter.completed')).toEqual([]);
    town.ledger.away = false;
    expect(await officer.command('hey.accept', { heyId }, ID(6))).toMatchObject({ ok: true });
    expect(town.ledger.entries.size).toBe(1);
  });
});

describe('instant match', () => {
  test('a completed dwell of two who switched it on counts without a tap, once', async () => {
    await officer.command('location.share', {});
    for (const phone of [officer, civilian]) await phone.command('instant.set', { on: true });
    await standTogether(120);
    for (const phone of [officer, civilian]) {
      expect(phone.events('encounter.completed')).toMatchObject([{ method: 'proximity', points: 10 }]);
    }
  });

  test('a dwell that was settled and whose answer was lost is found again: both hear of it, it counts once', async () => {
    await officer.command('location.share', {});
    for (const phone of [officer, civilian]) await phone.command('instant.set', { on: true });
    town.ledger.losesAnswers = true;
    await standTogether();
    expect(town.ledger.entries.size).toBe(1);
    expect(civilian.events('encounter.completed')).toEqual([]);
    town.ledger.losesAnswers = false;
    await standTogether(40);
    expect(town.ledger.entries.size).toBe(1);
    for (const phone of [officer, civilian])
      expect(phone.events('encounter.completed')).toMatchObject([{ method: 'proximity', points: 10 }]);
  });

  test('without both switches nothing counts', async () => {
    await officer.command('location.share', {});
    await officer.command('instant.set', { on: true });
    await standTogether(120);
    expect(town.ledger.entries.size).toBe(0);
  });

  test('switched off is off at once: the dwell that the other side completes does not count', async () => {
    await officer.command('location.share', {});
    for (const phone of [officer, civilian]) await phone.command('instant.set', { on: true });
    await standTogether(60);
    await civilian.command('instant.set', { on: false });
    for (let s = 0; s < 60; s += 5) {
      await officer.report(0);
      await town.time.advance(5_000);
    }
    expect(town.ledger.entries.size).toBe(0);
    await civilian.command('instant.set', { on: true });
    await standTogether(70);
    expect(town.ledger.entries.size).toBe(1);
  });
});

describe('codes', () => {
  const shown = async (phone: Phone): Promise<string> => {
    const reply = await phone.command('qr.show', {});
    return reply.ok ? reply.value.token : '';
  };

  test('either side shows, the other scans; both earn', async () => {
    expect(await civilian.command('qr.scan', { token: await shown(officer) })).toMatchObject({
      ok: true,
      value: { points: 20, balance: 20 },
    });
    const other = await town.arrives('civilian', 3);
    expect(await officer.command('qr.scan', { token: await shown(other) })).toMatchObject({ ok: true });
    expect(officer.events('encounter.completed').map(event => event.balance)).toEqual([20, 40]);
  });

  test('a used code, one of the same side, a forged or an expired one: refused, nothing changes', async () => {
    const token = await shown(civilian);
    expect(await officer.command('qr.scan', { token })).toMatchObject({ ok: true });
    const colleague = await town.arrives('officer', 4);
    expect(await colleague.command('qr.scan', { token })).toMatchObject({ code: ERROR.conflict });
    expect(await officer.command('qr.scan', { token })).toMatchObject({ code: ERROR.conflict });
    expect(await officer.command('qr.scan', { token: await shown(colleague) })).toMatchObject({ ok: false });
    expect(await civilian.command('qr.scan', { token: await shown(civilian) })).toMatchObject({ ok: false });
    const fresh = await shown(colleague);
    const forged = fresh.slice(0, -1) + (fresh.endsWith('0') ? '1' : '0');
    expect(await civilian.command('qr.scan', { token: forged })).toMatchObject({ ok: false });
    await town.time.advance(120_000);
    expect(await civilian.command('qr.scan', { token: fresh })).toMatchObject({ code: ERROR.gone });
    expect(town.ledger.entries.size).toBe(1);
  });

  test("a civilian's code counts once, also when a restart made everybody forget that it was used", async () => {
    const token = await shown(civilian);
    const officers = await shown(officer);
    expect(await officer.command('qr.scan', { token })).toMatchObject({ ok: true });
    const again = new Town(town);
    const colleague = await again.arrives('officer', 4);
    expect(await colleague.command('qr.scan', { token })).toMatchObject({
      code: ERROR.conflict,
      retryable: false,
    });
    for (const n of [5, 6]) {
      const other = await again.arrives('civilian', n);
      expect(await other.command('qr.scan', { token: officers })).toMatchObject({ ok: true });
    }
    expect(town.ledger.entries.size).toBe(3);
  });
});

describe('positions', () => {
  test('each is answered with the next report period', async () => {
    await civilian.report(0);
    expect(civilian.events('report.next')).toMatchObject([{ periodS: expect.any(Number) }]);
  });

  test('from the future, too old, with a falling number, or not shared: one error, nothing changes', async () => {
    const now = town.time.nowMs();
    await civilian.report(0, now + 60_000);
    await civilian.report(0, now - 120_000);
    await civilian.report(0, null, 10);
    await civilian.report(0, null, 10);
    await officer.report(0);
    expect(civilian.errors).toEqual([ERROR.invalid, ERROR.gone, ERROR.conflict]);
    expect(officer.errors).toEqual([ERROR.conflict]);
    expect(civilian.events('report.next')).toHaveLength(1);
  });

  test("an officer's sharing ends by itself after 15 minutes, and he leaves the area", async () => {
    await officer.command('location.share', {});
    await officer.report(0);
    await civilian.report(20);
    await town.time.advance(2_000);
    expect(civilian.events('area.officers')).toHaveLength(1);
    await town.time.advance(15 * 60_000);
    expect(officer.events('sharing.ended')).toMatchObject([{ reason: 'timeout' }]);
    await civilian.report(20);
    await town.time.advance(2_000);
    expect(civilian.seen.filter(seen => seen.name === 'area.officers').at(-1)?.body).toBeNull();
  });

  test('an officer is told of nobody', async () => {
    await officer.command('location.share', {});
    await standTogether(30);
    const names = new Set(officer.seen.map(seen => seen.name));
    expect([...names].sort()).toEqual(['report.next', 'snapshot']);
    expect(new Set(officer.events('report.next').map(body => body.periodS)).size).toBe(1);
  });
});

describe('sessions', () => {
  test('a newer connection of the device replaces the older, whose late detach changes nothing', async () => {
    const newer = await town.arrives('officer', 1, 'newer');
    expect(officer.closed).toBe(CLOSE.replaced);
    town.system.tell(
      { kind: 'user', id: officer.id },
      { type: 'detach', session: officer.session, connSeq: 0 },
    );
    await town.time.advance(10);
    await newer.command('location.share', {});
    await newer.command('location.stop', {});
    expect(newer.events('sharing.ended')).toHaveLength(1);
  });

  test('a session that is over says nothing any more: its commands are to be sent again, its positions are dropped', async () => {
    await town.arrives('officer', 1, 'newer');
    expect(await officer.command('location.share', {})).toMatchObject({ ok: false, retryable: true });
    await officer.report(0);
    expect([officer.errors, officer.events('report.next')]).toEqual([[], []]);
  });

  test('another device is refused', async () => {
    let answer: Result<unknown> | null = null;
    const attach = {
      type: 'attach',
      session: { gateway: 'g', id: 'x' },
      deviceId: 'stolen',
      connSeq: 99,
      resume: null,
    };
    town.system.ask({ kind: 'user', id: officer.id }, attach, result => {
      answer = result;
    });
    await town.time.advance(10);
    expect(answer).toMatchObject({ ok: false, code: ERROR.forbidden });
    expect(officer.closed).toBeNull();
  });

  test('the account moves to another device: the old one ends, the new one attaches at once and its codes count', async () => {
    town.users.set(officer.id, {
      ...(town.users.get(officer.id) as UserRecord),
      deviceId: 'new',
      deviceNumber: 2,
    });
    const old = await officer.command('qr.show', {});
    town.system.tell({ kind: 'user', id: officer.id }, { type: 'deviceMoved', deviceId: 'new' });
    const attach = {
      type: 'attach',
      session: { gateway: 'g', id: 'n' },
      deviceId: 'new',
      connSeq: 50,
      resume: null,
    };
    const phone = new Phone(town, officer.id, 'n');
    town.phones.set('n', phone);
    let attached: Result<unknown> | null = null;
    town.system.ask({ kind: 'user', id: officer.id }, attach, result => {
      attached = result;
    });
    await town.time.advance(10);
    expect([officer.closed, attached]).toMatchObject([CLOSE.revoked, { ok: true }]);
    const fresh = await phone.command('qr.show', {});
    expect(await civilian.command('qr.scan', { token: old.ok ? old.value.token : '' })).toMatchObject({
      code: ERROR.gone,
    });
    expect(await civilian.command('qr.scan', { token: fresh.ok ? fresh.value.token : '' })).toMatchObject({
      ok: true,
    });
    expect(phone.events('encounter.completed')).toHaveLength(1);
  });

  test('missed events are replayed in order to who names epoch and offset; otherwise a snapshot', async () => {
    const heyId = await heyWaiting();
    await officer.command('hey.accept', { heyId });
    const { epoch } = officer.attached as Attached;
    const attach = (resume: object) => {
      const message = {
        type: 'attach',
        session: { gateway: 'g', id: 's1' },
        deviceId: 'd1',
        connSeq: 1_000,
        resume,
      };
      return new Promise<Attached>(resolve => {
        town.system.ask({ kind: 'user', id: officer.id }, message, result =>
          resolve((result as { value: unknown }).value as Attached),
        );
        void town.time.advance(20);
      });
    };
    const names = (attached: Attached) =>
      attached.frames.map(bytes => {
        const frame = decodeServerFrame(bytes);
        return frame.type === 'event' ? `${frame.offset} ${openEvent(frame)?.name}` : frame.type;
      });
    const resumed = await attach({ sessionId: ID(1), epoch, offset: 1 });
    expect([resumed.resumed, names(resumed)]).toEqual([true, ['2 encounter.completed']]);
    const foreign = await attach({ sessionId: ID(1), epoch: ID(99), offset: 1 });
    expect([foreign.resumed, names(foreign)]).toEqual([false, ['2 snapshot']]);
  });
});
