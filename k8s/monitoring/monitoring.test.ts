/** An alert on a series that does not exist never comes, and an alert that nobody can answer wakes people for nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createMetrics } from '../../infra/telemetry/index.ts';
import { METRICS } from '../../infra/telemetry/metric-table.ts';
import { CLUSTER_LIMITS } from '../../nodes/limits.ts';
import { overlayNames, readOverlay } from '../manifests/check.ts';
import { ALERTS } from './alerts.ts';
import { dashboardTexts, GROUPS, ruleText } from './document.ts';
import { faultsOf, type Known } from './lint.ts';
import { DASHBOARDS } from './panels.ts';
import { readPromql } from './promql.ts';
import { BURNS, INDICATORS } from './slo.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const rules = GROUPS.flatMap(group => group.rules);
const alerts = [...new Set(rules.flatMap(rule => ('alert' in rule ? [rule.alert] : [])))];

let known: Known;
beforeAll(async () => {
  const { text } = await createMetrics().expose();
  const told = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);
  known = {
    recorded: new Set(rules.flatMap(rule => ('record' in rule ? [rule.record] : []))),
    others: new Set(['up', ...told.filter(name => !(name in METRICS))]),
  };
});

test('every rule asks for series, labels, values and buckets that nodes really tell', () => {
  for (const rule of rules) expect(faultsOf(rule.expr, known), rule.expr).toEqual([]);
});

test('so does every panel of every page', () => {
  for (const { title, panels } of DASHBOARDS) {
    for (const one of panels) {
      for (const { expr } of one.queries) expect(faultsOf(expr, known), `${title}, ${one.title}`).toEqual([]);
    }
  }
});

test.each([
  ['sum(rate(heyblue_encounter_total[5m]))', 'there is no series heyblue_encounter_total'],
  ['sum by (city) (heyblue_actors)', 'nothing here has the label city'],
  ['heyblue_actors{species="user"}', 'heyblue_actors has no label species'],
  ['heyblue_actors{kind="unicorn"}', 'kind of heyblue_actors is never unicorn'],
  ['sum(rate(rt_frames_total{dir=~"in|up"}[5m]))', 'dir of rt_frames_total is never up'],
  ['rate(rt_command_seconds_bucket{le="0.2"}[5m])', 'rt_command_seconds_bucket has no bucket 0.2'],
  ['rate(rt_command_seconds[5m])', 'rt_command_seconds is a histogram: _bucket, _sum or _count'],
  ['heyblue_dead_letters_total > 0', 'heyblue_dead_letters_total only ever grows: rate or increase of it'],
  ['heyblue:commands:errors_2h > 0', 'there is no series heyblue:commands:errors_2h'],
  ['up{state="open"}', 'up has no label state'],
  ['vector(1)', 'asks for no series'],
  ['sum(rate(up[5m]) by', 'no PromQL at 17: by'],
])('a mistake is named: %s', (expr, fault) => {
  expect(faultsOf(expr, known)).toContain(fault);
});

test('what the autoscaler looks at comes to it as one number a pod, out of series that there are', () => {
  const { custom } = parse(read('adapter.yaml')).rules;
  const told = new Map<string, string>();
  for (const { seriesQuery, name, resources, metricsQuery } of custom) {
    // the adapter finds pods by these labels, and asks for those of one Deployment
    expect(Object.keys(resources.overrides)).toEqual(['namespace', 'pod']);
    const asked = metricsQuery
      .replace('<<.Series>>', seriesQuery.split('{')[0])
      .replace('<<.LabelMatchers>>', 'namespace="heyblue",pod=~"a|b"')
      .replace('<<.GroupBy>>', 'pod');
    for (const expr of [seriesQuery, asked]) expect(faultsOf(expr, known), expr).toEqual([]);
    told.set(name.as, asked);
  }
  const wanted = overlayNames()
    .flatMap(name => readOverlay(name).all('HorizontalPodAutoscaler'))
    .flatMap(({ spec }) => spec!.metrics ?? [])
    .flatMap(({ pods }) => pods?.metric.name ?? []);
  expect([...told.keys()]).toEqual([...new Set(wanted)]);
  for (const asked of told.values()) expect(asked).toMatch(/^sum by \(pod\) /);
});

test('values of labels that no table lists stand in the sources', () => {
  const sources = ['actors', 'nodes', 'gateway', 'infra'].flatMap(folder => {
    const root = new URL(`../../${folder}/`, import.meta.url);
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map(file => readFileSync(new URL(file, root), 'utf8'));
  });
  const written = new Set(
    rules.flatMap(({ expr }) => {
      const asked = readPromql(expr);
      const selectors = asked.ok ? asked.asked.selectors : [];
      return selectors.flatMap(({ metric, matchers }) =>
        matchers.flatMap(({ label, value }) => {
          const row = (METRICS as Record<string, { labels?: Record<string, unknown> }>)[metric];
          return typeof row?.labels?.[label] === 'number' ? value.split('|') : [];
        }),
      );
    }),
  );
  expect([...written].sort()).toEqual(['4102', 'stale_epoch']);
  for (const value of written)
    expect(
      sources.some(text => new RegExp(`\\b${value.replace(/(\d)(?=\d{3}$)/, '$1_?')}\\b`).test(text)),
      value,
    ).toBe(true);
});

test('the budget of a month: 2 % within an hour and 5 % within six wake somebody, 10 % within three days can wait', () => {
  const hoursOf = (window: string): number => Number.parseInt(window, 10) * (window.endsWith('d') ? 24 : 1);
  const shares = BURNS.map(({ long, factor }) => (factor * hoursOf(long)) / (30 * 24));
  expect(shares.map(share => Number(share.toFixed(3)))).toEqual([0.02, 0.05, 0.1]);
  expect(INDICATORS.filter(one => one.objective === 0.9995).map(one => one.name)).toEqual([
    'commands',
    'requests',
    'connects',
  ]);
});

test('the files are the ones that the tables make, and the operator of Prometheus takes them', () => {
  const again = 'run: npx node k8s/monitoring/render.ts';
  expect(read('prometheusrule.yaml'), again).toBe(ruleText());
  const texts = dashboardTexts();
  expect(readdirSync(new URL('dashboards', import.meta.url)).sort()).toEqual([...texts.keys()].sort());
  for (const [name, text] of texts) expect(read(`dashboards/${name}`), again).toBe(text);
  new PrometheusRule(parse(read('prometheusrule.yaml'))).validate();
  const { configMapGenerator } = parse(read('kustomization.yaml'));
  expect(configMapGenerator[0].files.sort()).toEqual(
    [...texts.keys()].map(name => `dashboards/${name}`).sort(),
  );
});

test('names of alerts and panels are used once', () => {
  expect(new Set(ALERTS.map(({ name }) => name)).size).toBe(ALERTS.length);
  for (const { panels } of DASHBOARDS)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
});

test('every alert has its entry in the runbook with what it means, where to look and what to do, and no entry is left over', () => {
  const [, ...entries] = read('../RUNBOOK.md').split(/^### /m);
  const names = entries.map(text => text.slice(0, text.indexOf('\n')));
  expect(names.toSorted()).toEqual(alerts.toSorted());
  for (const text of entries) {
    const name = text.slice(0, text.indexOf('\n'));
    for (const part of ['**Means**', '**Look**', '**Do**']) expect(text, name).toContain(part);
  }
});

test('metrics that the runbook names exist', () => {
  const named = [...read('../RUNBOOK.md').matchAll(/`((?:heyblue|rt)_[a-z_]+)/g)].map(([, name]) => name!);
  expect(named.length).toBeGreaterThan(20);
  const there = Object.keys(METRICS);
  expect(
    named.filter(name => !there.includes(name.replace(/_(bucket|sum|count)$/, '')) && !there.includes(name)),
  ).toEqual([]);
});

/** Routes of the admin port, as its pages list them. */
const offeredRoutes = (): Set<string> => {
  const root = new URL('../../gateway/', import.meta.url);
  return new Set(
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .flatMap(file => [
        ...readFileSync(new URL(file, root), 'utf8').matchAll(
          /^ *'(GET|POST|PUT|PATCH|DELETE) +(\/admin[^ ?']*)/gm,
        ),
      ])
      .map(([, method, path]) => `${method} ${path}`),
  );
};

