import { expect, test } from 'vitest';
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import { PendingAsks, UNKNOWN } from './asks.ts';
import { overloaded } from './overloaded.ts';
import { VirtualTime } from './simulation/virtualTime.ts';
import { TimerWheel } from './timerWheel.ts';

test.each([
  ['once', overloaded(500), overloaded(500)],
  ['again', overloaded(500), UNKNOWN],
  ['again', refuse(ERROR.conflict, 'x'), refuse(ERROR.conflict, 'x')],
  ['again', ok(1), ok(1)],
])('asked %s: that it is not executed now says nothing of the first time', (times, answer, told) => {
  const time = new VirtualTime();
  const asks = new PendingAsks('n1', new TimerWheel(time, () => time.monotonicMs(), 20, 64));
  const heard: Result<unknown>[] = [];
  const to = asks.open(1_000, result => heard.push(result));
  asks.sent({ id: to.askId, repeated: times === 'again' });
  asks.answer(to, answer);
  expect(heard).toEqual([told]);
});
