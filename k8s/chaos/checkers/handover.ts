/**
 * I4, for nodes that are told to end: they send their phones away before they go, each with the word where to and when. A
 * phone whose socket just ends was not handed over.
 */
import { type Checker, findings, spellsOf } from '../evidence.ts';

/** Row of the catalogue: several nodes are told to end at once. */
const DRAINS = /^17/;
/** Of the phones of such a node, so many may miss the word: those that came or went at that very moment. */
const UNTOLD_SHARE_MAX = 0.1;
const PHONES_MIN = 10;

export const handover: Checker = ({ history, timeline }) => {
  const { found, fail } = findings('I4');
  const turns = history.records.filter(
    one => one.type === 'welcome' || one.type === 'goaway' || one.type === 'lost',
  );
  const byPhone = Map.groupBy(turns, one => one.who);
  for (const { targets, fromMs, toMs } of spellsOf(timeline).filter(one => DRAINS.test(one.row))) {
    let lost = 0;
    let untold = 0;
    for (const list of byPhone.values()) {
      let node = '';
      let isTold = false;
      for (const turn of list) {
        if (turn.type === 'welcome') {
          node = turn.node;
          isTold = false;
        } else if (turn.type === 'goaway') isTold = true;
        else if (targets.includes(node) && turn.t_ms >= fromMs && turn.t_ms <= toMs) {
          lost++;
          if (!isTold) untold++;
        }
      }
    }
    if (lost >= PHONES_MIN && untold > lost * UNTOLD_SHARE_MAX)
      fail(
        'not handed over',
        `${untold} of ${lost} phones of ${targets} were cut off without a word at ${fromMs} ms`,
      );
  }
  return found;
};
