/**
 * Points and stock are conserved: what an offer has is the sum of what was told of it; what is set aside is what open
 * redemptions say, to the point and to the unit; each redemption ends once, paid as it says, and nothing waits on when its
 * time is over. What phones and tills were answered is so, and actors know in the end what the store knows.
 */
import type { OfferView } from '../../../actors/queries.ts';
import type { MemoryLedger } from '../../memory/memoryLedger.ts';
import type { CommitEntry, EntryOutcome } from '../../ports.ts';
import type { Op } from '../history.ts';
import type { Judge } from './judge.ts';

interface Answered {
  readonly redemptionId: string;
  readonly transferId: string;
  readonly code: string;
  readonly quantity: number;
  readonly points: number;
  readonly expiresS: number;
}

export class Trade {
  readonly #judge: Judge;
  readonly #ledger: MemoryLedger;
  readonly #answered: Op[] = [];
  /** What the newest snapshot of a user says to be set aside. */
  readonly #told = new Map<string, { readonly reserved: number; readonly redemptions: number }>();

  constructor(judge: Judge, ledger: MemoryLedger) {
    this.#judge = judge;
    this.#ledger = ledger;
  }

  /** The actor alone lets points go: the store's own check finds nothing that it missed. */
  committed({ op }: CommitEntry, { code }: EntryOutcome): void {
    if (code === 'insufficient_points')
      this.#fail(`the store refused ${op.type} ${op.id} for want of points`);
    if (code === 'exceeds_pending') this.#fail(`${op.id} would pay more than was set aside`);
  }

  ended(op: Op): void {
    if (op.outcome === 'ok') this.#answered.push(op);
  }

  snapshot(userId: string, reserved: number, redemptions: number): void {
    this.#told.set(userId, { reserved, redemptions });
  }

  /** All is quiet: only what users are told from now on is judged. An answer alone says nothing, its snapshot follows it. */
  askAgain(): void {
    this.#told.clear();
  }

  isTold(userId: string): boolean {
    return this.#told.has(userId);
  }

  /** Redemptions that wait. */
  get open(): number {
    return [...this.#ledger.market.redemptions.values()].filter(({ state }) => state === 'reserved').length;
  }

  /** Those whose time was over. */
  get expired(): number {
    return [...this.#ledger.market.redemptions.values()].filter(({ state }) => state === 'expired').length;
  }

  /** What the actor of an offer says when all is quiet. */
  looked(offerId: string, said: OfferView): void {
    const { onHand, reserved } = this.#ledger.market.stock.get(offerId)!;
    if (said.onHand === onHand && said.reserved === reserved) return;
    this.#fail(
      `the actor of ${offerId} says ${said.onHand} (${said.reserved} reserved), the store ${onHand} (${reserved})`,
    );
  }

  judge(): void {
    this.#stock();
    this.#redemptions();
    this.#accounts();
    for (const op of this.#answered) this.#isSo(op);
  }

  #stock(): void {
    const { market } = this.#ledger;
    const sums = new Map<string, { onHand: number; reserved: number }>();
    for (const { offer, onHandDelta, reservedDelta, opId } of market.movements) {
      const sum = sums.get(offer) ?? { onHand: 0, reserved: 0 };
      sums.set(offer, sum);
      sum.onHand += onHandDelta;
      sum.reserved += reservedDelta;
      if (sum.reserved < 0 || sum.onHand < sum.reserved)
        this.#fail(`${opId} leaves ${sum.onHand} of ${offer}, of which ${sum.reserved} are reserved`);
    }
    for (const [offer, { onHand, reserved }] of market.stock) {
      const sum = sums.get(offer) ?? { onHand: 0, reserved: 0 };
      if (sum.onHand !== onHand || sum.reserved !== reserved)
        this.#fail(`${offer} has ${onHand} (${reserved} reserved), its log says ${JSON.stringify(sum)}`);
      if (reserved > 0) this.#fail(`${reserved} of ${offer} are reserved still`);
    }
  }

  #redemptions(): void {
    const { market, transfers } = this.#ledger;
    const back = new Map<string, number>();
    for (const { op } of transfers.values())
      if (op.type === 'refund') back.set(op.redemption, (back.get(op.redemption) ?? 0) + op.points);
    for (const {
      id,
      state,
      user,
      quantity,
      points,
      sold,
      refunded,
      transferId,
    } of market.redemptions.values()) {
      const paid = transferId === null ? undefined : transfers.get(transferId);
      const due = paid?.postings.find(({ account }) => account === user)?.delta ?? 0;
      if ((state === 'confirmed') !== (paid !== undefined))
        this.#fail(`${id} is ${state}, paid by ${transferId}`);
      if (-due !== sold.points || sold.points !== (points / quantity) * sold.quantity)
        this.#fail(`${id} sold ${sold.quantity} for ${sold.points} points, ${-due} were paid`);
      const came = back.get(id) ?? 0;
      if (came !== refunded.points || came > sold.points)
        this.#fail(`${id}: ${came} points came back, of ${sold.points}, the row says ${refunded.points}`);
      if (state === 'reserved') this.#fail(`${id} waits still, though its time is over`);
    }
  }

  #accounts(): void {
    for (const [id, { reserved }] of this.#ledger.accounts) {
      let open = 0;
      for (const { op, state } of this.#ledger.pending.values())
        if (op.payer === id && state === 'pending') open += op.points;
      if (open !== reserved) this.#fail(`${id} has ${reserved} points set aside, of which ${open} wait`);
    }
    for (const [user, { reserved, redemptions }] of this.#told) {
      const { reserved: stored } = this.#ledger.accounts.get(user)!;
      if (reserved !== stored || redemptions > 0 !== stored > 0)
        this.#fail(
          `the actor of ${user} has ${reserved} points set aside (${redemptions}), the store ${stored}`,
        );
    }
  }

  /** An answer is a promise. */
  #isSo(op: Op): void {
    if (!op.result?.ok) return;
    const value = op.result.value as Answered;
    const { market, transfers } = this.#ledger;
    const id = value.redemptionId ?? (op.body.redemptionId as string);
    const known = market.redemptions.get(id);
    const words = `${op.name} of ${op.user} was answered ${JSON.stringify(value)}, the store has ${JSON.stringify(known)}`;
    switch (op.name) {
      case 'redeem.reserve':
        if (
          known?.code !== value.code ||
          known.points !== value.points ||
          Math.floor(known.expiresAtMs / 1_000) !== value.expiresS
        )
          this.#fail(words);
        return;
      case 'till.confirm':
        if (known?.sold.quantity !== value.quantity || known.sold.points !== value.points) this.#fail(words);
        return;
      case 'redeem.cancel':
      case 'till.refuse':
        if (known?.state !== 'cancelled') this.#fail(words);
        return;
      case 'till.refund':
        if (!transfers.has(value.transferId)) this.#fail(words);
        return;
      default:
    }
  }

  #fail(words: string): void {
    this.#judge.fail('points and stock conserved', words);
  }
}
