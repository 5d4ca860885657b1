/** Load of the idle benchmark: phones that are signed in, hold their socket, answer PING and say nothing else. */
import { inParallel } from '../swarm/crowd.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import type { Job } from '../swarm/worker.ts';

export interface IdleArgs {
  readonly url: string;
  readonly people: readonly PhoneIdentity[];
  /** Where this process's phones come from. */
  readonly localAddress: string;
}

export interface IdleResult {
  readonly snapshots: number;
  readonly closed: number;
}

/** The transport's idle timeout is 40 s; a client keeps its socket alive by asking. */
const PING_MS = 25_000;

export const run = async (job: Job<IdleArgs>): Promise<IdleResult> => {
  const { url, people, localAddress } = job.args;
  let snapshots = 0;
  let closed = 0;
  let ending = false;
  const phones = people.map(
    identity =>
      new Phone({
        url,
        identity,
        localAddress,
        onEvent: event => {
          if (event.name === 'snapshot') snapshots++;
        },
        onClose: () => {
          if (!ending) closed++;
        },
      }),
  );
  const open = async (some: readonly Phone[]): Promise<void> => {
    const { failed, first } = await inParallel(some, async phone => {
      await phone.connect();
    });
    if (failed > 0) throw new Error(`${failed} phones did not come up: ${first}`);
  };
  const half = Math.ceil(phones.length / 2);
  await open(phones.slice(0, half));
  await job.barrier('half');
  await open(phones.slice(half));
  // Pings are spread over their period, as those of real phones are.
  let next = 0;
  const tickMs = 100;
  const perTick = Math.ceil((phones.length * tickMs) / PING_MS);
  const pinger = setInterval(() => {
    for (let i = 0; i < perTick; i++) phones[next++ % phones.length]?.ping();
  }, tickMs);
  await job.barrier('connected');
  job.watch.begin();
  await job.barrier('measured');
  clearInterval(pinger);
  ending = true;
  for (const phone of phones) phone.drop();
  return { snapshots, closed };
};
