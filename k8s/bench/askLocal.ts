/**
 * What a turn costs: actors of one node that pass messages round, with the clock, scheduler and metrics of production.
 * Nothing but the runtime is in the way, so the figure is the price of mailbox, slice, turn and delivery together.
 */
import type { Address, Behaviour } from '../../actors/turn.ts';
import { systemClock, systemScheduler } from '../../infra/clock.ts';
import { systemRandom } from '../../infra/random.ts';
import { createMetrics } from '../../infra/telemetry/index.ts';
import { ActorSystem } from '../../nodes/actorSystem.ts';
import { soleOwner } from '../../nodes/memory/soleOwner.ts';
import { ok } from '../../protocol/errors.ts';

interface Passed {
  readonly type: 'pass';
  readonly left: number;
}

const ACTORS = 1_000;
/** Messages on their way at any time: some actors have one waiting, most have none. */
const MESSAGES = 256;

/** Everyone knows the next one; a message goes round until it has no turns left. */
const ring: Behaviour<Address, Passed> = {
  kind: 'user',
  hydrate: () => null,
  create: id => ok({ kind: 'user', id: String((Number(id) * 7 + 1) % ACTORS) }),
  receive: (next, message, turn) => {
    if (message.type === 'pass' && message.left > 0)
      turn.tell(next, { type: 'pass', left: message.left - 1 });
    return next;
  },
  idleMs: () => 60_000,
};

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Turns of local actors per second on one core. */
export async function localTurnsPerS(seconds: number): Promise<number> {
  const system = new ActorSystem({
    behaviours: { user: ring, region: ring, area: ring, pair: ring, offer: ring, budget: ring },
    coordinator: soleOwner(),
    writer: { submit: () => {} },
    queries: { query: async () => null },
    sink: { push: () => {}, close: () => {} },
    clock: systemClock(),
    scheduler: systemScheduler,
    random: systemRandom(),
    log: quiet,
    metrics: createMetrics(false),
  });
  const pass = (left: number): void => {
    for (let i = 0; i < MESSAGES; i++)
      system.tell({ kind: 'user', id: String((i * 31) % ACTORS) }, { type: 'pass', left } satisfies Passed);
  };
  pass(2_000);
  while (system.stats.turns < MESSAGES * 2_000) await new Promise(resolve => setTimeout(resolve, 5));
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const before = system.stats.turns;
    const began = performance.now();
    const left = 4_000 * seconds;
    pass(left);
    while (system.stats.turns < before + MESSAGES * left)
      await new Promise(resolve => setTimeout(resolve, 2));
    best = Math.max(best, ((system.stats.turns - before) * 1_000) / (performance.now() - began));
  }
  system.stop();
  return best;
}

if (import.meta.main ?? process.argv[1]?.endsWith('/askLocal.ts')) {
  console.log(Math.round(await localTurnsPerS(Number(process.argv[2] ?? 1))));
}
