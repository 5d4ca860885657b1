/** I6: when it is quiet, every civilian is shown exactly the officers who share: no ghost, and nobody missing. */
import { type Checker, findings } from '../evidence.ts';
import type { AreaRecord } from '../history.ts';

export const presence: Checker = ({ history }) => {
  const { found, fail } = findings('I6');
  const sharing = new Map<string, boolean>();
  const shown = new Map<string, Map<string, AreaRecord>>();
  for (const one of history.records) {
    if (one.type === 'share') sharing.set(one.who, one.on);
    else if (one.type === 'area') {
      const areas = shown.get(one.who) ?? new Map<string, AreaRecord>();
      shown.set(one.who, areas.set(one.cell, one));
    }
  }
  const truth = new Set([...sharing].flatMap(([who, on]) => (on ? who : [])));
  for (const { userId, kind } of history.people) {
    if (kind !== 'civilian') continue;
    const view = new Set([...(shown.get(userId)?.values() ?? [])].flatMap(one => one.officers));
    for (const officer of view)
      if (!truth.has(officer)) fail('ghost', `${userId} is shown ${officer}, who does not share`);
    for (const officer of truth)
      if (!view.has(officer)) fail('missing', `${userId} is not shown ${officer}, who shares`);
  }
  return found;
};
