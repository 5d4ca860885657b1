/**
 * A phone for load: the real protocol over a socket that costs little. It says HELLO, numbers its commands, acknowledges
 * its events, answers PING, and tells its owner what came. It does not reconnect by itself (`connect` again, with a
 * resume), because when a phone comes back is what a load profile decides. For applications there is gateway/client.
 */
import {
  type CommandBody,
  type CommandName,
  type CommandResult,
  decodeServerFrame,
  ERROR,
  EVENTS,
  encodeClientFrame,
  encodeCommand,
  type OpenedDurable,
  type OpenedVolatile,
  openEvent,
  openReply,
  openVolatile,
  PROTOCOL_VERSION,
  type Refusal,
  type Result,
  refuse,
  type ServerFrame,
  SUBPROTOCOL,
} from '../../protocol/index.ts';
import { COMMAND_MS_MAX, CONNECT_MS_MAX } from './limits.ts';
import { type Position, positionFrame } from './positionFrame.ts';
import { RawSocket } from './socket.ts';

export type Welcome = Extract<ServerFrame, { type: 'welcome' }>;
type EventFrame = Extract<ServerFrame, { type: 'event' }>;
type VolatileFrame = Extract<ServerFrame, { type: 'volatile' }>;

export interface PhoneIdentity {
  readonly userId: string;
  readonly token: string;
  readonly deviceId: string;
}

export interface PhoneOptions {
  /** Where to connect; asked anew each time when it is a function, for a phone that knows several nodes. */
  readonly url: string | (() => string);
  readonly identity: PhoneIdentity;
  readonly localAddress?: string;
  readonly onEvent?: (event: OpenedDurable, frame: EventFrame) => void;
  readonly onVolatile?: (frame: OpenedVolatile, raw: VolatileFrame) => void;
  /** Every message before it is decoded; true: it is dealt with. The bytes are valid only during the call. */
  readonly onBytes?: (bytes: Uint8Array) => boolean;
  /** Every frame, before it is handled. */
  readonly onRaw?: (frame: ServerFrame) => void;
  /** An ERROR that answers no command: a position was refused. */
  readonly onRefusal?: (refusal: Refusal) => void;
  readonly onClose?: (code: number, reason: string) => void;
  /**
   * An event between this one and the last was lost on the way. With a listener this one is not taken: whoever listens
   * drops the connection, and the resume brings both.
   */
  readonly onGap?: (offset: number, after: number) => void;
  /** A server that has not taken the WebSocket by then is left; default: as long as WELCOME may take. */
  readonly upgradeMsMax?: number;
}

interface Pending {
  readonly name: CommandName;
  readonly done: (result: Result<never>) => void;
  readonly timer: NodeJS.Timeout;
}

/** Acknowledge at the latest after so many events. */
const ACK_EVENTS = 16;
const APP = 'heyblue-swarm/1';
const PING = encodeClientFrame({ type: 'ping', n: 1 });
const lost = (): Refusal => refuse(ERROR.timeout, 'the connection was lost: outcome unknown');

export class Phone {
  readonly #options: PhoneOptions;
  readonly #pending = new Map<number, Pending>();
  #socket: RawSocket | null = null;
  #cid = 0;
  #seq = 0;
  #sinceAck = 0;
  #welcome: Welcome | null = null;
  /** Offset of the newest event seen, for acknowledgements and a resume. */
  #offset = 0;
  /** The event lineage that the offset belongs to; null until its events or their snapshot have come. */
  #lineage: { readonly sessionId: string; readonly epoch: string } | null = null;
  #connecting: { resolve: (w: Welcome) => void; reject: (e: Error) => void; timer: NodeJS.Timeout } | null =
    null;

  constructor(options: PhoneOptions) {
    this.#options = options;
  }

  get userId(): string {
    return this.#options.identity.userId;
  }

  /** Offset of the newest event that came. */
  get offset(): number {
    return this.#offset;
  }

  get isConnected(): boolean {
    return this.#welcome !== null && (this.#socket?.isOpen ?? false);
  }

  /** Sequence number of the newest position sent. */
  get seq(): number {
    return this.#seq;
  }

  /** Opens a socket and says HELLO; with `resume`, from the last event seen. Rejects when there is no WELCOME. */
  connect(resume = false): Promise<Welcome> {
    if (this.#connecting !== null || this.isConnected) throw new Error('this phone is connected already');
    const { localAddress } = this.#options;
    const url = typeof this.#options.url === 'string' ? this.#options.url : this.#options.url();
    this.#welcome = null;
    const socket: RawSocket = new RawSocket({
      url,
      subprotocol: SUBPROTOCOL,
      ...(localAddress === undefined ? {} : { localAddress }),
      onOpen: () => {
        clearTimeout(sleeping);
        socket.send(this.#hello(resume));
      },
      onMessage: bytes => {
        if (this.#options.onBytes?.(bytes) !== true) this.#frame(decodeServerFrame(bytes));
      },
      onClose: (code, reason) => this.#closed(socket, code, reason),
    });
    const sleeping = setTimeout(() => {
      if (!socket.isOpen) socket.destroy();
    }, this.#options.upgradeMsMax ?? CONNECT_MS_MAX);
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(), CONNECT_MS_MAX);
      this.#connecting = { resolve, reject, timer };
    });
  }

  #hello(resuming: boolean): Uint8Array {
    const { token, deviceId } = this.#options.identity;
    const resume = resuming && this.#lineage !== null ? { ...this.#lineage, offset: this.#offset } : null;
    return encodeClientFrame({ type: 'hello', version: PROTOCOL_VERSION, token, deviceId, app: APP, resume });
  }

