/**
 * What there is more of in one heap snapshot than in another, by kind and name: the first question after a leak, answered
 * without opening a browser. `npx node k8s/soak/heapDiff.ts BEFORE AFTER` prints it; the page of a run that failed shows it.
 */
import { readFileSync } from 'node:fs';

/** The parts of V8's format that are read here. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[]];
    };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

interface Kind {
  count: number;
  bytes: number;
}

export interface Grown {
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
}

/** Names of strings and of code are as many as there are of them: they count together. */
const TOGETHER = new Set([
  'string',
  'concatenated string',
  'sliced string',
  'code',
  'number',
  'bigint',
  'regexp',
]);

/** Kinds that are told. */
const MOST = 30;

const kindsOf = ({ snapshot, nodes, strings }: Snapshot): Map<string, Kind> => {
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, name, size] = ['type', 'name', 'self_size'].map(one => fields.indexOf(one)) as [
    number,
    number,
    number,
  ];
  const kinds = new Map<string, Kind>();
  for (let at = 0; at < nodes.length; at += fields.length) {
    const of = types[0][nodes[at + type]!]!;
    const key = TOGETHER.has(of) ? of : `${of} ${strings[nodes[at + name]!]!.slice(0, 80)}`;
    const kind = kinds.get(key) ?? { count: 0, bytes: 0 };
    kind.count++;
    kind.bytes += nodes[at + size]!;
    kinds.set(key, kind);
  }
  return kinds;
};

/** What grew most, by bytes. */
export const heapDiff = (before: Snapshot, after: Snapshot): Grown[] => {
  const [was, is] = [kindsOf(before), kindsOf(after)];
  const grown = [...is].map(([name, { count, bytes }]) => ({
    name,
    count: count - (was.get(name)?.count ?? 0),
    bytes: bytes - (was.get(name)?.bytes ?? 0),
  }));
  return grown
    .filter(one => one.bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, MOST);
};

export const heapDiffOf = (before: string, after: string): Grown[] =>
  heapDiff(
    JSON.parse(readFileSync(before, 'utf8')) as Snapshot,
    JSON.parse(readFileSync(after, 'utf8')) as Snapshot,
  );

if (import.meta.main ?? process.argv[1]?.endsWith('/heapDiff.ts')) {
  const [before, after] = process.argv.slice(2);
  if (before === undefined || after === undefined) {
    console.error('node k8s/soak/heapDiff.ts BEFORE AFTER: two heap snapshots');
    process.exit(2);
  }
  for (const { name, count, bytes } of heapDiffOf(before, after))
    console.log(`${String(bytes).padStart(12)} bytes ${String(count).padStart(9)}  ${name}`);
}
