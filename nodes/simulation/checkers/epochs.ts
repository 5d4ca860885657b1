/** Committed epochs never interleave: once an epoch of a shard is minted, nothing of an older one is applied. */
import type { CommitEntry, EntryOutcome } from '../../ports.ts';
import type { Judge } from './judge.ts';

export class Epochs {
  readonly #judge: Judge;
  readonly #minted = new Map<number, { epoch: number; by: string }>();
  staleRefused = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  minted(by: string, shard: number, epoch: number): void {
    const before = this.#minted.get(shard);
    if (before && epoch <= before.epoch) {
      this.#judge.fail('epochs never interleave', `shard ${shard}: ${epoch} minted after ${before.epoch}`);
    }
    this.#minted.set(shard, { epoch, by });
  }

  committed(by: string, { shard, epoch, op }: CommitEntry, outcome: EntryOutcome): void {
    if (outcome.code === 'stale_epoch') {
      this.staleRefused++;
      return;
    }
    const current = this.#minted.get(shard);
    if (outcome.code !== 'created' || current?.epoch === epoch) return;
    this.#judge.fail(
      'epochs never interleave',
      `${by} wrote ${op.type} ${op.id} into shard ${shard} with epoch ${epoch}, ` +
        `but ${current?.by} had minted ${current?.epoch}`,
    );
  }
}
