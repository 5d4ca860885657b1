/**
 * How long planned moves of shards take, seen from outside: the records of the coordination store, with the times that
 * the server gave them. A move begins when the old owner is about to close (`releasing`) and ends when the new one owns
 * the shard and opens it; what is taken from a dead node is no planned move.
 */
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from 'nats';
import { decodeShard } from '../../nodes/cluster/records.ts';
import { Histogram } from './histogram.ts';

export interface Move {
  readonly shard: number;
  readonly from: string;
  readonly to: string;
  readonly tookMs: number;
}

export interface MoveWatch {
  readonly moves: readonly Move[];
  /** Hand-overs that began and did not end in the hands of the one they were meant for. */
  readonly broken: number;
  stop(): Promise<void>;
}

const BUCKET = 'heyblue';

/** NATS of a town of our own: user and password stand in its URL. */
export const connectToNats = (natsUrl: string): Promise<NatsConnection> => {
  const { host, username, password } = new URL(natsUrl);
  return connect({ servers: host, user: decodeURIComponent(username), pass: decodeURIComponent(password) });
};

/** Watches from now on. */
export const watchMoves = async (natsUrl: string, bucket = BUCKET): Promise<MoveWatch> => {
  const client = await connectToNats(natsUrl);
  const kv = await new Kvm(client).open(bucket);
  const changes = await kv.watch({ key: 'shard.*', include: 'updates' });
  const under = new Map<number, { from: string; atMs: number; released: boolean }>();
  const moves: Move[] = [];
  const watch = { moves, broken: 0 };
  const follow = async (): Promise<void> => {
    for await (const entry of changes) {
      const shard = Number(entry.key.slice('shard.'.length));
      const record = entry.operation === 'PUT' ? decodeShard(entry.value) : null;
      const begun = under.get(shard);
      if (record?.state === 'releasing') {
        under.set(shard, { from: record.owner, atMs: entry.created.getTime(), released: false });
      } else if (begun !== undefined && record?.state === 'released') {
        begun.released = true;
      } else if (begun !== undefined && record?.state !== 'acquiring') {
        under.delete(shard);
        if (record === null || !begun.released || record.owner === begun.from) watch.broken++;
        else {
          const tookMs = entry.created.getTime() - begun.atMs;
          moves.push({ shard, from: begun.from, to: record.owner, tookMs });
        }
      }
    }
  };
  const following = follow();
  following.catch(() => {});
  return {
    get moves() {
      return watch.moves;
    },
    get broken() {
      return watch.broken;
    },
    stop: async () => {
      changes.stop();
      await client.close();
      await following.catch(() => {});
    },
  };
};

/** How long moves took. */
export const latencyOf = (moves: readonly Move[]): Histogram => {
  const latency = new Histogram();
  for (const move of moves) latency.record(move.tookMs);
  return latency;
};
