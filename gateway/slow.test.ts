import { afterEach, expect, test } from 'vitest';
import WebSocket from 'ws';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { decodeServerFrame, encodeClientFrame, encodeServerFrame } from '../protocol/codec.ts';
import { CLOSE, ok } from '../protocol/errors.ts';
import type { Resume, ServerFrame } from '../protocol/frames.ts';
import { createGateway, type Gateway, type Ports } from './index.ts';
import { LIMITS } from './limits.ts';
import { counting, EPOCH, FakeDirectory, FakeDoor, optionsFor } from './testing/town.ts';

/** Phones that stop reading, over real sockets: told so in a close frame that arrives, and nothing is lost. */

const ID = '01900000-0000-7000-8000-0000000000aa';
let gateway: Gateway | null = null;
afterEach(async () => {
  await gateway?.stop(0);
  gateway = null;
});

/** An event of about 4 KB. */
const PART = 'x'.repeat(2_000);
const event = (offset: number): Uint8Array =>
  encodeServerFrame({ type: 'event', offset, kind: 1, eventId: ID, body: [PART, PART] });

class DeafPhone {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  readonly gone: Promise<number>;
  #wake: () => void = () => {};

  constructor(ports: Ports, token: string, resume: Resume | null) {
    this.socket = new WebSocket(`ws://127.0.0.1:${ports.realtimePort}/v1/ws`, SUBPROTOCOL);
    this.socket.on('open', () => {
      const hello = { type: 'hello', version: 1, token, deviceId: 'phone-1', app: 'test', resume } as const;
      this.socket.send(encodeClientFrame(hello));
    });
    this.socket.on('message', (data: Buffer) => {
      this.frames.push(decodeServerFrame(new Uint8Array(data)));
      this.#wake();
    });
    this.gone = new Promise(resolve => this.socket.on('close', resolve));
  }

  async heard(type: ServerFrame['type']): Promise<ServerFrame> {
    for (;;) {
      const frame = this.frames.find(one => one.type === type);
      if (frame) return frame;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  offsets(): number[] {
    return this.frames.flatMap(one => (one.type === 'event' ? [one.offset] : []));
  }
}

test('a phone that does not read gets 4102 when it reads again, every event up to it, and the rest by resuming', async () => {
  const door = new FakeDoor();
  const metrics = counting();
  gateway = createGateway(optionsFor(door, new FakeDirectory(), { metrics }));
  const ports = await gateway.start();
  const signedUp = await fetch(`http://127.0.0.1:${ports.restPort}/v1/signup`, {
    method: 'POST',
    body: JSON.stringify({ kind: 'civilian', handle: 'ana', password: 'correct horse', deviceId: 'phone-1' }),
    headers: { 'content-type': 'application/json' },
  });
  const { accessToken } = (await signedUp.json()) as { accessToken: string };

  const deaf = new DeafPhone(ports, accessToken, null);
  const welcome = await deaf.heard('welcome');
  const session = door.asked.find(one => one.message.type === 'attach')!.message.session!;
  deaf.socket.pause();
  let said = 0;
  // the kernels hold some megabytes between them
  while (gateway.sink.knows!(session) && said < 10_000) {
    gateway.sink.push([session], event(++said), 'durable');
    if (said % 16 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  expect(said).toBeLessThan(10_000);
  expect(metrics.counts.get(`rt_close_total ${CLOSE.slowConsumer} server`)).toBe(1);

  deaf.socket.resume();
  expect(await deaf.gone).toBe(CLOSE.slowConsumer);
  const seen = deaf.offsets();
  expect(seen).toEqual(Array.from(seen, (_, i) => i + 1));
  // what stayed behind is what was said last, and no more than the ladder lets wait
  expect(said - seen.length).toBeGreaterThan(0);
  expect(said - seen.length).toBeLessThanOrEqual(1 + LIMITS.closeBufferBytes / 4_000);

  const offset = seen.at(-1)!;
  door.answers.attach = ({ message }) => {
    const from = (message.resume as Resume).offset;
    const frames = Array.from({ length: said - from }, (_, i) => event(from + 1 + i));
    return ok({ epoch: EPOCH, offset: said, resumed: true, frames });
  };
  const sessionId = (welcome as ServerFrame & { type: 'welcome' }).sessionId;
  const back = new DeafPhone(ports, accessToken, { sessionId, epoch: EPOCH, offset });
  expect(await back.heard('welcome')).toMatchObject({ resumed: true, offset: said });
  while (back.offsets().at(-1) !== said) await new Promise(resolve => setImmediate(resolve));
  expect([...seen, ...back.offsets()]).toEqual(Array.from({ length: said }, (_, i) => i + 1));
  back.socket.terminate();
});
