/**
 * The sockets of one gateway in numbers, for the table that operators watch: how far they are, which apps they run, how
 * far behind they are and how others ended. Nobody in particular stands in it.
 */
import { type Session, STOPPED, THINNED } from '../session.ts';
import type { LastClose } from './closes.ts';
import { OPERATOR } from './limits.ts';
import type { CountedView } from './words.ts';

/** The most frequent ones first. */
const most = <K>(counts: ReadonlyMap<K, number>, shown: number): [K, number][] =>
  [...counts].sort(([, a], [, b]) => b - a).slice(0, shown);

const bump = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

/** Goes through all of them: for people who ask, not for each event. */
export const countSockets = (
  sessions: Iterable<Session>,
  closes: Iterable<Pick<LastClose, 'code' | 'by'>>,
  { node, version }: { readonly node: string; readonly version: string },
): CountedView => {
  const apps = new Map<string, number>();
  const ended = new Map<string, number>();
  const view = { hello: 0, attaching: 0, open: 0, background: 0, thinned: 0, stopped: 0, bufferedBytes: 0 };
  for (const session of sessions) {
    if (session.phase === 'closed') continue;
    if (session.phase !== 'open') {
      view[session.phase === 'attaching' ? 'attaching' : 'hello']++;
      continue;
    }
    view.open++;
    if (!session.foreground) view.background++;
    view.bufferedBytes += session.bufferedBytes();
    const rung = session.rung();
    if (rung === THINNED) view.thinned++;
    if (rung === STOPPED) view.stopped++;
    bump(apps, session.app);
  }
  for (const { code, by } of closes) bump(ended, `${code} ${by}`);
  return {
    node: node.slice(0, 64),
    version: version.slice(0, 64),
    ...view,
    apps: most(apps, OPERATOR.appsShown).map(([app, sockets]) => ({ app, sockets })),
    closes: most(ended, OPERATOR.codesShown).map(([key, devices]) => {
      const [code, by] = key.split(' ') as [string, LastClose['by']];
      return { code: Number(code), by, devices };
    }),
  };
};
