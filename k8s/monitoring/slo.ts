/**
 * The service level, as what can be counted: 99.95 % of what people ask for is answered, over 30 days.
 *
 * Each indicator is bad events over all events. How fast the budget of errors burns is looked at over a long and a short window
 * together: the long one says that it matters, the short one that it still goes on. Pairs and factors are those of the SRE
 * workbook of Google, chapter 5: 14.4 over an hour is 2 % of a month's budget, 6 over six hours is 5 %, 1 over three days 10 %.
 */

export interface Indicator {
  /** In names of recorded series: `heyblue:<name>:errors_1h`. */
  readonly name: string;
  /** Of the alert. */
  readonly alert: string;
  /** The share that has to be good. */
  readonly objective: number;
  readonly says: string;
  /** PromQL of events per second within `window`. */
  readonly bad: (window: string) => string;
  readonly all: (window: string) => string;
}

const rate = (series: string, window: string): string => `sum(rate(${series}[${window}]))`;
/** Two kinds of events together; one of them may not have happened yet, and then has no series. */
const both = (one: string, other: string): string => `((${one}) or vector(0)) + ((${other}) or vector(0))`;
/** Of a histogram, those that took longer than a bound which is one of its buckets. */
const slower = (metric: string, labels: string, boundS: string, window: string): string =>
  `${rate(`${metric}_count${labels && `{${labels}}`}`, window)} - ${rate(
    `${metric}_bucket{${labels && `${labels},`}le="${boundS}"}`,
    window,
  )}`;

export const INDICATORS: readonly Indicator[] = [
  {
    name: 'commands',
    alert: 'HeyBlueCommandsFail',
    objective: 0.9995,
    says: 'commands of phones and tills over sockets get an answer that is not our failure',
    bad: window => rate('rt_command_seconds_count{result=~"failed|timeout"}', window),
    all: window => rate('rt_command_seconds_count', window),
  },
  {
    name: 'requests',
    alert: 'HeyBlueRequestsFail',
    objective: 0.9995,
    says: 'requests to REST are not answered with 5xx',
    bad: window => rate('rt_request_seconds_count{result="failed"}', window),
    all: window => rate('rt_request_seconds_count', window),
  },
  {
    name: 'connects',
    alert: 'HeyBlueConnectsFail',
    objective: 0.9995,
    says: 'phones that may connect get WELCOME, and are not turned away because there is no room',
    bad: window => rate('rt_accept_rejected_total{reason=~"full|handshakes|half_open|rate"}', window),
    all: window =>
      both(
        rate('rt_handshake_seconds_count', window),
        rate('rt_accept_rejected_total{reason=~"full|handshakes|half_open|rate"}', window),
      ),
  },
  {
    name: 'pushes',
    alert: 'HeyBluePushesSlow',
    objective: 0.99,
    says: 'events are on the sockets of both phones within 100 ms of the turn that said them, commit included',
    bad: window => slower('rt_push_fanout_seconds', '', '0.1', window),
    all: window => rate('rt_push_fanout_seconds_count', window),
  },
  {
    name: 'balances',
    alert: 'HeyBlueBalancesLate',
    objective: 0.99,
    says: 'batches of balances are in DynamoDB within a second of their commit',
    bad: window => slower('heyblue_publish_staleness_seconds', 'target="balances"', '1', window),
    all: window => rate('heyblue_publish_staleness_seconds_count{target="balances"}', window),
  },
];

export interface Burn {
  readonly long: string;
  readonly short: string;
  readonly factor: number;
  readonly severity: 'page' | 'ticket';
}

export const BURNS: readonly Burn[] = [
  { long: '1h', short: '5m', factor: 14.4, severity: 'page' },
  { long: '6h', short: '30m', factor: 6, severity: 'page' },
  { long: '3d', short: '6h', factor: 1, severity: 'ticket' },
];

export const WINDOWS: readonly string[] = [...new Set(BURNS.flatMap(({ short, long }) => [short, long]))];

export const recordOf = ({ name }: Indicator, window: string): string => `heyblue:${name}:errors_${window}`;

/** The share of bad events in a window; no events are no errors. */
export const ratioOf = ({ bad, all }: Indicator, window: string): string =>
  `((${bad(window)}) or vector(0)) / clamp_min((${all(window)}) or vector(0), 1e-9)`;

/** Whether the budget burns faster than `factor` times what it can bear, in both windows. */
export const burnExpr = (indicator: Indicator, { long, short, factor }: Burn): string => {
  const bound = `${factor} * ${Number((1 - indicator.objective).toPrecision(6))}`;
  return `${recordOf(indicator, long)} > ${bound} and ${recordOf(indicator, short)} > ${bound}`;
};
