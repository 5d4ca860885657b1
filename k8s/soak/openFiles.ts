/** What a process has open, by kind: which of its files are more than before is the first question when files are. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** How often each kind of file is open: `to :5432`, `listening on :8080`, `[eventfd]`, `/the/folder`. */
export type OpenFiles = Readonly<Record<string, number>>;

const LISTEN = '0A';

const portOf = (address: string): number => Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16);

/** TCP sockets of everybody in our network by their number: proc(5), /proc/net/tcp. */
const tcpByInode = (): Map<string, string> => {
  const known = new Map<string, string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const line of readFileSync(table, 'latin1').split('\n').slice(1)) {
      const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/);
      if (inode === undefined) continue;
      known.set(inode, state === LISTEN ? `listening on :${portOf(local!)}` : `to :${portOf(remote!)}`);
    }
  return known;
};

const kindOf = (target: string, tcp: ReadonlyMap<string, string>): string => {
  const [, scheme, inode] = /^(\w+):\[?([^\]]*)\]?$/.exec(target) ?? [];
  if (scheme === 'socket') return tcp.get(inode!) ?? 'socket';
  if (scheme === 'anon_inode') return `[${inode}]`;
  return scheme ?? target;
};

/** Nothing of a process that is gone, and where /proc does not exist. */
export const openFiles = (pid: number): OpenFiles => {
  const open: Record<string, number> = {};
  try {
    const tcp = tcpByInode();
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      let target: string;
      try {
        target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        continue; // closed meanwhile
      }
      const kind = kindOf(target, tcp);
      open[kind] = (open[kind] ?? 0) + 1;
    }
  } catch {
    // gone, or not a Linux
  }
  return open;
};

/** Kinds of which there are more than before, most first, in words: `to :5432 9 (4)`. */
export const moreOpen = (before: OpenFiles, now: OpenFiles): string =>
  Object.keys(now)
    .map(kind => ({ kind, is: now[kind]!, was: before[kind] ?? 0 }))
    .filter(({ is, was }) => is > was)
    .sort((a, b) => b.is - b.was - (a.is - a.was))
    .slice(0, 4)
    .map(({ kind, is, was }) => `${kind} ${is} (${was})`)
    .join(', ');
