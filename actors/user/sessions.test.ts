/**
 * Devices of one account: which connection is the newest, who is replaced, whose cursor is kept, what others see of the
 * person; over kills and moves of the actor too.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { SmallTown, type TownPhone } from '../../nodes/testing/smallTown.ts';
import { CLOSE, ERROR, type Result, shardOf } from '../../protocol/index.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { UserInspection, UserMessage } from '../messages/user.ts';
import { DEFAULT_RULES } from '../rules.ts';

let town: SmallTown;
beforeEach(() => {
  town = new SmallTown();
});

async function inspect(phone: TownPhone): Promise<UserInspection> {
  const result = await phone.ask({ type: 'inspect' });
  if (!result.ok) throw new Error(result.message);
  return result.value as UserInspection;
}

const presenceOf = async (phone: TownPhone) => (await inspect(phone)).presence;

type Attach = UserMessage & { type: 'attach' };
let made = 0;

/** An attach as some gateway would ask for it; the answer and the id of the session. */
async function attach(
  of: TownPhone,
  more: Partial<Attach>,
): Promise<{ readonly id: string; readonly result: Result<unknown> }> {
  const session = { gateway: 'g', id: `by hand ${++made}` };
  const { id, deviceId } = of;
  const message: Attach = { type: 'attach', session, deviceId, connSeq: 1, resume: null, ...more };
  return { id: message.session.id, result: await town.ask(id, message) };
}

const resumeOf = (sessionId: string) => ({ sessionId, epoch: 'x', offset: 0 });

test('what the ring of a person holds is measured when a phone attaches, and at no other time', async () => {
  const phone = await town.phone('civilian');
  for (let n = 0; n < 3; n++) {
    await phone.command('location.share', {});
    await phone.command('location.stop', {});
  }
  const { ring } = await inspect(phone);
  expect(ring.events).toBe(3);
  phone.disconnect();
  await phone.connect();
  expect(town.observed.rt_outbox_ring_bytes).toEqual([0, ring.bytes]);
});

describe('which devices', () => {
  test('a person has one phone; a merchant up to five tills at once', async () => {
    for (const kind of ['civilian', 'officer'] as const) {
      const phone = await town.phone(kind);
      await expect(town.device(phone, 'another').connect()).rejects.toThrow();
      expect(phone.closed).toBeNull();
    }
    for (const kind of ['merchant', 'charity', 'family', 'municipality', 'operator'] as const) {
      const first = await town.phone(kind);
      const tills = ['a', 'b', 'c', 'd', 'e'].map(name => town.device(first, `till ${name}`));
      for (const till of tills.slice(0, 4)) await till.connect();
      await expect(tills[4]!.connect()).rejects.toThrow();
      expect(tills[4]!.refused).toMatchObject({ code: ERROR.conflict, retryable: false });
      expect((await inspect(first)).sessions).toHaveLength(ACTOR_LIMITS.sessions);
      // one that is attached may come again, and a place that is free is free for any
      await tills[3]!.connect();
      tills[0]!.disconnect();
      await tills[4]!.connect();
    }
  });

  test('the same device again replaces its older socket with 4004, and no other', async () => {
    const till = await town.phone('merchant');
    const other = town.device(till, 'other');
    await other.connect();
    const again = town.device(till, 'other');
    await again.connect();
    expect([till.closed, other.closed, again.closed]).toEqual([null, CLOSE.replaced, null]);
    other.disconnect();
    expect((await inspect(till)).sessions.map(one => one.deviceId).sort()).toEqual(
      [till.deviceId, 'other'].sort(),
    );
  });

  test('of devices that are away the last five are remembered', async () => {
    const first = await town.phone('merchant');
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      const till = town.device(first, name);
      await till.connect();
      till.disconnect();
    }
    expect((await inspect(first)).devicesAway.map(one => one.deviceId)).toEqual(['c', 'd', 'e', 'f', 'g']);
  });

  test('an event reaches every device, and each resumes from where it was', async () => {
    const [first, giver] = [await town.phone('merchant'), await town.phone('civilian')];
    const second = town.device(first, 'second');
    await second.connect();
    second.acknowledges = false;
    const give = async (points: number) => {
      const message = { type: 'give', to: first.id, points, key: town.key(), requestHash: 'h' } as const;
      await giver.ask(message);
      await town.time.advance(500);
    };
    await earn(giver);
    await give(1);
    expect([first, second].map(phone => phone.events('points.changed').length)).toEqual([1, 1]);
    await town.time.advance(10);
    const seen = await inspect(first);
    expect(seen.sessions.map(one => one.acked)).toEqual([1, 0]);
    expect(seen.sessions.map(one => one.unackedMs > 0)).toEqual([false, true]);
    second.disconnect();
    await give(1);
    expect((await inspect(first)).devicesAway).toMatchObject([{ deviceId: 'second', acked: 0 }]);
    await second.connect();
    expect(second.attached?.resumed).toBe(true);
    expect(second.events('points.changed')).toHaveLength(2);
  });
});

