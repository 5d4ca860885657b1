/**
 * Where somebody is who shows a code or scans one, as far as it is shared: what the relay gate compares, and the coarse cell
 * that the encounter gets.
 */
import { distanceM } from '../geo/distance.ts';
import { regionId } from '../geo/grid.ts';
import type { Fences } from '../geo/places/fence.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { Fix } from '../messages/user.ts';
import type { MeetRules } from '../rules.ts';
import { hubCell, hubFix } from './hub.ts';
import { isSharing, modeNow, type Said, type UserState } from './state.ts';

const sharedFix = (state: UserState, nowMs: number): Fix | null => {
  if (!isSharing(state, nowMs) || !state.track) return null;
  const { latE7, lngE7, accuracyDm, takenAtMs } = state.track.fix;
  return { latE7, lngE7, accuracyDm, takenAtMs };
};

/** Where a code of this person is shown or scanned, as far as it is known: where he shares, or at the hub. */
export const whereNow = (state: UserState, fences: Fences, nowMs: number): Fix | null =>
  hubFix(state, fences, nowMs) ?? sharedFix(state, nowMs);

/**
 * A code that was photographed and sent on is scanned somewhere else. Where both share a position of about that moment, the two
 * must agree; where one does not, or has none of that minute, or one that could be anywhere, nothing can be said. (Believed, a
 * phone that says how bad its fix is would choose the radius within which a code is taken: it would find the officer.)
 */
export function positionsSay(mine: Fix | null, theirs: Fix | null, rules: MeetRules, atMs: number): Said {
  const fresh = (fix: Fix): boolean => Math.abs(atMs - fix.takenAtMs) <= rules.relayFixAgeS * 1_000;
  const sharp = (fix: Fix): boolean => fix.accuracyDm <= rules.proximity.keepAccuracyM * 10;
  if (!mine || !theirs || !fresh(mine) || !fresh(theirs) || !sharp(mine) || !sharp(theirs)) return null;
  const apartM = distanceM(mine.latE7, mine.lngE7, theirs.latE7, theirs.lngE7);
  const wideM = (fix: Fix): number => fix.accuracyDm / 10 + (fix.hubM ?? 0);
  const reachM = rules.relayReachM + wideM(mine) + wideM(theirs);
  return apartM > reachM ? 'apart' : 'together';
}

/** Whether nothing but the scan of this person's code says that the two stand together: an officer who scans has looked. */
export const isUnvouched = ({ me }: UserState, said: Said): boolean => me.kind === 'officer' && said === null;

/**
 * Id of the coarse cell in which the person is, or was then, as far as what is shared now says; never anything finer. Null: nothing
 * is shared, or nothing of about that time.
 */
export function cellAt(state: UserState, fences: Fences, nowMs: number, atMs = nowMs): string | null {
  const isAbout = (ms: number): boolean => Math.abs(atMs - ms) <= ACTOR_LIMITS.meetFixMs;
  const hub = isAbout(nowMs) ? hubCell(state, fences, nowMs) : null;
  if (hub !== null) return hub;
  const { track, coarse } = state;
  const mode = modeNow(state, nowMs);
  if (mode === 'precise' && track && isAbout(track.fix.takenAtMs)) return track.route.coarse;
  return mode === 'coarse' && coarse && isAbout(coarse.takenAtMs) ? regionId(coarse.cell) : null;
}
