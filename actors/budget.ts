/**
 * All points that the mint ever gives by a business rule, where operators wrote down how many that may be.
 *
 * A rule may be asked for by every meeting of a nation, so its budget has stripes: each has some points in hand and answers
 * from memory, and only when it has too few it leases more from the whole, less at once the less there is left. The whole
 * writes down what it let go before it lets go of it; its memory is a durable timer, as that of a person's switches is
 * (`user/state.ts`). So a budget is never exceeded, whoever dies; what a stripe that died had in hand is given to nobody. A
 * stripe that is not asked any more hands back what it has.
 *
 * Ids: the whole has that of the budget, a stripe `budget/number`. Stripes remember nothing, so their number may change.
 */
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import { answerAll } from './askers.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { BudgetMessage, Leased } from './messages/budget.ts';
import * as read from './packed.ts';
import type { QueryAnswers } from './queries.ts';
import type { AwardLimits } from './scoring.ts';
import type { Address, Behaviour, ReplyTo, SystemMessage, Turn } from './turn.ts';

const BUDGET_STRIPES = 8;
const VERSION = 1;
const TAKEN = 'taken';
const LEASE = 'lease';

const USED_UP = refuse(ERROR.conflict, 'what there was to give for this is used up');

/** Who waits at a stripe. */
interface Waiting {
  readonly points: number;
  readonly replyTo: ReplyTo | null;
}

interface Whole {
  readonly is: 'whole';
  /** Let go of, ever. */
  readonly taken: number;
}

interface Stripe {
  readonly is: 'stripe';
  readonly inHand: number;
  readonly waiting: readonly Waiting[];
  /** As the newest who asked was told. */
  readonly of: number;
}

export type BudgetState = Whole | Stripe;

type Budget = NonNullable<AwardLimits['budget']>;

/** Where an operation asks: always the same stripe. */
const stripeOf = ({ id }: Budget, operationId: string): Address => ({
  kind: 'budget',
  // ids end in what is random in them
  id: `${id}/${Number.parseInt(operationId.slice(-4), 16) % BUDGET_STRIPES}`,
});

/** Asks a budget for so many points on behalf of an operation: all of them, or it is refused. */
export function askFor(
  budget: Budget,
  operationId: string,
  points: number,
  turn: Turn,
  tag: string,
  timeoutMs?: number,
): void {
  const take: BudgetMessage = { type: 'take', points, of: budget.points };
  turn.ask(stripeOf(budget, operationId), take, tag, timeoutMs);
}

/** Says that the operation did not use what was taken for it. */
export function giveBackTo(budget: Budget, operationId: string, points: number, turn: Turn): void {
  const back: BudgetMessage = { type: 'giveBack', points };
  turn.tell(stripeOf(budget, operationId), back);
}

const wholeOf = (id: string): string | null => {
  const cut = id.lastIndexOf('/');
  return cut < 0 ? null : id.slice(0, cut);
};

export function budgetBehaviour(): Behaviour<BudgetState, BudgetMessage> {
  return {
    kind: 'budget',
    hydrate: id => (wholeOf(id) === null ? { type: 'timers', kind: 'budget', id } : null),
    create(id, loaded) {
      if (wholeOf(id) !== null) return ok({ is: 'stripe', inHand: 0, waiting: [], of: 0 });
      const timers = (loaded ?? []) as QueryAnswers['timers'];
      const stored = timers.find(({ name }) => name === TAKEN)?.message as { points: number } | undefined;
      return ok({ is: 'whole', taken: stored?.points ?? 0 });
    },
    receive: (state, message, turn) =>
      state.is === 'whole' ? whole(state, message, turn) : stripe(state, message, turn),
    pack: state =>
      state.is === 'whole'
        ? { v: VERSION, is: 'whole', taken: state.taken }
        : {
            v: VERSION,
            is: 'stripe',
            inHand: state.inHand,
            open: state.waiting.flatMap(one => one.replyTo ?? []),
          },
    unpack,
    idleMs: () => ACTOR_LIMITS.budgetIdleMs,
  };
}