/** A meeting, so that there are points to give. */
async function earn(civilian: TownPhone): Promise<void> {
  const officer = await town.phone('officer');
  const shown = await officer.command('qr.show', {});
  if (!shown.ok) throw new Error(shown.message);
  const scanned = await civilian.command('qr.scan', { token: shown.value.token });
  if (!scanned.ok) throw new Error(scanned.message);
  await town.time.advance(100);
}

describe('which connection is the newest', () => {
  test('an older one that comes late changes nothing, whichever gateway it came through', async () => {
    const phone = await town.phone('civilian');
    const newer = await attach(phone, { connSeq: 1_000 });
    const late = await attach(phone, { connSeq: 999, session: { gateway: 'other', id: 'late' } });
    expect([newer.result.ok, late.result]).toMatchObject([true, { ok: false, retryable: true }]);
    expect((await inspect(phone)).sessions.map(one => one.sessionId)).toEqual([newer.id]);
  });

  test('a detach counts for the very connection that it names', async () => {
    const phone = await town.phone('civilian');
    const { id } = await attach(phone, { connSeq: 1_000 });
    for (const [session, connSeq] of [
      [phone.session, phone.connSeq],
      [{ gateway: 'g', id }, 999],
      [{ gateway: 'other', id }, 1_000],
    ] as const) {
      town.tell(phone.id, { type: 'detach', session, connSeq });
      expect((await inspect(phone)).sessions).toHaveLength(1);
    }
    town.tell(phone.id, { type: 'detach', session: { gateway: 'g', id }, connSeq: 1_000 });
    expect((await inspect(phone)).sessions).toHaveLength(0);
  });

  test('an ask that is still under way when its connection ended attaches nobody', async () => {
    const phone = await town.phone('civilian');
    const { id } = await attach(phone, { connSeq: 1_000 });
    town.tell(phone.id, { type: 'detach', session: { gateway: 'g', id }, connSeq: 1_000 });
    expect((await attach(phone, { connSeq: 1_000 })).result).toMatchObject({ ok: false, retryable: true });
    expect((await inspect(phone)).sessions).toEqual([]);
    expect((await attach(phone, { connSeq: 1_001 })).result.ok).toBe(true);
  });

  test('the same connection asks again under another name when its first ask was not answered in time', async () => {
    const phone = await town.phone('civilian');
    await attach(phone, { connSeq: 1_000 });
    const again = await attach(phone, { connSeq: 1_000 });
    expect((await inspect(phone)).sessions.map(one => one.sessionId)).toEqual([again.id]);
  });

  test('a phone that resumes the session that is here is newer, however slow the clock of its gateway', async () => {
    const phone = await town.phone('civilian');
    const fast = await attach(phone, { connSeq: 9_000_000 });
    const slow = await attach(phone, { connSeq: 5_000, resume: resumeOf(fast.id) });
    expect(slow.result.ok).toBe(true);
    // what was between the two by the clocks is older than both
    expect((await attach(phone, { connSeq: 7_000_000 })).result.ok).toBe(false);
    town.tell(phone.id, { type: 'detach', session: { gateway: 'g', id: slow.id }, connSeq: 5_000 });
    expect((await attach(phone, { connSeq: 6_000, resume: resumeOf(slow.id) })).result.ok).toBe(true);
  });

  test('a number alone refuses nobody for long: no attach is under way for fifteen seconds', async () => {
    const phone = await town.phone('civilian');
    await attach(phone, { connSeq: 9_000_000 });
    await town.time.advance(ACTOR_LIMITS.lateAttachMs - 1_000);
    expect((await attach(phone, { connSeq: 5_000 })).result.ok).toBe(false);
    await town.time.advance(1_000);
    expect((await attach(phone, { connSeq: 5_000 })).result.ok).toBe(true);
    // and from then on its own clock is the measure
    expect((await attach(phone, { connSeq: 5_001 })).result.ok).toBe(true);
  });

  test('an acknowledgement that comes late takes nothing back', async () => {
    const phone = await town.phone('civilian');
    await earn(phone);
    expect((await inspect(phone)).sessions[0]?.acked).toBe(1);
    for (const offset of [99, 0]) town.tell(phone.id, { type: 'ack', session: phone.session, offset });
    expect((await inspect(phone)).sessions[0]?.acked).toBe(1);
  });
});

