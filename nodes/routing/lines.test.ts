/** One sender's messages for a shard that moves, step by step: what is sent where, and what waits for what. */
import { beforeEach, expect, test } from 'vitest';
import type { Owner } from '../ports.ts';
import { VirtualTime } from '../simulation/virtualTime.ts';
import { TimerWheel } from '../timerWheel.ts';
import { KIND } from './envelope.ts';
import { Lines } from './lines.ts';
import { Letter } from './outgoing.ts';
import { Slice } from './slice.ts';

const SHARD = 7;
let time: VirtualTime;
let lines: Lines;
let owner: Owner | null;
let mine: number | null;
let gone: string[];
let told: string[];
beforeEach(() => {
  time = new VirtualTime();
  owner = { node: 'b.1', epoch: 1 };
  mine = null;
  gone = [];
  told = [];
  lines = new Lines({
    coordinator: {
      ref: 'a.1',
      mapRevision: 1,
      epochOf: () => mine,
      ownerOf: () => owner,
    },
    clock: time,
    wheel: new TimerWheel(time, () => time.monotonicMs(), 1, 64),
    isGone: node => gone.includes(node),
    post: (node, one) => void told.push(`${one.id} to ${node} in round ${one.round}`),
    deliver: one => void told.push(`${one.id} here`),
    refuse: (one, why) => void told.push(`${one.id} ${why}`),
  });
});
const letter = (id: number, deadlineMs = 60_000): Letter =>
  new Letter(
    KIND.ask,
    id,
    { kind: 'user', id: 'x' },
    SHARD,
    null,
    [],
    null,
    deadlineMs,
    new Slice(new Uint8Array(8)),
  );
const say = (id: number, deadlineMs?: number): Letter => {
  const one = letter(id, deadlineMs);
  lines.join(one);
  return one;
};
const hear = (): string[] => told.splice(0);

test('messages go straight to the owner', () => {
  say(1);
  say(2);
  expect(hear()).toEqual(['1 to b.1 in round 1', '2 to b.1 in round 1']);
});

test('as long as one is under way to the former owner, none goes to the next one', () => {
  const first = say(1);
  owner = { node: 'c.1', epoch: 2 };
  say(2);
  expect(hear()).toEqual(['1 to b.1 in round 1']);
  lines.settled(first, 'arrived');
  expect(hear()).toEqual(['2 to c.1 in round 1']);
});

test('what came back goes first, in a new round, and nothing overtakes what waits', async () => {
  const [first, second] = [say(1), say(2)];
  hear();
  lines.bounced(first, 'b.1', null);
  await time.advance(100);
  say(3);
  expect(hear()).toEqual([]);
  lines.settled(second, 'missed');
  await time.advance(300);
  expect(hear()).toEqual(['1 to b.1 in round 2', '2 to b.1 in round 2', '3 to b.1 in round 2']);
});

test('what a later one has overtaken is not sent any more', () => {
  const [first, second] = [say(1), say(2)];
  hear();
  lines.settled(first, 'missed');
  lines.settled(second, 'arrived');
  expect(hear()).toEqual(['1 overtaken']);
});

test('who sent something back gets it again only after a pause, or when it owns the shard anew', async () => {
  const first = say(1);
  hear();
  lines.bounced(first, 'b.1', null);
  lines.routed([SHARD]);
  expect(hear()).toEqual([]);
  owner = { node: 'b.1', epoch: 2 };
  lines.routed([SHARD]);
  expect(hear()).toEqual(['1 to b.1 in round 2']);
});

test('the word of who sent it back counts while it is newer than the map', () => {
  const first = say(1);
  hear();
  lines.bounced(first, 'b.1', { node: 'c.1', epoch: 2 });
  expect(hear()).toEqual(['1 to c.1 in round 2']);
});

test('nothing goes to a node that is known to be gone, whatever the map says', () => {
  gone = ['b.1'];
  say(1);
  expect(hear()).toEqual([]);
  owner = { node: 'c.1', epoch: 2 };
  lines.routed([SHARD]);
  expect(hear()).toEqual(['1 to c.1 in round 1']);
});

test('a message waits two seconds at most, and not beyond its own time', async () => {
  owner = null;
  say(1, 500);
  say(2);
  await time.advance(600);
  expect(hear()).toEqual(['1 waited']);
  await time.advance(1_500);
  expect(hear()).toEqual(['2 waited']);
});

test('a shard that came here is served here when nothing is under way elsewhere', () => {
  const first = say(1);
  hear();
  mine = 2;
  lines.opened(SHARD);
  expect([lines.detours, lines.busy(SHARD)]).toEqual([1, true]);
  say(2);
  lines.bounced(first, 'b.1', null);
  expect(hear()).toEqual(['1 here', '2 here']);
  expect([lines.detours, lines.busy(SHARD)]).toEqual([0, false]);
});
