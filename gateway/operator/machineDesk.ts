/** What concerns the node itself: whoever reaches the port runs the machine, and still says what a change is for. */
import type { Drained } from '../../nodes/departure.ts';
import type { ClusterView } from '../../nodes/ports.ts';
import type { Verifier } from '../auth/identify.ts';
import { type Answer, answered, attendMachine, type LineOptions, type Request, said } from './entrance.ts';

export interface MachineDeskOptions extends Verifier, LineOptions {
  readonly drain: () => Promise<Drained>;
  readonly cluster?: (() => ClusterView) | undefined;
}

export const MACHINE_ROUTES = [
  'POST   /admin/drain                      hands everything over to the others',
] as const;

export class MachineDesk {
  readonly #options: MachineDeskOptions;

  constructor(options: MachineDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    if (request.method !== 'POST' || request.path !== '/admin/drain') return null;
    const { drain, cluster } = this.#options;
    const view = cluster?.();
    const own = view?.nodes.find(one => one.node === view.node);
    return said(
      await attendMachine(this.#options, request, () => ({
        line: { action: 'node.drain', userId: null, detail: { node: view?.node ?? null } },
        change: {
          before: async () => (own === undefined ? null : { state: own.state }),
          after: { state: 'draining' },
        },
        work: async () => {
          const drained = await drain();
          return answered(drained.ok ? 200 : 409, drained);
        },
      })),
    );
  }
}
