/** What other folders may use of ownership. */
export { ClusterCoordinator, type ClusterCoordinatorOptions } from './clusterCoordinator.ts';
