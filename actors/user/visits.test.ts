/** A person who shares comes to a place and leaves it: noted once each, wherever the actor lives, and nobody else is told. */
import { describe, expect, test } from 'vitest';
import { destination } from '../../k8s/tracks/crowd.ts';
import { TurnCollector } from '../../nodes/effects.ts';
import { seededRandom, VirtualTime } from '../../nodes/simulation/virtualTime.ts';
import { FIX_FLAG } from '../../protocol/frames.ts';
import { FENCE_RULES, Fences, type Place } from '../geo/places/fence.ts';
import type { UserRecord } from '../queries.ts';
import { DEFAULT_RULES } from '../rules.ts';
import { userBehaviour } from '../user.ts';
import type { UserState } from './state.ts';

const ME = '00000000-0000-7000-8000-000000000002';
const SESSION = { gateway: 'g', id: 's' };
const KEYS = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]) };
const HUB: Place = {
  id: '00000000-0000-7000-8000-0000000000a1',
  kind: 'hub',
  name: 'The old hall',
  number: 1,
  poster: 0,
  latE7: 407_000_000,
  lngE7: -739_000_000,
  radiusM: 60,
};
const SHOP: Place = { ...HUB, id: HUB.id.replace('a1', 'a2'), kind: 'merchant', lngE7: HUB.lngE7 + 12_000 };
const RECORD: UserRecord = {
  id: ME,
  kind: 'civilian',
  handle: 'ana',
  number: 7,
  deviceId: 'd',
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
};

/** One person, turn by turn, a fix each 15 s. */
class Walker {
  readonly time = new VirtualTime();
  readonly turn = new TurnCollector(this.time, seededRandom(1), 1_000);
  fences = new Fences([HUB, SHOP]);
  behaviour = userBehaviour(DEFAULT_RULES, KEYS, () => this.fences);
  state: UserState;
  #seq = 0;
  readonly crossed: string[] = [];
  /** Whatever leaves the actor. */
  readonly said: string[] = [];

  constructor() {
    const made = this.behaviour.create(ME, RECORD, this.#begin());
    if (!made.ok) throw new Error(made.message);
    this.state = made.value;
    this.#taken();
    this.#say({ type: 'attach', session: SESSION, deviceId: 'd', connSeq: 1, resume: null });
  }

  async at(eastM: number, more: object = {}): Promise<void> {
    await this.time.advance(15_000);
    const here = destination({ lat: HUB.latE7 / 1e7, lng: HUB.lngE7 / 1e7 }, eastM, (this.#seq % 3) * 0.4);
    const location = {
      seq: this.#seq++,
      latE7: here.latE7,
      lngE7: here.lngE7,
      accuracyDm: 80 + (this.#seq % 5),
      headingDeg: null,
      speedDms: null,
      takenAtMs: null,
      ...more,
    };
    this.#say({ type: 'location', session: SESSION, location });
  }

  command(name: string): void {
    this.#say({ type: 'command', session: SESSION, name, body: {}, key: `k${this.#seq}`, requestHash: name });
  }

  /** To another node: everything packed, and nothing else, goes along. */
  move(): void {
    const packed = structuredClone(this.behaviour.pack!(this.state));
    this.behaviour = userBehaviour(DEFAULT_RULES, KEYS, () => this.fences);
    const made = this.behaviour.unpack!(ME, packed, this.#begin());
    if (!made.ok) throw new Error(made.message);
    this.state = made.value;
    this.#taken();
  }

  #say(message: object): void {
    this.state = this.behaviour.receive(this.state, message as never, this.#begin());
    this.#taken();
  }

  #begin(): TurnCollector {
    this.turn.begin({ kind: 'user', id: ME }, null, null);
    return this.turn;
  }

  #taken(): void {
    const { outputs, inner, operations } = this.turn.take();
    this.said.push(JSON.stringify([outputs, operations]));
    for (const one of inner) {
      if (one.k === 'count' && one.metric === 'heyblue_place_crossings_total')
        this.crossed.push(`${one.labels.way} ${one.labels.kind}`);
    }
  }
}

describe('a person who shares', () => {
  test('enters and leaves, once each, over hand-overs, and nothing that is said names a place', async () => {
    for (const moving of [false, true]) {
      const walker = new Walker();
      for (const metres of [-150, -100, -55, -20, 30, 62, 55, 80, 95, 110, 150, 190, 200]) {
        await walker.at(metres);
        if (moving) walker.move();
      }
      expect(walker.crossed).toEqual(['enter hub', 'enter merchant', 'exit hub', 'exit merchant']);
      expect(walker.state.stays).toEqual([]);
      for (const { id } of [HUB, SHOP]) expect(walker.said.join()).not.toContain(id);
    }
  });

  test('who stops sharing is nowhere', async () => {
    const walker = new Walker();
    await walker.at(0);
    expect(walker.state.stays.map(stay => stay.placeId)).toEqual([HUB.id]);
    walker.command('location.stop');
    expect(walker.crossed).toEqual(['enter hub', 'exit hub']);
    expect(walker.state.stays).toEqual([]);
    await walker.at(0);
    expect(walker.crossed.length).toBe(2);
  });

  test('whose position is simulated is nowhere', async () => {
    const walker = new Walker();
    await walker.at(0, { flags: FIX_FLAG.simulated });
    await walker.at(0, { flags: FIX_FLAG.simulated });
    expect(walker.crossed).toEqual([]);
  });

  test('whose phone is not sure where it is stays where it was', async () => {
    const walker = new Walker();
    await walker.at(0);
    for (let i = 0; i < 4; i++) await walker.at(100, { accuracyDm: FENCE_RULES.accuracyM * 10 + 1 + i });
    expect(walker.crossed).toEqual(['enter hub']);
  });

  test('leaves a place that is taken away, and enters one that is made', async () => {
    const walker = new Walker();
    await walker.at(0);
    walker.fences = new Fences([SHOP]);
    await walker.at(1);
    walker.fences = new Fences([{ ...HUB, kind: 'merchant' }]);
    await walker.at(2);
    expect(walker.crossed).toEqual(['enter hub', 'exit hub', 'enter merchant']);
  });
});
