/** What other folders may use of ownership. */
export { ClusterCoordinator } from './clusterCoordinator.ts';
export type { ClusterCoordinatorOptions } from './options.ts';
