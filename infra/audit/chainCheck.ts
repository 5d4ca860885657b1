/** Are the days that were sealed still what they were? Roots are taken again from the transfers. */
import { Finds } from './report.ts';
import {
  beginDay,
  dayAfter,
  GENESIS,
  hashOn,
  SEALED_TRANSFERS,
  type SealedTransfer,
  startOf,
} from './sealing.ts';
import type { Snapshot } from './snapshot.ts';

interface Seal {
  readonly day: string;
  readonly previous: Buffer;
  readonly root: Buffer;
  readonly transfers: string;
}

/** @param nth only the sealed day of this number is taken again, counted round and round; undefined: every one */
export const checkChain = async (
  snapshot: Snapshot,
  nth: number | undefined,
  say: (line: string) => void,
): Promise<{ looked: number; finds: Finds } | { skipped: string }> => {
  if (!(await snapshot.has('ledger.day_seal'))) return { skipped: 'there is no ledger.day_seal' };
  const finds = new Finds();
  const seals = await snapshot.rows<Seal>(
    `select day::text, previous, root, transfers::text from ledger.day_seal where sealed_at is not null order by day`,
  );
  let looked = 0;
  let before: Seal | null = null;
  for (const [place, seal] of seals.entries()) {
    if (before !== null && seal.day !== dayAfter(before.day)) {
      finds.add(seal.day, `follows ${before.day}: the days between were not sealed`);
    }
    if (!seal.previous.equals(before?.root ?? GENESIS)) {
      finds.add(seal.day, `was sealed onto another root than that of ${before?.day ?? 'the beginning'}`);
    }
    before = seal;
    if (nth !== undefined && place !== nth % seals.length) continue;
    let root = beginDay(seal.previous, seal.day);
    let transfers = 0;
    const range = [startOf(seal.day), startOf(dayAfter(seal.day)), null, null];
    for await (const page of snapshot.pages<SealedTransfer>(SEALED_TRANSFERS, range)) {
      for (const transfer of page) root = hashOn(root, transfer);
      transfers += page.length;
      say(`chain ${seal.day}: ${transfers} transfers`);
    }
    looked += transfers;
    if (BigInt(transfers) !== BigInt(seal.transfers)) {
      finds.add(seal.day, `was sealed with ${seal.transfers} transfers and has ${transfers}`);
    } else if (!root.equals(seal.root)) {
      finds.add(seal.day, `was sealed as ${seal.root.toString('hex')} and is ${root.toString('hex')} now`);
    }
  }
  const [first] = seals;
  if (first !== undefined) {
    const earlier = await snapshot.rows<{ id: string }>(
      'select id from ledger.transfer where at < $1::timestamptz limit 100',
      [startOf(first.day)],
    );
    for (const { id } of earlier) finds.add(id, `is older than the first day that was sealed, ${first.day}`);
  }
  return { looked, finds };
};
