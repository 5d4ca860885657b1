/**
 * The numbers of meeting that a rule of the kind `proximity.notify` sets: radii, how long two stand together, how long an
 * officer's sharing lasts. Actors read them as they are now, as they do places and layouts; who stands beside whom already
 * goes on under the new ones.
 *
 * The rules are asked often, because an award is remembered until something changes. Values that contradict each other, or
 * that would need positions from further away than phones send them, are told of and change nothing.
 */
import { proximityRules } from '../../actors/geo/rules.ts';
import type { MeetRules } from '../../actors/rules.ts';
import type { Award } from '../../actors/scoring.ts';
import type { Log, Scheduler } from '../ports.ts';
import { RULE_LIMITS } from './limits.ts';
import type { RulesPort } from './port.ts';

export interface MeetingRulesOptions {
  /** As configured: what no rule sets stays so. */
  readonly first: MeetRules;
  readonly rules: RulesPort;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

/** Longer than a shift nobody shares. */
const SHARE_S_MAX = 24 * 3_600;

export class MeetingRules {
  readonly #options: MeetingRulesOptions;
  #now: MeetRules;
  #award: Award | null = null;
  #cancel = (): void => {};
  #stopped = false;

  constructor(options: MeetingRulesOptions) {
    this.#options = options;
    this.#now = options.first;
  }

  /** Another object when a number is another one. */
  readonly now = (): MeetRules => this.#now;

  /** Follows the rules from now on. */
  async start(): Promise<void> {
    await this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    const { rules, scheduler, log } = this.#options;
    try {
      const input = { userKind: 'officer' } as const;
      const award = await rules.score({ type: 'score', kind: 'proximity.notify', input });
      if (award !== this.#award) this.#take(award);
      this.#award = award;
    } catch (error) {
      log.warn({ error: String(error) }, 'the rule of meeting could not be read');
    }
    if (!this.#stopped)
      this.#cancel = scheduler.after(RULE_LIMITS.meetingMs, () => {
        void this.#look();
      });
  }

  #take({ values, rule }: Award): void {
    const { first, log } = this.#options;
    const read = meetingOf(first, values);
    if (typeof read === 'string') {
      log.error({ rule: rule.id, version: rule.version, why: read }, 'a rule of meeting is none');
      return;
    }
    if (JSON.stringify(read) !== JSON.stringify(this.#now)) this.#now = read;
  }
}

/** The configured rules with these values in them; or why not. */
export function meetingOf(first: MeetRules, values: Award['values']): MeetRules | string {
  const { proximity } = first;
  const { enterM = proximity.enterM, nearM = proximity.nearM, shareS = first.shareS } = values;
  const { exitM = enterM + proximity.exitMarginM, dwellS = proximity.dwellMs / 1_000 } = values;
  const { reachM } = proximity;
  if (!(shareS >= 1 && shareS <= SHARE_S_MAX)) return `shareS must be in [1, ${SHARE_S_MAX}]`;
  try {
    const enterMaxM = Math.max(enterM, proximity.enterMaxM);
    const changes = { enterM, enterMaxM, exitMarginM: exitM - enterM, nearM, reachM };
    const next = proximityRules({ ...proximity, ...changes, dwellMs: Math.round(dwellS * 1_000) });
    return { ...first, shareS: Math.round(shareS), proximity: next };
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
