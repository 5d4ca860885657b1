/**
 * Where operators correct: what an entry brought an account by mistake goes back where it came from, by another entry. The
 * account's own actor moves the points; here it is written down who wanted it and why, before he asks.
 */
import { Type } from 'typebox';
import type { ActorDoor, Given } from '../../nodes/gatewayPort.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import { askActor } from '../askActor.ts';
import type { Verifier } from '../auth/identify.ts';
import { Id } from '../rest/schemas.ts';
import {
  type Answer,
  answered,
  attend,
  bodyOf,
  changedTo,
  type Deed,
  type LineOptions,
  type Request,
  said,
  WHY,
} from './entrance.ts';

export interface CorrectionDeskOptions extends Verifier, LineOptions {
  readonly door: ActorDoor;
}

export const CORRECTION_ROUTES = [
  'POST   /admin/accounts/{id}/reverse      {transferId, why}: what this entry brought the account goes back, as a new entry',
] as const;

const ROUTE = /^\/admin\/accounts\/([^/]+)\/reverse$/;
const Correction = Type.Object(
  { transferId: Id, why: Type.String({ pattern: WHY }) },
  { additionalProperties: false },
);
const noSuchAccount = refuse(ERROR.notFound, 'no such account');

export class CorrectionDesk {
  readonly #options: CorrectionDeskOptions;

  constructor(options: CorrectionDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const [, account] = ROUTE.exec(request.path) ?? [];
    if (account === undefined || request.method !== 'POST') return null;
    return said(await attend(this.#options, request, () => this.#reverse(account, request)));
  }

  async #reverse(account: string, request: Request): Promise<Deed | Result<never>> {
    if (!isUuid(account)) return noSuchAccount;
    const body = await bodyOf(Correction, request);
    if (!body.ok) return body;
    const { transferId: given, why } = body.value;
    const userId = account.toLowerCase();
    const transferId = given.toLowerCase();
    return {
      line: { action: 'account.reverse', userId, detail: { transferId, why } },
      change: changedTo({ reversed: true }),
      work: async () => {
        const { door } = this.#options;
        const done = await askActor<Given>(
          door,
          { kind: 'user', id: userId },
          { type: 'reverse', transferId },
        );
        return done.ok ? answered(200, done.value) : done;
      },
    };
  }
}
