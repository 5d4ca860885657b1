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
  /** The same in parts: until the old owner let go, until the new one took hold, until it owned. */
  readonly closedMs: number;
  readonly takenMs: number;
  readonly openedMs: number;
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
  const under = new Map<number, { from: string; atMs: number; releasedAtMs: number; takenAtMs: number }>();
  const moves: Move[] = [];
  const watch = { moves, broken: 0 };
  const follow = async (): Promise<void> => {
    for await (const entry of changes) {
      const shard = Number(entry.key.slice('shard.'.length));
      const record = entry.operation === 'PUT' ? decodeShard(entry.value) : null;
      const begun = under.get(shard);
      const atMs = entry.created.getTime();
      if (record?.state === 'releasing') {
        under.set(shard, { from: record.owner, atMs, releasedAtMs: 0, takenAtMs: 0 });
      } else if (begun !== undefined && record?.state === 'released') {
        begun.releasedAtMs = atMs;
      } else if (begun !== undefined && record?.state === 'acquiring') {
        begun.takenAtMs = atMs;
      } else if (begun !== undefined) {
        under.delete(shard);
        if (record === null || begun.releasedAtMs === 0 || record.owner === begun.from) watch.broken++;
        else {
          moves.push({
            shard,
            from: begun.from,
            to: record.owner,
            tookMs: atMs - begun.atMs,
            closedMs: begun.releasedAtMs - begun.atMs,
            takenMs: begun.takenAtMs - begun.releasedAtMs,
            openedMs: atMs - begun.takenAtMs,
          });
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
export const latencyOf = (
  moves: readonly Move[],
  part: 'tookMs' | 'closedMs' | 'takenMs' | 'openedMs' = 'tookMs',
): Histogram => {
  const latency = new Histogram();
  for (const move of moves) latency.record(move[part]);
  return latency;
};
