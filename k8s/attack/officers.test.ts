/**
 * Officers get no question at all (DOMAIN rule 6): an officer says everything that can be said, in every mode, wherever he
 * likes, and all that comes back to his phone (answers, events, sizes, times) is the same whether civilians stand beside him,
 * come and go, are a mile away, or are none. What a civilian does towards him is left out, a code and instant match of both;
 * of a hey he learns once whether who said it is beside him.
 *
 * Towns of one seed on virtual time, so "the same" is meant to the byte and to the millisecond, but for random ids and codes.
 */
import { describe, expect, it } from 'vitest';
import { areaRules, openAreas } from '../../actors/geo/areaRules.ts';
import { refs } from '../../actors/user/sessions.ts';
import type { UserState } from '../../actors/user/state.ts';
import type { Behaviours } from '../../nodes/effects.ts';
import { SmallTown, TownPhone } from '../../nodes/testing/smallTown.ts';
import {
  COMMANDS,
  type CommandBody,
  type CommandName,
  decodeServerFrame,
  encodeVolatile,
  MODES,
  openEvent,
  openVolatile,
} from '../../protocol/index.ts';

const SEED = 20_261_121;
const STEP_MS = 10_000;
const UNKNOWN = '00000000-0000-7000-8000-000000000001';

type Bodies = { readonly [N in CommandName]: readonly CommandBody<N>[] };

/** Everything that an officer can say; a command that is new must be told here what to say. */
const bodies = (ids: readonly string[]): Bodies => ({
  'auth.refresh': [{ token: 'x' }],
  'state.get': [{}],
  'location.share': [{}],
  'location.stop': [{}],
  'location.mode': MODES.map(mode => ({ mode })),
  'instant.set': [{ on: true }, { on: false }],
  'hey.say': ids.map(officerId => ({ officerId })),
  'hey.accept': ids.map(heyId => ({ heyId })),
  'hey.decline': ids.map(heyId => ({ heyId })),
  'qr.show': [{}],
  'qr.scan': [{ token: 'HB1:NOT A CODE' }],
  'qr.upload': [{ token: 'HB1:NOT A CODE', scannedAtS: 1_700_000_000, proof: 'x' }],
  'qr.confirm': ids.map(scanId => ({ scanId })),
  'hub.checkIn': [{ token: 'HB3:NOT A HUB' }],
  'redeem.reserve': ids.map(offerId => ({ offerId, quantity: 1 })),
  'redeem.cancel': ids.map(redemptionId => ({ redemptionId })),
  'till.open': [{ till: 'a till' }],
  'till.look': [{ code: '00000000' }],
  'till.confirm': ids.map(redemptionId => ({ redemptionId, code: null, quantity: null })),
  'till.refuse': ids.map(redemptionId => ({ redemptionId })),
  'till.refund': ids.map(redemptionId => ({ redemptionId, quantity: null, restock: false })),
  'points.donate': ids.map(userId => ({ to: [{ userId, points: 1 }] })),
  'points.give': ids.map(userId => ({ userId, points: 1 })),
  'fee.pay': ids.map(feeId => ({ feeId })),
});

const ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const plain = (value: unknown): string =>
  JSON.stringify(value, (key, one) => (key === 'token' ? `${String(one).length} letters` : one))?.replace(
    ID,
    'id',
  );

/** An officer's phone that writes down all that comes, when, and how long it is. */
class Listener extends TownPhone {
  readonly log: string[] = [];

  override receive(bytes: Uint8Array): void {
    super.receive(bytes);
    const frame = decodeServerFrame(bytes);
    const said =
      frame.type === 'event' ? openEvent(frame) : frame.type === 'volatile' ? openVolatile(frame) : frame;
    this.write(`${bytes.length} bytes ${plain(said)}`);
  }

  async asks<N extends CommandName>(name: N, body: CommandBody<N>): Promise<void> {
    const from = this.town.time.monotonicMs();
    let took = -1;
    let answer: unknown;
    const message = {
      type: 'command',
      session: this.session,
      name,
      body,
      key: this.town.key(),
      requestHash: plain(body),
    } as const;
    this.town.system.ask({ kind: 'user', id: this.id }, message, result => {
      took = this.town.time.monotonicMs() - from;
      answer = result;
    });
    for (let waited = 0; took < 0 && waited < 200; waited++) await this.town.time.advance(50);
    this.write(`${name}: ${plain(answer)} after ${took} ms`);
  }

  write(line: string): void {
    this.log.push(`${this.town.time.monotonicMs()} ${line}`);
  }
}

type Crowd = 'nobody' | 'beside him' | 'come and go' | 'a mile away';

interface Options {
  readonly crowd: Crowd;
  readonly rules: 'as for people' | 'open';
  readonly adapt?: (behaviours: Behaviours) => Behaviours;
}