const journey = fc.record({
  /** Milliseconds by which the clock of each gateway is wrong. */
  skewsMs: fc.array(fc.integer({ min: -20_000, max: 20_000 }), { minLength: 3, maxLength: 3 }),
  legs: fc.array(
    fc.record({
      gateway: fc.nat(2),
      /** WELCOME was lost, so the phone names the session before. */
      isWelcomeLost: fc.boolean(),
      end: fc.constantFrom('closed' as const, 'silent' as const),
      pauseMs: fc.integer({ min: 0, max: 8_000 }),
    }),
    { minLength: 1, maxLength: 12 },
  ),
});

test('a phone that travels between gateways with wrong clocks gets in: at once when it resumes, else before long', async () => {
  await fc.assert(
    fc.asyncProperty(journey, async ({ skewsMs, legs }) => {
      town = new SmallTown();
      const phone = await town.phone('civilian');
      phone.disconnect();
      await town.time.advance(ACTOR_LIMITS.lateAttachMs);
      let known = phone.session.id;
      let isKnown = true;
      for (const { gateway, isWelcomeLost, end, pauseMs } of legs) {
        const connSeq = (town.time.nowMs() + skewsMs[gateway]!) * 1_000;
        const session = { gateway: `g${gateway}`, id: `leg ${++made}` };
        const openedMs = town.time.nowMs();
        const ask = () => attach(phone, { connSeq, session, resume: resumeOf(known) });
        for (let asked = await ask(); !asked.result.ok; asked = await ask()) {
          expect([isKnown, asked.result]).toMatchObject([false, { retryable: true }]);
          await town.time.advance(1_000);
          expect(town.time.nowMs() - openedMs).toBeLessThan(ACTOR_LIMITS.lateAttachMs + 2_000);
        }
        if (!isWelcomeLost) known = session.id;
        isKnown = !isWelcomeLost;
        const { sessions } = await inspect(phone);
        expect(sessions.map(one => one.sessionId)).toEqual([session.id]);
        await town.time.advance(pauseMs);
        if (end === 'closed') town.tell(phone.id, { type: 'detach', session, connSeq });
      }
    }),
    { numRuns: 60 },
  );
});

