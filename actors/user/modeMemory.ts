/**
 * How a privacy mode outlives a kill, a move and sleep: one durable timer, whose name says the mode. One that ends by itself is
 * due at its end; the others have no time worth the name. What begins an account needs none: officers are on codes only
 * (DOMAIN rule 5), civilians share.
 *
 * The names are chosen so that a node of a version that knew two states only takes each mode for one that says less.
 */
import { type AccountKind, MODES, type Mode } from '../../protocol/catalogue.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { TimerView } from '../queries.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import type { Hub, UserState } from './state.ts';

/** Of officers, due at the end of the mode. */
const TIMED: Readonly<Partial<Record<Mode, string>>> = { precise: 'share', coarse: 'coarse', hub: 'hub' };
/** Of whoever is in a mode that does not end, other than the first one. */
const HIDDEN = 'hidden';
/** Should several be found, as after a crash between two writes, the one that says least counts. */
const BY_SILENCE = [HIDDEN, 'hub', 'coarse', 'share'];

/** The mode without any memory of one. */
const firstMode = (kind: AccountKind): Mode => (kind === 'civilian' ? 'precise' : 'qr');

/** Name of the timer that remembers the mode; null when nothing must be remembered. */
function timerName(kind: AccountKind, mode: Mode): string | null {
  if (mode === firstMode(kind)) return null;
  return (kind === 'officer' && TIMED[mode]) || HIDDEN;
}

/** How long the mode lasts, milliseconds; 0: until another is chosen. */
const lastsMs = (kind: AccountKind, mode: Mode, { shareS, hubS }: MeetRules): number =>
  kind !== 'officer' || TIMED[mode] === undefined ? 0 : (mode === 'hub' ? hubS : shareS) * 1_000;

/** The timer of a mode, not of a switch or of a scan. */
export const isModeTimer = (name: string): boolean => BY_SILENCE.includes(name);

/** Makes the mode durable in place of the one before; the town time of its end, 0 for none. */
export function rememberMode(
  { me: { kind }, mode: before }: UserState,
  mode: Mode,
  hub: Hub | null,
  rules: MeetRules,
  turn: Turn,
): number {
  const [old, name] = [timerName(kind, before), timerName(kind, mode)];
  if (old !== null && old !== name) turn.cancelDurableTimer(old);
  if (name === null) return 0;
  const forMs = lastsMs(kind, mode, rules);
  const dueAtMs = turn.durableTimer(name, forMs || ACTOR_LIMITS.switchMs, { mode, ...hub });
  return forMs === 0 ? 0 : dueAtMs;
}

/** What an actor that starts anew finds. A timer of an older version says nothing but its name. */
export function rememberedMode(
  kind: AccountKind,
  timers: readonly TimerView[],
): Pick<UserState, 'mode' | 'modeUntilMs' | 'hub'> {
  const timer = BY_SILENCE.map(name => timers.find(one => one.name === name)).find(one => one !== undefined);
  const first = { mode: firstMode(kind), modeUntilMs: 0, hub: null };
  if (timer === undefined) return first;
  const said = (timer.message ?? {}) as { mode?: unknown; placeId?: unknown; name?: unknown; area?: unknown };
  if (timer.name === HIDDEN) {
    const mode = MODES.find(one => one === said.mode);
    return { ...first, mode: mode === undefined || mode === 'hub' ? 'qr' : mode };
  }
  if (kind !== 'officer') return first;
  const modeUntilMs = timer.dueAtMs;
  if (timer.name !== 'hub') {
    return { mode: timer.name === 'coarse' ? 'coarse' : 'precise', modeUntilMs, hub: null };
  }
  const { placeId, name, area } = said;
  if (typeof placeId !== 'string' || typeof name !== 'string') return first;
  return { mode: 'hub', modeUntilMs, hub: { placeId, name, area: typeof area === 'string' ? area : null } };
}
