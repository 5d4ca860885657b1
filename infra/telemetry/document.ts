/** The table of metrics as people read it: `gateway/METRICS.md`, written by `npx node infra/telemetry/render.ts`. */
import { METRICS, type MetricRow } from './metric-table.ts';

const HEAD = `# Metrics

Generated from \`infra/telemetry/metric-table.ts\` by \`npx node infra/telemetry/render.ts\`; a test compares this page with what
a node serves at \`GET /metrics\` of the admin port. \`rt_\` is what phones notice, \`heyblue_\` is what the nodes do. No
label ever names a person, a place or an address: values that are not listed here, or too many of them, become \`other\`.

The page also has what the process tells of itself (\`process_*\`, \`nodejs_*\`).

Worth an alarm: \`rt_resume_total{result="epoch_mismatch"}\`, \`"foreign"\` and \`"full"\` above 1 % of all resumes,
\`rt_close_total{code="4102"}\` above 5 % of all closes, the 99th percentiles of \`rt_push_fanout_seconds\` and \`rt_bus_lag_seconds\`, the
90th of \`rt_event_ack_lag_seconds\`, any \`rt_operator_actions_total{result="unwritten"}\`.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

const labelsOf = ({ labels = {} }: MetricRow): string =>
  Object.entries(labels)
    .map(([label, bound]) =>
      typeof bound === 'number'
        ? `\`${label}\`: at most ${bound} values`
        : `\`${label}\`: ${bound.map(value => `\`${value}\``).join(', ')}`,
    )
    .join('; ');

const unitOf = (name: string): string => {
  if (/_seconds$/.test(name)) return 's';
  return /_bytes$/.test(name) ? 'bytes' : '';
};

const table = (prefix: string): string => {
  const rows = Object.entries<MetricRow>(METRICS).filter(([name]) => name.startsWith(prefix));
  const lines = rows
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, row]) =>
        `| \`${name}\` | ${row.kind} | ${unitOf(name)} | ${cell(row.help)} | ${labelsOf(row)} |`,
    );
  return ['| name | kind | unit | what | labels |', '|---|---|---|---|---|', ...lines, ''].join('\n');
};

/** The whole page. */
export const renderMetrics = (): string =>
  [HEAD, '## What phones notice\n', table('rt_'), '## What the nodes do\n', table('heyblue_')].join('\n');
