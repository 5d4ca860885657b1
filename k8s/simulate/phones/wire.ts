/**
 * One connection between a phone and a gateway: bytes in order both ways with a delay, a reader that may stop reading, and
 * the three ways in which networks end things: with a goodbye of the kernels (`clean`), with the loss of everything that
 * was under way (`reset`), and without a word (`silent`: the phone asks in vain, the gateway's transport gives up after
 * 40 s). The gateway's end behaves as `gateway/uws.ts` does: it buffers what the peer does not take, drops above the hard
 * limit, close frames too, and tells `closed` before `close` returns.
 */
import type { SocketLike } from '../../../gateway/client/types.ts';
import { LIMITS } from '../../../gateway/limits.ts';
import type { Session } from '../../../gateway/session.ts';
import { BUFFERED, CLOSED, DROPPED, type Listener, SENT, type Socket } from '../../../gateway/transport.ts';
import type { Dice } from '../../../nodes/simulation/dice.ts';
import type { SimulatedProcess } from '../../../nodes/simulation/process.ts';
import type { VirtualTime } from '../../../nodes/simulation/virtualTime.ts';
import type { Ending, Line } from './line.ts';

/** What stands behind an address. */
export interface Host {
  readonly process: SimulatedProcess;
  readonly gatewayId: string;
  readonly sessions: Listener<Session>;
  readonly wires: Set<Wire>;
}

export interface WireWorld {
  readonly time: VirtualTime;
  readonly dice: Dice;
  /** Who listens at this address now; null when nobody does. */
  host(url: string): Host | null;
  /** A frame reached the phone, whether or not it will be understood. */
  arrived(wire: Wire, bytes: Uint8Array): void;
  /** A frame left the phone. */
  said(wire: Wire, bytes: Uint8Array): void;
  /** A socket was let in by this host. */
  opened(wire: Wire, host: Host): void;
  /** A gateway says something to this phone, whether or not it arrives. */
  says(wire: Wire, bytes: Uint8Array): void;
  /** So many bytes wait in the gateway for this phone. */
  buffers(wire: Wire, bytes: number): void;
}

/** One way over a mobile network, milliseconds. */
const LATENCY_MS = { min: 2, max: 40 };
/** What kernels and the network hold of a connection that is not read. */
const KERNEL_BYTES = 65_536;
/** Frames weigh as if they were so much longer, within reason: a few that are not read are as good as thousands. */
const weightOf = (bytes: Uint8Array): number => Math.min(bytes.length * 400, 24_000);
const ABNORMAL = 1006;

type Down = Uint8Array | { readonly code: number; readonly reason: string };

/** The phone's end is the wire itself; the gateway's end hangs on it. */
export class Wire implements Line {
  binaryType = '';
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  readonly owner: string;
  readonly url: string;
  host: Host | null = null;
  end: GatewayEnd | null = null;
  phoneOver = false;
  readonly world: WireWorld;
  #lost = false;
  #reading = true;
  #upMs = 0;
  #downMs = 0;
  /** Down here, not yet given to the phone because it does not read. */
  #held: Down[] = [];
  #heldBytes = 0;

