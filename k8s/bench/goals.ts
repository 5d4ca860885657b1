/**
 * What each benchmark must reach, in one table, and what it is given when all of them are to be run soon. A benchmark
 * without a row here is one that nobody would miss: a test fails for it.
 */

/** The last line of a benchmark. */
export type Figures = Readonly<Record<string, unknown>>;

export interface Goal {
  /** The figure, by its field. */
  readonly field: string;
  /** What it must be, in words. */
  readonly words: string;
  readonly reached: (figures: Figures) => boolean;
}

export interface GoalRow {
  readonly bench: string;
  /** What it is given for figures that count. */
  readonly args: readonly string[];
  /** The same with little: that it runs, and about what it would say. */
  readonly quick: readonly string[];
  /** None: it is only reported. */
  readonly goals: readonly Goal[];
  /** Fields that are shown although nothing is asked of them. */
  readonly shown?: readonly string[];
}

/** A number of the last line; what is missing is no number, and reaches no goal. */
export const numberOf = (figures: Figures, field: string): number => {
  const value = figures[field];
  return typeof value === 'number' ? value : Number.NaN;
};

const words = (value: number): string => value.toLocaleString('en-US');

const atLeast = (field: string, least: number): Goal => ({
  field,
  words: `>= ${words(least)}`,
  reached: figures => numberOf(figures, field) >= least,
});

const atMost = (field: string, most: number): Goal => ({
  field,
  words: `<= ${words(most)}`,
  reached: figures => numberOf(figures, field) <= most,
});

const exactly = (field: string, value: number | boolean): Goal => ({
  field,
  words: String(value),
  reached: figures => figures[field] === value,
});

/** So many times another figure of the same run. */
const times = (field: string, factor: number, other: string, least = true): Goal => ({
  field,
  words: `${least ? '>=' : '<='} ${factor} x ${other}`,
  reached: figures => {
    const [value, bound] = [numberOf(figures, field), factor * numberOf(figures, other)];
    return least ? value >= bound : value <= bound;
  },
});

/** A list that must be empty. */
const none = (field: string): Goal => ({
  field,
  words: 'none',
  reached: figures => Array.isArray(figures[field]) && figures[field].length === 0,
});

