/**
 * A hand-over on its way: the packed actors of one shard, in pieces that fit into a message, a few at a time. Each piece
 * is answered; when the last one is, the other side has given the whole to its coordinator. A sender that gets no answer
 * gives up and the shard moves without its cargo, which costs memory only: what is durable is read anew.
 */
import { ACTOR_KINDS, type ActorKind } from '../../actors/turn.ts';
import { CLUSTER_LIMITS } from '../limits.ts';
import type { Log, Parcel } from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { decodeParcels, encodeParcels } from './body.ts';
import type { CargoEnvelope } from './envelope.ts';
import { CARGO } from './limits.ts';
import type { Slice } from './slice.ts';

/** Actors that are encoded together at first; they go in one piece when it is small enough. */
const GROUP = 256;

/**
 * Splits parcels into encoded pieces; a parcel that is too large for any piece stays behind. Most shards are one piece and
 * encoded once: nobody asks for the size of a parcel before it is known that they do not fit together.
 */
export function piecesOf(parcels: readonly Parcel[], bytesMax: number, log: Log): Slice[] {
  const pieces: Slice[] = [];
  const split = (group: readonly Parcel[], parts: number): void => {
    const most = Math.ceil(group.length / parts);
    for (let from = 0; from < group.length; from += most) add(group.slice(from, from + most));
  };
  const add = (group: readonly Parcel[]): void => {
    const piece = encodeParcels(group.map(({ address, state }) => [address.kind, address.id, state]));
    if (group.length === 1 ? piece.length + 1_024 <= bytesMax : piece.length <= CARGO.pieceBytes) {
      pieces.push(piece);
    } else if (group.length === 1) {
      log.warn({ kind: group[0]!.address.kind, bytes: piece.length }, 'a packed actor is too large to move');
    } else split(group, Math.ceil(piece.length / CARGO.pieceBytes));
  };
  if (parcels.length > 0) split(parcels, Math.ceil(parcels.length / GROUP));
  return pieces;
}

/** Null when it is not a piece. */
function readPiece(body: Slice): Parcel[] | null {
  let wire: unknown;
  try {
    wire = decodeParcels(body);
  } catch {
    return null;
  }
  if (!Array.isArray(wire)) return null;
  const parcels: Parcel[] = [];
  for (const one of wire) {
    if (!Array.isArray(one)) return null;
    const [kind, id, state] = one as unknown[];
    if (!ACTOR_KINDS.includes(kind as ActorKind) || typeof id !== 'string') return null;
    parcels.push({ address: { kind: kind as ActorKind, id }, state });
  }
  return parcels;
}

interface Load {
  readonly pieces: (Parcel[] | undefined)[];
  missing: number;
  bytes: number;
}

/** Pieces that have come so far. */
export class Incoming {
  readonly #loads = new Map<string, Load>();
  readonly #wheel: TimerWheel;
  #bytes = 0;

  constructor(wheel: TimerWheel) {
    this.#wheel = wheel;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The whole cargo with its last piece, `taken` before that, `refused` when it is no piece or there is no room. */
  take(from: string, piece: CargoEnvelope): readonly Parcel[] | 'taken' | 'refused' {
    if (this.#bytes + piece.body.length > CLUSTER_LIMITS.parcelBytes) return 'refused';
    const parcels = readPiece(piece.body);
    if (parcels === null) return 'refused';
    const key = `${from} ${piece.transfer}`;
    let load = this.#loads.get(key);
    if (!load) {
      load = { pieces: new Array(piece.count), missing: piece.count, bytes: 0 };
      this.#loads.set(key, load);
      this.#wheel.after(CLUSTER_LIMITS.parcelMs, () => this.#drop(key));
    }
    if (load.pieces.length !== piece.count) return 'refused';
    if (load.pieces[piece.index] === undefined) {
      load.pieces[piece.index] = parcels;
      load.missing--;
      load.bytes += piece.body.length;
      this.#bytes += piece.body.length;
    }
    if (load.missing > 0) return 'taken';
    this.#drop(key);
    return load.pieces.flatMap(one => one ?? []);
  }

  #drop(key: string): void {
    this.#bytes -= this.#loads.get(key)?.bytes ?? 0;
    this.#loads.delete(key);
  }
}
