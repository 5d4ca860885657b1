/**
 * Every life of a thing a tenth as long as it is, so that in twenty minutes everything that is made is also forgotten many
 * times. Times that are settings are set. Times that are constants are patched in the source while the node loads it (as
 * the mutants of the simulation are): no node that serves people can be told to do that. The rest is named, with its reason.
 */
import { applyMutant } from '../simulate/mutate.ts';

export type Aged =
  | { readonly what: string; readonly by: 'setting'; readonly name: string; readonly value: string }
  | {
      readonly what: string;
      readonly by: 'patch';
      readonly file: string;
      readonly find: string;
      readonly replace: string;
    }
  | { readonly what: string; readonly by: 'nothing'; readonly why: string };

const ACTORS = 'actors/limits.ts';
const GATEWAY = 'gateway/limits.ts';
const NODES = 'nodes/limits.ts';

const set = (what: string, name: string, value: string): Aged => ({ what, by: 'setting', name, value });
const patch = (what: string, file: string, find: string, replace: string): Aged => ({
  what,
  by: 'patch',
  file,
  find,
  replace,
});
const never = (what: string, why: string): Aged => ({ what, by: 'nothing', why });

export const AGED: readonly Aged[] = [
  set('access tokens, and with them renewals in the socket', 'HEYBLUE_ACCESS_TOKEN_TTL_S', '90'),
  set('sharing of officers', 'HEYBLUE_SHARE_MINUTES', '1.5'),
  set('cooldown of a pair', 'HEYBLUE_COOLDOWN_H', '2.4'),
  set('uploaded scans', 'HEYBLUE_SCAN_SETTLE_H', '7.2'),
  set('what is set aside for a redemption', 'HEYBLUE_REDEEM_S', '60'),
  set('the window of hot regions', 'HEYBLUE_HOT_REGION_WINDOW_S', '3'),
  set('the pause between two audits', 'HEYBLUE_AUDIT_MINUTES', '6'),
  patch('events that a phone may have missed', ACTORS, 'ringMs: 5 * 60_000', 'ringMs: 30_000'),
  patch('scans that are remembered', ACTORS, 'scanMs: 120_000', 'scanMs: 12_000'),
  patch('grace after the last socket', ACTORS, '\n  graceMs: 30_000', '\n  graceMs: 3_000'),
  patch('grace of tills', ACTORS, 'tillGraceMs: 10_000', 'tillGraceMs: 1_000'),
  patch('phones nobody looks at', ACTORS, '\n  idleMs: 60_000', '\n  idleMs: 6_000'),
  patch('users without a socket leave memory', ACTORS, 'userIdleMs: 90_000', 'userIdleMs: 9_000'),
  patch('pairs leave memory', ACTORS, 'pairIdleMs: 10_000', 'pairIdleMs: 1_000'),
  patch('offers leave memory', ACTORS, 'offerIdleMs: 60_000', 'offerIdleMs: 6_000'),
  patch('age of a session', GATEWAY, '\n  ageMs: 3_600_000', '\n  ageMs: 360_000'),
  patch('pruning of revocations', GATEWAY, 'revocationPruneMs: 60_000', 'revocationPruneMs: 6_000'),
  patch(
    'answers to idempotency keys at REST',
    GATEWAY,
    'idempotencyMs: 86_400_000',
    'idempotencyMs: 8_640_000',
  ),
  patch('stored answers', NODES, '\n  keepMs: 86_400_000', '\n  keepMs: 8_640_000'),
  patch('stored events', NODES, '\n  keepMs: 15 * 60_000', '\n  keepMs: 90_000'),
  patch('records of nodes that left', NODES, 'forgetMs: 3_600_000', 'forgetMs: 360_000'),
  patch(
    'the window of durable timers',
    NODES,
    'windowMs: 60_000,\n  /** The window is loaded',
    'windowMs: 6_000,\n  /** The window is loaded',
  ),
  patch('and its loading ahead', NODES, 'loadMs: 30_000', 'loadMs: 3_000'),
  never(
    'leases of nodes (4 s) and their evictions',
    'a tenth of a second of them is a pause for a collection: what is looked for here is what stays, not who takes over',
  ),
  never('silence of a socket (40 s)', 'the transport takes 8 s at the least, and counts in steps of 4 s'),
  never('codes of phones (15 s steps, 45 s)', 'part of the protocol: both ends would have to agree'),
  never('keys of tokens and codes', 'turned by `npm run keys`, not by time'),
  never('waits for answers, retries, flushes', 'not lives but patience: shorter ones fail instead of ageing'),
];

/** Environment of a node whose times are a tenth. */
export const agedSettings = (): Record<string, string> =>
  Object.fromEntries(AGED.flatMap(one => (one.by === 'setting' ? [[one.name, one.value]] : [])));

/** Patches what this process loads from now on; throws when a text that is to be patched is not there exactly once. */
export const ageSources = (): void => {
  const patches = AGED.filter(one => one.by === 'patch');
  applyMutant({ name: 'ageing', removes: 'nine tenths of every life', patches, profile: 'calm' });
};
