/**
 * What speaks against a person's phone outlives a node that dies: one durable timer, due when all of it is over, is its memory,
 * as timers are that of modes (`modeMemory.ts`). It says until when, and how many metres were not travelled; never where.
 *
 * It is written when a finding comes up or a debt grows, and again when the end that is stored falls behind by
 * {@link LATER_MS}: a phone that is suspected with each position costs one write in that time, all others none. So after a
 * kill something may end so much earlier, and what was to end within it is not remembered at all.
 */
import { ok } from '../../protocol/errors.ts';
import { AT_REST, waitMs } from '../fraud/motion.ts';
import { untilOf } from '../fraud/packing.ts';
import type { FraudRules } from '../fraud/rules.ts';
import { FINDINGS, relieved, UNSUSPECTED, type Watch } from '../fraud/watch.ts';
import * as read from '../packed.ts';
import type { TimerView } from '../queries.ts';
import type { Turn } from '../turn.ts';
import type { UserState } from './state.ts';

/** The parts of a {@link Watch} that are remembered. */
export interface Doubt {
  readonly until: Watch['until'];
  readonly owedM: number;
  readonly owedAtMs: number;
  readonly teleport: boolean;
}

export const NO_DOUBT: Doubt = { until: UNSUSPECTED.until, owedM: 0, owedAtMs: 0, teleport: false };

export const DOUBT_TIMER = 'doubt';
const LATER_MS = 60_000;

/** When each finding ends, and then the debt. */
function endsOf({ until, ...owed }: Doubt, rules: FraudRules): number[] {
  const debtMs = owed.owedM === 0 ? 0 : owed.owedAtMs + waitMs({ ...AT_REST, ...owed }, owed.owedAtMs, rules);
  return [...FINDINGS.map(finding => until[finding] ?? 0), debtMs];
}

/** Makes durable what a turn has found; the position in which it was found does not wait for it. */
export function rememberDoubt(before: UserState, next: UserState, rules: FraudRules, turn: Turn): UserState {
  const [old, { until, motion }] = [before.watch, next.watch];
  if (until === old.until && motion.owedM === old.motion.owedM) return next;
  const { owedM, owedAtMs, teleport } = motion;
  const doubt: Doubt = { until, owedM, owedAtMs, teleport };
  const [ends, known] = [endsOf(doubt, rules), endsOf(next.doubt, rules)];
  if (!ends.some((endMs, i) => endMs > Math.max(known[i]!, turn.nowMs) + LATER_MS)) return next;
  turn.release();
  turn.durableTimer(DOUBT_TIMER, Math.max(...ends) - turn.nowMs, doubt);
  return { ...next, doubt };
}

/** All of it is over: whoever is away leaves memory as soon as anybody. */
export function doubtDue(state: UserState, rules: FraudRules, turn: Turn): UserState {
  turn.reply(ok({}));
  return { ...state, doubt: NO_DOUBT, watch: relieved(state.watch, turn.nowMs, rules) };
}

export function doubtOf(value: unknown): Doubt {
  const packed = read.fields(value);
  return {
    until: untilOf(read.fields(packed.until)),
    owedM: read.number(packed.owedM),
    owedAtMs: read.whole(packed.owedAtMs),
    teleport: read.flag(packed.teleport),
  };
}

/** What an actor that starts anew finds; what another version wrote and nobody can read is nothing. */
export function rememberedDoubt(
  timers: readonly TimerView[],
  nowMs: number,
): Pick<UserState, 'doubt' | 'watch'> {
  const timer = timers.find(({ name, dueAtMs }) => name === DOUBT_TIMER && dueAtMs > nowMs);
  const found = timer && read.reading(() => doubtOf(timer.message));
  if (!found?.ok) return { doubt: NO_DOUBT, watch: UNSUSPECTED };
  const { until, ...owed } = found.value;
  return { doubt: found.value, watch: { ...UNSUSPECTED, until, motion: { ...AT_REST, ...owed } } };
}
