/**
 * A command takes effect once and is answered once, byte for byte, also when the node dies between the command and its
 * repeat: told by the phones of a small town. (Commands that move points: `survival.test.ts`, `meeting.test.ts`.)
 */
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CommitEntry, CommitError } from '../nodes/ports.ts';
import { HERE, SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import type { CommandBody, CommandName } from '../protocol/catalogue.ts';
import { ERROR, type Result } from '../protocol/errors.ts';
import { mintHubToken } from '../protocol/hubToken.ts';
import { Fences, type Place } from './geo/places/fence.ts';
import { ACTOR_LIMITS } from './limits.ts';

const S = 1_000;
const MIN = 60 * S;
const wall = generateKeyPairSync('ed25519');
const HUB: Place = {
  ...{ id: '00000000-0000-7000-8000-0000000000a1', kind: 'hub', name: 'Hall', number: 7, poster: 0 },
  ...{ latE7: Math.round(HERE.lat * 1e7), lngE7: Math.round(HERE.lng * 1e7), radiusM: 60 },
};
const poster = { kid: 1, hubNumber: HUB.number, posterNumber: 0, untilMs: null, nonce: 1 };
const token = mintHubToken({ ...poster, privateKey: wall.privateKey });

let town: SmallTown;
let officer: TownPhone;
let civilian: TownPhone;
beforeEach(async () => {
  const fences = new Fences([HUB]);
  town = new SmallTown({}, { fences: () => fences, hubs: new Map([[1, wall.publicKey]]) });
  officer = await town.phone('officer');
  civilian = await town.phone('civilian');
});

/** The node dies, and everybody comes back a while later. */
async function killed(): Promise<void> {
  town.kill();
  await town.time.advance(2 * MIN);
  for (const phone of [officer, civilian]) await phone.connect();
}

/** Both share, near each other. */
async function near(): Promise<void> {
  await officer.command('location.share', {});
  for (const phone of [officer, civilian]) await phone.report(0);
}

interface Repeated {
  readonly first: Result<unknown>;
  readonly again: Result<unknown>;
  readonly conflict: Result<unknown>;
}

/** The first answer, and what a repeat gets after a kill, the same and with another body. */
async function repeated<N extends CommandName>(
  phone: TownPhone,
  name: N,
  body: CommandBody<N>,
  other: CommandBody<N> = { ...body, another: true },
): Promise<Repeated> {
  const key = town.key();
  const first = await phone.command(name, body, key);
  await town.time.advance(S);
  await killed();
  const conflict = await phone.command(name, other, key);
  const again = await phone.command(name, body, key);
  return { first, again, conflict };
}
const CONFLICT = { ok: false, code: ERROR.conflict, retryable: false };

describe('after a kill a repeat gets the first answer, and another body is a conflict:', () => {
  const cases: {
    readonly [name: string]: () => Promise<Repeated>;
  } = {
    'location.share': () => repeated(officer, 'location.share', {}),
    'location.stop': async () => {
      await officer.command('location.share', {});
      return repeated(officer, 'location.stop', {});
    },
    'location.mode': () => repeated(officer, 'location.mode', { mode: 'coarse' }, { mode: 'precise' }),
    'instant.set': () => repeated(civilian, 'instant.set', { on: true }, { on: false }),
    'hub.checkIn': () => repeated(officer, 'hub.checkIn', { token }),
    'hey.say': async () => {
      await near();
      return repeated(civilian, 'hey.say', { officerId: officer.id }, { officerId: civilian.id });
    },
    'hey.decline': async () => {
      await near();
      await civilian.command('hey.say', { officerId: officer.id });
      const [{ heyId }] = officer.events('hey.received') as [{ heyId: string }];
      return repeated(officer, 'hey.decline', { heyId }, { heyId: town.key() });
    },
    'qr.upload': async () => {
      const shown = await civilian.command('qr.show', {});
      const code = shown.ok ? shown.value.token : '';
      civilian.disconnect();
      const scan = { token: code, scannedAtS: Math.floor(town.time.nowMs() / S) };
      await town.time.advance(60 * MIN);
      const key = town.key();
      const first = await officer.upload(scan, key);
      // the presenter acknowledges: it is settled, and nothing of it waits any more
      await civilian.connect();
      await killed();
      const conflict = await officer.upload({ ...scan, scannedAtS: scan.scannedAtS - 1 }, key);
      const again = await officer.upload(scan, key);
      return { first, again, conflict };
    },
  };

  for (const [name, run] of Object.entries(cases))
    test(name, async () => {
      const { first, again, conflict } = await run();
      expect(first.ok).toBe(true);
      expect(JSON.stringify(again)).toBe(JSON.stringify(first));
      expect(conflict).toMatchObject(CONFLICT);
    });

  test('a scan that was settled and uploaded again counts once, and its presenter is not asked again', async () => {
    const { first } = await cases['qr.upload']!();
    expect(first.ok).toBe(true);
    expect([town.balance(officer.id), civilian.events('scan.pending').length]).toEqual([20, 1]);
  });

  test('an accept that a pair refused', async () => {
    await near();
    const shown = await civilian.command('qr.show', {});
    await officer.command('qr.scan', { token: shown.ok ? shown.value.token : '' });
    await civilian.command('hey.say', { officerId: officer.id });
    const [{ heyId }] = officer.events('hey.received') as [{ heyId: string }];
    const { first, again } = await repeated(officer, 'hey.accept', { heyId });
    expect(first).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(again).toEqual(first);
  });
});

test('what was chosen later stays: the repeat of an earlier command undoes nothing', async () => {
  const key = town.key();
  const first = await officer.command('location.share', {}, key);
  await officer.command('location.stop', {});
  await killed();
  expect(await officer.command('location.share', {}, key)).toEqual(first);
  expect(await officer.snapshot()).toMatchObject({ sharing: false });
  expect(officer.events('sharing.ended')).toEqual([{ reason: 'stopped' }]);
});

test('a switch that stood so already stores nothing, and says the same after a kill', async () => {
  const key = town.key();
  await civilian.command('instant.set', { on: true });
  const first = await civilian.command('instant.set', { on: true }, key);
  expect(town.notes.answers.of(civilian.id)).toHaveLength(1);
  await killed();
  expect(await civilian.command('instant.set', { on: true }, key)).toEqual(first);
});

describe('behind a hundred others', () => {
  const setInstant = (on: boolean, key?: string) => civilian.command('instant.set', { on }, key);
  const isOn = async () => (await civilian.snapshot()).instant;
  /** What the store was asked about commands. */
  const asked = (): string[] => {
    const keys: string[] = [];
    const query = town.people.query.bind(town.people);
    town.people.query = one => {
      if (one.type === 'command') keys.push(one.key);
      return query(one);
    };
    return keys;
  };
  const another = async (times = 100) => {
    for (let i = 0; i < times; i++) await setInstant(i % 2 === 0);
  };

  for (const [what, happens] of [
    ['in one life', async () => {}],
    ['after a kill', killed],
    ['after a move', () => town.move()],
  ] as const)
    test(`a repeat gets the first answer and undoes nothing, another body is a conflict: ${what}`, async () => {
      const key = town.key();
      const first = await setInstant(true, key);
      await another();
      await happens();
      const keys = asked();
      expect(await setInstant(false, key)).toMatchObject(CONFLICT);
      expect(JSON.stringify(await setInstant(true, key))).toBe(JSON.stringify(first));
      expect([keys, await isOn()]).toEqual([[key, key], false]);
    });

  test('the store is not asked for a new one, in this life or the next', async () => {
    const keys = asked();
    await another(ACTOR_LIMITS.commands * 3);
    await killed();
    await another(ACTOR_LIMITS.commands * 2);
    expect(keys).toEqual([]);
  });

  test('a key that says no time is looked up once something was forgotten', async () => {
    const keys = asked();
    const key = '0190a0c4-0000-4000-8000-000000000001';
    const first = await setInstant(true, key);
    await another();
    expect(await setInstant(true, key)).toEqual(first);
    const fresh = '0190a0c4-0000-4000-8000-000000000002';
    expect(await setInstant(true, fresh)).toEqual(first);
    expect([keys, await isOn()]).toEqual([[key, fresh], true]);
  });

  test('an old one that was never said takes effect, and what comes behind it waits for it', async () => {
    const old = town.key();
    await town.time.advance(S);
    await another();
    const query = town.people.query.bind(town.people);
    let go = (): void => {};
    town.people.query = async one => {
      if (one.type === 'command')
        await new Promise<void>(resolve => {
          go = resolve;
        });
      return query(one);
    };
    const both = [setInstant(true, old), setInstant(false)];
    await town.time.advance(S);
    expect(await isOn()).toBe(false);
    go();
    expect(await Promise.all(both)).toMatchObject([{ value: { on: true } }, { value: { on: false } }]);
    expect(await isOn()).toBe(false);
    expect(await setInstant(true, old)).toEqual({ ok: true, value: { on: true } });
    expect(await isOn()).toBe(false);
  });

  test('while the store is away it is not done, and may be tried again', async () => {
    const key = town.key();
    await setInstant(true, key);
    await another();
    const query = town.people.query.bind(town.people);
    town.people.query = async () => {
      throw new CommitError('unavailable', 'away');
    };
    expect(await setInstant(true, key)).toMatchObject({ ok: false, retryable: true });
    town.people.query = query;
    expect([await setInstant(true, key), await isOn()]).toEqual([{ ok: true, value: { on: true } }, false]);
  });

  test('a gift is given once, although the points that it took are gone', async () => {
    await town.grant(officer, 100);
    const body = { userId: (await town.phone('officer')).id, points: 100 };
    const key = town.key();
    const first = await officer.command('points.give', body, key);
    expect(first.ok).toBe(true);
    for (let i = 0; i < 100; i++) await officer.command('instant.set', { on: i % 2 === 0 });
    expect(await officer.command('points.give', body, key)).toEqual(first);
  });
});

test('answers are kept for a day', async () => {
  await civilian.command('instant.set', { on: true });
  await town.time.advance(24 * 60 * MIN - S);
  expect(town.notes.answers.of(civilian.id)).toHaveLength(1);
  await town.time.advance(2 * S);
  expect(town.notes.answers.of(civilian.id)).toEqual([]);
});

test('timer, event and answer of one turn are one commit, and nobody hears of it before that', async () => {
  await officer.command('location.share', {});
  const commit = town.notes.commit.bind(town.notes);
  const groups: string[][] = [];
  let go = (): void => {};
  town.notes.commit = async (entries: readonly CommitEntry[]) => {
    groups.push(entries.map(one => one.op.type));
    await new Promise<void>(resolve => {
      go = resolve;
    });
    return commit(entries);
  };
  const key = town.key();
  const stopped = officer.command('location.stop', {}, key);
  await town.time.advance(S);
  expect(groups).toEqual([['timer', 'event', 'answer']]);
  expect(officer.events('sharing.ended')).toEqual([]);
  // killed now, nothing of it was: he shares, and the repeat is a first one
  town.notes.commit = commit;
  town.kill();
  go = () => {};
  await officer.connect();
  expect(await officer.snapshot()).toMatchObject({ sharing: true });
  expect(officer.events('sharing.ended')).toEqual([]);
  expect(await officer.command('location.stop', {}, key)).toEqual({ ok: true, value: {} });
  expect(officer.events('sharing.ended')).toEqual([{ reason: 'stopped' }]);
  void stopped;
  go();
});
