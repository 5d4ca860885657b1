/**
 * Donations and gifts among officers, by socket and by REST. Nobody lets the same number of points go twice, so that each
 * movement in PostgreSQL belongs to one op, whatever became of keys: two of the same are a doubled one, none is a lost one.
 */
import type { LoadContext } from './context.ts';
import { GIFTS_PER_GIVER } from './limits.ts';
import type { WatchedPhone } from './watchedPhone.ts';

interface Given {
  readonly transferId: string;
  readonly points: number;
  readonly balance: number;
}

const meant = ({ transferId, balance }: Given) => ({ named: transferId, balance });
const meantByRest = (body: Readonly<Record<string, unknown>>) => meant(body as unknown as Given);

export class Gifts {
  readonly #context: LoadContext;
  readonly #amounts = new Map<string, number>();
  #nextDonor = 0;
  #nextGiver = 0;

  constructor(context: LoadContext) {
    this.#context = context;
  }

  #amountOf(phone: WatchedPhone): number {
    const { userId } = phone.person;
    const amount = (this.#amounts.get(userId) ?? 0) + 1;
    this.#amounts.set(userId, amount);
    return amount;
  }

  donate(): Promise<unknown> {
    const { people, random } = this.#context;
    const donor = this.#context.phone(people.civilians[this.#nextDonor++ % people.civilians.length]!.userId);
    const points = this.#amountOf(donor);
    const [one, two] = random.shuffled(people.charities);
    const parts = points > 1 && random.below(3) === 0;
    const to = parts
      ? [
          { userId: one!.userId, points: 1 },
          { userId: two!.userId, points: points - 1 },
        ]
      : [{ userId: one!.userId, points }];
    const asked = { op: 'donate', other: one!.userId, points } as const;
    return random.below(2) === 0
      ? this.#context.command(donor, 'points.donate', { to }, asked, meant)
      : this.#context.post(donor, '/v1/donations', { to }, asked, meantByRest);
  }

  /** Null when everybody has given what a day allows. */
  give(): Promise<unknown> | null {
    const { people, random } = this.#context;
    const { givers } = people;
    const number = this.#nextGiver++;
    if (number >= givers.length * GIFTS_PER_GIVER) return null;
    const i = number % givers.length;
    const giver = this.#context.phone(givers[i]!.userId);
    const other = givers[(i + 1 + random.below(givers.length - 1)) % givers.length]!.userId;
    const points = this.#amountOf(giver);
    const body = { userId: other, points };
    const asked = { op: 'give', other, points } as const;
    return random.below(2) === 0
      ? this.#context.command(giver, 'points.give', body, asked, meant)
      : this.#context.post(giver, '/v1/giveaways', body, asked, meantByRest);
  }
}