  constructor(world: WireWorld, owner: string, url: string) {
    this.world = world;
    this.owner = owner;
    this.url = url;
    world.time.after(this.#latency(), () => this.#knock());
  }

  get reading(): boolean {
    return this.#reading;
  }

  // The phone's side.

  send(data: Uint8Array): void {
    if (this.phoneOver) return;
    const bytes = data.slice();
    this.world.said(this, bytes);
    this.#up(() => this.end?.hears(bytes));
  }

  close(code = 1_000): void {
    if (this.phoneOver) return;
    this.phoneOver = true;
    this.#up(() => this.end?.over(code));
  }

  appDied(): void {
    this.close(ABNORMAL);
  }

  read(on: boolean): void {
    if (this.#reading === on) return;
    this.#reading = on;
    if (!on) return;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const one of held) this.#give(one);
    this.end?.taken();
  }

  // The network.

  cut(how: Ending): void {
    if (this.#lost || this.phoneOver) return;
    const { end, world } = this;
    if (how === 'clean') {
      this.#up(() => end?.over(ABNORMAL));
      this.#down(() => this.#ended(ABNORMAL, ''));
      return;
    }
    this.#lost = true;
    const process = this.host?.process;
    if (how === 'reset') {
      world.time.after(this.#latency(), () => process?.arrive(() => end?.over(ABNORMAL)));
      world.time.after(this.#latency(), () => this.#ended(ABNORMAL, ''));
      return;
    }
    const deadMs = LIMITS.idleTimeoutS * 1_000 - world.dice.between(0, 4_000);
    world.time.after(deadMs, () => process?.arrive(() => end?.over(ABNORMAL)));
  }

  /** The process of the gateway died; the kernel of its machine tells the phone. */
  broken(): void {
    this.end = null;
    if (this.#lost) return;
    this.#lost = true;
    this.world.time.after(this.#latency(), () => this.#ended(ABNORMAL, ''));
  }

  // For the gateway's end.

  /** True when kernels took it, false when it must wait in the gateway. */
  down(one: Down, must = false): boolean {
    if (!this.#reading && !must && one instanceof Uint8Array) {
      if (this.#heldBytes >= KERNEL_BYTES) return false;
      this.#heldBytes += weightOf(one);
    }
    this.#down(() => (this.#reading ? this.#give(one) : this.#held.push(one)));
    return true;
  }

  // Inside.

  #knock(): void {
    const host = this.world.host(this.url);
    if (host === null) return this.#down(() => this.#ended(ABNORMAL, ''));
    this.host = host;
    host.process.arrive(() => {
      if (this.phoneOver || this.#lost) return;
      const knock = { protocols: 'heyblue.v1.msgpack', origin: '', address: `10.0.0.${this.owner.length}` };
      if (host.sessions.admit(knock) !== null) return this.#down(() => this.#ended(ABNORMAL, ''));
      host.wires.add(this);
      this.end = new GatewayEnd(this, host, knock.address);
      this.world.opened(this, host);
      host.sessions.opened(this.end);
      return this.#down(() => {
        if (!this.phoneOver) this.onopen?.(undefined as never);
      });
    });
  }

  #give(one: Down): void {
    if (this.phoneOver) return;
    if (!(one instanceof Uint8Array)) return this.#ended(one.code, one.reason);
    this.world.arrived(this, one);
    this.onmessage?.({ data: one.slice().buffer });
  }

  #ended(code: number, reason: string): void {
    if (this.phoneOver) return;
    this.phoneOver = true;
    this.onclose?.({ code, reason });
  }

  #up(run: () => void): void {
    if (this.#lost) return;
    this.#upMs = this.#travel(this.#upMs, () => this.host?.process.arrive(run));
  }

  #down(run: () => void): void {
    if (this.#lost) return;
    this.#downMs = this.#travel(this.#downMs, run);
  }

  #travel(lastMs: number, run: () => void): number {
    const { time } = this.world;
    const nowMs = time.monotonicMs();
    const atMs = Math.max(lastMs, nowMs + this.#latency());
    time.after(atMs - nowMs, () => {
      if (!this.#lost) run();
    });
    return atMs;
  }

  #latency(): number {
    return this.world.dice.between(LATENCY_MS.min, LATENCY_MS.max);
  }
}

/** What the gateway has in its hand. */
class GatewayEnd implements Socket<Session> {
  data: Session | null = null;
  readonly address: string;
  readonly wire: Wire;
  readonly #host: Host;
  #open = true;
  #waiting: Uint8Array[] = [];
  #buffered = 0;

  constructor(wire: Wire, host: Host, address: string) {
    this.wire = wire;
    this.#host = host;
    this.address = address;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  send(bytes: Uint8Array): number {
    if (!this.#open) return CLOSED;
    this.wire.world.says(this.wire, bytes);
    if (this.#buffered > LIMITS.hardBufferBytes) return DROPPED;
    if (this.#buffered === 0 && this.wire.down(bytes.slice())) return SENT;
    this.#waiting.push(bytes.slice());
    this.#buffered += weightOf(bytes);
    this.wire.world.buffers(this.wire, this.#buffered);
    return BUFFERED;
  }

  bufferedBytes(): number {
    return this.#open ? this.#buffered : 0;
  }

  cork(write: () => void): void {
    if (this.#open) write();
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    const dropped = this.#buffered > LIMITS.hardBufferBytes;
    for (const bytes of this.#waiting) this.wire.down(bytes, true);
    this.wire.down({ code: dropped ? ABNORMAL : code, reason });
    this.#gone(code);
  }

  hears(bytes: Uint8Array): void {
    if (this.#open) this.#host.sessions.message(this, bytes, true);
  }

  /** The peer went. */
  over(code: number): void {
    if (this.#open) this.#gone(code);
  }

  /** The phone reads again. */
  taken(): void {
    if (!this.#open || this.#buffered === 0) return;
    for (const bytes of this.#waiting) this.wire.down(bytes);
    this.#waiting = [];
    this.#buffered = 0;
    this.#host.process.arrive(() => {
      if (this.#open) this.#host.sessions.drained(this);
    });
  }

  #gone(code: number): void {
    this.#open = false;
    this.#waiting = [];
    this.#buffered = 0;
    this.#host.wires.delete(this.wire);
    this.#host.sessions.closed(this, code);
  }
}
