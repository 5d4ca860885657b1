/**
 * Trade in a world: two merchants with a till and two offers each, of one of which there is little. People reserve, some
 * give up, some never come; tills confirm all or a part, by code or by id, refuse, type nonsense, and give back; merchants
 * bring more and count again. All with a short time to wait, so that timers end some of it.
 */
import type { OfferRecord } from '../../actors/durable.ts';
import type { OfferMessage } from '../../actors/messages/offer.ts';
import type { Result } from '../../protocol/errors.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Op } from './history.ts';
import type { Machine } from './machine.ts';
import type { Phone } from './phone.ts';
import type { SeenEvent } from './simulatedGateway.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface MarketParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
  readonly phones: readonly Phone[];
  /** One for each merchant. */
  readonly tills: readonly Phone[];
  readonly machines: readonly Machine[];
  ended(op: Op): void;
}

const RESERVE_MS = { min: 250, max: 1_200 };
const SERVE_MS = { min: 100, max: 2_500 };
const COUNT_MS = { min: 2_000, max: 5_000 };
const AGAIN_MS = 400;
const ASK_MS = 3_000;
/** Of the first offer of a merchant, and of the second. */
const SCARCE = 4;
const PLENTY = 40;
const PRICE = { scarce: 4, plenty: 3 };

type Waiting = { readonly redemptionId: string; readonly code: string; readonly quantity: number };

export class Market {
  readonly #parts: MarketParts;
  readonly offers: OfferRecord[] = [];
  /** What a phone was told to be reserved. */
  readonly #reserved = new Map<Phone, string[]>();
  /** Redemptions that a till has seen. */
  readonly #served = new Set<string>();
  #on = false;

  constructor(parts: MarketParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#on = true;
    const { dice, time, tills } = this.#parts;
    for (const till of tills) {
      till.connect();
      for (const [title, points, perUserMax, stock] of [
        ['scarce', PRICE.scarce, 2, SCARCE],
        ['plenty', PRICE.plenty, 0, PLENTY],
      ] as const) {
        const offer: OfferRecord = {
          id: dice.uuid(time.nowMs()),
          merchant: till.person.id,
          version: 1,
          title,
          description: '',
          kind: 'goods',
          points,
          perUserMax,
          opensAtMs: 0,
          closesAtMs: 0,
          state: 'published',
          lowStock: 1,
          placeId: null,
        };
        this.offers.push(offer);
        this.#say(offer.id, { type: 'save', offer }, () => this.#change(offer, stock));
      }
    }
    this.#again(RESERVE_MS, () => this.#shop());
    this.#again(COUNT_MS, () => this.#count());
  }

  /** Nobody begins anything new. */
  stop(): void {
    this.#on = false;
  }

