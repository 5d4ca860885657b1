/**
 * A wire between a node and one of its servers that can be cut, silenced and slowed: a TCP proxy on this machine, so that
 * networks fail without root and without anybody else noticing. What goes wrong here went wrong for one node only.
 *
 * - `cut`: as a server that is away: open connections end, new ones are refused.
 * - `drop`: as a partition that loses packets: connections stay open, nothing arrives, not even their end. What was sent
 *   meanwhile comes late, in order and complete, once the wire is healed, as TCP does it.
 * - `delay`: everything takes so much longer.
 * - `keepBack`: a connection on which something is said to the server keeps that and everything behind it; others go on.
 *
 * What passes may be changed on its way as well (`mangle`), for servers whose messages a stream of bytes does not show.
 *
 * Everything that a fault did is counted: a test whose fault touched nothing proves nothing.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Direction = 'both' | 'toServer' | 'toNode';

/** What the faults did so far. */
export interface WireCounts {
  /** Connections that a cut ended. */
  readonly closed: number;
  /** Bytes that a drop kept back, and connections that came up while nothing got through. */
  readonly heldBytes: number;
  readonly heldConnections: number;
  /** Bytes that a delay kept back. */
  readonly delayedBytes: number;
}

export interface Wire {
  /** The server's URL through the wire. */
  readonly url: string;
  readonly counts: WireCounts;
  /** Hears what comes through, when it is passed on; for tests that read what a server answered. */
  tap: ((direction: Exclude<Direction, 'both'>, chunk: Buffer) => void) | null;
  /** Makes, for each new connection and direction, what turns the bytes that arrive into those that go on. */
  mangle: ((direction: Exclude<Direction, 'both'>) => ((chunk: Buffer) => Buffer) | null) | null;
  cut(): void;
  drop(direction?: Direction): void;
  delay(ms: number): void;
  /** @param chosen whether these bytes for the server, and all that follow on their connection, stay on the wire */
  keepBack(chosen: (chunk: Buffer) => boolean): void;
  /** Leads to another server from now on: new connections go there. */
  lead(url: string): void;
  /** Ends every fault. */
  heal(): Promise<void>;
  /** Ends the open connections, with a goodbye or with an error; new ones are let through. */
  hangUp(how?: 'clean' | 'reset'): void;
  close(): Promise<void>;
}

/** A sender is held back when so much waits. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

interface State {
  tap: Wire['tap'];
  mangle: Wire['mangle'];
  dropped: Direction | null;
  keepBack: ((chunk: Buffer) => boolean) | null;
  delayMs: number;
  readonly counts: { -readonly [K in keyof WireCounts]: WireCounts[K] };
}

/** One direction of one connection. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #direction: Exclude<Direction, 'both'>;
  readonly #state: State;
  readonly #waiting: { readonly chunk: Buffer | 'end' | 'gone'; readonly dueAt: number }[] = [];
  #waitingBytes = 0;
  /** What keeps this flow back; another fault, or none, lets it go. */
  #keptBackBy: State['keepBack'] = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(from: Socket, to: Socket, direction: Exclude<Direction, 'both'>, state: State) {
    this.#from = from;
    this.#to = to;
    this.#direction = direction;
    this.#state = state;
    const mangle = state.mangle?.(direction) ?? null;
    from.on('data', chunk => this.#take(mangle === null ? chunk : mangle(chunk)));
    from.on('end', () => this.#take('end'));
    from.on('close', () => this.#take('gone'));
    from.on('error', () => {});
    to.on('drain', () => this.pump());
  }

  get #dropped(): boolean {
    const { dropped, keepBack } = this.#state;
    if (keepBack !== null && this.#keptBackBy === keepBack) return true;
    return dropped === 'both' || dropped === this.#direction;
  }

  #take(chunk: Buffer | 'end' | 'gone'): void {
    const { delayMs, keepBack, counts } = this.#state;
    const bytes = typeof chunk === 'string' ? 0 : chunk.length;
    if (this.#direction === 'toServer' && typeof chunk !== 'string' && keepBack?.(chunk) === true)
      this.#keptBackBy = keepBack;
    if (this.#dropped) counts.heldBytes += bytes;
    else if (delayMs > 0) counts.delayedBytes += bytes;
    this.#waitingBytes += bytes;
    this.#waiting.push({ chunk, dueAt: performance.now() + delayMs });
    this.pump();
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.#from.pause();
  }

  /** Passes on what is due. */
  pump(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || this.#dropped || this.#to.writableNeedDrain) return;
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs);
        return;
      }
      this.#waiting.shift();
      if (next.chunk === 'end') this.#to.end();
      else if (next.chunk === 'gone') this.#to.destroy();
      else {
        this.#waitingBytes -= next.chunk.length;
        this.#state.tap?.(this.#direction, next.chunk);
        if (this.#from.isPaused() && this.#waitingBytes <= WAITING_BYTES_MAX) this.#from.resume();
        this.#to.write(next.chunk);
      }
    }
  }

  forget(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }
}

