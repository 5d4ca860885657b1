/**
 * The pair actor: awake only to settle one meeting of an officer and a civilian. Every path to an encounter (dwell, hey,
 * code scanned by either side) ends here, and here nothing is decided: the store's one statement decides by its own
 * clock, so two pairs alive at once by mistake still score once. The id of the encounter follows from its evidence,
 * so a repeat finds the first effect.
 *
 * Both people are told until they have heard it. The pair may die between the commit and that: then whoever takes its
 * shard over tells them what was committed lately (`nodes/timers/retelling.ts`).
 */
import { ok, type Result } from '../protocol/errors.ts';
import { IN_DOUBT } from './askers.ts';
import { CLAIM, claimLate } from './claims.ts';
import { type InsistMessage, insistAgain, insistAnswered, insistedKey } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { ClaimLate, EarnedMessage, PairMessage, Review } from './messages/pair.ts';
import * as read from './packed.ts';
import { claim, claimed, settled } from './pair/settling.ts';
import { type PairState, WAITING_FOR_NOTHING } from './pair/state.ts';
import { judge, observe, SCORE, score, weigh } from './pair/weighing.ts';
import { REVIEW_BUDGET, review, reviewBudgeted, reviewed, reviewFound } from './review.ts';
import type { MeetRules } from './rules.ts';
import type { Behaviour, Turn } from './turn.ts';
import { NOTHING_WAITS } from './waiting.ts';

const VERSION = 1;

type Said = PairMessage | EarnedMessage | ClaimLate | Review | InsistMessage;

export function pairBehaviour(rules: MeetRules): Behaviour<PairState, Said> {
  return {
    kind: 'pair',
    hydrate: () => null,
    create: () => ok({ ...WAITING_FOR_NOTHING, telling: NOTHING_WAITS }),
    pack: packPair,
    unpack: unpackPair,
    idleMs: state => (state.telling.size > 0 ? false : ACTOR_LIMITS.pairIdleMs),
    receive(state, message, turn) {
      switch (message.type) {
        case 'observe':
          return observe(state, message, rules, turn);
        case 'review':
          return review(state, message, turn);
        case 'queried':
          if (state.reviews.has(message.tag)) return reviewFound(state, message.tag, message.result, turn);
          if (message.tag.startsWith(CLAIM)) return claimed(state, message.tag, message.result, turn);
          if (message.tag.startsWith(SCORE)) return score(state, message.tag, message.result, rules, turn);
          return state.weighed.has(message.tag)
            ? weigh(state, message.tag, message.result, rules, turn)
            : judge(state, message.tag, message.result, rules, turn);
        case 'committed':
          return state.reviews.has(message.tag)
            ? reviewed(state, message.tag, message.committed, turn)
            : settled(state, message.tag, message.committed, turn);
        case 'earned':
          return claimed(state, message.tag, message.result, turn);
        case 'claimLate': {
          const one = state.claiming.get(message.tag);
          return one ? claim(state, message.tag, one, claimLate(one.claim, turn), turn) : state;
        }
        case 'answer': {
          if (message.tag.startsWith(CLAIM)) return claimed(state, message.tag, message.result, turn);
          if (message.tag.startsWith(REVIEW_BUDGET))
            return reviewBudgeted(state, message.tag, message.result, turn);
          const key = insistedKey(message.tag);
          return key === null
            ? state
            : { ...state, telling: insistAnswered(state.telling, key, message.result, turn) };
        }
        case 'insist':
          return { ...state, telling: insistAgain(state.telling, message.key, turn) };
        default:
          return state;
      }
    },
  };
}

/** The runtime packs a pair that waits for nothing but its next try to tell somebody. */
function packPair({ weighed, reviews, judged, claiming, underWay, telling }: PairState): unknown {
  const waiting = [weighed, reviews, judged, claiming, underWay].flatMap(one => [...one.values()]);
  const open = waiting.flatMap(one => one.replyTo ?? []);
  return { v: VERSION, telling: read.packInsisting(telling), open };
}

function unpackPair(_id: string, packed: unknown, turn: Turn): Result<PairState> {
  const result = read.reading(() => {
    const { telling, open } = read.versioned(packed, VERSION);
    return { telling: read.insisting(telling), open: read.list(open, ACTOR_LIMITS.insisting, read.replyTo) };
  });
  if (!result.ok) return result;
  let { telling } = result.value;
  for (const to of result.value.open) turn.reply(IN_DOUBT, to);
  for (const key of telling.keys()) telling = insistAgain(telling, key, turn);
  return ok({ ...WAITING_FOR_NOTHING, telling });
}
