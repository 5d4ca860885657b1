/** Phones of the hunt: officers who walk and share, and the accounts of the attacker, who writes down all that comes. */
import { type SmallTown, TownPhone } from '../../nodes/testing/smallTown.ts';
import { type CommandBody, type CommandName, decodeServerFrame, openVolatile } from '../../protocol/index.ts';
import type { Block, Point } from './ground.ts';
import type { Vantage } from './sighting.ts';

interface Listed {
  readonly officers: readonly { readonly officerId: string; readonly handle: string }[];
}

/** Regions within this distance of a position hear of it (`actors/geo/rules.ts`). */
const REACH_M = 200;

/** A code is held where the two are not together, everything else where they are. */
const heldCode = (name: string, body: Record<string, unknown> | null | undefined): boolean =>
  name === 'encounter.held' && body?.method === 'qr';

export class AttackPhone extends TownPhone {
  readonly #block: Block;
  #number = 0;
  #now: Point = { x: 0, y: 0 };
  /** Where it claimed to be last. */
  vantage: Vantage = { x: 0, y: 0, near: new Set(), area: -1 };
  /** What the phone shows: officers by the key of the frame that named them. */
  readonly lists = new Map<string, Listed['officers']>();
  /** Since the last look. */
  bytes = 0;
  periodS = 0;
  /** Whom it met; `held` says of a code only that there are no points for it. */
  readonly met: { readonly handle: string; readonly channel: 'met' | 'held' }[] = [];
  /** Officers of whom it was notified, since the last look. */
  readonly near: string[] = [];
  readonly notices: string[] = [];
  readonly frames: Uint8Array[] = [];
  keepsFrames = false;

  constructor(town: SmallTown, id: string, deviceId: string, block: Block) {
    super(town, id, deviceId);
    this.#block = block;
  }

  static async signUp(town: SmallTown, kind: 'officer' | 'civilian', block: Block): Promise<AttackPhone> {
    const { id, deviceId } = await town.phone(kind);
    const phone = new AttackPhone(town, id, deviceId, block);
    await phone.connect();
    return phone;
  }

  override receive(bytes: Uint8Array): void {
    super.receive(bytes);
    this.bytes += bytes.length;
    if (this.keepsFrames) this.frames.push(bytes);
    const frame = decodeServerFrame(bytes);
    if (frame.type === 'event') {
      const { name, body } = this.seen.at(-1) ?? {};
      if (name === 'encounter.completed' || name === 'encounter.held')
        this.met.push({ handle: String(body?.otherHandle), channel: heldCode(name, body) ? 'held' : 'met' });
    }
    if (frame.type !== 'volatile') return;
    const { name, body } = openVolatile(frame) as unknown as {
      name: string;
      body: Record<string, unknown> | null;
    };
    if (name === 'area.officers') this.lists.set(frame.key, (body as Listed | null)?.officers ?? []);
    else if (name === 'report.next') this.periodS = Number(body?.periodS ?? 0);
    else {
      this.notices.push(name);
      if (name === 'officer.near')
        this.near.push(...((body as Listed | null)?.officers ?? []).map(one => one.officerId));
    }
  }

  /** Claims a position; without waiting for anything. */
  claim(at: Point): void {
    this.#now = at;
    const { x, y } = at;
    const near = this.#block.coarseNear(x, y, REACH_M);
    this.vantage = { x, y, near, area: this.#block.areaOf(x, y) };
    const location = {
      seq: ++this.#number,
      latE7: Math.round(this.#block.latOf(y) * 1e7),
      lngE7: Math.round(this.#block.lngOf(x) * 1e7),
      accuracyDm: 50,
      headingDeg: null,
      speedDms: null,
      takenAtMs: null,
    };
    this.town.tell(this.id, { type: 'location', session: this.session, location });
  }

  get at(): Point {
    return this.#now;
  }

  /** Says a command and goes on; what comes of it, and after how long, is told. */
  say<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    done: (word: string, value: unknown) => void = () => {},
  ): void {
    const message = {
      type: 'command',
      session: this.session,
      name,
      body,
      key: this.town.key(),
      requestHash: JSON.stringify(body),
    } as const;
    const saidMs = this.town.time.monotonicMs();
    this.town.system.ask({ kind: 'user', id: this.id }, message, result => {
      const tookMs = this.town.time.monotonicMs() - saidMs;
      // a value holds ids, which say nothing of places; what can be told apart is the words and the time
      const word = result.ok ? 'ok' : `${result.code} ${result.message} ${result.retryAfterMs ?? 0}`;
      done(`${word} after ${Math.round(tookMs)} ms`, result.ok ? result.value : null);
    });
  }
}
