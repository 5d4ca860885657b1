/**
 * I7: encounters and redemptions go through their states in order, end once, and both sides are told what is stored: the
 * officer his points and the civilian hers, the customer and the till the same end.
 */
import { type Checker, findings } from '../evidence.ts';
import { eventsOf } from '../history.ts';

/** What may follow what; a phone that was told its whole state anew may have missed some of it. */
const NEXT: Readonly<Record<string, readonly string[]>> = {
  '': ['reserved', 'confirmed', 'cancelled', 'expired', 'refunded'],
  reserved: ['confirmed', 'cancelled', 'expired'],
  confirmed: ['refunded'],
  refunded: ['refunded'],
  cancelled: [],
  expired: [],
};

export const meetings: Checker = ({ history, state }) => {
  const { found, fail } = findings('I7');
  const events = eventsOf(history);
  const encounters = new Map(state.encounters.map(one => [one.id, one]));
  for (const { name, who, about, points } of events) {
    if (name !== 'encounter.completed') continue;
    const row = encounters.get(about[0]!);
    if (row === undefined) fail('disagree', `${who} was told of encounter ${about[0]}, which is not stored`);
    else if (who !== row.officer && who !== row.civilian)
      fail('disagree', `${who} was told of encounter ${row.id} of others`);
    else if (points !== (who === row.officer ? row.officerPoints : row.civilianPoints))
      fail('disagree', `${who} was told of ${points} points for encounter ${row.id}`);
  }

  const redemptions = new Map(state.redemptions.map(one => [one.id, one]));
  const told = events.filter(one => one.name === 'redemption.changed' || one.name === 'till.redemption');
  for (const [what, list] of Map.groupBy(told, one => `${one.who} ${one.about[0]}`)) {
    let before = '';
    const seen = new Set<string>();
    for (const { state: now, event_id } of list) {
      // the same event under its offset again: the checker of order says what there is to say
      if (seen.has(event_id)) continue;
      seen.add(event_id);
      const isTill = list[0]!.name === 'till.redemption';
      // a till is told again of what it is told already when it is opened anew
      if (isTill && now === before) continue;
      if (!NEXT[before]?.includes(now!)) fail('illegal', `${what} went from ${before} to ${now}`);
      before = now!;
    }
    const row = redemptions.get(list[0]!.about[0]!);
    if (row === undefined) {
      fail('disagree', `${what} is not stored`);
      continue;
    }
    const ends: readonly string[] = row.refundedPoints > 0 ? ['refunded', 'confirmed'] : [row.state];
    const isAnew = list[0]!.name === 'till.redemption' || row.state === 'reserved';
    if (!isAnew && !ends.includes(before))
      fail('disagree', `${what} shows ${before}, stored is ${row.state}`);
  }
  return found;
};
