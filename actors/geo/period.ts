/**
 * How often a phone reports its position: often where a meeting is possible, seldom where not.
 *
 * The period is visible to the phone, so it must not tell what the person may not know.
 * - An officer gets one fixed period while he shares: a period that changed with civilians would find them
 *   (DOMAIN rule 6).
 * - A civilian's period depends on two things he already sees: whether officers share in a cell in reach, and his own
 *   instant match switch. With classes of distance (300 m, 25 m) someone who sends invented positions could walk the
 *   edge of each class and find the officer to a few metres (DOMAIN rule 5).
 *
 * Ten seconds, not fifteen, where a dwell may run: two fixes count together when taken at most 15 s apart, and two
 * phones that report every 15 s with a second of jitter would miss that again and again.
 */
import type { Role } from '../messages/region.ts';
import { REPORT_PERIOD_S } from './limits.ts';

/** Seconds to the next report. `officersInReach`: an area list of this person is not empty. */
export function reportPeriodS(role: Role, instant: boolean, officersInReach: boolean): number {
  if (role === 'officer') return REPORT_PERIOD_S.officer;
  if (!officersInReach) return REPORT_PERIOD_S.alone;
  return instant ? REPORT_PERIOD_S.instant : REPORT_PERIOD_S.area;
}
