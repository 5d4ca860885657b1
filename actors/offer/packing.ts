/**
 * An offer as plain values and back, when its shard moves to another node in good order: whoever has a lease has it still.
 * What was reserved by whom is in the store, which is read there before anybody is refused.
 */
import { ok, type Result } from '../../protocol/errors.ts';
import type { OfferRecord } from '../durable.ts';
import { insistAgain } from '../insist.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import * as read from '../packed.ts';
import type { Turn } from '../turn.ts';
import { type OfferState, offerOf } from './state.ts';

const VERSION = 1;
const MANY = 1_000_000;
const KINDS = ['goods', 'service'] as const;
const STATES = ['draft', 'published', 'withdrawn', 'removed'] as const;

export function packOffer({ offer, shelf, isLow, telling }: OfferState): unknown {
  const { onHand, reserved } = shelf;
  const perUser = [...shelf.perUser].map(([user, count]) => ({ user, count }));
  const leases = [...shelf.leases].map(([redemptionId, { user, quantity, untilMs }]) => ({
    redemptionId,
    user,
    quantity,
    untilMs,
  }));
  const told = read.packInsisting(telling);
  return { v: VERSION, offer, onHand, reserved, perUser, leases, isLow, telling: told };
}

export function unpackOffer(id: string, packed: unknown, turn: Turn): Result<OfferState> {
  const result = read.reading(() => stateOf(id, read.versioned(packed, VERSION), turn.nowMs));
  if (!result.ok) return result;
  const state = result.value;
  for (const key of state.telling.keys()) state.telling = insistAgain(state.telling, key, turn);
  return ok(state);
}

function stateOf(id: string, packed: read.Fields, nowMs: number): OfferState {
  const state = offerOf(id, null, nowMs);
  const { shelf } = state;
  state.offer = packed.offer === null ? null : recordOf(read.fields(packed.offer), id);
  const perUser = read.list(packed.perUser, MANY, (item): [string, number] => {
    const { user, count } = read.fields(item);
    return [read.text(user), read.whole(count)];
  });
  shelf.read({
    onHand: read.whole(packed.onHand),
    reserved: read.whole(packed.reserved),
    perUser: Object.fromEntries(perUser),
  });
  for (const { redemptionId, user, quantity, untilMs } of read.list(packed.leases, MANY, read.fields))
    shelf.hold(read.text(redemptionId), read.text(user), read.whole(quantity, 1), read.whole(untilMs));
  shelf.doubt();
  state.isLow = read.flag(packed.isLow);
  state.telling = read.insisting(packed.telling);
  return state;
}

function recordOf(packed: read.Fields, id: string): OfferRecord {
  return {
    id: read.oneOf(packed.id, [id]),
    merchant: read.text(packed.merchant),
    version: read.whole(packed.version, 1),
    title: read.text(packed.title),
    description: read.text(packed.description, 2 * ACTOR_LIMITS.offerDescriptionMax),
    kind: read.oneOf(packed.kind, KINDS),
    points: read.whole(packed.points, 1),
    perUserMax: read.whole(packed.perUserMax),
    opensAtMs: read.whole(packed.opensAtMs),
    closesAtMs: read.whole(packed.closesAtMs),
    state: read.oneOf(packed.state, STATES),
    lowStock: read.whole(packed.lowStock),
    placeId: read.textOrNull(packed.placeId),
  };
}
