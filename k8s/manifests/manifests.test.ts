/**
 * What is deployed is looked at without a cluster, and what looks at it is looked at by mistakes that are planted: each of
 * them must be found, and be found for what it is.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { SETTINGS } from '../../infra/config/settings.ts';
import { mistakesOf, overlayNames, readOverlay, replaced } from './check.ts';
import { isObject, type Json, type JsonObject, type Resource, readYaml } from './document.ts';
import { LEFT_ALONE } from './leftAlone.ts';
import { given } from './settingChecks.ts';

const overlays = new Map(overlayNames().map(name => [name, readOverlay(name)]));
const overlayOf = (name: string) => overlays.get(name)!;

test.each(overlayNames())('overlay %s builds, and nothing is wrong with it', async name => {
  expect(await mistakesOf(overlayOf(name))).toEqual([]);
});

test('a release is refused while its images are not named', async () => {
  expect(await mistakesOf(overlayOf('prod'), true)).toEqual([
    expect.stringMatching(/migrate runs no image yet: put in the digest of the release$/),
    expect.stringMatching(/node runs no image yet: put in the digest of the release$/),
  ]);
});

test('every setting is given by an overlay, or left alone on purpose', () => {
  const all = new Set(overlayNames().flatMap(name => given(overlayOf(name))));
  const undecided = Object.keys(SETTINGS).filter(
    name => !all.has(name) && !(LEFT_ALONE as readonly string[]).includes(name),
  );
  expect(undecided, 'give it in k8s/base or an overlay, or name it in k8s/manifests/leftAlone.ts').toEqual(
    [],
  );
  expect(LEFT_ALONE.filter(name => all.has(name))).toEqual([]);
});

/** A path like `spec.template.spec.containers.0.image`. */
const at = (root: Json, path: string): { owner: JsonObject; field: string } => {
  const parts = path.split('.');
  const field = parts.pop()!;
  let owner: Json | undefined = root;
  for (const part of parts) {
    owner = Array.isArray(owner) ? owner[Number(part)] : isObject(owner) ? owner[part] : undefined;
    if (owner === undefined) throw new Error(`there is no ${part} in ${path}`);
  }
  return { owner: owner as JsonObject, field };
};

const GONE = undefined;
const pod = 'spec.template.spec';
const node = `${pod}.containers.0`;

