/**
 * The town of phones among real processes: three nodes and a spare one with NATS and PostgreSQL behind wires that fail, and
 * people with the real client, each behind a road of its own to each node. Scripts, apps and invariants are those of the
 * simulation (`../../simulate/phones`); what the nodes did is read from what phones heard, from PostgreSQL and from pages of
 * metrics. Scripts play one after the other in one town, each with people of its own.
 */
import { pathToFileURL } from 'node:url';
import { createTokens, type Tokens } from '../../../gateway/auth/tokens.ts';
import { loadKeys } from '../../../infra/keys.ts';
import { MUTANT_HOOK, mutantEnv } from '../../chaos/mutants.ts';
import type { Script } from '../../simulate/phones/script.ts';
import { type Cluster, startCluster } from '../../swarm/clusterTown.ts';
import { settle } from './folk.ts';
import { Operator } from './operator.ts';
import { Play, type Played } from './play.ts';
import { bugsIn } from './records.ts';
import { Station } from './station.ts';

/** Short, so that tokens are renewed while a script plays. */
const TOKEN_TTL_S = 40;
const COOLDOWN_S = 4;
const NODES = 3;

export interface RealTownOptions {
  readonly natsServerBin?: string;
  /** One of chaos or of the phones. */
  readonly mutant?: string;
}

/** What scripts find when they begin. */
export interface Ground {
  readonly cluster: Cluster;
  readonly stations: readonly Station[];
  /** It comes and goes in good order, and shards move to it and back. */
  readonly spare: Station;
  readonly operator: Operator;
  readonly cooldownH: number;
  /** @param issuedUntilMs what was revoked of a user on a device */
  tokens(issuedUntilMs: (userId: string) => number): Tokens;
}

export class RealTown {
  readonly #ground: Ground;
  readonly #logs = new Map<string, number>();

  private constructor(ground: Ground) {
    this.#ground = ground;
  }

  static async open({ natsServerBin, mutant }: RealTownOptions): Promise<RealTown> {
    const cooldownH = COOLDOWN_S / 3_600;
    const cluster = await startCluster({
      nodes: NODES,
      ...(natsServerBin !== undefined && { natsServerBin }),
      env: {
        HEYBLUE_COOLDOWN_H: String(cooldownH),
        ...(mutant !== undefined && {
          ...mutantEnv({ name: mutant }),
          NODE_OPTIONS: `--import=${pathToFileURL(MUTANT_HOOK).href}`,
        }),
      },
    });
    try {
      const stations = cluster.nodes.map(node => new Station(node));
      const spare = new Station(await cluster.addNode(`n${NODES + 1}`));
      const operator = await Operator.of(cluster.nodes.map(node => node.urls));
      const { signingKeys } = loadKeys(cluster.dataDir);
      const tokens: Ground['tokens'] = issuedUntilMs =>
        createTokens(signingKeys, TOKEN_TTL_S, Date.now, issuedUntilMs);
      return new RealTown({ cluster, stations, spare, operator, cooldownH, tokens });
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async play(script: Script): Promise<Played> {
    const { cluster } = this.#ground;
    const crashed = cluster.crashes.length;
    const play = new Play(this.#ground, script, await settle(cluster));
    const played = await play.live(() => [
      ...cluster.crashes.slice(crashed),
      ...bugsIn(cluster.dataDir, this.#logs),
    ]);
    return played;
  }

  stop(): Promise<void> {
    return this.#ground.cluster.stop();
  }
}