test('a cursor is what was resumed, never what a phone claims', async () => {
  const phone = await town.phone('civilian');
  await earn(phone);
  const { epoch } = await inspect(phone);
  for (const resume of [
    { sessionId: phone.session.id, epoch, offset: 99 },
    { sessionId: phone.session.id, epoch: 'another', offset: 99 },
    { sessionId: phone.session.id, epoch, offset: 1 },
  ]) {
    // of more than is known here the store is asked first
    const first = await attach(phone, { connSeq: 1_000, resume });
    const { result } = first.result.ok ? first : await attach(phone, { connSeq: 1_000, resume });
    expect(result.ok).toBe(true);
    expect((await inspect(phone)).sessions[0]?.acked).toBe(1);
  }
});

describe('presence', () => {
  test('of a phone in the background, lost and back: nothing is told in between', async () => {
    const phone = await town.phone('civilian');
    const { version } = await presenceOf(phone);
    town.tell(phone.id, { type: 'clientState', session: phone.session, foreground: false });
    await town.time.advance(ACTOR_LIMITS.awayShownMs + 100);
    const away = await presenceOf(phone);
    expect(away).toMatchObject({ state: 'away', shown: 'away' });
    expect(away.version).toBeGreaterThan(version);
    for (let i = 0; i < 5; i++) {
      phone.disconnect();
      await town.time.advance(3_000);
      expect(await presenceOf(phone)).toMatchObject({ state: 'grace', shown: 'away' });
      await phone.connect();
      town.tell(phone.id, { type: 'clientState', session: phone.session, foreground: false });
      await town.time.advance(3_000);
    }
    expect(await presenceOf(phone)).toMatchObject({ shown: 'away', version: away.version });
  });

  test('of a phone that nobody looks at: its coming back is no sign of a person, a command is', async () => {
    const phone = await town.phone('civilian');
    await town.time.advance(90_000);
    const { version } = await presenceOf(phone);
    for (let i = 0; i < 5; i++) {
      phone.disconnect();
      await town.time.advance(20_000);
      await phone.connect();
      await town.time.advance(20_000);
    }
    expect(await presenceOf(phone)).toMatchObject({ state: 'away', shown: 'away', version });
    await phone.command('qr.show', {});
    expect(await presenceOf(phone)).toMatchObject({ state: 'online', shown: 'online' });
  });

  test('of a phone that was in the background and comes back in front, without a word, is online soon', async () => {
    const phone = await town.phone('civilian');
    town.tell(phone.id, { type: 'clientState', session: phone.session, foreground: false });
    await town.time.advance(60_000);
    phone.disconnect();
    await town.time.advance(1_000);
    await phone.connect();
    await town.time.advance(ACTOR_LIMITS.returnedMs);
    expect(await presenceOf(phone)).toMatchObject({ state: 'online', shown: 'online' });
  });

  test('a goodbye ends it at once, for the map too; a loss after its grace', async () => {
    const [officer, civilian] = [await town.phone('officer'), await town.phone('civilian')];
    await officer.command('location.share', {});
    const area = () => civilian.seen.findLast(seen => seen.name === 'area.officers')?.body;
    for (const bye of [true, false]) {
      if (!bye) await officer.connect();
      await officer.report(0);
      await civilian.report(10);
      await town.time.advance(2_000);
      expect(area()).toMatchObject({ officers: [{ officerId: officer.id }] });
      officer.disconnect(bye);
      await town.time.advance(2_000);
      if (!bye) {
        expect(area()).not.toBeNull();
        await town.time.advance(ACTOR_LIMITS.graceMs);
      }
      expect(area()).toBeNull();
    }
  });

  test('a person who is in grace hears of a hey when he is back, and is named to who comes newly as to all others', async () => {
    const [officer, civilian] = [await town.phone('officer'), await town.phone('civilian')];
    await officer.command('location.share', {});
    await officer.report(0);
    officer.disconnect();
    await civilian.report(10);
    await town.time.advance(2_000);
    expect(civilian.events('area.officers')).toHaveLength(1);
    const said = await civilian.command('hey.say', { officerId: officer.id });
    expect(said).toMatchObject({ ok: true });
    await officer.connect();
    const { heyId } = (said as { value: { heyId: string } }).value;
    expect(officer.events('hey.received')).toMatchObject([{ heyId }]);
    await town.time.advance(2_000);
    expect(civilian.events('area.officers')).toHaveLength(1);
  });

  test('of a phone whose gateway is gone with its node: grace, then offline; no ghost', async () => {
    const phone = await town.phone('civilian');
    town.system.nodeGone('n1.0', 'another gateway');
    await town.time.advance(10);
    expect((await presenceOf(phone)).state).toBe('online');
    town.system.nodeGone('n1.0', 'g');
    await town.time.advance(10);
    expect((await presenceOf(phone)).state).toBe('grace');
    await town.time.advance(ACTOR_LIMITS.graceMs);
    expect((await presenceOf(phone)).shown).toBe('offline');
  });

  test('goes along when the actor moves, with its times; after a kill it goes on with higher versions', async () => {
    const phone = await town.phone('civilian');
    phone.disconnect();
    await town.time.advance(20_000);
    const before = await presenceOf(phone);
    await town.move();
    expect(await presenceOf(phone)).toEqual(before);
    await town.time.advance(11_000);
    const gone = await presenceOf(phone);
    expect(gone).toMatchObject({ state: 'offline', shown: 'offline' });
    town.kill();
    await town.time.advance(4_500);
    await phone.connect();
    expect((await presenceOf(phone)).version).toBeGreaterThan(gone.version);
  });
});

