/**
 * Customers reserve, tills sell, and some of it is given up, paid back, or left to end by itself; by socket and by REST.
 * Each step is an op of its own; what it does hangs on the redemption that the first one named.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { LoadContext } from './context.ts';
import { CERTAIN_MS, PRICE } from './limits.ts';
import type { ShopOfChaos } from './people.ts';
import type { WatchedPhone } from './watchedPhone.ts';

/** Between seeing a code and selling. */
const AT_THE_TILL_MS = 300;
const OPEN_MS = 20_000;

export class Shopping {
  readonly #context: LoadContext;
  readonly #opened = new WeakSet<WatchedPhone>();
  #next = 0;

  constructor(context: LoadContext) {
    this.#context = context;
    for (const till of this.#tills()) till.onWelcome = () => void this.#opened.delete(till);
  }

  #tills(): WatchedPhone[] {
    return this.#context.people.shops.map(shop => this.#context.phone(shop.account.userId));
  }

  /** A till says who it is after each WELCOME. */
  async #open(till: WatchedPhone): Promise<void> {
    if (this.#opened.has(till)) return;
    const settled = await till.roaming.surely('till.open', { till: 'till-1' }, null, OPEN_MS);
    if (settled.outcome === 'ok') this.#opened.add(till);
  }

  async buy(): Promise<void> {
    const { people, random } = this.#context;
    const number = this.#next++;
    const shop = people.shops[number % people.shops.length]!;
    const customer = this.#context.phone(people.civilians[number % people.civilians.length]!.userId);
    const quantity = 1 + random.below(3);
    const redemptionId = await this.#reserve(customer, shop, quantity);
    if (redemptionId === null) return;
    const till = this.#context.phone(shop.account.userId);
    const chance = random.below(20);
    // left to end by itself
    if (chance === 0) return;
    await pause(AT_THE_TILL_MS);
    if (chance <= 3) return this.#cancel(customer, redemptionId, quantity);
    const isSold = await this.#sell(till, redemptionId, quantity);
    if (isSold && chance <= 7) await this.#refund(till, redemptionId, quantity);
  }

  async #reserve(customer: WatchedPhone, { offerId }: ShopOfChaos, quantity: number): Promise<string | null> {
    const asked = { op: 'reserve', other: offerId, points: quantity * PRICE } as const;
    if (this.#context.random.below(2) === 0) {
      const { value } = await this.#context.command(
        customer,
        'redeem.reserve',
        { offerId, quantity },
        asked,
        body => ({ named: body.redemptionId, balance: null }),
      );
      return value?.redemptionId ?? null;
    }
    const meaning = (body: Readonly<Record<string, unknown>>) => ({
      named: String(body.redemptionId),
      balance: null,
    });
    const { value } = await this.#context.post(
      customer,
      '/v1/redemptions',
      { offerId, quantity },
      asked,
      meaning,
    );
    return value === null ? null : String(value.redemptionId);
  }

  async #cancel(customer: WatchedPhone, redemptionId: string, quantity: number): Promise<void> {
    const asked = { op: 'cancel', other: redemptionId, points: quantity * PRICE } as const;
    const meaning = () => ({ named: redemptionId, balance: null });
    await this.#context.command(customer, 'redeem.cancel', { redemptionId }, asked, meaning);
  }

  async #sell(till: WatchedPhone, redemptionId: string, quantity: number): Promise<boolean> {
    const asked = { op: 'confirm', other: redemptionId, points: quantity * PRICE } as const;
    const meaning = () => ({ named: redemptionId, balance: null });
    if (this.#context.random.below(2) === 0) {
      const { outcome } = await this.#context.post(
        till,
        `/v1/redemptions/${redemptionId}/confirm`,
        {},
        asked,
        meaning,
      );
      return outcome === 'ok';
    }
    const body = { redemptionId, code: null, quantity: null };
    const end = performance.now() + CERTAIN_MS;
    for (let i = 0; ; i++) {
      await this.#open(till);
      const deadlineMs = Math.max(1_000, end - performance.now());
      const { outcome, why } = await this.#context.command(
        till,
        'till.confirm',
        body,
        { ...asked, deadlineMs },
        meaning,
      );
      if (outcome === 'ok') return true;
      // the connection was another one by then: nothing has happened, and that is another command
      if (outcome !== 'fail' || i === 3 || !why?.includes('open a till')) return false;
      this.#opened.delete(till);
    }
  }

  async #refund(till: WatchedPhone, redemptionId: string, quantity: number): Promise<void> {
    const asked = { op: 'refund', other: redemptionId, points: quantity * PRICE } as const;
    await this.#context.post(
      till,
      `/v1/redemptions/${redemptionId}/refund`,
      { restock: true },
      asked,
      body => ({
        named: String(body.transferId ?? redemptionId),
        balance: null,
      }),
    );
  }
}
