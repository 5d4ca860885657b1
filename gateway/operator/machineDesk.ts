/**
 * What concerns the node itself: whoever reaches the port runs the machine. He may say what a change is for, and need not, as he
 * need not for a signal; an operator who names himself must, as everywhere.
 */
import type { Drained } from '../../nodes/departure.ts';
import type { ClusterView } from '../../nodes/ports.ts';
import type { Verifier } from '../auth/identify.ts';
import { type Answer, answered, attendMachine, type LineOptions, type Request, said } from './entrance.ts';

/** In the line of a change for which no reason was given. */
const NOT_SAID = 'not said';

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
    const isSilent = request.why === undefined && request.authorization === undefined;
    const detail = { node: view?.node ?? null, ...(isSilent && { why: NOT_SAID }) };
    return said(
      await attendMachine(this.#options, request, () => ({
        line: { action: 'node.drain', userId: null, detail },
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