function unpack(id: string, packed: unknown, turn: Turn): Result<BudgetState> {
  const result = read.reading((): { state: BudgetState; open: readonly ReplyTo[] } => {
    const all = read.versioned(packed, VERSION);
    if (wholeOf(id) === null) return { state: { is: 'whole', taken: read.whole(all.taken) }, open: [] };
    const open = read.list(all.open, ACTOR_LIMITS.budgetWaiting, read.replyTo);
    return { state: { is: 'stripe', inHand: read.whole(all.inHand), waiting: [], of: 0 }, open };
  });
  if (!result.ok) return result;
  const { state, open } = result.value;
  answerAll(open, refuse(ERROR.unavailable, 'it was moved, try again', 250), turn);
  if (state.is === 'stripe') rest(turn);
  return ok(state);
}

function whole(state: Whole, message: BudgetMessage | SystemMessage, turn: Turn): Whole {
  switch (message.type) {
    case 'lease': {
      const left = message.of - state.taken;
      if (message.points > left) {
        turn.reply(USED_UP);
        return state;
      }
      const points = Math.max(message.points, Math.floor(left / (2 * BUDGET_STRIPES)));
      turn.reply(ok({ points } satisfies Leased));
      return noted(state.taken + points, turn);
    }
    case 'returned':
      return noted(Math.max(0, state.taken - message.points), turn);
    case 'due':
      turn.reply(ok({}));
      return noted(state.taken, turn);
    default:
      return state;
  }
}

/** What the turn says leaves when it is stored. */
const noted = (points: number, turn: Turn): Whole => {
  turn.durableTimer(TAKEN, ACTOR_LIMITS.switchMs, { points });
  return { is: 'whole', taken: points };
};

function stripe(state: Stripe, message: BudgetMessage | SystemMessage, turn: Turn): Stripe {
  switch (message.type) {
    case 'take': {
      const { points, of } = message;
      rest(turn);
      if (state.waiting.length === 0 && points <= state.inHand) {
        turn.reply(ok({}));
        return { ...state, inHand: state.inHand - points };
      }
      if (state.waiting.length >= ACTOR_LIMITS.budgetWaiting) {
        turn.reply(refuse(ERROR.unavailable, 'many ask for this at once, try again', 250));
        return state;
      }
      const next = { ...state, of, waiting: [...state.waiting, { points, replyTo: turn.replyTo }] };
      if (state.waiting.length === 0) lease(next, turn);
      return next;
    }
    case 'giveBack':
      rest(turn);
      return { ...state, inHand: state.inHand + message.points };
    case 'answer':
      return message.tag === LEASE ? leased(state, message.result, turn) : state;
    case 'rest': {
      const id = wholeOf(turn.self.id) as string;
      if (state.inHand === 0 || state.waiting.length > 0) return state;
      turn.tell({ kind: 'budget', id }, { type: 'returned', points: state.inHand } satisfies BudgetMessage);
      return { ...state, inHand: 0 };
    }
    default:
      return state;
  }
}

const rest = (turn: Turn): void =>
  turn.timer('rest', ACTOR_LIMITS.budgetRestMs, { type: 'rest' } satisfies BudgetMessage);

const lease = ({ waiting, inHand, of }: Stripe, turn: Turn): void => {
  const points = waiting[0]!.points - inHand;
  const message: BudgetMessage = { type: 'lease', points, of };
  turn.ask({ kind: 'budget', id: wholeOf(turn.self.id) as string }, message, LEASE);
};

/** Those who wait are served in the order in which they came; who asks for more than there is keeps nobody waiting. */
function leased(state: Stripe, result: Result<unknown>, turn: Turn): Stripe {
  const { waiting } = state;
  const inHand = state.inHand + (result.ok ? (result.value as Leased).points : 0);
  const [first, ...others] = waiting;
  if (first === undefined) return { ...state, inHand };
  if (!result.ok) {
    turn.reply(result, first.replyTo);
    return served({ ...state, inHand, waiting: others }, turn);
  }
  return served({ ...state, inHand, waiting }, turn);
}

function served(state: Stripe, turn: Turn): Stripe {
  let { inHand, waiting } = state;
  while (waiting.length > 0 && waiting[0]!.points <= inHand) {
    inHand -= waiting[0]!.points;
    turn.reply(ok({}), waiting[0]!.replyTo);
    waiting = waiting.slice(1);
  }
  const next = { ...state, inHand, waiting };
  if (waiting.length > 0) lease(next, turn);
  return next;
}
