/** A node and one of its servers lose each other: packets vanish, both ways or one, or connections are reset. */
import type { Fault } from '../fault.ts';
import type { Link, Mode, Way } from '../target.ts';

const MS_MIN = 3_000;
const MS_MAX = 15_000;

const partition = (name: string, link: Link, way: Way, mode: Mode): Fault => ({
  name,
  row: link === 'nats' ? '3a' : '3b',
  weight: 1,
  reach: 'node',
  needs: ['partition'],
  run: async ({ target, random, victim, lasts, hit, counted }) => {
    const node = victim();
    if (node === null) return;
    hit(target.partition(node, link, way, mode));
    await lasts(random.between(MS_MIN, MS_MAX));
    counted(await target.heal(node, link));
  },
});

export const PARTITIONS: readonly Fault[] = [
  partition('partition', 'nats', 'both', 'drop'),
  partition('partition-deaf', 'nats', 'toNode', 'drop'),
  partition('partition-mute', 'nats', 'toServer', 'drop'),
  partition('partition-reset', 'nats', 'both', 'reset'),
  partition('partition-postgres', 'postgres', 'both', 'drop'),
  partition('partition-postgres-mute', 'postgres', 'toNode', 'drop'),
  partition('partition-postgres-reset', 'postgres', 'both', 'reset'),
];
