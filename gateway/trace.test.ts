import { afterEach, expect, test } from 'vitest';
import { systemRandom } from '../infra/random.ts';
import { idTracer } from '../infra/telemetry/tracing.ts';
import type { Log, Span, Tracer } from '../nodes/ports.ts';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { decodeServerFrame, encodeClientFrame } from '../protocol/codec.ts';
import { ERROR, refuse } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { encodeCommand } from '../protocol/messages.ts';
import { traceIdOf, wellFormedTrace } from '../protocol/trace.ts';
import { createGateway, type Gateway } from './index.ts';
import { FakeDirectory, FakeDoor, optionsFor } from './testing/town.ts';

/** Where a trace begins: at the socket and at the REST doors, real ones, with whatever header is sent. */

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const ID = '01900000-0000-7000-8000-0000000000aa';
const HOSTILE = [
  '',
  'nonsense',
  PARENT.toUpperCase(),
  `${PARENT}00`,
  PARENT.replace('00-', 'ff-'),
  `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
  '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
  '"; drop table ledger.transfer; --',
  'x'.repeat(300),
];
const location = {
  seq: 1,
  latE7: 0,
  lngE7: 0,
  accuracyDm: 50,
  headingDeg: null,
  speedDms: null,
  takenAtMs: null,
};

let gateway: Gateway | null = null;
afterEach(async () => {
  await gateway?.stop(0);
  gateway = null;
});

/** Notes what became of each span. */
class Noting implements Tracer {
  readonly ended: [name: string, failure: string | undefined, trace: string][] = [];
  readonly #inner = idTracer(systemRandom());
  begin(name: string, parent: string | null): Span {
    const { trace } = this.#inner.begin(name, parent);
    return { trace, set() {}, end: failure => this.ended.push([name, failure, trace]) };
  }
  record(): null {
    return null;
  }
}

async function open() {
  const [door, directory, tracer] = [new FakeDoor(), new FakeDirectory(), new Noting()];
  const lines: [level: string, fields: Record<string, unknown>][] = [];
  const note = (level: string) => (fields: object) => lines.push([level, fields as Record<string, unknown>]);
  const log: Log = { debug: note('debug'), info() {}, warn: note('warn'), error: note('error') };
  gateway = createGateway(optionsFor(door, directory, { tracer, log }));
  const { restPort, realtimePort } = await gateway.start();
  const rest = `http://127.0.0.1:${restPort}`;
  const made = await fetch(`${rest}/v1/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      kind: 'civilian',
      handle: 'ana',
      password: 'correct horse',
      deviceId: 'phone-1',
      zip: '10001',
    }),
  });
  const { accessToken } = (await made.json()) as { accessToken: string };
  /** A phone that has been welcomed, and what it says. */
  const phone = async (traceparent: string | null) => {
    const init = { protocols: SUBPROTOCOL, headers: traceparent === null ? {} : { traceparent } };
    const socket = new WebSocket(`ws://127.0.0.1:${realtimePort}/v1/ws`, init as never);
    socket.binaryType = 'arraybuffer';
    /** Anything but a PING, which comes when it likes. */
    const heard = () =>
      new Promise<void>(resolve => {
        const look = ({ data }: MessageEvent): void => {
          if (decodeServerFrame(new Uint8Array(data)).type === 'ping') return;
          socket.removeEventListener('message', look);
          resolve();
        };
        socket.addEventListener('message', look);
      });
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error('refused'));
    });
    const say = async (frame: ClientFrame | Uint8Array) => {
      const answer = heard();
      const bytes = frame instanceof Uint8Array ? frame : encodeClientFrame(frame);
      socket.send(bytes as Uint8Array<ArrayBuffer>);
      await answer;
    };
    await say({
      type: 'hello',
      version: 1,
      token: accessToken,
      deviceId: 'phone-1',
      app: 'test',
      resume: null,
    });
    return { say, socket };
  };
  const traces = (type: string) =>
    door.asked.filter(one => one.message.type === type).map(one => one.options?.trace ?? null);
  return { rest, accessToken, door, directory, tracer, lines, phone, traces };
}

