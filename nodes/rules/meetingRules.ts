/**
 * The numbers of meeting that a rule of the kind `proximity.notify` sets (`meetingValues.ts`). Actors read them as they are
 * now, as they do places and layouts; who stands beside whom already goes on under the new ones. When which version began to
 * count is logged, and an encounter by proximity names the one by which its two stood together (`metBy`).
 *
 * The rules are asked often, because an award is remembered until something changes. Values that contradict each other, or
 * that would need positions from further away than phones send them, are told of and change nothing.
 */
import type { MeetRules } from '../../actors/rules.ts';
import type { Award } from '../../actors/scoring.ts';
import type { Log, Scheduler } from '../ports.ts';
import { RULE_LIMITS } from './limits.ts';
import { meetingOf } from './meetingValues.ts';
import type { RulesPort } from './port.ts';

export interface MeetingRulesOptions {
  /** As configured: what no rule sets stays so. */
  readonly first: MeetRules;
  readonly rules: RulesPort;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

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

  /** Another object when a number, or the rule that set it, is another one. */
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

  #take(award: Award): void {
    const { first, log } = this.#options;
    const { rule } = award;
    const read = meetingOf(first, award);
    if (typeof read === 'string') {
      log.error({ rule: rule.id, version: rule.version, why: read }, 'a rule of meeting is none');
      return;
    }
    if (JSON.stringify(read) === JSON.stringify(this.#now)) return;
    this.#now = read;
    log.info({ rule: rule.id, version: rule.version }, 'people meet by another rule');
  }
}
