/**
 * Load of the command benchmark: each phone has one command under way and says the next when it is answered. Ours sets
 * a switch to what it is already, under a key of its own: everything that a command needs, without the wait for a store
 * that a change of it would be. The peer's is acknowledged and that is all.
 */
import {
  encodeClientFrame,
  encodeCommand,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  uuidToBytes,
} from '../../protocol/index.ts';
import { inParallel } from '../swarm/crowd.ts';
import { EngineIoSocket } from '../swarm/engineIo.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import type { PhoneIdentity } from '../swarm/phone.ts';
import type { Load } from '../swarm/saturation.ts';
import { binaryFrame, RawSocket, textFrame } from '../swarm/socket.ts';
import type { Job } from '../swarm/worker.ts';
import { movementId } from './peers/event.ts';

/** Ours, Socket.IO with the same bytes as an attachment, Socket.IO with its own JSON. */
export type CommandWay = 'actor' | 'binary' | 'json';

export interface CommandArgs {
  readonly heyblue: string;
  readonly socketio: string;
  readonly people: readonly PhoneIdentity[];
}

export interface CommandWindow {
  readonly answered: number;
  readonly refused: number;
  readonly latency: HistogramData;
  readonly load: Load;
}

/** Numbers of commands take five bytes from the first on, so that they can be written in place. */
const FIRST = 0x1_0000;
const MARK = 0x7a7b7c7d;
/** Odd, so that no two numbers become the same one. */
const SPREAD = 0x9e37_79b1;
/** First byte of a reply's code, behind array, type and number. */
const CODE_AT = 7;

/** Our command as a frame that is built once and patched: the number, and its key. */
class CommandFrame {
  readonly #frame: Buffer;
  readonly #cidAt: number;
  readonly #keyAt: number;
  #cid = FIRST;

  constructor(phone: number) {
    const key = movementId(phone);
    this.#frame = binaryFrame(encodeCommand('instant.set', MARK, { on: true }, key));
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE(MARK);
    this.#cidAt = this.#frame.indexOf(mark);
    this.#keyAt = this.#frame.indexOf(Buffer.from(uuidToBytes(key)));
  }

  next(): Buffer {
    this.#cid++;
    this.#frame.writeUInt32BE(this.#cid, this.#cidAt);
    // A later time in each key, and chance behind it, as a client makes them.
    this.#frame.writeUInt32BE(this.#cid, this.#keyAt + 2);
    this.#frame.writeUInt32BE(Math.imul(this.#cid, SPREAD) >>> 0, this.#keyAt + 10);
    return this.#frame;
  }

  /** The same command as it is sent now, as a message of its own. */
  payload(): Uint8Array {
    return this.#frame.subarray(6);
  }
}

export const run = async (job: Job<CommandArgs>): Promise<null> => {
  const { heyblue, socketio, people } = job.args;
  let answered = 0;
  let refused = 0;
  let latency = new Histogram();
  let way: CommandWay | null = null;
  let ending = false;
  const lost: string[] = [];
  const sentAt = new Float64Array(people.length);
  const say: Record<CommandWay, ((phone: number) => void)[]> = { actor: [], binary: [], json: [] };
  const closings: (() => void)[] = [];

  const came = (mine: CommandWay, phone: number): void => {
    answered++;
    latency.record(performance.now() - sentAt[phone]!);
    if (way === mine) next(phone);
  };
  const next = (phone: number): void => {
    sentAt[phone] = performance.now();
    say[way!][phone]!(phone);
  };
  const onClose = (reject: (e: Error) => void) => (code: number, reason: string) => {
    if (!ending) lost.push(`${code} ${reason}`);
    reject(new Error(`${code} ${reason}`));
  };

  const ours = ({ token, deviceId }: PhoneIdentity, phone: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const command = new CommandFrame(phone);
      let isOpen = false;
      const socket = new RawSocket({
        url: heyblue,
        subprotocol: SUBPROTOCOL,
        onOpen: () => {
          const hello = { version: PROTOCOL_VERSION, token, deviceId, app: 'heyblue-swarm/1', resume: null };
          socket.send(encodeClientFrame({ type: 'hello', ...hello }));
        },
        onMessage: bytes => {
          // Array, then the type: 1 is a reply.
          if (isOpen && bytes[1] === 1) {
            if (bytes[CODE_AT] !== 0) refused++;
            came('actor', phone);
          } else if (!isOpen) {
            isOpen = true;
            resolve();
          }
        },
        onClose: onClose(reject),
      });
      say.actor[phone] = () => socket.sendFrame(command.next());
      closings.push(() => socket.destroy());
    });

  const peer = (phone: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const command = new CommandFrame(phone);
      let id = 0;
      const socket = new EngineIoSocket({
        url: socketio,
        onOpen: resolve,
        onPacket: text => {
          // `3`: the acknowledgement; `6` is followed by its attachment.
          if (text[0] === 0x33) came('json', phone);
        },
        onBinary: () => came('binary', phone),
        onClose: onClose(reject),
      });
      say.binary[phone] = () => {
        id++;
        command.next();
        socket.sendFrame(textFrame(`451-${id}["c",{"_placeholder":true,"num":0}]`));
        socket.sendFrame(binaryFrame(command.payload()));
      };
      say.json[phone] = () => {
        id++;
        const key = movementId(id);
        socket.sendFrame(textFrame(`42${id}["j","instant.set",{"on":${id % 2 === 0}},"${key}"]`));
      };
      closings.push(() => socket.destroy());
    });

  const opened = await inParallel(people, ours);
  if (opened.failed > 0) throw new Error(`${opened.failed} phones did not come up: ${opened.first}`);
  const peers = await inParallel(people, (_, phone) => peer(phone));
  if (peers.failed > 0) throw new Error(`${peers.failed} sockets did not open: ${peers.first}`);

  let window: CommandWindow | null = null;
  for (;;) {
    const chosen = await job.barrier<CommandWay | null>('ready', window);
    if (chosen === null) break;
    way = chosen;
    for (let phone = 0; phone < people.length; phone++) next(phone);
    await job.barrier('warm');
    answered = 0;
    refused = 0;
    latency = new Histogram();
    job.watch.begin();
    await job.barrier('begun');
    window = { answered, refused, latency: latency.data(), load: job.watch.end() };
    await job.barrier('ended');
    way = null;
    // The last answers come home.
    await job.barrier('idle');
    if (lost.length > 0) throw new Error(`${lost.length} sockets were lost: ${lost[0]}`);
  }
  ending = true;
  for (const close of closings) close();
  return null;
};
