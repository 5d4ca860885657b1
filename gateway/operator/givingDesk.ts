/**
 * Where operators say who may receive points, and what an account may spend: the catalogue of charities and families, limits,
 * and closing. As at the other desks, each request is of a known operator and stands in the audit log before it takes effect.
 */
import { Type } from 'typebox';
import type { CatalogEntry, CatalogKind, CatalogStatus, GivingStore } from '../../nodes/givingPort.ts';
import type { AuditState } from '../../nodes/ports.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import type { Verifier } from '../auth/identify.ts';
import { POINTS_MAX } from '../rest/giving.ts';
import { Id } from '../rest/schemas.ts';
import {
  type Answer,
  answered,
  attend,
  bodyOf,
  type Deed,
  type LineOptions,
  type Request,
  said,
} from './entrance.ts';
import { OPERATOR } from './limits.ts';

export interface GivingDeskOptions extends Verifier, LineOptions {
  readonly store: GivingStore;
}

export const GIVING_ROUTES = [
  'GET    /admin/catalogs/{charities|families}?after=   entries of the catalogue by id',
  'PUT    /admin/catalogs/{charities|families}/{id}     {name, registration?, account?, zip?}: makes or changes an entry',
  'POST   /admin/catalogs/{charities|families}/{id}/verify   its account may receive points',
  'POST   /admin/catalogs/{charities|families}/{id}/suspend  and may not any more',
  'GET    /admin/accounts/{id}              balance, limits, open or closed',
  'PUT    /admin/accounts/{id}/limits       {entryMax, dayMax}: points it may spend at once and in a day (UTC), null for no limit',
  'POST   /admin/accounts/{id}/close        nothing moves on it any more',
  'POST   /admin/accounts/{id}/open         and again',
] as const;

const KINDS: Readonly<Record<string, CatalogKind>> = { charities: 'charity', families: 'family' };
const CATALOG = /^\/admin\/catalogs\/(charities|families)(?:\/([^/]+)(?:\/(verify|suspend))?)?$/;
const ACCOUNT = /^\/admin\/accounts\/([^/]+)(?:\/(limits|close|open))?$/;

const closed = { additionalProperties: false };
const orNull = <T extends Parameters<typeof Type.Optional>[0]>(type: T) =>
  Type.Optional(Type.Union([type, Type.Null()]));
