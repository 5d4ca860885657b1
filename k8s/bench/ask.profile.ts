/**
 * One of the two processes of the `ask` benchmark: worker 0 asks, worker 1 answers. Both have the real runtime, router
 * and NATS bus, and a map of shards that does not change; beside it a plain NATS client for the raw figure.
 */
import { connect, type NatsConnection } from 'nats';
import type { Address, Behaviour } from '../../actors/turn.ts';
import { systemClock, systemScheduler } from '../../infra/clock.ts';
import { openNats } from '../../infra/nats/index.ts';
import { clientOptions } from '../../infra/nats/options.ts';
import { systemRandom } from '../../infra/random.ts';
import { createMetrics } from '../../infra/telemetry/index.ts';
import { ActorSystem } from '../../nodes/actorSystem.ts';
import { soleOwner } from '../../nodes/memory/soleOwner.ts';
import type { Coordinator } from '../../nodes/ports.ts';
import { encodeBody } from '../../nodes/routing/body.ts';
import { Router } from '../../nodes/routing/router.ts';
import { ok } from '../../protocol/errors.ts';
import { Histogram } from '../swarm/histogram.ts';
import type { Job } from '../swarm/worker.ts';
import { ACTORS, ANSWER, QUESTION, RAW_SUBJECT } from './askPayload.ts';

export interface AskArgs {
  readonly url: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly inFlight: number;
}

/** Medians of the rounds. */
export interface AskResult {
  readonly asksPerS: number;
  readonly rawPerS: number;
  readonly ratio: number;
  readonly p50Ms: number;
  readonly rawP50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

const REFS = ['n1.1111111111111111', 'n2.2222222222222222'] as const;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const WARM_MS = 1_000;

/** Node 2 owns every shard, for ever. */
function fixedMap(index: number): Coordinator {
  const owner = { node: REFS[1], epoch: 1 };
  return { ...soleOwner(REFS[index], () => (index === 1 ? 1 : null)), ownerOf: () => owner };
}

const answering: Behaviour<null, { readonly type: 'balance' }> = {
  kind: 'user',
  hydrate: () => null,
  create: () => ok(null),
  receive: (state, _message, turn) => {
    turn.reply(ok(ANSWER));
    return state;
  },
  idleMs: () => false,
};

/** Keeps `inFlight` of them under way for so long; how many were answered per second. */
type Once = (answered: (well: boolean) => void) => void;

async function measure(once: Once, inFlight: number, ms: number, latency?: Histogram) {
  let done = 0;
  let failed = 0;
  let open = 0;
  const began = performance.now();
  const until = began + ms;
  await new Promise<void>(resolve => {
    const next = (): void => {
      const sent = performance.now();
      open++;
      once(well => {
        const now = performance.now();
        open--;
        if (well) done++;
        else failed++;
        latency?.record(now - sent);
        if (now < until) next();
        else if (open === 0) resolve();
      });
    };
    for (let i = 0; i < inFlight; i++) next();
  });
  return { perS: (done * 1_000) / (performance.now() - began), failed };
}

const median = (values: readonly number[]): number =>
  [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)]!;

async function compare(ask: Once, raw: Once, { rounds, seconds, inFlight }: AskArgs): Promise<AskResult> {
  const ms = seconds * 1_000;
  for (const once of [raw, ask, raw, ask]) await measure(once, inFlight, WARM_MS);
  const perS = { ask: [] as number[], raw: [] as number[] };
  const p50 = { ask: [] as number[], raw: [] as number[] };
  const slow = new Histogram();
  let failed = 0;
  // turn by turn, so that whatever else the machine does hits both
  for (let round = 0; round < rounds; round++) {
    perS.raw.push((await measure(raw, inFlight, ms)).perS);
    const many = await measure(ask, inFlight, ms, slow);
    perS.ask.push(many.perS);
    failed += many.failed;
    const one = { ask: new Histogram(), raw: new Histogram() };
    await measure(raw, 1, ms / 2, one.raw);
    failed += (await measure(ask, 1, ms / 2, one.ask)).failed;
    p50.raw.push(one.raw.percentileMs(50));
    p50.ask.push(one.ask.percentileMs(50));
  }
  return {
    asksPerS: median(perS.ask),
    rawPerS: median(perS.raw),
    ratio: median(perS.ask.map((value, i) => value / perS.raw[i]!)),
    p50Ms: median(p50.ask),
    rawP50Ms: median(p50.raw),
    p99Ms: slow.percentileMs(99),
    failed,
  };
}

function rawClient(client: NatsConnection): Once {
  const bytes = encodeBody(QUESTION).view().slice();
  return answered => {
    client.request(RAW_SUBJECT, bytes, { timeout: 5_000 }).then(
      () => answered(true),
      () => answered(false),
    );
  };
}

export async function run({ args, index, barrier }: Job<AskArgs>): Promise<AskResult | null> {
  const nats = await openNats({ url: args.url }, quiet);
  const client = await connect(clientOptions({ url: args.url }, 'raw'));
  const coordinator = fixedMap(index);
  const world = {
    clock: systemClock(),
    scheduler: systemScheduler,
    random: systemRandom(),
    log: quiet,
    metrics: createMetrics(false),
    sink: { push() {}, close() {} },
    coordinator,
    behaviours: {
      user: answering,
      region: answering,
      area: answering,
      pair: answering,
      offer: answering,
      budget: answering,
    },
  };
  const system = new ActorSystem({
    ...world,
    writer: { submit() {} },
    queries: { query: async () => null },
  });
  const { asks, wheel } = system;
  const router = new Router({ ...world, bus: nats.bus, gatewayId: `gw${index}`, inbox: system, asks, wheel });
  system.connect(router);
  if (index === 1) {
    const bytes = encodeBody(ok(ANSWER)).view().slice();
    client.subscribe(RAW_SUBJECT, { callback: (_error, message) => void message.respond(bytes) });
  }
  await client.flush();
  await barrier('listening');
  let result: AskResult | null = null;
  if (index === 0) {
    const to = Array.from({ length: ACTORS }, (_, i): Address => ({ kind: 'user', id: `bench-${i}` }));
    let nth = 0;
    const ask: Once = answered =>
      system.ask(to[nth++ % ACTORS]!, QUESTION, answer => answered(answer.ok), { timeoutMs: 5_000 });
    result = await compare(ask, rawClient(client), args);
  }
  await barrier('measured');
  router.stop();
  system.stop();
  await Promise.all([nats.close(), client.close()]);
  return result;
}