describe('the other side of an open hey', () => {
  let officer: TownPhone;
  let civilian: TownPhone;
  let heyId: string;
  beforeEach(async () => {
    officer = await town.phone('officer');
    civilian = await town.phone('civilian');
    await officer.command('location.share', {});
    await officer.report(0);
    await civilian.report(10);
    const said = await civilian.command('hey.say', { officerId: officer.id });
    if (!said.ok) throw new Error(said.message);
    heyId = said.value.heyId;
  });
  const states = (phone: TownPhone) => phone.events('peer.presence').map(body => body.state);

  test('sees when one leaves and comes back, each of the other, and nothing of a flicker', async () => {
    officer.disconnect();
    await town.time.advance(5_000);
    await officer.connect();
    expect(states(civilian)).toEqual([]);
    officer.disconnect(true);
    await town.time.advance(100);
    expect(civilian.events('peer.presence')).toEqual([
      { state: 'offline', lastSeenMin: Math.floor(town.time.nowMs() / 60_000) },
    ]);
    await officer.connect();
    expect(states(civilian)).toEqual(['offline', 'online']);
    town.tell(civilian.id, { type: 'clientState', session: civilian.session, foreground: false });
    await town.time.advance(ACTOR_LIMITS.awayShownMs + 100);
    expect(states(officer)).toEqual(['away']);
  });

  test('hears it again when it attaches, and no more when the hey is over', async () => {
    civilian.disconnect();
    await town.time.advance(ACTOR_LIMITS.graceMs + 100);
    expect(states(officer)).toEqual(['offline']);
    officer.disconnect();
    await officer.connect();
    expect(states(officer)).toEqual(['offline', 'offline']);
    await officer.command('hey.decline', { heyId });
    await civilian.connect();
    expect(states(officer)).toHaveLength(2);
    officer.disconnect(true);
    await town.time.advance(100);
    expect(states(civilian)).toEqual([]);
  });

  /** The node with this person's actor dies, and only he was on it; the shard is served again at once. */
  const lost = (phone: TownPhone): void => {
    const shard = shardOf('user', phone.id);
    town.system.dropped(shard);
    town.system.opened(shard, 1, []);
    town.phones.delete(phone.session.id);
  };

  for (const [who, of, watches] of [
    ['officer', () => officer, () => civilian],
    ['civilian', () => civilian, () => officer],
  ] as const)
    test(`sees that the ${who} does not come back after the node died with his phone: no ghost`, async () => {
      expect(shardOf('user', officer.id)).not.toBe(shardOf('user', civilian.id));
      lost(of());
      await town.time.advance(ACTOR_LIMITS.graceMs);
      expect(states(watches())).toEqual([]);
      await town.time.advance(ACTOR_LIMITS.peerAskMs * 2);
      expect(states(watches())).toEqual(['offline']);
    });

  test('sees nothing of a node that died when the phone comes back in time, and that it goes later', async () => {
    lost(officer);
    await town.time.advance(ACTOR_LIMITS.peerAskMs + 5_000);
    await officer.connect();
    await town.time.advance(ACTOR_LIMITS.peerAskMs);
    expect(states(civilian)).toEqual([]);
    officer.disconnect(true);
    await town.time.advance(ACTOR_LIMITS.peerAskMs + 100);
    expect(states(civilian)).toEqual(['offline']);
  });

  test('is asked no more when the hey is over', async () => {
    await town.time.advance(DEFAULT_RULES.heyS * 1_000 + 100);
    lost(officer);
    await town.time.advance(2 * ACTOR_LIMITS.peerAskMs);
    // nobody has woken him
    expect([...town.system.countByStanding('user').values()]).toEqual([1]);
    expect(states(civilian)).toEqual([]);
  });

  test('keeps what is newest, whatever comes late', async () => {
    const say = (state: 'online' | 'away', version: number) => {
      town.tell(civilian.id, { type: 'peerPresence', heyId, presence: { state, lastSeenMin: 0, version } });
    };
    say('away', 10);
    say('online', 9);
    say('online', 10);
    await town.time.advance(10);
    expect(states(civilian)).toEqual(['away']);
    await town.move();
    say('online', 10);
    say('online', 11);
    await town.time.advance(10);
    expect(states(civilian)).toEqual(['away', 'online']);
  });

  test('nobody learns who the civilian is, and who has no hey learns nothing', async () => {
    const keys = JSON.stringify(officer.seen);
    expect(keys).not.toContain(civilian.id);
    const stranger = await town.phone('civilian');
    await stranger.report(20);
    officer.disconnect(true);
    await town.time.advance(100);
    expect(states(stranger)).toEqual([]);
  });
});

