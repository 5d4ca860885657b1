/** What `npm run kubernetes` was asked for, read from its arguments; every wrong one is one sentence. */
import { parseArgs } from 'node:util';
import { anySeed } from '../swarm/random.ts';
import { DEFAULT_FOLDER } from './tools.ts';
import { TRIALS } from './trials.ts';

export interface Asked {
  readonly work: string;
  readonly trials: readonly string[];
  readonly phones: number;
  readonly perS: number;
  readonly asksPerS: number;
  readonly seed: number;
  /** File for the report; null: none. */
  readonly report: string | null;
  readonly keep: boolean;
  /** Stay up after the trials until somebody ends it. */
  readonly hold: boolean;
  /** Fetch and build only. */
  readonly build: boolean;
}

export const HELP = `npm run kubernetes [-- OPTIONS]

A real Kubernetes 1.20 of two machines on this one, built from Debian's sources (about six minutes, once), with the town of
k8s/overlays/compat-1.20 in it: three pods. Then, under load: ${TRIALS.map(one => one.name).join(', ')}.
Needs Linux, root, cgroups of version 1 and a mirror of Debian in the machine's package sources. Runs in namespaces of its own: nothing is installed,
no rule of this machine's network is touched, and nothing is left but the cache.

  --work DIR       cache of what is fetched and built (${DEFAULT_FOLDER})
  --build          fetch and build, and no more
  --trials a,b     some of them only
  --phones N       people during each (100)
  --rate N         meetings per second (4)
  --asks N         questions of people to their own actors per second (20)
  --seed N         of the load; drawn and printed when it is not given
  --report FILE    write the report as Markdown, too
  --hold           stay up after the trials until Ctrl-C; kubectl lies in DIR/bin
  --keep           keep the logs of all programs

The last line is one JSON object; its \`verdict\` is \`pass\` or \`fail\`.`;

const whole = (name: string, text: string | undefined, fallback: number, max: number): number | string => {
  if (text === undefined) return fallback;
  const value = Number(text);
  return /^\d+$/.test(text) && value <= max
    ? value
    : `--${name} takes a whole number up to ${max}, not "${text}".`;
};

/** What was asked, or a sentence; null: help. */
export const readArguments = (args: readonly string[]): Asked | string | null => {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    ...{ work: text, trials: text, phones: text, rate: text, asks: text, seed: text, report: text },
    ...{ hold: flag, keep: flag, build: flag, help: { ...flag, short: 'h' } },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...args], options }).values;
  } catch (error) {
    return `${(error as Error).message.split('. ')[0]}. Try --help.`;
  }
  if (values.help) return null;
  const names = TRIALS.map(one => one.name);
  const trials = values.trials?.split(',') ?? names;
  const unknown = trials.find(name => !names.includes(name));
  if (unknown !== undefined) return `There is no trial "${unknown}"; there are ${names.join(', ')}.`;
  const phones = whole('phones', values.phones, 100, 5_000);
  const perS = whole('rate', values.rate, 4, 1_000);
  const asksPerS = whole('asks', values.asks, 20, 5_000);
  const seed = whole('seed', values.seed, anySeed(), 0xffff_ffff);
  for (const one of [phones, perS, asksPerS, seed]) if (typeof one === 'string') return one;
  if ((phones as number) < 5) return '--phones takes 5 or more: officers and civilians.';
  return {
    work: values.work ?? DEFAULT_FOLDER,
    trials,
    phones: phones as number,
    perS: perS as number,
    asksPerS: asksPerS as number,
    seed: seed as number,
    report: values.report ?? null,
    hold: values.hold ?? false,
    keep: values.keep ?? false,
    build: values.build ?? false,
  };
};
