/** A user's stream of events: it goes on where another life of the actor ended, or says honestly that it does not. */
import { beforeEach, describe, expect, test } from 'vitest';
import { CommitError, type EntryOutcome } from '../nodes/ports.ts';
import { seededRandom } from '../nodes/simulation/virtualTime.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { CLOSE } from '../protocol/index.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { CreditView } from './messages/user.ts';

const S = 1_000;
const MIN = 60 * S;

let town: SmallTown;
let officer: TownPhone;
let civilian: TownPhone;
beforeEach(async () => {
  town = new SmallTown();
  officer = await town.phone('officer');
  civilian = await town.phone('civilian');
});

/** Points that nobody told the actor of yet. */
const granted = (to: TownPhone, points: number): Promise<CreditView> => town.granted(to, points);
const tell = (phone: TownPhone, credit: CreditView) => phone.ask({ type: 'credited', credit });
const given = async (phone: TownPhone, points: number) => tell(phone, await granted(phone, points));

/** A stored event: sharing ends. */
async function shareAndStop(phone: TownPhone): Promise<void> {
  await phone.command('location.share', {});
  await phone.command('location.stop', {});
}

const names = (phone: TownPhone): string[] =>
  phone.seen.map(one => one.name).filter(name => name !== 'snapshot');

/** Sleeps until the actor has left memory. */
async function asleep(phone: TownPhone): Promise<void> {
  phone.disconnect();
  const before = town.system.stats.passivated;
  await town.time.advance(ACTOR_LIMITS.graceMs + ACTOR_LIMITS.userIdleMs + S);
  expect(town.system.stats.passivated).toBeGreaterThan(before);
}

