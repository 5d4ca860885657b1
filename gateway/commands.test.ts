import { beforeEach, describe, expect, test } from 'vitest';
import type { ActorDoor } from '../nodes/gatewayPort.ts';
import { overloaded } from '../nodes/overloaded.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { encodeCommand } from '../protocol/messages.ts';
import { LIMITS } from './limits.ts';
import { Stage } from './testing/stage.ts';
import type { Wire } from './testing/wire.ts';

/** Commands: asked for once more where that does no harm; a repeat gets the first reply, byte for byte. */

const KEY = '01900000-0000-7000-8000-0000000000cc';
const MOVED = refuse(ERROR.unavailable, 'the actor moved', 100);
const UNKNOWN = refuse(ERROR.timeout, 'no answer in time; the outcome is unknown');

describe('between two nodes', () => {
  let stage: Stage;
  let wire: Wire;
  beforeEach(async () => {
    stage = new Stage({ rates: null });
    wire = await stage.phone(undefined, undefined, 'officer');
    stage.door.asked.length = 0;
    stage.door.holding.add('command');
  });
  const share = (cid = 1): void => wire.say(encodeCommand('location.share', cid, {}, KEY));
  const read = (cid = 1): void => wire.say(encodeCommand('state.get', cid, {}, null));
  const last = () => wire.frames.at(-1);
  const asked = () => stage.door.asked;
  const WAITS = LIMITS.commandAgainMs / LIMITS.flushMs;

  test.each([
    ['with a key', share],
    ['without', read],
  ])('one that was proven not executed (%s) is asked for once more, within its time', (_, say) => {
    say();
    stage.clock.advance(500);
    const first = asked()[0]!;
    stage.door.answer('command', MOVED);
    expect([wire.types(), asked().length]).toEqual([['welcome'], 0]);
    stage.ticks(WAITS);
    expect(asked()).toHaveLength(1);
    expect(asked()[0]!.message).toEqual(first.message);
    expect(asked()[0]!.options).toEqual({
      ...first.options,
      timeoutMs: LIMITS.commandMs - 500 - LIMITS.commandAgainMs,
    });
    stage.door.answer('command', MOVED);
    stage.ticks(40);
    expect(asked()).toHaveLength(0);
    expect(last()).toMatchObject({ type: 'error', cid: 1, code: ERROR.unavailable, retryable: true });
    stage.sessions.sweep();
    const name = first.message.name;
    expect(stage.metrics.counts.get(`rt_commands_again_total ${name}`)).toBe(1);
  });

  test('the answer to the second is the answer', () => {
    share();
    stage.door.answer('command', MOVED);
    stage.ticks(WAITS);
    stage.door.answer('command', ok({ untilS: 9 }));
    expect(wire.types()).toEqual(['welcome', 'reply']);
  });

  test('an unknown outcome is tried again only with a key', () => {
    share(1);
    read(2);
    stage.door.answer('command', UNKNOWN);
    stage.door.answer('command', UNKNOWN);
    expect(wire.frames.slice(1)).toMatchObject([{ type: 'error', cid: 2, code: ERROR.timeout }]);
    stage.ticks(WAITS);
    expect(asked()).toHaveLength(1);
    expect(asked()[0]!.message.name).toBe('location.share');
  });

  test('an unknown outcome stays unknown when the second try is not served, and is known when it is decided', () => {
    for (const [cid, second, code] of [
      [1, overloaded(500), ERROR.timeout],
      [2, MOVED, ERROR.timeout],
      [3, refuse(ERROR.conflict, 'x'), ERROR.conflict],
    ] as const) {
      share(cid);
      stage.door.answer('command', UNKNOWN);
      stage.ticks(WAITS);
      stage.door.answer('command', second);
      expect(last()).toMatchObject({ type: 'error', cid, code });
    }
  });

  test.each([
    refuse(ERROR.conflict, 'x'),
    refuse(ERROR.internal, 'x'),
    refuse(ERROR.rateLimited, 'x', 100),
    refuse(ERROR.unavailable, 'x', LIMITS.commandMs),
    overloaded(LIMITS.commandAgainMs),
  ])(
    'what is final, has no time left or comes of overload ($code, $message, $retryAfterMs ms) is told at once',
    refusal => {
      share();
      stage.door.answer('command', refusal);
      expect(last()).toMatchObject({ type: 'error', cid: 1, code: refusal.code });
      stage.ticks(40);
      expect(asked()).toHaveLength(0);
    },
  );

  test('a phone that left is asked for no more; of too many that wait, the next are told at once', () => {
    share();
    stage.door.answer('command', MOVED);
    wire.leave();
    stage.ticks(WAITS);
    expect([asked().length, stage.sessions.again.size]).toEqual([0, 0]);
  });

  test('not more wait than there is room for', () => {
    for (let cid = 1; cid <= LIMITS.commandsAgain + 1; cid++) {
      read(cid);
      stage.door.answer('command', MOVED);
    }
    expect(stage.sessions.again.size).toBe(LIMITS.commandsAgain);
    expect(wire.frames.slice(1)).toMatchObject([{ type: 'error', cid: LIMITS.commandsAgain + 1 }]);
  });
});