/** [overlay, object, path, what stands there instead, what is said] */
const PLANTED: readonly (readonly [string, string, string, Json | undefined, RegExp])[] = [
  // fields and types
  ['dev', 'Deployment heyblue', 'spec.replicaz', 3, /no field spec\.replicaz/],
  ['dev', 'Deployment heyblue', `${pod}.terminationGracePeriodSecond`, 9, /no field .*PeriodSecond$/],
  ['dev', 'Deployment heyblue', `${node}.securityContext.allowPrivilegeEscalationn`, false, /no field/],
  ['dev', 'Deployment heyblue', 'spec.selector', GONE, /required property selector/],
  ['dev', 'Deployment heyblue', 'spec.minReadySeconds', 'soon', /must be integer/],
  ['dev', 'Deployment heyblue', 'kind', 'Deploiment', /there is no kind apps\/v1 Deploiment/],
  ['prod', 'ServiceMonitor heyblue', 'spec.endpoints.0.intervall', '5s', /additional properties.*intervall/],
  ['prod', 'PrometheusRule heyblue', 'spec.groups.0.rules.0.expresion', 'up', /additional properties/],
  [
    'compat-1.20',
    'PodDisruptionBudget heyblue',
    'spec.unhealthyPodEvictionPolicy',
    'AlwaysAllow',
    /has no unh/,
  ],
  [
    'compat-1.20',
    'Deployment heyblue',
    `${node}.lifecycle.preStop`,
    { sleep: { seconds: 10 } },
    /1\.20 has no sleep/,
  ],
  // the owner of the tables
  [
    'prod',
    'Deployment heyblue',
    `${pod}.volumes.3.secret.items.0`,
    { key: 'DATABASE_URL', path: 'DATABASE_URL' },
    /a node holds the URL of the owner/,
  ],
  ['prod', 'Deployment heyblue', `${pod}.initContainers`, GONE, /nobody migrates: DATABASE_URL/],
  [
    'prod',
    'Deployment heyblue',
    `${pod}.initContainers.0.image`,
    'heyblue:latest',
    /migrate runs heyblue:latest/,
  ],
  [
    'prod',
    'Deployment heyblue',
    `${pod}.initContainers.0.securityContext`,
    GONE,
    /migrate: may gain privileges/,
  ],
  // labels, ports and targets
  ['dev', 'Service heyblue', 'spec.selector', { 'app.kubernetes.io/name': 'heyblu' }, /selects no pods/],
  ['dev', 'Service heyblue', 'spec.ports.0.targetPort', 8088, /port 8088 is opened by no container/],
  ['dev', 'Service heyblue-pods', 'spec.ports.0.targetPort', 'metrics', /port metrics is opened by no/],
  ['dev', 'Deployment heyblue', 'spec.selector.matchLabels', { app: 'x' }, /does not select its own pods/],
  ['prod', 'Ingress heyblue', 'spec.rules.0.http.paths.0.backend.service.port.name', 'ws', /no port ws/],
  ['prod', 'ServiceMonitor heyblue', 'spec.endpoints.0.port', 'admin', /no service .* port admin/],
  ['dev', 'Deployment heyblue', `${node}.ports.0.containerPort`, 8090, /HEYBLUE_REST_PORT is 8080.* 8090/],
  ['dev', 'ConfigMap heyblue-config', 'data.HEYBLUE_REALTIME_PORT', '8091', /HEYBLUE_REALTIME_PORT is 8091/],
  // probes and time to leave
  ['dev', 'Deployment heyblue', `${node}.readinessProbe`, GONE, /has no readinessProbe/],
  ['dev', 'Deployment heyblue', `${node}.startupProbe`, GONE, /has no startupProbe/],
  [
    'dev',
    'Deployment heyblue',
    `${node}.livenessProbe.httpGet.path`,
    '/readyz',
    /asks \/readyz, not \/livez/,
  ],
  [
    'dev',
    'Deployment heyblue',
    `${node}.livenessProbe.httpGet.port`,
    'admin',
    /asks port admin, which nobody/,
  ],
  [
    'dev',
    'Deployment heyblue',
    `${pod}.terminationGracePeriodSeconds`,
    60,
    /has 60 s to go and may need 110/,
  ],
  ['dev', 'Deployment heyblue', `${node}.lifecycle`, GONE, /goes before load balancers/],
  ['dev', 'Deployment heyblue', 'spec.strategy.rollingUpdate.maxUnavailable', 1, /not replaced one by one/],
  ['dev', 'Deployment heyblue', 'spec.minReadySeconds', 0, /before it has its share/],
  // how many
  [
    'prod',
    'HorizontalPodAutoscaler heyblue',
    'spec.behavior.scaleDown.policies.0.value',
    2,
    /more than one pod/,
  ],
  ['prod', 'HorizontalPodAutoscaler heyblue', 'spec.behavior.scaleDown', GONE, /more than one pod at a time/],
  ['prod', 'HorizontalPodAutoscaler heyblue', 'spec.minReplicas', 1, /fewer than 3/],
  [
    'staging',
    'HorizontalPodAutoscaler heyblue',
    'spec.metrics.0.pods.target.averageValue',
    '21000',
    /with 21000 sockets, and the others can take 20000/,
  ],
  [
    'prod',
    'HorizontalPodAutoscaler heyblue',
    'spec.metrics.0.pods.metric.name',
    'rt_conns',
    /no metric rt_conns/,
  ],
  ['prod', 'HorizontalPodAutoscaler heyblue', 'spec.scaleTargetRef.name', 'heyblu', /there is no heyblu/],
  ['prod', 'Deployment heyblue', 'spec.replicas', 3, /replicas and an autoscaler/],
  ['dev', 'Deployment heyblue', 'spec.replicas', 2, /fewer than 3 cannot lose one/],
  ['dev', 'PodDisruptionBudget heyblue', 'spec.maxUnavailable', 2, /lets more than one go/],
  ['dev', 'PodDisruptionBudget heyblue', '', GONE, /has no PodDisruptionBudget/],
  ['dev', 'Deployment heyblue', `${pod}.affinity`, GONE, /on one machine/],
  ['dev', 'Deployment heyblue', `${pod}.topologySpreadConstraints`, GONE, /not spread/],
  // what a pod may do
  ['dev', 'Deployment heyblue', `${node}.securityContext.readOnlyRootFilesystem`, false, /root file system/],
  ['dev', 'Deployment heyblue', `${node}.securityContext.capabilities.drop`, ['KILL'], /keeps capabilities/],
  ['dev', 'Deployment heyblue', `${node}.securityContext.allowPrivilegeEscalation`, GONE, /gain privileges/],
  ['dev', 'Deployment heyblue-servers', `${pod}.securityContext.runAsNonRoot`, GONE, /may run as root/],
  ['dev', 'Deployment heyblue', `${pod}.securityContext.seccompProfile`, GONE, /no seccomp profile/],
  ['dev', 'Deployment heyblue', `${pod}.automountServiceAccountToken`, true, /gets a token/],
  ['dev', 'Deployment heyblue', `${pod}.enableServiceLinks`, GONE, /variables of services/],
  ['dev', 'Deployment heyblue', `${node}.resources.limits.memory`, GONE, /no limit of memory/],
  ['dev', 'Deployment heyblue', `${node}.resources.limits.cpu`, '1', /being throttled looks like a pause/],
  ['dev', 'Deployment heyblue', `${node}.volumeMounts.0.name`, 'dta', /mounts dta, which is no volume/],
  // images
  ['prod', 'Deployment heyblue', `${node}.image`, 'registry.heyblue.example/heyblue:1.0', /by its digest/],
  ['dev', 'Deployment heyblue', `${node}.image`, 'heyblue:latest', /by a tag/],
  // settings
  ['prod', 'Deployment heyblue', `${node}.envFrom.0.configMapRef.name`, 'heyblue-config', /no ConfigMap/],
  ['dev', 'ConfigMap heyblue-config', 'data.HEYBLUE_DWEL_S', '5', /there is no setting HEYBLUE_DWEL_S/],
  ['dev', 'ConfigMap heyblue-config', 'data.HEYBLUE_DWELL_S', 'soon', /would not start: HEYBLUE_DWELL_S/],
  ['dev', 'ConfigMap heyblue-config', 'data.DYNAMODB_ENDPOINT', GONE, /DYNAMODB_ENDPOINT is not given/],
  [
    'dev',
    'ConfigMap heyblue-config',
    'data.DATABASE_URL',
    'postgres://a:b@c/d',
    /DATABASE_URL may hold a secret/,
  ],
  [
    'prod',
    'ConfigMap heyblue-config',
    'data.NATS_CA',
    '/run/secrets/heyblue/ca.crt',
    /which no secret brings/,
  ],
  ['prod', 'ConfigMap heyblue-config', 'data.NATS_CA', GONE, /nobody reads .*nats-ca\.crt/],
  ['dev', 'ConfigMap heyblue-config', 'data.HEYBLUE_DATA_DIR', '/data', /may not write in \/data/],
  ['dev', 'Deployment heyblue', `${node}.env.1.value`, '', /the heap may take 100 %/],
  // the network
  ['dev', 'NetworkPolicy default-deny', '', GONE, /nothing is denied by default/],
  [
    'dev',
    'NetworkPolicy heyblue-node-to-servers',
    'spec.egress.0.ports.1.port',
    4223,
    /NATS_URL leads to port 4222/,
  ],
  [
    'dev',
    'NetworkPolicy heyblue-node-to-servers',
    'spec.egress.0.ports.4',
    { port: 22 },
    /port 22, and no setting/,
  ],
  ['dev', 'NetworkPolicy heyblue-node-to-servers', 'spec.egress.0.to', GONE, /speak to everybody/],
  ['dev', 'NetworkPolicy heyblue-node', 'spec.egress', [], /may not ask for names/],
  ['dev', 'NetworkPolicy heyblue-node', 'spec.ingress.0.from', GONE, /lets everybody in/],
  [
    'dev',
    'NetworkPolicy heyblue-node',
    'spec.ingress.1.ports.0.port',
    'admin',
    /port admin, which nobody opens/,
  ],
  [
    'prod',
    'ConfigMap heyblue-config',
    'data.OTEL_EXPORTER_OTLP_ENDPOINT',
    'http://spans.tracing.svc:4318',
    /no Net/,
  ],
];