describe('a stream', () => {
  test('counts each movement and each stored event once, over a kill', async () => {
    await given(civilian, 5);
    await shareAndStop(civilian);
    await given(civilian, 6);
    expect(civilian.offset).toBe(3);
    town.kill();
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: true, offset: 3, frames: [] });
    await shareAndStop(civilian);
    expect(civilian.offset).toBe(4);
    expect(names(civilian)).toEqual(['points.changed', 'sharing.ended', 'points.changed', 'sharing.ended']);
  });

  test('the way of an event to its phone is measured from the turn that said it, over its commit', async () => {
    const commit = town.events.commit.bind(town.events);
    town.events.commit = async (...asked) => {
      await new Promise<void>(done => town.time.after(40, done));
      return commit(...asked);
    };
    for (let n = 0; n < 64; n++) await shareAndStop(civilian);
    const { rt_push_fanout_seconds: measured = [] } = town.observed;
    expect(measured.length).toBeGreaterThan(0);
    expect(Math.max(...measured)).toBeGreaterThanOrEqual(0.04);
  });

  test('gives a phone that was away exactly what it missed, byte for byte, after a kill', async () => {
    const away = { ...civilian.attached!, offset: 0 };
    for (let round = 0; round < 5; round++) {
      await given(civilian, 5 + round);
      await shareAndStop(civilian);
      if (round % 2) await shareAndStop(civilian);
    }
    expect(civilian.offset).toBe(12);
    const told = new Map(town.told);
    for (const offset of [0, 1, 7, 11, 12]) {
      town.kill();
      await civilian.connect();
      const from = { sessionId: '', epoch: away.epoch, offset };
      const result = await civilian.ask({
        type: 'attach',
        session: { gateway: 'g', id: town.key() },
        deviceId: civilian.deviceId,
        connSeq: town.next(),
        resume: from,
      });
      const attached = (result as { value: { resumed: boolean; frames: Uint8Array[] } }).value;
      expect(attached.resumed).toBe(true);
      const expected = Array.from({ length: 12 - offset }, (_, i) =>
        told.get(`${civilian.id} ${away.epoch} ${offset + i + 1}`),
      );
      expect(attached.frames.map(frame => Buffer.from(frame).toString('hex'))).toEqual(expected);
    }
  });

  test('tells an officer that his time is over, also when his node dies while it is stored', async () => {
    await officer.command('location.share', {});
    const commit = town.events.commit.bind(town.events);
    town.events.commit = () => new Promise(() => {});
    await town.time.advance(15 * MIN + S);
    expect(officer.events('sharing.ended')).toEqual([]);
    town.events.commit = commit;
    town.kill();
    await officer.connect();
    await town.time.advance(S);
    expect(officer.events('sharing.ended')).toEqual([{ reason: 'timeout' }]);
    expect(await officer.snapshot()).toMatchObject({ sharing: false });
    expect(town.stored.of('user', officer.id)).toEqual([]);
  });

  test('sleeps and wakes with its epoch', async () => {
    await given(civilian, 5);
    await shareAndStop(civilian);
    const { epoch } = civilian.attached!;
    await asleep(civilian);
    const missed = await granted(civilian, 7);
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ epoch, resumed: true, offset: 3 });
    expect(civilian.events('points.changed').at(-1)).toMatchObject({
      transferId: missed.transferId,
      balance: 12,
    });
  });

  test('moves along, and is told alike by a node that starts from the store', async () => {
    await given(civilian, 5);
    await shareAndStop(civilian);
    await town.move();
    await given(civilian, 6);
    await shareAndStop(civilian);
    civilian.offset = 0;
    town.told.clear();
    await civilian.connect();
    const packed = new Map(town.told);
    town.kill();
    civilian.offset = 0;
    await civilian.connect();
    expect([packed.size, civilian.offset, town.told]).toEqual([4, 4, packed]);
  });

  test('is read on when a phone has heard more than this life of the actor knows, and is not told twice', async () => {
    await given(civilian, 10);
    // committed while this life began, and told to the phone by the one before
    const { balance } = await granted(civilian, 5);
    civilian.disconnect();
    civilian.offset++;
    const heard = civilian.seen.length;
    await expect(civilian.connect()).rejects.toThrow('heard more');
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: true, offset: civilian.offset });
    expect(civilian.seen).toHaveLength(heard);
    expect(await civilian.ask({ type: 'balance' })).toMatchObject({ value: { balance } });
    // a claim of what nobody ever said is asked for once
    civilian.disconnect();
    civilian.offset += 7;
    await expect(civilian.connect()).rejects.toThrow('heard more');
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: false });
  });

  test('outside the ring there is a snapshot: five minutes later, behind 128 events, before the first', async () => {
    await given(civilian, 5);
    civilian.offset = 0;
    town.kill();
    await town.time.advance(ACTOR_LIMITS.ringMs + S);
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: false, offset: 1 });
    expect(civilian.seen.at(-1)?.name).toBe('snapshot');
    for (let i = 0; i < ACTOR_LIMITS.ringEvents + 2; i++) await given(civilian, 1);
    for (const [behind, resumed] of [
      [100, true],
      [ACTOR_LIMITS.ringEvents + 1, false],
    ] as const) {
      town.kill();
      civilian.offset = 131 - behind;
      await civilian.connect();
      expect([behind, civilian.attached]).toMatchObject([behind, { resumed, offset: 131 }]);
    }
    civilian.offset = 1_000;
    await expect(civilian.connect()).rejects.toThrow('heard more');
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: false });
  });

  test('takes nothing into memory of what no phone can ask for any more', async () => {
    for (let i = 0; i < 5; i++) await given(civilian, 1);
    await town.time.advance(ACTOR_LIMITS.ringMs + S);
    const record = (await town.people.query({ type: 'user', id: civilian.id })) as { stream: object };
    expect(record.stream).toMatchObject({ movements: [], events: [] });
  });
});

