/**
 * Whether a person is there: one machine for all devices of an account, in the one actor that knows them all.
 *
 * | state | when | shown to others |
 * |---|---|---|
 * | online | a session in the foreground that was heard within a minute | at once |
 * | away | attached, but every session is in the background or silent | after 10 s |
 * | grace | the last session was lost without goodbye; 30 s, a till 10 s | as before |
 * | offline | grace is over, or the last session said goodbye or was revoked | at once |
 *
 * What others are told is an edge of `shown`, with a version that rises. It starts from the town clock in milliseconds, so
 * it rises over kills too: a node that takes over does so seconds later, which is more than clocks differ.
 *
 * An actor that starts after a kill does not know what its former life has told, nor whom. Who was told asks (`peers.ts`):
 * then it gives the person the time of grace to come back, and has an answer afterwards.
 */
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ACTOR_LIMITS } from '../limits.ts';

export const PRESENCE_STATES = ['online', 'away', 'grace', 'offline'] as const;
export type PresenceState = (typeof PRESENCE_STATES)[number];
export const SHOWN_STATES = ['online', 'away', 'offline'] as const;
/** What others see. */
export type Shown = (typeof SHOWN_STATES)[number];

export interface Presence {
  readonly state: PresenceState;
  /** Town milliseconds since when. */
  readonly sinceMs: number;
  readonly shown: Shown;
  /** Of `shown`; 0 before it was ever told. */
  readonly version: number;
  /** Town milliseconds when the person was last online; 0 when this actor does not know. */
  readonly seenMs: number;
}

/** What counts of a session. */
export interface Attending {
  readonly foreground: boolean;
  /** When something of the client's own came last. */
  readonly heardMs: number;
  /** Not before this moment is the session a sign of a person. */
  readonly activeFromMs: number;
}

/** An actor that has just started: nobody was told anything, and nobody is there. */
export const OFFLINE: Presence = { state: 'offline', sinceMs: 0, shown: 'offline', version: 0, seenMs: 0 };

export const graceMsOf = (kind: AccountKind): number =>
  kind === 'merchant' ? ACTOR_LIMITS.tillGraceMs : ACTOR_LIMITS.graceMs;

/** From when to when a session shows a person; never for one in the background. */
const activeUntilMs = (session: Attending): number =>
  session.foreground
    ? session.heardMs + ACTOR_LIMITS.idleMs + ACTOR_LIMITS.heardStepMs
    : Number.NEGATIVE_INFINITY;
const isActive = (session: Attending, nowMs: number): boolean =>
  session.activeFromMs <= nowMs && nowMs < activeUntilMs(session);

function stateOf(
  before: Presence,
  sessions: readonly Attending[],
  graceMs: number,
  nowMs: number,
  isGoodbye: boolean,
): PresenceState {
  if (sessions.length > 0) return sessions.some(session => isActive(session, nowMs)) ? 'online' : 'away';
  if (before.state === 'offline' || isGoodbye) return 'offline';
  return before.state === 'grace' && nowMs - before.sinceMs >= graceMs ? 'offline' : 'grace';
}

function shownIn(before: Presence, state: PresenceState, sinceMs: number, nowMs: number): Shown {
  if (state === 'online' || state === 'offline') return state;
  return state === 'away' && nowMs - sinceMs >= ACTOR_LIMITS.awayShownMs ? 'away' : before.shown;
}

/**
 * How it is now. The same object when nothing changed.
 * @param isGoodbye the last session ended on purpose: there is no grace
 */
export function judge(
  before: Presence,
  sessions: readonly Attending[],
  graceMs: number,
  nowMs: number,
  isGoodbye = false,
): Presence {
  const state = stateOf(before, sessions, graceMs, nowMs, isGoodbye);
  const sinceMs = state === before.state ? before.sinceMs : nowMs;
  const shown = shownIn(before, state, sinceMs, nowMs);
  if (state === before.state && shown === before.shown) return before;
  // an earlier life may have told otherwise
  const isNews = shown !== before.shown || (state === 'offline' && before.version === 0);
  const version = isNews ? Math.max(before.version + 1, nowMs) : before.version;
  const seenMs = state === 'online' || before.state === 'online' ? nowMs : before.seenMs;
  return { state, sinceMs, shown, version, seenMs };
}

/** Somebody asks for whom nobody was told anything yet: the person may be about to come back. */
export const askedAfter = (before: Presence, nowMs: number): Presence =>
  before.version === 0 && before.state === 'offline' ? { ...before, state: 'grace', sinceMs: nowMs } : before;

/** Town milliseconds at which it must be judged again, if nothing happens before; null for never. */
export function dueMs(
  { state, sinceMs, shown }: Presence,
  sessions: readonly Attending[],
  graceMs: number,
  nowMs: number,
): number | null {
  switch (state) {
    case 'online': {
      const active = sessions.filter(session => isActive(session, nowMs));
      return Math.max(nowMs, ...active.map(activeUntilMs));
    }
    case 'away': {
      const shownMs = shown === 'away' ? Number.POSITIVE_INFINITY : sinceMs + ACTOR_LIMITS.awayShownMs;
      const coming = sessions.map(session =>
        session.foreground && session.activeFromMs > nowMs ? session.activeFromMs : Number.POSITIVE_INFINITY,
      );
      const soonestMs = Math.min(shownMs, ...coming);
      return Number.isFinite(soonestMs) ? soonestMs : null;
    }
    case 'grace':
      return sinceMs + graceMs;
    case 'offline':
      return null;
  }
}

/** What others are told. */
export interface PresenceView {
  readonly state: Shown;
  /** Unix minute at which the person was last online; 0 while online, and when it is not known. */
  readonly lastSeenMin: number;
  readonly version: number;
}

export const viewOf = ({ shown, seenMs, version }: Presence): PresenceView => ({
  state: shown,
  lastSeenMin: shown === 'online' ? 0 : Math.floor(seenMs / 60_000),
  version,
});