export const GOALS: readonly GoalRow[] = [
  {
    bench: 'ledger',
    args: [],
    quick: ['--seconds', '1', '--rounds', '1'],
    goals: [atLeast('ratio', 12), atMost('p99_ms', 30), times('hot100_per_s', 0.7, 'per_s')],
    shown: ['per_s', 'naive_per_s'],
  },
  {
    bench: 'location',
    args: [],
    quick: ['--phones', '500', '--seconds', '3'],
    goals: [atLeast('positions_per_s', 25_000)],
    shown: ['ratio_to_echo'],
  },
  {
    bench: 'encounter',
    args: [],
    quick: ['--seconds', '5', '--rate', '50'],
    goals: [
      atLeast('encounters_per_s', 195),
      atMost('p99_ms', 60),
      exactly('lost', 0),
      exactly('doubled', 0),
    ],
  },
  {
    bench: 'encounter',
    args: ['--kill'],
    quick: ['--kill', '--seconds', '10', '--rate', '50', '--kills', '1'],
    goals: [exactly('lost', 0), exactly('doubled', 0), atMost('agreed_after_ms', 5_000)],
  },
  {
    bench: 'idle',
    args: [],
    quick: ['--phones', '1000', '--seconds', '5'],
    goals: [atMost('bytes_per_phone', 12_288), atMost('server_cores', 0.05)],
  },
  {
    bench: 'ask',
    args: [],
    quick: ['--rounds', '1', '--seconds', '1'],
    goals: [
      atLeast('ratio', 3),
      times('p50_ms', 1.5, 'raw_p50_ms', false),
      atLeast('local_turns_per_s', 1_000_000),
    ],
  },
  {
    bench: 'failover',
    args: [],
    quick: ['--phones', '200', '--kills', '1', '--rate', '10'],
    goals: [
      atMost('failover_p99_s', 8),
      exactly('lost', 0),
      exactly('doubled', 0),
      atMost('move_p99_ms', 500),
      exactly('failed_asks', 0),
    ],
  },
  {
    bench: 'activate',
    args: [],
    quick: ['--users', '5000'],
    goals: [atMost('p50_ms', 5), atMost('bytes_per_actor', 4_096)],
  },
  {
    bench: 'scale',
    args: [],
    quick: ['--users', '100'],
    goals: [
      exactly('grows_with_users', false),
      times('growth_with_nodes', 1, 'linear_growth', false),
      atMost('moved_join_max', 1.2),
      atMost('moved_leave_max', 1.2),
    ],
  },
  {
    bench: 'push',
    args: [],
    quick: ['--phones', '500', '--rounds', '1', '--seconds', '1'],
    goals: [
      times('per_cpu_s', 2, 'socketio_per_cpu_s'),
      times('per_cpu_s', 1, 'ws_per_cpu_s'),
      exactly('lost', 0),
    ],
    shown: ['p99_ms'],
  },
  {
    bench: 'command',
    args: [],
    quick: ['--phones', '50', '--rounds', '1', '--seconds', '1'],
    goals: [times('per_cpu_s', 2, 'socketio_per_cpu_s'), exactly('refused', 0)],
    shown: ['p99_ms'],
  },
  {
    bench: 'storm',
    args: [],
    quick: ['--phones', '300', '--rate', '10', '--seconds', '3'],
    goals: [
      atMost('p99_s', 15),
      exactly('lost', 0),
      exactly('doubled', 0),
      exactly('snapshot', 0),
      { ...atMost('db_queries_per_phone', 1.1), words: '< 1.1' },
    ],
    shown: ['max_attach_per_s'],
  },
  {
    bench: 'drain',
    args: [],
    quick: ['--phones', '200', '--rate', '10', '--asks', '20'],
    goals: [
      { ...atMost('gap_p99_s', 3), words: '< 3' },
      exactly('lost', 0),
      exactly('doubled', 0),
      exactly('failed_commands', 0),
      exactly('drains_clean', true),
    ],
  },
  {
    bench: 'slow',
    args: [],
    quick: ['--phones', '50', '--seconds', '6', '--rounds', '1'],
    goals: [
      // what the kernel holds stands in no process
      atMost('rss_per_slow_bytes_100', 262_144),
      atMost('healthy_p99_ratio_1', 1.2),
      atMost('healthy_p99_ratio_10', 1.2),
      exactly('lost', 0),
      exactly('doubled', 0),
      exactly('reset', 0),
      exactly('closed_otherwise', 0),
    ],
    shown: ['kernel_per_slow_bytes'],
  },
  {
    bench: 'churn',
    args: [],
    quick: ['--phones', '300', '--rate', '20', '--warm', '5', '--seconds', '15'],
    goals: [exactly('equal', true), exactly('memory_flat', true)],
  },
  {
    bench: 'match',
    args: [],
    quick: ['--runs', '1', '--updates', '100000', '--million', '0'],
    goals: [
      atLeast('updates_per_s_100k', 3_000_000),
      times('updates_per_s_100k', 20, 'redis_per_s'),
      atMost('copies', 1.5),
    ],
    shown: ['updates_per_s_1m', 'updates_per_s_near'],
  },
  {
    bench: 'stadium',
    args: [],
    quick: ['--updates', '20000', '--sample', '50'],
    goals: [atLeast('updates_per_s', 300_000), exactly('pairs_equal', true), exactly('crowd_equal', true)],
    shown: ['updates_per_s_no_crowd_mode'],
  },
  {
    bench: 'nation',
    args: [],
    quick: ['--people', '500', '--seconds', '10'],
    goals: [
      atLeast('positions_per_s', 17_800),
      atLeast('encounters_per_s', 138),
      atMost('server_cores', 1),
      atMost('push_p99_ms', 100),
      exactly('lost', 0),
    ],
  },
  {
    bench: 'qr',
    args: [],
    quick: ['--rate', '20', '--seconds', '5'],
    goals: [atLeast('verify_per_s', 150_000), atMost('p99_ms', 100), exactly('lost', 0)],
  },
  { bench: 'fraud', args: [], quick: [], goals: [exactly('accused_wrongly', 0)], shown: ['honest_phones'] },
  {
    bench: 'redeem',
    args: [],
    quick: ['--rate', '30', '--warm', '1', '--seconds', '5', '--shops', '3'],
    goals: [
      atLeast('redemptions_per_s', 290),
      atMost('p99_ms', 60),
      exactly('lost', 0),
      exactly('doubled', 0),
      none('problems'),
    ],
  },
  {
    bench: 'flashsale',
    args: [],
    quick: ['--phones', '300'],
    goals: [
      exactly('sold', 100),
      exactly('oversold', 0),
      exactly('wrong_balances', 0),
      exactly('lost', 0),
      exactly('not_told', 0),
      none('others'),
      none('problems'),
      exactly('killed', 1),
    ],
    shown: ['seconds'],
  },
  {
    bench: 'rules',
    args: [],
    quick: ['--rounds', '1'],
    goals: [atLeast('cached_per_s', 500_000)],
    shown: ['per_s', 'peer_per_s'],
  },
  {
    bench: 'archive',
    args: [],
    quick: ['--events', '100000', '--intake', '50000', '--runs', '1'],
    goals: [atLeast('archived_per_s', 20_000), atMost('slowest_query_s', 2)],
    shown: ['bytes_each'],
  },
  {
    bench: 'converge',
    args: [],
    quick: ['--rate', '50', '--seconds', '5', '--away', '2'],
    goals: [none('problems')],
    shown: ['dynamodb_p99_ms'],
  },
  { bench: 'zips', args: [], quick: [], goals: [] },
];
