import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { COMMANDS } from '../../protocol/catalogue.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import { encodeError, encodeReply } from '../../protocol/messages.ts';
import { connected, ID, type Line } from './testing/phone.ts';
import { Till } from './till.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const OPEN = COMMANDS['till.open'].code;
const CONFIRM = COMMANDS['till.confirm'].code;
const BODY = { redemptionId: ID, code: null, quantity: null };
const SOLD = { redemptionId: ID, quantity: 1, points: 5 };

const asked = (line: Line, op: number) => line.of('command').filter(one => one.op === op);
const opens = async (line: Line): Promise<void> => {
  await vi.advanceTimersByTimeAsync(0);
  line.say(encodeReply('till.open', asked(line, OPEN).at(-1)!.cid, { waiting: [] }));
  await vi.advanceTimersByTimeAsync(0);
};

test('says which till it is on every connection, until it is closed', async () => {
  const { client, lines } = await connected();
  const opened: boolean[] = [];
  const till = new Till(client, 'till-1', result => opened.push(result.ok));
  await opens(lines[0]!);
  lines[0]!.drop(1006);
  await vi.advanceTimersByTimeAsync(2_000);
  lines[1]!.open();
  lines[1]!.welcome();
  await opens(lines[1]!);
  expect(opened).toEqual([true, true]);
  till.close();
  lines[1]!.drop(1006);
  await vi.advanceTimersByTimeAsync(2_000);
  lines[2]!.open();
  lines[2]!.welcome();
  await vi.advanceTimersByTimeAsync(100);
  expect(asked(lines[2]!, OPEN)).toEqual([]);
});

test('a server that forgot the till is told, and asked once more under the same key; a real conflict stays one', async () => {
  const { client, line } = await connected();
  const till = new Till(client, 'till-1');
  await opens(line());
  const done = till.command('till.confirm', BODY);
  await vi.advanceTimersByTimeAsync(0);
  const conflict = refuse(ERROR.conflict, 'open a till first');
  line().say(encodeError(asked(line(), CONFIRM)[0]!.cid, conflict));
  await opens(line());
  const [first, second] = asked(line(), CONFIRM);
  expect(second!.idem).toBe(first!.idem);
  line().say(encodeReply('till.confirm', second!.cid, SOLD));
  expect(await done).toEqual({ ok: true, value: SOLD });

  const again = till.command('till.confirm', BODY);
  await vi.advanceTimersByTimeAsync(0);
  line().say(encodeError(asked(line(), CONFIRM)[2]!.cid, refuse(ERROR.conflict, 'it is paid')));
  await opens(line());
  line().say(encodeError(asked(line(), CONFIRM)[3]!.cid, refuse(ERROR.conflict, 'it is paid')));
  expect(await again).toMatchObject({ ok: false, code: ERROR.conflict, message: 'it is paid' });
});
