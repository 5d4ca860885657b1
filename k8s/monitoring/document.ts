/**
 * The tables of this folder as what others read: a PrometheusRule for the operator of Prometheus, and the JSON of Grafana's
 * pages. `npx node k8s/monitoring/render.ts` writes them; a test compares.
 */
import { stringify } from 'yaml';
import { ALERTS } from './alerts.ts';
import { DASHBOARDS, type Dashboard, type Panel } from './panels.ts';
import { BURNS, burnExpr, INDICATORS, ratioOf, recordOf, WINDOWS } from './slo.ts';

const RUNBOOK = 'k8s/RUNBOOK.md';
/** How often rules are evaluated. */
const INTERVAL = '30s';

interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
interface RecordRule {
  readonly record: string;
  readonly expr: string;
}
export interface RuleGroup {
  readonly name: string;
  readonly interval: string;
  readonly rules: readonly (AlertRule | RecordRule)[];
}

const annotationsOf = (alert: string, summary: string): Record<string, string> => ({
  summary,
  runbook_url: `${RUNBOOK}#${alert.toLowerCase()}`,
});

const burnRules = (): AlertRule[] =>
  INDICATORS.flatMap(indicator =>
    BURNS.map(burn => ({
      alert: indicator.alert,
      expr: burnExpr(indicator, burn),
      labels: { severity: burn.severity, window: burn.long },
      annotations: annotationsOf(
        indicator.alert,
        `Within ${burn.long} the budget of errors burned ${burn.factor} times as fast as it may: ${
          indicator.objective * 100
        } % is promised that ${indicator.says}.`,
      ),
    })),
  );

export const GROUPS: readonly RuleGroup[] = [
  {
    name: 'heyblue-indicators',
    interval: INTERVAL,
    rules: INDICATORS.flatMap(one =>
      WINDOWS.map(window => ({ record: recordOf(one, window), expr: ratioOf(one, window) })),
    ),
  },
  { name: 'heyblue-service-level', interval: INTERVAL, rules: burnRules() },
  {
    name: 'heyblue-causes',
    interval: INTERVAL,
    rules: ALERTS.map(({ name, expr, forTime, severity, summary }) => ({
      alert: name,
      expr,
      ...(forTime !== '0m' && { for: forTime }),
      labels: { severity },
      annotations: annotationsOf(name, summary),
    })),
  },
];

const prometheusRule = () => ({
  apiVersion: 'monitoring.coreos.com/v1' as const,
  kind: 'PrometheusRule' as const,
  metadata: { name: 'heyblue', labels: { 'app.kubernetes.io/name': 'heyblue' } },
  spec: { groups: GROUPS },
});

const HEAD =
  '# Made from the tables of this folder by `npx node k8s/monitoring/render.ts`; a test compares.\n';
export const ruleText = (): string =>
  HEAD + stringify(prometheusRule(), { lineWidth: 0, aliasDuplicateObjects: false });

const COLUMNS = 3;
const WIDTH = 24 / COLUMNS;
const HEIGHT = 8;
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

const panelJson = ({ title, unit, queries, says }: Panel, place: number) => ({
  id: place + 1,
  type: 'timeseries',
  title,
  ...(says && { description: says }),
  datasource: DATASOURCE,
  gridPos: { h: HEIGHT, w: WIDTH, x: (place % COLUMNS) * WIDTH, y: Math.floor(place / COLUMNS) * HEIGHT },
  fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 8, showPoints: 'never' } }, overrides: [] },
  options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
  targets: queries.map(({ expr, legend }, at) => ({
    refId: String.fromCharCode(65 + at),
    datasource: DATASOURCE,
    expr,
    legendFormat: legend,
  })),
});

const dashboardJson = ({ uid, title, panels }: Dashboard) => ({
  uid,
  title,
  tags: ['heyblue'],
  schemaVersion: 39,
  version: 1,
  editable: false,
  refresh: '30s',
  time: { from: 'now-3h', to: 'now' },
  timezone: 'utc',
  templating: {
    list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Source', current: {} }],
  },
  panels: panels.map(panelJson),
});

/** File names and texts. */
export const dashboardTexts = (): ReadonlyMap<string, string> =>
  new Map(
    DASHBOARDS.map(one => [`${one.uid}.json`, `${JSON.stringify(dashboardJson(one), null, 2)}\n`] as const),
  );
