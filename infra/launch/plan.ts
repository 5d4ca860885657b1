/**
 * Which nodes one `npm start` runs: their names, ports and what else of the environment is each one's own.
 *
 * Without `--nodes` there is one, with the settings as they are. With it they are called n1, n2, ..., and node i takes
 * every port 10 i higher than the settings say, so that people know where it is without being told.
 */
import type { Config } from '../config/index.ts';

export interface NodePlan {
  /** `n1`; empty for the one node of a plain start. */
  readonly id: string;
  /** What people call it. */
  readonly name: string;
  /** Put over the environment of the town. */
  readonly env: Readonly<Record<string, string>>;
}

export type Plan = { ok: true; nodes: readonly NodePlan[] } | { ok: false; sentence: string };

/** The ports of node i are so much higher than those of node i - 1. */
export const PORT_STEP = 10;
const PORT_MAX = 65_535;
const EVERYWHERE = ['0.0.0.0', '::'];

const no = (sentence: string): Plan => ({ ok: false, sentence });

/** @param nodes null for the one node of a plain start */
export function planNodes(config: Config, nodes: number | null): Plan {
  if (nodes === null) return { ok: true, nodes: [{ id: '', name: 'The node', env: {} }] };
  if (config.nodeId !== '') {
    return no('HEYBLUE_NODE_ID names one node; with --nodes they are n1, n2 and so on: leave it out.');
  }
  if (config.publicUrl !== '') {
    return no('HEYBLUE_PUBLIC_URL leads to one node; with --nodes each tells its own: leave it out.');
  }
  const given = [config.restPort, config.realtimePort, config.adminPort, config.probePort];
  const taken = new Set<number>();
  const plans: NodePlan[] = [];
  for (let i = 0; i < nodes; i++) {
    const ports = given.map(port => (port === 0 ? 0 : port + PORT_STEP * i));
    for (const port of ports) {
      if (port > PORT_MAX) return no(`Node n${i + 1} would need port ${port}: choose lower ports.`);
      if (port !== 0 && taken.has(port)) {
        return no(
          `Two of the ${nodes} nodes would need port ${port}: choose ports that are not ${PORT_STEP} apart.`,
        );
      }
      taken.add(port);
    }
    const [rest = 0, realtime = 0, admin = 0, probe = 0] = ports;
    const host = EVERYWHERE.includes(config.host) ? '127.0.0.1' : config.host;
    plans.push({
      id: `n${i + 1}`,
      name: `Node n${i + 1}`,
      env: {
        HEYBLUE_NODE_ID: `n${i + 1}`,
        HEYBLUE_REST_PORT: String(rest),
        HEYBLUE_REALTIME_PORT: String(realtime),
        HEYBLUE_ADMIN_PORT: String(admin),
        ...(probe !== 0 && { HEYBLUE_PROBE_PORT: String(probe) }),
        ...(realtime !== 0 && { HEYBLUE_PUBLIC_URL: `ws://${host}:${realtime}/v1/ws` }),
      },
    });
  }
  return { ok: true, nodes: plans };
}
