/**
 * Actors that move: phones notice nothing, whatever they are in the middle of; and whatever another node sends as a packed
 * actor is either read or refused.
 */
import { describe, expect, test } from 'vitest';
import { TurnCollector } from '../nodes/effects.ts';
import type { Parcel } from '../nodes/ports.ts';
import { decodeParcels, encodeParcels } from '../nodes/routing/body.ts';
import { seededRandom, VirtualTime } from '../nodes/simulation/virtualTime.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { areaBehaviour } from './area.ts';
import { budgetBehaviour } from './budget.ts';
import type { Cell } from './cell.ts';
import { offerBehaviour } from './offer.ts';
import { pairBehaviour } from './pair.ts';
import { regionBehaviour } from './region.ts';
import { DEFAULT_RULES } from './rules.ts';
import type { ActorKind, Behaviour } from './turn.ts';
import type { Outbox } from './user/outbox.ts';
import { userBehaviour } from './user.ts';

const STEP_MS = 8_000;
/** Within a step: when somebody does something, and when all say where they are. */
const [ACTS_AT_MS, REPORTS_AT_MS] = [500, 4_000];
const KEYS = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]) };
// biome-ignore lint/suspicious/noExplicitAny: behaviours of unlike states in one table
const BEHAVIOURS: Record<ActorKind, Behaviour<any, any>> = {
  user: userBehaviour(DEFAULT_RULES, KEYS),
  region: regionBehaviour(DEFAULT_RULES.proximity),
  area: areaBehaviour(DEFAULT_RULES.area),
  pair: pairBehaviour(DEFAULT_RULES),
  offer: offerBehaviour(),
  budget: budgetBehaviour(),
};

/** A town that lives by dice; the dice do not depend on what happens. */
class Life {
  readonly town = new SmallTown({ cooldownS: 120 });
  readonly phones: TownPhone[] = [];
  readonly #dice;
  readonly #moves;
  readonly #moving: boolean;
  #steps = 0;
  #token = '';

  constructor(seed: number, moving: boolean) {
    this.#dice = seededRandom(seed);
    this.#moves = seededRandom(seed + 1);
    this.#moving = moving;
  }