const Entry = Type.Object(
  {
    name: Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{1,120}$' }),
    registration: orNull(Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{1,64}$' })),
    account: orNull(Id),
    zip: orNull(Type.String({ pattern: '^[0-9]{5}(-[0-9]{4})?$' })),
  },
  closed,
);
const Max = Type.Union([Type.Integer({ minimum: 0, maximum: POINTS_MAX }), Type.Null()]);
const Limits = Type.Object({ entryMax: Max, dayMax: Max }, closed);

const noSuchEntry = refuse(ERROR.notFound, 'no such entry');
const noSuchAccount = refuse(ERROR.notFound, 'no such account');

/** What the store says of a deed; null when there is no such account. */
type Done = Result<object> | object | null;

const answerOf = (done: Done): Result<Answer> => {
  if (done === null) return noSuchAccount;
  if (!('ok' in done)) return answered(200, done);
  const result = done as Result<object>;
  return result.ok ? answered(200, result.value) : result;
};

interface GivingDeed extends Omit<Deed, 'work'> {
  readonly work: () => Promise<Done>;
}

const audited = ({ work, ...deed }: GivingDeed): Deed => ({
  ...deed,
  work: async () => answerOf(await work()),
});

export class GivingDesk {
  readonly #options: GivingDeskOptions;

  constructor(options: GivingDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const find = this.#deedOf(request);
    if (find === null) return null;
    const deed = async () => {
      const found = await find();
      return 'ok' in found ? found : audited(found);
    };
    return said(await attend(this.#options, request, deed));
  }

  #deedOf(request: Request): (() => Promise<GivingDeed | Result<never>>) | null {
    const { method, path } = request;
    const catalog = CATALOG.exec(path);
    if (catalog) {
      const [, list = '', id, verb] = catalog;
      const kind = KINDS[list]!;
      if (method === 'GET' && id === undefined) return () => this.#list(kind, request);
      if (method === 'PUT' && id !== undefined && verb === undefined)
        return () => this.#put(kind, id, request);
      if (method === 'POST' && id !== undefined && verb !== undefined)
        return () => this.#judge(kind, id, verb);
    }
    const account = ACCOUNT.exec(path);
    if (!account) return null;
    const [, id = '', verb] = account;
    if (method === 'GET' && verb === undefined) return () => this.#look(id);
    if (method === 'PUT' && verb === 'limits') return () => this.#limit(id, request);
    return method === 'POST' && (verb === 'close' || verb === 'open') ? () => this.#close(id, verb) : null;
  }

  async #list(kind: CatalogKind, { query }: Request): Promise<GivingDeed | Result<never>> {
    const after = query.get('after');
    if (after !== null && !isUuid(after)) return noSuchEntry;
    const limit = OPERATOR.placesShown;
    const filter = { verifiedOnly: false, after: after?.toLowerCase() ?? null, limit: limit + 1 };
    return {
      line: { action: 'catalog.list', userId: null, detail: { kind } },
      work: async () => {
        const found = await this.#options.store.entries(kind, filter);
        const items = found.slice(0, limit);
        return { items, next: found.length > limit ? (items.at(-1) as CatalogEntry).id : null };
      },
    };
  }

  async #put(kind: CatalogKind, given: string, request: Request): Promise<GivingDeed | Result<never>> {
    if (!isUuid(given)) return noSuchEntry;
    const body = await bodyOf(Entry, request);
    if (!body.ok) return body;
    const { name, registration = null, account = null, zip = null } = body.value;
    const id = given.toLowerCase();
    const entry = { id, kind, name, registration, account: account?.toLowerCase() ?? null, zip };
    return {
      line: { action: 'catalog.put', userId: entry.account, detail: { kind, entryId: id } },
      change: { before: () => this.#entryNow(kind, id), after: { account: entry.account, zip } },
      work: () => this.#options.store.putEntry(entry),
    };
  }

  async #judge(kind: CatalogKind, given: string, verb: string): Promise<GivingDeed | Result<never>> {
    if (!isUuid(given)) return noSuchEntry;
    const id = given.toLowerCase();
    const status: Exclude<CatalogStatus, 'listed'> = verb === 'verify' ? 'verified' : 'suspended';
    return {
      line: {
        action: verb === 'verify' ? 'catalog.verify' : 'catalog.suspend',
        userId: null,
        detail: { kind, entryId: id },
      },
      change: { before: () => this.#entryNow(kind, id), after: { status } },
      work: () => this.#options.store.judgeEntry(kind, id, status),
    };
  }

  /** Neither name nor registration: the trail is for ever. */
  async #entryNow(kind: CatalogKind, id: string): Promise<AuditState | null> {
    const entry = await this.#options.store.entry(kind, id);
    return entry && { status: entry.status, account: entry.account, zip: entry.zip, version: entry.version };
  }

  async #accountNow(id: string): Promise<AuditState | null> {
    const account = await this.#options.store.account(id);
    return account && { closed: account.closed, entryMax: account.entryMax, dayMax: account.dayMax };
  }

  async #look(given: string): Promise<GivingDeed | Result<never>> {
    if (!isUuid(given)) return noSuchAccount;
    const id = given.toLowerCase();
    return {
      line: { action: 'account.look', userId: id, detail: {} },
      work: () => this.#options.store.account(id),
    };
  }

  async #limit(given: string, request: Request): Promise<GivingDeed | Result<never>> {
    if (!isUuid(given)) return noSuchAccount;
    const body = await bodyOf(Limits, request);
    if (!body.ok) return body;
    const { entryMax, dayMax } = body.value;
    const id = given.toLowerCase();
    return {
      line: { action: 'account.limit', userId: id, detail: {} },
      change: { before: () => this.#accountNow(id), after: { entryMax, dayMax } },
      work: () => this.#options.store.limitAccount(id, entryMax, dayMax),
    };
  }

  async #close(given: string, verb: 'close' | 'open'): Promise<GivingDeed | Result<never>> {
    if (!isUuid(given)) return noSuchAccount;
    const id = given.toLowerCase();
    return {
      line: { action: verb === 'close' ? 'account.close' : 'account.open', userId: id, detail: {} },
      change: { before: () => this.#accountNow(id), after: { closed: verb === 'close' } },
      work: () => this.#options.store.closeAccount(id, verb === 'close'),
    };
  }
}
