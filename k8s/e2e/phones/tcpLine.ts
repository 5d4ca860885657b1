/**
 * A connection of a phone to a real node, over TCP. The road from one phone to one node is a proxy that can be cut and
 * silenced (`../../swarm/wire.ts`): what happens to it happens to this phone only.
 */
import type { SocketLike } from '../../../gateway/client/types.ts';
import type { Dice } from '../../../nodes/simulation/dice.ts';
import { COMMANDS, SUBPROTOCOL } from '../../../protocol/catalogue.ts';
import { decodeClientFrame, decodeServerFrame } from '../../../protocol/codec.ts';
import type { Revocable } from '../../simulate/phones/invariants.ts';
import type { Ending, Line } from '../../simulate/phones/line.ts';
import { RawSocket } from '../../swarm/socket.ts';
import { layWire, type Wire } from '../../swarm/wire.ts';

export interface LineWorld {
  /** A frame left the phone. */
  said(line: TcpLine, bytes: Uint8Array): void;
  /** A frame reached the phone, whether or not it will be understood. */
  arrived(line: TcpLine, bytes: Uint8Array): void;
  /** The gateway let it in. */
  opened(line: TcpLine): void;
}

/** For so long nothing arrives; then it comes late, or those on the way know nothing of the connection any more. */
const SILENT_MS = { min: 500, max: 6_000 };

export class Road {
  readonly #wire: Wire;
  readonly #dice: Dice;
  readonly #lines = new Set<TcpLine>();
  #silent = false;
  #timer: NodeJS.Timeout | undefined;

  private constructor(wire: Wire, dice: Dice) {
    this.#wire = wire;
    this.#dice = dice;
  }

  static async to(url: string, dice: Dice): Promise<Road> {
    return new Road(await layWire(url), dice);
  }

  get url(): string {
    return this.#wire.url;
  }

  travel(line: TcpLine): void {
    this.#lines.add(line);
    if (this.#silent) line.isLate = true;
  }

  cut(how: Ending): void {
    if (how !== 'silent') return this.#wire.hangUp(how);
    this.#silent = true;
    for (const line of this.#lines) line.isLate = true;
    this.#wire.drop();
    const forgotten = this.#dice.chance(0.5);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        if (forgotten) this.#wire.hangUp('reset');
        this.heal();
      },
      this.#dice.between(SILENT_MS.min, SILENT_MS.max),
    );
  }

  /** What was kept back arrives. */
  heal(): void {
    if (!this.#silent) return;
    this.#silent = false;
    clearTimeout(this.#timer);
    void this.#wire.heal();
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    return this.#wire.close();
  }
}

interface Claims {
  readonly sub: string;
  readonly jti: string;
  readonly iat: number;
}

/** What a token says, unverified. */
export const readToken = (token: string): Revocable => {
  const claims = Buffer.from(token.split('.')[1]!, 'base64url').toString();
  const { sub, jti, iat } = JSON.parse(claims) as Claims;
  return { userId: sub, tokenId: jti, issuedAtMs: iat * 1_000 };
};

const REFRESH = COMMANDS['auth.refresh'].code;

export class TcpLine implements Line {
  binaryType = 'arraybuffer';
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  readonly owner: string;
  readonly url: string;
  readonly device: string;
  readonly startedMs = performance.now();
  phoneOver = false;
  isWelcome = false;
  /** What it hears may be old: it did not read for a while, or its road was silent. */
  isLate = false;
  /** Whom the gateway takes it for. */
  identity: Revocable | null = null;
  readonly #world: LineWorld;
  readonly #road: Road | null;
  readonly #raw: RawSocket;
  /** Tokens on their way, by number of their command. */
  readonly #fresh = new Map<number, string>();

  /** @param device the user and device that it speaks for */
  constructor(world: LineWorld, owner: string, device: string, url: string, road: Road | null) {
    this.#world = world;
    this.owner = owner;
    this.device = device;
    this.url = url;
    this.#road = road;
    road?.travel(this);
    this.#raw = new RawSocket({
      url: road?.url ?? url,
      subprotocol: SUBPROTOCOL,
      onOpen: () => {
        world.opened(this);
        this.onopen?.(undefined as never);
      },
      // a copy; `slice` of a Buffer is none
      onMessage: bytes => this.#hears(new Uint8Array(bytes)),
      onClose: (code, reason) => {
        this.phoneOver = true;
        this.onclose?.({ code, reason });
      },
    });
  }

  send(data: Uint8Array): void {
    if (this.phoneOver) return;
    const frame = decodeClientFrame(data);
    if (frame.type === 'hello') this.identity = readToken(frame.token);
    else if (frame.type === 'command' && frame.op === REFRESH)
      this.#fresh.set(frame.cid, (frame.body as [string])[0]);
    this.#world.said(this, data);
    this.#raw.send(data);
  }

  close(code = 1_000): void {
    this.phoneOver = true;
    this.#raw.close(code);
  }

  appDied(): void {
    this.phoneOver = true;
    this.#raw.destroy();
  }

  read(on: boolean): void {
    if (on) return this.#raw.resume();
    this.isLate = true;
    this.#raw.pause();
  }

  /** As the road does it; without one there is nothing between the two. */
  cut(how: Ending): void {
    this.#road?.cut(how);
  }

  #hears(bytes: Uint8Array): void {
    if (this.phoneOver) return;
    this.#world.arrived(this, bytes);
    const frame = decodeServerFrame(bytes);
    for (const one of frame.type === 'batch' ? frame.frames : [frame]) {
      if (one.type === 'welcome') this.isWelcome = true;
      if (one.type !== 'reply') continue;
      const fresh = this.#fresh.get(one.cid);
      if (fresh !== undefined) this.identity = readToken(fresh);
    }
    this.onmessage?.({ data: bytes });
  }
}