describe('movements that are told', () => {
  test('in any order and more than once leave in the order of their versions, once', async () => {
    const credits = [];
    for (let i = 0; i < 6; i++) credits.push(await granted(civilian, 10 + i));
    for (const at of [3, 1, 5, 1, 0, 0, 2, 5, 4]) await tell(civilian, credits[at]!);
    expect(civilian.events('points.changed').map(one => one.balanceVersion)).toEqual([1, 2, 3, 4, 5, 6]);
    await town.time.advance(5 * S);
    expect(civilian.offset).toBe(6);
  });

  test('behind one that nobody tells are found in the store after a second', async () => {
    await granted(civilian, 1);
    await granted(civilian, 2);
    await given(civilian, 3);
    expect(civilian.events('points.changed')).toEqual([]);
    expect(await civilian.ask({ type: 'balance' })).toMatchObject({ value: { balance: 6, version: 3 } });
    expect(await civilian.snapshot()).toMatchObject({ balance: 0, balanceVersion: 0 });
    await town.time.advance(ACTOR_LIMITS.gapMs + 100);
    expect(civilian.events('points.changed').map(one => one.delta)).toEqual([1, 2, 3]);
    expect(await civilian.snapshot()).toMatchObject({ balance: 6, balanceVersion: 3 });
  });

  test('the store is asked again when it does not answer, and for more than it gives at once', async () => {
    const query = town.people.query.bind(town.people);
    let refused = 0;
    town.people.query = async asked => {
      if (asked.type === 'movements' && refused++ < 3) throw new CommitError('unavailable', 'away');
      return query(asked);
    };
    for (let i = 0; i < ACTOR_LIMITS.gapMovements * 2; i++) await granted(civilian, 1);
    await given(civilian, 1);
    await town.time.advance(10 * ACTOR_LIMITS.gapMs);
    expect(refused).toBeGreaterThan(3);
    expect(civilian.offset).toBe(ACTOR_LIMITS.gapMovements * 2 + 1);
  });

  test('wait on the node to which the actor moves, too', async () => {
    await granted(civilian, 1);
    await given(civilian, 2);
    await town.move();
    expect(civilian.offset).toBe(0);
    await town.time.advance(ACTOR_LIMITS.gapMs + 100);
    expect(civilian.events('points.changed').map(one => one.delta)).toEqual([1, 2]);
  });

  test('take bounded room when some are never told', async () => {
    for (let i = 0; i < ACTOR_LIMITS.ahead * 2; i++) await granted(civilian, 1);
    const skipped = town.people.query.bind(town.people);
    town.people.query = async asked => (asked.type === 'movements' ? [] : skipped(asked));
    const all = ACTOR_LIMITS.ahead * 2;
    for (let version = 2; version <= all; version++) {
      const credit = {
        transferId: town.key(),
        points: 1,
        balance: version,
        balanceVersion: version,
        reason: 'grant',
      };
      await tell(civilian, credit);
    }
    await town.move();
    expect(town.problems).toEqual([]);
    town.people.query = skipped;
    await town.time.advance(10 * ACTOR_LIMITS.gapMs);
    expect(civilian.offset).toBe(all);
  });
});

describe('a stored event', () => {
  test('leaves when it is stored, not before', async () => {
    await civilian.command('location.share', {});
    const commit = town.events.commit.bind(town.events);
    let release = (): void => {};
    town.events.commit = async entries => {
      await new Promise<void>(resolve => {
        release = resolve;
      });
      return commit(entries);
    };
    const stopped = civilian.command('location.stop', {});
    await town.time.advance(100);
    expect([civilian.offset, town.events.of(civilian.id)]).toEqual([0, []]);
    release();
    expect(await stopped).toMatchObject({ ok: true });
    expect([civilian.offset, town.events.of(civilian.id).length]).toEqual([1, 1]);
  });

  test('that could not be stored was never told; the phone connects again and nothing is missing', async () => {
    await given(civilian, 5);
    const commit = town.events.commit.bind(town.events);
    town.events.commit = () => Promise.reject(new CommitError('unavailable', 'away'));
    const closed = { type: 'heyClosed', heyId: town.key(), reason: 'declined' } as const;
    town.tell(civilian.id, closed);
    await town.time.advance(5 * S);
    expect([civilian.closed, civilian.offset]).toEqual([CLOSE.moved, 1]);
    town.events.commit = commit;
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: true, offset: 1 });
    town.tell(civilian.id, closed);
    await town.time.advance(50);
    expect(names(civilian)).toEqual(['points.changed', 'hey.closed']);
  });

  test('stored while its node died is told by the next one', async () => {
    const commit = town.events.commit.bind(town.events);
    town.events.commit = async entries => {
      await commit(entries);
      return new Promise<EntryOutcome[]>(() => {});
    };
    void civilian.command('location.stop', {});
    await town.time.advance(50);
    expect(civilian.offset).toBe(0);
    town.events.commit = commit;
    town.kill();
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: true, offset: 1 });
    expect(names(civilian)).toEqual(['sharing.ended']);
  });

  test('of an actor that was thrown away is waited for by its successor', async () => {
    await given(civilian, 5);
    const commit = town.events.commit.bind(town.events);
    let release = (): void => {};
    town.events.commit = async entries => {
      await new Promise<void>(resolve => {
        release = resolve;
      });
      return commit(entries);
    };
    void civilian.command('location.stop', {});
    await town.time.advance(50);
    // another operation of the actor fails for good meanwhile
    const ledger = town.ledger.commit.bind(town.ledger);
    town.ledger.commit = () => Promise.reject(new CommitError('poison', 'rejected'));
    void civilian.ask({ type: 'give', to: officer.id, points: 1, key: town.key(), requestHash: 'x' });
    await town.time.advance(200);
    expect(civilian.closed).toBe(CLOSE.moved);
    town.ledger.commit = ledger;
    const connecting = civilian.connect();
    await town.time.advance(200);
    release();
    town.events.commit = commit;
    await connecting;
    expect(civilian.attached).toMatchObject({ resumed: true, offset: 2 });
    expect(names(civilian)).toEqual(['points.changed', 'sharing.ended']);
  });

  test('is told once, also when what led to it comes again', async () => {
    const closed = { type: 'heyClosed', heyId: town.key(), reason: 'declined' } as const;
    town.tell(civilian.id, closed);
    await town.time.advance(50);
    town.kill();
    await civilian.connect();
    town.tell(civilian.id, closed);
    await town.time.advance(50);
    expect(names(civilian)).toEqual(['hey.closed']);
  });
});

