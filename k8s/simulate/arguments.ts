/** What `npm run simulate` was asked for. */
import { parseArgs } from 'node:util';
import { PROFILES, type Profile } from '../../nodes/simulation/profiles.ts';

export const HELP = `npm run simulate -- [options]

Runs whole clusters of the real node code on virtual time, each seed with its own people, clocks, delays and faults, and
judges what they did. The same seed does the same again, byte for byte.

  --seeds N        how many seeds (100)
  --first S        the first of them (1)
  --nodes N        nodes of each cluster, 1 to 9 (5)
  --profile NAME   ${PROFILES.join(', ')} (all three in turn)
  --mutants        removes one safety mechanism at a time: each must be caught within --seeds seeds (200)
  --only TEXT      with --mutants: those whose name contains TEXT
  --workers N      threads (2)
  --tell N         events told of a failure, or of a single seed (40)

Exit code 0 when all is well, 1 when a promise was broken or a mutant lives, 2 when it could not be tried.`;

export interface SimulateOptions {
  readonly seeds: number;
  readonly first: number;
  readonly nodes: number;
  readonly profile: Profile | null;
  readonly mutants: boolean;
  readonly only: string;
  readonly workers: number;
  readonly tell: number;
}

export type Parsed =
  | { readonly k: 'run'; readonly options: SimulateOptions }
  | { readonly k: 'help' }
  | { readonly k: 'wrong'; readonly sentence: string };

const SEED_MAX = 0xffff_ffff;
const SEEDS_MAX = 10_000_000;

class Wrong extends Error {}

function whole(text: string | undefined, name: string, fallback: number, min: number, max: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new Wrong(`--${name} must be a whole number from ${min} to ${max}, not "${text}".`);
  }
  return value;
}

export function parseArguments(words: readonly string[]): Parsed {
  try {
    const { values } = parseArgs({
      args: [...words],
      strict: true,
      options: {
        seeds: { type: 'string' },
        first: { type: 'string' },
        nodes: { type: 'string' },
        profile: { type: 'string' },
        mutants: { type: 'boolean' },
        only: { type: 'string' },
        workers: { type: 'string' },
        tell: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return { k: 'help' };
    const profile = PROFILES.find(one => one === values.profile) ?? null;
    if (values.profile !== undefined && profile === null) {
      throw new Wrong(`There is no profile "${values.profile}"; there are ${PROFILES.join(', ')}.`);
    }
    if (values.only !== undefined && !values.mutants) throw new Wrong('--only goes with --mutants.');
    const mutants = values.mutants ?? false;
    return {
      k: 'run',
      options: {
        seeds: whole(values.seeds, 'seeds', mutants ? 200 : 100, 1, SEEDS_MAX),
        first: whole(values.first, 'first', 1, 0, SEED_MAX),
        nodes: whole(values.nodes, 'nodes', 5, 1, 9),
        profile,
        mutants,
        only: values.only ?? '',
        workers: whole(values.workers, 'workers', 2, 1, 64),
        tell: whole(values.tell, 'tell', 40, 0, 4_000),
      },
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { k: 'wrong', sentence: error.message.split('\n')[0]! };
  }
}
