import { expect, test } from 'vitest';
import { seededRandom, VirtualTime } from './virtualTime.ts';

test('work runs by due time, then by the order of asking, whatever was cancelled', async () => {
  const time = new VirtualTime();
  const random = seededRandom(7);
  const expected: { atMs: number; order: number }[] = [];
  const ran: { atMs: number; order: number }[] = [];
  let order = 0;
  const ask = (delayMs: number): void => {
    const mine = { atMs: time.monotonicMs() + delayMs, order: order++ };
    const cancel = time.after(delayMs, () => {
      ran.push(mine);
      if (random.uint32() % 3 === 0) ask(random.uint32() % 5);
    });
    if (random.uint32() % 10 === 0) cancel();
    else expected.push(mine);
  };
  for (let i = 0; i < 500; i++) ask(random.uint32() % 40);
  await time.advance(1_000);
  expected.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
  expect(ran).toEqual(expected);
});

test('a run is one synchronous call that settles promises in between and may be told that it is enough', () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  time.after(10, () => seen.push(`a ${time.monotonicMs()}`));
  time.after(20, () => seen.push(`b ${time.monotonicMs()}`));
  time.after(30, () => seen.push(`c ${time.monotonicMs()}`));
  let settled = 0;
  time.run(
    100,
    () => settled++,
    () => seen.length === 2,
  );
  expect([seen, settled, time.monotonicMs()]).toEqual([['a 10', 'b 20'], 3, 20]);
  time.run(100, () => {});
  expect([seen.length, time.monotonicMs()]).toEqual([3, 100]);
});
