/** The wires and doors of one node, and what chaos does to them: cut, slowed, repeated, and healed with a count of it all. */
import type { ClusterNode } from '../../swarm/clusterTown.ts';
import type { Random } from '../../swarm/random.ts';
import type { Wire } from '../../swarm/wire.ts';
import type { Hit, Link, Mode, Way } from '../target.ts';
import { NatsFrames, type Repeats } from '../wires/natsFrames.ts';
import { staleIn } from '../wires/staleAnswers.ts';

type Counts = Readonly<Record<string, number>>;

/** Begins the names of the prepared statements that commit (infra/postgres). */
const COMMITS = 'commit_';

const difference = (wire: Wire, before: Counts): Record<string, number> =>
  Object.fromEntries(
    Object.entries(wire.counts)
      .map(([name, now]) => [name, now - (before[name] ?? 0)] as const)
      .filter(([, more]) => more > 0),
  );

export class NodeWires {
  readonly #node: ClusterNode;
  readonly #repeats: Repeats = { share: 0, doubled: 0, replayed: 0 };
  /** What each wire had counted when it was last healed. */
  readonly #before = new Map<Link, Counts>();
  #staleRefused = 0;

  constructor(node: ClusterNode, chance: Random) {
    this.#node = node;
    node.wires.nats.mangle = direction => {
      if (direction !== 'toNode') return null;
      const frames = new NatsFrames(this.#repeats, chance);
      return chunk => frames.take(chunk);
    };
  }

  partition(link: Link, way: Way, mode: Mode): Hit {
    const { id, wires } = this.#node;
    if (mode === 'reset') wires[link].cut();
    else wires[link].drop(way);
    const words = mode === 'reset' ? 'is cut' : `loses packets (${way})`;
    return { targets: [id], what: `${id} to ${link} ${words}`, counts: {} };
  }

  delay(link: Link, ms: number): void {
    this.#node.wires[link].delay(ms);
  }

  keepCommits(): void {
    this.#node.wires.postgres.keepBack(chunk => chunk.includes(COMMITS));
  }

  /** What the wire held and closed since it was last healed. */
  async heal(link: Link): Promise<Counts> {
    const wire = this.#node.wires[link];
    const done = difference(wire, this.#before.get(link) ?? {});
    await wire.heal();
    this.#before.set(link, { ...wire.counts });
    return done;
  }

  /** Of messages that NATS delivers, from now on; what was repeated until now. */
  repeat(share: number): Counts {
    const { doubled, replayed } = this.#repeats;
    Object.assign(this.#repeats, { share, doubled: 0, replayed: 0 });
    return { doubled, replayed };
  }

  /** Counts what PostgreSQL refuses from now on as that of an older owner. */
  watchStale(): void {
    this.#staleRefused = 0;
    this.#node.wires.postgres.tap = (direction, chunk) => {
      if (direction === 'toNode') this.#staleRefused += staleIn(chunk);
    };
  }

  /** How much it was. */
  endWatch(): number {
    this.#node.wires.postgres.tap = null;
    return this.#staleRefused;
  }

  /** Mends all of it. */
  async mend(): Promise<void> {
    this.repeat(0);
    await this.heal('nats');
    await this.heal('postgres');
    await this.#node.door.heal();
  }
}
