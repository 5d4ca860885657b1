/**
 * What the nodes say of themselves while they are being broken: which shards each believes it owns, what the store refused,
 * and how much they hold. Counters of a node that was killed begin at 0 again; here they go on.
 */
import { highestBucket, metricSum } from '../../swarm/metricsPage.ts';
import type { Recorder } from '../history.ts';
import type { ChaosNode, ChaosTarget } from '../target.ts';
import { METRICS_EVERY, SAMPLE_MS } from './limits.ts';

/** A counter over all lives of a node. */
class Counted {
  #before = 0;
  #last = 0;

  read(value: number): void {
    if (value < this.#last) this.#before += this.#last;
    this.#last = value;
  }

  get sum(): number {
    return this.#before + this.#last;
  }
}

interface Seen {
  readonly stale: Counted;
  readonly full: Counted;
  readonly arrived: Counted;
  rssMb: number | null;
  heapMb: number | null;
  outboxDepth: number | null;
  bufferedMax: number | null;
}

interface Claim {
  readonly nodes: readonly string[];
  readonly sinceMs: number;
}

export class Sampler {
  readonly #target: ChaosTarget;
  readonly #recorder: Recorder;
  readonly #seen = new Map<string, Seen>();
  /** Shards that two nodes claim, until they do not. */
  readonly #claims = new Map<number, Claim>();
  #newest: { revision: number; owners: readonly (string | null)[] } = { revision: -1, owners: [] };
  #written = '';
  #timer: NodeJS.Timeout | null = null;
  #round = 0;
  #under: Promise<void> = Promise.resolve();
  #isBusy = false;

  constructor(target: ChaosTarget, recorder: Recorder) {
    this.#target = target;
    this.#recorder = recorder;
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (this.#isBusy) return;
      this.#isBusy = true;
      this.#under = this.#sample().finally(() => {
        this.#isBusy = false;
      });
    }, SAMPLE_MS);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#under;
    this.#round = 0;
    await this.#sample();
    for (const shard of [...this.#claims.keys()]) this.#overlapEnds(shard, this.#target.nowMs());
  }

  async #sample(): Promise<void> {
    const withMetrics = this.#round++ % METRICS_EVERY === 0;
    const claims = new Map<number, string[]>();
    // after a loss of data in NATS revisions begin anew
    this.#newest = { revision: -1, owners: this.#newest.owners };
    const asked = this.#target.nodes.map(async node => {
      const beganMs = this.#target.nowMs();
      const [view, page] = await Promise.all([
        node.isRunning ? node.view() : null,
        withMetrics && node.isRunning ? node.metrics() : null,
      ]);
      const seen = this.#of(node);
      if (page !== null) this.#read(seen, page);
      // an answer that was long under way tells of another moment
      if (view !== null && this.#target.nowMs() - beganMs < SAMPLE_MS) {
        if (view.serving && view.mapRevision >= this.#newest.revision)
          this.#newest = { revision: view.mapRevision, owners: view.owners };
        for (const [shard, owner] of view.owners.entries())
          if (view.serving && owner === node.id) claims.set(shard, [...(claims.get(shard) ?? []), node.id]);
      }
      if (!withMetrics) return;
      this.#recorder.add({
        type: 'sample',
        t_ms: this.#target.nowMs(),
        node: node.id,
        serving: view?.serving ?? null,
        shards: view?.owners.filter(owner => owner === node.id).length ?? null,
        stale_rejected: seen.stale.sum,
        rss_mb: page === null ? null : seen.rssMb,
        heap_mb: page === null ? null : seen.heapMb,
        outbox_depth: page === null ? null : seen.outboxDepth,
        buffered_max: page === null ? null : seen.bufferedMax,
        mailbox_full: seen.full.sum,
        arrived: seen.arrived.sum,
      });
    });
    await Promise.all(asked);
    this.#compare(claims);
    this.#owners();
  }

  #of(node: ChaosNode): Seen {
    const known = this.#seen.get(node.id);
    if (known !== undefined) return known;
    const seen = {
      stale: new Counted(),
      full: new Counted(),
      arrived: new Counted(),
      rssMb: null,
      heapMb: null,
      outboxDepth: null,
      bufferedMax: null,
    };
    this.#seen.set(node.id, seen);
    return seen;
  }

  #read(seen: Seen, page: string): void {
    seen.stale.read(metricSum(page, 'heyblue_commit_result_total', 'code="stale_epoch"'));
    seen.arrived.read(metricSum(page, 'heyblue_actors_arrived_total'));
    seen.full.read(metricSum(page, 'heyblue_mailbox_full_total'));
    seen.rssMb = Math.round(metricSum(page, 'process_resident_memory_bytes') / 1_048_576);
    seen.heapMb = Math.round(metricSum(page, 'nodejs_heap_size_used_bytes') / 1_048_576);
    seen.outboxDepth = metricSum(page, 'heyblue_outbox_depth');
    seen.bufferedMax = highestBucket(page, 'rt_buffered_bytes');
  }

  #compare(claims: ReadonlyMap<number, readonly string[]>): void {
    const nowMs = this.#target.nowMs();
    for (const [shard, nodes] of claims)
      if (nodes.length > 1 && !this.#claims.has(shard)) this.#claims.set(shard, { nodes, sinceMs: nowMs });
    for (const shard of [...this.#claims.keys()])
      if ((claims.get(shard)?.length ?? 0) < 2) this.#overlapEnds(shard, nowMs);
  }

  /** The map of owners, when it has changed. */
  #owners(): void {
    const { owners } = this.#newest;
    if (owners.join() === this.#written) return;
    this.#written = owners.join();
    this.#recorder.add({ type: 'owners', t_ms: this.#target.nowMs(), owners });
  }

  #overlapEnds(shard: number, nowMs: number): void {
    const { nodes, sinceMs } = this.#claims.get(shard)!;
    this.#claims.delete(shard);
    this.#recorder.add({ type: 'overlap', t_ms: sinceMs, shard, nodes, lasted_ms: nowMs - sinceMs });
  }
}
