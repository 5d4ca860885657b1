/**
 * I4, for nodes that are told to end: they send their phones away before they go, each with the word where to and when, and
 * whoever takes over has everything in memory. A phone whose socket just ends, or ends before it went by itself, was not handed
 * over; nor were all of them when most had to wait until somebody dared to take over, or when nothing of what was in memory
 * came to those that stay.
 */
import { type Checker, findings, quantile, spellsOf } from '../evidence.ts';
import type { HistoryRecord } from '../history.ts';

/** Row of the catalogue: several nodes are told to end at once. */
const DRAINS = /^17/;
/** Of the phones of such a node, so many may miss the word: those that came or went at that very moment. */
const CUT_SHARE_MAX = 0.1;
const PHONES_MIN = 10;
/** The node closed the socket, for a restart. */
const CLOSED_BY_NODE = 1_012;
/**
 * Half of the phones are back sooner. Handed over they are within 0.4 s on a machine with far too much to do; without that they
 * wait for 2 s and more until the shards of a node that is gone are taken.
 */
const BACK_MS_MAX = 1_500;

export const handover: Checker = ({ history, timeline }) => {
  const { found, fail } = findings('I4');
  const turns = history.records.filter(
    one => one.type === 'welcome' || one.type === 'goaway' || one.type === 'lost',
  );
  const byPhone = Map.groupBy(turns, one => one.who);
  for (const { targets, fromMs, toMs } of spellsOf(timeline).filter(one => DRAINS.test(one.row))) {
    let lost = 0;
    let cut = 0;
    const backMs: number[] = [];
    for (const list of byPhone.values()) {
      const last = list.findLastIndex(turn => turn.t_ms < fromMs);
      const before = list[last];
      if (before?.type !== 'welcome' || !targets.includes(before.node)) continue;
      // what the phone goes through later it owes to other nodes
      const end = list.findIndex((turn, i) => i > last && turn.type === 'lost');
      const ending = list[end];
      if (ending?.type !== 'lost' || ending.t_ms > toMs) continue;
      const isTold = list.slice(last, end).some(turn => turn.type === 'goaway');
      lost++;
      if (!isTold || ending.code === CLOSED_BY_NODE) cut++;
      const back = list[end + 1];
      if (back?.type === 'welcome') backMs.push(back.t_ms - ending.t_ms);
    }
    if (lost < PHONES_MIN) continue;
    if (cut > lost * CUT_SHARE_MAX)
      fail(
        'not handed over',
        `${cut} of ${lost} phones of ${targets} were cut off, without a word or before their time, at ${fromMs} ms`,
      );
    const median = quantile(backMs, 0.5);
    if (arrivedAt(history.records, targets, fromMs, toMs) === 0)
      fail('not handed over', `nothing of the memory of ${targets} came to the others, at ${fromMs} ms`);
    if (median !== null && median > BACK_MS_MAX)
      fail(
        'not handed over',
        `half of the ${lost} phones of ${targets} were back only after ${Math.round(median)} ms and more, at ${fromMs} ms`,
      );
  }
  return found;
};

/** Actors that came to the nodes that stay while the others ended; null: they were not asked before and after. */
function arrivedAt(
  records: readonly HistoryRecord[],
  ended: readonly string[],
  fromMs: number,
  toMs: number,
): number | null {
  let arrived: number | null = null;
  const samples = records.filter(one => one.type === 'sample').filter(one => !ended.includes(one.node));
  for (const list of Map.groupBy(samples, one => one.node).values()) {
    const before = list.findLast(one => one.t_ms < fromMs);
    const after = list.find(one => one.t_ms > toMs);
    if (before && after) arrived = (arrived ?? 0) + after.arrived - before.arrived;
  }
  return arrived;
}
