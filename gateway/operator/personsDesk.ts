/**
 * Where operators end a person who cannot do it alone, or whose erasure has to be repeated after a restore: the same end as
 * `DELETE /v1/me`, without the password, with a line in the audit trail that says who wanted it and why.
 */
import type { Persons } from '../../nodes/personPort.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import type { Verifier } from '../auth/identify.ts';
import { NOT_STORED, type Revocations } from '../revocations.ts';
import {
  type Answer,
  answered,
  attend,
  changedTo,
  type LineOptions,
  type Request,
  said,
} from './entrance.ts';

export interface PersonsDeskOptions extends Verifier, LineOptions {
  readonly persons: Pick<Persons, 'erase' | 'forget'>;
  readonly revocations: Pick<Revocations, 'covers' | 'user'>;
}

export const PERSON_ROUTES = [
  'POST   /admin/users/{id}/erase           ends the account for ever and erases what names the person; again it is the same',
] as const;

const ROUTE = /^\/admin\/users\/([^/]+)\/erase$/;
const noSuchUser = refuse(ERROR.notFound, 'no such user');
const HINDERED = {
  absent: noSuchUser,
  reserved: refuse(ERROR.conflict, 'points are set aside at a till: wait until it is over'),
  listed: refuse(ERROR.conflict, 'a catalogue names this account: take it out first'),
  selling: refuse(
    ERROR.conflict,
    'offers of this account are published (GET /admin/users/{id}/offers): POST /admin/offers/{id}/withdraw first',
  ),
} as const;

export class PersonsDesk {
  readonly #options: PersonsDeskOptions;

  constructor(options: PersonsDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const [, given] = ROUTE.exec(request.path) ?? [];
    if (given === undefined || request.method !== 'POST') return null;
    const userId = given.toLowerCase();
    const deed = () =>
      isUuid(given)
        ? {
            line: { action: 'user.erase', userId, detail: {} } as const,
            change: changedTo({ erased: true }),
            work: (operatorId: string) => this.#erase(userId, operatorId),
          }
        : noSuchUser;
    return said(await attend(this.#options, request, deed));
  }

  /** Who was erased before is asked for again: what follows the erasure may have been lost. */
  async #erase(userId: string, operatorId: string): Promise<Result<Answer>> {
    const { persons, revocations } = this.#options;
    const done = await persons.erase(userId, operatorId);
    if (done !== 'erased') return HINDERED[done];
    const { stored } = await revocations.user(userId);
    if (!stored) return NOT_STORED;
    persons.forget(userId);
    return answered(200, { erased: true });
  }
}
