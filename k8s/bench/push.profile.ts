/**
 * Load of the push benchmark: phones of all servers at once, each on its server's own wire. They take events and know how
 * late each came; ours acknowledge as the protocol asks. One window after the other, each for one server.
 */
import { encodeClientFrame, PROTOCOL_VERSION, SUBPROTOCOL } from '../../protocol/index.ts';
import { inParallel } from '../swarm/crowd.ts';
import { EngineIoSocket } from '../swarm/engineIo.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import type { PhoneIdentity } from '../swarm/phone.ts';
import type { Load } from '../swarm/saturation.ts';
import { RawSocket } from '../swarm/socket.ts';
import type { Job } from '../swarm/worker.ts';
import { offsetIn, stampIn } from './peers/event.ts';
import { msSince } from './peers/stamp.ts';
import type { PeerName } from './peers/start.ts';

export interface Target {
  readonly peer: PeerName;
  readonly url: string;
  readonly phones: number;
  /** Who they are; null where nobody asks. */
  readonly people: readonly PhoneIdentity[] | null;
}

export interface PushArgs {
  readonly targets: readonly Target[];
}

/** What came in one window. */
export interface Window {
  readonly received: number;
  /** From the beginning of the window to the last event. */
  readonly seconds: number;
  readonly latency: HistogramData;
  readonly load: Load;
}

/** Before a window; null ends the run. */
export interface Next {
  /** Our phones acknowledge: there are actors who listen. */
  readonly acks: boolean;
}

/** The server has said all; so many were said. */
export interface Said {
  readonly sent: number;
}

const ACK_EVENTS = 16;
/** Events that have not come by then are lost. */
const LATE_MS = 10_000;
const LOOK_MS = 2;
const JSON_EVENT = Buffer.from('2["points.changed"');
const BALANCE = Buffer.from('"balance":');

/** The stamp in the JSON of a Socket.IO event. */
const stampInJson = (text: Buffer): number => {
  const from = text.indexOf(BALANCE) + BALANCE.length;
  let stamp = 0;
  for (let at = from; text[at]! >= 0x30 && text[at]! <= 0x39; at++) stamp = stamp * 10 + text[at]! - 0x30;
  return stamp;
};

export const run = async (job: Job<PushArgs>): Promise<null> => {
  let received = 0;
  let latency = new Histogram();
  let lastMs = 0;
  let ending = false;
  let acks = false;
  const lost: string[] = [];
  const closings: (() => void)[] = [];
  const came = (stamp: number): void => {
    received++;
    latency.record(Math.max(0, msSince(stamp)));
    lastMs = performance.now();
  };
  const onClose = (reject: (e: Error) => void) => (code: number, reason: string) => {
    if (!ending) lost.push(`${code} ${reason}`);
    reject(new Error(`${code} ${reason}`));
  };

  const ours = (url: string, { token, deviceId }: PhoneIdentity): Promise<void> =>
    new Promise((resolve, reject) => {
      let isOpen = false;
      let events = 0;
      const socket = new RawSocket({
        url,
        subprotocol: SUBPROTOCOL,
        onOpen: () => {
          const hello = { version: PROTOCOL_VERSION, token, deviceId, app: 'heyblue-swarm/1', resume: null };
          socket.send(encodeClientFrame({ type: 'hello', ...hello }));
        },
        onMessage: bytes => {
          const stamp = stampIn(bytes);
          if (stamp > 0) {
            came(stamp);
            if (acks && ++events % ACK_EVENTS === 0) {
              socket.send(encodeClientFrame({ type: 'ack', offset: offsetIn(bytes) }));
            }
          } else if (!isOpen) {
            isOpen = true;
            resolve();
          }
        },
        onClose: onClose(reject),
      });
      closings.push(() => socket.destroy());
    });

  const bare = (url: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = new RawSocket({
        url,
        onOpen: resolve,
        onMessage: bytes => came(stampIn(bytes)),
        onClose: onClose(reject),
      });
      closings.push(() => socket.destroy());
    });

  const socketIo = (url: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = new EngineIoSocket({
        url,
        onOpen: resolve,
        onPacket: text => {
          if (text.subarray(0, JSON_EVENT.length).equals(JSON_EVENT)) came(stampInJson(text));
        },
        onBinary: bytes => came(stampIn(bytes)),
        onClose: onClose(reject),
      });
      closings.push(() => socket.destroy());
    });

  const open = {
    heyblue: (url: string, i: number, people: Target['people']) => ours(url, people![i]!),
    ws: bare,
    socketio: socketIo,
  } satisfies Record<PeerName, (url: string, i: number, people: Target['people']) => Promise<void>>;

  for (const { peer, url, phones, people } of job.args.targets) {
    const numbers = Array.from({ length: phones }, (_, i) => i);
    const { failed, first } = await inParallel(numbers, i => open[peer](url, i, people));
    if (failed > 0) throw new Error(`${failed} sockets of ${peer} did not open: ${first}`);
  }

  let window: Window | null = null;
  for (;;) {
    const next = await job.barrier<Next | null>('ready', window);
    if (next === null) break;
    acks = next.acks;
    received = 0;
    latency = new Histogram();
    const began = performance.now();
    lastMs = began;
    job.watch.begin();
    const { sent } = await job.barrier<Said>('counting');
    const until = performance.now() + LATE_MS;
    while (received < sent && performance.now() < until) await new Promise(done => setTimeout(done, LOOK_MS));
    const seconds = (lastMs - began) / 1_000;
    window = { received, seconds, latency: latency.data(), load: job.watch.end() };
    if (lost.length > 0) throw new Error(`${lost.length} sockets were lost: ${lost[0]}`);
  }
  ending = true;
  for (const close of closings) close();
  return null;
};
