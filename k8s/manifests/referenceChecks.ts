/** Whether everything that names something names what is there: labels, ports, targets; and how the number of pods may change. */
import { LIMITS as GATEWAY } from '../../gateway/limits.ts';
import { METRICS } from '../../infra/telemetry/metric-table.ts';
import { CLUSTER_LIMITS } from '../../nodes/limits.ts';
import { type Overlay, portsOf } from './overlay.ts';

/** What the pods of a town are counted by, down to this number: two zones more than may go at once. */
const REPLICAS_MIN = 3;
const SCALE_DOWN_WINDOW_S_MIN = 300;

const serviceMistakes = (overlay: Overlay): string[] =>
  overlay.all('Service').flatMap(({ metadata, spec }) => {
    const name = `Service ${metadata!.name}`;
    const served = overlay.selected(spec!.selector);
    if (!spec!.selector || served.length === 0) return [`${name} selects no pods`];
    return (spec!.ports ?? []).flatMap(port =>
      served
        .filter(
          one => !portsOf(one.spec!.template).includes((port.targetPort ?? port.port) as string | number),
        )
        .map(
          one =>
            `${name}: port ${String(port.targetPort ?? port.port)} is opened by no container of ${one.metadata!.name}`,
        ),
    );
  });

const ingressMistakes = (overlay: Overlay): string[] =>
  overlay.all('Ingress').flatMap(({ metadata, spec }) =>
    (spec!.rules ?? [])
      .flatMap(rule => rule.http?.paths ?? [])
      .flatMap(({ backend }) => {
        const service = overlay.find('Service', backend.service!.name);
        const { name, number } = backend.service!.port!;
        const there = service?.spec?.ports?.some(one => one.name === name || one.port === number);
        return there
          ? []
          : [`Ingress ${metadata!.name}: ${backend.service!.name} has no port ${name ?? number}`];
      }),
  );

const monitorMistakes = (overlay: Overlay): string[] =>
  overlay
    .all('ServiceMonitor')
    .flatMap(({ metadata, spec }) =>
      spec.endpoints
        .filter(
          ({ port }) =>
            !overlay
              .all('Service')
              .some(
                ({ metadata: service, spec: ports }) =>
                  Object.entries(spec.selector.matchLabels).every(
                    ([label, value]) => service?.labels?.[label] === value,
                  ) && ports?.ports?.some(one => one.name === port),
              ),
        )
        .map(({ port }) => `ServiceMonitor ${metadata.name}: no service with its labels has a port ${port}`),
    );

const budgetMistakes = (overlay: Overlay): string[] => {
  const budgets = overlay.all('PodDisruptionBudget');
  const wrong = budgets.flatMap(({ metadata, spec }) => [
    ...(overlay.selected(spec!.selector?.matchLabels).length === 1
      ? []
      : [`PodDisruptionBudget ${metadata!.name} is not about one Deployment`]),
    ...(spec!.maxUnavailable === 1
      ? []
      : [`PodDisruptionBudget ${metadata!.name} lets more than one go at a time (maxUnavailable: 1)`]),
  ]);
  const without = overlay
    .all('Deployment')
    .filter(
      one =>
        one.spec!.replicas !== 1 &&
        !budgets.some(({ spec }) => overlay.selected(spec!.selector?.matchLabels).includes(one)),
    );
  return [...wrong, ...without.map(one => `Deployment ${one.metadata!.name} has no PodDisruptionBudget`)];
};

const deploymentMistakes = (overlay: Overlay): string[] =>
  overlay.all('Deployment').flatMap(one => {
    const name = `Deployment ${one.metadata!.name}`;
    const scaled = overlay
      .all('HorizontalPodAutoscaler')
      .some(({ spec }) => spec!.scaleTargetRef.name === one.metadata!.name);
    const { replicas } = one.spec!;
    return [
      overlay.selected(one.spec!.selector.matchLabels).includes(one)
        ? ''
        : `${name} does not select its own pods`,
      scaled && replicas !== undefined ? `${name} has replicas and an autoscaler: leave one out` : '',
      !scaled && replicas === undefined ? `${name} says not how many (replicas, or an autoscaler)` : '',
      !scaled && replicas !== 1 && (replicas ?? 0) < REPLICAS_MIN
        ? `${name}: fewer than ${REPLICAS_MIN} cannot lose one`
        : '',
    ].filter(Boolean);
  });

/** Sockets that so many others can take over while a node drains (gateway/drain.ts); the last ones need their time to go. */
const movable = (others: number): number => {
  const perS = others * GATEWAY.attachPerS * GATEWAY.drainShareMax;
  return (perS * (CLUSTER_LIMITS.drainSocketsMs - GATEWAY.goawayMs)) / 1_000;
};

const scaleMistakes = (overlay: Overlay): string[] =>
  overlay.all('HorizontalPodAutoscaler').flatMap(({ metadata, spec }) => {
    const name = `HorizontalPodAutoscaler ${metadata!.name}`;
    const { scaleTargetRef, minReplicas = 1, maxReplicas, metrics = [], behavior } = spec!;
    const { policies = [], stabilizationWindowSeconds: window = 0 } = behavior?.scaleDown ?? {};
    const sockets = Math.max(...metrics.map(({ pods }) => Number(pods?.target.averageValue ?? 0)));
    const room = movable(minReplicas - 1);
    const unknown = metrics
      .map(metric => metric.pods?.metric.name)
      .filter(metric => metric !== undefined && !Object.hasOwn(METRICS, metric));
    return [
      overlay.find('Deployment', scaleTargetRef.name) ? '' : `${name}: there is no ${scaleTargetRef.name}`,
      minReplicas >= REPLICAS_MIN ? '' : `${name}: fewer than ${REPLICAS_MIN} cannot lose one`,
      maxReplicas >= minReplicas ? '' : `${name}: maxReplicas are less than minReplicas`,
      policies.length > 0 && policies.every(one => one.type === 'Pods' && one.value === 1)
        ? ''
        : `${name} scales down by more than one pod at a time`,
      window >= SCALE_DOWN_WINDOW_S_MIN ? '' : `${name} scales down within ${SCALE_DOWN_WINDOW_S_MIN} s`,
      ...unknown.map(metric => `${name}: there is no metric ${metric}`),
      sockets <= room
        ? ''
        : `${name} fills a pod with ${sockets} sockets, and the others can take ${room} while it drains`,
      metrics.some(one => one.pods) ? '' : `${name} does not look at connections`,
    ].filter(Boolean);
  });

/** Sentences about each name that leads nowhere. */
export const referenceMistakes = (overlay: Overlay): string[] => [
  ...deploymentMistakes(overlay),
  ...serviceMistakes(overlay),
  ...ingressMistakes(overlay),
  ...monitorMistakes(overlay),
  ...budgetMistakes(overlay),
  ...scaleMistakes(overlay),
];