/** What an officer's phone sees in a quarter of an hour of asking. */
async function seen({ crowd, rules, adapt }: Options): Promise<string[]> {
  const area = rules === 'open' ? openAreas() : areaRules();
  const town = new SmallTown({ area }, { seed: SEED, ...(adapt && { adapt }) });
  const { id, deviceId } = await town.phone('officer');
  const officer = new Listener(town, id, deviceId);
  await officer.connect();
  const people: TownPhone[] = [];
  // they exist in every town, so that he knows their names everywhere: what differs is where they are
  for (let i = 0; i < 4; i++) people.push(await town.phone('civilian'));
  let step = 0;
  const live = async (): Promise<void> => {
    for (const [i, person] of people.entries()) {
      if (crowd === 'nobody') continue;
      const isThere = crowd !== 'come and go' || (step + i) % 3 !== 0;
      if (crowd === 'come and go')
        town.tell(person.id, {
          type: 'command',
          session: person.session,
          name: isThere ? 'location.share' : 'location.stop',
          body: {},
          key: town.key(),
          requestHash: '{}',
        });
      if (isThere) void person.report((crowd === 'a mile away' ? 1_600 : 0) + 5 + i + (step % 7));
    }
    step++;
    void officer.report(step % 7);
    await town.time.advance(STEP_MS);
  };
  for (const mode of MODES) {
    if (mode === 'hub') continue;
    await officer.asks('location.mode', { mode });
    for (let i = 0; i < 15; i++) await live();
    const all = bodies([UNKNOWN, id, ...people.map(one => one.id)]);
    for (const name of Object.keys(COMMANDS) as CommandName[]) {
      for (const body of all[name]) await officer.asks(name, body as never);
      await live();
      if (name.startsWith('location.')) await officer.asks('location.mode', { mode });
    }
  }
  officer.write('end');
  town.stop();
  return officer.log;
}

/** Planted: what an officer hears is one frame more while a civilian shares. */
const curious = (behaviours: Behaviours): Behaviours => {
  const sharing = new Set<string>();
  const { user } = behaviours;
  return {
    ...behaviours,
    user: {
      ...user,
      receive(state, message, turn) {
        const next = user.receive(state, message, turn) as UserState;
        if (message.type !== 'location') return next;
        if (next.me.kind === 'civilian') sharing.add(next.me.id);
        else if (sharing.size > 0)
          turn.push(refs(next.sessions), encodeVolatile('report.next', '', 1, { periodS: 5 }), 'volatile');
        return next;
      },
    },
  };
};

describe.each(['as for people', 'open'] as const)('with the rules of areas %s', rules => {
  it('nothing that reaches an officer tells him of civilians', async () => {
    const alone = await seen({ crowd: 'nobody', rules });
    expect(alone.length).toBeGreaterThan(200);
    for (const name of Object.keys(COMMANDS))
      expect(alone.filter(line => line.includes(` ${name}: `))).not.toEqual([]);
    for (const crowd of ['beside him', 'come and go', 'a mile away'] as const)
      expect(await seen({ crowd, rules }), crowd).toEqual(alone);
  }, 180_000);
});

/** What an officer hears who was greeted once, and accepts from everywhere along a street as fast as a phone may. */
async function swept(civilianM: number): Promise<string[]> {
  const town = new SmallTown({ area: openAreas() }, { seed: SEED });
  const { id, deviceId } = await town.phone('officer');
  const officer = new Listener(town, id, deviceId);
  await officer.connect();
  const civilian = await town.phone('civilian');
  await officer.command('location.share', {});
  await officer.report(0);
  await civilian.report(civilianM);
  await town.time.advance(STEP_MS);
  await civilian.report(civilianM);
  const said = await civilian.command('hey.say', { officerId: id });
  const heyId = said.ok ? said.value.heyId : '';
  for (let metres = 0; metres < 3_600; metres += 30) {
    void officer.report(metres);
    await officer.asks('hey.accept', { heyId });
    await town.time.advance(450);
  }
  expect(officer.log.filter(line => line.includes('hey.accept'))).toHaveLength(120);
  town.stop();
  return officer.log;
}

it('who accepts a hey again and again, from everywhere, learns only that the civilian was not beside him', async () => {
  const far = await swept(-1_500);
  // as fast as he goes he comes past these two
  for (const civilianM of [500, 1_300]) expect(await swept(civilianM), `${civilianM} m`).toEqual(far);
  expect(await swept(50)).not.toEqual(far);
}, 180_000);

it('one frame more would be seen', async () => {
  const alone = await seen({ crowd: 'nobody', rules: 'open', adapt: curious });
  expect(await seen({ crowd: 'a mile away', rules: 'open', adapt: curious })).not.toEqual(alone);
}, 180_000);
