/**
 * I5: what a phone is given comes in order and once: within a lineage offsets rise, and no event and no encounter is told a
 * second time. While messages between nodes are being doubled and replayed on purpose, a repeat is passed over, as apps do;
 * one that is given under a new offset is not.
 */
import { type Checker, findings, spellsOf } from '../evidence.ts';
import { type EventRecord, eventsOf } from '../history.ts';

/** Rows of the catalogue that say real messages again. */
const REPLAYS = /^(9|13)/;

export const order: Checker = ({ history, timeline }) => {
  const { found, fail } = findings('I5');
  const isReplayed = spellsOf(timeline).some(one => REPLAYS.test(one.row));
  for (const [who, events] of Map.groupBy(eventsOf(history), one => one.who)) {
    const newest = new Map<string, number>();
    const seen = new Map<string, EventRecord>();
    const told = new Map<string, EventRecord>();
    for (const event of events) {
      const { name, epoch, offset, event_id, t_ms } = event;
      if (name === 'snapshot') {
        newest.set(epoch, offset);
        continue;
      }
      const before = seen.get(event_id);
      const isRepeat = before?.epoch === epoch && before.offset === offset;
      if (isRepeat && isReplayed) continue;
      if (before !== undefined)
        fail('order', `${who} got event ${event_id} at ${before.t_ms} ms and again at ${t_ms} ms`);
      else if (offset <= (newest.get(epoch) ?? -1))
        fail('order', `${who} got offset ${offset} after ${newest.get(epoch)} at ${t_ms} ms`);
      seen.set(event_id, event);
      newest.set(epoch, Math.max(offset, newest.get(epoch) ?? 0));
      if (name !== 'encounter.completed') continue;
      const [encounter] = event.about;
      if (before === undefined && told.has(encounter!))
        fail('order', `${who} was told of encounter ${encounter} twice`);
      told.set(encounter!, event);
    }
  }
  return found;
};