  #roll(sides: number): number {
    return this.#dice.uint32() % sides;
  }

  async begin(): Promise<void> {
    for (const kind of ['officer', 'civilian', 'civilian'] as const) {
      this.phones.push(await this.town.phone(kind));
    }
    await this.phones[0]!.command('location.share', {});
    for (const phone of this.phones) await phone.command('instant.set', { on: true });
  }

  /** A move takes a moment: what somebody does and where he is comes at times of its own, the same with and without one. */
  async step(): Promise<void> {
    const key = this.town.key();
    const moves = this.#moves.uint32() % 4 === 0;
    if (moves && this.#moving) await this.town.move();
    await this.#until(ACTS_AT_MS);
    const actor = this.phones[this.#roll(3)]!;
    await this.#act(actor, this.#roll(12), key);
    await this.#until(REPORTS_AT_MS);
    const together = this.#steps % 40 < 30;
    for (const phone of this.phones) await phone.report(0.9 * this.#roll(together ? 15 : 3_000));
    await this.#until(STEP_MS);
    this.#steps++;
  }

  /** This moment of the step. */
  async #until(ms: number): Promise<void> {
    const { time } = this.town;
    await time.advance(this.#steps * STEP_MS + ms - time.monotonicMs());
  }

  async #act(phone: TownPhone, action: number, key: string): Promise<void> {
    const [officer, civilian] = this.phones as [TownPhone, TownPhone];
    switch (action) {
      case 0:
        phone.disconnect();
        await phone.connect();
        return;
      case 1:
        await phone.command('location.stop', {}, key);
        return;
      case 2:
      case 3:
        await phone.command('location.share', {}, key);
        return;
      case 4:
        await phone.command('instant.set', { on: this.#steps % 3 > 0 }, key);
        return;
      case 5:
      case 6:
        await phone.command('hey.say', { officerId: officer.id }, key);
        return;
      case 7: {
        const heyId = officer.events('hey.received').at(-1)?.heyId as string | undefined;
        await officer.command('hey.accept', { heyId: heyId ?? key }, key);
        return;
      }
      case 8: {
        const shown = await civilian.command('qr.show', {});
        this.#token = shown.ok ? shown.value.token : '';
        return;
      }
      case 9:
        await officer.command('qr.scan', { token: this.#token }, key);
        return;
      case 10: {
        const scannedAtS = Math.floor(this.town.time.nowMs() / 1_000) - 16;
        await officer.upload({ token: this.#token, scannedAtS }, key);
        return;
      }
      default:
        await this.town.time.advance(2_000);
    }
  }

  /** Everything that the phones were told; what is drawn by lot is left out. */
  told(): unknown {
    return this.phones.map(phone => ({
      durable: phone.seen
        .filter(({ name }) => name !== 'report.next' && name !== 'area.officers')
        .map(({ name, body }) => ({ name, ...body, message: '', encounterId: '', encounters: [] })),
      periods: phone.events('report.next').map(body => body.periodS),
      area: phone.seen.findLast(seen => seen.name === 'area.officers')?.body,
      closed: phone.closed,
    }));
  }
}

describe('a town whose actors all move, again and again', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    test(`sees what a town sees that stays where it is (seed ${seed})`, async () => {
      const [staying, moving] = [new Life(seed, false), new Life(seed, true)];
      for (const life of [staying, moving]) {
        await life.begin();
        for (let step = 0; step < 120; step++) await life.step();
      }
      expect(moving.told()).toEqual(staying.told());
      expect(moving.town.problems).toEqual([]);
      expect(staying.phones.some(phone => phone.events('encounter.completed').length > 1)).toBe(true);
    });
  }
});

/** Everything packed of a town in full swing. */
async function parcels(seed: number): Promise<Parcel[]> {
  const life = new Life(seed, false);
  await life.begin();
  for (let step = 0; step < 30; step++) await life.step();
  const found: Parcel[] = [];
  const closing = Array.from({ length: 512 }, (_, shard) => life.town.system.close(shard));
  void Promise.all(closing).then(all => found.push(...all.flat()));
  await life.town.time.advance(6_000);
  return decodeParcels(encodeParcels(found)) as Parcel[];
}

const packedOf = (parcel: Parcel): unknown => (parcel.state as { packed: unknown }).packed;

function collector(): TurnCollector {
  const time = new VirtualTime();
  return new TurnCollector(time, seededRandom(3), 1_000);
}

function unpack({ kind, id }: Parcel['address'], packed: unknown) {
  const turn = collector();
  turn.begin({ kind, id }, null, null);
  return BEHAVIOURS[kind].unpack!(id, packed, turn);
}

describe('a packed actor', () => {
  test('is the same when it is packed again', async () => {
    const all = await parcels(11);
    expect(new Set(all.map(one => one.address.kind))).toEqual(new Set(['user', 'region', 'area']));
    for (const { address, state } of all) {
      const { packed } = state as { packed: unknown };
      const read = unpack(address, packed);
      if (!read.ok) throw new Error(read.message);
      expect(BEHAVIOURS[address.kind].pack!(read.value)).toEqual(packed);
    }
  });

  test('keeps nothing of the bytes in which it came', async () => {
    const user = (await parcels(12)).find(
      one => (packedOf(one) as { outbox?: { ring: unknown[] } }).outbox?.ring.length,
    ) as Parcel;
    const packed = packedOf(user) as { outbox: { ring: { bytes: Uint8Array }[] } };
    const came = new Set(packed.outbox.ring.map(({ bytes }) => bytes.buffer));
    const read = unpack(user.address, packed);
    const { ring } = (read as { value: { outbox: Cell<Outbox> } }).value.outbox.now;
    expect(ring.length).toBe(packed.outbox.ring.length);
    for (const { bytes } of ring.events()) {
      expect(came.has(bytes.buffer)).toBe(false);
      expect(bytes.buffer.byteLength).toBeLessThanOrEqual(Math.max(256, 2 * ring.bytes));
    }
  });

  test('damaged in any one place is read or refused, never thrown over, never endless', async () => {
    const random = seededRandom(99);
    const junk = [
      null,
      undefined,
      -1,
      1e300,
      Number.NaN,
      '',
      'x'.repeat(600),
      [],
      {},
      true,
      new Uint8Array(3),
    ];
    const all = await parcels(13);
    let refused = 0;
    for (let round = 0; round < 3_000; round++) {
      const parcel = all[random.uint32() % all.length]!;
      const packed = structuredClone(packedOf(parcel));
      damage(packed, junk[random.uint32() % junk.length], random.uint32);
      const read = unpack(parcel.address, packed);
      if (!read.ok) refused++;
      else live(parcel, read.value);
    }
    expect(refused).toBeGreaterThan(500);
  });

  test('of another version, or of somebody else, is refused', async () => {
    const [parcel] = await parcels(14);
    const { address } = parcel as Parcel;
    const packed = packedOf(parcel as Parcel) as object;
    for (const other of [{ ...packed, v: 0 }, { ...packed, v: 9 }, null, [], 'x', undefined]) {
      expect(unpack(address, other)).toMatchObject({ ok: false });
    }
    const user = (await parcels(15)).find(one => one.address.kind === 'user') as Parcel;
    expect(unpack({ kind: 'user', id: 'another' }, packedOf(user))).toMatchObject({ ok: false });
  });
});

test('what the version before packed is not read: a person starts from the store, a region or area from the next fixes', async () => {
  for (const { address, state } of await parcels(16)) {
    const { packed } = state as { packed: Record<string, unknown> };
    for (const v of { user: [1, 2], region: [1, 2, 3, 4], area: [0], pair: [0], offer: [0], budget: [0] }[
      address.kind
    ])
      expect([address.kind, unpack(address, { ...structuredClone(packed), v }).ok]).toEqual([
        address.kind,
        false,
      ]);
  }
});

/** Puts a value at a place that is reached by dice. */
function damage(packed: unknown, junk: unknown, dice: () => number): void {
  let at = packed as Record<string, unknown>;
  for (;;) {
    const keys = Object.keys(at);
    const key = keys[dice() % keys.length]!;
    const below = at[key];
    const deeper = typeof below === 'object' && below !== null && !ArrayBuffer.isView(below);
    if (deeper && Object.keys(below).length > 0 && dice() % 4 > 0) at = below as Record<string, unknown>;
    else {
      at[key] = junk;
      return;
    }
  }
}

/** A few turns of an actor that was read from damaged values. */
function live({ address }: Parcel, state: unknown): void {
  const behaviour = BEHAVIOURS[address.kind];
  const turn = collector();
  const say = (message: object): void => {
    turn.begin(address, null, null);
    state = behaviour.receive(state, message as { type: string }, turn);
    turn.take();
  };
  const session = { gateway: 'g', id: 's' };
  if (address.kind === 'user') {
    say({ type: 'balance' });
    say({ type: 'ack', session, offset: 5 });
    say({ type: 'detach', session, connSeq: 0 });
    say({ type: 'presence' });
    say({ type: 'inspect' });
  } else if (address.kind === 'region') {
    say({ type: 'sweepSilent' });
    say({ type: 'sweepSlots' });
  } else if (address.kind === 'area') {
    for (const type of ['changes', 'settled', 'sweep', 'sweepSilent']) say({ type });
    say({ type: 'leave', userId: 'nobody' });
  }
}
