import { expect, test } from 'vitest';
import { CLOSE } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { encodeCommand } from '../protocol/messages.ts';
import { RATES } from './limits.ts';
import { Stage } from './testing/stage.ts';
import type { Wire } from './testing/wire.ts';

/** Positions while the node is behind: the newest of each phone waits at the door, commands do not. */

const position = (seq: number): ClientFrame => ({
  type: 'location',
  seq,
  latE7: 407_000_000 + seq,
  lngE7: -739_000_000,
  accuracyDm: 50,
  headingDeg: null,
  speedDms: null,
  takenAtMs: null,
});

const users = ['1', '2', '3'].map(n => `01900000-0000-7000-8000-00000000000${n}`);

/** Phones at a node that is behind when the test says so. */
const town = async (rates = true) => {
  const stage = new Stage(rates ? {} : { rates: null });
  const node = { isBehind: false };
  Object.assign(stage.door, { behind: () => node.isBehind });
  const phones: Wire[] = [];
  for (const user of users) phones.push(await stage.phone(user, 'phone-1'));
  /** Who said which position, in the order in which the actors heard. */
  const heard = (): string[] =>
    stage.door.heard('location').map(({ to, message }) => {
      const { seq } = message.location as { seq: number };
      return `${users.indexOf(to.id) + 1}:${seq}`;
    });
  const shed = (): number => {
    stage.sessions.sweep();
    return stage.metrics.counts.get('rt_positions_shed_total') ?? 0;
  };
  return { stage, node, phones, heard, shed };
};

test('a node that is not behind takes every position at once', async () => {
  const { phones, heard, shed } = await town();
  for (const seq of [1, 2, 3]) phones[0]!.say(position(seq));
  expect(heard()).toEqual(['1:1', '1:2', '1:3']);
  expect(shed()).toBe(0);
});

test('while it is behind the newest of each phone waits, and comes in its order when actors had their turns', async () => {
  const { stage, node, phones, heard, shed } = await town();
  const [ann, bob, eve] = phones as [Wire, Wire, Wire];
  node.isBehind = true;
  bob.say(position(1));
  ann.say(position(1));
  bob.say(position(2));
  eve.say(position(1));
  bob.say(position(3));
  stage.sessions.release();
  expect(heard()).toEqual([]);
  expect(shed()).toBe(2);
  node.isBehind = false;
  stage.sessions.release();
  expect(heard()).toEqual(['2:3', '1:1', '3:1']);
  stage.pass(1_500);
  expect(stage.metrics.gauges.get('rt_held positions')).toBe(0);
  ann.say(position(2));
  expect(heard().at(-1)).toBe('1:2');
});

test('as many come in as the node takes before it is behind again', async () => {
  const { stage, node, phones, heard } = await town();
  node.isBehind = true;
  for (const phone of phones) phone.say(position(1));
  let room = 2;
  Object.assign(stage.door, { behind: () => room-- <= 0 });
  stage.sessions.release();
  expect(heard()).toEqual(['1:1', '2:1']);
});

test('a command does not wait, and does not overtake the position that its own phone said before it', async () => {
  const { stage, node, phones, heard } = await town();
  const [ann, bob] = phones as [Wire, Wire];
  node.isBehind = true;
  bob.say(position(1));
  ann.say(position(1));
  ann.say(position(2));
  ann.say(encodeCommand('location.share', 1, {}, '01900000-0000-7000-8000-0000000000aa'));
  expect(heard()).toEqual(['1:2']);
  expect(stage.door.asked.map(({ to, message }) => [to.id, message.type]).at(-1)).toEqual([
    users[0],
    'command',
  ]);
});

test('positions that replace others are paid for when they come, and one that is none ends its socket when it is read', async () => {
  const { stage, node, phones, heard } = await town();
  const [ann, bob, eve] = phones as [Wire, Wire, Wire];
  node.isBehind = true;
  for (let seq = 1; seq <= RATES.session.location.burst + 4; seq++) ann.say(position(seq));
  expect(ann.code).toBe(CLOSE.rateLimited);
  eve.say(position(1));
  bob.say(Uint8Array.of(0x93, 3, 1));
  expect(bob.code).toBe(null);
  node.isBehind = false;
  stage.sessions.release();
  expect(bob.code).toBe(CLOSE.malformed);
  expect(heard()).toEqual(['3:1']);
});

test('what a socket left behind is forgotten with it', async () => {
  const { stage, node, phones, heard } = await town(false);
  node.isBehind = true;
  phones[0]!.say(position(1));
  phones[0]!.leave();
  node.isBehind = false;
  stage.sessions.release();
  expect(heard()).toEqual([]);
  stage.pass(1_500);
  expect(stage.metrics.gauges.get('rt_held positions')).toBe(0);
});
