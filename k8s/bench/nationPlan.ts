/**
 * How many nodes the nation of DOMAIN takes: the price of a person, of a position and of a meeting as measured on one
 * node, times the nation. Sums only; whoever doubts one finds its parts in the JSON line.
 */
import { figure, rounded } from './table.ts';

/** DOMAIN, size to plan for: at its peak. */
export const NATION = {
  people: 2_700_000,
  /** One position per 5 min each, at the peak. */
  positionsPerS: 17_800,
  /** One per 15 s each. */
  positionsPerSOften: 178_000,
  encountersPerS: 140,
} as const;

/** A node is not planned fuller than this: the rest is for a neighbour's people when it dies. */
const FULL = 0.7;

/** One stretch of a run. */
export interface Stretch {
  readonly seconds: number;
  readonly serverCores: number;
  readonly positionsPerS: number;
  readonly encountersPerS: number;
}

export interface Measured {
  /** No phones. */
  readonly empty: Stretch;
  /** Phones that say nothing. */
  readonly quiet: Stretch;
  /** Positions alone. */
  readonly alone: Stretch;
  readonly both: Stretch;
  /** Bytes in memory of the node without people, and with all of them at the end of the run. */
  readonly rssEmpty: number;
  readonly rssLoaded: number;
}

export interface NodePrice {
  readonly usPerPhoneS: number;
  readonly usPerPosition: number;
  readonly usPerEncounter: number;
  readonly bytesPerPerson: number;
  readonly bytesPerNode: number;
  readonly coresPerNode: number;
}

const over = (what: number, by: number): number => (by > 0 ? Math.max(0, what) / by : 0);

export const pricesOf = (
  { empty, quiet, alone, both, rssEmpty, rssLoaded }: Measured,
  people: number,
): NodePrice => {
  const usPerPosition = over((alone.serverCores - quiet.serverCores) * 1e6, alone.positionsPerS);
  const positionsCores = (usPerPosition * both.positionsPerS) / 1e6;
  return {
    usPerPhoneS: over((quiet.serverCores - empty.serverCores) * 1e6, people),
    usPerPosition,
    usPerEncounter: over((both.serverCores - quiet.serverCores - positionsCores) * 1e6, both.encountersPerS),
    bytesPerPerson: over(rssLoaded - rssEmpty, people),
    bytesPerNode: rssEmpty,
    coresPerNode: empty.serverCores,
  };
};

export interface NationRow {
  readonly positions_per_s: number;
  readonly cores: number;
  readonly cores_of_phones: number;
  readonly cores_of_positions: number;
  readonly cores_of_encounters: number;
  readonly nodes_by_cpu: number;
  readonly gib: number;
  readonly people_per_node: number;
  readonly nodes_by_memory: number;
  readonly nodes: number;
}

/** One row per rate of positions. */
export const nodesFor = (price: NodePrice, nodeMib: number): NationRow[] =>
  [NATION.positionsPerS, NATION.positionsPerSOften].map(positionsPerS => {
    const phones = (price.usPerPhoneS * NATION.people) / 1e6;
    const positions = (price.usPerPosition * positionsPerS) / 1e6;
    const encounters = (price.usPerEncounter * NATION.encountersPerS) / 1e6;
    const cores = phones + positions + encounters;
    const room = FULL * nodeMib * 2 ** 20 - price.bytesPerNode;
    const peoplePerNode = Math.max(0, Math.floor(over(room, price.bytesPerPerson)));
    const nodesByCpu = Math.ceil(cores / Math.max(0.01, FULL - price.coresPerNode));
    const nodesByMemory = peoplePerNode === 0 ? 0 : Math.ceil(NATION.people / peoplePerNode);
    return {
      positions_per_s: positionsPerS,
      cores: rounded(cores),
      cores_of_phones: rounded(phones),
      cores_of_positions: rounded(positions),
      cores_of_encounters: rounded(encounters),
      nodes_by_cpu: nodesByCpu,
      gib: rounded((price.bytesPerPerson * NATION.people) / 2 ** 30, 1),
      people_per_node: peoplePerNode,
      nodes_by_memory: nodesByMemory,
      nodes: Math.max(nodesByCpu, nodesByMemory),
    };
  });

/** The same for people. */
export const planLines = (price: NodePrice, rows: readonly NationRow[]): string[] => [
  `The nation: ${figure(NATION.people)} people online at once, ${NATION.encountersPerS} encounters a second; nodes of one core, planned to ${FULL * 100} %.`,
  `  measured: ${figure(price.usPerPhoneS, 2)} us a second and phone, ${figure(price.usPerPosition, 1)} us a position, ${figure(price.usPerEncounter / 1_000, 2)} ms an encounter,`,
  `  ${figure(price.bytesPerPerson / 1_024, 1)} KiB a person beside ${figure(price.bytesPerNode / 2 ** 20)} MiB and ${figure(price.coresPerNode, 3)} cores of an empty node`,
  '',
  '  positions/s   cores = phones + positions + encounters   nodes by CPU   memory      people a node   nodes by memory   nodes',
  ...rows.map(
    row =>
      `  ${figure(row.positions_per_s).padStart(11)}   ${figure(row.cores, 2).padStart(5)} = ${figure(row.cores_of_phones, 2).padStart(6)} + ${figure(row.cores_of_positions, 2).padStart(9)} + ${figure(row.cores_of_encounters, 2).padStart(10)}   ${String(row.nodes_by_cpu).padStart(12)}   ${`${figure(row.gib, 1)} GiB`.padEnd(10)}  ${figure(row.people_per_node).padStart(13)}   ${String(row.nodes_by_memory).padStart(15)}   ${String(row.nodes).padStart(5)}`,
  ),
];