test('the commands of a socket belong to the trace of its upgrade, each under a name of its own', async () => {
  const { phone, traces, tracer } = await open();
  const { say } = await phone(PARENT);
  for (const cid of [1, 2]) await say(encodeCommand('location.share', cid, {}, ID));
  const all = [...traces('attach'), ...traces('command')];
  expect(all.map(traceIdOf)).toEqual(Array(3).fill(traceIdOf(PARENT)));
  expect(new Set([...all, PARENT]).size).toBe(4);
  for (const trace of all) expect(wellFormedTrace(trace)).toBe(trace);
  expect(tracer.ended.slice(-3).map(([name]) => name)).toEqual([
    'attach',
    'location.share',
    'location.share',
  ]);
});

test('without a header each command is a trace of its own; a position has none', async () => {
  const { phone, traces, door } = await open();
  const { say, socket } = await phone(null);
  for (const cid of [1, 2]) await say(encodeCommand('location.share', cid, {}, ID));
  socket.send(encodeClientFrame({ type: 'location', ...location }) as Uint8Array<ArrayBuffer>);
  await say({ type: 'ping', n: 1 });
  const ids = [...traces('attach'), ...traces('command')].map(traceIdOf);
  expect(new Set(ids).size).toBe(3);
  expect(door.heard('location')).toHaveLength(1);
  expect(door.toldWith).toEqual([undefined]);
});

test.each(HOSTILE)('a header like %j is not there', async header => {
  const { rest, phone, traces } = await open();
  const { say } = await phone(header);
  await say(encodeCommand('location.share', 1, {}, ID));
  for (const trace of [...traces('attach'), ...traces('command')]) {
    expect(wellFormedTrace(trace)).toBe(trace);
    expect(traceIdOf(trace)).not.toBe(traceIdOf(PARENT));
  }
  const answer = await fetch(`${rest}/docs`, { headers: { traceparent: header } });
  const returned = answer.headers.get('traceparent');
  expect(wellFormedTrace(returned)).toBe(returned);
  expect(traceIdOf(returned)).not.toBe(traceIdOf(PARENT));
});

test('a request goes on with the trace of its caller and says so; so does one that fails', async () => {
  const { rest, accessToken, directory, tracer, traces } = await open();
  const headers = { traceparent: PARENT, authorization: `Bearer ${accessToken}` };
  const answer = await fetch(`${rest}/v1/balance`, { headers });
  expect(answer.status).toBe(200);
  const returned = answer.headers.get('traceparent');
  expect(traceIdOf(returned)).toBe(traceIdOf(PARENT));
  expect(traces('balance')).toEqual([returned]);
  directory.down = true;
  const failed = await fetch(`${rest}/v1/me`, { headers });
  expect(failed.status).toBe(503);
  expect(traceIdOf(failed.headers.get('traceparent'))).toBe(traceIdOf(PARENT));
  await expect.poll(() => tracer.ended.at(-1)?.slice(0, 2)).toEqual(['GET /v1/me', 'status 503']);
  const nowhere = await fetch(`${rest}/v1/nothing`, { headers });
  expect(traceIdOf(nowhere.headers.get('traceparent'))).toBe(traceIdOf(PARENT));
});

test('a command that fails is a failed span, and its log line names the trace', async () => {
  const { door, lines, tracer, phone, traces } = await open();
  const { say } = await phone(PARENT);
  door.answers.command = () => refuse(ERROR.internal, 'internal error');
  await say(encodeCommand('location.share', 1, {}, ID));
  expect(lines.at(-1)).toEqual([
    'warn',
    {
      op: 'location.share',
      code: ERROR.internal,
      why: 'internal error',
      trace: traceIdOf(PARENT),
    },
  ]);
  expect(tracer.ended.at(-1)).toEqual(['location.share', 'failed', traces('command')[0]]);
  // an outage comes by the thousand: it is told in the metrics, and here only to who wants to know
  door.answers.command = () => refuse(ERROR.unavailable, 'try again', 1_000);
  await say(encodeCommand('location.share', 2, {}, ID));
  expect(lines.at(-1)?.[0]).toBe('debug');
});
