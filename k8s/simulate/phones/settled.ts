/**
 * When it is quiet (b, c, e): what the devices know is what the ledger knows, a fresh snapshot changes nothing, and the
 * devices of one person are at one place.
 */
import type { Truth } from '../../../nodes/simulation/checkers/truth.ts';
import type { App } from './app.ts';
import type { Invariants } from './invariants.ts';

const STATE = 'b: state of every device is that of the actor';

export const judgeBalances = (apps: readonly App[], truth: Truth, invariants: Invariants): void => {
  for (const [key, made] of truth.byKey) {
    if (made.length > 1)
      invariants.fail('c: a key takes effect once', `${key} moved points ${made.length} times`);
  }
  for (const app of apps) {
    const { balance, version } = truth.balanceOf(app.person.id);
    const { disk } = app;
    if (disk.balance === balance && disk.version === version) continue;
    const words = `${app.nick} knows ${disk.balance} (v${disk.version}), the ledger ${balance} (v${version})`;
    invariants.fail(STATE, words);
  }
};

/** What each app knows, in words. */
export const statesOf = (apps: readonly App[]): string[] =>
  apps.map(({ disk: { epoch, offset, balance, version, encounters } }) =>
    JSON.stringify({ epoch, offset, balance, version, encounters }),
  );

/** @param before `statesOf` before everybody asked for the whole state again and got it */
export const judgeStates = (
  apps: readonly App[],
  before: readonly string[],
  invariants: Invariants,
): void => {
  for (const [at, now] of statesOf(apps).entries()) {
    if (now !== before[at]) invariants.fail(STATE, `${apps[at]!.nick} knew ${before[at]}, its actor ${now}`);
  }
  for (const devices of Map.groupBy(apps, app => app.person.id).values()) {
    const places = new Set(devices.map(({ disk }) => `${disk.epoch} ${disk.offset}`));
    if (places.size > 1)
      invariants.fail(STATE, `the devices of ${devices[0]!.person.nick} are at different places`);
  }
};
