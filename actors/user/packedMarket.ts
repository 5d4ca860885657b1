/** Redemptions and tills of a user as another node packed them; see `packing.ts`. */
import { ACTOR_LIMITS } from '../limits.ts';
import * as read from '../packed.ts';
import { NOTHING_WAITS } from '../waiting.ts';
import {
  type Counter,
  endingOf,
  NO_GUESSES,
  NOBODY_CAME,
  NOTHING_SPENT,
  type Redemption,
  type Spending,
} from './redemption.ts';

/** Redemptions that wait at one merchant; one that has more reads them again. */
const WAITING_MAX = 1_000_000;

/** Who waits for the end of one is asked again by its timer. */
export const packSpending = ({ open, unread, over, ending }: Spending): unknown => ({
  open,
  unread,
  over,
  ending: [...ending.keys()],
});

/** Who told of one late tells again. */
export const packCounter = ({ open, over, tills, guesses }: Counter): unknown => ({
  open: [...open.values()],
  over,
  tills,
  guesses,
});

/** A node of the version before knew of none. */
export function spendingOf(packed: unknown): Spending {
  if (packed === undefined) return NOTHING_SPENT;
  const { open, unread, over, ending } = read.fields(packed);
  return {
    open: read.list(open, WAITING_MAX, redemptionOf),
    unread: read.whole(unread),
    over: idsOf(over),
    // a node of the version before packed none
    ending: endingOf(read.list(ending ?? [], WAITING_MAX, id => read.text(id))),
  };
}

export function counterOf(packed: unknown): Counter {
  if (packed === undefined) return NOBODY_CAME;
  const { open, over, tills, guesses } = read.fields(packed);
  const waiting = read.list(open, WAITING_MAX, redemptionOf);
  return {
    open: new Map(waiting.map(one => [one.id, one])),
    over: idsOf(over),
    late: NOTHING_WAITS,
    tills: read.list(tills, ACTOR_LIMITS.tills, item => {
      const { name, session, wrong, waitsUntilMs } = read.fields(item);
      return {
        name: read.text(name),
        session: session === null ? null : sessionOf(read.fields(session)),
        wrong: read.whole(wrong),
        waitsUntilMs: read.whole(waitsUntilMs),
      };
    }),
    // a node of the version before counted none
    guesses: guesses === undefined ? NO_GUESSES : guessesOf(read.fields(guesses)),
  };
}

const guessesOf = ({ wrong, sinceMs }: read.Fields): Counter['guesses'] => ({
  wrong: read.whole(wrong),
  sinceMs: read.whole(sinceMs),
});

const sessionOf = ({ gateway, id }: read.Fields) => ({ gateway: read.text(gateway), id: read.text(id) });

const idsOf = (packed: unknown): string[] =>
  read.list(packed, ACTOR_LIMITS.redemptionsOver, id => read.text(id));

function redemptionOf(item: unknown): Redemption {
  const packed = read.fields(item);
  const { id, version, trace } = read.fields(packed.rule);
  return {
    id: read.text(packed.id),
    user: read.text(packed.user),
    merchant: read.text(packed.merchant),
    offer: read.text(packed.offer),
    title: read.text(packed.title),
    quantity: read.whole(packed.quantity, 1),
    points: read.whole(packed.points),
    code: read.text(packed.code),
    expiresAtMs: read.whole(packed.expiresAtMs),
    rule: {
      id: read.text(id),
      version: read.whole(version),
      ...(trace === undefined ? {} : { trace: read.text(trace) }),
    },
  };
}
