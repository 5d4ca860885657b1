/** Who has his turn when: on virtual time, with slices that a test counts. */
import { beforeEach, expect, test } from 'vitest';
import { RunQueue, type Waiting } from './runQueue.ts';
import { VirtualTime } from './simulation/virtualTime.ts';

class One implements Waiting {
  readonly name: string;
  scheduled = false;
  hurried = false;
  /** What it does in its slice. */
  act: () => void = () => {};
  constructor(name: string) {
    this.name = name;
  }
}

let time: VirtualTime;
let served: string[];
let serving: boolean;
let rest: number;
let queue: RunQueue<One>;

beforeEach(() => {
  time = new VirtualTime();
  served = [];
  serving = true;
  rest = Number.POSITIVE_INFINITY;
  queue = new RunQueue<One>({
    scheduler: time,
    clock: time,
    loopMs: 10,
    waitMs: 50,
    standingMs: 100,
    mayRun: () => serving,
    entered: () => {},
    serve: one => {
      served.push(one.name);
      one.act();
      one.scheduled = false;
    },
    // the event loop has its turn after so many slices
    served: () => --rest === 0,
    left: () => {},
  });
});

const several = (name: string, count: number): One[] =>
  Array.from({ length: count }, (_, i) => new One(`${name} ${i}`));

test('whoever is hurried goes before all that wait with what may wait', async () => {
  for (const one of several('position', 3)) queue.push(one, false);
  for (const one of several('command', 2)) queue.push(one, true);
  expect(queue.unhurried).toBe(3);
  await time.advance(1);
  expect(served).toEqual(['command 0', 'command 1', 'position 0', 'position 1', 'position 2']);
  expect(queue.unhurried).toBe(0);
});

test('who is hurried while he waits goes over, and has his turn once', async () => {
  const [first, second] = several('one', 2) as [One, One];
  queue.push(first, false);
  queue.push(second, false);
  queue.push(second, true);
  queue.push(second, true);
  await time.advance(1);
  expect(served).toEqual(['one 1', 'one 0']);
  queue.push(second, false);
  await time.advance(1);
  expect(served).toEqual(['one 1', 'one 0', 'one 1']);
});

test('the others move, too, however many are hurried', async () => {
  for (const one of several('position', 2)) queue.push(one, false);
  for (const one of several('command', 20)) queue.push(one, true);
  await time.advance(1);
  expect(served).toHaveLength(22);
  expect([served.indexOf('position 0'), served.indexOf('position 1')]).toEqual([8, 17]);
});

test('who writes to himself in his slice is not in line twice, and whoever has more mail is last of his line', async () => {
  const [busy, other] = several('one', 2) as [One, One];
  let left = 2;
  busy.act = () => {
    queue.push(busy, true);
    if (left-- > 0)
      busy.act = () => {
        busy.act = () => {};
      };
  };
  queue.push(busy, true);
  queue.push(other, true);
  await time.advance(1);
  expect(served).toEqual(['one 0', 'one 1']);
});

test('the event loop has its turn when a slice says so, and while it may not run everybody keeps his place', async () => {
  for (const one of several('position', 1_500)) queue.push(one, false);
  rest = 1_200;
  time.after(0, () => {
    serving = false;
  });
  await time.advance(20);
  const before = served.length;
  queue.push(new One('command'), true);
  serving = true;
  queue.resume();
  await time.advance(100);
  expect(served).toHaveLength(1_501);
  expect(new Set(served).size).toBe(1_501);
  expect(served[before]).toBe('command');
});

test('a line does not stand when it is empty, also when the last place in it was left', async () => {
  const slow = several('slow', 8);
  for (const one of slow) one.act = () => time.spend(60);
  const one = new One('one');
  one.act = () => {
    one.act = () => {};
    time.after(0, () => {
      for (const before of slow) queue.push(before, true);
    });
    time.after(1, () => queue.push(one, true));
  };
  // hurried while he waits, he leaves a place among the others, and has his second turn there
  queue.push(one, false);
  queue.push(one, true);
  rest = 1;
  await time.advance(10_000);
  const [last] = slow.splice(7);
  expect(served).toEqual(['one', ...slow.map(({ name }) => name), 'one', last!.name]);
  expect(queue.stands).toBe(false);
});