test('people are counted by presence, edges by where they lead', async () => {
  const phones = [await town.phone('civilian'), await town.phone('civilian'), await town.phone('officer')];
  town.tell(phones[0]!.id, { type: 'clientState', session: phones[0]!.session, foreground: false });
  phones[1]!.disconnect();
  await town.time.advance(12_000);
  const standing = () => Object.fromEntries(town.system.countByStanding('user'));
  expect(standing()).toEqual({ away: 1, grace: 1, online: 1 });
  await town.time.advance(20_000);
  expect(standing()).toEqual({ away: 1, offline: 1, online: 1 });
  expect(town.counted).toEqual({ online: 3, away: 1, offline: 1 });
});

describe('an operator', () => {
  test('sees devices, cursors and presence, and nothing of a place', async () => {
    const officer = await town.phone('officer');
    await officer.command('location.share', {});
    await officer.report(0);
    const seen = await inspect(officer);
    expect(seen).toMatchObject({
      userId: officer.id,
      kind: 'officer',
      offset: 0,
      ring: { events: 0, bytes: 0 },
      presence: { state: 'online', shown: 'online' },
      sessions: [{ deviceId: officer.deviceId, gateway: 'g', foreground: true, acked: 0, unackedMs: 0 }],
      devicesAway: [],
    });
    // by the names of what it says: an id may have an `e7` in it
    expect(JSON.stringify(seen)).not.toMatch(/"\w*(lat|lng|E7|cell|fix|track)\w*":/i);
  });

  test('ends one device or all; a code that sends away for good is no loss', async () => {
    const first = await town.phone('merchant');
    const second = town.device(first, 'second');
    await second.connect();
    const end = (code: number, deviceId?: string) =>
      first.ask({ type: 'disconnect', code, ...(deviceId === undefined ? {} : { deviceId }) });
    expect(await end(CLOSE.rebalance, 'second')).toEqual({ ok: true, value: { closed: 1 } });
    expect([first.closed, second.closed]).toEqual([null, CLOSE.rebalance]);
    expect(await end(1234)).toMatchObject({ ok: false, code: ERROR.invalid });
    await second.connect();
    expect(await end(CLOSE.revoked)).toEqual({ ok: true, value: { closed: 2 } });
    expect((await presenceOf(first)).state).toBe('offline');
  });
});