describe('with real actors and their stores', () => {
  /** A gateway before a small town: what its actors push goes to the sockets. */
  const before = (town: SmallTown) => {
    const door: ActorDoor = {
      ask: (...args) => town.system.ask(...args),
      tell: (...args) => town.system.tell(...args),
    };
    const stage = new Stage({ rates: null, door, clock: town.time });
    const attach = async (of: TownPhone, kind: 'officer' | 'civilian'): Promise<Wire> => {
      const wire = await stage.phone(of.id, of.deviceId, kind);
      for (let i = 0; i < 50 && wire.data!.phase === 'attaching'; i++) await town.time.advance(10);
      expect(wire.data!.phase).toBe('open');
      return wire;
    };
    const answered = async (wire: Wire, cid: number): Promise<Uint8Array> => {
      const at = () =>
        wire.frames.findIndex(one => (one.type === 'reply' || one.type === 'error') && one.cid === cid);
      for (let i = 0; i < 200 && at() < 0; i++) {
        await town.time.advance(25);
        stage.sessions.tick();
      }
      return wire.messages[at()]!;
    };
    return { attach, answered };
  };

  /** A reply without its number: `[1, cid, ...rest]`, with a cid below 128. */
  const rest = (reply: Uint8Array): string =>
    Buffer.concat([reply.subarray(0, 2), reply.subarray(3)]).toString('hex');

  test.each([
    ['repeated on the same socket', async () => {}],
    ['after the node was killed', async (town: SmallTown) => town.kill()],
    ['after the shard moved', async (town: SmallTown) => town.move()],
  ])('a scan %s: the first reply byte for byte, one effect, and 409 for another body', async (_, happens) => {
    const town = new SmallTown();
    const { attach, answered } = before(town);
    const [officer, civilian] = [await town.phone('officer'), await town.phone('civilian')];
    const shown = await civilian.command('qr.show', {});
    const token = shown.ok ? shown.value.token : '';
    let wire = await attach(officer, 'officer');
    const scan = (cid: number, what: string): void =>
      wire.say(encodeCommand('qr.scan', cid, { token: what }, KEY));
    scan(1, token);
    const first = await answered(wire, 1);
    expect(wire.frames.some(one => one.type === 'reply' && one.cid === 1)).toBe(true);
    const balance = town.balance(officer.id);
    expect(balance).toBeGreaterThan(0);
    await happens(town);
    // what was shown is over: only what is remembered can tell the first answer
    await town.time.advance(600_000);
    if (_ !== 'repeated on the same socket') wire = await attach(officer, 'officer');
    scan(2, token);
    expect(rest(await answered(wire, 2))).toBe(rest(first));
    scan(3, `${token.slice(0, -1)}x`);
    await answered(wire, 3);
    expect(wire.frames.at(-1)).toMatchObject({ type: 'error', cid: 3, code: ERROR.conflict });
    expect(town.balance(officer.id)).toBe(balance);
    expect(town.problems).toEqual([]);
    town.stop();
  });
});