test('what the runbook asks of the admin port is offered there', () => {
  const offered = offeredRoutes();
  const asked = [...read('../RUNBOOK.md').matchAll(/`((?:GET|POST|PUT|PATCH|DELETE) \/admin[^`? ]*)/g)];
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.map(([, one]) => one!).filter(one => !offered.has(one))).toEqual([]);
});

test('commands of the runbook can be given: programs, scripts, namespaces and doors that there are', () => {
  const page = read('../RUNBOOK.md');
  const { scripts } = JSON.parse(read('../../package.json'));
  const blocks = [...page.matchAll(/^```sh\n([^`]*)^```/gm)].flatMap(([, text]) => text!.split(/\n| & /));
  const programs = /^(npm|node|npx|kubectl|curl|psql|aws|helm|nats|docker|redis-cli) /;
  const commands = [...page.matchAll(/`([^`\n]+)`/g)]
    .map(([, text]) => text!)
    .concat(blocks)
    .filter(one => programs.test(one));
  expect(commands.length).toBeGreaterThan(15);
  // servers of NATS have no account that its own tool could ask with (nats/values.yaml): their doors are asked instead
  const natsDoors = ['/healthz', '/jsz', '/varz'];
  for (const command of commands) {
    const [program, ...words] = command.replace(/ +#.*/, '').split(' ');
    expect(['npm', 'kubectl', 'curl', 'psql', 'aws'], command).toContain(program);
    if (program === 'npm') expect(Object.keys(scripts), command).toContain(words[1]);
    if (program === 'kubectl') {
      expect(words[0], command).toBe('-n');
      expect(['heyblue', 'nats'], command).toContain(words[1]);
      for (const [, name] of command.matchAll(/deploy\/(\S+)/g))
        expect(readOverlay('prod').find('Deployment', name!), command).toBeDefined();
    }
    if (program === 'curl') {
      const { port, pathname } = new URL(`http://${words.at(-1)}`);
      if (port === '8222') expect(natsDoors, command).toContain(pathname);
      else expect([...offeredRoutes()], command).toContain(`GET ${pathname}`);
    }
  }
});

test('a node that left something behind is scraped before it goes', () => {
  const { endpoints } = parse(read('../components/monitoring/servicemonitor.yaml')).spec;
  expect(Number.parseInt(endpoints[0].interval, 10) * 1_000).toBeLessThan(CLUSTER_LIMITS.drainSeenMs);
});

test('the job that rules ask for is the one under which pods are scraped', () => {
  const monitor = parse(read('../components/monitoring/servicemonitor.yaml'));
  expect(monitor.spec.jobLabel).toBe('app.kubernetes.io/name');
  const jobs = rules.flatMap(({ expr }) => [...expr.matchAll(/job="([^"]*)"/g)].map(([, job]) => job));
  expect(new Set(jobs)).toEqual(new Set([monitor.metadata.labels['app.kubernetes.io/name']]));
});