describe('a lineage that cannot be trusted', () => {
  test('another database has another epoch: a snapshot', async () => {
    await given(civilian, 5);
    const { epoch } = civilian.attached!;
    town.kill();
    town.events.town = 'restored from a copy';
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: false, offset: 1 });
    expect(civilian.attached!.epoch).not.toBe(epoch);
    expect(civilian.seen.at(-1)?.name).toBe('snapshot');
  });

  test('events behind movements that the ledger has lost: another lineage begins, and stays', async () => {
    await given(civilian, 5);
    await shareAndStop(civilian);
    const { epoch } = civilian.attached!;
    const account = town.ledger.accounts.get(civilian.id)!;
    town.ledger.accounts.set(civilian.id, { ...account, balance: 0, version: 0 });
    town.ledger.transfers.clear();
    town.kill();
    await civilian.connect();
    const second = civilian.attached!.epoch;
    expect(civilian.attached).toMatchObject({ resumed: false, offset: 2 });
    expect(second).not.toBe(epoch);
    await shareAndStop(civilian);
    await given(civilian, 9);
    town.kill();
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: true, epoch: second, offset: 4, frames: [] });
    civilian.offset = 2;
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: true, epoch: second });
    civilian.offset = 1;
    await civilian.connect();
    expect(civilian.attached).toMatchObject({ resumed: false, epoch: second });
  });

  test('a row that is missing ends the ring there: never a part of it', async () => {
    for (let i = 0; i < 3; i++) await shareAndStop(civilian);
    const rows = town.events.of(civilian.id) as unknown as { n: number }[];
    rows.splice(1, 1);
    for (const [offset, resumed] of [
      [1, false],
      [2, true],
    ] as const) {
      town.kill();
      civilian.offset = offset;
      await civilian.connect();
      expect([offset, civilian.attached]).toMatchObject([offset, { resumed, offset: 3 }]);
    }
  });
});

describe('whatever happens', () => {
  test.each([1, 2, 3, 4, 5, 6])('a phone sees every event once, in order (seed %i)', async seed => {
    const random = seededRandom(seed);
    const dice = (below: number): number => random.uint32() % below;
    const untold: CreditView[] = [];
    for (let step = 0; step < 80; step++) {
      const connected = town.phones.get(civilian.session.id) === civilian;
      const what = dice(12);
      if (!connected && what < 6) await civilian.connect();
      else if (what < 3) untold.push(await granted(civilian, 1 + dice(20)));
      else if (what < 6 && untold.length > 0) {
        const at = dice(untold.length);
        await tell(civilian, untold[at]!);
        if (dice(4) > 0) untold.splice(at, 1);
      } else if (what < 8 && connected) await shareAndStop(civilian);
      else if (what === 8) town.tell(civilian.id, { type: 'heyClosed', heyId: town.key(), reason: 'gone' });
      else if (what === 9) town.kill();
      else if (what === 10 && connected) civilian.disconnect();
      else if (what === 11) await town.move();
      await town.time.advance(dice(3) === 0 ? 2 * S : 20);
      if (dice(15) === 0) town.kill();
      // sockets outlive a node; what is attached nowhere connects again
      if (connected && dice(3) === 0) await civilian.connect();
    }
    await civilian.connect();
    // what was never told is found behind this one
    await given(civilian, 1);
    await town.time.advance(5 * S);
    const stored = town.events.of(civilian.id).at(-1)?.n ?? 0;
    const { version, balance } = town.ledger.accounts.get(civilian.id)!;
    expect(civilian.offset).toBe(version + stored);
    expect(names(civilian)).toHaveLength(version + stored);
    expect(civilian.events('points.changed').reduce((sum, one) => sum + (one.delta as number), 0)).toBe(
      balance,
    );
    expect(civilian.events('snapshot')).toHaveLength(1);
  });
});
