/**
 * Where operators correct: what an entry brought an account by mistake goes back where it came from, by another entry. The
 * account's own actor moves the points; here it is written down who wanted it and why, before he asks.
 */
import { type Static, Type } from 'typebox';
import type { ActorDoor, Given } from '../../nodes/gatewayPort.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import type { Verifier } from '../auth/identify.ts';
import { LIMITS } from '../limits.ts';
import { Id } from '../rest/schemas.ts';
import {
  type Answer,
  answered,
  bodyOf,
  type LineOptions,
  operatorOf,
  type Request,
  said,
  writeLine,
} from './entrance.ts';

export interface CorrectionDeskOptions extends Verifier, LineOptions {
  readonly door: ActorDoor;
}

export const CORRECTION_ROUTES = [
  'POST   /admin/accounts/{id}/reverse      {transferId, why}: what this entry brought the account goes back, as a new entry',
] as const;

const ROUTE = /^\/admin\/accounts\/([^/]+)\/reverse$/;
const Correction = Type.Object(
  { transferId: Id, why: Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{1,200}$' }) },
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
    const operator = await operatorOf(this.#options, request);
    return said(operator.ok ? await this.#reverse(operator.value, account, request) : operator);
  }

  async #reverse(operatorId: string, account: string, request: Request): Promise<Result<Answer>> {
    if (!isUuid(account)) return noSuchAccount;
    const body = await bodyOf(Correction, request);
    if (!body.ok) return body;
    const { transferId, why } = body.value as Static<typeof Correction>;
    const userId = account.toLowerCase();
    const detail = { transferId: transferId.toLowerCase(), why };
    const refusal = await writeLine(this.#options, { operatorId, action: 'account.reverse', userId, detail });
    if (refusal !== null) return refusal;
    const given = await this.#ask(userId, detail.transferId);
    return given.ok ? answered(200, given.value) : given;
  }

  #ask(userId: string, transferId: string): Promise<Result<Given>> {
    const { door } = this.#options;
    return new Promise(resolve => {
      door.ask({ kind: 'user', id: userId }, { type: 'reverse', transferId }, resolve as never, {
        timeoutMs: LIMITS.commandMs,
      });
    });
  }
}
