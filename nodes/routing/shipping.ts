/**
 * The hand-over of packed actors from node to node, on both sides: pieces go out a few at a time, each is answered, and
 * the other side gives the whole to its coordinator with the last one.
 */
import type { ReplyTo } from '../../actors/turn.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import type { PendingAsks } from '../asks.ts';
import { CLUSTER_LIMITS } from '../limits.ts';
import type { Coordinator, Log, Metrics, Parcel, Shipper } from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { Incoming, piecesOf } from './cargo.ts';
import { type CargoEnvelope, KIND } from './envelope.ts';
import { CARGO } from './limits.ts';
import { Note } from './outgoing.ts';

export interface ShippingOptions {
  readonly asks: PendingAsks;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Of one piece. */
  readonly bytesMax: () => number;
  readonly coordinator: Pick<Coordinator, 'received'>;
  readonly post: (node: string, note: Note) => void;
  readonly reply: (to: ReplyTo, result: Result<unknown>) => void;
}

export class Shipping implements Shipper {
  readonly #options: ShippingOptions;
  readonly #incoming: Incoming;
  #transfers = 0;

  constructor(options: ShippingOptions) {
    this.#options = options;
    this.#incoming = new Incoming(options.wheel);
  }

  async ship(to: string, shard: number, epoch: number, parcels: readonly Parcel[]): Promise<boolean> {
    const { bytesMax, log } = this.#options;
    const pieces = piecesOf(parcels, bytesMax(), log);
    const count = pieces.length;
    const transfer = ++this.#transfers;
    let next = 0;
    let well = true;
    const lane = async (): Promise<void> => {
      while (well && next < count) {
        const index = next++;
        const arrived = await this.#send(to, { shard, epoch, transfer, index, count, body: pieces[index]! });
        well &&= arrived;
      }
    };
    await Promise.all(Array.from({ length: CARGO.piecesAtOnce }, lane));
    return well;
  }

  heard(from: string, piece: CargoEnvelope): void {
    const { coordinator, reply, metrics } = this.#options;
    const taken = this.#incoming.take(from, piece);
    const to = { node: from, askId: piece.id };
    if (taken === 'refused') {
      metrics.count('heyblue_envelopes_refused_total', { why: 'cargo' });
      return reply(to, refuse(ERROR.malformed, 'the cargo cannot be taken'));
    }
    if (taken !== 'taken') coordinator.received(from, piece.shard, piece.epoch, taken);
    reply(to, { ok: true, value: null });
  }

  #send(to: string, piece: Omit<CargoEnvelope, 'kind' | 'id'>): Promise<boolean> {
    return new Promise(resolve => {
      const { asks, post } = this.#options;
      const { askId } = asks.open(CLUSTER_LIMITS.handoffMs, result => resolve(result.ok));
      const note = new Note({ kind: KIND.cargo, id: askId, ...piece }, piece.body.length);
      asks.sent(note);
      post(to, note);
    });
  }
}