/** Without what kustomize puts behind the name of a ConfigMap. */
const plainName = ({ kind, metadata: { name } }: Resource): string =>
  `${kind} ${kind === 'ConfigMap' ? name.replace(/-[a-z0-9]{10}$/, '') : name}`;

test.each(PLANTED)('%s: %s, %s = %j is found', async (name, object, path, value, said) => {
  const overlay = overlayOf(name);
  const resources = [...overlay.resources];
  const place = resources.findIndex(one => plainName(one) === object);
  expect(place, object).toBeGreaterThanOrEqual(0);
  if (path === '') resources.splice(place, 1);
  else {
    resources[place] = structuredClone(resources[place]!);
    const { owner, field } = at(resources[place], path);
    if (value === GONE) delete owner[field];
    else owner[field] = structuredClone(value);
  }
  const found = await mistakesOf(replaced(overlay, resources));
  expect(found.join('\n')).toMatch(new RegExp(said.source, 'm'));
});

test('settings under a name that stays are found: a roll-back would not bring the old ones back', async () => {
  const prod = overlayOf('prod');
  const text = JSON.stringify(prod.resources).replaceAll(prod.settingsName!, 'heyblue-config');
  expect(await mistakesOf(replaced(prod, JSON.parse(text) as Resource[]))).toEqual([
    'ConfigMap heyblue-config is not called after what stands in it',
  ]);
});