  /** A till is a till again after each WELCOME. */
  welcomed(phone: Phone): void {
    if (this.#parts.tills.includes(phone)) phone.command('till.open', { till: 'one' });
  }

  saw(phone: Phone, { event }: SeenEvent): void {
    if (event?.name !== 'till.redemption' || event.body.state !== 'reserved') return;
    this.#serve(phone, event.body);
  }

  ended(phone: Phone, op: Op): void {
    this.#parts.ended(op);
    if (!op.result?.ok) return;
    const { faults, dice, time } = this.#parts;
    switch (op.name) {
      case 'redeem.reserve': {
        const { redemptionId } = op.result.value as { redemptionId: string };
        this.#reserved.set(phone, [...(this.#reserved.get(phone) ?? []), redemptionId]);
        return faults.hit('points and stock set aside');
      }
      case 'redeem.cancel':
        return faults.hit('reservation given up');
      case 'till.open':
        for (const one of (op.result.value as { waiting: Waiting[] }).waiting) this.#serve(phone, one);
        return;
      case 'till.confirm': {
        faults.hit('redemption paid');
        const { redemptionId } = op.body as { redemptionId: string | null };
        if (redemptionId === null || !dice.chance(0.3)) return;
        const quantity = dice.chance(0.5) ? 1 : null;
        time.after(dice.between(SERVE_MS.min, SERVE_MS.max), () => {
          if (this.#on) phone.command('till.refund', { redemptionId, quantity, restock: dice.chance(0.5) });
        });
        return;
      }
      case 'till.refund':
        return faults.hit('redemption given back');
      default:
    }
  }

  /** What the actor of an offer says is there; null while nobody answers. */
  look(offerId: string, heard: (result: Result<unknown>) => void): void {
    this.#ask(offerId, { type: 'look' }, heard);
  }

  #shop(): void {
    const { dice, phones } = this.#parts;
    const here = phones.filter(one => one.person.kind === 'civilian' && !one.away && one.underWay < 3);
    if (here.length === 0) return;
    const phone = dice.pick(here);
    const mine = this.#reserved.get(phone) ?? [];
    if (mine.length > 0 && dice.chance(0.25))
      return void phone.command('redeem.cancel', { redemptionId: dice.pick(mine) });
    phone.command('redeem.reserve', { offerId: dice.pick(this.offers).id, quantity: 1 + dice.below(3) });
  }

  /** Once for each that it sees; some are never served, and their time is over. */
  #serve(till: Phone, { redemptionId, code, quantity }: Waiting): void {
    if (this.#served.has(redemptionId)) return;
    this.#served.add(redemptionId);
    const { dice, time } = this.#parts;
    if (dice.chance(0.15)) return;
    time.after(dice.between(SERVE_MS.min, SERVE_MS.max), () => {
      if (!this.#on) return;
      const what = dice.share();
      if (what < 0.1) till.command('till.refuse', { redemptionId });
      else if (what < 0.2) till.command('till.look', { code: '00000000' });
      else if (what < 0.4) till.command('till.confirm', { redemptionId: null, code, quantity: null });
      else
        till.command('till.confirm', {
          redemptionId,
          code: null,
          quantity: dice.chance(0.4) ? 1 + dice.below(quantity) : null,
        });
      // two at one counter, or an impatient one
      if (dice.chance(0.1)) till.command('till.confirm', { redemptionId, code: null, quantity: null });
    });
  }

  /** The merchant brings more, or finds that there is less. */
  #count(): void {
    const { dice } = this.#parts;
    this.#change(dice.pick(this.offers), dice.chance(0.7) ? 1 + dice.below(3) : -1);
  }

  #change(offer: OfferRecord, delta: number): void {
    const { dice, time } = this.#parts;
    const kind = delta > 0 ? 'receipt' : 'adjustment';
    const id = dice.uuid(time.nowMs());
    const { merchant } = offer;
    this.#say(offer.id, { type: 'adjust', id, merchant, delta, kind, reason: 'counted' }, () => {});
  }

  /** Until it is answered for good. */
  #say(offerId: string, message: OfferMessage, done: () => void): void {
    this.#ask(offerId, message, result => {
      if (result.ok) return done();
      if (result.retryable && this.#on)
        this.#parts.time.after(AGAIN_MS, () => this.#say(offerId, message, done));
    });
  }

  #ask(offerId: string, message: OfferMessage, heard: (result: Result<unknown>) => void): void {
    const { machines, dice, time, chronicle } = this.#parts;
    const up = machines.filter(machine => machine.running?.started && !machine.running.process.paused);
    if (up.length === 0) return void time.after(AGAIN_MS, () => this.#ask(offerId, message, heard));
    const { node } = dice.pick(up).running!;
    let isAnswered = false;
    const answered = (result: Result<unknown>): void => {
      if (isAnswered) return;
      isAnswered = true;
      chronicle.note('a merchant was answered', offerId, message.type, result.ok ? 'ok' : result.message);
      heard(result);
    };
    node.door.ask({ kind: 'offer', id: offerId }, message, answered, { timeoutMs: ASK_MS, keyed: true });
    // the node that was asked may be dead by then
    time.after(2 * ASK_MS, () => {
      if (!isAnswered) this.#ask(offerId, message, answered);
    });
  }

  #again(every: { readonly min: number; readonly max: number }, run: () => void): void {
    const { time, dice } = this.#parts;
    time.after(dice.between(every.min, every.max), () => {
      if (!this.#on) return;
      run();
      this.#again(every, run);
    });
  }
}
