/** For tests of the client: a scripted server on the other side of a pretended socket. Timers are the test's to move. */
import { vi } from 'vitest';
import { decodeClientFrame, encodeServerFrame } from '../../../protocol/codec.ts';
import type { ClientFrame, ServerFrame } from '../../../protocol/frames.ts';
import { encodeEvent } from '../../../protocol/messages.ts';
import { HeyBlueClient } from '../client.ts';
import type { ClientOptions, Message, SocketLike, StateChange } from '../types.ts';

export const EPOCH_A = '01900000-0000-7000-8000-0000000000aa';
export const EPOCH_B = '01900000-0000-7000-8000-0000000000bb';
export const ID = '01900000-0000-7000-8000-000000000001';

export class Line implements SocketLike {
  url = '';
  binaryType = '';
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  readonly heard: ClientFrame[] = [];
  closed: number | null = null;

  open(): void {
    this.onopen?.(undefined as never);
  }
  send(data: Uint8Array): void {
    this.heard.push(decodeClientFrame(data));
  }
  close(code = 1000): void {
    this.closed = code;
  }
  say(frame: ServerFrame | Uint8Array): void {
    const bytes = frame instanceof Uint8Array ? frame : encodeServerFrame(frame);
    this.onmessage?.({ data: bytes.slice().buffer });
  }
  drop(code: number, reason = ''): void {
    this.onclose?.({ code, reason });
  }
  of<T extends ClientFrame['type']>(type: T): (ClientFrame & { type: T })[] {
    return this.heard.filter(frame => frame.type === type) as (ClientFrame & { type: T })[];
  }
  /** WELCOME alone. */
  greet(epoch = EPOCH_A, offset = 0, resumed = false): void {
    const config = { pingS: 25, maxBytes: 8192, tokenTtlS: 900, reconnectJitterMs: 4_000 };
    this.say({ type: 'welcome', version: 1, sessionId: ID, epoch, offset, resumed, nowMs: 0, config });
  }
  /** WELCOME, and the snapshot that belongs to it when it does not resume. */
  welcome(epoch = EPOCH_A, offset = 0, resumed = false): void {
    this.greet(epoch, offset, resumed);
    if (!resumed) this.snapshot(offset);
  }
  snapshot(offset: number): void {
    this.say(
      encodeEvent('snapshot', offset, ID, {
        userId: ID,
        kind: 'civilian',
        handle: 'ana',
        sharing: false,
        sharingUntilS: 0,
        instant: false,
        balance: 0,
        balanceVersion: 0,
        encounterCount: 0,
        encounters: [],
        mode: 'qr',
        hub: null,
        reserved: 0,
        redemptions: [],
      }),
    );
  }
  event(offset: number, reason: 'timeout' | 'stopped' = 'timeout'): void {
    this.say(encodeEvent('sharing.ended', offset, ID, { reason }));
  }
  goaway(delayMinMs = 0, delayMaxMs = 0, deadlineMs = 10_000, url: string | null = null): void {
    this.say({ type: 'goaway', reason: 'restart', deadlineMs, delayMinMs, delayMaxMs, url });
  }
}

export function phone(options: Partial<ClientOptions> = {}) {
  const lines: Line[] = [];
  const WebSocket = class extends Line {
    constructor(url: string) {
      super();
      this.url = url;
      lines.push(this);
    }
  };
  const states: StateChange[] = [];
  /** Without snapshots; `everything` has them. */
  const messages: Message[] = [];
  const everything: Message[] = [];
  const client = new HeyBlueClient({
    url: 'ws://town/v1/ws',
    getToken: () => 'token',
    deviceId: 'phone-1',
    random: () => 0.5,
    WebSocket,
    ...options,
  });
  client.on('state', change => states.push(change));
  client.on('event', message => {
    everything.push(message);
    if (message.name !== 'snapshot') messages.push(message);
  });
  const offsets = () => messages.map(one => 'offset' in one && one.offset);
  return { client, lines, states, messages, everything, offsets, line: () => lines.at(-1)! };
}

export async function connected(options: Partial<ClientOptions> = {}) {
  const made = phone(options);
  made.client.connect();
  await vi.advanceTimersByTimeAsync(0);
  made.line().open();
  made.line().welcome();
  return made;
}
