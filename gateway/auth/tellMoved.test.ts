import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ERROR, ok, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';
import { FakeDoor } from '../testing/town.ts';
import { tellMoved } from './tellMoved.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a move is said again until its actor has answered', () => {
  const door = new FakeDoor();
  door.answers.deviceMoved = () => refuse(ERROR.timeout, 'no answer');
  tellMoved(door, 'u', 'phone-2');
  expect(door.asked.map(one => [one.to.id, one.message, one.options?.keyed])).toEqual([
    ['u', { type: 'deviceMoved', deviceId: 'phone-2' }, true],
  ]);
  vi.advanceTimersByTime(LIMITS.movedAgainMs * 2);
  expect(door.asked).toHaveLength(3);
  door.answers.deviceMoved = () => ok({});
  vi.advanceTimersByTime(LIMITS.movedAgainMs * 10);
  expect(door.asked).toHaveLength(4);
});

test('not for ever, and not when it was refused for good', () => {
  const door = new FakeDoor();
  door.answers.deviceMoved = () => refuse(ERROR.unavailable, 'moving');
  tellMoved(door, 'u', 'phone-2');
  vi.advanceTimersByTime(LIMITS.movedAgainMs * 1_000);
  expect(door.asked).toHaveLength(LIMITS.movedAttempts);
  door.answers.deviceMoved = () => refuse(ERROR.notFound, 'no such account');
  tellMoved(door, 'u', 'phone-2');
  vi.advanceTimersByTime(LIMITS.movedAgainMs * 1_000);
  expect(door.asked).toHaveLength(LIMITS.movedAttempts + 1);
});
