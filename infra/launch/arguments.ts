/** What may follow `npm start --`: how many nodes, or a question. Everything else is a setting in the environment. */
import { parseArgs } from 'node:util';

export type Wish =
  /** `nodes` is null for the one node that needs no NATS. */
  { kind: 'start'; nodes: number | null } | { kind: 'help' } | { kind: 'wrong'; sentence: string };

/** Nodes that one machine is asked to run; more than this needs more machines. */
export const NODES_MAX = 8;

const wrong = (sentence: string): Wish => ({ kind: 'wrong', sentence });

export function readArguments(given: readonly string[]): Wish {
  const { tokens } = parseArgs({
    args: [...given],
    options: { nodes: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    strict: false,
    tokens: true,
  });
  let nodes: number | null = null;
  let help = false;
  for (const one of tokens) {
    if (one.kind === 'option' && one.name === 'help') help = true;
    else if (one.kind === 'option' && one.name === 'nodes') {
      const text = one.value ?? '';
      nodes = /^\d{1,3}$/.test(text) ? Number(text) : 0;
      if (nodes < 1 || nodes > NODES_MAX) {
        return wrong(`--nodes takes a whole number from 1 to ${NODES_MAX}, not "${text}".`);
      }
    } else {
      const word = one.kind === 'option' ? one.rawName : one.kind === 'positional' ? one.value : '--';
      return wrong(
        `npm start does not know "${word}": settings are environment variables, npm start -- --help lists them.`,
      );
    }
  }
  return help ? { kind: 'help' } : { kind: 'start', nodes };
}