test('the page for operators fills every key of the secrets that production asks for', () => {
  const page = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const wanted = (name: string) =>
    [
      ...new Set(
        [...overlayOf('prod').secretFiles, ...overlayOf('prod').secretFilesBefore]
          .filter(one => one.secret === name)
          .map(one => one.key),
      ),
    ].sort();
  const made = (name: string) => {
    const [, line = ''] = new RegExp(`create secret generic ${name}(.*)`).exec(page) ?? [];
    return [...line.matchAll(/--from-file=([^\s=]+)/g)].map(([, file]) => basename(file!)).sort();
  };
  for (const name of ['heyblue-keys', 'heyblue-secrets', 'heyblue-owner'])
    expect(made(name)).toEqual(wanted(name));
  expect([...page.matchAll(/^\| `([^`]+)` \| .*$/gm)].map(([, key]) => key)).toEqual(
    expect.arrayContaining(wanted('heyblue-secrets')),
  );
});

/** A kubectl whose kustomize knows components and patches as we write them. */
const newKubectl = (): boolean => {
  try {
    const said = execFileSync('kubectl', ['version', '--client', '-o', 'json'], { stdio: 'pipe' }).toString();
    const { clientVersion } = JSON.parse(said) as { clientVersion: { major: string; minor: string } };
    return Number(clientVersion.major) > 1 || Number.parseInt(clientVersion.minor, 10) >= 27;
  } catch {
    return false;
  }
};

/** Lists whose order says nothing (of env it says who may name whom, of containers who starts first). */
const byName = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(byName);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([field, inner]) => {
        const plain = byName(inner);
        if (!['volumes', 'volumeMounts'].includes(field) || !Array.isArray(plain)) return [field, plain];
        return [field, plain.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))];
      }),
  );
};

const index = (resources: readonly Json[]): Record<string, Json> =>
  Object.fromEntries(
    resources.map(one => [`${(one as Resource).kind} ${(one as Resource).metadata.name}`, byName(one)]),
  );

test.skipIf(!newKubectl()).each(overlayNames())('kubectl builds the same of overlay %s', name => {
  const folder = new URL(`../overlays/${name}`, import.meta.url).pathname;
  const built = execFileSync('kubectl', ['kustomize', folder], {
    stdio: 'pipe',
    maxBuffer: 1 << 26,
  }).toString();
  expect(index([...overlayOf(name).resources])).toEqual(index(readYaml(built, 'kubectl')));
});