interface Connection {
  readonly near: Socket;
  readonly far: Socket;
  readonly flows: readonly Flow[];
}

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });

/** Lays a wire to the server that `url` names (any scheme with host and port). */
export const layWire = async (url: string): Promise<Wire> => {
  let target = new URL(url);
  const open = new Set<Connection>();
  const state: State = {
    tap: null,
    mangle: null,
    dropped: null,
    keepBack: null,
    delayMs: 0,
    counts: { closed: 0, heldBytes: 0, heldConnections: 0, delayedBytes: 0 },
  };
  const start = (): Server =>
    createServer({ allowHalfOpen: true, noDelay: true }, near => {
      if (state.dropped !== null) state.counts.heldConnections++;
      const far = connect({
        port: Number(target.port),
        host: target.hostname,
        allowHalfOpen: true,
        noDelay: true,
      });
      const flows = [new Flow(near, far, 'toServer', state), new Flow(far, near, 'toNode', state)];
      const connection = { near, far, flows };
      open.add(connection);
      let ended = 0;
      for (const side of [near, far]) {
        side.on('close', () => {
          if (++ended === 2) open.delete(connection);
        });
      }
    });
  let server: Server | null = start();
  const through = await listen(server, 0);
  const shown = new URL(url);
  shown.hostname = '127.0.0.1';
  shown.port = String(through);
  const hangUp = (how: 'clean' | 'reset' = 'clean'): void => {
    for (const { near, far, flows } of open) {
      state.counts.closed++;
      for (const flow of flows) flow.forget();
      for (const side of [near, far]) {
        if (how === 'reset') side.resetAndDestroy();
        else side.destroy();
      }
    }
    open.clear();
  };
  const pumpAll = (): void => {
    for (const { flows } of open) for (const flow of flows) flow.pump();
  };
  const cut = (): void => {
    server?.close();
    server = null;
    hangUp();
  };
  return {
    url: shown.href,
    counts: state.counts,
    get tap() {
      return state.tap;
    },
    set tap(tap) {
      state.tap = tap;
    },
    get mangle() {
      return state.mangle;
    },
    set mangle(mangle) {
      state.mangle = mangle;
    },
    cut,
    hangUp,
    drop: (direction = 'both') => {
      state.dropped = direction;
      pumpAll();
    },
    delay: ms => {
      state.delayMs = ms;
    },
    keepBack: chosen => {
      state.keepBack = chosen;
    },
    lead: other => {
      target = new URL(other);
    },
    heal: async () => {
      state.dropped = null;
      state.keepBack = null;
      state.delayMs = 0;
      pumpAll();
      if (server !== null) return;
      server = start();
      await listen(server, through);
    },
    close: async () => {
      cut();
    },
  };
};
