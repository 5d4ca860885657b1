/**
 * Positions that wait at the door while the node is behind.
 *
 * Nearly everything a node hears are positions, and nobody waits for one of them: the next one of the same phone makes it
 * needless. Commands are few, and somebody stands there and waits. A node that takes what it cannot give turns to makes
 * everybody wait behind everything; so when as many actors wait with positions as one run of the loop serves
 * (`ActorDoor.behind`), the newest position of each phone stays here, undecoded, and an older one that it meets is
 * forgotten and counted (`rt_positions_shed_total`). Whenever actors had their turns, those who wait longest are taken in.
 *
 * What a phone says stays in its order: before anything else of it is handled, what waits here is ({@link takeOf}). A
 * position that takes the place of another is paid for when it comes, so a phone that says too much is told so at once,
 * behind or not. What waits is one small message for each socket.
 */
import type { ActorDoor } from '../nodes/gatewayPort.ts';
import { FRAME } from '../protocol/frames.ts';
import type { Session } from './session.ts';
import type { Tally } from './tally.ts';

/** A POSITION has some 40 bytes; what is longer is something else, or somebody plays. */
const POSITION_BYTES_MAX = 64;
/** Head of an array of up to 15 items, which is how a frame begins. */
const ARRAY = 0x90;

/** Whether these are the first bytes of a LOCATION; whether they are one is for the decoder to say. */
const looksLikePosition = (bytes: Uint8Array): boolean =>
  bytes.length <= POSITION_BYTES_MAX && (bytes[0]! & 0xf0) === ARRAY && bytes[1] === FRAME.volatile;

export interface IntakeOptions {
  readonly door: ActorDoor;
  readonly tally: Tally;
  /** Handles a position that waited, and costs nothing any more. */
  readonly handle: (session: Session, bytes: Uint8Array) => void;
}

export class Intake {
  readonly #options: IntakeOptions;
  /** Those that have one waiting, oldest first. */
  readonly #line = new Set<Session>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Phones of which a position waits. */
  get size(): number {
    return this.#line.size;
  }

  /** Whether this has to wait: a position, while the node is behind or another one of the phone waits already. */
  mustWait(session: Session, bytes: Uint8Array): boolean {
    return (session.kept !== null || this.#options.door.behind?.() === true) && looksLikePosition(bytes);
  }

  /** Keeps a copy; one that waited is forgotten, and its place is kept. */
  keep(session: Session, bytes: Uint8Array): void {
    const { kept } = session;
    if (kept === null) this.#line.add(session);
    else this.#options.tally.shed();
    if (kept !== null && kept.length === bytes.length) kept.set(bytes);
    else session.kept = bytes.slice();
  }

  /** Takes in what waits of one phone: something follows that must not overtake it. */
  takeOf(session: Session): void {
    const { kept } = session;
    if (kept === null) return;
    session.kept = null;
    this.#line.delete(session);
    this.#options.handle(session, kept);
  }

  /** Takes in what waits, until the node is behind again. */
  feed(): void {
    if (this.#line.size === 0) return;
    const { door } = this.#options;
    for (const session of this.#line) {
      if (door.behind?.() === true) return;
      this.takeOf(session);
    }
  }

  /** The socket is over. */
  forget(session: Session): void {
    if (session.kept === null) return;
    session.kept = null;
    this.#line.delete(session);
  }
}