const move = fc.oneof(
  { weight: 4, arbitrary: fc.record({ k: fc.constant('connect' as const), device: fc.nat(6) }) },
  {
    weight: 3,
    arbitrary: fc.record({ k: fc.constant('lose' as const), device: fc.nat(6), bye: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ k: fc.constant('front' as const), device: fc.nat(6), foreground: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ k: fc.constant('pass' as const), ms: fc.integer({ min: 10, max: 20_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ k: fc.constant('late' as const), device: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ k: fc.constantFrom('move' as const, 'kill' as const) }) },
);

test('whatever seven devices do: one session each, five at most, versions rise, and the truth comes out', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 40 }), async script => {
      town = new SmallTown();
      const first = await town.phone('merchant');
      const phones = [first, ...['1', '2', '3', '4', '5', '6'].map(name => town.device(first, name))];
      /** Who has a socket, as the phones know it. */
      const open = new Set<TownPhone>([first]);
      let version = 0;
      for (const step of script) {
        const phone = 'device' in step ? phones[step.device]! : first;
        if (step.k === 'connect') {
          const isFull = open.size >= ACTOR_LIMITS.sessions && !open.has(phone);
          const connected = await phone.connect().then(
            () => true,
            () => false,
          );
          expect(connected).toBe(!isFull);
          if (connected) open.add(phone);
        } else if (step.k === 'lose') {
          phone.disconnect(step.bye);
          open.delete(phone);
        } else if (step.k === 'front') {
          const { session } = phone;
          town.tell(first.id, { type: 'clientState', session, foreground: step.foreground });
        } else if (step.k === 'late') {
          // the last connection of the device but one
          const late = await attach(phone, { connSeq: phone.connSeq - 1 });
          if (open.has(phone) && late.result.ok) open.delete(phone);
          if (late.result.ok)
            town.tell(first.id, { type: 'detach', session: { gateway: 'g', id: late.id }, connSeq: 0 });
        } else if (step.k === 'move') await town.move();
        else if (step.k === 'kill') {
          town.kill();
          open.clear();
          await town.time.advance(4_500);
        } else if (step.k === 'pass') await town.time.advance(step.ms);
        const seen = await inspect(first);
        expect(seen.sessions.map(one => one.sessionId).sort()).toEqual(
          [...open].map(one => one.session.id).sort(),
        );
        expect(new Set(seen.sessions.map(one => one.deviceId)).size).toBe(seen.sessions.length);
        expect(seen.devicesAway.length).toBeLessThanOrEqual(ACTOR_LIMITS.devicesAway);
        // 0: this life of the actor has told nobody anything
        if (seen.presence.version === 0) continue;
        expect(seen.presence.version).toBeGreaterThanOrEqual(version);
        version = seen.presence.version;
      }
      await town.time.advance(120_000);
      expect((await presenceOf(first)).shown).toBe(open.size > 0 ? 'away' : 'offline');
      expect(town.problems).toEqual([]);
    }),
    { numRuns: 30 },
  );
}, 60_000);