  #closed(socket: RawSocket, code: number, reason: string): void {
    if (socket !== this.#socket) return;
    const connecting = this.#connecting;
    this.#connecting = null;
    if (connecting !== null) {
      clearTimeout(connecting.timer);
      connecting.reject(new Error(`closed before WELCOME: ${code} ${reason}`));
    }
    for (const { done, timer } of this.#pending.values()) {
      clearTimeout(timer);
      done(lost());
    }
    this.#pending.clear();
    this.#options.onClose?.(code, reason);
  }

  #frame(frame: ServerFrame): void {
    this.#options.onRaw?.(frame);
    switch (frame.type) {
      case 'batch':
        for (const one of frame.frames) this.#frame(one);
        break;
      case 'volatile': {
        const opened = this.#options.onVolatile && openVolatile(frame);
        if (opened) this.#options.onVolatile!(opened, frame);
        break;
      }
      case 'event': {
        // a snapshot that was asked for does not stand for an event that never came
        const next = this.#offset + (frame.kind === EVENTS.snapshot.code ? 0 : 1);
        if (this.#options.onGap !== undefined && this.#lineage !== null && frame.offset > next) {
          this.#options.onGap(frame.offset, this.#offset);
          break;
        }
        this.#offset = frame.offset;
        // Only now: a phone that lost its snapshot on the way must not resume behind it.
        if (this.#welcome !== null) {
          this.#lineage = { sessionId: this.#welcome.sessionId, epoch: this.#welcome.epoch };
        }
        if (++this.#sinceAck >= ACK_EVENTS) this.#ack();
        const opened = this.#options.onEvent && openEvent(frame);
        if (opened) this.#options.onEvent!(opened, frame);
        break;
      }
      case 'reply':
        this.#answer(frame.cid, name => {
          const opened = openReply(name, frame.result);
          return opened.ok ? { ok: true, value: opened.value as never } : refuse(ERROR.internal, opened.why);
        });
        break;
      case 'error': {
        const { code, message, retryable, retryAfterMs } = frame;
        const refusal = {
          ok: false,
          code: code as Refusal['code'],
          message,
          retryable,
          retryAfterMs,
        } as const;
        if (frame.cid === 0) this.#options.onRefusal?.(refusal);
        else this.#answer(frame.cid, () => refusal);
        break;
      }
      case 'ping':
        this.#socket?.send(encodeClientFrame({ type: 'pong', n: frame.n }));
        break;
      case 'welcome': {
        const connecting = this.#connecting;
        this.#connecting = null;
        this.#welcome = frame;
        // Resumed: what was missed follows, numbered from our own offset. Otherwise a snapshot stands for all of it.
        if (!frame.resumed) {
          this.#offset = frame.offset;
          this.#lineage = null;
        }
        if (connecting === null) break;
        clearTimeout(connecting.timer);
        connecting.resolve(frame);
        break;
      }
      // What a load phone has no use for: PONG, GOAWAY (the close follows), a token that ends after the run.
      case 'pong':
      case 'goaway':
      case 'tokenExpiring':
        break;
    }
  }

  #answer(cid: number, of: (name: CommandName) => Result<never>): void {
    const pending = this.#pending.get(cid);
    if (pending === undefined) return;
    this.#pending.delete(cid);
    clearTimeout(pending.timer);
    pending.done(of(pending.name));
  }

  #ack(): void {
    this.#sinceAck = 0;
    this.#socket?.send(encodeClientFrame({ type: 'ack', offset: this.#offset }));
  }

  /** Sends a command. Always resolves: no answer or no connection is a 504 refusal, an unknown outcome. */
  command<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    key: string | null = null,
    timeoutMs = COMMAND_MS_MAX,
  ): Promise<Result<CommandResult<N>>> {
    const socket = this.#socket;
    if (socket === null || !this.isConnected) return Promise.resolve(lost());
    const cid = ++this.#cid;
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#answer(cid, () => lost()), timeoutMs);
      this.#pending.set(cid, { name, done: resolve, timer });
      socket.send(encodeCommand(name, cid, body, key));
    });
  }

  /** Sends a position under the next sequence number, which it returns; `flags` are bits of `FIX_FLAG`. */
  position(position: Position, flags = 0): number {
    this.#seq++;
    this.#socket?.sendFrame(positionFrame(this.#seq, position, flags));
    return this.#seq;
  }

  /** Asks whether the server is there; keeps the connection alive. */
  ping(): void {
    this.#socket?.send(PING);
  }

  /** Sends bytes as they are: for bad input. */
  raw(payload: Uint8Array): void {
    this.#socket?.send(payload);
  }

  /** Stops reading, as an app does that the system has frozen; what comes stays in the network. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    this.#socket?.close();
  }

  /** Gone with a reset of its connection. */
  reset(): void {
    this.#socket?.reset();
  }

  /** Gone without a word, as in a lift. */
  drop(): void {
    this.#socket?.destroy();
  }
}
